"""Migrations while the clouds misbehave by script: nothing is lost, nothing fails that need not, nothing is wrong."""

import asyncio
import os
from dataclasses import replace

import pytest

from oms_adapters.sandbox import (
    Answer,
    Chunked,
    Cut,
    Delay,
    Fault,
    FlipBit,
    FlipStoredBit,
    Garbage,
    LoseReply,
    Match,
    Redirect,
    Truncate,
    WrongLength,
)
from oms_engine.model import TaskType
from oms_engine.store import MIB
from oms_engine.task import Scope, TaskState
from support.migrations import QUICK, quick, requests_of

PATIENT = quick(wire=replace(QUICK.wire, attempts=12, retry_budget=10_000.0))
SMALL = 80


@pytest.fixture
def filled(world):
    """Small objects, one that streams, one that moves in parts."""
    world.source.put_many((f"k/{number:03}", os.urandom(2000 + number)) for number in range(SMALL))
    world.source.put("streamed", os.urandom(2 * MIB))
    world.source.put("zbig", os.urandom(17 * MIB))
    return world


PASSING = [
    ("s3", "ListObjectsV2", Answer(500, "InternalError")),
    ("obs", "ListObjects", Answer(503, "SlowDown", retry_after=0.02)),
    ("s3", "GetObject", Answer(500, "InternalError")),
    ("s3", "GetObject", Answer(503, "SlowDown", retry_after=0.02)),
    ("s3", "GetObject", Cut()),
    ("s3", "GetObject", Cut(head=30)),
    ("s3", "GetObject", Cut(body=100)),
    ("s3", "GetObject", Truncate(7)),
    ("s3", "GetObject", WrongLength(3)),
    ("s3", "GetObject", Garbage()),
    ("s3", "GetObject", Chunked(333)),
    ("s3", "GetObject", Delay(0.05, within_body=True)),
    ("obs", "PutObject", Answer(500, "InternalError")),
    ("obs", "PutObject", Answer(500, "InternalError", early=True)),
    ("obs", "PutObject", Answer(503, "SlowDown", retry_after=0.02, early=True)),
    ("obs", "PutObject", Cut()),
    ("obs", "PutObject", Cut(head=25)),
    ("obs", "PutObject", LoseReply()),
    ("obs", "PutObject", Garbage()),
    ("obs", "*", LoseReply()),
    ("s3", "*", Cut()),
]


@pytest.mark.parametrize(("cloud", "operation", "action"), PASSING, ids=repr)
def test_faults_that_pass(filled, cloud, operation, action):
    """Faults of any kind that strike a quarter of the requests for a while cost retries and nothing else."""
    faults = getattr(filled, cloud).faults
    number = faults.add(Fault(Match(operation=operation), action, times=40, probability=0.25, seed=1))
    ran = filled.run(settings=PATIENT)
    assert faults.hits(number) >= 1 or operation.startswith("List")
    filled.check_clean(ran)


@pytest.mark.parametrize("action", [FlipBit(50), WrongLength(-1)], ids=repr)
def test_bodies_damaged_on_the_way_are_read_again(filled, action):
    """A body that arrives damaged from the source is noticed by what the source states of it, and read anew."""
    keys = ["k/000", "k/044", "k/079", "streamed"]
    for key in keys:
        filled.s3.faults.add(Fault(Match(operation="GetObject", key=key), action))
    ran = filled.run()
    filled.check_clean(ran)
    reads = [entry.key for entry in filled.s3.log if entry.operation == "GetObject"]
    assert all(reads.count(key) >= 2 for key in keys)


def test_bodies_damaged_in_the_store_are_written_again(filled):
    """A body that is stored damaged is noticed by the reply's ETag, deleted, and written anew."""
    keys = ["k/000", "k/044", "streamed"]
    for key in keys:
        filled.obs.faults.add(Fault(Match(operation="PutObject", key=key), FlipStoredBit(50)))
    filled.check_clean(filled.run())
    deleted = [entry.key for entry in filled.obs.log if entry.operation == "DeleteObject" and "oms/" not in entry.key]
    assert sorted(deleted) == keys


