"""Whether and when to try again: each error's own verdict, full-jitter backoff, and one budget for the wire."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC
from typing import TypeVar

from oms_engine.errors import ConnectionBroken, Retry, StoreError, TimedOut, UnexpectedReply
from oms_engine.store import Call, Reply
from oms_engine.wire.settings import WireSettings, WireStats

T = TypeVar("T")

RETRY_AFTER_MAXIMUM = 120.0


class StaleConnection(ConnectionBroken):
    """A kept connection was closed by the store before it answered; costs no attempt."""


class ConnectFailed(ConnectionBroken):
    """No connection could be made: refused, unreachable, unresolvable."""


class CertificateRefused(ConnectionBroken):
    """The endpoint's certificate is not trusted: trying again changes nothing."""

    retry = Retry.NEVER


class ReplyTooLarge(UnexpectedReply):
    """The body exceeds what the caller will hold in memory."""

    retry = Retry.NEVER


_SECONDS = re.compile(r"[0-9]{1,15}(?:\.[0-9]{0,15})?")
_IN_MILLISECONDS = ("retry-after-ms", "x-ms-retry-after-ms")
"""https://learn.microsoft.com/en-us/azure/storage/blobs/storage-retry-policy; the SDKs read them before Retry-After."""


def stated_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds a reply asks to wait, at most RETRY_AFTER_MAXIMUM; None when it does not say.

    It is the one place where any dialect's wait is read, so that no store can ask for a day.
    """
    for name in _IN_MILLISECONDS:
        value = headers.get(name)
        if value is not None and _SECONDS.fullmatch(value.strip()):
            return min(float(value) / 1000, RETRY_AFTER_MAXIMUM)
    return parse_retry_after(headers.get("retry-after"), headers.get("date"))


def parse_retry_after(value: str | None, date: str | None = None) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3: seconds or a date), None when there is none.

    A date is held against ``date``, the store's own clock, where the reply states it.
    """
    if value is None:
        return None
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return min(float(value), RETRY_AFTER_MAXIMUM)
    when = _instant(value)
    if when is None:
        return None
    now = _instant(date) if date else None
    return min(max(0.0, when - (time.time() if now is None else now)), RETRY_AFTER_MAXIMUM)


def _instant(value: str) -> float | None:
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few stores say when, and it is slow to load

    try:
        when = parsedate_to_datetime(value)
        return (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None


def read_reply(call: Call[T], reply: Reply) -> T:
    """Have the adapter read a reply; an error that may be tried again learns the reply's Retry-After."""
    try:
        return call.read(reply)
    except StoreError as error:
        if error.retry_after is None and error.retry is not Retry.NEVER:
            error.retry_after = stated_wait(reply.headers)
        raise


_brief: ContextVar[bool] = ContextVar("brief", default=False)


@contextmanager
def briefly() -> Iterator[None]:
    """Let calls made inside be tried twice at most: enough to see whether what has failed fails still."""
    token = _brief.set(True)
    try:
        yield
    finally:
        _brief.reset(token)


class RetryBudget:
    """A token bucket over all calls: full at first, each request earns a share, each retry costs one.

    It is what keeps an outage from multiplying the load on the store. Filled lazily from the request counter, so a
    request that succeeds at once pays nothing for it.
    """

    __slots__ = ("_seen", "_settings", "_stats", "_tokens")

    def __init__(self, settings: WireSettings, stats: WireStats) -> None:
        self._settings = settings
        self._stats = stats
        self._tokens = settings.retry_budget
        self._seen = 0

    def spend(self) -> bool:
        """Take a retry, False when none is left."""
        earned = (self._stats.requests - self._seen) * self._settings.retry_ratio
        self._seen = self._stats.requests
        self._tokens = min(self._settings.retry_budget, self._tokens + earned)
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


class Retrier:
    """The attempts of one call."""

    __slots__ = ("_budget", "_settings", "attempts", "stale", "timed_out")

    def __init__(self, settings: WireSettings, budget: RetryBudget) -> None:
        self._settings = settings
        self._budget = budget
        self.attempts = 1
        self.stale = 0
        self.timed_out = 0

    def delay_or_none(self, error: StoreError, *, reached: bool = True, long: bool = False) -> float | None:
        """Return the seconds to wait before the next attempt, None when the error is final.

        ============  ==========================================================
        verdict       wait
        ============  ==========================================================
        NEVER         none: final
        stale         0, once, outside attempts and budget; then as SOON
        SOON          uniform in [0, backoff * 2^n], within attempts and budget
        SLOW_DOWN     the same, at least Retry-After; the budget is not asked
        timed out     as SOON, within fewer attempts, as each has cost a minute;
                      a ``long`` call gets one more: it finds out what became
                      of the first
        ============  ==========================================================

        The pace already thins out what a slowing store gets, so SLOW_DOWN does not draw on the budget.
        """
        if error.retry is Retry.NEVER:
            return None
        if isinstance(error, StaleConnection) and not self.stale:
            self.stale = 1
            return 0.0
        if isinstance(error, TimedOut) and not error.status:
            self.timed_out += 1
            if _brief.get() or self.timed_out >= (2 if long else self._settings.timed_out_attempts):
                return None
        most = self._settings.attempts if reached else self._settings.unreached_attempts
        if _brief.get():
            most = min(2, most)
        if self.attempts >= most or (error.retry is Retry.SOON and not self._budget.spend()):
            return None
        bound = min(self._settings.backoff_maximum, self._settings.backoff * 2 ** (self.attempts - 1))
        self.attempts += 1
        return max(random.uniform(0, bound), min(error.retry_after or 0.0, RETRY_AFTER_MAXIMUM))
