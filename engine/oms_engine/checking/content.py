"""Two objects held against each other byte for byte: both are read, and nothing is kept."""

from __future__ import annotations

import asyncio

from oms_engine.checking.model import Side
from oms_engine.digest import Digests
from oms_engine.model import ListedObject, Span
from oms_engine.store import MIB
from oms_engine.wire import Wire

WHOLE = MIB
"""Objects up to this size are read on the event loop, larger ones in threads."""
SPAN = 64 * MIB
"""Larger objects are read in ranges of this size: a connection that breaks costs no more than one."""
SMALL_AT_ONCE = 64
LARGE_AT_ONCE = 8


class ContentComparison:
    """Reads pairs of objects of one size, a bounded number at once."""

    def __init__(self, wire: Wire, source: Side, destination: Side) -> None:
        self._wire = wire
        self._source = source
        self._destination = destination
        self._small = asyncio.Semaphore(SMALL_AT_ONCE)
        self._large = asyncio.Semaphore(LARGE_AT_ONCE)

    async def difference(self, source: ListedObject, destination: ListedObject) -> str:
        """Return where the bytes of two objects of one size differ; empty when they do not.

        Raises:
            StoreError: one of them cannot be read, or was replaced since it was listed.
        """
        size = source.size
        if not size:
            return ""
        if size <= WHOLE:
            async with self._small:
                ours, theirs = await asyncio.gather(
                    self._whole(self._source, source), self._whole(self._destination, destination)
                )
            return "" if ours == theirs else "the content differs"
        if size <= SPAN:
            return await self._span(source, destination, None, size)
        spans = [Span(first, min(first + SPAN, size) - 1) for first in range(0, size, SPAN)]
        for at in range(0, len(spans), LARGE_AT_ONCE):  # in groups, so that a difference ends the reading soon
            group = [self._span(source, destination, span, span.size) for span in spans[at : at + LARGE_AT_ONCE]]
            if found := [phrase for phrase in await asyncio.gather(*group) if phrase]:
                return found[0]
        return ""

    async def _whole(self, side: Side, entry: ListedObject) -> bytes:
        call = side.store.read(side.prefix + entry.key, if_match=entry.etag or None)
        _, body = await self._wire.fetch(call, limit=2 * WHOLE)
        return body

    async def _span(self, source: ListedObject, destination: ListedObject, span: Span | None, size: int) -> str:
        async with self._large:
            ours, theirs = await asyncio.gather(
                self._digests(self._source, source, span, size),
                self._digests(self._destination, destination, span, size),
            )
        if (ours.size, ours.crc64) == (theirs.size, theirs.crc64):
            return ""
        where = "" if span is None else f" between bytes {span.first} and {span.last}"
        return f"the content differs{where}: crc64 {ours.crc64} here, {theirs.crc64} there"

    async def _digests(self, side: Side, entry: ListedObject, span: Span | None, size: int) -> Digests:
        call = side.store.read(side.prefix + entry.key, span=span, if_match=entry.etag or None)
        return (await self._wire.drain(call, Digests, size=size)).digests
