"""What a ledger asks of a SQL database: the statements of SQLite and PostgreSQL, written once.

A statement is SQL that both understand, with named values (``:name``). SQLite keeps one ledger in a file, PostgreSQL
those of all tasks in the same tables, so three words stand for what only PostgreSQL has:

===========  ==========================  ===================
word         PostgreSQL                  SQLite
===========  ==========================  ===================
``@mine``    ``task_id = …``             ``1``
``@column``  ``task_id,``                nothing
``@value``   the task's id and a comma   nothing
===========  ==========================  ===================
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

from oms_engine.errors import RepositoryError

Row = tuple[Any, ...]


class LedgerLost(RepositoryError):
    """The ledger cannot be written from here any more; what was committed is kept, and another goes on from it."""


class SqlDatabase(ABC):
    """One ledger's way to its database. Errors of the database leave it as sentences."""

    where: str
    """What errors call it."""

    @abstractmethod
    def transaction(self) -> AbstractContextManager[None]:
        """Commit all that the block does, or nothing of it, whatever it raises."""

    @abstractmethod
    def execute(self, sql: str, /, **values: Any) -> None:
        """Run a statement inside a transaction."""

    @abstractmethod
    def changed(self, sql: str, /, **values: Any) -> int:
        """Run a statement inside a transaction; return how many rows it changed."""

    @abstractmethod
    def execute_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run a statement for each row inside a transaction; return how many rows it changed."""

    @abstractmethod
    def first_unchanged(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int | None:
        """Run a statement for each row inside a transaction; return which row was the first that changed nothing."""

    @abstractmethod
    def rows(self, sql: str, /, **values: Any) -> list[Row]:
        """Read all rows, in or outside a transaction."""

    def row_or_none(self, sql: str, /, **values: Any) -> Row | None:
        """Read the first row."""
        rows = self.rows(sql, **values)
        return rows[0] if rows else None

    def row(self, sql: str, /, **values: Any) -> Row:
        """Read the first row, which is there once a run was opened.

        Raises:
            RepositoryError: it is not.
        """
        row = self.row_or_none(sql, **values)
        if row is None:
            raise RepositoryError(f"The state in {self.where} has no run open: call open_run first.")
        return row

    @abstractmethod
    def close(self) -> None:
        """Let go of the database."""
