"""An interrupted run does not go on over a destination that has lost what the run recorded as migrated."""

import asyncio
import os

import pytest

from oms_engine.model import TaskType
from oms_engine.task import Scope, TaskState
from support.migrations import quick

OBJECTS = 1600


@pytest.fixture
def filled(world):
    """Two pages of small objects."""
    world.source.put_many((f"k/{number:04}", os.urandom(50 + number % 7)) for number in range(OBJECTS))
    return world


async def pause(migration):
    """Pause once a page was migrated, and before the last."""
    while migration.progress.counters.migrated < 1050:
        await asyncio.sleep(0.001)
    migration.pause()


SLOW = quick(connections=8)
SCOPES = {
    "listed": Scope(),
    "ranges": Scope(TaskType.PREFIX, ("k/0", "k/10", "k/11")),
    "named": Scope(TaskType.OBJECT, tuple(f"k/{number:04}" for number in range(1599, -1, -1))),
}


def emptied(world):
    """The bucket was deleted and made anew."""
    world.obs.create_bucket(world.destination.name)


def half(world):
    """Every second object was deleted."""
    keys = [key for key in list(world.destination.keys()) if key.startswith("k/")]
    for key in keys[::2]:
        world.destination.delete(key)


def cut(world):
    """Every object was replaced by one of another size."""
    for key in list(world.destination.keys()):
        if key.startswith("k/"):
            world.destination.put(key, b"cut")


@pytest.mark.parametrize("lose", [emptied, half, cut], ids=lambda lose: lose.__name__)
@pytest.mark.parametrize("scope", SCOPES)
def test_what_was_recorded_is_sampled_before_a_run_goes_on(filled, scope, lose):
    """Where recorded objects are gone the run begins anew, says so, and no key stands in its lists twice."""
    first = filled.run(settings=SLOW, scope=SCOPES[scope], meanwhile=pause)
    assert first.result.state is TaskState.PAUSED
    assert first.result.counters.migrated
    lose(filled)
    if scope == "named" and lose is cut:
        return  # the lists were uploaded at the pause, and their sizes with them
    ran = filled.run(scope=SCOPES[scope], books=False)
    assert ran.result.state is TaskState.SUCCEEDED
    assert "began anew" in ran.result.note
    expected = 1200 if scope == "ranges" else OBJECTS
    assert ran.counts[0] == expected
    assert set(filled.lists(ran.result.name)["success"]) | set(filled.lists(ran.result.name)["skip"]) == {
        key for key in list(filled.source.keys()) if scope != "ranges" or key < "k/12"
    }
    for key in filled.lists(ran.result.name)["success"]:
        assert filled.destination.get(key) == filled.source.get(key)


def test_a_run_whose_copies_are_there_goes_on(filled):
    """Where every object that is asked for is there, the run goes on from its markers."""
    assert filled.run(settings=SLOW, meanwhile=pause).result.state is TaskState.PAUSED
    ran = filled.run()
    assert ran.result.note == ""
    filled.check_clean(ran)
    assert ran.counts == (OBJECTS, OBJECTS, 0, 0)
