"""Two buckets held against each other without copying: their listings merged, HEADs only where they tell more.

What decides whether two objects of one size are the same, best first: the MD5s both listings state; ETags that are
equal as they stand (a multipart object copied part by part); the CRC-64s both stores keep; nothing, and the result then
says that only the size was compared.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from dataclasses import field, fields
from enum import StrEnum
from typing import NamedTuple

from oms_engine.errors import MetadataRejected, StoreError
from oms_engine.frozen import dataclass
from oms_engine.listing import list_pages
from oms_engine.metadata import plan_value
from oms_engine.model import Attributes, ListedObject, ObjectHead, key_before
from oms_engine.store import Capabilities, Store
from oms_engine.wire import Wire

HEADS_AT_ONCE = 64

RECORD_FOLDER = "oms/task/"
"""Where OMS and OpenOMS put their lists in a destination bucket: no part of what was migrated."""


class Mark(StrEnum):
    """rclone's marks (``rclone check --combined``, https://rclone.org/commands/rclone_check/)."""

    SAME = "="
    ONLY_DESTINATION = "-"
    ONLY_SOURCE = "+"
    DIFFERENT = "*"
    ERROR = "!"


class Method(StrEnum):
    """What two objects of one size were compared by."""

    MD5 = "md5"
    ETAG = "etag"
    CRC64 = "crc64"
    SIZE = "size only"


class Compared(NamedTuple):
    """One key and how its two objects stand to each other."""

    mark: Mark
    key: str
    """Relative to the two folders."""
    differences: tuple[str, ...] = ()
    """One phrase per difference, source first."""
    method: Method | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """A folder of a bucket: keys are compared behind ``prefix``."""

    store: Store
    prefix: str = ""


@dataclass(slots=True)
class CheckSummary:
    """How many keys had which end."""

    marks: dict[Mark, int] = field(default_factory=lambda: dict.fromkeys(Mark, 0))
    methods: dict[Method, int] = field(default_factory=lambda: dict.fromkeys(Method, 0))
    records: int = 0
    """Objects of the destination's record folder, left out."""

    def add(self, compared: Compared) -> None:
        """Count one key."""
        self.marks[compared.mark] += 1
        if compared.method is not None:
            self.methods[compared.method] += 1

    @property
    def equal(self) -> bool:
        """Whether nothing differs and nothing went wrong."""
        return self.marks[Mark.SAME] == sum(self.marks.values())


Pair = tuple[ListedObject | None, ListedObject | None]


async def compare(
    wire: Wire,
    source: Side,
    destination: Side,
    summary: CheckSummary,
    *,
    attributes: bool = False,
    one_way: bool = False,
) -> AsyncIterator[Compared]:
    """Yield every key of both folders, ascending, and count it in ``summary``.

    With ``attributes`` every pair is looked at with HEAD and its headers, metadata and class are compared too. With
    ``one_way`` objects only the destination has are no difference and not yielded.

    Raises:
        StoreError: a listing cannot be read; an object that cannot be looked at is yielded with ``Mark.ERROR``.
    """
    judge = _Judge(wire, source, destination, attributes=attributes)
    async for batch in merge_pages(_stream(wire, source), _stream(wire, destination)):
        kept = []
        for pair in batch:
            if _has_no_twin(pair, source, destination):
                continue
            if pair[0] is None and _is_record(pair[1], destination):
                summary.records += 1
            elif pair[0] is not None or not one_way:
                kept.append(pair)
        for compared in await judge.batch(kept):
            summary.add(compared)
            yield compared


def _has_no_twin(pair: Pair, source: Side, destination: Side) -> bool:
    """Whether this is a folder's own marker, held against a bucket's root, where no key can be empty."""
    entry = pair[0] or pair[1]
    return entry is not None and not entry.key and not (source.prefix and destination.prefix)


def _is_record(entry: ListedObject | None, destination: Side) -> bool:
    return entry is not None and (destination.prefix + entry.key).startswith(RECORD_FOLDER)


async def _stream(wire: Wire, side: Side) -> AsyncIterator[list[ListedObject]]:
    """Yield pages with keys relative to the folder; the folder's own marker is the empty key."""
    cut = len(side.prefix)
    async for page in list_pages(wire, side.store, side.prefix):
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


