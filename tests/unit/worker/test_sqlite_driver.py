"""The SQLite driver: statements run on the event loop, and nothing that takes long keeps it."""

import asyncio
import sqlite3
import threading

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from oms_engine.errors import RepositoryError
from oms_worker.db import engine
from oms_worker.db.engine import open_database

LONG = "SELECT count(*) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :most) SELECT i FROM n)"


@pytest.fixture
async def database(tmp_path):
    """A database with one table."""
    opened = open_database(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    async with opened.write() as connection:
        await connection.execute(text("CREATE TABLE word (id INTEGER PRIMARY KEY, text TEXT)"))
    yield opened
    await opened.close()


async def turns_until(work):
    """Do ``work``; return its result and how often the event loop turned meanwhile."""
    task, turns = asyncio.ensure_future(work), 0
    while not task.done():
        turns += 1
        await asyncio.sleep(0)
    return task.result(), turns


async def scalar(database, sql, **values):
    """Read one value."""
    async with database.read() as connection:
        return (await connection.execute(text(sql), values)).scalar_one()


async def test_a_long_query_leaves_the_event_loop_alone(database):
    """A query of a million rows is answered rightly, and the loop turns hundreds of times meanwhile."""
    found, turns = await turns_until(scalar(database, LONG, most=1_000_000))
    assert found == 1_000_000
    assert turns > 300


async def test_a_short_query_needs_no_thread(database):
    """A small query ends without waiting for anything: the loop hardly turns."""
    await scalar(database, LONG, most=10)
    names = {thread.name for thread in threading.enumerate()}
    found, turns = await turns_until(scalar(database, LONG, most=100))
    assert (found, {thread.name for thread in threading.enumerate()}) == (100, names)
    assert turns < 20


async def test_a_lock_of_another_process_is_waited_for_asleep(database, tmp_path):
    """While another holds the write lock the loop goes on; when it lets go, the write is done."""
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")

    async def write():
        async with database.write() as connection:
            await connection.execute(text("INSERT INTO word (text) VALUES ('a')"))

    task = asyncio.ensure_future(write())
    for _ in range(20):
        await asyncio.sleep(0.005)
    assert not task.done()
    other.execute("COMMIT")
    other.close()
    await task
    assert await scalar(database, "SELECT count(*) FROM word") == 1


async def test_a_lock_that_is_never_given_back_is_an_error(tmp_path, monkeypatch):
    """After the time that it waits, the call fails in words of ours."""
    monkeypatch.setattr(engine, "BUSY_SECONDS", 0.1)
    opened = open_database(f"sqlite+aiosqlite:///{tmp_path}/x.db")
    other = sqlite3.connect(tmp_path / "x.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(RepositoryError, match="locked"):
        async with opened.write():
            raise AssertionError("began although another writes")
    other.close()
    await opened.close()


@settings(deadline=None, max_examples=25)
@given(numbers=st.lists(st.tuples(st.integers(0, 40), st.booleans()), min_size=1, max_size=12))
def test_commits_and_rollbacks_are_what_they_say(tmp_path_factory, numbers):
    """Rows of transactions that commit are there, those of transactions that fail are not, in any order."""
    folder = tmp_path_factory.mktemp("x")

    async def run():
        opened = open_database(f"sqlite+aiosqlite:///{folder}/x.db")
        async with opened.write() as connection:
            await connection.execute(text("CREATE TABLE word (n INTEGER)"))
        for number, kept in numbers:
            try:
                async with opened.write() as connection:
                    rows = [{"n": value} for value in range(number)]
                    if rows:
                        await connection.execute(text("INSERT INTO word VALUES (:n)"), rows)
                    if not kept:
                        raise KeyError
            except KeyError:
                pass
        found = await scalar(opened, "SELECT count(*) FROM word")
        await opened.close()
        return found

    assert asyncio.run(run()) == sum(number for number, kept in numbers if kept)


async def test_a_cancelled_commit_leaves_the_connection_whole(database):
    """Who is cancelled while committing leaves no half transaction behind: the next one works, and no row is torn."""
    for number in range(20):

        async def write():
            async with database.write() as connection:
                await connection.execute(
                    text("INSERT INTO word (text) VALUES (:a)"), [{"a": str(i)} for i in range(50)]
                )

        task = asyncio.ensure_future(write())
        for _ in range(number):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert await scalar(database, "SELECT count(*) % 50 FROM word") == 0
    async with database.write() as connection:
        await connection.execute(text("INSERT INTO word (text) VALUES ('last')"))
    assert await scalar(database, "SELECT count(*) % 50 FROM word") == 1
