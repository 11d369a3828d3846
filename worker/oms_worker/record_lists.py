"""The record lists of the SQLite ledger: which local file holds which lines, and how much of it is committed."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from oms_engine import ledger_rules as rules_of
from oms_engine.ledger import RecordLine
from oms_engine.model import Outcome
from oms_worker.spool import Spool
from oms_worker.sqlite_database import Database

_SYNC_SECONDS = 5.0
"""How often lists are brought to the disk: about when the kernel would write them back by itself."""


class RecordLists:
    """The table ``record_file`` and the spool under it: one open list per outcome, closed ones until uploaded."""

    def __init__(self, db: Database, directory: str, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock
        self._spool = Spool(directory)
        self._synced = clock()

    def add(self, run: int, records: Iterable[RecordLine]) -> None:
        """Append lines, inside the transaction that commits their objects' ends."""
        lines: dict[Outcome, list[str]] = {}
        for outcome, line in records:
            lines.setdefault(outcome, []).append(line)
        for outcome, texts in lines.items():
            data = "".join(texts).encode("utf-8", "surrogateescape")
            if data:
                self._append(run, outcome, data)
        self._sync_sometimes()

    def _append(self, run: int, outcome: Outcome, data: bytes) -> None:
        sql = "SELECT name, size FROM record_file WHERE run = ? AND outcome = ? AND NOT closed"
        name, size = self._db.row_or_none(sql, (run, outcome)) or (self._new_list(run, outcome), 0)
        self._spool.write(self._spool.path(run, outcome, name), size, data)
        self._db.execute("UPDATE record_file SET size = ? WHERE name = ?", (size + len(data), name))

    def _new_list(self, run: int, outcome: Outcome) -> str:
        (last,) = self._db.row("SELECT last_stamp FROM ledger")
        stamp = rules_of.next_stamp(last, self._clock())
        name = rules_of.render_stamp(stamp)
        self._db.execute("UPDATE ledger SET last_stamp = ?", (stamp,))
        sql = "INSERT INTO record_file (name, run, outcome, size) VALUES (?, ?, ?, 0)"
        self._db.execute(sql, (name, run, outcome))
        return name

    def _sync_sometimes(self) -> None:
        if self._clock() - self._synced >= _SYNC_SECONDS:
            self._spool.sync()
            self._synced = self._clock()

    def ready(self, run: int, *, everything: bool, limit_bytes: int) -> list[tuple[Outcome, str, str]]:
        """Close lists that reached ``limit_bytes``, or all; return the closed ones, oldest first."""
        least = 0 if everything else limit_bytes
        sql = "SELECT outcome, name, size FROM record_file WHERE run = ? AND NOT closed AND size >= ?"
        with self._db.transaction():
            for outcome, name, size in self._db.rows(sql, (run, least)):
                self._spool.seal(self._spool.path(run, outcome, name), size)
                self._db.execute("UPDATE record_file SET closed = 1 WHERE name = ?", (name,))
        closed = self._db.rows("SELECT outcome, name FROM record_file WHERE run = ? AND closed ORDER BY name", (run,))
        return [(Outcome(outcome), name, self._spool.path(run, outcome, name)) for outcome, name in closed]

    def uploaded(self, run: int, outcome: Outcome, name: str) -> None:
        """Drop a closed list, its row first: a crash between leaves a file nobody counts, not a row without one."""
        with self._db.transaction():
            sql = "DELETE FROM record_file WHERE name = ? AND outcome = ? AND closed"
            gone = self._db.execute(sql, (name, outcome)).rowcount
        if gone:
            self._spool.remove(self._spool.path(run, outcome, name))

    def recover(self, run: int) -> None:
        """Make the files of a run what was committed.

        Raises:
            RepositoryError: a list is missing or shorter than committed.
        """
        rows = self._db.rows("SELECT outcome, name, size FROM record_file WHERE run = ?", (run,))
        self._spool.recover({self._spool.path(run, *row[:2]): row[2] for row in rows}, run)

    def drop_old(self, run: int) -> None:
        """Delete the lists earlier runs left behind: a later run has gone through everything."""
        rows = self._db.rows("SELECT outcome, name FROM record_file WHERE run = ?", (run,))
        self._spool.remove_except({self._spool.path(run, *row) for row in rows})

    def close(self) -> None:
        """Close the files."""
        self._spool.close()
