"""What the destination acknowledges and does not hold is noticed before an object is called migrated."""

import os

import pytest

from oms_adapters.sandbox import Answer, Fault, LoseWrite, Match
from oms_engine.model import OverwriteMode, TaskType
from oms_engine.store import MIB
from oms_engine.task import Scope, TaskState
from support.migrations import QUICK, quick, requests_of

SMALL = 60
LOST = ["k/000", "k/031", "k/059"]
SIZES = {"streamed": 2 * MIB, "zbig": 17 * MIB}
MISSING = "CHECK_DST_OBJ_MISSING_FAILURE"
CHANGED = "CHECK_DST_OBJ_CHANGED_FAILURE"


@pytest.fixture
def filled(world):
    """Small objects, one that streams, one that moves in parts."""
    world.source.put_many((f"k/{number:03}", os.urandom(2000 + number)) for number in range(SMALL))
    world.source.put_many((key, os.urandom(size)) for key, size in SIZES.items())
    return world


def lose(world, keys, *, cached=False):
    """Have the destination acknowledge the writes of these keys and store nothing."""
    for key in keys:
        for operation in ("PutObject", "CompleteMultipartUpload"):
            world.obs.faults.add(Fault(Match(operation=operation, key=key), LoseWrite(cached=cached), times=None))


def check_lost(world, ran, keys, code=MISSING):
    """These keys failed by name, all others migrated and were seen."""
    assert ran.codes() == dict.fromkeys(keys, code)
    assert ran.result.state is TaskState.FAILED
    assert ran.result.counters.seen == ran.result.counters.migrated == len(world.source.keys()) - len(keys)
    world.check_copy(ran)


@pytest.mark.parametrize("processes", [1, 2])
def test_writes_that_were_not_stored_fail_by_name(filled, processes):
    """An object whose write was acknowledged with the right ETag and not stored fails, small, streamed or in parts."""
    keys = [*LOST, *SIZES]
    lose(filled, keys)
    check_lost(filled, filled.run(settings=quick(processes=processes)), keys)


@pytest.mark.parametrize("lag", [0.0, 3600.0], ids=["listed at once", "listed late"])
def test_what_only_a_cache_has_fails_by_name(filled, lag):
    """A HEAD that a cache answers does not hide that nothing was stored, small, streamed or in parts."""
    keys = [*LOST, *SIZES]
    filled.obs.list_lag = lag
    lose(filled, keys, cached=True)
    ran = filled.run()
    assert ran.codes() == dict.fromkeys(keys, MISSING)
    assert ran.result.counters.seen == ran.result.counters.migrated == SMALL + 2 - len(keys)
    filled.check_copy(ran)


def test_one_object_that_only_a_cache_has_fails(world):
    """A batch of one object, and objects thinly spread among others, are not believed by HEAD alone either."""
    world.source.put("alone", b"x")
    lose(world, ["alone", "k/0300"], cached=True)
    assert world.run().codes() == {"alone": MISSING}
    world.destination.put_many((f"k/{number:04}-", b"") for number in range(3000))
    world.source.put_many((f"k/{number:04}", b"x") for number in range(0, 3000, 300))
    assert world.run().codes() == dict.fromkeys(["alone", "k/0300"], MISSING)


def test_what_may_not_be_read_is_not_called_seen(filled):
    """Where the listing is late and GET is denied, nobody can say more than HEAD did: migrated, and not seen."""
    filled.obs.list_lag = 3600.0
    rule = Match(operation="GetObject", bucket=filled.destination.name, key="k/*")
    filled.obs.faults.add(Fault(rule, Answer(403, "AccessDenied"), times=None))
    ran = filled.run()
    filled.check_clean(ran)
    assert ran.result.counters.seen == len(SIZES)


def test_old_objects_do_not_pass_for_new_ones(filled):
    """Where a lost write leaves the old object of the same size, its ETag tells it from the new one."""
    keys = [*LOST, *SIZES]
    for key in keys:
        filled.destination.put(key, os.urandom(len(filled.source.get(key))), mtime=1.0)
    lose(filled, keys)
    check_lost(filled, filled.run(), keys, CHANGED)


def test_what_is_lost_fails_among_named_keys(filled):
    """Keys that come one by one are looked at too."""
    lose(filled, LOST)
    keys = (*LOST[::-1], "streamed", "k/001", "k/058", "zbig")
    ran = filled.run(scope=Scope(TaskType.OBJECT, keys))
    assert ran.codes() == dict.fromkeys(LOST, MISSING)
    assert ran.result.counters.seen == ran.result.counters.migrated == len(keys) - len(LOST)


