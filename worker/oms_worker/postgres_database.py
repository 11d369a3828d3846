"""One task's rows in the tables of all ledgers, and the fence around them.

Every transaction begins by locking the task's row in ``ledger_task`` and looking whether the claim it works for still
holds: the ledger was opened by no later one, and the task's row in ``task`` still has an owner and this generation.
So a process that was taken for dead, and lives on, commits nothing once its task was released.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from psycopg import Connection, Cursor, Pipeline

from oms_engine.ledger_rules import new_task_id
from oms_worker.postgres_link import Link
from oms_worker.sql_database import LedgerLost, Row, SqlDatabase

OPEN_MILLISECONDS = 200
"""How long opening waits for a transaction of the task's last process."""

_TABLE = re.compile(r"\b(FROM|INTO|UPDATE) (?=[a-z])(ledger\b)?")
_VALUE = re.compile(r":([a-z]\w*)")

_FENCE = (
    "SELECT l.generation = %(generation)s AND t.generation = %(generation)s AND t.owner IS NOT NULL"
    " FROM ledger_task l JOIN task t ON t.id = l.task_id WHERE l.task_id = %(task)s FOR NO KEY UPDATE OF l"
)
_CLAIM = "SELECT 1 FROM task WHERE id = %(task)s AND generation = %(generation)s AND owner IS NOT NULL"
_TAKE = (
    "INSERT INTO ledger_task (task_id, generation, number) VALUES (%(task)s, %(generation)s, %(number)s)"
    " ON CONFLICT (task_id) DO UPDATE SET generation = excluded.generation"
    " WHERE ledger_task.generation <= excluded.generation"
)


@cache
def scoped(sql: str) -> str:
    """Return a statement of ``sql_database`` as psycopg takes it, about the rows of one task (``%(task)s``)."""
    sql = _TABLE.sub(lambda found: f"{found[1]} ledger_{'task' if found[2] else ''}", sql)
    sql = sql.replace("@mine", "task_id = :task").replace("@column", "task_id,").replace("@value", ":task,")
    return _VALUE.sub(r"%(\1)s", sql)


class PostgresDatabase(SqlDatabase):
    """The rows of one task, for the claim of this generation. Errors leave it as sentences."""

    def __init__(self, link: Link, task_id: int, generation: int) -> None:
        self.where = f"the ledger of task {task_id}"
        self._link = link
        self._fixed = {"task": task_id, "generation": generation}
        self._open: tuple[Connection[Any], Pipeline] | None = None
        self._fence: Cursor[Any] | None = None

    def take(self, random: bytes) -> None:
        """Take the ledger for this claim; no earlier one commits any more.

        Raises:
            LedgerInUse: a transaction of another process stands in the way; try again.
            LedgerLost: the claim does not hold any more.
        """
        self._link.mend()
        with self._link.transaction() as (connection, pipeline):
            connection.execute(f"SET LOCAL lock_timeout = {OPEN_MILLISECONDS}")
            claim = connection.execute(_CLAIM, self._fixed)
            if claim.fetchone() is None:
                raise self._lost()
            taken = connection.execute(_TAKE, {**self._fixed, "number": new_task_id(random)})
            pipeline.sync()
            if taken.rowcount != 1:
                raise self._lost()

    def _lost(self) -> LedgerLost:
        return LedgerLost(f"{self.where} is another process's now, or the task was deleted.")

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that the block does, while the claim holds, or nothing of it.

        Raises:
            LedgerLost: the claim does not hold any more, or the database does not answer.
            RepositoryError: it refuses a statement.
        """
        with self._link.transaction() as opened:
            self._open = opened
            self._fence = opened[0].execute(_FENCE, self._fixed)
            try:
                yield
                self._check()
            finally:
                self._open = self._fence = None

    def _check(self) -> None:
        """Look at the fence's answer, once; it has come when any later one has."""
        if self._fence is not None:
            row = self._fence.fetchone()
            self._fence = None
            if row is None or not row[0]:
                raise self._lost()

    def _run(self, sql: str, values: Mapping[str, Any]) -> Cursor[Any]:
        assert self._open is not None, "outside a transaction"
        return self._open[0].execute(scoped(sql), {**values, **self._fixed}, binary=True)

    def execute(self, sql: str, /, **values: Any) -> None:
        """Send a statement inside a transaction; whether it went well is known at the end."""
        self._run(sql, values)

    def changed(self, sql: str, /, **values: Any) -> int:
        """Run a statement inside a transaction; return how many rows it changed."""
        assert self._open is not None, "outside a transaction"
        cursor = self._run(sql, values)
        self._open[1].sync()
        self._check()
        return cursor.rowcount

    def execute_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run a statement for each row inside a transaction; return how many rows it changed."""
        return self._run_many(sql, rows, each=False).rowcount if rows else 0

    def first_unchanged(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int | None:
        """Run a statement for each row inside a transaction; return which row was the first that changed nothing."""
        if not rows:
            return None
        cursor = self._run_many(sql, rows, each=True)
        for number in range(len(rows)):
            if cursor.rowcount == 0:
                return number
            cursor.nextset()
        return None

    def _run_many(self, sql: str, rows: Sequence[Mapping[str, Any]], *, each: bool) -> Cursor[Any]:
        assert self._open is not None, "outside a transaction"
        cursor = self._open[0].cursor()
        cursor.executemany(scoped(sql), [{**row, **self._fixed} for row in rows], returning=each)
        self._open[1].sync()
        self._check()
        return cursor

    def rows(self, sql: str, /, **values: Any) -> list[Row]:
        """Read all rows, in or outside a transaction."""
        if self._open is None:
            with self._link.explained() as connection:
                return connection.execute(scoped(sql), {**values, **self._fixed}, binary=True).fetchall()
        cursor = self._run(sql, values)
        self._check()
        return cursor.fetchall()

    def close(self) -> None:
        """Nothing: the connection is shared."""
