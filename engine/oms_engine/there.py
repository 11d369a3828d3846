"""What lies at the destination, page by page beside the source's pages: one LIST per 1000 keys instead of HEADs."""

from __future__ import annotations

import asyncio

from oms_engine.listing import Caller, Circle, OrderWatch, following, stuck
from oms_engine.model import KeyOrder, ListedObject, ListPage, key_before
from oms_engine.split import GREATEST
from oms_engine.store import Call, Store

_LONGEST_JUMP = 250
"""Characters of a key that may be changed for a jump: the start must stay within the 1024 bytes of a key."""


class DestinationCursor:
    """Answers "what is there under these keys?" for ascending pages of keys.

    It reads the destination's listing one page ahead. Where the destination holds much that the source lacks, it jumps
    to the next key asked for instead of paging through.
    """

    def __init__(self, wire: Caller, store: Store, prefix: str, *, start_after: str = "") -> None:
        self._wire = wire
        self._store = store
        self._prefix = prefix
        self._known: dict[str, ListedObject] = {}
        self._reached: str | None = ""
        """Everything up to this key is known; None: everything."""
        self._ahead: asyncio.Task[ListPage] | None = None
        self._jumps = store.capabilities.order is KeyOrder.UTF8
        self.certain = self._jumps
        """What was not found is not there, whatever order the store lists in."""
        self._whole = not start_after
        """The page on its way is the first of the whole prefix."""
        self._begin(start_after)

    def _begin(self, start_after: str) -> None:
        limit = self._store.capabilities.list_limit
        self._watch, self._circle = OrderWatch(self._store), Circle()
        self._fetch(self._store.list_page(self._prefix, start_after=start_after, limit=limit))

    def _fetch(self, call: Call[ListPage]) -> None:
        self._ahead = asyncio.get_running_loop().create_task(self._wire.call(call))

    async def match(self, keys: list[str]) -> list[ListedObject | None]:
        """Return what lies under each of ``keys``, which ascend, also from call to call.

        Raises:
            Disordered: the store does not list in the order of bytes.
            ListingStuck: the listing does not advance.
        """
        last = keys[-1]
        kept = self._known
        self._known = {}
        found = dict(kept)
        jumped = False
        while self._reached is not None and key_before(self._reached, last):
            page = await self._next()
            if self._jumps and not jumped and self._reached is not None and key_before(self._reached, keys[0]):
                # A whole page before the first key asked for: go there.
                jumped = True
                start = just_before(keys[0])
                if key_before(self._reached, start):
                    self._jump(start)
                continue
            self._known = {entry.key: entry for entry in page.objects}
            found.update(self._known)
        if not self._known:
            self._known = kept
        get = found.get
        return [get(key) for key in keys]

    async def _next(self) -> ListPage:
        assert self._ahead is not None
        page = await self._ahead
        self._ahead = None
        self._watch.look(page.objects)
        self.certain = self.certain or (self._whole and page.next_start is None)
        self._whole = False
        self._reached = page.next_start
        if page.next_start is not None:
            if self._circle.closes(page):
                raise stuck(self._store, page)
            self._fetch(following(self._store, self._prefix, page))
        return page

    def _jump(self, start_after: str) -> None:
        self.close()
        self._begin(start_after)

    def close(self) -> None:
        """Drop the page on its way."""
        if self._ahead is not None:
            self._ahead.cancel()
            self._ahead = None


def just_before(key: str) -> str:
    """Return a string that sorts before a key and after nearly all that does; a key before it need not exist."""
    last = ord(key[-1])
    if last in (0, 0xE000) or 0xD800 <= last < 0xE000 or len(key) > _LONGEST_JUMP:
        return key[:-1]
    return key[:-1] + chr(last - 1) + GREATEST