def test_a_look_costs_one_listing(filled):
    """A run over an empty destination asks it for one listing, one more for each object in parts, and a HEAD about case."""
    filled.check_clean(filled.run())
    with_look = requests_of(filled.obs, filled.destination.name)
    filled.obs.create_bucket(filled.destination.name)
    filled.state.unlink()
    filled.obs.command("clear_log")
    ran = filled.run(settings=quick(closing_look=False))
    without = requests_of(filled.obs, filled.destination.name)
    assert with_look - without == {"ListObjects": 2, "HeadObject": 1}
    assert (ran.result.counters.seen, ran.result.counters.migrated) == (0, SMALL + 2)


def test_objects_that_stay_are_not_asked_for(filled):
    """A run in which nothing moves looks for nothing."""
    filled.run()
    filled.obs.command("clear_log")
    ran = filled.run()
    assert requests_of(filled.obs, filled.destination.name)["HeadObject"] <= 1  # whether the store folds case
    assert ran.result.counters.seen == 0


def test_stores_that_list_late_are_believed_by_head(filled):
    """Objects that the listing lacks for a while stand there when HEAD states them as they were written."""
    filled.obs.list_lag = 3600.0
    ran = filled.run()
    filled.check_clean(ran)
    assert ran.result.counters.seen == SMALL + 2


@pytest.mark.parametrize("denied", [{"ListObjects", "HeadObject"}, {"ListObjects"}, {"HeadObject"}], ids=sorted)
def test_what_may_not_be_looked_at_is_not_called_seen(filled, denied):
    """Where neither listing nor HEAD is permitted the run succeeds and says that nothing was seen; one of them suffices."""
    for operation in denied:
        rule = Match(operation=operation, bucket=filled.destination.name)
        after = 1 if operation == "ListObjects" else 0  # the preflight's
        filled.obs.faults.add(Fault(rule, Answer(403, "AccessDenied"), times=None, after=after))
    ran = filled.run(overwrite=OverwriteMode.FULL_OVERWRITE)
    filled.check_clean(ran)
    assert ran.result.counters.seen == (0 if len(denied) == 2 else SMALL + 2)


@pytest.mark.parametrize("denied", ["ListObjects", "HeadObject"])
def test_what_is_lost_fails_by_the_one_way_to_look(filled, denied):
    """Whichever of listing and HEAD is permitted, it notices what is not stored."""
    lose(filled, LOST)
    rule = Match(operation=denied, bucket=filled.destination.name)
    after = 1 if denied == "ListObjects" else 0
    filled.obs.faults.add(Fault(rule, Answer(403, "AccessDenied"), times=None, after=after))
    check_lost(filled, filled.run(overwrite=OverwriteMode.FULL_OVERWRITE), LOST)


def test_few_objects_among_many_others_are_asked_for_one_by_one(world):
    """A batch that is thinly spread over a full destination costs no more requests than objects, and a few."""
    others = [f"k/{number:05}/other" for number in range(6000)]
    world.destination.put_many((key, b"") for key in others)
    world.source.put_many((f"k/{number:05}/mine", os.urandom(100)) for number in range(0, 6000, 300))
    lose(world, ["k/00300/mine"])
    ran = world.run(overwrite=OverwriteMode.FULL_OVERWRITE)
    assert ran.codes() == {"k/00300/mine": MISSING}
    asked = requests_of(world.obs, world.destination.name)
    assert asked["ListObjects"] <= 3 + 20  # the preflight's included
    assert asked["HeadObject"] <= 2 + 2  # the lost one twice, two about case
    assert ran.result.counters.seen == 19


def test_what_somebody_changed_meanwhile_fails(filled):
    """An object that somebody replaced or deleted between its write and the look is not called migrated."""

    async def meddle(_migration):
        import asyncio

        done = set()
        while len(done) < 2:
            await asyncio.sleep(0.001)
            keys = set(filled.destination.keys())
            if "k/005" in keys and "k/005" not in done:
                filled.destination.put("k/005", b"another")
                done.add("k/005")
            if "k/006" in keys and "k/006" not in done:
                filled.destination.delete("k/006")
                done.add("k/006")

    filled.obs.faults.add(Fault(Match(operation="PutObject", key="k/059"), Answer(503, "SlowDown", retry_after=0.5)))
    ran = filled.run(meanwhile=meddle)
    assert ran.codes() == {"k/005": CHANGED, "k/006": MISSING}


def test_a_pause_during_the_look_loses_nothing(filled):
    """A run that is paused while it waits for a late store goes on later, and each key has one end."""
    lose(filled, LOST)

    async def pause(migration):
        import asyncio

        while sum(migration.progress.counters.migrated for _ in [0]) < SMALL:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        migration.pause()

    first = filled.run(settings=quick(look_again_seconds=60.0), meanwhile=pause)
    assert first.result.state is TaskState.PAUSED
    filled.obs.faults.clear()
    ran = filled.run(settings=QUICK)
    assert ran.counts == (SMALL + 2, SMALL + 2, 0, 0)
    filled.check_copy(ran)
    assert ran.result.counters.seen == SMALL + 2
