"""Whether and when to try again: each error's own verdict, full-jitter backoff, and one budget for the wire."""

from __future__ import annotations

import random
import time
from typing import TypeVar

from oms_engine.errors import ConnectionBroken, Retry, StoreError, UnexpectedReply
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


def parse_retry_after(value: str | None) -> float | None:
    """Return the seconds of a Retry-After header (RFC 9110, 10.2.3: seconds or a date), None when there is none."""
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        return min(float(value[:6]), RETRY_AFTER_MAXIMUM)
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - few stores say when, and it is slow to load

    try:
        when = parsedate_to_datetime(value).timestamp()
    except (ValueError, OverflowError):
        return None
    return min(max(0.0, when - time.time()), RETRY_AFTER_MAXIMUM)


def read_reply(call: Call[T], reply: Reply) -> T:
    """Have the adapter read a reply; an error that may be tried again learns the reply's Retry-After."""
    try:
        return call.read(reply)
    except StoreError as error:
        if error.retry_after is None and error.retry is not Retry.NEVER:
            error.retry_after = parse_retry_after(reply.headers.get("retry-after"))
        raise


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

    __slots__ = ("_budget", "_settings", "attempts", "stale")

    def __init__(self, settings: WireSettings, budget: RetryBudget) -> None:
        self._settings = settings
        self._budget = budget
        self.attempts = 1
        self.stale = 0

    def delay_or_none(self, error: StoreError, *, reached: bool = True) -> float | None:
        """Return the seconds to wait before the next attempt, None when the error is final.

        ============  ==========================================================
        verdict       wait
        ============  ==========================================================
        NEVER         none: final
        stale         0, once, outside attempts and budget; then as SOON
        SOON          uniform in [0, backoff * 2^n], within attempts and budget
        SLOW_DOWN     the same, at least Retry-After; the budget is not asked
        ============  ==========================================================

        The pace already thins out what a slowing store gets, so SLOW_DOWN does not draw on the budget.
        """
        if error.retry is Retry.NEVER:
            return None
        if isinstance(error, StaleConnection) and not self.stale:
            self.stale = 1
            return 0.0
        most = self._settings.attempts if reached else self._settings.unreached_attempts
        if self.attempts >= most or (error.retry is Retry.SOON and not self._budget.spend()):
            return None
        bound = min(self._settings.backoff_maximum, self._settings.backoff * 2 ** (self.attempts - 1))
        self.attempts += 1
        return max(random.uniform(0, bound), error.retry_after or 0.0)
