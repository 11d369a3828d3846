"""A listing in any order becomes one in byte order: each key once, from any key on, in memory or on the disk."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine.errors import ListingStuck, TaskError
from oms_engine.listing import Bounds
from oms_engine.model import ListedObject, ListPage, key_bytes
from oms_engine.spill import INDEX_EVERY, SortedListing, Spill
from oms_engine.store import Call
from support.memory_store import ORDERS, MemoryStore, Performer

KEYS = st.text(st.sampled_from("ab/é\U0001f600\uff08\0\udcff.-"), min_size=1, max_size=5)
OBJECTS = st.builds(
    ListedObject,
    KEYS,
    st.integers(0, 2**62),
    st.floats(0, 2**34),
    st.text("abcdef0123456789-", max_size=40),
    st.sampled_from(["", "STANDARD", "Hot", "归档"]),
)


def spilled(objects, run_records):
    """Return a spill of objects, taken in a few at a time."""
    spill = Spill(run_records=run_records)
    for at in range(0, len(objects), 3):
        spill.add(objects[at : at + 3])
        if spill.full:
            spill.write_run()
    spill.finish()
    return spill


@given(st.lists(OBJECTS, max_size=60), st.integers(1, 80), st.just("") | KEYS)
@settings(max_examples=300, deadline=None)
def test_a_spill_is_a_sorted_dict(objects, run_records, start):
    """Whatever comes is kept exactly, the last of each key, and comes back in the order of bytes after any key."""
    spill = spilled(objects, run_records)
    last = {entry.key: entry for entry in objects}
    expected = [last[key] for key in sorted(last, key=key_bytes) if key_bytes(key) > key_bytes(start)]
    assert list(spill.after(start)) == expected
    assert list(spill.after(start)) == expected
    assert (spill.count, spill.repeated) == (len(last), len(objects) - len(last))
    spill.close()


def test_a_large_spill_is_found_by_its_index():
    """Thousands of records on the disk are read from any key on without reading all."""
    objects = [ListedObject(f"{number:06}", number, 0.0, "e" * 32, "STANDARD") for number in range(INDEX_EVERY * 30)]
    spill = spilled(list(reversed(objects)), 1000)
    for start in (0, 1, INDEX_EVERY - 1, INDEX_EVERY, INDEX_EVERY * 30 - 1, 5000):
        assert next(spill.after(f"{start:06}"), None) == (objects[start + 1] if start + 1 < len(objects) else None)
        assert next(spill.after(f"{start:06}!")) == objects[start + 1] if start + 1 < len(objects) else True
    assert sum(1 for _ in spill.after("")) == len(objects)
    spill.close()


@pytest.mark.parametrize("order", sorted(ORDERS))
@given(
    keys=st.sets(KEYS.filter(lambda key: "\udcff" not in key), max_size=40),
    prefix=st.just("") | KEYS.filter(lambda key: "\udcff" not in key),
    start=st.just("") | KEYS,
    hi=st.none() | KEYS,
    limit=st.integers(1, 5),
    empty=st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_any_order_is_listed_in_byte_order(order, keys, prefix, start, hi, limit, empty):
    """A store that lists in any order is read whole, each key once, in byte order, from any key to any other."""

    async def run():
        store = MemoryStore(list(keys), limit, order=order, starts="ignored", tokens=True, empty_pages=empty)
        listing = await SortedListing.read(Performer(), store, prefix)
        found = [e.key async for page in listing.pages(start_after=start, bounds=Bounds(hi)) for e in page]
        listing.close()
        return found

    assert asyncio.run(run()) == [
        key
        for key in sorted(keys, key=key_bytes)
        if key.startswith(prefix)
        and key_bytes(key) > key_bytes(start)
        and (hi is None or key_bytes(key) <= key_bytes(hi))
    ]


@given(there=st.sets(KEYS, max_size=40), asked=st.sets(KEYS, max_size=40), cut=st.integers(1, 9))
@settings(max_examples=200, deadline=None)
def test_match_equals_a_look_up(there, asked, cut):
    """A cursor answers ascending keys as a dict would."""
    spill = spilled([ListedObject(key, 1, 0.0, "e", "") for key in there], 7)
    cursor = SortedListing(spill).cursor()
    keys = sorted(asked, key=key_bytes)

    async def run():
        return [entry for at in range(0, len(keys), cut) for entry in await cursor.match(keys[at : at + cut])]

    assert [entry and entry.key for entry in asyncio.run(run())] == [key if key in there else None for key in keys]
    spill.close()


class Endless(MemoryStore):
    """A store that gives its first page for ever."""

    def list_page(self, prefix, *, start_after="", limit=1000, token=None):
        page = ListPage([ListedObject("a", 1, 0.0, "e", "")], "a")
        return Call(None, None, lambda _reply: page, self.label, "list_page")


def test_a_listing_without_end_is_refused():
    """A store that ignores where to go on ends in an error, not in a full disk."""
    with pytest.raises(ListingStuck):
        asyncio.run(SortedListing.read(Performer(), Endless(["a"], 1), ""))


def test_a_full_disk_says_what_is_needed(monkeypatch):
    """No room for temporary files ends the task with the place and the remedy."""

    def full(_spill):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Spill, "finish", full)
    with pytest.raises(TaskError, match="TMPDIR"):
        asyncio.run(SortedListing.read(Performer(), MemoryStore(["a"]), ""))
