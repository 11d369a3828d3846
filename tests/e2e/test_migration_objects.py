"""Whole migrations between an S3 and an OBS over real sockets: keys, bodies, attributes, classes, scopes, overwriting."""

import functools
import os
import time
from dataclasses import replace

import boto3
import pytest
import uvloop
from moto.server import ThreadedMotoServer

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_adapters.sandbox import put_item
from oms_engine.migration import Migration
from oms_engine.model import ConsistencyCheck, Credentials, OverwriteMode, Secret, StoragePolicy
from oms_engine.plan import PartPreferences
from oms_engine.store import MIB
from oms_engine.task import MigrationSpec, RestorePolicy, Scope, TaskState
from oms_worker.sqlite_ledger import SqliteLedger
from support.migrations import opener, quick, requests_of

ODD_KEYS = [
    "a/../b", "a/./b", "a//b", "/a", "//", "/", ".", "..", "./x", "dir/", "dir//", "sp ace", " lead", "trail ",
    "%41", "%2F", "%", "%zz", "+", "a+b", "&=?#;", "q?x=1&y", "new\nline", "cr\rlf\r\n", "tab\there", "\x10x", "\x01",
    "\x7f", "e\u0301", "\u00e9", "\ufb01", "emoji\U0001f600", "中文/名字", "ключ", "\u202eabc", "\ufeffbom", "\u2028",
    "quote\"'", "<xml>&amp;", "back\\slash", "*?[x]", "~tilde", "{b}", "a:b", "C:\\x", "k" * 1024, "é" * 512, "x" * 1023,
]  # fmt: skip


def test_odd_keys_arrive_unchanged(world):
    """Every key a store can hold arrives byte for byte, with its body, and stands in the success list once."""
    world.source.put_many((key, b"body of " + key.encode()) for key in ODD_KEYS)
    ran = world.run()
    assert ran.counts == (len(ODD_KEYS), len(ODD_KEYS), 0, 0)
    world.check_clean(ran)
    assert sorted(world.arrived()) == sorted(ODD_KEYS)


def test_a_prefix_makes_one_key_too_long(world):
    """With a prefix that makes one key too long that object fails with a code; all others arrive under the prefix."""
    world.source.put_many((key, b"x") for key in ODD_KEYS)
    ran = world.run(save_prefix="p/")
    long = {"k" * 1024, "é" * 512, "x" * 1023}
    assert ran.codes() == dict.fromkeys(long, "DST_OBJ_KEY_INVALID_FAILURE")
    assert ran.counts == (len(ODD_KEYS), len(ODD_KEYS) - 3, 0, 3)
    assert ran.result.state is TaskState.FAILED
    assert ran.result.error_code == "TRF.0062"
    world.check_copy(ran, mapped=lambda key: "p/" + key)


def test_a_prefix_is_exchanged(world):
    """The source's prefix is taken off and the destination's put on, verbatim."""
    world.source.put_many([("in/a", b"1"), ("in/b/c", b"2"), ("in/", b""), ("out", b"3")])
    ran = world.run(scope=Scope(keys=("in/",)), strip_prefix="in/", save_prefix="to-")
    assert sorted(world.arrived()) == ["to-", "to-a", "to-b/c"]
    world.check_copy(ran, mapped=lambda key: "to-" + key.removeprefix("in/"), scope=lambda key: key.startswith("in/"))


def test_empty_objects_and_folder_markers_arrive(world):
    """Objects of no bytes and folder markers are objects like others."""
    world.source.put_many([put_item("dir/", b"", headers={"content-type": "application/x-directory"}), ("empty", b"")])
    ran = world.run()
    world.check_clean(ran, attributes=False)
    assert world.arrived()["dir/"].headers == {"content-type": "application/x-directory"}


def test_a_gzip_body_stays_as_stored(world):
    """A body with a Content-Encoding is not decoded on the way, small or streamed."""
    import gzip

    small, large = gzip.compress(b"text " * 1000), os.urandom(3 * MIB)
    headers = {"content-type": "text/plain", "content-encoding": "gzip"}
    world.source.put("small.gz", small, headers=headers)
    world.source.put("large.gz", large, headers=headers)
    ran = world.run()
    world.check_clean(ran, attributes=False)


