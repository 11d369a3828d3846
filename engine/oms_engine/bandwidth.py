"""Bandwidth windows: which rate holds at an instant. Pure; the token bucket is in ``limiter.py``.

OMS's rules (https://support.huaweicloud.com/intl/en-us/api-oms/BatchUpdateTasks.html, ``bandwidth_policy``): at most
five windows ``hh:mm``-``hh:mm``, both ends inclusive, that do not overlap or cross midnight; rates from 1,048,576 to
209,715,200 byte/s; unlimited outside every window. Windows that share one minute (15:00-16:00 and 16:00-17:00) are
accepted, as the service accepts them; the shared minute belongs to the later one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from functools import lru_cache
from itertools import pairwise

from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass

MAX_WINDOWS = 5
MIN_RATE = 1_048_576
MAX_RATE = 209_715_200

_DAY_MINUTES = 24 * 60
_WINDOW = re.compile(r"(\S+?)-(\S+?)=(\S+)", re.ASCII)
_TIME = re.compile(r"(\d{1,2}):(\d{2})", re.ASCII)
_RATE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([KMG]?)(?:I?B)?(?:/S)?", re.ASCII)
_UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3}
# A daily window comes round within two days even where the clock is put forward over it.
_HORIZON_MINUTES = 49 * 60


@dataclass(frozen=True, slots=True, order=True)
class Window:
    """A daily window in minutes since midnight, both minutes inclusive, and its rate in byte/s."""

    start: int
    end: int
    rate: int

    def __str__(self) -> str:
        return f"{render_time(self.start)}-{render_time(self.end)}"


@dataclass(frozen=True, slots=True)
class BandwidthPolicy:
    """Up to five windows in one time zone."""

    windows: tuple[Window, ...] = ()
    zone: str = "UTC"

    @classmethod
    def checked(cls, windows: Iterable[Window], zone: str = "UTC", *, max_rate: int = MAX_RATE) -> BandwidthPolicy:
        """Return the policy of these windows, ordered by time.

        Raises:
            ConfigError: OMS.0083 too many windows, OMS.0084 rate out of range, OMS.0085 overlap, OMS.0087 bad time;
                without a code an unknown zone.
        """
        ordered = tuple(sorted(windows))
        if len(ordered) > MAX_WINDOWS:
            message = f"{len(ordered)} bandwidth windows are given, {MAX_WINDOWS} at most are allowed: merge some"
            raise ConfigError(message, code="OMS.0083")
        for window in ordered:
            _check_window(window, max_rate)
        for before, after in pairwise(ordered):
            _check_pair(before, after)
        _zone(zone)
        return cls(ordered, zone)


def parse_window(text: str) -> Window:
    """Read ``08:00-18:00=50M``: K, M and G are powers of 1024, a bare number is byte/s.

    Raises:
        ConfigError: OMS.0087 for the times, OMS.0084 for the rate, no code when the form is another.
    """
    match = _WINDOW.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"bandwidth window {text!r} is not understood: write it as 08:00-18:00=50M")
    window = Window(parse_time(match[1]), parse_time(match[2]), parse_rate(match[3]))
    _check_window(window, MAX_RATE)
    return window


def parse_policy(windows: Iterable[str], zone: str = "UTC") -> BandwidthPolicy:
    """Read windows as :func:`parse_window` does and check them together.

    Raises:
        ConfigError: as :func:`parse_window` and :meth:`BandwidthPolicy.checked`.
    """
    return BandwidthPolicy.checked((parse_window(text) for text in windows), zone)


def parse_time(text: str) -> int:
    """Read ``hh:mm`` (00:00 to 23:59) as minutes since midnight.

    Raises:
        ConfigError: OMS.0087.
    """
    match = _TIME.fullmatch(text)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise ConfigError(f"{text!r} is no time of day: write it as hh:mm, 00:00 to 23:59", code="OMS.0087")
    return int(match[1]) * 60 + int(match[2])


def parse_rate(text: str) -> int:
    """Read ``50M``, ``1.5G`` or ``52428800`` as byte/s; the range is checked with the window.

    Raises:
        ConfigError: OMS.0084.
    """
    match = _RATE.fullmatch(text.strip().upper())
    if match is None:
        raise ConfigError(f"{text!r} is no rate: write it like 50M (1024-based, per second)", code="OMS.0084")
    return int(float(match[1]) * _UNITS[match[2]])


def render_time(minute: int) -> str:
    """Write minutes since midnight as ``hh:mm``."""
    return f"{minute // 60:02d}:{minute % 60:02d}"


def _check_window(window: Window, max_rate: int) -> None:
    if not (0 <= window.start < _DAY_MINUTES and 0 <= window.end < _DAY_MINUTES):
        message = "a bandwidth window lies outside 00:00-23:59: give both times within one day"
        raise ConfigError(message, code="OMS.0087")
    if window.start > window.end:
        message = f"bandwidth window {window} ends before it starts: split one that crosses midnight into two"
        raise ConfigError(message, code="OMS.0087")
    if not MIN_RATE <= window.rate <= max_rate:
        message = (
            f"the rate of bandwidth window {window} is {window.rate} byte/s: choose one from "
            f"{MIN_RATE} (1M) to {max_rate} ({max_rate >> 20}M)"
        )
        raise ConfigError(message, code="OMS.0084")


def _check_pair(before: Window, after: Window) -> None:
    if after.start < before.end or after.start == before.start:
        message = f"bandwidth windows {before} and {after} overlap: let each begin where the one before it ends"
        raise ConfigError(message, code="OMS.0085")


@lru_cache(maxsize=32)
def _zone(name: str) -> tzinfo:
    if name == "UTC":
        return UTC
    from zoneinfo import ZoneInfo  # noqa: PLC0415 - 3 ms

    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:  # unknown; not a relative name; a folder of zones
        message = f"time zone {name!r} is unknown: use an IANA name such as Asia/Shanghai or Europe/Berlin"
        raise ConfigError(message) from error


def rate_at(policy: BandwidthPolicy, instant: float) -> int | None:
    """Return the rate in byte/s that holds at ``instant`` (seconds since the epoch); None is unlimited."""
    if not policy.windows:
        return None
    # Floored, because fromtimestamp rounds: the last moment of a minute would belong to the next.
    local = datetime.fromtimestamp(math.floor(instant), _zone(policy.zone))
    return _rate_of_minute(policy.windows, local.hour * 60 + local.minute)


def _rate_of_minute(windows: tuple[Window, ...], minute: int) -> int | None:
    rate = None
    latest = -1
    for window in windows:
        if window.start <= minute <= window.end and window.start > latest:
            rate, latest = window.rate, window.start
    return rate


def next_change(policy: BandwidthPolicy, instant: float) -> float:
    """Return the first instant after ``instant`` at which :func:`rate_at` differs; infinity when it never does.

    Found minute by minute, because daylight saving time moves, repeats and drops local minutes.
    """
    if not policy.windows:
        return math.inf
    now = rate_at(policy, instant)
    moment = math.floor(instant / 60) * 60
    for ahead in range(1, _HORIZON_MINUTES + 1):
        candidate = float(moment + ahead * 60)
        if rate_at(policy, candidate) != now:
            return candidate
    return math.inf
