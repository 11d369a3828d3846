"""The word somebody meant."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError
from oms_engine.model import OverwriteMode
from openoms.words import nearest, parse_choice

WORDS = ["bucket", "region", "object_key", "save_prefix"]


@given(st.sampled_from(WORDS), st.data())
def test_one_slip_of_the_keyboard_is_understood(word, data):
    """A missing letter still finds the word."""
    at = data.draw(st.integers(0, len(word) - 1))
    assert nearest(word[:at] + word[at + 1 :], WORDS) == word


def test_nothing_near_lists_what_is_known():
    """A wild word is answered with all choices."""
    with pytest.raises(ConfigError) as caught:
        parse_choice("mode", "zzz", OverwriteMode)
    assert all(mode.value in str(caught.value) for mode in OverwriteMode)
