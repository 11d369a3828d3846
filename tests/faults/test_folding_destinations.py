"""Stores that take several keys for one: what loses is named, what is called migrated stands there, now and later."""

import os

import pytest

from oms_engine.model import OverwriteMode, TaskType
from oms_engine.task import Scope
from support.migrations import quick

FOLDED = "CHECK_DST_OBJ_CHANGED_FAILURE"
KEYS = {
    "path": ["a", "d/x", "d//x", "d///x", "d/-x", "lead", "/lead", "only//here", "z/./y", "z/y"],
    "case": ["Lead", "lead", "LEAD", "a/Photo.JPG", "a/photo.jpg", "plain", "d/d"],
    "form": ["caf\u00e9", "cafe\u0301", "plain"],
}
LOSERS = {"path": 5, "case": 3, "form": 1}


def good(world, ran):
    """Hold the lists against what the destination answers; return the keys that are right there."""
    lists = ran.lists
    assert set(lists["success"]) | set(lists["skip"]) | set(lists["failed"]) == set(world.source.keys())
    right = [*lists["success"], *lists["skip"]]
    for key in right:
        assert world.destination.get(key) == world.source.get(key), key
    return right


@pytest.mark.parametrize("mode", list(OverwriteMode), ids=lambda mode: mode.name)
@pytest.mark.parametrize("fold", KEYS)
def test_what_is_called_migrated_stands_there(world, fold, mode):
    """Keys that fold fail but for one, which stays right run after run."""
    for key in KEYS[fold]:
        world.source.put(key, os.urandom(100))
    world.source.put_many((f"fill/{number:03}", os.urandom(10)) for number in range(50))
    world.obs.fold = fold
    first = world.run(overwrite=mode)
    right = good(world, first)
    assert len(first.codes()) == LOSERS[fold]
    assert set(first.codes().values()) == {FOLDED}
    stored = {key: item.etag for key, item in world.arrived().items()}
    second = world.run(overwrite=mode)
    assert set(good(world, second)) == set(right)
    assert {key: item.etag for key, item in world.arrived().items()} == stored


@pytest.mark.parametrize("fold", ["path", "case"])
def test_aliases_of_later_pages_overwrite_nothing(world, fold):
    """A key whose alias was written a page before is not written over it, and what was lost in between is copied anew.

    Where both are written at once, the first may be found overwritten before its alias is known: then both are named.
    """
    pairs = {"path": ("d//x", "d/x"), "case": ("Zed", "zed")}[fold]
    world.source.put_many((key, os.urandom(100)) for key in pairs)
    world.source.put_many((f"d/.{number:04}", b"x") for number in range(2100))
    world.obs.fold = fold
    for lost in ({1, 2}, {1}):
        ran = world.run(settings=quick(processes=1))
        right = good(world, ran)
        assert len(ran.codes()) in lost
        assert set(ran.codes()) == set(pairs) - set(right)


def test_single_objects_of_distant_pages_that_fold_are_found(world):
    """Two names of one object, each the only one of its page that is written, never both count as migrated."""
    world.source.put_many((f"d/.{number:04}", b"x") for number in range(2100))
    world.obs.fold = "case"
    assert not world.run(settings=quick(processes=1)).codes()
    for _ in range(12):
        world.source.put_many((key, os.urandom(100)) for key in ("Zed", "zed"))
        ran = world.run(settings=quick(processes=1))
        good(world, ran)
        assert ran.codes()
        world.destination.delete(next(key for key in sorted(world.destination.keys()) if key.lower() == "zed"))


@pytest.mark.parametrize("fold", KEYS)
def test_named_keys_that_fold_fail_too(world, fold):
    """Keys that come one by one are judged as listed ones are."""
    for key in KEYS[fold]:
        world.source.put(key, os.urandom(100))
    world.obs.fold = fold
    for _ in range(2):
        ran = world.run(scope=Scope(TaskType.OBJECT, tuple(KEYS[fold]), exact=True))
        good(world, ran)
        assert len(ran.codes()) == LOSERS[fold]


def test_odd_keys_of_exact_stores_arrive(world):
    """A store that keeps keys byte for byte takes all of them, also where its listing is late."""
    keys = [key for keys in KEYS.values() for key in keys] + ["a/", "d//", "t/", ".", "..", "a\\b"]
    for key in keys:
        world.source.put(key, os.urandom(100))
    world.check_clean(world.run())
    world.obs.create_bucket(world.destination.name)
    world.state.unlink()
    world.obs.list_lag = 3600.0
    world.check_clean(world.run())
