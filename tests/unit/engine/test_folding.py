"""Which keys a store of files may take for another one."""

import posixpath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.folding import first_mark, may_fold, spelled_otherwise


@given(st.text("ab./\\", min_size=1, max_size=12))
def test_what_a_file_system_would_write_otherwise_is_noticed(key):
    """Each key that the normalising of paths changes, trailing slashes apart, may be folded."""
    path = key.rstrip("/")
    if path and posixpath.normpath(path) != path:
        assert may_fold(key)
    if key.startswith("/") or "\\" in key:
        assert may_fold(key)
    if may_fold(key):
        kind, mark = first_mark(key)
        assert kind.removeprefix("leading ") == key[mark : mark + len(kind.removeprefix("leading "))]
        assert spelled_otherwise(key) != key
        assert not may_fold("/".join(("x", *key[:mark].split("/")[:-1])))


@pytest.mark.parametrize(
    "key", ["a", "a/b", "a/b.txt", "a.b/c", "dir/", "a..b", ".hidden", "a/.hidden", "a/...", "..a/b"]
)
def test_plain_paths_cost_nothing(key):
    """No request is added for ordinary keys."""
    assert not may_fold(key)
