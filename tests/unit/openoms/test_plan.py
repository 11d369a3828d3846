"""From options to a plan."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError
from oms_engine.model import ConsistencyCheck, OverwriteMode, RestoreTier, StoragePolicy, TaskType
from openoms.instants import parse_since
from openoms.plan import build_plan
from openoms.settings import Settings

ENVIRON = {f"OPENOMS_{side}_{part}": "x" for side in ("SOURCE", "DESTINATION") for part in ("AK", "SK")}
SETTINGS = Settings(ENVIRON)


def plan(source="s3://src-bucket", destination="obs://dst-bucket", **options):
    """Build a plan between two buckets."""
    return build_plan(source, destination, SETTINGS, options)


def test_without_options_the_rules_are_those_of_oms():
    """Size and time decide, nothing is restored or encrypted, the class is left to the bucket, failures are recorded."""
    spec = plan().spec
    assert (spec.source, spec.destination) == ("s3://src-bucket", "obs://dst-bucket")
    assert spec.scope.keys == ("",)
    assert spec.overwrite is OverwriteMode.SIZE_LAST_MODIFIED
    assert spec.check is ConsistencyCheck.SIZE_LAST_MODIFIED
    assert spec.storage is None
    assert spec.restore is None
    assert spec.record_failed
    assert not any([spec.metadata, spec.kms, spec.retry_failed, spec.dry_run])


@pytest.mark.parametrize(
    ("source", "destination", "save_prefix", "key", "stored"),
    [
        ("s3://src", "obs://dst", "", "photos/a.jpg", "photos/a.jpg"),
        ("s3://src/photos", "obs://dst", "", "photos/a.jpg", "a.jpg"),
        ("s3://src/photos/", "obs://dst/backup", "", "photos/a.jpg", "backup/a.jpg"),
        ("s3://src", "obs://dst/backup/", "", "photos/a.jpg", "backup/photos/a.jpg"),
        ("s3://src/photos", "obs://dst/backup", "2026-", "photos/a.jpg", "backup/2026-a.jpg"),
        ("s3://src", "obs://dst", "pre", "/a", "pre/a"),
    ],
)
def test_the_contents_of_the_source_folder_arrive_in_the_destination_folder(
    source, destination, save_prefix, key, stored
):
    """strip_prefix and save_prefix together give exactly the key the README promises."""
    spec = plan(source, destination, save_prefix=save_prefix).spec
    assert key.startswith(spec.scope.keys[0])
    assert spec.save_prefix + key[len(spec.strip_prefix) :] == stored


@pytest.mark.parametrize(
    "word", ["newer", "SIZE_LAST_MODIFIED_COMPARISON_OVERWRITE", "size-last-modified-comparison-overwrite"]
)
def test_choices_are_taken_by_alias_and_in_omss_spelling(word):
    """Upper or lower case, dashes or underscores."""
    assert plan(overwrite=word).spec.overwrite is OverwriteMode.SIZE_LAST_MODIFIED


def test_every_rule_reaches_the_specification():
    """No option is taken and then forgotten."""
    made = plan(
        overwrite="always", check="crc64", metadata=True, restore=True, restore_days=3, restore_tier="BULK", kms=True,
        storage_class="source", requester_pays=True, name="nightly", retry_failed=True,
        record_failed=False, bandwidth=["08:00-18:00=50M", "20:00-21:00=1M"], bandwidth_zone="Europe/Berlin",
        processes=3, connections=9, state="/tmp/x.sqlite", verify_tls=False,
    )  # fmt: skip
    spec = made.spec
    assert (spec.overwrite, spec.check) == (OverwriteMode.FULL_OVERWRITE, ConsistencyCheck.CRC64)
    assert spec.restore is not None
    assert (spec.restore.days, spec.restore.tier) == (3, RestoreTier.BULK)
    assert spec.storage is StoragePolicy.SRC_STORAGE_MAPPING
    assert spec.metadata
    assert spec.kms
    assert spec.retry_failed
    assert plan(dry_run=True).spec.dry_run
    assert not spec.record_failed
    assert spec.name == "nightly"
    assert [window.rate for window in spec.bandwidth.windows] == [50 * 1024**2, 1024**2]
    assert spec.bandwidth.zone == "Europe/Berlin"
    assert made.requester_pays
    assert (made.run.processes, made.run.connections, made.run.verify_tls) == (3, 9, False)


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"overwrite": "sometimes"}, "newer"),
        ({"overwrite": "alwys"}, "'always'"),
        ({"check": "md5"}, "crc64"),
        ({"dry_run": True, "retry_failed": True}, "leave --retry-failed out"),
        ({"storage_class": "GLACIER"}, "ARCHIVE"),
        ({"since": "yesterday"}, "2026-01-31"),
        ({"since": "1700000000000"}, "milliseconds"),
        ({"since": -1}, "out of range"),
        ({"restore": True, "restore_days": 0}, "1 to"),
        ({"restore": True, "restore_tier": "fast"}, "expedited"),
        ({"processes": 0, "connections": 0}, ""),
        ({"connections": 10_001}, "10000"),
        ({"restore_days": 3}, "--restore-days says how to restore; add --restore"),
        ({"restore_tier": "bulk"}, "add --restore"),
        ({"restore_poll": 5}, "add --restore"),
        ({"bandwidth_zone": "Europe/Berlin"}, "give that too"),
        ({"ca_file": "/nonexistent.pem"}, "does not exist"),
        ({"ca_file": "/"}, "is no file"),
        ({"objects": ["a"], "prefixes": ["b"]}, "exclude each other"),
        ({"objects": [""]}, "whole bucket"),
        ({"objects": ["k"] * 501}, "list file"),
        ({"objects": ["x" * 1025]}, "1024"),
        ({"save_prefix": "x" * 1025}, "1024"),
        ({"list_file": "local.txt"}, "obs://bucket/key.txt"),
        ({"list_file": "s3://bucket/list.txt"}, "obs://bucket/key.txt"),
        ({"list_file": "obs://bucket/"}, "not an object"),
        ({"list_file": "obs://bucket/list.csv"}, ".txt"),
        ({"bandwidth": ["08:00-18:00"]}, "08:00-18:00=50M"),
        ({"bandwidth": ["08:00-18:00=1K"]}, "1M"),
    ],
)
def test_a_bad_option_is_one_sentence_with_its_remedy(options, hint):
    """Whatever cannot be carried out is said before anything is touched."""
    if options == {"processes": 0, "connections": 0}:
        assert plan(**options).run.processes is None  # 0 is "not said" in Python; the command line refuses it
        return
    with pytest.raises(ConfigError) as caught:
        plan(**options)
    assert hint in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("windows", "code"),
    [
        (
            [
                "00:00-01:00=2M",
                "02:00-03:00=2M",
                "04:00-05:00=2M",
                "06:00-07:00=2M",
                "08:00-09:00=2M",
                "10:00-11:00=2M",
            ],
            "OMS.0083",
        ),
        (["08:00-18:00=201M"], "OMS.0084"),
        (["08:00-18:00=5M", "17:00-19:00=5M"], "OMS.0085"),
        (["22:00-06:00=5M"], "OMS.0087"),
    ],
)
def test_a_bad_bandwidth_window_carries_omss_code(windows, code):
    """The codes are those of OMS's API."""
    with pytest.raises(ConfigError) as caught:
        plan(bandwidth=windows)
    assert caught.value.code == code


