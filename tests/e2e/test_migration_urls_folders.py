"""Folders of object list files: one list of up to two thousand files, each key once."""

import pytest

from oms_adapters.sandbox import put_item
from oms_engine.model import TaskType
from oms_engine.task import Scope, TaskState
from support.urls import TEXT

SCOPE = Scope(TaskType.LIST, ("",), list_key="lists/")


def put_lists(world, files):
    """Store list files in the destination bucket."""
    world.destination.put_many(put_item(f"lists/{name}", text.encode(), headers=TEXT) for name, text in files.items())


def run(world, **fields):
    """Migrate what the folder's lists name."""
    return world.run(scope=SCOPE, list_store=world.open_destination, **fields)


def test_the_files_of_a_folder_are_one_list(world):
    """Files are read by the order of their names; keys that stand in several are migrated once and counted."""
    world.source.put_many((key, key.encode()) for key in ("a", "b c", "d", "e"))
    put_lists(world, {"1.txt": "a\nb+c\n", "2.txt": "d\na", "10.txt": "b%20c\nd\n", "x.csv": "e\n", "s/3.txt": "e\n"})
    ran = run(world)
    assert ran.counts == (3, 3, 0, 0)
    assert ran.result.duplicates == 3
    assert sorted(key for key in world.arrived() if not key.startswith("lists/")) == ["a", "b c", "d"]


def test_many_files_and_a_pause(world):
    """A pause in the midst of many files goes on in the right file: every key has one end."""
    names = [f"n/{number:05d}" for number in range(6000)]
    world.source.put_many((name, b"x") for name in names)
    put_lists(world, {f"{number:03d}.txt": "\n".join(names[number * 60 : number * 60 + 60]) for number in range(100)})

    async def pause(migration):
        import asyncio

        while migration.progress.counters.migrated < 2500:
            await asyncio.sleep(0.005)
        migration.pause()

    ran = run(world, meanwhile=pause)
    assert ran.result.state is TaskState.PAUSED
    assert ran.counts[1] >= 1000
    ran = run(world)
    assert ran.counts == (6000, 6000, 0, 0)
    world.check_copy(ran)


def test_a_file_that_changed_begins_the_list_anew(world):
    """Lines are counted in the files as they were: when one changes during a pause, none of its lines is passed over."""
    names = [f"n/{number:05d}" for number in range(3000)]
    world.source.put_many((name, b"x") for name in [*names, "late"])
    put_lists(world, {"1.txt": "\n".join(names[:1500]), "2.txt": "\n".join(names[1500:])})

    async def pause(migration):
        import asyncio

        while migration.progress.counters.migrated < 1200:
            await asyncio.sleep(0.005)
        migration.pause()

    assert run(world, meanwhile=pause).result.state is TaskState.PAUSED
    put_lists(world, {"0.txt": "late\n"})
    ran = run(world)
    assert ran.result.state is TaskState.SUCCEEDED
    assert ran.counts[0] == 3001
    assert "late" in world.arrived()


@pytest.mark.parametrize(
    ("files", "code"),
    [
        ({}, "TRF.0013"),
        ({"a.csv": "x"}, "TRF.0013"),
        ({"1.txt": "a\n", "2.txt": ""}, "TRF.0017"),
        ({f"{number:04d}.txt": "a\n" for number in range(2001)}, "OMS.0305"),
    ],
    ids=["nothing", "no lists", "an empty one", "too many"],
)
def test_a_bad_folder_ends_the_task(world, files, code):
    """No list, an empty one among them, or more than two thousand end the task with a code."""
    world.source.put_many([("a", b"x")])
    put_lists(world, files)
    ran = run(world, books=False)
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, code)
