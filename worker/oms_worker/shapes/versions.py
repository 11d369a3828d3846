"""Versions of the API."""

from __future__ import annotations

from typing import Literal

from oms_worker.shapes.base import Shape


class LinkShape(Shape):
    """Where a version answers."""

    href: str
    rel: str


class VersionShape(Shape):
    """One version."""

    id: str
    links: list[LinkShape]
    status: Literal["CURRENT", "SUPPORTED", "DEPRECATED"]
    updated: str


class VersionList(Shape):
    """Every version."""

    versions: list[VersionShape]
