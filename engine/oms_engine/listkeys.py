"""The entries of list files in a bucket as keys, streamed: never held whole, each key once.

A list is one file, or a folder of up to 2,000 of them, which are read one after another by the order of their names.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from hashlib import blake2b
from typing import Any, ClassVar, NamedTuple, TypeVar

from oms_engine.distinct import DistinctKeys
from oms_engine.errors import Archived, ConditionFailed, ConfigError, Retry, StoreError, TaskError
from oms_engine.keysource import BATCH
from oms_engine.listfile import (
    LIST_TYPES,
    URL_LIST_TYPES,
    LineParser,
    ListEntry,
    ObjectListParser,
    UrlEntry,
    UrlListParser,
    check_list_head,
    check_list_name,
)
from oms_engine.listing import follow
from oms_engine.model import ObjectHead, Span, key_bytes
from oms_engine.store import Store
from oms_engine.task import ListSlice
from oms_engine.urlkeys import render_entry
from oms_engine.wire import Wire

BREAKS = 5
"""Connections that may break one after another without a byte between."""
BREAK_SECONDS = 0.2
MAX_FILES = 2_000
"""https://registry.terraform.io/providers/huaweicloud/huaweicloud/latest/docs/resources/oms_migration_task_group"""
HEADS_AT_ONCE = 32
_NOTE_BYTES = 8

E = TypeVar("E", ListEntry, UrlEntry)


class ListedFile(NamedTuple):
    """One list file as its HEAD stated it."""

    key: str
    etag: str
    size: int


class _Lists:
    """The files of one list: found, held against the rules, and read."""

    what: ClassVar[str]
    types: ClassVar[frozenset[str]] = LIST_TYPES
    parsers: ClassVar[type[LineParser[Any]]]

    def __init__(self, wire: Wire, store: Store, key: str, part: ListSlice | None = None) -> None:
        self._wire = wire
        self._store = store
        self._key = key
        self._part = part
        self.duplicates = 0
        self.files: list[ListedFile] = []

    @property
    def version(self) -> str:
        """Tell these files from others of the same names."""
        digest = blake2b(digest_size=16)
        for file in self.files:
            digest.update(repr(tuple(file)).encode("utf-8", "backslashreplace"))
        return digest.hexdigest()

    async def check(self) -> None:
        """Find the files and hold each against OMS's rules.

        Raises:
            TaskError: TRF.0013 missing or unreadable, TRF.0014, TRF.0017, TRF.0019, TRF.0301 archived, OMS.0305 too
                many files.
        """
        try:
            names = await self._in_folder() if self._key.endswith("/") else [self._key]
            gate = asyncio.Semaphore(HEADS_AT_ONCE)
            self.files = list(await asyncio.gather(*(self._check_file(name, gate) for name in names)))
        except ConfigError as error:
            raise TaskError(error.code or "TRF.0013", str(error)) from error
        except StoreError as error:
            raise self._unreadable(error) from error
        if self._part is not None and self._part.etag not in {"", self.files[0].etag}:
            raise TaskError("TRF.0013", f"the {self.what} was replaced after it had been cut into parts: start again")

    async def _in_folder(self) -> list[str]:
        """Return the names of the .txt files that lie in the folder itself, ascending."""
        names: list[str] = []
        async for page in follow(self._wire, self._store, self._key):
            inside = [entry.key for entry in page.objects if "/" not in entry.key[len(self._key) :]]
            names += [name for name in inside if name.endswith(".txt")]
            if len(names) > MAX_FILES:
                message = f"folder {self._key!r} holds more than {MAX_FILES} list files: divide them among tasks"
                raise TaskError("OMS.0305", message)
        if not names:
            raise TaskError("TRF.0013", f"folder {self._key!r} holds no list file whose name ends in .txt")
        return sorted(names)

    async def _check_file(self, name: str, gate: asyncio.Semaphore) -> ListedFile:
        check_list_name(name)
        async with gate:
            head: ObjectHead = await self._wire.call(self._store.head(name))
        check_list_head(head, self.types)
        return ListedFile(name, head.etag, head.size or 0)

    async def first(self) -> str:
        """Return the first key of the list.

        Raises:
            TaskError: a file breaks a rule (TRF codes).
        """
        async for _marker, names in self.batches(after=0, at_most=1):
            return names[0]
        raise TaskError("TRF.0017", f"the {self.what} is empty: write one entry per line")

    async def check_lines(self) -> int:
        """Hold every line against OMS's rules, after :meth:`check`; return how many entries there are.

        Raises:
            TaskError: a line breaks a rule (TRF codes).
        """
        count = 0
        async for _before, entries in self._entries(self.parsers):
            count += len(entries)
        return count

    def batches(self, *, after: int, at_most: int = BATCH) -> AsyncIterator[tuple[int, list[str]]]:
        """Yield (line number, keys) for the lines after the first ``after`` ones, counted through all files."""
        raise NotImplementedError

    async def _entries(self, parsers: type[LineParser[E]]) -> AsyncIterator[tuple[int, list[E]]]:
        """Yield (lines of the files before, entries) as they come."""
        before = 0
        for file in self.files:
            first_line = self._part.first_line if self._part is not None else 1
            parser = parsers(f"list file {file.key!r}", first_line)
            async for chunk in self.chunks(file):
                yield before, parser.feed(chunk)
            yield before, parser.finish()
            before += parser.lines

    async def chunks(self, file: ListedFile, offset: int = 0) -> AsyncIterator[bytes]:
        """Yield the file's bytes from ``offset`` on, or those of its part; goes on where a connection breaks.

        Raises:
            TaskError: TRF.0013 it cannot be read, or was replaced; TRF.0301 it is archived.
        """
        broken = 0
        read, end = offset, file.size
        if self._part is not None:
            read, end = self._part.offset, self._part.offset + self._part.length
        begun = read
        while read == begun or read < end:
            span = Span(read, end - 1) if read or end < file.size else None
            call = self._store.read(file.key, span=span, if_match=file.etag or None)
            try:
                async with self._wire.stream(call) as (_, chunks):
                    async for chunk in chunks:
                        read, broken = read + len(chunk), 0
                        yield chunk
                if not file.size:
                    return
            except StoreError as error:
                broken += 1
                if error.retry is Retry.NEVER or broken > BREAKS or not file.size:
                    raise self._unreadable(error) from error
                await asyncio.sleep(BREAK_SECONDS * broken)

    def _unreadable(self, error: StoreError) -> TaskError:
        if isinstance(error, Archived):
            return TaskError("TRF.0301", f"the {self.what} is archived: restore it first. {error}")
        if isinstance(error, ConditionFailed):
            return TaskError("TRF.0013", f"the {self.what} was replaced while it was read: start again. {error}")
        return TaskError(
            "TRF.0013", f"the {self.what} cannot be read: see that it exists and that the key may read it. {error}"
        )


