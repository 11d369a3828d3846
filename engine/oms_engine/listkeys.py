"""The keys of an object list file in a bucket, streamed: never held whole, each key once."""

from __future__ import annotations

from collections.abc import AsyncIterator

from oms_engine.distinct import DistinctKeys
from oms_engine.errors import AccessDenied, Archived, BadCredentials, BucketNotFound, ConfigError, NotFound, TaskError
from oms_engine.keysource import BATCH
from oms_engine.listfile import ListEntry, ObjectListParser, check_list_head, check_list_name
from oms_engine.store import Store
from oms_engine.wire import Wire


class ListFileKeys:
    """One object list file (``task_type`` list). Call :meth:`check` first."""

    def __init__(self, wire: Wire, store: Store, key: str) -> None:
        self._wire = wire
        self._store = store
        self._key = key
        self.duplicates = 0
        self._etag = ""

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
        except (NotFound, AccessDenied, BucketNotFound, BadCredentials) as error:
            message = f"the object list file cannot be read: see that it exists and that the key may read it. {error}"
            raise TaskError("TRF.0013", message) from error
        self._etag = head.etag

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
        call = self._store.read(self._key, if_match=self._etag or None)
        try:
            async with self._wire.stream(call) as (_head, chunks):
                async for chunk in chunks:
                    for entry in parser.feed(chunk):
                        yield entry
        except Archived as error:
            raise TaskError("TRF.0301", f"the object list file is archived: restore it first. {error}") from error
        for entry in parser.finish():
            yield entry
