"""Failed logins, counted by user name and by address, so that passwords cannot be guessed at speed. In memory."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import Final

from oms_worker.errors import Busy

WINDOW: Final = 60.0
OF_ADDRESS: Final = 10
"""An address may fail this many times as often as one name: offices share one."""
MOST_NAMES: Final = 10_000
"""Names and addresses that are remembered; the oldest are forgotten first."""


class Attempts:
    """Failures of the last minute. One per process: several nodes allow as many times more."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._failures: dict[str, deque[float]] = {}

    def admit(self, name: str, address: str) -> None:
        """Refuse a login of a name, or from an address, that failed too often in the last minute.

        Raises:
            Busy: OMS.2004.
        """
        for key, most in self._keys(name, address):
            if len(self._recent(key)) >= most:
                raise Busy("OMS.2004", "Too many failed logins; wait a minute.")

    def failed(self, name: str, address: str) -> None:
        """Count a failure."""
        now = self._clock()
        for key, _ in self._keys(name, address):
            recent = self._recent(key)
            recent.append(now)
            self._failures.pop(key, None)
            self._failures[key] = recent
        while len(self._failures) > MOST_NAMES:
            del self._failures[next(iter(self._failures))]

    def _keys(self, name: str, address: str) -> tuple[tuple[str, int], tuple[str, int]]:
        return (f"name:{name[:64]}", self._most), (f"address:{address}", self._most * OF_ADDRESS)

    def _recent(self, key: str) -> deque[float]:
        failures = self._failures.get(key, deque())
        since = self._clock() - WINDOW
        while failures and failures[0] <= since:
            failures.popleft()
        return failures
