"""Processes that upload in parts are killed between any two steps, with their state or without: nothing stays open."""

import os
import time

import pytest

from e2e.test_kill9_migration import Driver, ended
from oms_adapters.sandbox import Delay, Fault, Match
from oms_engine.store import MIB

pytestmark = pytest.mark.e2e

NOTE = "oms/task/open_uploads/*"
LATE = 30.0
"""Seconds by which a reply is late: the process is killed long before."""

STEPS = {
    "before the note": Fault(Match(operation="PutObject", key=NOTE), Delay(LATE)),
    "before the opening": Fault(Match(operation="CreateMultipartUpload"), Delay(LATE)),
    "opened, not heard": Fault(Match(operation="CreateMultipartUpload"), Delay(LATE, within_body=True)),
    "before the second note": Fault(Match(operation="PutObject", key=NOTE), Delay(LATE), after=1),
    "before a part": Fault(Match(operation="UploadPart", part=1), Delay(LATE)),
    "amid the parts": Fault(Match(operation="UploadPart", part=3), Delay(LATE)),
    "before the join": Fault(Match(operation="CompleteMultipartUpload"), Delay(LATE)),
    "joined, not heard": Fault(Match(operation="CompleteMultipartUpload"), Delay(LATE, within_body=True)),
    "before the note goes": Fault(Match(operation="DeleteObject", key=NOTE), Delay(LATE)),
}


def killed_at(world, fault, processes):
    """Start a migration, and kill it once it waits for this reply and the destination has nothing else to do."""
    number = world.obs.faults.add(fault)
    running = Driver(world, processes=processes)
    deadline = time.monotonic() + 60
    while not world.obs.faults.hits(number):
        assert running.process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    time.sleep(0.2)  # what else is under way may arrive, or not: both must do
    assert running.kill()
    world.obs.faults.clear()


def lose_state(world):
    """Remove everything the migration remembers on this machine."""
    for path in world.directory.glob("state.sqlite*"):
        if path.is_file():
            path.unlink()
        else:
            for inner in path.iterdir():
                inner.unlink()
            path.rmdir()


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("lost", [False, True], ids=["state kept", "state lost"])
@pytest.mark.parametrize("step", STEPS)
def test_killed_between_any_two_steps(world, step, lost, processes):
    """The next run leaves no upload, no note and a whole copy, wherever the process died and whatever is remembered."""
    if processes > 1 and lost and step not in {"opened, not heard", "amid the parts"}:
        processes = 1
    world.source.put("big", os.urandom(40 * MIB))
    killed_at(world, STEPS[step], processes)
    if lost:
        lose_state(world)
    code, result = Driver(world, processes=processes).finish()
    assert (code, result["open_uploads"]) == (0, 0)
    ended(world)
    world.check_uploads()
    assert world.destination.get("big") == world.source.get("big")


def test_a_task_that_was_killed_twice_without_its_state(world):
    """Each life that was lost left a note of its own: one run clears them all."""
    world.source.put("big", os.urandom(40 * MIB))
    for _ in range(2):
        killed_at(world, STEPS["amid the parts"], 1)
        lose_state(world)
    assert len(world.destination.uploads()) == 2
    assert Driver(world).finish()[0] == 0
    ended(world)
    world.check_uploads()
