"""Stores that are away for a while, and neighbourhoods that stay bad: who waits, who fails, what ends the task."""

import asyncio
import time
from dataclasses import replace

import pytest

from oms_adapters.sandbox import Answer, Cut, Fault, Garbage, Match
from oms_engine.store import MIB
from oms_engine.task import TaskState
from support.migrations import QUICK, quick

SHORT = replace(QUICK.wire, attempts=2, retry_budget=20.0)
"""The wire gives up at once: what an outage costs is what the run does about it."""
PATIENT = quick(wire=SHORT, patience=60.0, connections=16)
AWAY = 1.2


@pytest.fixture
def filled(world):
    """Small objects, one that streams, one that moves in parts."""
    world.source.put_many((f"k/{number:04}", b"x" * number) for number in range(600))
    world.source.put("streamed", b"s" * (2 * MIB))
    world.source.put("zbig", b"z" * (17 * MIB))
    return world


def outage(world, cloud, action, operation, *, after=60, seconds=AWAY):
    """Return what takes a store away once some objects have moved, and brings it back."""
    side = getattr(world, cloud)
    side.latency = 0.01

    async def meanwhile(_migration):
        while len(side.log) < after:
            await asyncio.sleep(0.005)
        side.faults.add(Fault(Match(operation=operation), action, times=None))
        await asyncio.sleep(seconds)
        side.faults.clear()

    return meanwhile


@pytest.mark.parametrize("cloud", ["s3", "obs"])
@pytest.mark.parametrize(
    "action", [Answer(500, "InternalError"), Answer(503, "SlowDown", retry_after=0.01), Cut()], ids=repr
)
@pytest.mark.parametrize("what", ["all", "data"])
def test_a_store_that_is_away_for_a_while_costs_no_object(filled, cloud, action, what):
    """Whether a store answers nothing, or lists and neither reads nor writes: the run waits, and all arrives."""
    operation = None if what == "all" else ("*Object" if cloud == "s3" else "Put*")
    ran = filled.run(settings=PATIENT, meanwhile=outage(filled, cloud, action, operation))
    filled.check_clean(ran)
    assert ran.result.counters.failed == 0


def test_the_progress_says_what_is_waited_for(filled):
    """While a store does not answer, every look at the run names it and its last words."""
    meanwhile = outage(filled, "obs", Answer(500, "InternalError"), None, seconds=2.0)
    ran = filled.run(settings=PATIENT, meanwhile=meanwhile)
    filled.check_clean(ran)
    told = [look.waiting_for for look in ran.seen if look.waiting_for]
    assert told
    assert all("the destination does not answer since" in text and "InternalError" in text for text in told)
    assert not ran.seen[-1].waiting_for


@pytest.mark.parametrize(("cloud", "code"), [("s3", "TRF.0157"), ("obs", "TRF.0061")])
@pytest.mark.parametrize("what", ["all", "data"])
def test_patience_ends_the_task_and_fails_no_object(filled, cloud, code, what):
    """A store away for longer ends the task with what it said last and since when; the same task goes on later."""
    operation = None if what == "all" else ("*Object" if cloud == "s3" else "Put*")
    meanwhile = outage(filled, cloud, Answer(500, "InternalError"), operation, seconds=3600)
    began = time.monotonic()
    ended = filled.run(settings=replace(PATIENT, patience=1.0), meanwhile=meanwhile, books=False)
    assert (ended.result.state, ended.result.error_code) == (TaskState.FAILED, code)
    assert ended.result.counters.failed == 0
    assert not ended.result.complete
    assert " since 20" in ended.result.error_message
    assert "InternalError" in ended.result.error_message
    assert time.monotonic() - began < 60
    getattr(filled, cloud).faults.clear()
    filled.check_clean(filled.run(settings=PATIENT))


def test_a_pause_ends_the_wait_for_a_store(filled):
    """A run that waits for a store pauses at once; nothing has failed."""
    took = []

    async def meanwhile(migration):
        away = asyncio.ensure_future(outage(filled, "obs", Cut(), None, seconds=3600)(migration))
        while not migration.progress.waiting_for:
            await asyncio.sleep(0.01)
        took.append(time.monotonic())
        migration.pause()
        await away

    ran = filled.run(settings=replace(PATIENT, patience=3600.0), meanwhile=meanwhile, books=False)
    assert time.monotonic() - took[0] < 15
    assert ran.result.state is TaskState.PAUSED
    assert ran.result.counters.failed == 0
    filled.obs.faults.clear()
    filled.check_clean(filled.run(settings=PATIENT))