@pytest.mark.parametrize(
    ("cloud", "operation", "action"),
    [("s3", "GetObject", FlipBit(50)), ("obs", "PutObject", FlipStoredBit(50))],
    ids=repr,
)
def test_bodies_damaged_every_time_fail(filled, cloud, operation, action):
    """An object that never arrives whole fails with its code, and no damaged copy is left."""
    keys = ["k/000", "streamed"]
    for key in keys:
        getattr(filled, cloud).faults.add(Fault(Match(operation=operation, key=key), action, times=None))
    ran = filled.run()
    assert ran.codes() == dict.fromkeys(keys, "CHECK_DST_OBJ_CONSISTENCY_FAILURE")
    assert ran.result.counters.failed_bytes == sum(len(filled.source.get(key)) for key in keys)
    assert set(filled.arrived()) == set(filled.source.keys()) - set(keys)
    filled.check_copy(ran)


def test_redirects_are_followed(filled):
    """A temporary redirect to another endpoint is followed, signed anew."""
    filled.obs.faults.add(Fault(Match(), Redirect(filled.obs.url), times=2))
    filled.s3.faults.add(Fault(Match(operation="GetObject"), Redirect(filled.s3.url), times=2))
    filled.check_clean(filled.run())


def test_a_rate_limited_store_slows_the_task_and_fails_nothing(filled):
    """A store that answers SlowDown above a rate makes the task adapt; every object still arrives."""
    filled.obs.max_requests_per_second = 60
    ran = filled.run(settings=quick(wire=replace(PATIENT.wire, backoff=0.05, backoff_maximum=2.0)))
    assert ran.seen[-1].throttled > 0
    filled.check_clean(ran)
    refused = sum(1 for entry in filled.obs.log if entry.status == 503)
    assert refused < 3 * SMALL


@pytest.mark.parametrize(("cloud", "code"), [("s3", "TRF.0157"), ("obs", "TRF.0061")], ids=["source", "destination"])
@pytest.mark.parametrize("processes", [1, 2])
def test_a_store_that_goes_away_stops_the_task(filled, cloud, code, processes):
    """A store that goes away for good stops the task and fails no object; the same command finishes later."""
    faults = getattr(filled, cloud).faults
    faults.add(Fault(Match(), Cut(), times=None, after=40))
    settings = quick(processes=processes)
    stopped = filled.run(settings=settings)
    assert (stopped.result.state, stopped.result.error_code) == (TaskState.FAILED, code)
    assert stopped.result.counters.failed == 0
    assert not stopped.result.complete
    faults.clear()
    ran = filled.run(settings=settings)
    assert ran.counts == (SMALL + 2, SMALL + 2, 0, 0)
    filled.check_clean(ran)


@pytest.mark.parametrize(("cloud", "code"), [("s3", "TRF.0151"), ("obs", "TRF.0057")], ids=["source", "destination"])
@pytest.mark.parametrize("kind", ["prefix", "keys"])
def test_credentials_that_become_invalid_stop_the_task(filled, cloud, code, kind):
    """A key that is withdrawn in the middle stops the task, also where only HEADs meet it, and fails no object."""
    side = getattr(filled, cloud)
    side.latency = 0.02
    scope = Scope() if kind == "prefix" else Scope(task_type=TaskType.OBJECT, keys=tuple(filled.source.keys()))

    async def withdraw(_migration):
        while len(side.log) < 30:
            await asyncio.sleep(0.005)
        side.add_credentials(side.access_key, "withdrawn")

    stopped = filled.run(meanwhile=withdraw, scope=scope, settings=quick(connections=8))
    side.add_credentials(side.access_key, side.secret_key)
    side.latency = 0.0
    assert (stopped.result.state, stopped.result.error_code) == (TaskState.FAILED, code)
    assert stopped.result.counters.failed == 0
    filled.check_clean(filled.run(scope=scope))


