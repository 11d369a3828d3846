"""Two buckets held against each other without copying: their listings merged, and every pair decided.

What proves two objects of one size equal stands in ``checking/proof.py``; what nothing proves is named,
never called equal.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import field

from oms_engine.checking.model import CheckRules, CheckSummary, Compared, Mark, Method, Side
from oms_engine.checking.noted import RECORD_FOLDERS
from oms_engine.checking.pairs import Held, Pair, PairComparison
from oms_engine.frozen import dataclass
from oms_engine.model import ListedObject, key_before
from oms_engine.streams import pages_in_order
from oms_engine.wire import Wire

__all__ = ["CheckRules", "CheckSummary", "Compared", "Mark", "Method", "Side", "compare", "merge_pages"]

MOST_HELD = 100_000
"""Pairs that wait for the success lists; the lists are read once for so many."""


async def compare(
    wire: Wire, source: Side, destination: Side, summary: CheckSummary, rules: CheckRules | None = None
) -> AsyncIterator[Compared]:
    """Yield every key of both folders and count it in ``summary``.

    Keys ascend; those that only the success lists or HEADs decide follow at the end, ascending too.

    Raises:
        StoreError: a listing cannot be read; an object that cannot be looked at is yielded with ``Mark.ERROR``.
    """
    rules = rules or CheckRules()
    comparison = PairComparison(wire, source, destination, rules)
    held: list[Held] = []
    async for batch in merge_pages(_stream(wire, source), _stream(wire, destination)):
        found = await comparison.batch(list(_kept(batch, source, destination, summary, one_way=rules.one_way)))
        held += [item for item in found if isinstance(item, Held)]
        decided = [item for item in found if isinstance(item, Compared)]
        if len(held) >= MOST_HELD:
            decided += await comparison.settle(held)
            held = []
        for compared in decided:
            summary.add(compared)
            yield compared
    for compared in await comparison.settle(held):
        summary.add(compared)
        yield compared
    summary.lists_error = comparison.lists_error


def _kept(
    batch: list[Pair], source: Side, destination: Side, summary: CheckSummary, *, one_way: bool
) -> Iterator[Pair]:
    """Yield the pairs that are compared; the destination's record lists are counted and left out."""
    for pair in batch:
        if _has_no_twin(pair, source, destination):
            continue
        if pair[0] is None and _is_record(pair[1], destination):
            summary.records += 1
        elif pair[0] is not None or not one_way:
            yield pair


def _has_no_twin(pair: Pair, source: Side, destination: Side) -> bool:
    """Whether this is a folder's own marker, held against a bucket's root, where no key can be empty."""
    entry = pair[0] or pair[1]
    return entry is not None and not entry.key and not (source.prefix and destination.prefix)


def _is_record(entry: ListedObject | None, destination: Side) -> bool:
    return entry is not None and (destination.prefix + entry.key).startswith(RECORD_FOLDERS)


async def _stream(wire: Wire, side: Side) -> AsyncIterator[list[ListedObject]]:
    """Yield pages with keys relative to the folder; the folder's own marker is the empty key."""
    cut = len(side.prefix)
    async for page in pages_in_order(wire, side.store, side.prefix):
        yield [entry._replace(key=entry.key[cut:]) for entry in page] if cut else page


async def merge_pages(
    left: AsyncIterator[list[ListedObject]], right: AsyncIterator[list[ListedObject]]
) -> AsyncIterator[list[Pair]]:
    """Merge two ascending streams into pairs of one key, batch by batch; a side that lacks the key is None."""
    ours, theirs = _Cursor(left), _Cursor(right)
    await asyncio.gather(ours.fill(), theirs.fill())
    while ours.page or theirs.page:
        batch = _merge_ready(ours, theirs)
        yield batch
        await asyncio.gather(ours.fill(), theirs.fill())


@dataclass(slots=True)
class _Cursor:
    """One stream's page at hand and the place in it; an empty page means the end."""

    pages: AsyncIterator[list[ListedObject]]
    page: list[ListedObject] = field(default_factory=list)
    at: int = 0

    async def fill(self) -> None:
        """Fetch the next page when this one is used up."""
        while self.at >= len(self.page):
            try:
                self.page, self.at = await anext(self.pages), 0
            except StopAsyncIteration:
                self.page, self.at = [], 0
                return


def _merge_ready(ours: _Cursor, theirs: _Cursor) -> list[Pair]:
    """Merge until one of the two pages is used up (or all of one, when the other stream has ended)."""
    a, b, i, j = ours.page, theirs.page, ours.at, theirs.at
    batch: list[Pair] = []
    if not a or not b:
        batch = [(entry, None) for entry in a[i:]] or [(None, entry) for entry in b[j:]]
        ours.at, theirs.at = len(a), len(b)
        return batch
    while i < len(a) and j < len(b):
        left, right = a[i], b[j]
        if left.key == right.key:
            batch.append((left, right))
            i, j = i + 1, j + 1
        elif key_before(left.key, right.key):
            batch.append((left, None))
            i += 1
        else:
            batch.append((None, right))
            j += 1
    ours.at, theirs.at = i, j
    return batch