class _Judge:
    """Decides pairs: from the listings where they suffice, from HEADs where not."""

    def __init__(self, wire: Wire, source: Side, destination: Side, *, attributes: bool) -> None:
        self._wire = wire
        self._source = source
        self._destination = destination
        self._attributes = attributes
        self._gate = asyncio.Semaphore(HEADS_AT_ONCE)
        self._both_keep_crc64 = all(side.store.capabilities.states_crc64 for side in (source, destination))

    async def batch(self, pairs: list[Pair]) -> list[Compared]:
        """Decide a batch, in order."""
        decided: list[Compared | None] = []
        waiting: list[Awaitable[Compared]] = []
        for source, destination in pairs:
            compared = self._at_once(source, destination)
            decided.append(compared)
            if compared is None and source is not None and destination is not None:
                waiting.append(self._look(source, destination))
        looked = iter(await asyncio.gather(*waiting))
        return [compared if compared is not None else next(looked) for compared in decided]

    def _at_once(self, source: ListedObject | None, destination: ListedObject | None) -> Compared | None:
        if source is None:
            assert destination is not None
            return Compared(Mark.ONLY_DESTINATION, destination.key, ("missing at the source",))
        if destination is None:
            return Compared(Mark.ONLY_SOURCE, source.key, ("missing at the destination",))
        return None if self._attributes else self._by_listing(source, destination)

    def _by_listing(self, source: ListedObject, destination: ListedObject) -> Compared | None:
        if source.size != destination.size:
            return Compared(Mark.DIFFERENT, source.key, (_size_phrase(source.size, destination.size),))
        method = self.same_by_listing(source, destination)
        if method is not None:
            return Compared(Mark.SAME, source.key, (), method)
        if self._both_md5(source, destination) or self._both_keep_crc64:
            return None
        return Compared(Mark.SAME, source.key, (), Method.SIZE)

    def same_by_listing(self, source: ListedObject, destination: ListedObject) -> Method | None:
        """Return by what the listings prove two objects of one size equal, None when they do not."""
        if not source.etag:
            return None
        if self._both_md5(source, destination):  # OSS writes its MD5s in capitals
            return Method.MD5 if source.etag.lower() == destination.etag.lower() else None
        return Method.ETAG if "-" in source.etag and source.etag == destination.etag else None

    def _both_md5(self, source: ListedObject, destination: ListedObject) -> bool:
        return looks_like_md5(source.etag, self._source.store.capabilities) and looks_like_md5(
            destination.etag, self._destination.store.capabilities
        )

    async def _look(self, source: ListedObject, destination: ListedObject) -> Compared:
        try:
            ours, theirs = await asyncio.gather(
                self._head(self._source, source), self._head(self._destination, destination)
            )
        except StoreError as error:
            return Compared(Mark.ERROR, source.key, (str(error),))
        differences = list(self._content(source, destination, ours, theirs))
        method = None if differences else self._method(source, destination, ours, theirs)
        if self._attributes:
            differences += attribute_differences(ours.attributes, theirs.attributes)
            differences += self._class_difference(ours, theirs)
        return Compared(Mark.DIFFERENT if differences else Mark.SAME, source.key, tuple(differences), method)

    async def _head(self, side: Side, entry: ListedObject) -> ObjectHead:
        async with self._gate:
            return await self._wire.call(side.store.head(side.prefix + entry.key))

    def _content(
        self, source: ListedObject, destination: ListedObject, ours: ObjectHead, theirs: ObjectHead
    ) -> list[str]:
        if source.size != destination.size:
            return [_size_phrase(source.size, destination.size)]
        if (
            ours.crc64 is not None and theirs.crc64 is not None
        ):  # a stated checksum outweighs an ETag that looks like one
            return [] if ours.crc64 == theirs.crc64 else [f"crc64 {ours.crc64} here, {theirs.crc64} there"]
        if ours.md5 is not None and theirs.md5 is not None and ours.md5 != theirs.md5:
            return [f"md5 {ours.md5.hex()} here, {theirs.md5.hex()} there"]
        return []

    def _method(self, source: ListedObject, destination: ListedObject, ours: ObjectHead, theirs: ObjectHead) -> Method:
        if ours.md5 is not None and ours.md5 == theirs.md5:
            return Method.MD5
        if ours.crc64 is not None and ours.crc64 == theirs.crc64:
            return Method.CRC64
        return self.same_by_listing(source, destination) or Method.SIZE

    def _class_difference(self, ours: ObjectHead, theirs: ObjectHead) -> list[str]:
        here = self._source.store.capabilities.class_of(ours.storage_class)
        there = self._destination.store.capabilities.class_of(theirs.storage_class)
        return [] if here is there else [f"storage class {here.value} here, {there.value} there"]


def looks_like_md5(etag: str, capabilities: Capabilities) -> bool:
    """Whether a listed ETag may be an MD5: 32 hexadecimal digits in a store whose plain ETags are."""
    return capabilities.etag_is_md5 and len(etag) == 32 and all(digit in "0123456789abcdefABCDEF" for digit in etag)


def attribute_differences(source: Attributes, destination: Attributes) -> list[str]:
    """Return one phrase per header or metadata entry that differs."""
    phrases = []
    for item in fields(Attributes):
        if item.name in {"user", "withheld"}:
            continue
        name = item.name.replace("_", "-")
        here, there = getattr(source, item.name), getattr(destination, item.name)
        if not _arrived(name, here, there):
            phrases.append(_phrase(name, here, there))
    for name in sorted(source.user.keys() | destination.user.keys()):
        here, there = source.user.get(name), destination.user.get(name)
        if not _arrived(name, here, there):
            phrases.append(_phrase(f"metadata {name}", here, there))
    withheld = source.withheld, destination.withheld
    phrases += [
        f"{count} entries of metadata that the store {where} cannot return"
        for count, where in zip(withheld, ("here", "there"), strict=True)
        if count
    ]
    return phrases


def _arrived(name: str, here: str | None, there: str | None) -> bool:
    """Whether a value stands there as it is here, or as a migration stores it (Chinese percent-encoded)."""
    if here == there:
        return True
    try:
        return there is not None and plan_value(name, here) == there
    except MetadataRejected:
        return False


def _phrase(name: str, here: str | None, there: str | None) -> str:
    return f"{name} {_shown(here)} here, {_shown(there)} there"


def _shown(value: str | None) -> str:
    return "absent" if value is None else repr(value)


def _size_phrase(here: int, there: int) -> str:
    return f"size {here} here, {there} there"
