"""Numbers for people: sizes, rates, counts and durations as text. Binary units, as every object store bills."""

from __future__ import annotations

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def render_bytes(size: float) -> str:
    """Return a size with three digits and its unit: ``0 B``, ``1.50 MiB``, ``12.3 GiB``, ``999 TiB``."""
    value = float(size)
    for unit in _UNITS:
        if abs(value) < 999.5 or unit == _UNITS[-1]:
            return f"{_three_digits(value) if unit != 'B' else f'{value:.0f}'} {unit}"
        value /= 1024
    raise AssertionError


def _three_digits(value: float) -> str:
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def render_rate(bytes_per_second: float) -> str:
    """Return a rate: ``12.3 MiB/s``."""
    return f"{render_bytes(bytes_per_second)}/s"


def render_count(count: int) -> str:
    """Return a whole number with thousands separated: ``1,234,567``."""
    return f"{count:,}"


def render_duration(seconds: float) -> str:
    """Return a duration in its two largest units: ``0.8 s``, ``3 min 20 s``, ``2 h 05 min``, ``4 d 03 h``."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    if days:
        return f"{days} d {hours:02d} h"
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
