"""Sealed credentials: what goes in comes out, for its owner only, and nothing altered does."""

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError, RepositoryError
from oms_engine.model import Secret
from oms_worker.secrets import KeyRing, add_key, keep_keys, load_ring

RING = KeyRing({"00" * 8: Secret("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="), "11" * 8: Secret("A" * 43 + "=")})

names = st.text(min_size=1, max_size=30)
values = st.dictionaries(names, st.text(max_size=200).map(Secret), max_size=5)


@given(values, names)
def test_round_trip(secrets, owner):
    """Whatever is sealed for an owner opens for it, unchanged."""
    assert RING.open(owner, RING.seal(owner, secrets).data) == secrets


@given(names, names)
def test_bound_to_the_owner(owner, other):
    """What was sealed for one owner does not open for another."""
    sealed = RING.seal(owner, {"sk": Secret("hush")})
    if owner != other:
        with pytest.raises(RepositoryError):
            RING.open(other, sealed.data)


@given(st.data())
def test_nothing_altered_opens(data):
    """One flipped bit anywhere, or a byte more or less, and it does not open."""
    sealed = RING.seal("task:1", {"sk": Secret("hush")}).data
    place = data.draw(st.integers(0, len(sealed) * 8 - 1))
    flipped = bytearray(sealed)
    flipped[place // 8] ^= 1 << place % 8
    for altered in (bytes(flipped), sealed[:-1], sealed + b"\0", b""):
        with pytest.raises(RepositoryError):
            RING.open("task:1", altered)


def test_no_two_seals_are_alike():
    """The same secrets sealed twice share nothing but the head, and nothing of the plain text shows."""
    one, two = (RING.seal("o", {"sk": Secret("hush" * 20)}).data for _ in range(2))
    assert one[:9] == two[:9]
    assert not {one[at : at + 12] for at in range(9, len(one) - 12)} & {
        two[at : at + 12] for at in range(9, len(two) - 12)
    }
    assert b"hush" not in one
    assert "hush" not in repr(RING)


def test_every_key_opens_the_first_seals(tmp_path):
    """After a rotation the new key seals and the old one still opens; after dropping old keys it does not."""
    path = tmp_path / "keys"
    old = load_ring(path, create=True)
    sealed = old.seal("o", {"sk": Secret("x")})
    new = add_key(path)
    assert new.first != old.first == sealed.key_id
    assert new.open("o", sealed.data) == {"sk": Secret("x")}
    assert new.seal("o", {}).key_id == new.first
    with pytest.raises(RepositoryError, match="does not hold"):
        keep_keys(path, ()).open("o", sealed.data)


def test_a_ring_is_made_once(tmp_path):
    """A missing key file is made when asked, readable for its owner only, and kept by the next start."""
    path = tmp_path / "new" / "keys"
    with pytest.raises(ConfigError, match="cannot be read"):
        load_ring(path)
    first = load_ring(path, create=True).first
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert load_ring(path, create=True).first == first
    assert os.listdir(path.parent) == ["keys"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620, 0o601])
def test_a_file_that_others_can_use_is_refused(tmp_path, mode):
    """A key file that the group or the world may read, write or run is refused with the remedy."""
    path = tmp_path / "keys"
    load_ring(path, create=True)
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        load_ring(path)


@pytest.mark.parametrize(
    "content",
    ["", "\n", "abc", "00112233 AAAA", "zz" * 8 + " " + "A" * 43 + "=", "00" * 8 + " " + "A" * 42 + "==", "é", "\xff"],
)
def test_damaged_files_are_refused(tmp_path, content):
    """A key file without a key, or with a line that is none, is refused, and its content is not shown."""
    path = tmp_path / "keys"
    path.write_text(content, encoding="latin-1")
    path.chmod(0o600)
    with pytest.raises(ConfigError) as refused:
        load_ring(path)
    assert str(path) in str(refused.value)
    assert len(content) < 3 or content not in str(refused.value)
