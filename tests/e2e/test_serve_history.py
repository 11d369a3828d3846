"""What is kept of tasks that have ended: as little as a retry needs, whatever is killed when, until they are deleted."""

import asyncio
import os
import time

import pytest
import sqlalchemy as sa

from oms_adapters.sandbox import Answer, Fault, Match
from oms_worker import kept_ledgers
from oms_worker.db import kept, tables
from oms_worker.db import tasks as rows
from oms_worker.retention import AT_ONCE, Retention
from oms_worker.services.tasks import NewTask, add_task
from oms_worker.states import Task
from oms_worker.sweep import sweep
from support.databases import own_database, postgres_cluster
from support.service import Service

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

__all__ = ["own_database", "postgres_cluster"]

OBJECTS = 20


@pytest.fixture
async def service(world, tmp_path, own_database):
    """A service on each kind of database, whose process does not run yet."""
    settings = {"database": own_database} if own_database else {}
    opened = await Service(world, tmp_path, work={"hosts": 1}, **settings).open()
    yield opened
    await opened.close()


def files_of(service, number):
    """What lies on the disk of a task."""
    return sorted(path.name for path in service.settings.ledger_dir.glob(f"{number}.*"))


async def count(service, name, number):
    """How many rows a table has of a task."""
    table = tables.metadata.tables[name]
    async with service.database.read() as connection:
        query = sa.select(sa.func.count()).where(table.c.task_id == number)
        return (await connection.execute(query)).scalar_one()


async def until_gone(service, number):
    """Wait until a task has no files."""
    deadline = time.monotonic() + 20
    while files_of(service, number):
        assert time.monotonic() < deadline, files_of(service, number)
        await asyncio.sleep(0.05)


async def fail(world, service):
    """Run a task in which one object fails; return its number."""
    world.source.put_many((f"{number:03}", os.urandom(100)) for number in range(OBJECTS))
    world.s3.faults.add(Fault(Match(operation="GetObject", key="007"), Answer(403, "AccessDenied"), times=None))
    number = await service.create()
    service.start()
    row = await service.until(number, Task.FAILED, Task.SUCCEEDED)
    assert (row.status, row.failed_num) == (Task.FAILED, 1)
    return number


async def retry(world, service, number):
    """Run the failed object alone: the task succeeds."""
    world.s3.faults.clear()
    await service.restart_task(number, migrate_failed_object=True)
    row = await service.until(number, Task.FAILED, Task.SUCCEEDED)
    assert (row.status, row.error_code, row.failed_num) == (Task.SUCCEEDED, None, 0)
    assert set(world.destination.keys()) >= set(world.source.keys())


async def test_nothing_is_left_of_a_success(world, service):
    """A task that has succeeded has neither files nor a ledger any more, and its row answers as before."""
    world.source.put_many((f"{number:03}", os.urandom(100)) for number in range(OBJECTS))
    number = await service.create()
    service.start()
    row = await service.until(number, Task.FAILED, Task.SUCCEEDED)
    assert (row.status, row.successful_num, row.total_size) == (Task.SUCCEEDED, OBJECTS, OBJECTS * 100)
    await until_gone(service, number)
    assert await count(service, "ledger_task", number) == 0
    assert len(world.lists(row.name)["success"]) == OBJECTS


