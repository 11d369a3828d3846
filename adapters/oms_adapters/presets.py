"""Clouds that speak S3's protocol under other endpoints and with quirks, as data: reading ``presets.toml``.

A vendor is a table of that file (or of any TOML text, see CONTRIBUTING.md); ``s3like`` makes an adapter of it.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import field, fields
from datetime import date
from functools import cache
from importlib.resources import files
from typing import Any

from oms_engine import errors
from oms_engine.frozen import dataclass
from oms_engine.model import KeyOrder, StorageClass
from oms_engine.store import GIB, MIB, Capabilities

BASE = Capabilities(
    # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html, unless a quirk says otherwise
    min_part_size=5 * MIB,
    max_part_size=5 * GIB,
    max_object_size=10_000 * 5 * GIB,
    kms=False,
    requester_pays=False,
)

LIMITS = frozenset(item.name for item in fields(Capabilities)) - {
    "class_of",
    "is_archived_class",
    "order",
    "part_etag_is_md5",
    "storage_classes",
}
"""Values of ``Capabilities`` that a quirk may set."""

WAYS: dict[str, type] = {
    "addressing": str,  # "path": in the path unless asked otherwise; "virtual": in the host only
    "list_version": int,  # 1: marker; 2: start-after
    "order": str,  # in which order keys are listed, of KeyOrder
    "list_url_encode": bool,  # whether listings come percent-encoded
    "restore_tiers": bool,  # whether a restore may name its speed
    "restore_tiers_of": list,  # classes whose restore names its speed where others' may not
    "restore_max_days": int,  # longest life of a restored copy
    "restore_max_days_of": dict,  # class -> longest life, where it is another one
    "restore_element": str,  # element around the speed in a restore request
    "crc64_header": str,  # header that states CRC-64/XZ of the whole object, as a decimal number
    "session_tokens": bool,  # whether temporary keys, which come with a token, are taken
    "plain_regions": list,  # regions that are reached over plain HTTP only
    "writes": list,  # classes that a write may ask for; an empty list: none
}
"""Other values that a quirk may set."""


ERROR_CLASSES = frozenset(
    name for name, kind in vars(errors).items() if isinstance(kind, type) and issubclass(kind, errors.StoreError)
)
"""What an error code can mean."""


@dataclass(frozen=True, slots=True)
class Quirk:
    """One value that differs from S3's, and why."""

    reason: str
    source: str
    """A public URL."""
    name: str
    """What it sets; of a note: what it is about."""
    value: object = None
    verified: bool = True
    """Whether a page of the vendor states it."""
    date: date | None = None
    """Of the page, or the day it was read."""


@dataclass(frozen=True, slots=True)
class Preset:
    """One S3-speaking vendor, as data."""

    name: str
    """The extra of ``pip install openoms[name]``."""
    cloud_type: str
    scheme: str
    title: str
    source: str
    """The vendor's page on its S3 protocol."""
    endpoint: str
    """URL of a region's endpoint, with ``{label}`` where the region's part of the host name stands."""
    regions: Mapping[str, str]
    """Region, as it is signed for and written by users -> its label in the host name."""
    classes: Mapping[str, str]
    """The store's word -> OMS's. The first of several is the one that is written."""
    archived: tuple[str, ...] = ()
    """The store's words for classes whose objects are read only after a restore."""
    other_hosts: tuple[str, ...] = ()
    """Further host names of the vendor, with ``{label}``, from which a region is recognised."""
    region_shape: str = "[a-z0-9-]+"
    """What a region newer than the table looks like."""
    codes: Mapping[str, str] = field(default_factory=dict)
    """Error codes beyond (or unlike) S3's -> the name of a class of ``oms_engine.errors``."""
    sentences: Mapping[str, str] = field(default_factory=dict)
    """Error code -> what the user is told, where the sentence of the code's class would not help."""
    quirks: tuple[Quirk, ...] = ()
    notes: tuple[Quirk, ...] = field(default=(), compare=False)

    def value(self, name: str, default: Any) -> Any:
        """Return what a quirk sets, ``default`` where none does."""
        return next((quirk.value for quirk in self.quirks if quirk.name == name), default)


def parse_preset(name: str, table: Mapping[str, Any]) -> Preset:
    """Return the preset a TOML table describes.

    Raises:
        ValueError: a key is missing or unknown, a quirk sets nothing known or lacks its reason or source.
    """
    known = {item.name for item in fields(Preset)} - {"name", "quirks", "notes"} | {"quirk", "note"}
    if unknown := table.keys() - known:
        raise ValueError(f"preset {name}: unknown key {min(unknown)!r}; known: {', '.join(sorted(known))}")
    plain: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    quirks = tuple(_quirk(name, item, "set") for item in plain.pop("quirk", ()))
    notes = tuple(_quirk(name, item, "about") for item in plain.pop("note", ()))
    try:
        preset = Preset(name=name, quirks=quirks, notes=notes, **plain)
    except TypeError as error:
        raise ValueError(f"preset {name}: {error}") from None
    _check(preset)
    return preset


def _quirk(preset: str, item: Mapping[str, Any], kind: str) -> Quirk:
    try:
        quirk = Quirk(
            item["reason"], item["source"], item[kind], item.get("to"), item.get("verified", True), item.get("date")
        )
    except KeyError as error:
        raise ValueError(f"preset {preset}: a quirk lacks {error}") from None
    if kind == "about":
        return quirk
    wanted = WAYS.get(quirk.name) or (type(getattr(BASE, quirk.name)) if quirk.name in LIMITS else None)
    if wanted is None:
        raise ValueError(f"preset {preset}: no quirk can set {quirk.name!r}")
    if type(quirk.value) is not wanted:
        raise ValueError(f"preset {preset}: {quirk.name} must be a {wanted.__name__}")
    return quirk


def _check(preset: Preset) -> None:
    where = f"preset {preset.name}"
    if "{label}" not in preset.endpoint:
        raise ValueError(f"{where}: the endpoint names no {{label}}")
    _check_names(preset, where)
    if preset.value("addressing", "path") not in {"path", "virtual"}:
        raise ValueError(f"{where}: addressing must be path or virtual")
    if preset.value("order", "unknown") not in set(KeyOrder):
        raise ValueError(f"{where}: order must be one of {', '.join(KeyOrder)}")


def _check_names(preset: Preset, where: str) -> None:
    """Refuse classes, regions and error classes that are named and not there."""
    for word in preset.classes.values():
        if word not in StorageClass.__members__.values():
            raise ValueError(f"{where}: {word!r} is no class of OMS; known: {', '.join(StorageClass)}")
    named = ("writes", "restore_tiers_of", "restore_max_days_of")
    for word in (*preset.archived, *(word for name in named for word in preset.value(name, ()))):
        if word not in preset.classes:
            raise ValueError(f"{where}: {word!r} is not among the classes")
    for region in preset.value("plain_regions", ()):
        if region not in preset.regions:
            raise ValueError(f"{where}: {region!r} is not among the regions")
    for name in preset.codes.values():
        if name not in ERROR_CLASSES:
            raise ValueError(f"{where}: there is no error class {name!r}")


def read_presets(text: str) -> dict[str, Preset]:
    """Return the presets of a TOML text, by name.

    Raises:
        ValueError: see :func:`parse_preset`; or the text is no TOML.
    """
    return {name: parse_preset(name, table) for name, table in tomllib.loads(text).items()}


@cache
def shipped_presets() -> dict[str, Preset]:
    """Return the presets that ship with the package."""
    return read_presets(files("oms_adapters").joinpath("presets.toml").read_text(encoding="utf-8"))
