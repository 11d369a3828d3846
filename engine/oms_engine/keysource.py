"""Keys that come one by one instead of from a listing: named objects, a list file, the failures of the last run.

A source yields batches with a marker: how many entries it has given so far. After an interruption it begins again at
its start and passes over what was done, so that keys named twice are still known.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

from oms_engine.ledger import Failure, Ledger

BATCH = 1000


class KeySource(Protocol):
    """Where the keys of a list segment come from."""

    duplicates: int
    """Entries that named a key already given; they are passed over."""

    def batches(self, *, after: int) -> AsyncIterator[tuple[int, list[str]]]:
        """Yield (marker, keys) for the entries after the first ``after`` ones."""
        ...


class NamedKeys:
    """The keys of a task of type ``object``, each once."""

    def __init__(self, keys: tuple[str, ...]) -> None:
        self._keys = tuple(dict.fromkeys(keys))
        self.duplicates = len(keys) - len(self._keys)

    async def batches(self, *, after: int) -> AsyncIterator[tuple[int, list[str]]]:
        """Yield the keys in the order given."""
        for start in range(after, len(self._keys), BATCH):
            names = list(self._keys[start : start + BATCH])
            yield start + len(names), names


class FailedKeys:
    """The objects that failed in the ledger's previous run, by key."""

    duplicates = 0

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    async def batches(self, *, after: int) -> AsyncIterator[tuple[int, list[str]]]:
        """Yield the failed keys in ascending order."""
        marker, last = 0, ""
        while True:
            rows: list[Failure] = self._ledger.retry_source(after=last, limit=BATCH)
            if not rows:
                return
            last = rows[-1].key
            marker += len(rows)
            names = [row.key for row in rows[max(0, after - marker + len(rows)) :]]
            if names:
                yield marker, names
