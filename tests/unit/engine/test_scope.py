"""What a task covers: segments that meet every key of the scope exactly once."""

from hypothesis import given, settings
from hypothesis import strategies as st

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.model import Credentials, Secret, TaskType, key_before, key_bytes
from oms_engine.scope import KEYS, identity_of, named_keys, rules_of, segments_of
from oms_engine.task import KeyRange, ListSlice, MigrationSpec, Scope

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


KEYS_OF_BUCKET = st.lists(st.text(st.sampled_from("ab/\u00e9\udc80"), min_size=1, max_size=4), unique=True, max_size=30)


@given(names=KEYS_OF_BUCKET, cuts=st.sets(st.integers(0, 30)))
@settings(deadline=None)
def test_ranges_of_a_listing_meet_every_key_once(names, cuts):
    """Ranges cut anywhere in a listing become segments of which exactly one holds each key, by the order of bytes."""
    names = sorted(names, key=key_bytes)
    ends = [names[at] for at in sorted(cuts) if at < len(names)]
    ranges = tuple(KeyRange("", lo, hi) for lo, hi in zip(["", *ends], [*ends, None], strict=True))
    segments = segments_of(spec(Scope(TaskType.PREFIX, ranges=ranges)))
    assert len(segments) == len(ranges)
    for name in names:
        holding = [
            segment
            for segment in segments
            if key_before(segment.lo, name) and (segment.hi is None or not key_before(segment.hi, name))
        ]
        assert len(holding) == 1


def test_exact_keys_are_objects_and_never_folders():
    """In an exact scope ``dir/`` is one object; nothing is listed, and no key hides another."""
    scope = Scope(TaskType.OBJECT, ("dir/", "dir/a", "b"), exact=True)
    (segment,) = segments_of(spec(scope))
    assert segment.list_offset == KEYS
    assert named_keys(scope) == ("dir/", "dir/a", "b")


def test_parts_of_one_scope_are_different_tasks():
    """Two ranges, two slices and two sets of keys have different identities, so no ledger serves two of them."""
    store = open_store(StoreConfig("AWS", "bucket", region="eu-west-1", credentials=Credentials("a", Secret("b"))))
    scopes = [
        Scope(),
        Scope(ranges=(KeyRange("", "", "m"),)),
        Scope(ranges=(KeyRange("", "m", None),)),
        Scope(TaskType.LIST, list_key="l.txt"),
        Scope(TaskType.LIST, list_key="l.txt", list_slice=ListSlice(1, 0, 10)),
        Scope(TaskType.LIST, list_key="l.txt", list_slice=ListSlice(3, 10, 10)),
        Scope(TaskType.OBJECT, ("a", "b"), exact=True),
        Scope(TaskType.OBJECT, ("ab",), exact=True),
    ]
    assert len({identity_of(spec(scope), store, store) for scope in scopes}) == len(scopes)
