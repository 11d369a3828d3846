"""A large object is cut as its source was, so that one ETag proves both sides."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.cuts import USUAL, cut_as_source, part_size_or_none
from oms_engine.plan import part_plan
from oms_engine.store import MIB, Capabilities

STORE = Capabilities()
HEX = "0123456789abcdef" * 2


@given(st.integers(16 * MIB, 64 * 1024 * MIB), st.integers(5, 600).map(lambda mib: mib * MIB))
def test_a_guess_makes_as_many_parts_as_the_source_has(size, part):
    """Whatever the true part size was; no byte is lost or sent twice."""
    parts = -(-size // part)
    plan = part_plan(size, STORE, STORE)
    found = cut_as_source(plan, f"{HEX}-{parts}", STORE, STORE)
    spans = [span for _, span in found.spans()]
    assert (spans[0].first, spans[-1].last, sum(span.size for span in spans)) == (0, size - 1, size)
    assert found.parallel <= plan.parallel
    if 1 < parts <= STORE.max_parts:
        assert found.parts == parts
        assert found.part_size % MIB == 0


@pytest.mark.parametrize("part", [5 * MIB, 8 * MIB, 16 * MIB, 64 * MIB])
@pytest.mark.parametrize("size", [300 * MIB, 1000 * MIB + 17, 5000 * MIB - 1])
def test_the_usual_part_sizes_are_found(part, size):
    """From the number of parts alone."""
    assert part in USUAL
    assert part_size_or_none(size, -(-size // part)) == part


@pytest.mark.parametrize("etag", ["", HEX, f"{HEX}-1", f"{HEX}-99999", "opaque-3", f"{HEX[:-1]}-3"])
def test_an_etag_that_says_nothing_about_parts_leaves_the_plan(etag):
    """So do stores whose ETags are opaque, and sizes that the destination does not take."""
    plan = part_plan(100 * MIB, STORE, STORE)
    assert cut_as_source(plan, etag, STORE, STORE) is plan
    composite = f"{HEX}-20"
    assert cut_as_source(plan, composite, replace(STORE, etag_is_md5=False), STORE) is plan
    assert cut_as_source(plan, composite, STORE, replace(STORE, min_part_size=6 * MIB)) is plan
    assert cut_as_source(plan, composite, STORE, STORE).part_size == 5 * MIB
