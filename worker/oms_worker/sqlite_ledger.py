"""The ledger of one migration in a SQLite file: what must survive ``kill -9``, and nothing else.

One transaction per report. Record lines go to local files (the spool) whose committed length is a row of the same
transaction, so the lists hold each key exactly once whatever is killed when. No secret is ever stored.

Durability: a killed process loses nothing that was committed. A power failure may lose the last instants (WAL with
``synchronous = NORMAL``, https://www.sqlite.org/pragma.html#pragma_synchronous), which are then compared again; a list
that lost lines the file remembers is noticed at the next start.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oms_engine import ledger_rules as rules_of
from oms_engine.ledger_rules import FAILURE_CAP
from oms_worker.record_lists import SpooledLists
from oms_worker.sql_ledger import SqlLedger
from oms_worker.sqlite_database import Database
from oms_worker.sqlite_file import FileLock, check_file

_INSERT = "INSERT INTO segment (prefix, lo, hi, list_offset, marker) VALUES (:prefix, :lo, :hi, :list_offset, :marker)"


class SqliteLedger(SqlLedger):
    """A :class:`~oms_engine.ledger.Ledger` in the file ``path``; its lists lie in ``<path>.records/`` until uploaded.

    Call ``open_run`` before anything else. One thread at a time.

    Raises:
        ConfigError: the file is another program's, another openoms has it open, or it cannot be written.
        RepositoryError: it is damaged, or the disk is full.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, failure_cap: int = FAILURE_CAP, clock: Callable[[], float] = time.time
    ) -> None:
        self.path = os.path.realpath(path)
        check_file(self.path)
        self._lock = FileLock(f"{self.path}.lock", of=self.path)
        try:
            self._file = Database(self.path)
        except BaseException:
            self._lock.close()
            raise
        lists = SpooledLists(self._file, f"{self.path}.records", clock)
        super().__init__(self._file, lists, failure_cap=failure_cap, clock=clock)

    def _task_of(self, identity: str) -> int:
        row = self._file.row_or_none("SELECT identity, task_id FROM ledger")
        if row is None:
            task_id = rules_of.new_task_id(os.urandom(8))
            sql = "INSERT INTO ledger (only_row, identity, task_id) VALUES (1, :identity, :task_id)"
            self._file.execute(sql, identity=identity, task_id=task_id)
            return task_id
        rules_of.check_identity(row[0], identity, self.path)
        known: int = row[1]
        return known

    def _insert(self, rows: Sequence[Mapping[str, Any]]) -> list[int]:
        return [self._file.insert(_INSERT, **row) for row in rows]

    def close(self) -> None:
        """Release the file and its lock; a second time is no error."""
        self._lists.close()
        self._db.close()
        self._lock.close()