class ListKeys(_Lists):
    """Object list files (``task_type`` list). Call :meth:`check` first."""

    what = "object list file"
    parsers = ObjectListParser

    async def batches(self, *, after: int, at_most: int = BATCH) -> AsyncIterator[tuple[int, list[str]]]:
        """Yield (line number, keys) for the lines after the first ``after`` ones, counted through all files.

        Raises:
            TaskError: a file breaks a rule (TRF codes).
        """
        self.duplicates = 0
        names: list[str] = []
        line = 0
        with DistinctKeys() as seen:
            async for before, entries in self._entries(ObjectListParser):
                for entry in entries:
                    line = before + entry.line
                    if not seen.add(entry.key):
                        self.duplicates += 1
                    elif line > after:
                        names.append(entry.key)
                    if len(names) >= at_most:
                        yield line, names
                        names = []
        if names:
            yield line, names


class UrlListKeys(_Lists):
    """URL list files (``task_type`` url_list). Call :meth:`check` first.

    A line that repeats name and URL of an earlier one is a duplicate; one that gives an earlier line's name to another
    URL becomes an entry that fails, as only one of the two can have the name.
    """

    what = "URL list file"
    types = URL_LIST_TYPES
    parsers = UrlListParser

    async def batches(self, *, after: int, at_most: int = BATCH) -> AsyncIterator[tuple[int, list[str]]]:
        """Yield (line number, entries) for the lines after the first ``after`` ones, counted through all files.

        Raises:
            TaskError: a file breaks a rule (TRF codes).
        """
        self.duplicates = 0
        names: list[str] = []
        line = 0
        with DistinctKeys(note_bytes=_NOTE_BYTES) as seen:
            async for before, entries in self._entries(UrlListParser):
                for entry in entries:
                    line = before + entry.line
                    note = blake2b(key_bytes(entry.url), digest_size=_NOTE_BYTES).digest()
                    earlier = seen.note_of(entry.key, note)
                    if earlier == note:
                        self.duplicates += 1
                    elif line > after:
                        names.append(render_entry(entry.key, entry.url, conflict=earlier is not None))
                    if len(names) >= at_most:
                        yield line, names
                        names = []
        if names:
            yield line, names
