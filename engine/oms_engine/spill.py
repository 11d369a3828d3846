"""A listing in the order of its keys' bytes, from a store that lists in any other: read whole once, sorted on the disk.

Records are gathered in memory and sorted; beyond a few hundred thousand they are written out as runs, which are merged
into one file at the end. What stays in memory then is one key of every few hundred. Whoever reads it cannot tell it
from the listing of a store that keeps the order.
"""

from __future__ import annotations

import asyncio
import heapq
import os
import struct
import tempfile
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import aclosing
from itertools import islice
from operator import itemgetter
from typing import IO, Final

from oms_engine.errors import TaskError, UnexpectedReply
from oms_engine.listing import Bounds, Caller, follow
from oms_engine.model import ListedObject, key_bytes
from oms_engine.store import Store

RUN_RECORDS: Final = 200_000
"""Records sorted in memory at once: about 60 MB."""
INDEX_EVERY: Final = 256
"""One of so many keys is kept in memory, with the place of its record."""
PAGE: Final = 1000
_BLOCK: Final = 1 << 18
_HEAD: Final = struct.Struct("<IIqd")
"""Length of the key, length of ETag and class with a NUL between, size, time."""

Record = tuple[bytes, bytes]
"""A key's bytes, and the rest of its record."""

_by_key = itemgetter(0)


def render(entry: ListedObject) -> Record:
    """Return an object as it is kept."""
    raw = key_bytes(entry.key)
    rest = f"{entry.etag}\0{entry.storage_class}".encode("utf-8", "surrogateescape")
    return raw, _HEAD.pack(len(raw), len(rest), entry.size, entry.last_modified) + rest


def parse(record: Record) -> ListedObject:
    """Return the object that was kept."""
    raw, rest = record
    _, _, size, moment = _HEAD.unpack_from(rest)
    etag, _, word = rest[_HEAD.size :].decode("utf-8", "surrogateescape").partition("\0")
    return ListedObject(raw.decode("utf-8", "surrogateescape"), size, moment, etag, word)


class Spill:
    """Objects in any order in, in the order of their keys out. Must be closed; owned by one thread at a time.

    An object that comes twice stays as it came last. ``add`` until all are in, then ``finish``, then read as often as
    wanted, from any key.
    """

    def __init__(self, directory: str | None = None, *, run_records: int = RUN_RECORDS) -> None:
        self._directory = directory
        self._run_records = run_records
        self._records: list[Record] = []
        self._runs: list[tuple[int, int]] = []
        self._unsorted: IO[bytes] | None = None
        self._sorted: IO[bytes] | None = None
        self._index: list[bytes] = []
        self._places: list[int] = []
        self._end = 0
        self.count = 0
        """Objects, each key once; known after ``finish``."""
        self.repeated = 0
        """Objects that came again under a key that was there; known after ``finish``."""

    @property
    def full(self) -> bool:
        """Whether ``write_run`` is due."""
        return len(self._records) >= self._run_records

    def add(self, entries: Iterable[ListedObject]) -> None:
        """Take objects in."""
        self._records += map(render, entries)

    def write_run(self) -> None:
        """Move what is in memory to the disk, sorted.

        Raises:
            OSError: the disk is full.
        """
        if self._unsorted is None:
            self._unsorted = self._file()
        self._records.sort(key=_by_key)
        begin = self._runs[-1][1] if self._runs else 0
        self._runs.append((begin, begin + _write(self._unsorted, self._records)))
        self._records = []

    def finish(self) -> None:
        """Sort all that came.

        Raises:
            OSError: the disk is full.
        """
        self._records.sort(key=_by_key)
        if not self._runs:
            self._records = list(self._once(self._records))
            return
        assert self._unsorted is not None
        self._unsorted.flush()
        runs = [_read(self._unsorted.fileno(), begin, end) for begin, end in self._runs]
        merged = heapq.merge(*runs, iter(self._records), key=_by_key)
        self._sorted = self._file()
        self._end = _write(self._sorted, self._indexed(self._once(merged)))
        self._sorted.flush()
        self._records = []
        self._unsorted.close()

    def _once(self, records: Iterable[Record]) -> Iterator[Record]:
        """Pass on the last of several records of one key, and count."""
        kept: Record | None = None
        for record in records:
            if kept is not None and kept[0] == record[0]:
                self.repeated += 1
            elif kept is not None:
                self.count += 1
                yield kept
            kept = record
        if kept is not None:
            self.count += 1
            yield kept

    def _indexed(self, records: Iterator[Record]) -> Iterator[Record]:
        place = 0
        for number, record in enumerate(records):
            if number % INDEX_EVERY == 0:
                self._index.append(record[0])
                self._places.append(place)
            place += len(record[0]) + len(record[1])
            yield record

    def after(self, key: str) -> Iterator[ListedObject]:
        """Yield the objects whose keys sort after a key, in order."""
        raw = key_bytes(key)
        if self._sorted is None:
            begin = bisect_right(self._records, raw, key=_by_key)
            return map(parse, islice(self._records, begin, None))
        at = max(0, bisect_right(self._index, raw) - 1)
        place = self._places[at] if self._places else 0
        records = _read(self._sorted.fileno(), place, self._end)
        return map(parse, (record for record in records if not key or record[0] > raw))

    def close(self) -> None:
        """Drop everything."""
        self._records = []
        for file in (self._unsorted, self._sorted):
            if file is not None:
                file.close()

    def _file(self) -> IO[bytes]:
        return tempfile.TemporaryFile(dir=self._directory, buffering=_BLOCK)