SYSTEM = {
    "content-type": "text/csv; charset=utf-8",
    "content-encoding": "identity",
    "cache-control": "max-age=60, public",
    "content-disposition": 'attachment; filename="a b.csv"',
    "content-language": "de, en",
    "expires": "Thu, 01 Dec 2033 16:00:00 GMT",
}


@pytest.mark.parametrize("metadata", [False, True])
@pytest.mark.parametrize("size", [10, 2 * MIB, 20 * MIB])
def test_attributes_travel_as_the_task_says(world, metadata, size):
    """With metadata on all system headers and user metadata arrive, else Content-Type and Content-Encoding alone."""
    world.source.put("x", bytes(size), headers=SYSTEM, user={"color": "blue", "a-b": "1 2"})
    world.source.put("plain", bytes(size))
    ran = world.run(metadata=metadata)
    world.check_clean(ran, attributes=metadata)


def test_chinese_metadata_is_percent_encoded(world, clouds):
    """Chinese characters in user metadata are stored percent-encoded; other letters fail that object, visibly."""
    world.source = clouds.obs.create_bucket("cn-source")  # S3 would state them as encoded words
    world.source.put_many(
        [
            put_item("cn", b"1", user={"name": "中文-1".encode().decode("latin-1")}),
            put_item("cyrillic", b"2", user={"name": "имя".encode().decode("latin-1")}),
            put_item("ok", b"3"),
        ]
    )
    ran = world.run(metadata=True, source=opener(clouds.obs, "cn-source"))
    assert world.arrived()["cn"].user == {"name": "%E4%B8%AD%E6%96%87-1"}
    assert ran.codes() == {"cyrillic": "SET_DST_OBJ_METADATA_FAILURE"}
    assert "name" in ran.failures[0].message
    assert set(world.arrived()) == {"cn", "ok"}
    world.check_copy(ran)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        (None, {"s": "STANDARD", "i": "STANDARD", "t": "STANDARD"}),
        (StoragePolicy.IA, {"s": "WARM", "i": "WARM", "t": "WARM"}),
        (StoragePolicy.ARCHIVE, {"s": "COLD", "i": "COLD", "t": "COLD"}),
        (StoragePolicy.DEEP_ARCHIVE, {"s": "DEEP_ARCHIVE", "i": "DEEP_ARCHIVE", "t": "DEEP_ARCHIVE"}),
        (StoragePolicy.SRC_STORAGE_MAPPING, {"s": "STANDARD", "i": "WARM", "t": "STANDARD"}),
    ],
)
def test_storage_classes_are_fixed_or_mapped(world, policy, expected):
    """A fixed class holds for every object; the mapping keeps the source's class."""
    world.source.put_many(
        [
            put_item("s", b"1"),
            put_item("i", b"2", storage_class="STANDARD_IA"),
            put_item("t", b"3", storage_class="INTELLIGENT_TIERING"),
        ]
    )
    ran = world.run(storage=policy)
    world.check_clean(ran, classes=expected)


def test_kms_is_asked_for_and_verified(world):
    """With KMS every copy lies encrypted, small, streamed and in parts; the source's own encryption does not matter."""
    world.source.put_many([put_item("a", b"1"), put_item("k", b"2", kms=True), put_item("m", bytes(2 * MIB))])
    world.source.put("big", bytes(20 * MIB))
    ran = world.run(kms=True)
    world.check_clean(ran)
    assert {item.encryption for item in world.arrived().values()} == {"kms"}
    again = world.run(kms=True)
    assert again.counts == (4, 0, 4, 0)


class _Plain:
    """An OBS that takes the KMS header for nothing, as a region without KMS does."""

    def __init__(self, store):
        self._store = store

    def __getattr__(self, name):
        return getattr(self._store, name)

    def write(self, key, *, size, options, body=None):

        return self._store.write(key, size=size, options=options._replace(kms=False), body=body)

    def start_upload(self, key, *, options):

        return self._store.start_upload(key, options=options._replace(kms=False))


