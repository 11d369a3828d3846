"""What a task covers: segments that meet every key of the scope exactly once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine.model import TaskType
from oms_engine.scope import KEYS, named_keys, rules_of, segments_of
from oms_engine.task import MigrationSpec, Scope

PARTS = st.text(st.sampled_from("ab/"), max_size=4)


def spec(scope, **fields):
    """Return a task over a scope."""
    return MigrationSpec("s3://a", "obs://b", scope=scope, **fields)


@given(prefixes=st.lists(PARTS, min_size=1, max_size=6), key=PARTS)
@settings(deadline=None)
def test_every_key_under_a_prefix_lies_in_one_segment(prefixes, key):
    """A key under any of the prefixes lies in exactly one segment, any other key in none."""
    segments = segments_of(spec(Scope(TaskType.PREFIX, tuple(prefixes))))
    holding = sum(key.startswith(segment.prefix) for segment in segments)
    assert holding == (1 if any(key.startswith(prefix) for prefix in prefixes) else 0)


@given(keys=st.lists(PARTS, min_size=1, max_size=6), key=PARTS.filter(bool))
@settings(deadline=None)
def test_every_named_key_lies_in_one_place(keys, key):
    """In a task of objects a key lies in one folder's segment, or is named once, or is out of scope."""
    scope = Scope(TaskType.OBJECT, tuple(keys))
    segments = segments_of(spec(scope))
    in_folders = sum(key.startswith(segment.prefix) for segment in segments if segment.list_offset != KEYS)
    named = key in named_keys(scope)
    wanted = key in keys or any(key.startswith(name) for name in keys if not name or name.endswith("/"))
    assert in_folders + named == (1 if wanted else 0)
    assert (sum(segment.list_offset == KEYS for segment in segments) == 1) == bool(named_keys(scope))


def test_a_retry_is_one_segment_of_keys():
    """A retry goes through keys one by one, whatever the scope."""
    assert [segment.list_offset for segment in segments_of(spec(Scope(), retry_failed=True))] == [KEYS]


def test_rules_tell_outcomes_apart_and_nothing_else():
    """What changes where objects end changes the rules; pace, names and bandwidth do not."""
    plain = rules_of(spec(Scope()))
    assert rules_of(spec(Scope(), name="other")) == plain
    assert rules_of(spec(Scope(), metadata=True)) != plain
    assert rules_of(spec(Scope(), migrate_since=5.0)) != plain
    assert rules_of(spec(Scope(), dry_run=True)) != plain
