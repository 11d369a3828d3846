"""A process that runs tasks is killed, stopped and started: tasks go on from where they were, every number right."""

import asyncio
import os
import random
import signal
import time
from itertools import pairwise

import pytest

from oms_adapters.sandbox import Answer, Fault, Match
from oms_engine.model import Secret
from oms_engine.store import MIB
from oms_worker.db import tasks as rows
from oms_worker.db.tasks import TaskFilter
from oms_worker.states import Task
from support.service import Service

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

WAITING, MIGRATING, PAUSED, FAILED, SUCCEEDED, PAUSING = Task


@pytest.fixture
async def service(world, tmp_path):
    """A service whose process does not run yet."""
    opened = await Service(
        world, tmp_path, quotas={"running_tasks": 50}, work={"hosts": 1, "connections_per_task": 4}
    ).open()
    yield opened
    await opened.close()


def fill(world, *, latency=0.1):
    """Small objects and large ones; a destination that takes its time."""
    world.source.put_many((f"{number % 5}/{number:04}", os.urandom(500 + number)) for number in range(400))
    world.source.put_many((f"7/streamed{number}", os.urandom(2 * MIB)) for number in range(3))
    world.source.put_many((f"8/big{number}", os.urandom(50 * MIB)) for number in range(2))
    world.obs.latency = latency


SIZE = sum(500 + number for number in range(400)) + 106 * MIB


def check_whole(world, row, *, objects=405, size=SIZE):
    """Everything arrived once, and row and lists say so."""
    assert (row.status, row.error_code) == (SUCCEEDED, None)
    assert (row.total_num, row.successful_num, row.skipped_num, row.failed_num) == (objects, objects, 0, 0)
    assert (row.total_size, row.complete_size, row.real_size) == (size, size, size)
    assert (row.progress, row.is_query_over, row.left_time_ms, row.owner) == (1.0, True, 0, None)
    assert row.migrate_speed == row.complete_size * 1000 // row.spent_ms
    lists = world.lists(row.name)
    assert set(lists["success"]) == set(world.source.keys())
    assert lists["skip"] == lists["failed"] == {}
    assert all(world.destination.get(key) == world.source.get(key) for key in lists["success"])


@pytest.mark.parametrize("seed", [2])
async def test_killed_at_random_moments(world, service, seed):
    """Killed with SIGKILL again and again, a task ends as succeeded with every object counted and listed once."""
    fill(world)
    dice = random.Random(seed)
    number = await service.create()
    for _ in range(5):
        service.start()
        await asyncio.sleep(dice.uniform(0.2, 2.5))
        service.kill()
    world.obs.latency = 0.0
    service.start()
    row = await service.until(number, FAILED, SUCCEEDED)
    check_whole(world, row)
    assert row.generation >= 3  # it was killed while it ran, more than once
    journal = await service.journal(number)
    assert journal[0] == ">1"
    assert journal[-1] == "2>5"
    assert all(a.partition(">")[2] == b.partition(">")[0] for a, b in pairwise(journal))


async def _held_with_all_done(world, service):
    """Start a task of fifty objects of 100 bytes that is kept in state 2; return its id once all of them are moved."""
    world.source.put_many((f"{number:03}", os.urandom(100)) for number in range(50))
    service.place["settings"]["minimum_task_seconds"] = 60
    number = await service.create()
    service.start()
    deadline = time.monotonic() + 20
    while (await service.tasks.show(service.caller, number)).successful_num < 50:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    return number


async def test_killed_while_its_end_is_held_back(world, service):
    """A task whose objects are all moved and whose state is still 2 ends with the same numbers after a kill."""
    number = await _held_with_all_done(world, service)
    await asyncio.sleep(1.5)
    assert (await service.tasks.show(service.caller, number)).status == MIGRATING
    service.kill()
    service.place["settings"]["minimum_task_seconds"] = 0
    service.start()
    check_whole(world, await service.until(number, FAILED, SUCCEEDED), objects=50, size=5000)


async def test_stop_and_start(world, service):
    """A stopped task says 7 at once and 3 within five seconds, keeps no credentials, and goes on when started."""
    fill(world)
    number = await service.create()
    service.start()
    await service.until(number, MIGRATING)
    await asyncio.sleep(1.0)
    began = time.monotonic()
    await service.tasks.stop(service.caller, number)
    assert (await service.tasks.show(service.caller, number)).status in {PAUSING, PAUSED}
    paused = await service.until(number, PAUSED)
    assert time.monotonic() - began < 5
    assert await service.kept(number) is None
    spent = paused.spent_ms
    await asyncio.sleep(0.5)
    await service.restart_task(number)
    world.obs.latency = 0.0
    row = await service.until(number, FAILED, SUCCEEDED)
    check_whole(world, row)
    assert row.spent_ms > spent
    assert row.started_at == paused.started_at
    assert await service.journal(number) == [">1", "1>2", "2>7", "7>3", "3>1", "1>2", "2>5"]
    assert await service.kept(number) is None