def test_a_list_file_is_read_with_the_destinations_account():
    """The list's bucket is remembered beside the key."""
    made = plan(list_file="obs://lists/today list.txt")
    assert (made.spec.scope.task_type, made.spec.scope.list_key, made.list_bucket) == (
        TaskType.LIST, "today list.txt", "lists",
    )  # fmt: skip


def test_named_keys_must_lie_in_the_source_folder():
    """Keys are named as they are in the bucket."""
    assert plan("s3://src/photos", objects=["photos/a"]).spec.scope.keys == ("photos/a",)
    with pytest.raises(ConfigError, match="not under"):
        plan("s3://src/photos", objects=["videos/a"])


@given(st.floats(0, 4e9))
def test_since_takes_seconds_as_they_are(seconds):
    """A number, or a number as text, is seconds since 1970."""
    assert parse_since(seconds) == seconds
    assert parse_since(repr(seconds)) == seconds


@given(
    st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)),
    st.integers(-12, 14).map(lambda hours: timezone(timedelta(hours=hours))),
)
def test_since_takes_iso_times_and_datetimes_alike(moment, zone):
    """A zone is honoured; without one the time is UTC, whatever the machine's zone."""
    aware = moment.replace(tzinfo=zone)
    assert parse_since(aware.isoformat()) == pytest.approx(aware.timestamp())
    assert parse_since(moment.isoformat()) == pytest.approx(moment.replace(tzinfo=UTC).timestamp())
    assert parse_since(moment) == parse_since(moment.isoformat())


@pytest.mark.parametrize("name", ["a/b", "..", ".", "a\nb", "\x10", "\udcff", "é" * 128])
def test_a_name_that_is_no_plain_folder_is_refused(name):
    """It would lead the lists elsewhere, or the reader of the line that says where they lie."""
    with pytest.raises(ConfigError, match=r"--name .* slashes and control characters"):
        plan(name=name)


@pytest.mark.parametrize("name", ["", "photos 2026", "фото-1", "a..b", "é" * 127])
def test_any_other_name_is_taken(name):
    """Spaces, dots and letters of any script."""
    assert plan(name=name).spec.name == name