def test_a_bucket_that_does_not_encrypt_fails_every_object(world):
    """A copy that was to lie under KMS and does not is deleted again and fails."""
    world.source.put_many([("a", b"1"), ("big", bytes(20 * MIB))])
    ran = world.run(kms=True, destination=lambda: _Plain(world.open_destination()))
    assert ran.codes() == dict.fromkeys(["a", "big"], "CHECK_DST_OBJ_CONSISTENCY_FAILURE")
    assert world.arrived() == {}


def test_requester_pays_on_every_read(world, clouds):
    """A bucket whose requester pays is listed and read by a task that says so, else the task fails as a whole."""
    paying = clouds.s3.create_bucket("payer", requester_pays=True)
    paying.put_many([("a", b"1"), ("big", bytes(20 * MIB))])
    world.source = paying
    refused = world.run(source=opener(clouds.s3, "payer"))
    assert (refused.result.state, refused.result.error_code) == (TaskState.FAILED, "TRF.0152")
    ran = world.run(source=opener(clouds.s3, "payer", requester_pays=True))
    world.check_clean(ran)


def test_migrate_since_skips_what_is_older(world):
    """Only objects modified after the instant move; the others are skipped with the reason."""
    now = time.time()
    world.source.put_many(
        [put_item("old", b"1", mtime=now - 100), put_item("at", b"2", mtime=1_600_000_000.0), put_item("new", b"3")]
    )
    ran = world.run(migrate_since=now - 50)
    assert ran.reasons() == dict.fromkeys(["at", "old"], "not modified since")
    assert set(world.arrived()) == {"new"}
    world.check_copy(ran)


def prepare_overwriting(world, *, crc64=False):
    """Put the same eight keys on both sides: older, newer, other size, absent, equal time, other bytes."""
    base = time.time() - 1000
    here = {"absent": (b"aaaa", base), "older": (b"aaaa", base), "newer": (b"aaaa", base), "same": (b"aaaa", base),
            "size": (b"aaaa", base), "bytes": (b"aaaa", base), "stale": (b"aaaa", base)}  # fmt: skip
    there = {"older": (b"aaaa", base - 100), "newer": (b"aaaa", base + 100), "same": (b"aaaa", base),
             "size": (b"bb", base + 100), "bytes": (b"bbbb", base + 100), "stale": (b"bbbb", base - 100)}  # fmt: skip
    world.source.put_many(put_item(key, body, mtime=when, crc64=crc64) for key, (body, when) in here.items())
    world.destination.put_many(put_item(key, body, mtime=when, crc64=crc64) for key, (body, when) in there.items())


@pytest.mark.parametrize(
    ("mode", "copied"),
    [
        (OverwriteMode.NO_OVERWRITE, {"absent"}),
        (OverwriteMode.FULL_OVERWRITE, {"absent", "older", "newer", "same", "size", "bytes", "stale"}),
        (OverwriteMode.SIZE_LAST_MODIFIED, {"absent", "older", "size", "bytes", "stale"}),
        (OverwriteMode.CRC64, {"absent", "older", "size", "bytes", "stale"}),
    ],
)
def test_overwrite_modes(world, mode, copied):
    """The destination is overwritten as the mode says, and where MD5s prove other bytes; CRC64 falls back without one."""
    prepare_overwriting(world)
    before = {key: world.destination.get(key) for key in list(world.destination.keys())}
    ran = world.run(overwrite=mode)
    assert set(ran.lists["success"]) == copied
    world.check_copy(ran)
    assert all(world.destination.get(key) == before[key] for key in ran.lists["skip"])