async def test_stop_while_nothing_answers(world, service):
    """A task whose store does not answer pauses within five seconds too."""
    fill(world, latency=0.0)
    world.s3.latency = 30.0
    number = await service.create()
    service.start()
    await service.until(number, MIGRATING)
    await asyncio.sleep(0.5)
    began = time.monotonic()
    await service.tasks.stop(service.caller, number)
    await service.until(number, PAUSED)
    assert time.monotonic() - began < 5.5
    world.s3.latency = 0.0
    await service.restart_task(number)
    check_whole(world, await service.until(number, FAILED, SUCCEEDED))


async def test_killed_while_pausing(world, service):
    """A task that was pausing when its process was killed has paused after the restart."""
    fill(world)
    number = await service.create()
    service.start()
    await service.until(number, MIGRATING)
    await asyncio.sleep(0.8)
    service.kill()
    await service.tasks.stop(service.caller, number)
    service.start()
    row = await service.until(number, PAUSED)
    assert row.owner is None
    await service.restart_task(number)
    world.obs.latency = 0.0
    check_whole(world, await service.until(number, FAILED, SUCCEEDED))


async def test_a_host_is_killed(world, service):
    """When a task host dies its tasks go on in another one, and the service stays up."""
    fill(world)
    numbers = [await service.create(object_key=[prefix]) for prefix in ("0/", "1/", "7/")]
    service.start()
    for number in numbers:
        await service.until(number, MIGRATING)
    await asyncio.sleep(0.6)
    os.kill(service.hosts[0], signal.SIGKILL)
    world.obs.latency = 0.0
    for number, objects in zip(numbers, (80, 80, 3), strict=True):
        row = await service.until(number, FAILED, SUCCEEDED)
        assert (row.status, row.total_num, row.successful_num) == (SUCCEEDED, objects, objects)
        assert row.generation >= 2 or objects == 3  # the short one may have ended before the kill
    assert service.process.poll() is None


async def test_graceful_shutdown_parks(world, service):
    """SIGTERM parks what does not end in time: the task waits, owned by nobody, and goes on after the restart."""
    fill(world)
    service.place["settings"]["shutdown_seconds"] = 0.2
    number = await service.create()
    service.start()
    await service.until(number, MIGRATING)
    await asyncio.sleep(0.8)
    assert service.shut_down() == 0
    row = await service.tasks.show(service.caller, number)
    assert (row.status, row.owner) == (WAITING, None)
    assert await service.kept(number) is not None
    world.obs.latency = 0.0
    service.start()
    check_whole(world, await service.until(number, FAILED, SUCCEEDED))


async def test_graceful_shutdown_drains(world, service):
    """SIGTERM lets a task end that needs only a moment."""
    world.source.put_many((f"{number:03}", os.urandom(100)) for number in range(200))
    world.obs.latency = 0.05
    service.place["settings"]["shutdown_seconds"] = 90.0
    number = await service.create()
    service.start()
    await service.until(number, MIGRATING)
    while not list(world.destination.keys()):  # a task that has not begun goes back to the queue instead
        await asyncio.sleep(0.02)
    assert service.shut_down() == 0
    check_whole(world, await service.tasks.show(service.caller, number), objects=200, size=20_000)


async def test_failed_objects_are_retried_alone(world, service):
    """Failed objects make the task 4 with TRF.0062; migrate_failed_object moves them alone and counts all of the task."""
    world.source.put_many((f"{number:03}", os.urandom(100)) for number in range(50))
    world.s3.faults.add(Fault(Match(operation="GetObject", key="007"), Answer(403, "AccessDenied"), times=None))
    number = await service.create()
    service.start()
    row = await service.until(number, FAILED, SUCCEEDED)
    assert (row.status, row.error_code, row.successful_num, row.failed_num) == (FAILED, "TRF.0062", 49, 1)
    world.s3.faults.clear()
    await service.restart_task(number, migrate_failed_object=True)
    row = await service.until(number, FAILED, SUCCEEDED)
    assert (row.status, row.total_num, row.successful_num, row.skipped_num) == (SUCCEEDED, 50, 50, 0)


async def test_wrong_credentials_fail_and_good_ones_mend(world, service):
    """A wrong secret key ends the task with TRF.0151 and no secret in its message; the next start goes through."""
    world.source.put_many((f"{number:03}", os.urandom(100)) for number in range(50))
    number = await service.create(secrets={**service.secrets, "src_node.sk": Secret("wrong-secret")})
    service.start()
    row = await service.until(number, FAILED, SUCCEEDED)
    assert (row.status, row.error_code) == (FAILED, "TRF.0151")
    assert "wrong-secret" not in row.error_msg
    await service.restart_task(number)
    check_whole(world, await service.until(number, FAILED, SUCCEEDED), objects=50, size=5000)


