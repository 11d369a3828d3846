"""Databases: SQLite and PostgreSQL behind one class, so that queries need not know which.

SQLite (https://www.sqlite.org/wal.html): write-ahead log, foreign keys on, and every writing transaction takes the
write lock when it begins, so two of them wait for each other instead of failing when the second begins to write.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import event, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from oms_engine.errors import RepositoryError
from oms_worker.db import sqlite_driver

BUSY_SECONDS = 30.0
"""How long a SQLite transaction waits for another's."""
POOL_SIZE = 10
MORE_ON_SQLITE = 22
"""Connections beyond those kept: readers do not wait for each other, nor for the writer."""

_BEGIN = "openoms_begin"
_AFTER = "openoms_after_commit"

SCHEDULING_LOCK = 0x6F6D73_01
"""Advisory lock of PostgreSQL: one node at a time chooses tasks."""
MIGRATION_LOCK = 0x6F6D73_02
KEY_LOCK = 0x6F6D73_04
"""One process at a time makes or changes the key ring."""


STARTING = frozenset({"57P01", "57P02", "57P03", "53300"})
LOST = "08"
"""SQLSTATEs of a server that starts, stops or is full, and of lost connections:
https://www.postgresql.org/docs/15/errcodes-appendix.html"""


class DatabaseAway(RepositoryError):
    """Nobody answers as a database, or it is just starting: it may answer soon."""


class Database:
    """An engine and how to begin on it. Close it at the end."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.on_sqlite = engine.dialect.name == "sqlite"
        # SQLite has one writer at a time and lets the others poll, ever more rarely: here they stand in line.
        self._line: AbstractAsyncContextManager[None] = asyncio.Lock() if self.on_sqlite else nullcontext()

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that only reads: one consistent look.

        Raises:
            RepositoryError: the database does not answer.
        """
        async with explained(), self.engine.connect() as connection, connection.begin():
            yield connection

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that writes; committed at the end, rolled back when an exception passes.

        On SQLite a process has one at a time: who opens a second one inside the first waits for ever.

        Raises:
            RepositoryError: the database does not answer, or the disk is full.
        """
        options = {_BEGIN: "BEGIN IMMEDIATE"}
        async with self._line, explained(), self.engine.connect() as connection:
            writing = await connection.execution_options(**options)
            calls = writing.info[_AFTER] = []
            async with writing.begin():
                yield writing
            for call in calls:
                call()

    @asynccontextmanager
    async def lock(self, number: int) -> AsyncIterator[AsyncConnection]:
        """Open a writing transaction that no other with this number runs beside, in any process."""
        async with self.write() as connection:
            await hold(connection, number)
            yield connection

    async def close(self) -> None:
        """Close all connections."""
        await self.engine.dispose()


def after_commit(connection: AsyncConnection, call: Callable[[], None]) -> None:
    """Have something done, quick and without errors, once the transaction that is open is committed."""
    connection.info.setdefault(_AFTER, []).append(call)


async def hold(connection: AsyncConnection, number: int) -> None:
    """Wait for the advisory lock of this number until the transaction ends; SQLite's write lock serves for all."""
    if connection.dialect.name == "postgresql":
        await connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})


@asynccontextmanager
async def explained() -> AsyncIterator[None]:
    """Say what the database's own errors mean, without the statement's values.

    Raises:
        RepositoryError: in place of them.
    """
    try:
        yield
    except DBAPIError as error:
        raise _explained(error.orig or error) from error
    except SQLAlchemyError as error:
        raise RepositoryError(f"the database failed: {type(error).__name__}") from error
    except OSError as error:
        raise DatabaseAway(f"the database cannot be reached: {error.strerror or error}") from error
    except Exception as error:
        if not hasattr(error, "sqlstate"):  # asyncpg's own, which SQLAlchemy passes on while it connects
            raise
        raise _explained(error) from error


def _explained(error: BaseException) -> RepositoryError:
    state = getattr(error, "sqlstate", None) or ""
    if state in STARTING or state.startswith(LOST):
        return DatabaseAway(f"the database does not serve now: {error}")
    return RepositoryError(f"the database failed: {type(error).__name__}: {error}")


def open_database(url: str) -> Database:
    """Open a database by its URL; nothing is connected yet. A SQLite file's folder is made, readable for us only."""
    parsed = make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return Database(create_async_engine(parsed, pool_size=POOL_SIZE, pool_pre_ping=True, hide_parameters=True))
    if _in_a_file(parsed):
        _make_private(Path(str(parsed.database)))
    creator = partial(sqlite_driver.connect, parsed.database or ":memory:", busy_seconds=BUSY_SECONDS)
    pool: dict[str, Any] = {"pool_size": POOL_SIZE, "max_overflow": MORE_ON_SQLITE} if _in_a_file(parsed) else {}
    engine = create_async_engine(parsed, hide_parameters=True, async_creator=creator, **pool)
    event.listen(engine.sync_engine, "connect", _set_up)
    event.listen(engine.sync_engine, "begin", _begin)
    return Database(engine)


def _in_a_file(url: URL) -> bool:
    return bool(url.database) and url.database != ":memory:"


def _make_private(path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise RepositoryError(f"the database file {path} cannot be made: {error.strerror}") from error


def _set_up(connection: Any, record: Any) -> None:
    """Prepare a new SQLite connection."""
    del record
    cursor = connection.cursor()
    for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON", "temp_store = MEMORY"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Any) -> None:
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))