def test_crc64_mode_compares_checksums(world, clouds):
    """Between two stores that keep CRC64s equal bytes are skipped whatever the times say, other bytes copied."""
    world.source = clouds.obs.create_bucket("crc-source")
    prepare_overwriting(world, crc64=True)
    ran = world.run(
        overwrite=OverwriteMode.CRC64, check=ConsistencyCheck.CRC64, source=opener(clouds.obs, "crc-source")
    )
    assert set(ran.lists["success"]) == {"absent", "size", "bytes", "stale"}
    assert ran.reasons() == dict.fromkeys(["newer", "older", "same"], "same CRC64")
    assert set(ran.methods().values()) == {"crc64"}
    world.check_copy(ran)


def test_crc64_mode_falls_back_object_by_object(world, clouds):
    """Where one of the two objects has no CRC64, size, time and the MD5s of the listings decide for it alone."""
    world.source = clouds.obs.create_bucket("crc-source")
    prepare_overwriting(world)
    ran = world.run(overwrite=OverwriteMode.CRC64, source=opener(clouds.obs, "crc-source"))
    assert set(ran.lists["success"]) == {"absent", "older", "size", "bytes", "stale"}
    world.check_copy(ran)


def test_nothing_selected_is_said(world):
    """A task that matches no object fails with TRF.0012."""
    ran = world.run(books=False)
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, "TRF.0012")


def test_a_second_run_costs_only_listings(world):
    """A finished migration run again asks both stores for listings, and for nothing of single objects."""
    world.source.put_many((f"k{number:04}", b"x") for number in range(2500))
    world.source.put("big", bytes(20 * MIB))
    world.check_clean(world.run())
    world.s3.clear_log(), world.obs.clear_log()
    ran = world.run()
    assert ran.counts == (2501, 0, 2501, 0)
    assert set(ran.reasons().values()) == {"same size, not older"}
    assert dict(requests_of(world.s3, world.source.name)) == {"ListObjectsV2": 4}
    asked = requests_of(world.obs, world.destination.name)
    # One HEAD at most finds out whether the store tells names apart that differ in case.
    assert set(asked) <= {"ListObjects", "HeadObject"}
    assert asked.get("HeadObject", 0) <= 1
    assert asked["ListObjects"] <= 6
    world.check_copy(ran)


def test_a_dry_run_writes_nothing(world):
    """A dry run counts what would move and leaves the destination as it is."""
    world.source.put_many([("a", b"1"), ("b", b"2"), ("big", bytes(20 * MIB))])
    world.destination.put("b", b"2")
    ran = world.run(books=False, dry_run=True)
    assert ran.counts == (3, 2, 1, 0)
    assert world.destination.keys() == ["b"]


def test_archived_objects_fail_without_restore(world):
    """Without restore archived objects fail with their code, small and large, and leave nothing behind."""
    world.source.put_many([put_item("cold", b"1", storage_class="GLACIER"), ("warm", b"2")])
    world.source.put("big", bytes(20 * MIB), storage_class="DEEP_ARCHIVE")
    ran = world.run()
    assert ran.codes() == dict.fromkeys(["big", "cold"], "MIGRATE_SRC_ARCHIVE_OBJ_FAILURE")
    assert set(world.arrived()) == {"warm"}
    world.check_copy(ran)


def test_archived_objects_are_restored_and_copied(world):
    """With restore archived objects are asked for at once, parked, and copied when readable, small and large."""
    world.s3.restore_seconds = 0.4
    world.source.put_many(put_item(f"cold{n:02}", f"{n}".encode(), storage_class="GLACIER") for n in range(40))
    world.source.put("big", os.urandom(20 * MIB), storage_class="DEEP_ARCHIVE")
    world.source.put_many((f"warm{n}", b"2") for n in range(5))
    policy = RestorePolicy(days=2, poll_seconds=0.1, requests_per_second=1000)
    began = time.monotonic()
    ran = world.run(restore=policy, storage=StoragePolicy.SRC_STORAGE_MAPPING)
    assert time.monotonic() - began < 10
    expected = {key: "COLD" if key.startswith("cold") else "DEEP_ARCHIVE" if key == "big" else "STANDARD"
                for key in list(world.source.keys())}  # fmt: skip
    world.check_clean(ran, classes=expected)
    asked = requests_of(world.s3, world.source.name)
    assert asked["RestoreObject"] == 41
    again = world.run(restore=policy)
    assert again.counts == (46, 0, 46, 0)


