"""Pages of a range: each key once and in order, also when the range shrinks while it is listed."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine.errors import Disordered, ListingStuck, UnexpectedReply
from oms_engine.listing import Bounds, follow, list_pages
from oms_engine.model import ListPage, key_bytes
from oms_engine.store import Call
from support.memory_store import ORDERS, MemoryStore, Performer

KEYS = st.text(st.sampled_from("ab/é\U0001f600~"), min_size=1, max_size=5)


@given(
    keys=st.sets(KEYS, max_size=50),
    prefix=st.just("") | KEYS,
    start=st.just("") | KEYS,
    hi=st.none() | KEYS,
    lowered=st.lists(st.tuples(st.integers(0, 8), KEYS), max_size=3),
    limit=st.integers(1, 9),
    seed=st.integers(0, 3),
)
@settings(max_examples=400, deadline=None)
def test_pages_are_the_range(keys, prefix, start, hi, lowered, limit, seed):
    """The pages hold ``(start, hi]`` under the prefix; lowering ``hi`` beyond what was listed takes the rest off."""

    async def run():
        bounds, seen, number = Bounds(hi), [], 0
        async for page in list_pages(
            Performer(seed), MemoryStore(list(keys), limit), prefix, start_after=start, bounds=bounds
        ):
            assert page
            seen += [entry.key for entry in page]
            for at, key in lowered:
                inside = bounds.hi is None or key_bytes(key) < key_bytes(bounds.hi)
                if at == number and inside and key_bytes(seen[-1]) < key_bytes(key):
                    bounds.hi = key
            number += 1
        return seen, bounds.hi

    seen, end = asyncio.run(run())
    expected = [
        key
        for key in sorted(keys, key=key_bytes)
        if key.startswith(prefix)
        and key_bytes(key) > key_bytes(start)
        and (end is None or key_bytes(key) <= key_bytes(end))
    ]
    assert seen == expected


def test_a_range_ends_without_a_page_too_many():
    """A range whose upper end is reached is not listed further."""

    async def run():
        store = MemoryStore([f"{number:03}" for number in range(100)], 10)
        pages = [page async for page in list_pages(Performer(), store, "", bounds=Bounds("024"))]
        return store, pages

    store, pages = asyncio.run(run())
    assert [len(page) for page in pages] == [10, 10, 5]
    assert len(store.asked) <= 4


class Standing(MemoryStore):
    """A store whose listing does not advance."""

    def list_page(self, prefix, *, start_after="", limit=1000):
        call = super().list_page(prefix, start_after="", limit=limit)
        return Call(
            call.request, call.sign, lambda reply: ListPage(call.read(reply).objects, "a"), self.label, "list_page"
        )


def test_a_listing_that_stands_still_is_refused():
    """A store that gives the same page for ever ends in an error, not in an endless run."""

    async def run():
        return [page async for page in list_pages(Performer(), Standing(["a", "b"], 2), "")]

    with pytest.raises(UnexpectedReply):
        asyncio.run(run())


@pytest.mark.parametrize("starts", ["order", "bytes", "ignored"])
@pytest.mark.parametrize("empty_pages", [False, True])
@given(keys=st.sets(KEYS, max_size=30), start=st.just("") | KEYS, limit=st.integers(1, 5))
@settings(max_examples=100, deadline=None)
def test_tokens_are_followed(starts, empty_pages, keys, start, limit):
    """Where a store gives tokens, every key comes once: over empty pages, and where start_after is ignored."""

    async def run():
        store = MemoryStore(list(keys), limit, tokens=True, empty_pages=empty_pages, starts=starts)
        return [entry.key async for page in list_pages(Performer(), store, "", start_after=start) for entry in page]

    assert asyncio.run(run()) == [key for key in sorted(keys, key=key_bytes) if key_bytes(key) > key_bytes(start)]


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_a_listing_that_goes_in_circles_is_refused(length):
    """Tokens that come again end in an error after a few rounds, whatever the length of the circle."""

    class Circling(MemoryStore):
        def list_page(self, prefix, *, start_after="", limit=1000, token=None):
            at = int(token or 0)
            page = ListPage([], "", str((at + 1) % length))
            return Call(None, None, lambda _reply: self.asked.append(at) or page, self.label, "list_page")

    async def run():
        return [page async for page in follow(Performer(), store, "")]

    store = Circling(["a"], 1)
    with pytest.raises(ListingStuck):
        asyncio.run(run())
    assert len(store.asked) <= 4 * length + 4


@given(keys=st.sets(KEYS, max_size=30), order=st.sampled_from(sorted(ORDERS)), limit=st.integers(1, 5))
@settings(max_examples=300, deadline=None)
def test_another_order_is_noticed(keys, order, limit):
    """A listing is either in the order of bytes, or refused; never passed on as if it were."""

    async def run():
        store = MemoryStore(list(keys), limit, tokens=True, order=order)
        return [entry.key async for page in list_pages(Performer(), store, "") for entry in page]

    ascending = sorted(keys, key=key_bytes)
    if sorted(keys, key=ORDERS[order]) == ascending:
        assert asyncio.run(run()) == ascending
    else:
        with pytest.raises(Disordered):
            asyncio.run(run())
