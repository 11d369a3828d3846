"""What holds of listings in every order: ranges that were cut hold all keys once, or the listing from the beginning refuses.

A source whose order nobody vouches for is cut only beside such a listing, so keys that a cut would lose end the run.
"""

import asyncio
from functools import partial

from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from oms_engine.errors import Disordered
from oms_engine.listing import Bounds, first_after, list_pages
from oms_engine.model import key_bytes
from oms_engine.spill import SortedListing
from oms_engine.split import find_split
from support.memory_store import ORDERS, MemoryStore, Performer

SEGMENTS = st.text(st.sampled_from("ab-.0\x7fé\uff08\ue000\U0001f600"), max_size=3)
KEYS = st.lists(SEGMENTS, min_size=1, max_size=3).map("/".join).filter(bool)
SETS = st.sets(KEYS, max_size=30)
STORE = {
    "order": st.sampled_from(sorted(ORDERS)),
    "starts": st.sampled_from(["order", "bytes", "ignored"]),
    "limit": st.integers(1, 6),
}


def store_of(keys, order, starts, limit):
    """Return a store whose pages are followed by token, as those of stores in other orders are."""
    return MemoryStore(sorted(keys), limit, order=order, starts=starts, tokens=True)


async def ranges_of(store, cuts):
    """Cut the whole listing up to so many times, as idle slots do, and list each range; return their keys."""
    begins, head = [""], ""
    for _ in range(cuts):
        at = await find_split(partial(first_after, Performer(), store, ""), head, "")
        if at is None:
            break
        begins.append(at)
        head = at
    found = []
    for begin, end in zip(begins, [*begins[1:], None], strict=True):
        pages = list_pages(Performer(), store, "", start_after=begin, bounds=Bounds(end))
        found += [entry.key async for page in pages for entry in page]
    return found


async def whole(store):
    """List from the beginning."""
    return [entry.key async for page in list_pages(Performer(), store, "") for entry in page]


@given(keys=SETS, cuts=st.integers(0, 3), **STORE)
@settings(max_examples=600, deadline=None)
@example(
    keys={f"{first}{number}" for first in ("a", "\uff08", "\U0001f600") for number in range(6)},
    cuts=2, order="utf16", starts="order", limit=5,
)  # fmt: skip
@example(keys={"A/dat1", "A-B", "A/x", "A.c"}, cuts=1, order="path", starts="order", limit=2)
def test_cut_ranges_hold_every_key_once_or_the_order_is_refused(keys, cuts, order, starts, limit):
    """Whatever the order and wherever it is cut, no key is lost or doubled without the listing from the beginning saying so."""
    store = store_of(keys, order, starts, limit)
    ascending = sorted(keys, key=key_bytes)
    try:
        found = asyncio.run(ranges_of(store, cuts))
    except Disordered:
        return
    if found != ascending:
        try:
            asyncio.run(whole(store))
        except Disordered:
            return
        raise AssertionError(f"{set(keys) ^ set(found)} were lost or made up, and the whole listing is in order")


@given(keys=SETS, cuts=st.integers(1, 3), limit=st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_a_store_in_byte_order_is_cut_without_loss(keys, cuts, limit):
    """Where the order is kept, the ranges hold every key exactly once, in order."""
    assert asyncio.run(ranges_of(store_of(keys, "utf8", "order", limit), cuts)) == sorted(keys, key=key_bytes)


@given(keys=SETS, **STORE)
@settings(max_examples=300, deadline=None)
def test_what_is_read_whole_is_complete_in_every_order(keys, order, starts, limit):
    """A listing that is sorted on the disk holds every key once in byte order, and knows how many there are."""

    async def run():
        listing = await SortedListing.read(Performer(), store_of(keys, order, starts, limit), "")
        try:
            return listing.count, [entry.key async for page in listing.pages() for entry in page]
        finally:
            listing.close()

    assert asyncio.run(run()) == (len(keys), sorted(keys, key=key_bytes))


@given(keys=SETS, order=st.sampled_from(sorted(set(ORDERS) - {"utf8"})), limit=st.integers(1, 6))
@settings(max_examples=200, deadline=None)
def test_another_order_shows_in_the_listing_from_the_beginning(keys, order, limit):
    """As soon as the order of these keys differs from that of their bytes, the listing from the beginning refuses."""
    assume(sorted(keys, key=ORDERS[order]) != sorted(keys, key=key_bytes))
    try:
        asyncio.run(whole(store_of(keys, order, "order", limit)))
    except Disordered:
        return
    raise AssertionError("a listing in another order was passed on as if it were in byte order")