def test_a_restored_object_is_copied_without_waiting(world):
    """An object that was restored by hand before is copied like any other."""
    world.source.put("cold", b"1", storage_class="GLACIER")
    world.s3.restore_seconds = 0.0
    import boto3

    client = boto3.client("s3", endpoint_url=world.s3.url, aws_access_key_id=world.s3.access_key,
                          aws_secret_access_key=world.s3.secret_key, region_name="us-east-1")  # fmt: skip
    client.restore_object(
        Bucket=world.source.name, Key="cold", RestoreRequest={"Days": 1, "GlacierJobParameters": {"Tier": "Standard"}}
    )
    ran = world.run()
    world.check_clean(ran)
    world.destination.delete("cold")
    world.state.unlink()
    world.check_clean(world.run(restore=RestorePolicy(poll_seconds=0.1)))


def test_a_refused_restore_fails_the_object(world):
    """An object whose restore the store refuses fails with its own code; the others are not held up."""
    from oms_adapters.sandbox import Answer, Fault, Match

    world.source.put_many(put_item(key, b"1", storage_class="GLACIER") for key in ("bad", "good"))
    world.s3.restore_seconds = 0.1
    fault = Fault(Match(operation="RestoreObject", key="bad"), Answer(403, "AccessDenied"), times=None)
    world.s3.faults.add(fault)
    ran = world.run(restore=RestorePolicy(poll_seconds=0.05))
    assert ran.codes() == {"bad": "RESTORE_SRC_ARCHIVE_OBJ_FAILURE"}
    assert set(world.arrived()) == {"good"}
    world.check_copy(ran)


def test_several_processes_do_the_same(world):
    """Three processes copy what one would, and every key still has one end."""
    world.source.put_many((f"{n % 7}/{n:04}", os.urandom(200)) for n in range(1500))
    world.source.put_many((f"big{n}", os.urandom(20 * MIB)) for n in range(2))
    world.check_clean(world.run(settings=quick(processes=3)))


def test_between_stores_that_others_wrote(tmp_path, clouds):
    """From moto to moto: a server that nobody here wrote is source and S3-compatible destination."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        url = "http://{}:{}".format(*server.get_host_and_port())
        client = boto3.client(
            "s3", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
        )
        for bucket in ("from", "into"):
            client.create_bucket(Bucket=bucket + "-moto")
        bodies = {
            key: key.encode() * 100 for key in ["a//b", "dir/", "e\u0301", "\u00e9", "%41", "sp ace", "+", "x" * 900]
        }
        bodies["big"] = os.urandom(17 * MIB)
        for key, body in bodies.items():
            client.put_object(
                Bucket="from-moto",
                Key=key,
                Body=body,
                ContentType="text/x-test",
                Metadata={"a": "b"},
                CacheControl="no-cache",
            )
        config = StoreConfig(
            "AWS", "from-moto", endpoint=url, region="us-east-1", credentials=Credentials("a", Secret("b"))
        )
        ledger = SqliteLedger(tmp_path / "state.sqlite")
        migration = Migration(
            MigrationSpec("s3://from-moto", "s3://into-moto", metadata=True),
            source=functools.partial(open_store, config),
            destination=functools.partial(open_store, replace(config, bucket="into-moto")),
            ledger=ledger,
            settings=quick(),
        )
        result = uvloop.run(migration.run())
        ledger.close()
        assert (result.state, result.counters.migrated) == (TaskState.SUCCEEDED, len(bodies))
        for key, body in bodies.items():
            there = client.get_object(Bucket="into-moto", Key=key)
            assert there["Body"].read() == body
            assert (there["ContentType"], there["Metadata"], there["CacheControl"]) == (
                "text/x-test",
                {"a": "b"},
                "no-cache",
            )
    finally:
        server.stop()


def test_part_preferences_make_large_objects_park():
    """The stories here take 20 MiB as large: that is what parts begin at."""
    assert PartPreferences().single_below <= 16 * MIB
