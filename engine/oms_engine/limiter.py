"""One token bucket per task, shared by all threads, event loops and processes of it.

Virtual scheduling in bytes: the bucket keeps a clock that counts the bytes the rate has allowed so far, and the
position up to which callers have reserved. A caller reserves its bytes at once and waits until the clock reaches their
end. Debt is kept in bytes, so when the rate changes everyone who waits is served at the new rate.

The state is four int64 in shared memory under one lock; a process killed while it held the lock is noticed after a
second and the lock is taken over, as four numbers cannot be left in a harmful state.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

BURST_SECONDS: Final = 0.1
"""Bytes an idle bucket saves up, as time of its rate: small enough to hold a rate within 1 % over 10 s."""

_SECOND: Final = 1_000_000_000
_LOCK_PATIENCE: Final = 1.0
_LONGEST_NAP: Final = 0.5
_RATE, _SINCE, _BASE, _RESERVED = range(4)


SharedBlock = tuple[Any, Any]
"""A lock and four int64 in memory that processes share."""


def shared_block() -> SharedBlock:
    """Return memory for one bucket, all zero: unlimited."""
    import multiprocessing  # noqa: PLC0415 - with ctypes 10 ms, and most runs have one process
    from ctypes import c_int64  # noqa: PLC0415

    context = multiprocessing.get_context("spawn")
    return context.Lock(), context.RawArray(c_int64, 4)


class Limiter:
    """Token bucket over bytes; no rate means unlimited.

    ``shared=True`` puts it into memory that processes share: hand it to ``Process(args=…)`` of the spawn method (like
    any lock of :mod:`multiprocessing` it cannot be pickled elsewhere). ``clock`` counts nanoseconds and must be the
    same in all processes, as CLOCK_MONOTONIC is.

    In any time T at most ``rate * T + burst`` bytes are granted, where the burst is 0.1 s of the rate or the greatest
    single take, whichever is more.
    """

    __slots__ = ("_clock", "_lock", "_state")

    def __init__(
        self, rate: int | None = None, *, shared: bool = False, clock: Callable[[], int] = time.monotonic_ns
    ) -> None:
        self._clock = clock
        self._lock: Any = threading.Lock()
        self._state: Any = [0, 0, 0, 0]
        if shared:
            self.share()
        self.set_rate(rate)

    def share(self, block: SharedBlock | None = None, *, join: bool = False) -> None:
        """Move the bucket into memory that processes share, as it stands; a second time is no change.

        Whoever takes bytes at this very moment may take them from the old one: once, and no more than a burst.
        ``block`` is memory that was made before the processes were forked; ``join`` takes the bucket that lies there.
        """
        if not isinstance(self._state, list):
            return
        lock, state = block or shared_block()
        with self._lock:
            if not join:
                for at, value in enumerate(self._state):
                    state[at] = value
            self._lock, self._state = lock, state

    def __getstate__(self) -> tuple[Any, ...]:
        return self._clock, self._lock, self._state

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._clock, self._lock, self._state = state

    @property
    def rate(self) -> int | None:
        """The rate in byte/s, None when unlimited."""
        return self._state[_RATE] or None

    def set_rate(self, bytes_per_second: int | None) -> None:
        """Change the rate for everyone, at once; None or 0 is unlimited and forgives what is owed."""
        if bytes_per_second is not None and bytes_per_second < 0:
            raise ValueError("a rate is not negative")
        state = self._state
        self._acquire()
        try:
            now = self._clock()
            rate = state[_RATE]
            reached = state[_BASE] + rate * (now - state[_SINCE]) // _SECOND if rate else state[_RESERVED]
            state[_BASE] = reached if bytes_per_second else state[_RESERVED]
            state[_SINCE] = now
            state[_RATE] = bytes_per_second or 0
        finally:
            self._release()

    def take(self, size: int) -> float:
        """Reserve ``size`` bytes; return the seconds to wait before they are moved, 0.0 when none."""
        if not self._state[_RATE]:
            return 0.0
        return self._reserve(size)[1]

    def _reserve(self, size: int) -> tuple[int, float]:
        """Return the position at which the reservation ends, and the seconds until the clock reaches it."""
        state = self._state
        self._acquire()
        try:
            rate = state[_RATE]
            if not rate:
                return 0, 0.0
            reached = state[_BASE] + rate * (self._clock() - state[_SINCE]) // _SECOND
            start = reached - rate // 10
            end: int = max(start, state[_RESERVED]) + size
            state[_RESERVED] = end
        finally:
            self._release()
        return (end, (end - reached) / rate) if end > reached else (end, 0.0)

    def _remaining(self, end: int) -> float:
        state = self._state
        self._acquire()
        try:
            rate = state[_RATE]
            if not rate:
                return 0.0
            reached = state[_BASE] + rate * (self._clock() - state[_SINCE]) // _SECOND
        finally:
            self._release()
        return float(max(0, end - reached) / rate)

    async def pace(self, size: int) -> None:
        """Reserve ``size`` bytes and sleep until they may be moved, following changes of the rate meanwhile."""
        if not self._state[_RATE]:
            return
        end, wait = self._reserve(size)
        while wait > 0:
            await asyncio.sleep(min(wait, _LONGEST_NAP))
            wait = self._remaining(end)

    def pace_blocking(self, size: int) -> None:
        """Do as :meth:`pace`, for a thread."""
        if not self._state[_RATE]:
            return
        end, wait = self._reserve(size)
        while wait > 0:
            time.sleep(min(wait, _LONGEST_NAP))
            wait = self._remaining(end)

    def _acquire(self) -> None:
        # Untaken after a whole second, the lock belongs to a dead process: the release at the end mends it.
        self._lock.acquire(True, _LOCK_PATIENCE)

    def _release(self) -> None:
        with suppress(ValueError, RuntimeError):  # released twice, by a holder that was only asleep
            self._lock.release()
