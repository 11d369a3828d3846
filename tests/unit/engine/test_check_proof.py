"""What proves two objects of one size equal, or different."""

from __future__ import annotations

from dataclasses import replace
from hashlib import md5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.checking.model import Mark, Method
from oms_engine.checking.proof import Note, by_heads, by_notes, looks_like_md5, same_by_listing
from oms_engine.model import Attributes, ListedObject, ObjectHead
from oms_engine.store import Capabilities

PLAIN = Capabilities()
OPAQUE = replace(PLAIN, etag_is_md5=False)
HEX = st.text("0123456789abcdef", min_size=32, max_size=32)


def entry(etag: str, size: int = 1) -> ListedObject:
    """Return an object as a listing states it."""
    return ListedObject("k", size, 0.0, etag, "")


def etag_of_parts(*parts: bytes) -> str:
    """Return the ETag of an upload of these parts."""
    return md5(b"".join(md5(part).digest() for part in parts)).hexdigest() + f"-{len(parts)}"


@given(st.text("0123456789abcdefABCDEFg-", min_size=30, max_size=34))
def test_an_etag_is_taken_for_an_md5_only_in_its_form_and_where_the_store_says_so(etag):
    """32 hexadecimal digits, no part count."""
    form = len(etag) == 32 and not set(etag) - set("0123456789abcdefABCDEF")
    assert looks_like_md5(etag, PLAIN) == form
    assert not looks_like_md5(etag, OPAQUE)


@given(HEX, HEX, st.booleans())
def test_md5s_are_compared_whatever_their_case(ours, theirs, equal):
    """OSS lists its MD5s in capitals, others in small letters: one object has one MD5."""
    theirs = ours if equal else theirs
    found = same_by_listing(entry(ours.upper()), entry(theirs), PLAIN, PLAIN)
    assert found is (Method.MD5 if ours == theirs else None)


@given(HEX, st.integers(1, 10_000))
def test_etags_of_parts_prove_when_they_are_equal_as_they_stand(etag, parts):
    """Only in the form that is made of MD5s: one of size and time would be equal for other bytes too."""
    composite = f"a{etag[1:]}-{parts}"
    assert same_by_listing(entry(composite), entry(composite), PLAIN, PLAIN) is Method.ETAG
    assert same_by_listing(entry(composite), entry(composite.upper()), PLAIN, PLAIN) is None
    for weak in ("66a5f0c1-1000", "5f3-1a2b", ""):
        assert same_by_listing(entry(weak), entry(weak), PLAIN, PLAIN) is None


@given(st.binary(max_size=20), st.binary(max_size=20))
def test_an_upload_of_one_part_is_held_against_the_md5_of_a_single_write(ours, theirs):
    """Whichever side has which; the oracle is the bytes themselves."""
    plain, joined = entry(md5(ours).hexdigest()), entry(etag_of_parts(theirs))
    expected = Method.ETAG if ours == theirs else None
    assert same_by_listing(plain, joined, PLAIN, PLAIN) is expected
    assert same_by_listing(joined, plain, PLAIN, PLAIN) is expected
    assert same_by_listing(plain, joined, OPAQUE, OPAQUE) is None


def test_no_bytes_are_equal_to_no_bytes():
    """Whatever their ETags."""
    assert same_by_listing(entry("x", 0), entry("y", 0), OPAQUE, PLAIN) is Method.EMPTY


def head(etag: str = "", *, crc64: int | None = None, md5: bytes | None = None) -> ObjectHead:
    """Return what HEAD states."""
    return ObjectHead("k", 1, etag, 0.0, Attributes(), crc64=crc64, md5=md5)


CHECKSUMS = st.none() | st.integers(0, 2)
DIGESTS = st.none() | st.sampled_from([b"a" * 16, b"b" * 16])


@given(CHECKSUMS, CHECKSUMS, DIGESTS, DIGESTS)
def test_a_checksum_of_both_heads_decides_crc64_first(our_crc64, their_crc64, our_md5, their_md5):
    """With none in common nothing is claimed."""
    found = by_heads(head(crc64=our_crc64, md5=our_md5), head(crc64=their_crc64, md5=their_md5))
    if None not in (our_crc64, their_crc64):
        assert found.mark is (Mark.SAME if our_crc64 == their_crc64 else Mark.DIFFERENT)
    elif None not in (our_md5, their_md5):
        assert found.mark is (Mark.SAME if our_md5 == their_md5 else Mark.DIFFERENT)
    else:
        assert found.mark is Mark.UNPROVED
    assert (found.phrase == "") == (found.mark is not Mark.DIFFERENT)


def test_the_head_of_a_single_write_is_held_against_an_upload_of_one_part():
    """Other part counts prove nothing, equal or not."""
    one = head(etag_of_parts(b"12"))
    assert by_heads(head(md5=md5(b"12").digest()), one).method is Method.ETAG
    assert by_heads(one, head(md5=md5(b"12").digest())).method is Method.ETAG
    two = head(etag_of_parts(b"1", b"2"))
    assert by_heads(head(md5=md5(b"12").digest()), two).mark is Mark.UNPROVED
    assert by_heads(two, two).method is Method.ETAG


ETAGS = st.sampled_from(["a", "b", ""])
NOTES = st.builds(
    Note,
    at=st.integers(0, 3).map(float),
    size=st.sampled_from([1, 1, 1, 2]),
    source_etag=ETAGS,
    destination_etag=ETAGS,
    method=st.sampled_from(["md5", "crc64", "size_last_modified", "no_check", ""]),
    equal=st.booleans(),
)


@given(st.lists(NOTES, max_size=4))
def test_notes_prove_exactly_what_both_etags_and_a_proof_say(notes):
    """Equal only by a note of both ETags, of this size, whose method proved the bytes; a changed side is a difference."""
    found = by_notes(entry("a"), entry("b"), notes)
    usable = [note for note in notes if note.size == 1 and note.source_etag and note.destination_etag]
    both = [note for note in usable if (note.source_etag, note.destination_etag) == ("a", "b")]
    if any(note.equal and note.method in {"md5", "crc64"} for note in both):
        assert (found.mark, found.method) == (Mark.SAME, Method.NOTED)
    elif both:
        assert found.mark is Mark.UNPROVED
        assert found.phrase
    elif any(note.source_etag == "a" or note.destination_etag == "b" for note in usable):
        assert found.mark is Mark.DIFFERENT
        assert "anew" in found.phrase
    else:
        assert found == (Mark.UNPROVED, None, "")


@pytest.mark.parametrize(
    ("noted", "word"), [(("x", "b"), "the source was written anew"), (("a", "x"), "the destination was written anew")]
)
def test_which_side_changed_since_it_was_migrated_is_named(noted, word):
    """With both ETags, then and now."""
    found = by_notes(entry("a"), entry("b"), [Note(0.0, 1, *noted, "md5", equal=True)])
    assert word in found.phrase
    assert "x" in found.phrase
