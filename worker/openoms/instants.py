"""Instants as users give them: seconds, ISO 8601 text, or a datetime. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from oms_engine.errors import ConfigError

LATEST_SINCE = 253402300799.0
"""9999-12-31: a later instant is a mistake, usually milliseconds given for seconds."""


def parse_since(value: str | float | datetime | None) -> float | None:
    """Return an instant, given as seconds, ISO 8601 text or a datetime, as seconds since the epoch; without a zone UTC.

    Raises:
        ConfigError: neither, or out of range.
    """
    if value is None or value == "":
        return None
    moment = _instant(value) if isinstance(value, datetime) else _seconds(value)
    if not 0 <= moment <= LATEST_SINCE:
        raise ConfigError(
            f"--since {value} is out of range; give seconds since 1970 (not milliseconds) or an ISO time."
        )
    return moment


def _seconds(value: str | float) -> float:
    try:
        return float(value)
    except ValueError:
        pass
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise ConfigError(
            f"--since {value!r} is neither seconds since 1970 nor a time like 2026-01-31T08:00Z."
        ) from None
    return _instant(moment)


def _instant(moment: datetime) -> float:
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
