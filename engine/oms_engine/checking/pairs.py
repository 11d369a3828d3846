"""Decides pairs of objects: from the listings where they suffice, else from heads, notes of a migration, content."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import NamedTuple

from oms_engine.checking.attributes import head_differences
from oms_engine.checking.content import ContentComparison
from oms_engine.checking.model import CheckRules, Compared, Mark, Method, Side
from oms_engine.checking.noted import as_noted, read_notes
from oms_engine.checking.proof import UNPROVED, Finding, Note, by_heads, by_notes, looks_like_md5, same_by_listing
from oms_engine.errors import StoreError
from oms_engine.model import ListedObject, ObjectHead
from oms_engine.wire import Wire

HEADS_AT_ONCE = 64
SETTLED_AT_ONCE = 1000

Pair = tuple[ListedObject | None, ListedObject | None]


class Held(NamedTuple):
    """Two objects of one size that neither listings nor heads decide: the success lists are asked."""

    source: ListedObject
    destination: ListedObject
    looked: bool
    """Whether both heads were looked at already."""


class PairComparison:
    """Decides pairs by the rules of one comparison."""

    def __init__(self, wire: Wire, source: Side, destination: Side, rules: CheckRules) -> None:
        self._wire = wire
        self._source = source
        self._destination = destination
        self._rules = rules
        self._gate = asyncio.Semaphore(HEADS_AT_ONCE)
        self._content = ContentComparison(wire, source, destination)
        self._ours, self._theirs = source.store.capabilities, destination.store.capabilities
        self._both_keep_crc64 = self._ours.states_crc64 and self._theirs.states_crc64
        self.lists_error = ""
        """Why the success lists could not be read."""

    async def batch(self, pairs: list[Pair]) -> list[Compared | Held]:
        """Decide a batch, in order; what is held is for :meth:`settle`."""
        decided: list[Compared | Held | None] = []
        waiting: list[Awaitable[Compared | Held]] = []
        for source, destination in pairs:
            compared = self._at_once(source, destination)
            decided.append(compared)
            if compared is None and source is not None and destination is not None:
                waiting.append(self._look(source, destination))
        looked = iter(await asyncio.gather(*waiting))
        return [compared if compared is not None else next(looked) for compared in decided]

    async def settle(self, held: list[Held]) -> list[Compared]:
        """Decide what was held, in order: by the success lists, then by heads; what neither proves is ``UNPROVED``."""
        notes = await self._notes(held) if held else {}
        settled: list[Compared] = []
        for at in range(0, len(held), SETTLED_AT_ONCE):
            some = held[at : at + SETTLED_AT_ONCE]
            settled += await asyncio.gather(*[self._settle(one, notes.get(one.source.key, [])) for one in some])
        return settled

    def _at_once(self, source: ListedObject | None, destination: ListedObject | None) -> Compared | Held | None:
        if source is None:
            assert destination is not None
            return Compared(Mark.ONLY_DESTINATION, destination.key, ("missing at the source",))
        if destination is None:
            return Compared(Mark.ONLY_SOURCE, source.key, ("missing at the destination",))
        if self._rules.attributes:
            return None
        if source.size != destination.size:
            return Compared(Mark.DIFFERENT, source.key, (_size_phrase(source, destination),))
        return None if self._rules.content else self._by_listing(source, destination)

    def _by_listing(self, source: ListedObject, destination: ListedObject) -> Compared | Held | None:
        method = same_by_listing(source, destination, self._ours, self._theirs)
        if method is not None:
            return Compared(Mark.SAME, source.key, (), method)
        if self._both_keep_crc64 or self._both_look_like_md5(source, destination):
            return None
        return Held(source, destination, looked=False)

    def _both_look_like_md5(self, source: ListedObject, destination: ListedObject) -> bool:
        return looks_like_md5(source.etag, self._ours) and looks_like_md5(destination.etag, self._theirs)

    async def _look(self, source: ListedObject, destination: ListedObject) -> Compared | Held:
        try:
            differences, finding = await self._looked(source, destination)
        except StoreError as error:
            return Compared(Mark.ERROR, source.key, (str(error),))
        if finding.mark is Mark.UNPROVED and not differences:
            return Held(source, destination, looked=True)
        return _compared(source.key, differences, finding)

    async def _looked(self, source: ListedObject, destination: ListedObject) -> tuple[list[str], Finding]:
        """Return what differs beside the bytes, and what is known of the bytes."""
        differences: list[str] = []
        finding = UNPROVED
        same_size = source.size == destination.size
        if not same_size:
            finding = Finding(Mark.DIFFERENT, None, _size_phrase(source, destination))
        if self._rules.attributes or not self._rules.content:
            ours, theirs = await self._heads(source, destination)
            if self._rules.attributes:
                differences = self._beside_bytes(source, ours, theirs)
            if same_size:
                finding = self._by_heads(source, destination, ours, theirs)
        if self._rules.content and same_size:
            phrase = await self._content.difference(source, destination)
            finding = Finding(Mark.DIFFERENT, None, phrase) if phrase else Finding(Mark.SAME, Method.CONTENT)
        return differences, finding

    def _beside_bytes(self, source: ListedObject, ours: ObjectHead, theirs: ObjectHead) -> list[str]:
        return head_differences(
            ours,
            theirs,
            source_class=source.storage_class,
            policy=self._rules.storage,
            source=self._ours,
            destination=self._theirs,
        )

    def _by_heads(
        self, source: ListedObject, destination: ListedObject, ours: ObjectHead, theirs: ObjectHead
    ) -> Finding:
        finding = by_heads(ours, theirs)
        if finding.mark is Mark.UNPROVED:
            method = same_by_listing(source, destination, self._ours, self._theirs)
            return finding if method is None else Finding(Mark.SAME, method)
        return finding

    async def _heads(self, source: ListedObject, destination: ListedObject) -> tuple[ObjectHead, ObjectHead]:
        return await asyncio.gather(self._head(self._source, source), self._head(self._destination, destination))

    async def _head(self, side: Side, entry: ListedObject) -> ObjectHead:
        async with self._gate:
            return await self._wire.call(side.store.head(side.prefix + entry.key))

    # -- what was held ------------------------------------------------------------------------------------------------

    async def _notes(self, held: list[Held]) -> dict[str, list[Note]]:
        """Return the notes by relative key; none, and why, where the lists cannot be read."""
        prefix = self._source.prefix
        try:
            notes = await read_notes(self._wire, self._destination.store, (prefix + one.source.key for one in held))
        except StoreError as error:
            self.lists_error = str(error)
            return {}
        return {key[len(prefix) :]: found for key, found in notes.items()}

    async def _settle(self, one: Held, notes: list[Note]) -> Compared:
        noted = by_notes(_as_noted(one.source), _as_noted(one.destination), notes)
        if noted.mark is Mark.SAME or one.looked:
            return self._ended(one, noted)
        if self._rules.size_only:
            return self._ended(one, noted)
        try:
            ours, theirs = await self._heads(one.source, one.destination)
        except StoreError as error:
            return Compared(Mark.ERROR, one.source.key, (str(error),))
        finding = by_heads(ours, theirs)
        return self._ended(one, noted if finding.mark is Mark.UNPROVED else finding)

    def _ended(self, one: Held, finding: Finding) -> Compared:
        if finding.mark is Mark.UNPROVED and self._rules.size_only:
            finding = Finding(Mark.SAME, Method.SIZE)
        return _compared(one.source.key, [], finding)


def _as_noted(entry: ListedObject) -> ListedObject:
    return entry._replace(etag=as_noted(entry.etag))


def _compared(key: str, differences: list[str], finding: Finding) -> Compared:
    """Join what differs beside the bytes with what is known of the bytes."""
    phrases = tuple([finding.phrase, *differences] if finding.phrase else differences)
    if differences or finding.mark is Mark.DIFFERENT:
        return Compared(Mark.DIFFERENT, key, phrases)
    return Compared(finding.mark, key, phrases, finding.method)


def _size_phrase(source: ListedObject, destination: ListedObject) -> str:
    return f"size {source.size} here, {destination.size} there"
