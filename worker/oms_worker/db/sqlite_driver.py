"""A driver for SQLAlchemy's asyncio engine that runs SQLite's statements where they are asked for, on the event loop.

A thread per connection, as aiosqlite has, costs four changes of thread for each statement: ten times what the statement
itself takes, and in a busy process each of them waits for the interpreter. What may take long is kept off the loop:

* A commit that writes runs in a thread: it may carry the write-ahead log over into the database and wait for the disk.
* A query is stopped once it has taken a few milliseconds, and is run again from its beginning in a thread.
* A lock that another process holds is waited for asleep: SQLite answers "busy" at once and is asked again.

The part of aiosqlite's interface that SQLAlchemy uses: https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#aiosqlite.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Self, TypeVar

T = TypeVar("T")

BUDGET = 200_000
"""Instructions of SQLite's machine that a query may take on the event loop: some 5 ms
(https://www.sqlite.org/c3ref/progress_handler.html)."""
FIRST_PAUSE, LONGEST_PAUSE = 0.002, 0.05
"""Seconds between two attempts on a lock that another process holds."""

_threads = ThreadPoolExecutor(max_workers=4, thread_name_prefix="sqlite")
"""Our own: the loop's may all be busy with slow mail relays."""


async def connect(path: str, *, busy_seconds: float) -> Connection:
    """Open a database file; a lock of another process is waited for that long."""
    return Connection(path, busy_seconds)


class Connection:
    """A connection; transactions begin when they are told to."""

    def __init__(self, path: str, busy_seconds: float) -> None:
        self._connection = sqlite3.connect(path, timeout=0.0, isolation_level=None, check_same_thread=False)
        self._busy_seconds = busy_seconds
        self._changes = 0

    def cursor(self) -> Cursor:
        """Return a new cursor."""
        return Cursor(self._connection, self._busy_seconds)

    async def commit(self) -> None:
        """Commit; in a thread where there is something to write."""
        if not self._connection.in_transaction:
            return
        changes, self._changes = self._changes, self._connection.total_changes
        if changes == self._changes:
            self._connection.commit()
        else:
            await _patient(partial(_in_thread, self._connection.commit), self._busy_seconds)

    async def rollback(self) -> None:
        """Undo what is not committed."""
        self._connection.rollback()
        self._changes = self._connection.total_changes

    async def create_function(self, *words: Any, **options: Any) -> None:
        """Make a function known to SQL."""
        self._connection.create_function(*words, **options)

    async def close(self) -> None:
        """Close; the last connection carries the log over."""
        await _in_thread(self._connection.close)

    def stop(self) -> None:
        """Close at once."""
        self._connection.close()


class Cursor:
    """A statement and its result."""

    def __init__(self, connection: sqlite3.Connection, busy_seconds: float) -> None:
        self._connection = connection
        self._busy_seconds = busy_seconds
        self._cursor = connection.cursor()
        self._rows: list[Any] = []

    async def __aenter__(self) -> Self:
        return self

    @property
    def description(self) -> Any:
        """What its rows are made of, None when there are none."""
        return self._cursor.description

    @property
    def rowcount(self) -> int:
        """How many rows were changed."""
        return self._cursor.rowcount

    @property
    def lastrowid(self) -> int | None:
        """The row that was added last."""
        return self._cursor.lastrowid

    async def execute(self, sql: str, parameters: Sequence[Any] = ()) -> Self:
        """Run a statement and take its rows."""
        run = partial(self._run, sql, parameters)
        if sql.lstrip()[:6].upper() != "SELECT":
            self._rows = await _patient(run, self._busy_seconds)
            return self
        self._connection.set_progress_handler(_stop, BUDGET)
        try:
            self._rows = await _patient(run, self._busy_seconds)
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_INTERRUPT:
                raise
            self._connection.set_progress_handler(None, 0)
            self._rows = await _in_thread(partial(self._fetch, sql, parameters))
        finally:
            self._connection.set_progress_handler(None, 0)
        return self

    async def _run(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        return self._fetch(sql, parameters)

    def _fetch(self, sql: str, parameters: Sequence[Any]) -> list[Any]:
        self._cursor.execute(sql, parameters)
        return self._cursor.fetchall() if self._cursor.description else []

    async def executemany(self, sql: str, rows: Sequence[Sequence[Any]]) -> Self:
        """Run a statement for each row."""
        self._cursor.executemany(sql, rows)
        return self

    async def fetchall(self) -> list[Any]:
        """Return the rows that were not returned yet."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """Forget it."""
        self._cursor.close()


def _stop() -> int:
    """Tell SQLite that a query has taken long enough."""
    return 1


async def _in_thread(work: Callable[[], T]) -> T:
    """Do ``work`` in a thread, to its end even when the caller is cancelled: a connection is one thread's at a time."""
    future = asyncio.get_running_loop().run_in_executor(_threads, work)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        await asyncio.wait([future])
        raise


async def _patient(attempt: Callable[[], Any], seconds: float) -> Any:
    """Try until no other process holds the lock that is needed, for so long at most."""
    deadline, pause = time.monotonic() + seconds, FIRST_PAUSE
    while True:
        try:
            return await attempt()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        await asyncio.sleep(pause)
        pause = min(LONGEST_PAUSE, 2 * pause)
