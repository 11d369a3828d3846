"""Two listings side by side."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import UnexpectedReply
from oms_engine.merge import PairMerge, merge_pages
from oms_engine.model import ListedObject, key_bytes

# ASCII, two to four byte characters around the surrogates, and undecodable bytes, whose order is not that of code points.
keys = st.text(st.sampled_from("ab/~\x00é\ud7ff\ue000\uffff𐀀😀\udc80\udcff"), max_size=4)
key_sets = st.sets(keys, max_size=30)


def valid(key):
    """Return whether a key is one that its bytes decode to."""
    return key_bytes(key).decode("utf-8", "surrogateescape") == key


def listing(some_keys, mark=""):
    """Return objects in the order a store lists them."""
    ordered = sorted((key for key in some_keys if valid(key)), key=key_bytes)
    return [ListedObject(key, n, 0.0, mark, "") for n, key in enumerate(ordered)]


def pages(objects, cuts):
    """Cut a listing into pages, empty ones among them."""
    edges = sorted(min(cut, len(objects)) for cut in cuts)
    return [objects[a:b] for a, b in zip([0, *edges], [*edges, len(objects)], strict=True)]


cuts = st.lists(st.integers(0, 30), max_size=6)


@given(key_sets, key_sets, cuts, cuts, st.booleans())
def test_merging_pairs_as_a_dictionary_would(ours, theirs, our_cuts, their_cuts, extras):
    """However the pages are cut, each source object comes once, in order, with its counterpart; extras are the rest."""
    source, there = listing(ours), listing(theirs, "there")
    merged = list(merge_pages(pages(source, our_cuts), pages(there, their_cuts), extras=extras))
    by_key = {entry.key: entry for entry in there}
    assert [pair for part in merged for pair in part.pairs] == [(s, by_key.get(s.key)) for s in source]
    only = [entry for entry in there if entry.key not in {s.key for s in source}]
    assert [entry for part in merged for entry in part.extras] == (only if extras else [])


@given(key_sets, key_sets, st.sampled_from(["", "old/"]), st.sampled_from(["", "new/", "é"]), cuts, cuts)
def test_keys_are_mapped_under_the_prefixes(ours, theirs, strip, save, our_cuts, their_cuts):
    """Source keys under one prefix meet destination keys under another."""
    source = listing({strip + key for key in ours})
    there = listing({save + key for key in theirs}, "there")
    by_key = {entry.key: entry for entry in there}
    merged = merge_pages(
        pages(source, our_cuts), pages(there, their_cuts), strip_prefix=strip, save_prefix=save, extras=True
    )
    pairs = [pair for part in merged for pair in part.pairs]
    assert pairs == [(s, by_key.get(save + s.key[len(strip) :])) for s in source]


@given(key_sets, key_sets)
def test_only_what_is_needed_is_read_ahead(ours, theirs):
    """With one-key pages, the destination is never read more than one key beyond the source's greatest."""
    source, there = listing(ours), listing(theirs)
    read = []

    def counted():
        for entry in there:
            read.append(entry.key)
            yield [entry]

    list(merge_pages([[entry] for entry in source], counted()))
    last = key_bytes(source[-1].key) if source else b""
    assert sum(1 for key in read if key_bytes(key) >= last) <= 1 or not source
    assert source or not read


@pytest.mark.parametrize("bad", [[["b", "a"]], [["a", "a"]], [["b"], ["a"]], [["a"], ["a"]], [["\uffff", "\udc80"]]])
def test_a_listing_out_of_order_is_refused(bad):
    """A store that does not list in byte order, or repeats a key, is not compared: copies could be missed."""
    objects = [[ListedObject(key, 0, 0.0, "", "") for key in page] for page in bad]
    for sides in ((objects, []), ([[ListedObject("zz", 0, 0.0, "", "")]], objects)):
        with pytest.raises(UnexpectedReply, match="ascending"):
            list(merge_pages(*sides, extras=True))


def test_undecodable_bytes_are_in_byte_order():
    """Byte 0x80 sorts before the bytes of U+FFFF although its stand-in's code point is lower than that of U+E000."""
    order = ["\udc80", "é", "\ue000", "\uffff", "𐀀", "\udcff"]
    objects = listing(order)
    assert [entry.key for entry in objects] == order
    (merged,) = merge_pages([objects], [objects])
    assert all(a is b for a, b in merged.pairs)


def test_an_untouched_merge_asks_for_the_source_first():
    """Nothing is asked of the destination before there is something to compare with."""
    merge = PairMerge()
    assert (merge.needs_source, merge.needs_destination, merge.done) == (True, False, False)
    merge.add_source([ListedObject("k", 0, 0.0, "", "")])
    assert (merge.needs_source, merge.needs_destination) == (False, True)
    merge.end_destination()
    assert merge.take().pairs == [(ListedObject("k", 0, 0.0, "", ""), None)]
    merge.end_source()
    assert merge.done