async def test_a_failure_keeps_what_its_retry_needs(world, service):
    """Of a failed task a few KB are kept, in the database; the failed objects are retried from there, and then it goes."""
    number = await fail(world, service)
    await until_gone(service, number)
    if service.database.on_sqlite:
        async with service.database.read() as connection:
            assert 0 < len((await kept.kept(connection, [number]))[number]) < 10_000
    await retry(world, service, number)
    await until_gone(service, number)
    assert await count(service, "kept_ledger", number) == 0
    assert await count(service, "ledger_task", number) == 0


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("step", range(5))
async def test_killed_while_it_shrinks(world, tmp_path, monkeypatch, step):
    """A process that is killed before any step of the shrinking loses nothing: the next start goes on, and a retry works."""
    service = await Service(world, tmp_path, work={"hosts": 1}).open()
    try:
        number = await fail(world, service)
        await until_gone(service, number)
        service.kill()
        folder = service.settings.ledger_dir
        async with service.database.write() as connection:
            content = (await kept.kept(connection, [number]))[number]
            await connection.execute(sa.delete(tables.kept_ledger))
        kept_ledgers.restore(folder, number, content)  # as it was before it shrank
        (folder / f"{number}.db.lock").touch()
        (folder / f"{number}.end").write_text("{}")
        left = [step]

        def kill(called):
            def stepped(*args, **kwargs):
                if left[0] == 0:
                    raise Killed
                left[0] -= 1
                return called(*args, **kwargs)

            return stepped

        with monkeypatch.context() as patched:
            patched.setattr(kept_ledgers, "packed", kill(kept_ledgers.packed))
            patched.setattr(kept, "keep", kill(kept.keep))
            patched.setattr(type(folder), "unlink", kill(type(folder).unlink))
            with pytest.raises(Killed):
                await sweep(service.database, folder, spare=())
        service.start()
        await until_gone(service, number)
        await retry(world, service, number)
    finally:
        await service.close()


async def test_a_kept_ledger_still_names_its_uploads(tmp_path):
    """What a deletion must abort is found in a kept ledger as in a file."""
    from oms_engine.ledger import Upload
    from oms_worker.leftovers import uploads_in_packs
    from oms_worker.sqlite_ledger import SqliteLedger

    ledger = SqliteLedger(tmp_path / "7.db")
    ledger.open_run(identity="i", rules="r", name="n", retry_failed=False)
    ledger.save_upload(Upload("big", "id-1", "etag", 100, 10))
    ledger.close()
    content = kept_ledgers.packed(tmp_path, 7)
    kept_ledgers.remove(tmp_path, 7)
    assert os.listdir(tmp_path) == []
    (left,) = uploads_in_packs(tmp_path, {7: content})
    assert (left.task_id, left.key, left.upload_id) == (7, b"big", "id-1")


async def test_ended_tasks_are_deleted_in_their_time(service):
    """Tasks that ended before ``task_days`` go with journal and all; younger and running ones and sub-tasks stay."""
    now = time.time()
    old = {"ended_at": now - 11 * 86_400, "status": int(Task.SUCCEEDED)}
    cases = [
        *[("NORMAL_TASK", old)] * (AT_ONCE + 1),
        ("NORMAL_TASK", {**old, "status": int(Task.FAILED)}),
        ("NORMAL_TASK", {**old, "ended_at": now - 9 * 86_400}),
        ("NORMAL_TASK", {"status": int(Task.PAUSED)}),
        ("NORMAL_TASK", {**old, "status": int(Task.MIGRATING)}),
        ("GROUP_TASK", old),
    ]
    made = []
    async with service.database.write() as connection:
        for kind, values in cases:
            new = NewTask({"dst_node": {"bucket": "b"}}, "a", "b", group_type=kind)
            row = await add_task(connection, None, service.caller.project_id, new, now, "test")
            await rows.set_task(connection, row.id, **values)
            made.append(row.id)

    async def note(connection, numbers):
        noted.extend(numbers)

    noted = []
    assert await Retention(service.database, 10.0, note).turn() == AT_ONCE + 2
    assert sorted(noted) == sorted(made[: AT_ONCE + 2])
    async with service.database.read() as connection:
        assert await rows.existing_ids(connection, made) == set(made[AT_ONCE + 2 :])
        subjects = (await connection.execute(sa.select(tables.event.c.subject).distinct())).scalars()
        assert set(subjects) == {f"task:{number}" for number in made[AT_ONCE + 2 :]}
