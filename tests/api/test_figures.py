"""The figures of tasks and groups while they run: bytes in flight count, totals are final, nothing runs backwards."""

from __future__ import annotations

import os
import signal

import pytest
from huaweicloudsdkoms import v2 as sdk

from oms_adapters.sandbox.faults import Answer, Fault, Match
from oms_engine.store import MIB
from support.figures import Readings
from support.groups import create_group
from support.served import Served, create, running

pytestmark = pytest.mark.timeout(180)

MIGRATING, PAUSED, FAILED, SUCCEEDED = 2, 3, 4, 5


def limited(rate):
    """A limit in bytes per second, all day."""
    return [sdk.BandwidthPolicyDto(start="00:00", end="23:59", max_bandwidth=rate)]


@pytest.fixture(scope="module")
def client(service):
    """Alice with the SDK."""
    return service.client(service.users.alice)


@pytest.fixture
def grouped(sandbox, own_database, tmp_path):
    """Alice with the SDK at a service that cuts groups into tasks of two objects."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(tmp_path, clouds, own_database, region="local", groups={"keys_per_task": 2})
    alice = served.add_users(alice={}).alice
    with running(served):
        yield served.client(alice)


def start(client, world, number, **fields):
    """Start a task with its keys."""
    client.start_task(sdk.StartTaskRequest(task_id=number, body=sdk.StartTaskReq(**world.keys, **fields)))


@pytest.mark.parametrize("task_type", ["prefix", "object"])
def test_one_large_object_moves_the_figures(client, world, task_type):
    """From the first figures on the total is that of the object, and its bytes in flight count."""
    size = 40 * MIB
    world.source.put("large", os.urandom(size))
    number = create(client, world, bandwidth_policy=limited(8 * MIB), task_type=task_type,
                    object_key=["" if task_type == "prefix" else "large"])  # fmt: skip
    readings = Readings(task=number)
    task = readings.until_status(client, FAILED, SUCCEEDED)
    assert (task.status, task.total_num, task.total_size, task.complete_size) == (SUCCEEDED, 1, size, size)
    stated = [now for now in readings.all if now.total_num]
    assert {now.total_size for now in stated} == {size}
    assert len({now.complete_size for now in readings.between}) > 2
    for now in readings.between:
        assert now.progress == pytest.approx(now.complete_size / size, abs=0.002)


def test_pause_and_resume_run_forward(client, world):
    """A task that stands still shows what it has reached, goes on from there, and ends with the exact sums."""
    bodies = {f"{n:02}": os.urandom(MIB) for n in range(10)} | {f"large-{n}": os.urandom(24 * MIB) for n in range(2)}
    world.source.put_many(bodies.items())
    size = sum(map(len, bodies.values()))
    number = create(client, world, bandwidth_policy=limited(4 * MIB))
    readings = Readings(task=number)
    for part in (6, 3):
        readings.until(client, lambda now, part=part: now.status == MIGRATING and now.complete_size > size / part)
        client.stop_task(sdk.StopTaskRequest(task_id=number))
        readings.until_status(client, PAUSED)
        start(client, world, number)
    task = readings.until_status(client, FAILED, SUCCEEDED)
    assert (task.status, task.total_num, task.successful_num) == (SUCCEEDED, 12, 12)
    assert (task.total_size, task.complete_size, task.real_size) == (size, size, size)
    assert max(now.progress for now in readings.between) > 0.5


def test_a_killed_process_goes_on_with_its_figures(sandbox, world, tmp_path):
    """The next process states no less than the one that was killed, though it knows only what was committed."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(tmp_path, clouds, region="local", work={"hosts": 1})
    alice = served.add_users(alice={}).alice
    served.start()
    try:
        size = 64 * MIB
        world.source.put_many((f"{n}", os.urandom(size // 4)) for n in range(4))
        client = served.client(alice)
        number = create(client, world, bandwidth_policy=limited(12 * MIB))
        readings = Readings(task=number)
        readings.until(client, lambda now: now.complete_size > size / 3)
        os.kill(served.process.pid, signal.SIGKILL)
        served.process.wait()
        served.start()
        task = readings.until_status(served.client(alice), FAILED, SUCCEEDED)
        assert (task.status, task.total_num, task.successful_num, task.complete_size) == (SUCCEEDED, 4, 4, size)
    finally:
        served.stop()


def failing(world, *names):
    """Let reads of these objects be refused until the faults are cleared."""
    for name in names:
        match = Match(bucket=world.source.name, operation="GetObject", key=name)
        world.sandbox.s3.faults.add(Fault(match, Answer(404, "NoSuchKey"), times=None))


def test_a_retry_of_failed_objects_keeps_the_totals(client, world):
    """A run through the failed objects alone states the totals of the task, and ends with the sums of all of it."""
    bodies = {f"{n}": os.urandom((n + 1) * 100_000) for n in range(8)}
    bodies["7"] = os.urandom(20 * MIB)
    size = sum(map(len, bodies.values()))
    world.source.put_many(bodies.items())
    failing(world, "2", "7")
    number = create(client, world)
    readings = Readings(task=number)
    task = readings.until_status(client, FAILED, SUCCEEDED)
    done = size - len(bodies["2"]) - len(bodies["7"])
    assert (task.status, task.total_num, task.successful_num, task.failed_num) == (FAILED, 8, 6, 2)
    assert (task.total_size, task.complete_size) == (size, done)
    world.sandbox.s3.faults.clear()
    client.update_bandwidth_policy(
        sdk.UpdateBandwidthPolicyRequest(
            task_id=number, body=sdk.UpdateBandwidthPolicyReq(bandwidth_policy=limited(6 * MIB))
        )
    )
    start(client, world, number, migrate_failed_object=True)
    again = Readings(task=number)
    task = again.until_status(client, FAILED, SUCCEEDED)
    assert {(now.total_num, now.total_size) for now in again.all} == {(8, size)}
    assert min(now.complete_size for now in again.all) >= done
    assert len({now.complete_size for now in again.between}) > 2
    assert (task.status, task.successful_num, task.failed_num, task.skipped_num) == (SUCCEEDED, 8, 0, 0)
    assert (task.complete_size, task.real_size) == (size, size)


def test_the_figures_of_a_group(grouped, world):
    """A group's sums grow with the bytes in flight of its tasks, through a pause; totals are whole once it is cut."""
    bodies = {f"{n}/large": os.urandom(24 * MIB) for n in range(2)} | {f"{n}/small": b"x" * 1000 for n in range(2)}
    world.source.put_many(bodies.items())
    size = sum(map(len, bodies.values()))
    group = create_group(grouped, world, bandwidth_policy=limited(6 * MIB))
    readings = Readings(group=group)
    readings.until(grouped, lambda now: now.complete_size > size / 6)
    grouped.stop_task_group(sdk.StopTaskGroupRequest(group_id=group))
    readings.until_status(grouped, 3)
    grouped.start_task_group(sdk.StartTaskGroupRequest(group_id=group, body=sdk.StartTaskGroupReq(**world.keys)))
    told = readings.until_status(grouped, 4, 5, 6, seconds=90)
    assert (told.status, told.total_num, told.success_num) == (6, 4, 4)
    assert (told.total_size, told.complete_size) == (size, size)
    assert {now.total_size for now in readings.all if now.status in {2, 3, 7}} == {size}
    assert len({now.complete_size for now in readings.between}) > 1


def test_a_group_that_retries_failed_objects(client, world):
    """Its totals stay those of the group while the failed objects of a task are tried again."""
    world.source.put_many((f"{n}", bytes(1000 + n)) for n in range(6))
    size = sum(1000 + n for n in range(6))
    failing(world, "3")
    group = create_group(client, world)
    first = Readings(group=group)
    told = first.until_status(client, 5)
    assert (told.total_num, told.success_num, told.fail_num) == (6, 5, 1)
    world.sandbox.s3.faults.clear()
    body = sdk.RetryTaskGroupReq(**world.keys, migrate_failed_object=True)
    client.retry_task_group(sdk.RetryTaskGroupRequest(group_id=group, body=body))
    again = Readings(group=group)
    told = again.until_status(client, 5, 6)
    assert {(now.total_num, now.total_size) for now in again.all} == {(6, size)}
    assert (told.status, told.success_num, told.fail_num, told.complete_size) == (6, 6, 0, size)