def test_a_pause_ends_a_wait_that_a_store_asked_for(filled):
    """Retry-After of a day holds no pause up, and fails no object."""
    filled.obs.faults.add(
        Fault(Match(operation="PutObject"), Answer(503, "SlowDown", retry_after=86_400), times=None, after=30)
    )
    took = []

    async def meanwhile(migration):
        while not migration.progress.throttled:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        took.append(time.monotonic())
        migration.pause()

    ran = filled.run(settings=quick(patience=60.0), meanwhile=meanwhile, books=False)
    assert time.monotonic() - took[0] < 15
    assert ran.result.state is TaskState.PAUSED
    assert ran.result.counters.failed == 0
    filled.obs.faults.clear()
    filled.check_clean(filled.run())


BAD = [
    ("s3", "GetObject", Answer(500, "InternalError"), "GET_SRC_OBJ_FAILURE"),
    ("s3", "GetObject", Cut(), "GET_SRC_OBJ_FAILURE"),
    ("s3", "GetObject", Answer(403, "AccessDenied"), "GET_SRC_OBJ_FAILURE"),
    ("obs", "PutObject", Answer(500, "InternalError"), "UPLOAD_DST_OBJ_FAILURE"),
    ("obs", "PutObject", Answer(403, "AccessDenied"), "UPLOAD_DST_OBJ_FAILURE"),
]


@pytest.mark.parametrize(("cloud", "operation", "action", "code"), BAD, ids=repr)
def test_a_bad_neighbourhood_fails_by_name_and_holds_nobody_up(world, cloud, operation, action, code):
    """However many objects that sort first fail, those behind are migrated in the same run."""
    world.source.put_many((f"bad/{number:03}", b"b") for number in range(150))
    world.source.put_many((f"data/{number:03}", b"d") for number in range(400))
    getattr(world, cloud).faults.add(Fault(Match(operation=operation, key="bad/*"), action, times=None))
    ran = world.run(settings=PATIENT)
    assert ran.codes() == {f"bad/{number:03}": code for number in range(150)}
    assert ran.counts == (550, 400, 0, 150)
    world.check_copy(ran)


@pytest.mark.parametrize("action", [Answer(500, "InternalError"), Answer(403, "AccessDenied")], ids=repr)
def test_a_neighbourhood_of_pages_is_seen_from_outside(world, action):
    """Where whole pages of a folder cannot be read, an object of another folder says that the store can."""
    world.source.put_many((f"bad/{number:05}", b"b") for number in range(2200))
    world.source.put_many((f"data/{number:03}", b"d") for number in range(50))
    world.s3.faults.add(Fault(Match(operation="GetObject", key="bad/*"), action, times=None))
    ran = world.run(settings=PATIENT)
    assert ran.counts == (2250, 50, 0, 2200)


@pytest.mark.parametrize(
    ("cloud", "operation", "code"), [("s3", "GetObject", "TRF.0152"), ("obs", "PutObject", "TRF.0051")]
)
def test_what_no_object_may_do_ends_the_task(world, cloud, operation, code):
    """Where the permission lacks for every object, few have failed when the task says so."""
    world.source.put_many((f"f{folder}/{number:03}", b"x") for folder in range(5) for number in range(300))
    getattr(world, cloud).faults.add(Fault(Match(operation=operation), Answer(403, "AccessDenied"), times=None))
    ran = world.run(settings=PATIENT, books=False)
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, code)
    assert ran.result.counters.failed < 100


def test_a_last_object_that_fails_is_given_its_time(world, monkeypatch):
    """Where nothing else is left to compare with, an object is tried for a while before it fails by name."""
    monkeypatch.setattr("oms_engine.persist.LONE_SECONDS", 1.5)
    monkeypatch.setattr("oms_engine.persist.PAUSE", 0.05)
    world.source.put("only", b"x")
    world.obs.faults.add(Fault(Match(operation="PutObject", key="only"), Answer(500, "InternalError"), times=None))
    began = time.monotonic()
    ran = world.run(settings=PATIENT)
    assert ran.codes() == {"only": "UPLOAD_DST_OBJ_FAILURE"}
    assert time.monotonic() - began >= 1.5


@pytest.mark.parametrize("action", [Garbage(), Answer(200, "InternalError")], ids=repr)
def test_nonsense_is_not_waited_for(world, action):
    """Replies that make no sense, from a store that answers, fail their objects by name; nobody is patient with them."""
    world.source.put_many((f"k/{number:02}", b"x") for number in range(10))
    world.obs.faults.add(Fault(Match(operation="PutObject", key="k/*"), action, times=None))
    began = time.monotonic()
    ran = world.run(settings=replace(PATIENT, patience=3600.0))
    assert ran.counts == (10, 0, 0, 10)
    assert time.monotonic() - began < 60


def test_an_outage_is_waited_for_in_every_process(filled):
    """A run of several processes waits as a run of one does."""
    meanwhile = outage(filled, "obs", Answer(500, "InternalError"), None, after=200)
    ran = filled.run(settings=replace(PATIENT, processes=2), meanwhile=meanwhile)
    filled.check_clean(ran)