def _write(file: IO[bytes], records: Iterable[Record]) -> int:
    """Write records as head and rest, then key; return how many bytes that were."""
    size = 0
    for raw, rest in records:
        file.write(rest)
        file.write(raw)
        size += len(raw) + len(rest)
    return size


def _read(descriptor: int, begin: int, end: int) -> Iterator[Record]:
    """Yield the records between two places of a file."""
    block, at = b"", 0
    head = _HEAD.size
    while True:
        left = len(block) - at
        if left < head or left < head + sum(_HEAD.unpack_from(block, at)[:2]):
            if begin >= end:
                return
            fresh = os.pread(descriptor, min(_BLOCK, end - begin), begin)
            begin += len(fresh)
            block, at = block[at:] + fresh, 0
            continue
        key_size, rest_size, _, _ = _HEAD.unpack_from(block, at)
        middle = at + head + rest_size
        yield block[middle : middle + key_size], block[at:middle]
        at = middle + key_size


class SortedListing:
    """All objects under a prefix of one store, in the order of their keys' bytes. Must be closed."""

    def __init__(self, spill: Spill) -> None:
        self._spill = spill

    @classmethod
    async def read(cls, wire: Caller, store: Store, prefix: str) -> SortedListing:
        """List a prefix whole.

        Raises:
            StoreError: it cannot be listed.
            TaskError: TRF.0001 the disk for temporary files is full.
        """
        spill = Spill()
        try:
            async with aclosing(follow(wire, store, prefix)) as pages:  # type: ignore[type-var]
                async for page in pages:
                    spill.add(_inside(page.objects, prefix, store))
                    if spill.full:
                        await asyncio.to_thread(spill.write_run)
            await asyncio.to_thread(spill.finish)
        except OSError as error:
            spill.close()
            raise TaskError(
                "TRF.0001",
                f"a listing that is not in order needs room for temporary files, about 150 bytes an object: make room "
                f"in {tempfile.gettempdir()} or set TMPDIR ({error})",
            ) from error
        except BaseException:
            spill.close()
            raise
        return cls(spill)

    @property
    def count(self) -> int:
        """How many objects there are."""
        return self._spill.count

    async def pages(self, *, start_after: str = "", bounds: Bounds | None = None) -> AsyncIterator[list[ListedObject]]:
        """Yield what ``list_pages`` would of a store that keeps the order."""
        bounds = bounds or Bounds()
        entries = self._spill.after(start_after)
        while page := list(islice(entries, PAGE)):
            objects = bounds.clip(page)
            if objects:
                yield objects
            if len(objects) < len(page):
                return

    def cursor(self, *, start_after: str = "") -> SortedCursor:
        """Return what answers for ascending pages of keys, as ``DestinationCursor`` does."""
        return SortedCursor(self._spill.after(start_after))

    def close(self) -> None:
        """Drop it."""
        self._spill.close()


def _inside(objects: list[ListedObject], prefix: str, store: Store) -> list[ListedObject]:
    if all(entry.key.startswith(prefix) for entry in objects):
        return objects
    text = "the listing holds keys outside the prefix it was asked for"
    raise UnexpectedReply(text, store=store.label, operation="list_page")


class SortedCursor:
    """Answers "what is there under these keys?" out of a sorted listing."""

    certain = True
    """What it does not find is not there."""

    def __init__(self, entries: Iterator[ListedObject]) -> None:
        self._entries = entries
        self._next = next(entries, None)

    async def match(self, keys: list[str]) -> list[ListedObject | None]:
        """Return what lies under each of ``keys``, which ascend, also from call to call."""
        found: list[ListedObject | None] = []
        for key in keys:
            raw = key_bytes(key)
            while self._next is not None and key_bytes(self._next.key) < raw:
                self._next = next(self._entries, None)
            found.append(self._next if self._next is not None and self._next.key == key else None)
        return found

    def close(self) -> None:
        """Nothing is under way."""
