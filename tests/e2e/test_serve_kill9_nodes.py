"""Two processes on one PostgreSQL: one is killed or frozen, the other takes its tasks over."""

import asyncio
import os
import signal

import pytest

from oms_worker.db.tasks import TaskFilter
from oms_worker.states import Task
from support.databases import postgres_cluster
from support.service import Service

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

__all__ = ["postgres_cluster"]

WAITING, MIGRATING, PAUSED, FAILED, SUCCEEDED, PAUSING = Task


@pytest.fixture
async def nodes(world, tmp_path, postgres_cluster):
    """Two services on one database and one data directory."""
    fields = {
        "database": postgres_cluster.create(),
        "quotas": {"running_tasks": 50},
        "work": {"hosts": 1, "dead_seconds": 3, "connections_per_task": 2},
    }
    made = [await Service(world, tmp_path, name=name, **fields).open() for name in "ab"]
    yield made
    for node in made:
        await node.close()


def fill(world):
    """Objects for a while."""
    world.source.put_many((f"{number % 5}/{number:04}", os.urandom(500)) for number in range(400))
    world.obs.latency = 0.4


async def check_all(world, service, numbers):
    """Every task moved its eighty objects, each once."""
    for number in numbers:
        row = await service.until(number, FAILED, SUCCEEDED, seconds=60)
        assert (row.status, row.total_num, row.successful_num, row.skipped_num) == (SUCCEEDED, 80, 80, 0), row
        assert len(world.lists(row.name)["success"]) == 80


async def owners(service, numbers):
    """Return who runs these tasks."""
    rows = [await service.tasks.show(service.caller, number) for number in numbers]
    return {row.owner for row in rows if row.owner}


async def test_a_killed_node_is_taken_over(world, nodes):
    """The tasks of a killed process go on in the other within seconds, from their segments, with right counters."""
    first, second = nodes
    fill(world)
    first.start()
    numbers = [await first.create(object_key=[f"{number}/"]) for number in range(5)]
    for number in numbers:
        await first.until(number, MIGRATING)
    before = await owners(first, numbers)
    second.start()
    await asyncio.sleep(0.5)
    first.kill()
    world.obs.latency = 0.0
    await check_all(world, second, numbers)
    assert len(before) == 1
    journals = [await second.journal(number) for number in numbers]
    assert any("2>1" in journal for journal in journals)


async def test_a_frozen_node_changes_nothing(world, nodes):
    """A process that stands still is taken for dead; when it goes on it lets go of what is not its any more."""
    first, second = nodes
    fill(world)
    first.start()
    number = await first.create(object_key=["0/"])
    await first.until(number, MIGRATING)
    second.start()
    for pid in (first.process.pid, *first.hosts):
        os.kill(pid, signal.SIGSTOP)
    before = await first.tasks.show(first.caller, number)
    deadline = asyncio.get_running_loop().time() + 20
    while (row := await second.tasks.show(second.caller, number)).owner == before.owner:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.05)
    assert row.generation >= before.generation
    world.obs.latency = 0.0
    for pid in (first.process.pid, *first.hosts):
        os.kill(pid, signal.SIGCONT)
    await check_all(world, second, [number])
    assert first.process.poll() is None
    assert first.shut_down() == 0


async def test_quota_over_two_nodes(world, nodes):
    """The quota of a project holds over both nodes together, and both take part."""
    for node in nodes:
        node.place["settings"]["quotas"] = {"running_tasks": 3}
        node.place["settings"]["work"]["tasks"] = 2
        node.start()
    fill(world)
    for number in range(20):
        await nodes[0].create(object_key=[f"{number % 5}/{number:04}"])
    everything = TaskFilter(nodes[0].caller.project_id, limit=100)
    seen = set()
    while True:
        rows = (await nodes[0].tasks.list(nodes[0].caller, everything)).tasks  # one statement: all at one moment
        assert sum(row.status == MIGRATING for row in rows) <= 3
        seen |= {row.owner for row in rows if row.owner}
        if all(row.status == SUCCEEDED for row in rows):
            break
        await asyncio.sleep(0.05)
    assert (len(rows), len(seen)) == (20, 2)
