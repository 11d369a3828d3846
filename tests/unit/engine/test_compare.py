"""The merge of two listings."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from oms_engine.compare import merge_pages
from oms_engine.model import ListedObject, key_bytes

KEYS = st.lists(st.text(max_size=6) | st.just("\udcff\udc80"), unique=True, max_size=30)


async def pages(keys, sizes):
    """Yield keys as listing pages of the given sizes, in turn."""
    entries = [ListedObject(key, 0, 0.0, "", "") for key in sorted(keys, key=key_bytes)]
    at, turn = 0, 0
    while at < len(entries):
        size = sizes[turn % len(sizes)]
        yield entries[at : at + size]
        at, turn = at + size, turn + 1


PAGE_SIZES = st.lists(st.integers(1, 7), min_size=1, max_size=4)


@given(KEYS, KEYS, PAGE_SIZES, PAGE_SIZES)
async def test_the_merge_pairs_every_key_once_in_order_whatever_the_pages(ours, theirs, our_pages, their_pages):
    """The oracle is the union of two sets; page borders, also of unequal sides, never show."""
    pairs = [pair async for batch in merge_pages(pages(ours, our_pages), pages(theirs, their_pages)) for pair in batch]
    keys = [(pair[0] or pair[1]).key for pair in pairs]
    assert keys == sorted({*ours, *theirs}, key=key_bytes)
    assert {key for key, (left, _) in zip(keys, pairs, strict=True) if left} == set(ours)
    assert {key for key, (_, right) in zip(keys, pairs, strict=True) if right} == set(theirs)
    assert all(left is None or right is None or left.key == right.key for left, right in pairs)
