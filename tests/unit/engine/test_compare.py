"""The merge of two listings, and what counts as a difference."""

from __future__ import annotations

from dataclasses import fields, replace
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from oms_engine.compare import Method, Side, _Judge, attribute_differences, looks_like_md5, merge_pages
from oms_engine.model import Attributes, ListedObject, key_bytes
from oms_engine.store import Capabilities

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


ASCII = st.text(st.characters(max_codepoint=127), max_size=5)
TEXTS = st.none() | ASCII
ATTRIBUTES = st.builds(
    Attributes,
    **{item.name: TEXTS for item in fields(Attributes) if item.name not in {"user", "withheld"}},
    user=st.dictionaries(st.sampled_from(["a", "b", "c"]), ASCII),
)


@given(ATTRIBUTES, ATTRIBUTES)
def test_attributes_differ_exactly_when_a_phrase_says_so(ours, theirs):
    """No field is forgotten, and each phrase is about one field that differs."""
    phrases = attribute_differences(ours, theirs)
    assert (phrases == []) == (ours == theirs)
    headers = [item.name for item in fields(Attributes) if item.name not in {"user", "withheld"}]
    names = {name.replace("_", "-") for name in headers if getattr(ours, name) != getattr(theirs, name)}
    names |= {f"metadata {name}" for name in "abc" if ours.user.get(name) != theirs.user.get(name)}
    assert len(phrases) == len(names)
    assert all(any(phrase.startswith(f"{name} ") for name in names) for phrase in phrases)


def test_metadata_that_a_store_cannot_return_is_a_difference():
    """Entries that nobody can see were not compared, so the two are not called equal."""
    assert len(attribute_differences(Attributes(withheld=2), Attributes())) == 1
    assert len(attribute_differences(Attributes(withheld=2), Attributes(withheld=2))) == 2


def test_a_value_that_was_percent_encoded_on_its_way_is_no_difference():
    """A migration stores Chinese percent-encoded; anything else that is not the same is a difference."""
    ours = Attributes(content_disposition="照片.jpg".encode().decode("latin-1"), user={"place": "北京"})
    theirs = Attributes(content_disposition="%E7%85%A7%E7%89%87.jpg", user={"place": "%E5%8C%97%E4%BA%AC"})
    assert attribute_differences(ours, theirs) == []
    assert len(attribute_differences(theirs, ours)) == 2


@given(st.text("0123456789abcdefABCDEFg-", min_size=30, max_size=34))
def test_an_etag_is_taken_for_an_md5_only_in_its_form_and_where_the_store_says_so(etag):
    """32 hexadecimal digits, no part count."""
    plain = Capabilities()
    form = len(etag) == 32 and not set(etag) - set("0123456789abcdefABCDEF")
    assert looks_like_md5(etag, plain) == form
    assert not looks_like_md5(etag, replace(plain, etag_is_md5=False))


HEX = st.text("0123456789abcdef", min_size=32, max_size=32)


@given(HEX, HEX, st.booleans())
def test_md5s_are_compared_whatever_their_case(ours, theirs, equal):
    """OSS lists its MD5s in capitals, others in small letters: one object has one MD5."""
    theirs = ours if equal else theirs
    side = Side(SimpleNamespace(capabilities=Capabilities()))
    judge = _Judge(SimpleNamespace(), side, side, attributes=False)
    entries = [ListedObject("k", 1, 0.0, etag, "") for etag in (ours.upper(), theirs)]
    assert judge.same_by_listing(*entries) is (Method.MD5 if ours == theirs else None)


@given(HEX)
def test_other_etags_are_compared_as_they_stand(etag):
    """An ETag with a part count is opaque: its letters are not folded."""
    side = Side(SimpleNamespace(capabilities=Capabilities()))
    judge = _Judge(SimpleNamespace(), side, side, attributes=False)
    entry = ListedObject("k", 1, 0.0, f"a{etag[1:]}-2", "")
    assert judge.same_by_listing(entry, entry) is Method.ETAG
    assert judge.same_by_listing(entry, entry._replace(etag=entry.etag.upper())) is None
