"""Listings as streams of pages: one page ahead, resumable at any key, clipped to a range that may shrink meanwhile.

A listing is followed by what the store offers: its token, else the last key. Its keys are held against byte order on
the way: merging, resuming and clipping rest on it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field
from operator import lt
from typing import Protocol, TypeVar

from oms_engine.errors import Disordered, ListingStuck, StoreError
from oms_engine.model import ListedObject, ListPage, key_before, key_bytes
from oms_engine.store import Call, Store

T = TypeVar("T")


class Caller(Protocol):
    """What performs calls: the wire, or one with more patience."""

    async def call(self, call: Call[T], *, final: type[StoreError] | None = None) -> T:
        """Perform a call."""
        ...


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


def asking(store: Store, prefix: str, after: str, token: str | None, limit: int) -> Call[ListPage]:
    """Return the call for a page; a token is given only where there is one."""
    if token is None:
        return store.list_page(prefix, start_after=after, limit=limit)
    return store.list_page(prefix, start_after=after, limit=limit, token=token)


def following(store: Store, prefix: str, page: ListPage) -> Call[ListPage]:
    """Return the call for the page after one that says more follows."""
    assert page.next_start is not None
    return asking(store, prefix, page.next_start, page.token, store.capabilities.list_limit)


@dataclass(slots=True)
class Circle:
    """Notices a listing that goes in circles, of any length, in constant memory (Brent's algorithm)."""

    seen: tuple[str | None, str | None] = (None, None)
    steps: int = 0
    power: int = 1

    def closes(self, page: ListPage) -> bool:
        """Whether the listing was at this place before."""
        place = (page.token, page.next_start if page.token is None else None)
        if place == self.seen:
            return True
        self.steps += 1
        if self.steps == self.power:
            self.seen, self.steps, self.power = place, 0, self.power * 2
        return False


async def follow(wire: Caller, store: Store, prefix: str, *, start_after: str = "") -> AsyncIterator[ListPage]:
    """Yield the pages of a listing as they come, in the store's order, the next one always on its way.

    Raises:
        ListingStuck: the listing does not advance.
    """
    circle = Circle()
    limit = store.capabilities.list_limit
    ahead = asyncio.ensure_future(wire.call(store.list_page(prefix, start_after=start_after, limit=limit)))
    try:
        while True:
            page = await ahead
            if page.next_start is None:
                yield page
                return
            if circle.closes(page):
                raise stuck(store, page)
            ahead = asyncio.ensure_future(wire.call(following(store, prefix, page)))
            yield page
    finally:
        ahead.cancel()


def stuck(store: Store, page: ListPage) -> ListingStuck:
    """Return the error of a listing that is where it was before."""
    return ListingStuck(
        f"the listing stands still at {page.next_start!r}: the store gives the same place to go on from again; "
        "name these objects in a list file and migrate that",
        store=store.label,
        operation="list_page",
    )


@dataclass(slots=True)
class OrderWatch:
    """Holds the pages of one listing against byte order."""

    store: Store
    start_after: str = ""
    reached: str = ""
    starts_before: bool = field(default=False)
    """The store lists keys up to ``start_after`` too: it does not start where it is asked to."""

    def look(self, objects: list[ListedObject]) -> list[ListedObject]:
        """Return the objects after ``start_after``.

        Raises:
            Disordered: keys do not ascend by their bytes, within the page or from the page before.
        """
        if not objects:
            return objects
        first = objects[0].key
        if not ascends(objects) or (self.reached and not key_before(self.reached, first)):
            raise disordered(self.store)
        self.reached = objects[-1].key
        if not self.start_after or key_before(self.start_after, first):
            return objects
        self.starts_before = True
        return [entry for entry in objects if key_before(self.start_after, entry.key)]


def ascends(objects: list[ListedObject]) -> bool:
    """Whether the keys ascend by their UTF-8 bytes, each once."""
    keys = [entry[0] for entry in objects]
    if all(map(str.isascii, keys)):
        return all(map(lt, keys, keys[1:]))
    raw = [key_bytes(key) for key in keys]
    return all(map(lt, raw, raw[1:]))


def disordered(store: Store) -> Disordered:
    """Return the error of a store that lists in another order."""
    return Disordered(
        "the keys of the listing do not ascend by their bytes; migrate these objects with the source option "
        "order=unordered, or by a list file",
        store=store.label,
        operation="list_page",
    )


async def list_pages(
    wire: Caller, store: Store, prefix: str, *, start_after: str = "", bounds: Bounds | None = None
) -> AsyncIterator[list[ListedObject]]:
    """Yield the pages of ``(start_after, bounds.hi]`` under ``prefix``, the next one always on its way.

    Raises:
        Disordered: the store does not list in the order of bytes.
        ListingStuck: the listing does not advance.
    """
    bounds = bounds or Bounds()
    watch = OrderWatch(store, start_after)
    async with aclosing(follow(wire, store, prefix, start_after=start_after)) as pages:  # type: ignore[type-var]
        async for page in pages:
            held = watch.look(page.objects)
            objects = bounds.clip(held)
            if objects:
                yield objects
            if len(objects) < len(held):
                return
            if bounds.hi is not None and watch.reached and not key_before(watch.reached, bounds.hi):
                return


async def first_after(wire: Caller, store: Store, prefix: str, after: str) -> str | None:
    """Return the first key after a given one, None when there is none; empty pages are passed over."""
    page = await wire.call(store.list_page(prefix, start_after=after, limit=1))
    circle = Circle()
    while not page.objects and page.next_start is not None:
        if circle.closes(page) or page.token is None:
            return None
        page = await wire.call(following(store, prefix, page))
    return page.objects[0].key if page.objects else None
