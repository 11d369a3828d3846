"""The verdict on a copy."""

import hashlib

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oms_engine.digest import Digests, crc64
from oms_engine.model import Attributes, ConsistencyCheck, ListedObject, ObjectHead, Written
from oms_engine.verify import SENT_AT_ONCE, Sent, joined_etag, verify

BODY = b"the bytes of the object"
GOOD_MD5 = hashlib.md5(BODY).digest()
GOOD_CRC = crc64(BODY)
CHECKS = list(ConsistencyCheck)


def digests(*, md5=True, body=BODY):
    """Return the digests of the body that was read."""
    made = Digests(md5=md5)
    made.update(body)
    return made


def source(**stated):
    """Return the source's head."""
    stated = {"size": len(BODY), "last_modified": 1000.0, **stated}
    return ObjectHead(key="k", etag="e", attributes=Attributes(), **stated)


def reply(md5=None, crc=None, at=1000.0, encryption=None):
    """Return a write's reply."""
    return Written("e", md5, crc, at, encryption)


def copy(**stated):
    """Return the copy's head."""
    return source(**stated)


good_md5 = st.sampled_from([None, GOOD_MD5])
good_crc = st.sampled_from([None, GOOD_CRC])


@given(st.sampled_from(CHECKS), good_md5, good_crc, good_md5, good_crc, st.booleans(), st.booleans())
def test_a_true_copy_passes_and_names_its_strongest_proof(check, s_md5, s_crc, d_md5, d_crc, with_md5, after_head):
    """A checksum proves a copy where the source states one and the destination one; else nothing but its size is known."""
    stored = copy(md5=d_md5, crc64=d_crc) if after_head else reply(d_md5, d_crc)
    verdict = verify(source(md5=s_md5, crc64=s_crc), digests(md5=with_md5), stored, check)
    by_crc, by_md5 = s_crc and d_crc, s_md5 and d_md5
    order = ["crc64", "md5"] if check is ConsistencyCheck.CRC64 else ["md5", "crc64"]
    proofs = [name for name in order if (by_crc if name == "crc64" else by_md5)]
    if not proofs and (d_md5 or d_crc):  # read by the one, kept by the other: the weaker half is proved as well
        proofs = ["md5"] if s_md5 and with_md5 else ["crc64"] if s_crc else []
    assert verdict[:4] == ((proofs or ["size only"])[0], True, "equal", False)


damages = st.sampled_from(
    [
        ("source", "md5", b"x" * 16),
        ("source", "crc64", 5),
        ("stored", "md5", b"x" * 16),
        ("stored", "crc64", 5),
        ("source", "size", len(BODY) + 1),
        ("stored", "size", len(BODY) - 1),
    ]
)


@given(st.sampled_from(CHECKS), damages, good_md5, good_crc, st.booleans())
def test_any_stated_difference_fails_whatever_the_check(check, damage, md5, crc, with_md5):
    """One checksum or size that speaks against the copy is enough, with no_check too, and no HEAD can mend it."""
    side, name, wrong = damage
    ours = {"md5": md5, "crc64": crc}
    theirs = {"md5": GOOD_MD5, "crc64": crc}
    (ours if side == "source" else theirs)[name] = wrong
    # Without an MD5 of our own only the two sides can be compared.
    assume(name != "md5" or with_md5 or ours["md5"] is not None)
    verdict = verify(source(**ours), digests(md5=with_md5), copy(**theirs), check)
    assert not verdict.ok
    assert not verdict.needs_head
    assert verdict.method == ("size only" if name == "size" else name)


def test_the_sides_are_compared_directly_without_an_md5_of_our_own():
    """When only the source's MD5 went along with the write, the destination's is held against it."""
    verdict = verify(source(md5=GOOD_MD5), digests(md5=False), reply(b"y" * 16), ConsistencyCheck.SIZE_LAST_MODIFIED)
    assert (verdict.method, verdict.ok) == ("md5", False)


@given(st.floats(1, 1e9), st.floats(1, 1e9), st.booleans())
def test_without_checksums_the_copy_must_not_be_older(ours, theirs, after_head):
    """Times are compared in whole seconds, equal ones pass."""
    stored = copy(last_modified=theirs) if after_head else reply(at=theirs)
    verdict = verify(source(last_modified=ours), digests(), stored, ConsistencyCheck.SIZE_LAST_MODIFIED)
    assert verdict.ok == (int(theirs) >= int(ours))
    assert verdict.method == "size only"


def test_a_proven_checksum_outweighs_clocks():
    """A copy whose MD5 both sides state is right even where the destination's clock is behind."""
    stored = reply(GOOD_MD5, at=1.0)
    assert verify(source(md5=GOOD_MD5), digests(), stored, ConsistencyCheck.SIZE_LAST_MODIFIED).ok


def test_a_reply_without_a_time_asks_for_a_head():
    """A write's reply that proves neither checksum nor time is followed by one HEAD."""
    check = ConsistencyCheck.SIZE_LAST_MODIFIED
    verdict = verify(source(), digests(), reply(at=0.0), check)
    assert (verdict.ok, verdict.needs_head) == (False, True)
    assert verify(source(), digests(), copy(), check).ok
    unknown = verify(source(), digests(), copy(last_modified=0.0), check)
    assert (unknown.ok, unknown.needs_head, unknown.method) == (True, False, "size only")
    assert "no time" in unknown.detail


def test_a_source_ahead_of_the_clock_fails_no_verified_copy():
    """A source's time in the future says nothing of bytes that the destination has verified."""
    check = ConsistencyCheck.SIZE_LAST_MODIFIED
    ahead = source(last_modified=4e9)
    assert verify(ahead, digests(), reply(), check, Sent(with_md5=True)).ok
    assert "ahead" in verify(ahead, digests(), reply(GOOD_MD5), check).detail
    assert not verify(ahead, digests(), reply(), check).ok


