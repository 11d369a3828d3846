"""Where a run's keys come from in the order of their bytes, and what lies at the destination beside them.

======================  =========================================  ================================================
store lists             its keys come from                         a listing begins elsewhere than at the beginning
======================  =========================================  ================================================
by bytes (``UTF8``)     its listing                                freely
``UTF16``, ``UNKNOWN``  its listing, held against byte order       at keys that exist, and while another listing
                                                                   from the beginning proves the order
``PATH``, ``UNORDERED``  a sorted copy of its listing, read whole   never: the copy does
======================  =========================================  ================================================

A destination that turns out to list in another order is read whole at that moment and goes on as a sorted copy. It
shows when two keys are out of order, or when a key that was passed over is listed when it is asked for alone. A source
that turns out so is begun anew (``migration.py``).
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from oms_engine.errors import Disordered, Stopped
from oms_engine.listing import Bounds, Caller, list_pages
from oms_engine.model import KeyOrder, ListedObject, key_before
from oms_engine.spill import SortedCursor, SortedListing
from oms_engine.store import Store
from oms_engine.there import DestinationCursor

NEVER_BY_BYTES = frozenset({KeyOrder.PATH, KeyOrder.UNORDERED})
"""Orders that are known to differ from that of bytes."""

PROBES = 3
"""Of the keys of a page that were not found at a destination of unproved order, how many are asked for alone."""

KEPT = 4
"""Sorted copies that are kept although nobody reads them just now: the next segment may be of the same prefix."""


STOP_SECONDS = 0.1
"""How often a pause looks whether the run stops while a listing is read."""


class WireOf(Protocol):
    """Gives what performs the calls of a side's listing."""

    def __call__(self, *, source: bool) -> Caller:
        """Return it."""
        ...


@dataclass(slots=True)
class _Copy:
    listing: asyncio.Task[SortedListing]
    readers: int = 0


class Streams:
    """The listings of both stores of one process. Owned by one event loop."""

    def __init__(
        self, wire: WireOf, source: Store, destination: Store, stopping: Callable[[], bool] = lambda: False
    ) -> None:
        self.wire = wire
        self.source = source
        self.destination = destination
        self.destination_sorted = destination.capabilities.order in NEVER_BY_BYTES
        """The destination's listing is read whole and sorted."""
        self._stopping = stopping
        self._copies: dict[tuple[bool, str], _Copy] = {}

    @asynccontextmanager
    async def sorted(self, store: Store, prefix: str) -> AsyncIterator[SortedListing]:
        """Give the sorted copy of a prefix, made once for all who read it.

        Raises:
            StoreError: the store cannot be listed.
            TaskError: there is no room for it.
            Stopped: the run pauses meanwhile.
        """
        name = store is self.destination, prefix
        copy = self._copies.get(name)
        if copy is None:
            copy = _Copy(
                asyncio.ensure_future(SortedListing.read(self.wire(source=store is self.source), store, prefix))
            )
            self._copies[name] = copy
        copy.readers += 1
        try:
            while not copy.listing.done() and not self._stopping():
                await asyncio.wait({copy.listing}, timeout=STOP_SECONDS)
            if not copy.listing.done():
                raise Stopped("paused while a listing was read")
            yield copy.listing.result()
        finally:
            copy.readers -= 1
            self._tidy()

    def _tidy(self) -> None:
        idle = [name for name, copy in self._copies.items() if not copy.readers and copy.listing.done()]
        for name in idle[:-KEPT]:
            _drop(self._copies.pop(name))

    @asynccontextmanager
    async def source_pages(
        self, prefix: str, *, start_after: str, bounds: Bounds, by_copy: bool
    ) -> AsyncIterator[AsyncIterator[list[ListedObject]]]:
        """Give the source's pages of ``(start_after, bounds.hi]`` under a prefix, in byte order."""
        if by_copy:
            async with self.sorted(self.source, prefix) as listing:
                yield listing.pages(start_after=start_after, bounds=bounds)
            return
        pages = list_pages(self.wire(source=True), self.source, prefix, start_after=start_after, bounds=bounds)
        try:
            yield pages
        finally:
            await pages.aclose()  # type: ignore[attr-defined]

    def beside(self, prefix: str, *, start_after: str) -> Beside:
        """Return what tells which objects lie at the destination."""
        return Beside(self, prefix, start_after)

    def close(self) -> None:
        """Drop all copies."""
        for copy in self._copies.values():
            _drop(copy)
        self._copies.clear()


