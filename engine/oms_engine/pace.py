"""How many objects may be in flight towards one endpoint: additive increase, multiplicative decrease.

A pure state machine: the wire reports what happened, the mover reads ``limit``. The clock is injected.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PaceSettings:
    """Bounds and steps of a pace. Times are seconds."""

    start: int = 32
    minimum: int = 1
    maximum: int = 512
    window_seconds: float = 0.05
    """A window lasts at least this long: shorter ones measure noise."""
    better: float = 1.05
    """A larger limit is kept when the rate grew by this factor."""
    probe: float = 1.10
    probe_seconds: float = 3.0
    """How often a settled pace tries a larger limit."""
    hold_seconds: float = 1.0
    """How long requests wait after SlowDown without Retry-After."""
    hold_maximum: float = 60.0


class Pace:
    """Adaptive concurrency of one endpoint.

    A window is ``2 * limit`` replies and at least 50 ms; after a change of the limit, ``limit`` replies pass uncounted
    first: they were asked for under the old one. At its end:

    ============  ==========================================  =======================================================
    phase         what the window showed                      then
    ============  ==========================================  =======================================================
    warm-up       anything (connections were being opened)    slow start, same limit
    slow start    first rate, or >= 5 % over the best         remember rate and limit, double (at most ``maximum``)
    slow start    less                                        back to the best limit, settled
    settled       3 s have passed since the last try          probe with 10 % more
    settled       otherwise                                   follow the rate (mean of old and new), same limit
    probing       >= 5 % over the best                        keep it, probe again at once
    probing       less                                        back to the limit before, settled
    recovering    anything                                    limit + 4 (``start`` / 8), until ``maximum``
    any           SlowDown, 503, 429                          halve (once per window), hold until Retry-After, recover
    ============  ==========================================  =======================================================

    So it reaches 512 in six windows where the round trip is long, and stays near its start where the machine itself
    is the limit. Not thread-safe: fed and read on the event loop.
    """

    __slots__ = (
        "_best_limit",
        "_best_rate",
        "_clock",
        "_count",
        "_last_cut",
        "_phase",
        "_set",
        "_skipping",
        "_target",
        "_tried",
        "_window",
        "latency",
        "limit",
        "not_before",
    )

    def __init__(self, settings: PaceSettings | None = None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._set = settings or PaceSettings()
        self._clock = clock
        self.limit = self._set.start
        """How many objects may be in flight."""
        self.not_before = 0.0
        """No request before this reading of the clock."""
        self.latency = 0.0
        """Smoothed seconds from request to reply."""
        self._phase = "warm-up"
        self._best_rate = 0.0
        self._best_limit = self.limit
        self._count = 0
        self._target = 2 * self.limit
        self._window = clock()
        self._last_cut = float("-inf")
        self._tried = clock()
        self._skipping = False

    @property
    def phase(self) -> str:
        """The phase, in the words of the table."""
        return self._phase

    def ok(self, latency: float) -> None:
        """Count a reply that did not ask to slow down, ``latency`` seconds after its request."""
        self.latency += (latency - self.latency) * 0.05
        self._count += 1
        if self._count >= self._target:
            self._end_window()

    def slow_down(self, retry_after: float | None = None) -> None:
        """Take SlowDown, 503 or 429: hold requests, and halve the limit once per window."""
        now = self._clock()
        hold = self._set.hold_seconds if retry_after is None else max(0.0, retry_after)
        self.not_before = max(self.not_before, now + min(hold, self._set.hold_maximum))
        if now - self._last_cut < max(self._set.hold_seconds, 2 * self.latency):
            return
        self._last_cut = now
        self.limit = max(self._set.minimum, self.limit // 2)
        self._phase = "recovering"
        self._best_rate = 0.0
        self._best_limit = self.limit
        self._open_window(now)

    def _open_window(self, now: float, *, skip: bool = False) -> None:
        self._count = 0
        self._skipping = skip
        self._target = self.limit if skip else 2 * self.limit
        self._window = now

    def _end_window(self) -> None:
        now = self._clock()
        if self._skipping:
            self._open_window(now)
            return
        limit = self.limit
        seconds = now - self._window
        if seconds < self._set.window_seconds:
            self._target = self._count + max(8, self._count // 4)
            return
        rate = self._count / seconds
        if self._phase == "warm-up":
            self._phase = "slow start"
        elif self._phase == "slow start":
            self._slow_start(rate, now)
        elif self._phase == "settled":
            self._settled(rate, now)
        elif self._phase == "probing":
            self._probing(rate, now)
        else:
            self._recovering(rate, now)
        self._open_window(now, skip=self.limit != limit)

    def _slow_start(self, rate: float, now: float) -> None:
        if rate < self._best_rate * self._set.better:
            self._settle(now)
            return
        self._remember(rate)
        if self.limit >= self._set.maximum:
            self._settle(now)
        self.limit = min(self._set.maximum, self.limit * 2)

    def _settled(self, rate: float, now: float) -> None:
        self._best_rate = (self._best_rate + rate) / 2
        if now - self._tried >= self._set.probe_seconds and self.limit < self._set.maximum:
            self._try_more()

    def _probing(self, rate: float, now: float) -> None:
        if rate < self._best_rate * self._set.better:
            self._settle(now)
            return
        self._remember(rate)
        if self.limit < self._set.maximum:
            self._try_more()
        else:
            self._settle(now)

    def _recovering(self, rate: float, now: float) -> None:
        """Grow by a constant step each clean window; the store draws the line again by saying SlowDown."""
        self._best_rate = rate
        self.limit = min(self._set.maximum, self.limit + max(1, self._set.start // 8))
        self._best_limit = self.limit
        if self.limit >= self._set.maximum:
            self._settle(now)

    def _remember(self, rate: float) -> None:
        self._best_rate = rate
        self._best_limit = self.limit

    def _try_more(self) -> None:
        self.limit = min(self._set.maximum, max(self.limit + 1, int(self.limit * self._set.probe)))
        self._phase = "probing"

    def _settle(self, now: float) -> None:
        self.limit = self._best_limit
        self._phase = "settled"
        self._tried = now
