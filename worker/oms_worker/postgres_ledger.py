"""The ledger of one task in the service's PostgreSQL, so that any host goes on from it when another dies.

Everything lies in the database, the lines of the record lists included (``postgres_lists.py``): a report and its lines
are one transaction, whichever host dies. Who may write is settled by the claim of the task (``postgres_database.py``).
While it holds, nobody else changes these rows, so the ledger remembers that nothing waits or is parked, and need not
ask again: an idle task costs the database next to nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from oms_engine import ledger_rules as rules_of
from oms_engine.ledger import Checkpoint, Failure, Parked, ParkKind, RunInfo, Segment, Settlement
from oms_engine.ledger_rules import FAILURE_CAP
from oms_engine.model import Secret, key_bytes
from oms_worker.postgres_database import PostgresDatabase
from oms_worker.postgres_link import drop_link, take_link
from oms_worker.postgres_lists import StoredLists
from oms_worker.sql_ledger import SqlLedger

LONGEST_KEY = 2600
"""Bytes of a key that PostgreSQL's indexes surely hold: https://www.postgresql.org/docs/15/btree-limits.html"""

_INSERT = (
    "INSERT INTO segment (@column id, prefix, lo, hi, list_offset, marker)"
    " VALUES (@value :id, :prefix, :lo, :hi, :list_offset, :marker)"
)


class PostgresLedger(SqlLedger):
    """A :class:`~oms_engine.ledger.Ledger` in the database at ``url``, for the claim ``generation`` of a task.

    Copies of lists that are to be uploaded are made in ``<folder>/<task>.records/``.

    Call ``open_run`` before anything else. One thread at a time.

    Raises:
        LedgerInUse: a transaction of the task's last process has not ended yet; try again.
        LedgerLost: the claim does not hold any more, or the database does not answer. From every method, too.
    """

    def __init__(
        self,
        url: Secret,
        task_id: int,
        *,
        generation: int,
        folder: Path,
        failure_cap: int = FAILURE_CAP,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url: Secret | None = url
        self._rows = PostgresDatabase(take_link(url), task_id, generation)
        try:
            self._rows.take(os.urandom(8))
        except BaseException:
            drop_link(url)
            raise
        lists = StoredLists(self._rows, str(folder / f"{task_id}.records"), clock)
        super().__init__(self._rows, lists, failure_cap=failure_cap, clock=clock)
        self._nothing_waits = False
        self._parked: int | None = None

    def _task_of(self, identity: str) -> int:
        known, number = self._rows.row("SELECT identity, number FROM ledger WHERE @mine")
        if known:
            rules_of.check_identity(known, identity, self._rows.where)
        else:
            self._rows.execute("UPDATE ledger SET identity = :identity WHERE @mine", identity=identity)
        task_id: int = number
        return task_id

    def _insert(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        (last,) = self._rows.row("SELECT last_segment FROM ledger WHERE @mine")
        self._rows.execute("UPDATE ledger SET last_segment = :last WHERE @mine", last=last + len(rows))
        numbers = range(last + 1, last + 1 + len(rows))
        self._rows.execute_many(_INSERT, [{"id": number, **row} for number, row in zip(numbers, rows, strict=True)])
        return numbers

    def _add_failures(self, failures: Sequence[Failure]) -> None:
        kept = [failure for failure in failures if len(key_bytes(failure.key)) <= LONGEST_KEY]
        super()._add_failures(kept)
        if len(kept) < len(failures):
            sql = "UPDATE run SET overflowed = TRUE WHERE @mine AND number = :run"
            self._rows.execute(sql, run=self._run)

    # ---- what is known without asking -------------------------------------------------------------------------------

    def open_run(self, *, identity: str, rules: str, name: str, retry_failed: bool, anew: bool = False) -> RunInfo:
        """Begin a run or resume the unfinished one."""
        self._nothing_waits, self._parked = False, None
        return super().open_run(identity=identity, rules=rules, name=name, retry_failed=retry_failed, anew=anew)

    def add_segments(self, segments: list[Segment]) -> list[Segment]:
        """Add segments and return them with their ids."""
        self._nothing_waits = False
        return super().add_segments(segments)

    def split(self, segment: int, epoch: int, at: str) -> Segment | None:
        """Cut ``(at, hi]`` off a leased segment."""
        self._nothing_waits = False
        return super().split(segment, epoch, at)

    def claim(self) -> Segment | None:
        """Lease the waiting segment of the lowest id, with its epoch raised by one."""
        segment = None if self._nothing_waits else super().claim()
        self._nothing_waits = segment is None
        return segment

    def release_all(self) -> None:
        """Make leased segments of a dead process claimable again."""
        self._nothing_waits = False
        super().release_all()

    def release(self, segment: int, epoch: int) -> None:
        """Make one leased segment claimable again."""
        self._nothing_waits = False
        super().release(segment, epoch)

    def checkpoint(self, checkpoint: Checkpoint) -> bool:
        """Commit a report."""
        if checkpoint.parked:
            self._parked = None
        return super().checkpoint(checkpoint)

    def settle(self, settlement: Settlement) -> bool:
        """End a parked object in one commit."""
        settled = super().settle(settlement)
        if settled and self._parked is not None:
            self._parked -= 1
        return settled

    def parked_count(self) -> int:
        """Return how many objects are parked."""
        if self._parked is None:
            self._parked = super().parked_count()
        return self._parked

    def due(self, now: float, limit: int, kind: ParkKind | None = None) -> list[Parked]:
        """Return parked objects whose time has come, earliest first, then by key."""
        return [] if self._parked == 0 else super().due(now, limit, kind)

    def next_due(self) -> float | None:
        """When the earliest parked object is due, None when nothing is parked."""
        return None if self._parked == 0 else super().next_due()

    # ---- the end ----------------------------------------------------------------------------------------------------

    def conclude(self, run: int, end: str, *, succeeded: bool) -> None:
        """Write down which end the task's ``run`` came to, and close the run of the ledger, in one transaction."""
        with self._rows.transaction():
            sql = "UPDATE ledger SET ended_run = :run, ended = :ended WHERE @mine"
            self._rows.execute(sql, run=run, ended=end)
            self._runs.finish(self._run, succeeded=succeeded)

    def known_end(self, run: int) -> str | None:
        """Return the end that the task's ``run`` came to, None when it has not come to one."""
        row = self._rows.row_or_none("SELECT ended FROM ledger WHERE @mine AND ended_run = :run", run=run)
        return None if row is None else row[0]

    def close(self) -> None:
        """Let go of copies and connection; a second time is no error."""
        self._lists.close()
        url, self._url = self._url, None
        if url is not None:
            drop_link(url)
