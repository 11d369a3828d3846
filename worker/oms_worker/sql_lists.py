"""The record lists of a ledger in SQL: one open list per outcome, closed ones until they are uploaded.

How long a list is stands in the table ``record_file``, in the transaction that commits its objects' ends. Where its
lines lie is a subclass's business: beside a file (``record_lists.py``) or in the database (``postgres_lists.py``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import NamedTuple

from oms_engine import ledger_rules as rules_of
from oms_engine.ledger import RecordLine
from oms_engine.model import Outcome
from oms_worker.sql_database import SqlDatabase

_OPEN = "SELECT name, size FROM record_file WHERE @mine AND run = :run AND outcome = :outcome AND NOT closed"
_ADD = "INSERT INTO record_file (@column name, run, outcome, size) VALUES (@value :name, :run, :outcome, 0)"
_FULL = "SELECT outcome, name, size FROM record_file WHERE @mine AND run = :run AND NOT closed AND size >= :least"
_CLOSED = "SELECT outcome, name, size FROM record_file WHERE @mine AND run = :run AND closed ORDER BY name"
_NEWEST = (
    "SELECT name, size FROM record_file WHERE @mine AND run = :run AND outcome = :outcome ORDER BY name DESC LIMIT 1"
)
_DROP = "DELETE FROM record_file WHERE @mine AND name = :name AND outcome = :outcome AND closed"


class ListId(NamedTuple):
    """Which list."""

    run: int
    outcome: str
    name: str


class RecordLists(ABC):
    """The table ``record_file`` and what it counts."""

    def __init__(self, db: SqlDatabase, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock

    def add(self, run: int, records: Iterable[RecordLine]) -> None:
        """Append lines, inside the transaction that commits their objects' ends."""
        lines: dict[Outcome, list[str]] = {}
        for outcome, line in records:
            lines.setdefault(outcome, []).append(line)
        for outcome, texts in lines.items():
            data = "".join(texts).encode("utf-8", "surrogateescape")
            if data:
                self._append(run, outcome.value, data)

    def _append(self, run: int, outcome: str, data: bytes) -> None:
        known = self._db.row_or_none(_OPEN, run=run, outcome=outcome)
        name, size = known or (self._new_list(run, outcome), 0)
        self._write(ListId(run, outcome, name), size, data)
        sql = "UPDATE record_file SET size = :size WHERE @mine AND name = :name"
        self._db.execute(sql, size=size + len(data), name=name)

    def _new_list(self, run: int, outcome: str) -> str:
        (last,) = self._db.row("SELECT last_stamp FROM ledger WHERE @mine")
        stamp = rules_of.next_stamp(last, self._clock())
        name = rules_of.render_stamp(stamp)
        self._db.execute("UPDATE ledger SET last_stamp = :stamp WHERE @mine", stamp=stamp)
        self._db.execute(_ADD, name=name, run=run, outcome=outcome)
        return name

    def ready(self, run: int, *, everything: bool, limit_bytes: int) -> list[tuple[Outcome, str, str]]:
        """Close lists that reached ``limit_bytes``, or all; return the closed ones, oldest first."""
        least = 0 if everything else limit_bytes
        with self._db.transaction():
            for outcome, name, size in self._db.rows(_FULL, run=run, least=least):
                self._seal(ListId(run, outcome, name), size)
                self._db.execute("UPDATE record_file SET closed = TRUE WHERE @mine AND name = :name", name=name)
        return [
            (Outcome(outcome), name, self._path(ListId(run, outcome, name), size))
            for outcome, name, size in self._db.rows(_CLOSED, run=run)
        ]

    def newest(self, run: int, outcome: Outcome) -> bytes:
        """Return what was committed of the newest list of an outcome that is kept here; nothing where there is none."""
        row = self._db.row_or_none(_NEWEST, run=run, outcome=outcome.value)
        return b"" if row is None else self._read(ListId(run, outcome.value, row[0]), row[1])

    def uploaded(self, run: int, outcome: Outcome, name: str) -> None:
        """Drop a closed list, its row first: a crash between leaves lines nobody counts, not a row without them."""
        with self._db.transaction():
            gone = self._db.changed(_DROP, name=name, outcome=outcome.value)
        if gone:
            self._dropped(ListId(run, outcome, name))

    @abstractmethod
    def _write(self, item: ListId, offset: int, data: bytes) -> None:
        """Put lines at the end of an open list, which is ``offset`` bytes long. Inside a transaction."""

    @abstractmethod
    def _read(self, item: ListId, size: int) -> bytes:
        """Return the first ``size`` bytes of a list."""

    @abstractmethod
    def _seal(self, item: ListId, size: int) -> None:
        """Close a list of this length; nothing is written to it again. Inside a transaction."""

    @abstractmethod
    def _path(self, item: ListId, size: int) -> str:
        """Return the local file that holds a closed list."""

    @abstractmethod
    def _dropped(self, item: ListId) -> None:
        """Remove the local file of a list whose row is gone."""

    @abstractmethod
    def recover(self, run: int) -> None:
        """Make the lines of a run what was committed. Inside the transaction that opens the run.

        Raises:
            RepositoryError: a list is missing or shorter than committed.
        """

    @abstractmethod
    def drop_old(self, run: int) -> None:
        """Delete the lists earlier runs left behind: a later run has gone through everything."""

    @abstractmethod
    def close(self) -> None:
        """Let go of local files."""