async def test_what_deleted_tasks_leave(world, service):
    """The ledger of a deleted task goes from the disk."""
    fill(world, latency=0.3)
    number = await service.create()
    service.start()
    await service.until(number, MIGRATING)
    folder = service.settings.ledger_dir
    while not list(folder.glob(f"{number}.*")):
        await asyncio.sleep(0.02)
    await service.tasks.stop(service.caller, number)
    await service.until(number, PAUSED)
    assert list(folder.glob(f"{number}.*"))
    world.obs.latency = 0.0
    await service.tasks.delete(service.caller, number)
    service.kill()
    service.start()
    deadline = time.monotonic() + 10
    while list(folder.glob(f"{number}.*")):
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_many_tasks_under_a_quota(world, service):
    """Thirty tasks with a quota of four all end, never more than four at once."""
    world.source.put_many((f"{number:02}/{key}", os.urandom(100)) for number in range(30) for key in range(10))
    service.place["settings"]["quotas"] = {"running_tasks": 4}
    for number in range(30):
        await service.create(object_key=[f"{number:02}/"])
    everything = TaskFilter(service.caller.project_id, limit=100)
    service.start()
    most = 0
    deadline = time.monotonic() + 60
    while True:
        rows = (await service.tasks.list(service.caller, everything)).tasks  # one statement: all at one moment
        most = max(most, sum(row.status == MIGRATING for row in rows))
        if all(row.status == SUCCEEDED for row in rows):
            break
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)
    assert len(rows) == 30
    assert 1 <= most <= 4
    assert {(row.total_num, row.successful_num) for row in rows} == {(10, 10)}


async def test_percent_while_listing(world, service):
    """Totals are whole and the percent is right while the migration has listed only a part."""
    world.source.put_many((f"{number:05}", b"x" * 100) for number in range(12_000))
    service.place["settings"]["work"] = {"hosts": 1, "connections_per_task": 4}
    world.obs.latency = 0.02
    number = await service.create()
    service.start()
    deadline = time.monotonic() + 30
    while not (row := await service.tasks.show(service.caller, number)).is_query_over:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert row.status == MIGRATING
    assert (row.total_num, row.total_size) == (12_000, 1_200_000)
    assert row.complete_size < row.total_size
    assert row.progress == pytest.approx(row.complete_size / row.total_size, abs=0.01)
    assert row.left_time_ms > 0
    await service.tasks.stop(service.caller, number)
    await service.until(number, PAUSED)


async def test_a_stop_reaches_three_though_all_is_done(world, service):
    """A stop that comes when every object is moved ends in 3; the next start ends at once, with the true numbers."""
    number = await _held_with_all_done(world, service)
    await service.tasks.stop(service.caller, number)
    row = await service.until(number, PAUSED, seconds=5)
    assert (row.successful_num, row.error_code) == (50, None)
    service.kill()
    service.place["settings"]["minimum_task_seconds"] = 0
    service.start()
    world.obs.clear_log()
    await service.restart_task(number)
    check_whole(world, await service.until(number, FAILED, SUCCEEDED), objects=50, size=5000)
    assert not [entry for entry in world.obs.log if entry.operation == "PutObject"]


async def test_bandwidth_changes_while_it_runs(world, service):
    """A limit set on a running task slows it down within seconds, and lifting it lets it end."""
    world.source.put_many((f"{number}", os.urandom(2 * MIB)) for number in range(40))
    number = await service.create(bandwidth_policy=[{"start": "00:00", "end": "23:59", "max_bandwidth": MIB}])
    service.start()
    await service.until(number, MIGRATING)
    await asyncio.sleep(4)
    slow = await service.tasks.show(service.caller, number)
    assert slow.status == MIGRATING
    assert slow.complete_size <= 12 * MIB
    await service.tasks.set_bandwidth(service.caller, number, [])
    row = await service.until(number, FAILED, SUCCEEDED)
    check_whole(world, row, objects=40, size=80 * MIB)
    assert row.spent_ms < 40_000


async def test_without_credentials(world, service):
    """A waiting task whose credentials are gone fails with TRF.0151 and says what to do."""
    world.source.put("a", b"a")
    number = await service.create(secrets={})
    service.start()
    row = await service.until(number, FAILED, SUCCEEDED)
    assert (row.status, row.error_code) == (FAILED, "TRF.0151")
    assert "start it with credentials" in row.error_msg


async def test_waited_for_thirty_days(world, service):
    """A task that has waited for more than 30 days fails with TRF.0003, and its credentials are gone."""
    number = await service.create()
    async with service.database.write() as connection:
        row = await rows.get_task(connection, number)
        await rows.set_task(connection, number, queued_at=row.queued_at - 30 * 86_400 - 60)
    service.start()
    row = await service.until(number, FAILED, SUCCEEDED)
    assert (row.status, row.error_code) == (FAILED, "TRF.0003")
    assert await service.kept(number) is None
