"""The database under many callers: writers take turns, and what is asked for most is answered from an index."""

import asyncio

import pytest
from sqlalchemy import text

from oms_worker.db import tasks as rows
from oms_worker.db.tasks import TaskFilter

PAGE = TaskFilter("p", limit=10)


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""PostgreSQL has many writers at once, and plans by its statistics."""


@on_sqlite
async def test_writers_take_turns_in_order(database):
    """Twenty writers of one process on SQLite: each gets its turn, first come, first served."""
    served = []

    async def write(number):
        async with database.write() as connection:
            await connection.execute(text("UPDATE task SET name = name"))
            served.append(number)

    await asyncio.gather(*(write(number) for number in range(20)))
    assert served == list(range(20))


async def test_a_reader_does_not_wait_for_a_writer(database):
    """While a transaction that writes is open, others read what was there before it."""
    async with database.write() as writing:
        await writing.execute(text("DELETE FROM node"))
        async with asyncio.timeout(10), database.read() as reading:
            assert (await rows.find_tasks(reading, PAGE)).count == 0


@on_sqlite
@pytest.mark.parametrize(
    ("query", "index"),
    [
        ("SELECT * FROM task WHERE project_id = 'p' ORDER BY created_at DESC, id DESC LIMIT 10", "project_created"),
        ("SELECT count(*) FROM task WHERE project_id = 'p' AND status = 1", ""),
        ("SELECT project_id, count(*) FROM task WHERE status IN (2, 7) GROUP BY project_id", "status"),
        ("SELECT id FROM task WHERE owner = 'n'", "owner"),
        ("SELECT id FROM task WHERE ended_at < 1.0 AND status + 0 IN (4, 5) ORDER BY ended_at LIMIT 9", "ended"),
        ("SELECT id FROM task WHERE sync_task_id > '' AND sync_task_id NOT IN (SELECT id FROM sync_task)", "sync"),
    ],
)
async def test_what_is_asked_for_most_has_an_index(database, query, index):
    """Neither a page of newest tasks nor the scheduler's questions read the whole table or sort it."""
    async with database.read() as connection:
        plan = " ".join(row[3] for row in await connection.execute(text(f"EXPLAIN QUERY PLAN {query}")))
    assert f"ix_task_{index}" in plan
    assert "SCAN task" not in plan
    assert "ORDER BY" not in plan
