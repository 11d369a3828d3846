"""Numbers for people."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openoms.units import render_bytes, render_duration


@given(st.integers(0, 2**63))
def test_a_size_can_be_read_back_within_a_percent(size):
    """Three digits and a binary unit, never a number of four digits."""
    number, unit = render_bytes(size).split()
    factor = 1024 ** ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"].index(unit)
    assert float(number) * factor == pytest.approx(size, rel=0.01)
    assert float(number) < 1000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (59.94, "59.9 s"),
        (59.96, "1 min 00 s"),
        (200, "3 min 20 s"),
        (7500, "2 h 05 min"),
        (356400, "4 d 03 h"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds, text):
    """Rounding never shows 60 seconds."""
    assert render_duration(seconds) == text
