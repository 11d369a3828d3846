"""The keys of an object list file in a bucket, streamed: never held whole, each key once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from oms_engine.distinct import DistinctKeys
from oms_engine.errors import Archived, ConfigError, Retry, StoreError, TaskError
from oms_engine.keysource import BATCH
from oms_engine.listfile import ListEntry, ObjectListParser, check_list_head, check_list_name
from oms_engine.model import Span
from oms_engine.store import Store
from oms_engine.wire import Wire

BREAKS = 5
"""Connections that may break one after another without a byte between."""
BREAK_SECONDS = 0.2


class ListFileKeys:
    """One object list file (``task_type`` list). Call :meth:`check` first."""

    def __init__(self, wire: Wire, store: Store, key: str) -> None:
        self._wire = wire
        self._store = store
        self._key = key
        self.duplicates = 0
        self._etag: str | None = None
        self._size = 0

    async def check(self) -> None:
        """Hold the file against OMS's rules.

        Raises:
            TaskError: TRF.0013 missing or unreadable, TRF.0014, TRF.0017, TRF.0019, TRF.0301 archived.
        """
        try:
            check_list_name(self._key)
            head = await self._wire.call(self._store.head(self._key))
            check_list_head(head)
        except ConfigError as error:
            raise TaskError(error.code or "TRF.0013", str(error)) from error
        except StoreError as error:
            raise _unreadable(error) from error
        self._etag, self._size = head.etag or None, head.size or 0

    async def first(self) -> str:
        """Return the first key of the list.

        Raises:
            TaskError: the file breaks a rule (TRF codes).
        """
        async for _marker, names in self.batches(after=0):
            return names[0]
        raise TaskError("TRF.0017", "the object list file is empty: write one object name per line")

    async def batches(self, *, after: int) -> AsyncIterator[tuple[int, list[str]]]:
        """Yield (line number, keys) for the lines after the first ``after`` ones.

        Raises:
            TaskError: the file breaks a rule (TRF codes).
        """
        self.duplicates = 0
        names: list[str] = []
        line = 0
        with DistinctKeys() as seen:
            async for entry in self._entries():
                line = entry.line
                if not seen.add(entry.key):
                    self.duplicates += 1
                elif line > after:
                    names.append(entry.key)
                if len(names) >= BATCH:
                    yield line, names
                    names = []
        if names:
            yield line, names

    async def _entries(self) -> AsyncIterator[ListEntry]:
        parser = ObjectListParser(f"list file {self._key!r}")
        async for chunk in self._chunks():
            for entry in parser.feed(chunk):
                yield entry
        for entry in parser.finish():
            yield entry

    async def _chunks(self) -> AsyncIterator[bytes]:
        """Yield the file's bytes; where a connection breaks, read on from there."""
        read = broken = 0
        while not read or read < self._size:
            span = Span(read, self._size - 1) if read else None
            try:
                async with self._wire.stream(self._store.read(self._key, span=span, if_match=self._etag)) as (
                    _,
                    chunks,
                ):
                    async for chunk in chunks:
                        read, broken = read + len(chunk), 0
                        yield chunk
            except Archived as error:
                raise TaskError("TRF.0301", f"the object list file is archived: restore it first. {error}") from error
            except StoreError as error:
                broken += 1
                if error.retry is Retry.NEVER or broken > BREAKS or not self._size:
                    raise _unreadable(error) from error
                await asyncio.sleep(BREAK_SECONDS * broken)
            else:
                return


def _unreadable(error: StoreError) -> TaskError:
    message = "the object list file cannot be read: see that it exists, stays as it is, and that the key may read it"
    return TaskError("TRF.0013", f"{message}. {error}")
