"""Cutting a key range in two: always strictly inside, with keys on both sides, or not at all."""

import asyncio
from bisect import bisect_right

from hypothesis import example, given, settings
from hypothesis import strategies as st

from oms_engine.model import key_bytes
from oms_engine.split import find_split

KEYS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
NARROW = st.text(st.sampled_from("01ab/~\x7f\x80é\ud7ff\ue000\U0001f600\U0010ffff"), min_size=1, max_size=6)

RAW = st.binary(min_size=1, max_size=5).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


async def cut(keys, head, prefix, hi=None):
    """Return the cut, and how many probes it took."""
    inside = sorted(raw for raw in map(key_bytes, keys) if raw.startswith(key_bytes(prefix)))
    if hi is not None:
        inside = [raw for raw in inside if raw <= key_bytes(hi)]
    probes = 0

    async def probe(after):
        nonlocal probes
        probes += 1
        at = bisect_right(inside, key_bytes(after))
        return inside[at].decode("utf-8", "surrogateescape") if at < len(inside) else None

    return await find_split(probe, head, prefix), probes


def check(keys, head, prefix, hi=None):
    """Cut and hold the cut; return it."""
    at, probes = asyncio.run(cut(keys, head, prefix, hi))
    rest = [key for key in keys if key.startswith(prefix) and key_bytes(key) > key_bytes(head)]
    if hi is not None:
        rest = [key for key in rest if key_bytes(key) <= key_bytes(hi)]
    if at is not None:
        assert key_bytes(head) < key_bytes(at)
        assert any(key_bytes(key) <= key_bytes(at) for key in rest), "no key before the cut"
        assert any(key_bytes(key) > key_bytes(at) for key in rest), "no key beyond the cut"
    assert probes <= 60
    return at


@given(keys=st.sets(KEYS | NARROW, max_size=40), head=st.just("") | KEYS | NARROW, prefix=st.just("") | NARROW)
@settings(max_examples=500, deadline=None)
@example(keys={"a", "ab", "abc"}, head="", prefix="")
@example(keys={"a\U0010ffff", "a\U0010ffffb"}, head="", prefix="a")
@example(keys={"a\U0010ffffb", "a\U0010ffffc", "a1"}, head="", prefix="a")
def test_a_cut_has_keys_on_both_sides(keys, head, prefix):
    """Over any key set, head and prefix a cut lies strictly inside the rest."""
    check({*keys, *(prefix + key for key in keys)}, head if head.startswith(prefix) else prefix, prefix)


@given(keys=st.sets(RAW, max_size=20), head=st.just("") | RAW)
@settings(max_examples=300, deadline=None)
def test_keys_that_are_no_text_are_cut_safely(keys, head):
    """Keys of bytes that are not UTF-8 are cut strictly inside too, or not at all."""
    check(keys, head, "")


@given(keys=st.sets(NARROW, max_size=30), head=NARROW, hi=NARROW)
@settings(max_examples=200, deadline=None)
def test_a_cut_stays_below_the_upper_end(keys, head, hi):
    """A range with an upper end is cut within it."""
    check(keys, head, "", hi)


@given(keys=st.sets(NARROW.map(lambda name: f"{name}/x") | NARROW, max_size=30), head=st.just("") | NARROW)
@settings(max_examples=300, deadline=None)
@example(keys={f"o/{number}/x" for number in range(10)}, head="")
def test_a_cut_names_no_folder(keys, head):
    """A cut that is no key names no folder: SeaweedFS, asked to start after a folder's name, leaves its keys out."""
    at = check(keys, head, "")
    assert at is None or at in keys or not any(key.startswith(f"{at}/") for key in keys)


def test_flat_names_are_cut_near_the_middle():
    """A flat prefix of numbered names is cut so that neither half is a crumb."""
    keys = {f"img_{number:06}" for number in range(100_000)}
    at = check(keys, "img_000100", "")
    share = sum(key <= at for key in keys) / len(keys)
    assert 0.1 < share < 0.9


def test_repeated_cuts_find_every_piece():
    """Cutting the upper half again and again ends, and in few cuts."""
    keys = {f"{number:03}" for number in range(200)}
    head, cuts = "", 0
    while (at := check(keys, head, "")) is not None:
        head, cuts = at, cuts + 1
        assert cuts < 200
    assert cuts >= 5


def test_nothing_left_is_not_cut():
    """One key or none is no range worth a cut."""
    assert check({"a"}, "", "") is None
    assert check({"a"}, "a", "") is None
    assert check(set(), "", "") is None
