"""The spellings of time that stores use, turned into seconds since the epoch; what cannot be read is unknown.

Stores that do not know a time leave it out, or state the beginning of 1970 or of the year 1 (Go's zero time): all of
these are :data:`~oms_engine.model.UNKNOWN_TIME`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

from oms_engine.model import UNKNOWN_TIME

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), start=1
    )
}

_IMF_LENGTH = len("Fri, 20 Nov 2026 23:53:44 GMT")

# Compiled by the first odd date: few stores send one.
_CLOCK = r"(?P<hour>\d{1,2}):(?P<minute>\d\d):(?P<second>\d\d)(?:\.\d+)?\s*(?P<zone>[A-Za-z]{1,5}|[+-]\d\d:?\d\d)?"
_MONTH = r"(?P<month>[A-Za-z]{3,9})"
_DAY_FIRST = rf"(?:[A-Za-z]{{3,9}},?\s+)?(?P<day>\d{{1,2}})[ -]+{_MONTH}[ -]+(?P<year>\d{{4}}|\d\d)\s+{_CLOCK}"
_MONTH_FIRST = rf"[A-Za-z]{{3,9}},?\s+{_MONTH}\s+(?P<day>\d{{1,2}})\s+{_CLOCK}\s*(?P<year>\d{{4}})"

_OFFSETS = {
    **dict.fromkeys(("", "GMT", "UTC", "UT", "Z"), 0),
    "EST": -5,
    "EDT": -4,
    "CST": -6,
    "CDT": -5,
    "MST": -7,
    "MDT": -6,
    "PST": -8,
    "PDT": -7,
}
"""Hours east of Greenwich of the zones that have names in dates: https://www.rfc-editor.org/rfc/rfc5322#section-4.3"""


@lru_cache(maxsize=8192)
def parse_iso_time(text: str) -> float:
    """Return the instant of ``2026-11-20T23:53:44.000Z`` (or with an offset: KS3 sends ``+08:00``).

    Raises:
        ValueError: not such a time.
    """
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def parse_listed_time(text: str) -> float:
    """Return the instant a listing states, in either spelling; ``UNKNOWN_TIME`` when absent or something else."""
    try:
        return max(parse_iso_time(text), UNKNOWN_TIME)
    except (ValueError, OverflowError):
        return parse_http_date(text)


@lru_cache(maxsize=8192)
def parse_http_date(text: str) -> float:
    """Return the instant of ``Fri, 20 Nov 2026 23:53:44 GMT``; ``UNKNOWN_TIME`` when absent or something else.

    Recipients must accept RFC 850's form and that of C's asctime too; one-digit days and zones beside GMT are read as
    other clients of object stores read them. https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
    """
    if len(text) == _IMF_LENGTH and text.endswith(" GMT"):
        try:
            day, month, year = int(text[5:7]), _MONTHS[text[8:11]], int(text[12:16])
            clock = int(text[17:19]), int(text[20:22]), int(text[23:25])
            return max(datetime(year, month, day, *clock, tzinfo=UTC).timestamp(), UNKNOWN_TIME)
        except (ValueError, KeyError):
            pass
    return _parse_other_date(text.strip())


def _parse_other_date(text: str) -> float:
    found = re.fullmatch(_DAY_FIRST, text, re.ASCII) or re.fullmatch(_MONTH_FIRST, text, re.ASCII)
    if found is None:
        return UNKNOWN_TIME
    try:
        month = _MONTHS[found["month"][:3].title()]
        zone = timezone(_offset(found["zone"] or ""))
        year, day, hour, minute = _full_year(found["year"]), int(found["day"]), int(found["hour"]), int(found["minute"])
        second = min(int(found["second"]), 59)  # a leap second
        return max(datetime(year, month, day, hour, minute, second, tzinfo=zone).timestamp(), UNKNOWN_TIME)
    except (ValueError, KeyError, OverflowError):
        return UNKNOWN_TIME


def _full_year(text: str) -> int:
    """Return the year of two digits: objects are of the past, so 70 and later are of the century before."""
    year = int(text)
    return year if len(text) > 2 else year + (1900 if year >= 70 else 2000)


def _offset(zone: str) -> timedelta:
    """Return how far a zone is ahead of UTC; KeyError where its name says nothing."""
    if zone[:1] in {"+", "-"}:
        digits = zone[1:].replace(":", "")
        ahead = timedelta(hours=int(digits[:2]), minutes=int(digits[2:]))
        return -ahead if zone[0] == "-" else ahead
    return timedelta(hours=_OFFSETS[zone.upper()])
