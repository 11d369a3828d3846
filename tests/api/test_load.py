"""A service with many tasks at once, smaller than the benchmark's: pauses, and a kill, while they all move bytes."""

from __future__ import annotations

import os
import signal
import time

import pytest

from support.served import Served

RUNNING, TASKS, OBJECTS, STOPPED = 16, 24, 30, 5


@pytest.fixture
def busy(sandbox, tmp_path):
    """A service that runs sixteen tasks at once, in two hosts."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(
        tmp_path,
        clouds,
        quotas={"running_tasks": RUNNING},
        work={"hosts": 2, "tasks": RUNNING, "connections_per_task": 2, "memory_mib_per_task": 8},
    )
    served.users = served.add_users(alice={})
    served.start()
    yield served
    served.process.kill()
    served.process.wait()


class Caller:
    """Calls of the project's tasks."""

    def __init__(self, served):
        self.http = served.http("alice")
        self.path = f"/v2/{served.users.alice['project_id']}/tasks"

    def create(self, world, number):
        """Create a task into a folder of its own; return its id."""
        body = {
            "task_type": "prefix",
            "src_node": {**world.src_node, "object_key": [""]},
            "dst_node": {**world.dst_node, "save_prefix": f"task-{number}/"},
        }
        reply = self.http.post(self.path, json=body)
        assert reply.status_code == 200, reply.text
        return reply.json()["id"]

    def all(self):
        """All tasks by id."""
        page = self.http.get(self.path, params={"limit": 100}).json()
        assert page["count"] == len(page["tasks"])
        return {task["id"]: task for task in page["tasks"]}

    def until(self, right, seconds=60):
        """Wait until the tasks are as they should; return them."""
        deadline = time.monotonic() + seconds
        while not right(found := self.all()):
            assert time.monotonic() < deadline, [(task["status"], task["complete_size"]) for task in found.values()]
            time.sleep(0.2)
        return found


def of_status(tasks, *statuses):
    """The ids of tasks in some states."""
    return [number for number, task in tasks.items() if task["status"] in statuses]


def moving(tasks):
    """The ids of running tasks that have moved something."""
    return [number for number in of_status(tasks, 2) if tasks[number]["complete_size"]]


@pytest.mark.timeout(300)
def test_pauses_and_a_kill_under_load(busy, world):
    """No more run than may; paused ones stay paused over kill -9; the others go on; in the end each object is there."""
    for number in range(OBJECTS):
        world.source.put(f"object-{number}", b"x" * 1000)
    world.sandbox.s3.latency = 1.5  # so that none ends before it is killed
    caller = Caller(busy)
    made = [caller.create(world, number) for number in range(TASKS)]
    found = caller.until(lambda tasks: len(moving(tasks)) >= RUNNING)
    assert len(of_status(found, 2)) == RUNNING

    stopped = moving(found)[:STOPPED]
    asked = time.monotonic()
    for number in stopped:
        assert caller.http.post(f"{caller.path}/{number}/stop").status_code == 200
    found = caller.until(lambda tasks: not [number for number in stopped if tasks[number]["status"] == 7])
    assert time.monotonic() - asked < 30, "some 3 s on a machine with nothing else to do"
    assert [found[number]["status"] for number in stopped] == [3] * STOPPED
    caller.until(lambda tasks: len(of_status(tasks, 2)) == RUNNING)  # others have taken their places

    os.kill(busy.process.pid, signal.SIGKILL)
    busy.process.wait()
    busy.start()
    caller = Caller(busy)
    found = caller.all()
    assert [found[number]["status"] for number in stopped] == [3] * STOPPED
    assert not of_status(found, 4, 7)
    caller.until(lambda tasks: len(of_status(tasks, 2)) <= RUNNING and moving(tasks))

    world.sandbox.s3.latency = 0.0
    keys = {
        **{f"src_{name}": value for name, value in world.src_keys.items()},
        **{f"dst_{name}": value for name, value in world.dst_keys.items()},
    }
    for number in stopped:
        assert caller.http.post(f"{caller.path}/{number}/start", json=keys).status_code == 200
    found = caller.until(lambda tasks: of_status(tasks, 5) == list(tasks), seconds=120)
    assert sorted(found) == sorted(made)
    for task in found.values():
        assert (task["total_num"], task["failed_num"]) == (OBJECTS, 0)
        assert task["successful_num"] + task["skipped_num"] == OBJECTS
    copied = {key for key in world.destination.keys() if not key.startswith("oms/")}  # noqa: SIM118 - a bucket
    assert copied == {f"task-{task}/object-{number}" for task in range(TASKS) for number in range(OBJECTS)}
    assert "Traceback" not in busy.log
