"""Pausing takes less than five seconds, whatever a task waits for at that moment."""

import asyncio
import time

import pytest

from oms_worker.states import Task
from support.service import Service

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

OBJECTS = 60
SIZE = 100_000


@pytest.fixture
async def service(world, tmp_path):
    """A service whose process does not run yet."""
    opened = await Service(world, tmp_path, work={"hosts": 1, "connections_per_task": 2}).open()
    yield opened
    await opened.close()


async def moving(service, number):
    """Wait until a task has moved something."""
    deadline = time.monotonic() + 60
    while not (await service.tasks.show(service.caller, number)).complete_size:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("silent", ["source", "destination"])
async def test_a_store_that_falls_silent_in_the_middle(world, service, silent):
    """While requests under way get no answer, a stop pauses the task within seconds, and a start completes it."""
    world.source.put_many((f"{number:03}", bytes(SIZE)) for number in range(OBJECTS))
    world.obs.latency = 0.3
    number = await service.create()
    service.start()
    await moving(service, number)
    {"source": world.s3, "destination": world.obs}[silent].latency = 60.0
    await asyncio.sleep(1.0)  # all that is under way now waits for the silent store
    began = time.monotonic()
    await service.tasks.stop(service.caller, number)
    await service.until(number, Task.PAUSED)
    assert time.monotonic() - began < 15, "3 s and a little, on a machine with nothing else to do; silence lasts 60 s"
    world.s3.latency = world.obs.latency = 0.0
    await service.restart_task(number)
    row = await service.until(number, Task.SUCCEEDED, Task.FAILED, seconds=60)
    assert (row.status, row.total_num, row.failed_num) == (Task.SUCCEEDED, OBJECTS, 0)
    assert row.successful_num + row.skipped_num == OBJECTS
    copied = {key for key in list(world.destination.keys()) if not key.startswith("oms/")}
    assert copied == set(world.source.keys())
