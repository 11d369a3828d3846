"""The destination's listing beside the source's: exactly a look-up, at one LIST per page."""

import asyncio
import string

from hypothesis import example, given, settings
from hypothesis import strategies as st

from oms_engine.model import key_bytes
from oms_engine.there import DestinationCursor
from support.memory_store import MemoryStore, Performer

KEYS = st.text(st.sampled_from("ab/é\U0001f600~ "), min_size=1, max_size=6)
SETS = st.sets(KEYS, max_size=60)


def by_bytes(keys):
    """Sort as stores do."""
    return sorted(keys, key=key_bytes)


async def match_all(store, prefix, pages, start_after, seed):
    """Match page after page; return what was found by key."""
    cursor = DestinationCursor(Performer(seed), store, prefix, start_after=start_after)
    found = {}
    try:
        for page in pages:
            answer = await cursor.match(page)
            assert len(answer) == len(page)
            found.update(zip(page, answer, strict=True))
    finally:
        cursor.close()
    return found


@given(
    there=SETS,
    asked=SETS,
    limit=st.integers(1, 7),
    cuts=st.lists(st.integers(1, 9), min_size=1, max_size=20),
    start=st.none() | KEYS,
    seed=st.integers(0, 5),
)
@settings(max_examples=400, deadline=None)
@example(there={"a", "b"}, asked={"b"}, limit=1, cuts=[1], start=None, seed=0)
def test_match_equals_a_look_up(there, asked, limit, cuts, start, seed):
    """For any two key sets, page sizes and cuts of the calls each key is answered as a dict would."""
    keys = [key for key in by_bytes(asked) if start is None or key_bytes(key) > key_bytes(start)]
    pages, sizes = [], iter(cuts * 61)
    while keys:
        size = next(sizes)
        pages.append(keys[:size])
        keys = keys[size:]
    store = MemoryStore(list(there), limit)
    found = asyncio.run(match_all(store, "", pages, start or "", seed))
    assert all(
        (entry is not None) == (key in there) and (entry is None or entry.key == key) for key, entry in found.items()
    )


@given(there=SETS, asked=SETS, prefix=KEYS, limit=st.integers(1, 5), seed=st.integers(0, 5))
@settings(max_examples=150, deadline=None)
def test_match_under_a_prefix(there, asked, prefix, limit, seed):
    """Keys under a saved prefix are answered alike, whatever lies outside it."""
    keys = by_bytes(prefix + key for key in asked)
    store = MemoryStore([*there, *(prefix + key for key in there)], limit)
    found = asyncio.run(
        match_all(store, prefix, [keys[:3], keys[3:]] if len(keys) > 3 else [keys] if keys else [], "", seed)
    )
    assert all((entry is not None) == (key in {*there, *(prefix + k for k in there)}) for key, entry in found.items())


def test_equal_sets_cost_one_list_per_page():
    """Where both sides hold the same 5,000 keys five pages and the end are asked for."""
    keys = [f"{number:05}" for number in range(5000)]
    store = MemoryStore(keys, 1000)
    pages = [keys[at : at + 1000] for at in range(0, 5000, 1000)]
    found = asyncio.run(match_all(store, "", pages, "", None))
    assert all(found.values())
    assert len(store.asked) == 5


def test_a_destination_full_of_others_is_jumped_over():
    """Ten thousand keys that nobody asks for cost a few pages, not ten."""
    others = [f"m/{number:05}" for number in range(10_000)]
    store = MemoryStore(["a", "z", *others], 100)
    found = asyncio.run(match_all(store, "", [["a"], ["y"], ["z"]], "", None))
    assert {key: entry is not None for key, entry in found.items()} == {"a": True, "y": False, "z": True}
    assert len(store.asked) <= 6


def test_alphabet_is_ascii_sorted():
    """The generated alphabet spans one to four bytes a character."""
    assert {len(character.encode()) for character in "ab/é\U0001f600~ "} == {1, 2, 4}
    assert string.ascii_lowercase[0] == "a"
