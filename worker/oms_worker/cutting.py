"""How the scope of a task group is cut into parts of bounded size, resumable behind every part.

A part carries a marker: where the next one begins. Whoever stores part and marker together can be killed at any moment
and goes on without cutting anything twice or leaving anything out.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any, NamedTuple

from oms_engine.errors import NotFound, StoreError, TaskError
from oms_engine.frozen import dataclass
from oms_engine.listfile import ObjectListParser, UrlListParser
from oms_engine.listkeys import ListedFile, ListKeys, UrlListKeys
from oms_engine.model import TaskType
from oms_engine.records import decode_key, encode_key
from oms_engine.scope import segments_of
from oms_engine.store import Store
from oms_engine.streams import pages_in_order
from oms_engine.task import KeyRange, MigrationSpec
from oms_engine.verdicts import listing_error
from oms_engine.wire import Wire
from oms_worker.parts import render_ranges


@dataclass(frozen=True, slots=True)
class PartSize:
    """The most that a part covers: a single object larger than ``size`` is a part of its own."""

    objects: int = 100_000
    size: int = 1 << 40
    """Bytes. Huawei Cloud advises against more than 3 TB in one task:
    https://support.huaweicloud.com/intl/en-us/usermanual-oms/oms_01_00020.html"""


class Part(NamedTuple):
    """One sub-task to be."""

    range: dict[str, Any]
    objects: int
    size: int
    """Bytes; 0 where the list does not tell."""
    marker: bytes
    """Where the next part begins."""


class Stores(NamedTuple):
    """What is read: the source, and the bucket of the list file where there is one."""

    source: Store
    listing: Store | None = None


def cut(
    spec: MigrationSpec, wire: Wire, stores: Stores, *, after: bytes | None, at_most: PartSize
) -> AsyncIterator[Part]:
    """Yield the parts of a scope that follow the marker ``after``, None from the beginning.

    Raises:
        TaskError: source or list cannot be read, or the list breaks a rule; with OMS's code.
    """
    if spec.scope.task_type in {TaskType.LIST, TaskType.URL_LIST}:
        return cut_lists(spec, wire, stores, after=after, at_most=at_most)
    prefixes = [segment.prefix for segment in segments_of(spec)]
    return cut_prefixes(prefixes, wire, stores.source, after=after, at_most=at_most)


# ---- key ranges -----------------------------------------------------------------------------------------------------


class _Open:
    """The part that is being filled."""

    def __init__(self) -> None:
        self.ranges: list[KeyRange] = []
        self.objects = self.size = 0

    def full_for(self, size: int, at_most: PartSize) -> bool:
        return self.objects >= at_most.objects or (self.objects > 0 and self.size + size > at_most.size)

    def part(self, number: int, last: str) -> Part:
        marker = json.dumps({"prefix": number, "after": encode_key(last)}).encode()
        return Part(render_ranges(self.ranges, self.objects, self.size), self.objects, self.size, marker)


async def cut_prefixes(
    prefixes: Sequence[str], wire: Wire, store: Store, *, after: bytes | None, at_most: PartSize
) -> AsyncIterator[Part]:
    """Yield key ranges; small prefixes share a part."""
    begin: dict[str, Any] = json.loads(after) if after else {"prefix": 0, "after": ""}
    first, lo = begin["prefix"], decode_key(begin["after"])
    last, at = lo, first
    part = _Open()
    for at in range(first, len(prefixes)):
        prefix = prefixes[at]
        try:
            async for page in pages_in_order(wire, store, prefix, start_after=lo, copied=False):
                for entry in page:
                    if part.full_for(entry.size, at_most):
                        if last != lo:
                            part.ranges.append(KeyRange(prefix, lo, last))
                        yield part.part(at, last)
                        part, lo = _Open(), last
                    part.objects += 1
                    part.size += entry.size
                    last = entry.key
        except StoreError as error:
            raise listing_error(error, source=True) from error
        if last != lo:
            part.ranges.append(KeyRange(prefix, lo, last))
        lo = last = ""
    if part.objects:
        yield part.part(len(prefixes), "")


# ---- lines of lists -------------------------------------------------------------------------------------------------


class _Lines:
    """The lines of one file that are being gathered."""

    def __init__(self, file: ListedFile, begin: dict[str, Any] | None) -> None:
        self.file = file
        self.first_line = begin["line"] if begin else 1
        self.offset = begin["offset"] if begin else 0
        self.lines = self.length = self.entries = 0

    def add(self, line: bytes, *, ended: bool = True) -> None:
        self.lines += 1
        self.length += len(line) + ended
        self.entries += bool(line.removesuffix(b"\r"))

    def part(self, number: int) -> Part:
        """Return what was gathered, and begin behind it."""
        found = {
            "list_key": self.file.key,
            "first_line": self.first_line,
            "lines": self.lines,
            "offset": self.offset,
            "length": self.length,
            "etag": self.file.etag,
        }
        entries = self.entries
        self.first_line += self.lines
        self.offset += self.length
        self.lines = self.length = self.entries = 0
        marker = {"file": number, "line": self.first_line, "offset": self.offset}
        return Part(found, entries, 0, json.dumps(marker).encode())


async def cut_lists(
    spec: MigrationSpec, wire: Wire, stores: Stores, *, after: bytes | None, at_most: PartSize
) -> AsyncIterator[Part]:
    """Yield slices of list files, each of one file. Every line is held against the rules on the way."""
    assert stores.listing is not None
    assert spec.scope.list_key is not None
    urls = spec.scope.task_type is TaskType.URL_LIST
    keys = (UrlListKeys if urls else ListKeys)(wire, stores.listing, spec.scope.list_key)
    await keys.check()
    if after is None and not urls:
        await _check_first(await keys.first(), wire, stores.source)
    begin = {"version": keys.version, **(json.loads(after) if after else {"file": 0, "line": 1, "offset": 0})}
    if begin["version"] != keys.version:
        raise TaskError("TRF.0013", "the list was replaced while it was cut: create the group again")
    for number in range(begin["file"], len(keys.files)):
        file = keys.files[number]
        gathered = _Lines(file, begin if number == begin["file"] else None)
        async for part in _cut_file(keys, gathered, number, at_most, urls=urls):
            marker = {**json.loads(part.marker), "version": keys.version}
            yield part._replace(marker=json.dumps(marker).encode())


async def _cut_file(
    keys: ListKeys | UrlListKeys, gathered: _Lines, number: int, at_most: PartSize, *, urls: bool
) -> AsyncIterator[Part]:
    file = gathered.file
    if gathered.offset >= file.size > 0:
        return
    parser = (UrlListParser if urls else ObjectListParser)(f"list file {file.key!r}", gathered.first_line)
    rest = b""
    async for chunk in keys.chunks(file, gathered.offset):
        parser.feed(chunk)
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            gathered.add(line)
            if gathered.entries >= at_most.objects:
                yield gathered.part(number)
    if rest:
        gathered.add(rest, ended=False)
    if gathered.entries or not gathered.offset:
        parser.finish()
    if gathered.entries:
        yield gathered.part(number)


async def _check_first(first: str, wire: Wire, source: Store) -> None:
    """Refuse a list whose first object is not there: it is most likely the wrong one."""
    try:
        await wire.call(source.head(first))
    except NotFound as error:
        message = f"the first object of the list, {first!r}, is not in the source bucket: is it the right list?"
        raise TaskError("OMS.0089", message) from error
    except StoreError as error:
        raise listing_error(error, source=True) from error