@pytest.mark.parametrize(("cloud", "code"), [("s3", "TRF.0155"), ("obs", "TRF.0058")], ids=["source", "destination"])
@pytest.mark.parametrize("kind", ["prefix", "keys"])
def test_a_bucket_that_is_deleted_stops_the_task(filled, cloud, code, kind):
    """A bucket that is gone in the middle stops the task and fails no object."""
    faults = getattr(filled, cloud).faults
    faults.add(Fault(Match(), Answer(404, "NoSuchBucket"), times=None, after=40))
    scope = Scope() if kind == "prefix" else Scope(task_type=TaskType.OBJECT, keys=tuple(filled.source.keys()))
    stopped = filled.run(scope=scope)
    assert (stopped.result.state, stopped.result.error_code) == (TaskState.FAILED, code)
    assert stopped.result.counters.failed == 0
    faults.clear()
    filled.check_clean(filled.run(scope=scope))


@pytest.mark.parametrize(
    ("cloud", "action", "code"),
    [
        ("s3", Answer(404, "NoSuchBucket"), "TRF.0155"),
        ("obs", Answer(404, "NoSuchBucket"), "TRF.0058"),
        ("s3", Answer(403, "SignatureDoesNotMatch"), "TRF.0151"),
        ("obs", Answer(403, "SignatureDoesNotMatch"), "TRF.0057"),
        ("s3", Answer(403, "AccessDenied"), "TRF.0152"),
        ("obs", Answer(403, "AccessDenied"), "TRF.0051"),
        ("s3", Answer(503, "SlowDown", retry_after=0.01), "TRF.0159"),
        ("s3", Cut(), "TRF.0157"),
        ("obs", Cut(), "TRF.0061"),
    ],
    ids=repr,
)
def test_a_store_that_cannot_be_used_is_said_at_once(filled, cloud, action, code):
    """A task whose bucket cannot be listed ends before it begins, with the side's code."""
    getattr(filled, cloud).faults.add(Fault(Match(), action, times=None))
    ran = filled.run()
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, code)
    assert ran.counts == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("status", "word", "code"),
    [
        (403, "AccountProblem", "TRF.0053"),
        (403, "NotSignedUp", "TRF.0053"),
        (405, "InsufficientStorageSpace", "TRF.0055"),
        (403, "FrozenUserId", "TRF.0056"),
        (403, "InArrearOrInsufficientBalance", "TRF.0063"),
    ],
)
@pytest.mark.parametrize("operation", ["ListObjects*", "PutObject"])
def test_a_destination_whose_account_allows_nothing_ends_the_task(filled, status, word, code, operation):
    """What the destination says of its account ends the task with its code, instead of a failed row per object."""
    fault = Fault(Match(operation=operation, bucket=filled.destination.name), Answer(status, word), times=None)
    filled.obs.faults.add(fault)
    ran = filled.run(books=False)
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, code)
    assert ran.result.counters.failed == 0


def test_lists_that_cannot_be_written_fail_no_task(filled):
    """Record lists that the destination refuses leave the task succeeded and are said; they are written by a later run."""
    filled.obs.faults.add(Fault(Match(key="oms/task/*"), Answer(403, "AccessDenied"), times=None))
    ran = filled.run(books=False)
    assert ran.result.state is TaskState.SUCCEEDED
    assert ran.result.record_errors == {"success": "OMS.0304"}
    assert set(filled.arrived()) == set(filled.source.keys())


def test_lists_are_written_as_the_task_runs(world, monkeypatch):
    """Lists that reach their size go to the bucket while the task runs, several of them; each key stands in one."""
    monkeypatch.setattr("oms_engine.recorder.FLUSH_SECONDS", 0.02)
    world.source.put_many((f"k/{number:05}", b"x") for number in range(1500))
    world.obs.latency = 0.01
    early = []

    async def watch(migration):
        while not early:
            await asyncio.sleep(0.02)
            if migration.progress.counters.migrated < 1400:
                early.extend(key for key in list(world.destination.keys()) if key.startswith("oms/task/"))

    ran = world.run(meanwhile=watch, settings=quick(record_file_bytes=3000, connections=16))
    assert early
    assert sum(key.startswith("oms/task/") for key in list(world.destination.keys())) > 1
    world.check_clean(ran)