@pytest.mark.parametrize("check", CHECKS)
def test_kms_must_be_stated_by_the_reply_or_by_a_head(check):
    """With KMS wanted: stated passes, not stated asks for a HEAD, and a head without it fails."""
    s = source(md5=GOOD_MD5)
    assert verify(s, digests(), reply(GOOD_MD5, encryption="kms"), check, kms=True).ok
    assert verify(s, digests(), reply(GOOD_MD5), check, kms=True).needs_head
    assert verify(s, digests(), copy(encryption="aws:kms"), check, kms=True).ok
    for word in (None, "aes256"):
        verdict = verify(s, digests(), copy(encryption=word), check, kms=True)
        assert (verdict.ok, verdict.needs_head) == (False, False)
        assert "KMS" in verdict.detail


def test_the_crc64_check_looks_where_a_head_can_tell():
    """With check crc64 a HEAD is asked for only where the source and the destination keep CRC64s."""
    check = ConsistencyCheck.CRC64
    known = source(crc64=GOOD_CRC)
    assert verify(known, digests(), reply(), check, head_states_crc64=True).needs_head
    assert verify(known, digests(), copy(crc64=GOOD_CRC), check, head_states_crc64=True).method == "crc64"
    assert verify(known, digests(), copy(), check, head_states_crc64=True).method == "size only"
    assert verify(known, digests(), reply(), check).method == "size only"
    assert verify(source(), digests(), reply(), check, head_states_crc64=True).method == "size only"


def test_no_check_asks_nothing_only_where_the_size_is_unknown():
    """no_check passes a download of unknown length and asks no clock; a known length is checked."""
    check = ConsistencyCheck.NO_CHECK
    assert verify(source(size=None, last_modified=9e9), digests(), reply(), check)[:2] == ("no_check", True)
    assert verify(source(last_modified=9e9), digests(), reply(), check)[:2] == ("size only", True)
    assert not verify(source(size=len(BODY) + 1), digests(), reply(), check).ok


def test_the_listed_size_stands_in_for_a_head_without_one():
    """Where the head states no size, the listing's counts."""
    listed = ListedObject("k", len(BODY) + 1, 0.0, "e", "")
    verdict = verify(source(size=None), digests(), reply(), ConsistencyCheck.SIZE_LAST_MODIFIED, listed=listed)
    assert not verdict.ok


@given(st.sampled_from(CHECKS), st.booleans())
def test_a_success_that_states_nothing_is_looked_at(check, with_md5):
    """A reply without ETag and checksum asks for a HEAD whatever the check, also where an MD5 went with the bytes."""
    hollow = Written("", None, None, 1000.0, None)
    assert verify(source(md5=GOOD_MD5), digests(), hollow, check, Sent(with_md5=with_md5)).needs_head


@given(st.sampled_from(CHECKS))
def test_joined_parts_are_looked_at(check):
    """A completion is followed by a HEAD even where it states the joined ETag: a store may have lost a part."""
    etag = joined_etag([GOOD_MD5])
    sent = Sent(in_parts=True, joined=etag, read=etag)
    assert verify(source(), digests(), Written(etag, None, None, 1000.0, None), check, sent).needs_head
    assert not verify(source(), digests(), copy(size=len(BODY) - 1), check, sent).ok


def test_an_opaque_etag_is_looked_at_where_no_listing_shows_the_copy():
    """An ETag that means nothing acknowledges the write; its size is seen in the listing, or asked for."""
    check = ConsistencyCheck.SIZE_LAST_MODIFIED
    assert verify(source(), digests(), reply(), check).ok
    assert verify(source(), digests(), reply(), check, SENT_AT_ONCE._replace(unlisted=True)).needs_head
    assert verify(source(), digests(), reply(GOOD_MD5), check, SENT_AT_ONCE._replace(unlisted=True)).ok


@pytest.mark.parametrize("parts", [1, 2, 3])
def test_composite_etags_prove_what_was_read(parts):
    """A source's composite ETag proves the bytes where they were cut as it was; of one part no cut is needed."""
    cut = [BODY[i::parts] for i in range(parts)]
    etag = joined_etag([hashlib.md5(piece).digest() for piece in cut])
    read = source()._replace(etag=etag)
    assert etag.endswith(f"-{parts}")
    check = ConsistencyCheck.SIZE_LAST_MODIFIED
    alone = verify(read, digests(), reply(GOOD_MD5), check).method
    assert alone == ("md5" if parts == 1 else "size only")
    assert verify(read, digests(), reply(GOOD_MD5), check, Sent(read=etag)).method == "md5"
    assert verify(read, digests(), reply(GOOD_MD5), check, Sent(read="0" * 32 + "-9")).method == "size only"


def test_a_store_that_took_the_md5_with_the_bytes_has_verified_them():
    """Content-MD5 that was accepted proves what is kept, where the ETag means nothing."""
    check = ConsistencyCheck.SIZE_LAST_MODIFIED
    assert verify(source(md5=GOOD_MD5), digests(), reply(), check, Sent(with_md5=True)).method == "md5"
    assert verify(source(), digests(), reply(), check, Sent(with_md5=True)).method == "size only"


def test_a_head_without_size_proves_nothing_by_itself():
    """A copy whose HEAD states neither size nor checksum fails."""
    verdict = verify(source(), digests(), copy(size=None), ConsistencyCheck.NO_CHECK)
    assert (verdict.ok, verdict.needs_head) == (False, False)
