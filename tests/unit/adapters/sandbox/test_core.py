"""The object core against the plainest model there is: a dict, sorted."""

import hashlib

import crcmod
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from oms_adapters.sandbox.blob import Blob
from oms_adapters.sandbox.core import Bucket, Stored
from oms_adapters.sandbox.refusal import Refusal

KEYS = st.lists(st.sampled_from([b"a", b"b", b"/", b"\xff", b"\x00", b"\xc3\xa9", b"-"]), max_size=5).map(b"".join)


def filled(keys):
    """Return a bucket of empty objects."""
    bucket = Bucket("b", created=0)
    for key in keys:
        bucket.write(key, Blob(), Stored(), mtime=0)
    return bucket


def model_names(keys, prefix, after, delimiter):
    """All names a listing gives: group first, then drop what is not after the marker."""
    names = []
    for key in sorted(key for key in keys if key.startswith(prefix)):
        cut = key.find(delimiter, len(prefix)) if delimiter else -1
        name = (key[: cut + len(delimiter)], True) if cut >= 0 else (key, False)
        if name not in names and name[0] > after:
            names.append(name)
    return names


@given(st.sets(KEYS), KEYS, KEYS, st.integers(1, 8), st.sampled_from([b"", b"/", b"\xc3\xa9", b"\xff"]))
@settings(max_examples=400)
def test_a_page_equals_the_sorted_dict(keys, prefix, after, limit, delimiter):
    """Any prefix, marker, limit and delimiter give the page that a sorted dict gives."""
    names = model_names(keys, prefix, after, delimiter)
    page = filled(keys).page(prefix, after, limit, delimiter)
    assert [(key, item is None) for key, item in page.entries] == names[:limit]
    assert page.truncated == (len(names) > limit)


@given(st.sets(KEYS), KEYS, st.integers(1, 4), st.sampled_from([b"", b"/"]))
def test_pages_join_to_the_whole_listing(keys, prefix, limit, delimiter):
    """Walking by the last name of each page gives every name exactly once."""
    bucket, after, seen = filled(keys), b"", []
    while True:
        page = bucket.page(prefix, after, limit, delimiter)
        seen += [(key, item is None) for key, item in page.entries]
        if not page.truncated:
            break
        after = page.entries[-1][0]
    assert seen == model_names(keys, prefix, b"", delimiter)


class BucketMachine(RuleBasedStateMachine):
    """Writes and deletes in any order leave the keys sorted and complete."""

    def __init__(self):
        super().__init__()
        self.bucket, self.model = Bucket("b", created=0), set()

    @rule(key=KEYS)
    def write(self, key):
        self.bucket.write(key, Blob([key]), Stored(), mtime=0)
        self.model.add(key)

    @rule(key=KEYS)
    def delete(self, key):
        assert self.bucket.delete(key) == (key in self.model)
        self.model.discard(key)

    @rule()
    def look(self):
        assert self.bucket.sorted_keys() == sorted(self.model)

    @invariant()
    def as_many(self):
        assert len(self.bucket.objects) == len(self.model)


TestBucketMachine = BucketMachine.TestCase


@given(st.lists(st.binary(max_size=9)), st.integers(0, 40), st.integers(0, 40) | st.none())
def test_a_blob_reads_like_its_bytes(pieces, first, size):
    """Any range of a blob of pieces equals the slice of the joined bytes."""
    data = b"".join(pieces)
    end = None if size is None else first + size
    assert b"".join(Blob(pieces).read(first, size)) == data[first:end]


@given(st.lists(st.binary(max_size=9)))
def test_digests_do_not_depend_on_the_pieces(pieces):
    """MD5 and CRC-64/XZ of a blob are those of its bytes, by hashlib and crcmod."""
    data = b"".join(pieces)
    assert Blob(pieces).md5() == hashlib.md5(data).digest()
    assert Blob(pieces).crc64() == CRC64_XZ(data)


CRC64_XZ = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, rev=True, xorOut=0xFFFFFFFFFFFFFFFF)


@given(st.binary(min_size=1, max_size=50), st.integers(0, 200))
def test_a_flipped_blob_differs_in_one_bit(data, offset):
    """Flipping changes exactly one bit, and flipping again restores the bytes."""
    blob = Blob([data])
    flipped = blob.flipped(offset)
    distance = sum((a ^ b).bit_count() for a, b in zip(flipped.whole(), data, strict=True))
    assert distance == 1
    assert flipped.flipped(offset).whole() == data


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ([], "MalformedXML"),
        ([(2, "b"), (1, "a")], "InvalidPartOrder"),
        ([(1, "a"), (1, "a")], "InvalidPartOrder"),
        ([(1, "wrong")], "InvalidPart"),
        ([(1, "a"), (3, "c")], "InvalidPart"),
    ],
)
def test_a_completion_is_refused(wanted, code):
    """A completion without parts, out of order, with unknown or changed parts is refused and the upload stays."""
    bucket = Bucket("b", created=0)
    upload = bucket.start(b"k", Stored(), now=0)
    etags = {"a": upload.add_part(1, Blob([b"1"]), now=0).etag, "b": upload.add_part(2, Blob([b"2"]), now=0).etag}
    with pytest.raises(Refusal) as caught:
        bucket.complete(upload, [(number, etags.get(etag, etag)) for number, etag in wanted], smallest=1, now=0)
    assert caught.value.code == code
    assert upload.upload_id in bucket.uploads
    assert not bucket.objects


def test_only_the_last_part_may_be_small():
    """A part below the minimum is refused unless it is the last."""
    bucket = Bucket("b", created=0)
    upload = bucket.start(b"k", Stored(), now=0)
    etags = [upload.add_part(number, Blob([b"xy"]), now=0).etag for number in (1, 2)]
    with pytest.raises(Refusal, match="EntityTooSmall"):
        bucket.complete(upload, [(1, etags[0]), (2, etags[1])], smallest=3, now=0)
    item = bucket.complete(upload, [(2, etags[1])], smallest=3, now=0)
    assert item.etag == hashlib.md5(bytes.fromhex(etags[1])).hexdigest() + "-1"
