"""Bandwidth windows: which rate holds at an instant. Pure; the token bucket is in ``limiter.py``.

OMS's rules (API reference 5.2.3, ``bandwidth_policy``): at most five windows ``hh:mm``-``hh:mm``, both ends
inclusive, that do not overlap or cross midnight; rates from 1,048,576 to 209,715,200 byte/s; unlimited outside every window.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A daily window in minutes since midnight, both minutes inclusive, and its rate in byte/s."""

    start: int
    end: int
    rate: int


@dataclass(frozen=True, slots=True)
class BandwidthPolicy:
    """Up to five windows in one time zone."""

    windows: tuple[Window, ...] = ()
    zone: str = "UTC"
