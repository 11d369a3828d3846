"""Codes of tasks that nothing but a fault of the service itself brings about."""

import pytest
from sqlalchemy import update

from oms_worker.db.tables import task
from oms_worker.states import Task
from support.service import Service

pytestmark = [pytest.mark.e2e]


@pytest.fixture
async def service(world, tmp_path):
    """A service whose process does not run yet."""
    opened = await Service(world, tmp_path).open()
    yield opened
    await opened.close()


async def test_a_task_that_cannot_be_planned_fails_alone(world, service):
    """A damaged row is TRF.0001, told without its insides; the task behind it runs as if nothing had been."""
    world.source.put("key", b"bytes")
    broken, good = await service.create(), await service.create()
    async with service.database.write() as connection:
        await connection.execute(update(task).where(task.c.id == broken).values(request={"task_type": "prefix"}))
    service.start()
    row = await service.until(broken, Task.FAILED, Task.SUCCEEDED)
    assert (row.status, row.error_code) == (Task.FAILED, "TRF.0001")
    assert "src_node" not in row.error_msg
    assert (await service.until(good, Task.FAILED, Task.SUCCEEDED)).status == Task.SUCCEEDED
