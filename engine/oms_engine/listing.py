"""Listings as streams of pages: one page ahead, resumable at any key, clipped to a range that may shrink meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

from oms_engine.errors import UnexpectedReply
from oms_engine.model import ListedObject, key_before
from oms_engine.store import Store
from oms_engine.wire import Wire


@dataclass(slots=True)
class Bounds:
    """The upper end of a listing, inclusive; None is open. A split lowers it while the listing runs."""

    hi: str | None = None

    def clip(self, objects: list[ListedObject]) -> list[ListedObject]:
        """Return the objects up to ``hi``."""
        hi = self.hi
        if hi is None or not objects or not key_before(hi, objects[-1].key):
            return objects
        return [entry for entry in objects if not key_before(hi, entry.key)]


async def list_pages(
    wire: Wire, store: Store, prefix: str, *, start_after: str = "", bounds: Bounds | None = None
) -> AsyncIterator[list[ListedObject]]:
    """Yield the pages of ``(start_after, bounds.hi]`` under ``prefix``, the next one always on its way.

    Raises:
        UnexpectedReply: the store's listing does not advance.
    """
    bounds = bounds or Bounds()
    limit = store.capabilities.list_limit
    ahead = asyncio.ensure_future(wire.call(store.list_page(prefix, start_after=start_after, limit=limit)))
    try:
        while True:
            page = await ahead
            following = page.next_start
            if following is not None:
                if not key_before(start_after, following):
                    raise UnexpectedReply(
                        f"the listing stands still at {following!r}", store=store.label, operation="list_page"
                    )
                start_after = following
                ahead = asyncio.ensure_future(wire.call(store.list_page(prefix, start_after=start_after, limit=limit)))
            objects = bounds.clip(page.objects)
            if objects:
                yield objects
            if following is None or len(objects) < len(page.objects):
                return
            if bounds.hi is not None and not key_before(following, bounds.hi):
                return
    finally:
        ahead.cancel()