def _drop(copy: _Copy) -> None:
    if not copy.listing.done():
        copy.listing.cancel()
    elif not copy.listing.cancelled() and copy.listing.exception() is None:
        copy.listing.result().close()


async def pages_in_order(
    wire: Caller, store: Store, prefix: str, *, start_after: str = "", copied: bool = True
) -> AsyncIterator[list[ListedObject]]:
    """Yield what follows a key of a prefix, in byte order, whatever the store lists in.

    A listing whose order nobody vouches for is read to its end first; unless ``copied`` is False: then it is read from
    its beginning and held against byte order.

    Raises:
        StoreError: the store cannot be listed, or is not in order where it was not copied.
        TaskError: there is no room for a sorted copy.
    """
    order = store.capabilities.order
    if order is KeyOrder.UTF8 or (not copied and order not in NEVER_BY_BYTES):
        start = start_after if order is KeyOrder.UTF8 else ""
        async for page in list_pages(wire, store, prefix, start_after=start):
            kept = page if start == start_after else [entry for entry in page if key_before(start_after, entry.key)]
            if kept:
                yield kept
        return
    listing = await SortedListing.read(wire, store, prefix)
    try:
        async for page in listing.pages(start_after=start_after):
            yield page
    finally:
        listing.close()


class Beside:
    """What lies at the destination under ascending keys, whatever order it lists in."""

    def __init__(self, streams: Streams, prefix: str, start_after: str) -> None:
        self._streams = streams
        self._prefix = prefix
        self._start_after = start_after
        self._cursor: DestinationCursor | SortedCursor | None = None
        self._copy = streams.sorted(streams.destination, prefix)
        self._copied = False
        if not streams.destination_sorted:
            self._cursor = DestinationCursor(
                streams.wire(source=False), streams.destination, prefix, start_after=start_after
            )

    @property
    def certain(self) -> bool:
        """Whether what the last match did not find is not there, whatever order the destination lists in."""
        return self._cursor is not None and self._cursor.certain

    async def match(self, keys: list[str]) -> list[ListedObject | None]:
        """Return what lies under each of ``keys``, which ascend, also from call to call.

        Raises:
            StoreError: the destination cannot be listed.
            TaskError: there is no room for its sorted copy.
        """
        if self._cursor is not None:
            with suppress(Disordered):
                found = await self._cursor.match(keys)
                if self._cursor.certain or not await self._passed_over(keys, found):
                    return found
            self._cursor.close()
            self._streams.destination_sorted = True
        listing = await self._copy.__aenter__()
        self._copied = True
        self._cursor = listing.cursor(start_after=self._start_after)
        return await self._cursor.match(keys)

    async def _passed_over(self, keys: list[str], found: list[ListedObject | None]) -> bool:
        """Whether the destination lists keys that were not found where the order of bytes has them.

        Some are asked for alone: in a run that repeats another one each of them shows it, before anything is copied.
        """
        absent = [key for key, entry in zip(keys, found, strict=True) if entry is None]
        asked = {absent[len(absent) * part // PROBES] for part in range(PROBES)} if absent else set()
        wire, store = self._streams.wire(source=False), self._streams.destination
        pages = await asyncio.gather(*(wire.call(store.list_page(key, limit=1)) for key in asked))
        return any(entry.key in asked for page in pages for entry in page.objects)

    async def close(self) -> None:
        """Drop what is under way."""
        if self._cursor is not None:
            self._cursor.close()
        if self._copied:
            await self._copy.__aexit__(None, None, None)