def test_failed_objects_are_not_listed_when_the_task_says_so(filled):
    """Without recording of failed objects no failed list is written; they are counted all the same."""
    filled.s3.faults.add(Fault(Match(operation="GetObject", key="k/000"), Answer(403, "AccessDenied"), times=None))
    ran = filled.run(books=False, record_failed=False)
    assert ran.result.counters.failed == 1
    assert set(ran.result.records) == {"success"}
    assert not ran.lists["failed"]


def test_single_refusals_fail_single_objects(filled):
    """Objects the source refuses or has lost fail one by one with their codes; all others arrive."""
    filled.s3.faults.add(Fault(Match(operation="GetObject", key="k/000"), Answer(403, "AccessDenied"), times=None))
    filled.s3.faults.add(Fault(Match(operation="GetObject", key="k/001"), Answer(404, "NoSuchKey"), times=None))
    filled.s3.faults.add(Fault(Match(operation="GetObject", key="k/002"), Answer(500, "InternalError"), times=None))
    filled.obs.faults.add(Fault(Match(operation="PutObject", key="k/003"), Answer(403, "AccessDenied"), times=None))
    ran = filled.run()
    assert ran.codes() == {
        "k/000": "GET_SRC_OBJ_FAILURE",
        "k/001": "GET_SRC_OBJ_FAILURE",
        "k/002": "GET_SRC_OBJ_FAILURE",
        "k/003": "UPLOAD_DST_OBJ_FAILURE",
    }
    filled.check_copy(ran)


def test_a_small_source_replaced_between_listing_and_reading(filled):
    """An object replaced after it was listed is read in its new state, once more looked at and no more often."""
    body = b"replaced" * 100

    async def replace_it(_migration):
        while not any(entry.operation == "ListObjectsV2" and "max-keys=1000" in entry.query for entry in filled.s3.log):
            await asyncio.sleep(0.002)
        filled.source.put("k/079", body)

    filled.s3.faults.add(Fault(Match(operation="GetObject", key="k/079"), Delay(0.3)))
    ran = filled.run(meanwhile=replace_it)
    filled.check_clean(ran)
    assert filled.destination.get("k/079") == body


def test_a_small_source_that_keeps_changing_fails(filled):
    """An object that is another one whenever it is read fails as changed."""
    filled.s3.faults.add(
        Fault(Match(operation="GetObject", key="k/000"), Answer(412, "PreconditionFailed"), times=None)
    )
    ran = filled.run()
    assert ran.codes() == {"k/000": "SRC_OBJ_CHANGED_FAILURE"}
    assert requests_of(filled.s3, filled.source.name)["HeadObject"] >= 1
    filled.check_copy(ran)


def test_a_pause_is_quick_and_begins_nothing_new(world):
    """A pause asked for while thousands of objects wait ends within moments: what was under way is finished, no more."""
    world.source.put_many((f"k/{number:05}", b"x") for number in range(4000))
    world.obs.latency = 0.05
    asked = []

    async def pause(migration):
        while migration.progress.counters.migrated < 40:
            await asyncio.sleep(0.005)
        asked.append(len(world.arrived()))
        migration.pause()

    ran = world.run(meanwhile=pause, settings=quick(connections=16))
    assert ran.result.state is TaskState.PAUSED
    assert len(world.arrived()) <= asked[0] + 64
    world.obs.latency = 0.0
    world.check_clean(world.run())


@pytest.mark.parametrize(
    ("cloud", "operation", "code"), [("obs", "PutObject", "TRF.0051"), ("s3", "GetObject", "TRF.0152")]
)
def test_a_permission_that_lacks_for_every_object_ends_the_task(filled, cloud, operation, code):
    """Where no object may be written, or read, the task says so instead of failing millions; granted, it goes on."""
    faults = getattr(filled, cloud).faults
    faults.add(Fault(Match(operation=operation), Answer(403, "AccessDenied"), times=None))
    refused = filled.run(settings=quick(connections=8))
    assert (refused.result.state, refused.result.error_code) == (TaskState.FAILED, code)
    assert not refused.result.complete
    assert refused.result.counters.failed < SMALL
    faults.clear()
    filled.check_clean(filled.run())
