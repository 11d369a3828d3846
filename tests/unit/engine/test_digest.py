"""The checksums that travel with the bytes."""

import base64
import hashlib

import crcmod
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.digest import (
    Digests,
    combine_crc64,
    crc64,
    parse_crc64_or_none,
    parse_etag_md5_or_none,
    parse_md5_or_none,
    render_crc64,
    render_md5,
)

oracle = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, rev=True, xorOut=0xFFFFFFFFFFFFFFFF)


def test_check_value_of_the_catalogue():
    """CRC-64/XZ of the catalogue's check string is the published value."""
    assert crc64(b"123456789") == 0x995DC9BBDF1939FA


@given(st.lists(st.binary(max_size=300)))
def test_pieces_make_the_same_digests_as_the_whole(pieces):
    """However the bytes are cut, size, CRC-64 and MD5 are those of the whole, as crcmod and hashlib compute them."""
    digests = Digests(md5=True)
    for n, piece in enumerate(pieces):
        digests.update(memoryview(bytearray(piece)) if n % 2 else piece)
    whole = b"".join(pieces)
    assert digests.size == len(whole)
    assert digests.crc64 == oracle(whole)
    assert digests.md5 == hashlib.md5(whole).digest()


@given(st.binary(max_size=2000), st.binary(max_size=2000))
def test_combined_checksum_is_that_of_the_joined_bytes(first, second):
    """Two checksums and a length give the checksum of both runs of bytes."""
    assert combine_crc64(oracle(first), oracle(second), len(second)) == oracle(first + second)


@pytest.mark.parametrize("zeros", [255, 256, 65_535, 65_536, 16 << 20])
def test_combining_long_runs_agrees_with_hashing_them(zeros):
    """Lengths across the byte places of the power table agree with hashing that many bytes."""
    tail = bytes(zeros)
    assert combine_crc64(crc64(b"head"), crc64(tail), zeros) == crc64(b"head" + tail)


@given(
    st.tuples(*[st.integers(0, 2**64 - 1)] * 3),
    st.tuples(*[st.integers(0, 48 * 10**12)] * 2),
)
def test_combining_is_associative_at_any_length(sums, sizes):
    """Joining (a b) c and a (b c) gives the same, up to lengths no test can hash."""
    a, b, c = sums
    len_b, len_c = sizes
    left = combine_crc64(combine_crc64(a, b, len_b), c, len_c)
    assert left == combine_crc64(a, combine_crc64(b, c, len_c), len_b + len_c)


@given(st.binary(max_size=100), st.binary(min_size=1, max_size=100))
def test_appending_hashed_parts_drops_md5(first, second):
    """A part hashed elsewhere joins size and CRC-64; its MD5 cannot be known and is dropped."""
    digests = Digests(md5=True)
    digests.update(first)
    digests.append(oracle(second), len(second))
    assert (digests.size, digests.crc64, digests.md5) == (len(first + second), oracle(first + second), None)


def test_md5_only_when_asked_for():
    """Without the wish no MD5 is computed."""
    digests = Digests()
    digests.update(b"abc")
    assert digests.md5 is None


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1))
def test_renderings_are_read_back(md5, crc):
    """Content-MD5 is base64 and a CRC-64 decimal; both are read back, and an ETag of hex digits is an MD5."""
    assert render_md5(md5) == base64.b64encode(md5).decode()
    assert parse_md5_or_none(render_md5(md5)) == md5
    assert parse_crc64_or_none(render_crc64(crc)) == crc
    assert parse_etag_md5_or_none(md5.hex()) == md5


@pytest.mark.parametrize("etag", ["", "0" * 31, "0" * 33, "0" * 32 + "-3", "g" * 32, "٠" * 32])
def test_other_etags_are_no_md5(etag):
    """Multipart ETags and opaque ones are not taken for an MD5."""
    assert parse_etag_md5_or_none(etag) is None


@pytest.mark.parametrize("text", ["", "-1", "x", "1.5", str(2**64), "٣", "9" * 5000])
def test_other_texts_are_no_crc64(text):
    """Only an unsigned decimal of 64 bits is a CRC-64."""
    assert parse_crc64_or_none(text) is None


@pytest.mark.parametrize("text", ["", "AAAA", "not base64!", "é"])
def test_other_texts_are_no_content_md5(text):
    """Only the base64 of 16 bytes is a Content-MD5."""
    assert parse_md5_or_none(text) is None
