"""Failed logins, counted by user name and by address, so that passwords cannot be guessed at speed. In memory.

Logins under way count as failed ones until they are done: guesses that are made at once are limited like those that
follow each other. How many are under way in all is limited too: each takes a third of a second and 128 MiB, two run at
a time, and whoever comes behind them waits.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from oms_worker.errors import Busy, Unauthorized

WINDOW: Final = 60.0
OF_ADDRESS: Final = 10
"""An address may fail this many times as often as one name: offices share one."""
MOST_NAMES: Final = 10_000
"""Names and addresses that are remembered; the oldest are forgotten first."""
MOST_UNDER_WAY: Final = 48
"""Logins under way, of whomever: the last of them waits some seconds."""

Keys = tuple[tuple[str, int], tuple[str, int]]
"""What a login counts for, each with its limit."""


class Attempts:
    """Failures of the last minute. One per process: several nodes allow as many times more."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}
        self._under_way: Counter[str] = Counter()
        self._all_under_way = 0

    @contextmanager
    def one(self, name: str, address: str) -> Iterator[None]:
        """Let one login of a name, from an address, be tried; ``Unauthorized`` out of the block is a failure.

        Raises:
            Busy: OMS.2004, too many failed in the last minute, or are under way.
        """
        keys = self._keys(name, address)
        if any(len(self._recent(key)) + self._under_way[key] >= most for key, most in keys):
            raise Busy("OMS.2004", "Too many failed logins; wait a minute.")
        if self._all_under_way >= MOST_UNDER_WAY:
            raise Busy("OMS.2004", "Too many logins are under way.")
        self._count(keys, 1)
        try:
            yield
        except Unauthorized:
            self._failed(keys)
            raise
        finally:
            self._count(keys, -1)

    def _count(self, keys: Keys, step: int) -> None:
        self._all_under_way += step
        for key, _ in keys:
            self._under_way[key] += step
            if not self._under_way[key]:
                del self._under_way[key]

    def _failed(self, keys: Keys) -> None:
        now = self._clock()
        for key, _ in keys:
            recent = self._recent(key)
            recent.append(now)
            self._failures.pop(key, None)
            self._failures[key] = recent
        while len(self._failures) > MOST_NAMES:
            del self._failures[next(iter(self._failures))]

    def _keys(self, name: str, address: str) -> Keys:
        return (f"name:{name[:64]}", self._most), (f"address:{address}", self._most * OF_ADDRESS)

    def _recent(self, key: str) -> deque[float]:
        failures = self._failures.get(key, deque())
        since = self._clock() - WINDOW
        while failures and failures[0] <= since:
            failures.popleft()
        return failures
