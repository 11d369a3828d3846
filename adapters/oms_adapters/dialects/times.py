"""The two spellings of time that stores use, turned into seconds since the epoch."""

from __future__ import annotations

from calendar import timegm
from datetime import UTC, datetime
from functools import lru_cache

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}


@lru_cache(maxsize=8192)
def parse_iso_time(text: str) -> float:
    """Return the instant of ``2026-11-20T23:53:44.000Z`` (or with an offset: KS3 sends ``+08:00``).

    Raises:
        ValueError: not such a time.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


@lru_cache(maxsize=8192)
def parse_http_date(text: str) -> float:
    """Return the instant of ``Fri, 20 Nov 2026 23:53:44 GMT``; 0.0 when absent or something else."""
    try:
        day, month, year = int(text[5:7]), _MONTHS[text[8:11]], int(text[12:16])
        return float(timegm((year, month, day, int(text[17:19]), int(text[20:22]), int(text[23:25]), 0, 0, 0)))
    except (ValueError, KeyError):
        return 0.0
