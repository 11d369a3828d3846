"""Which plain keys a store may take for one, as pure functions."""

from hypothesis import given
from hypothesis import strategies as st

from oms_engine.aliases import common_name, other_names


@given(st.text(st.sampled_from("aB./\\\u00e9\u0301-1"), min_size=1, max_size=12))
def test_other_names_are_names_of_the_same(key):
    """A key's other names are never the key itself, and a store that folds would take both for one."""
    assert all(other != key and common_name(other) == common_name(key) for other in other_names(key))
