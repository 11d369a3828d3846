"""The runs of the SQLite ledger: whose file it is, which run it stands in. Every method needs an open transaction."""

from __future__ import annotations

import os
from collections.abc import Callable

from oms_engine import ledger_rules as rules_of
from oms_engine.ledger import RunInfo
from oms_engine.ledger_rules import LastRun, RunPlan
from oms_worker.sqlite_database import Database


class Runs:
    """The tables ``ledger`` and ``run``; a new run clears what the last one left."""

    def __init__(self, db: Database, clock: Callable[[], float]) -> None:
        self._db = db
        self._clock = clock

    def open(self, *, identity: str, rules: str, name: str, retry_failed: bool) -> RunInfo:
        """Begin a run or resume the unfinished one."""
        task_id = self._open_task(identity)
        plan = rules_of.plan_run(self._last(), rules=rules, retry_failed=retry_failed)
        return self._resume(plan, task_id, name) if plan.resumed else self._begin(plan, task_id, rules, name)

    def _open_task(self, identity: str) -> int:
        row = self._db.row_or_none("SELECT identity, task_id FROM ledger")
        if row is None:
            row = (identity, rules_of.new_task_id(os.urandom(8)))
            self._db.execute("INSERT INTO ledger (only_row, identity, task_id) VALUES (1, ?, ?)", row)
        rules_of.check_identity(row[0], identity, self._db.path)
        task_id: int = row[1]
        return task_id

    def _last(self) -> LastRun | None:
        row = self._db.row_or_none("SELECT number, rules, retry_of, finished, succeeded, failures, overflowed FROM run")
        if row is None:
            return None
        number, rules, retry_of, finished, succeeded, failures, overflowed = row
        complete = bool(succeeded) or self._complete()
        return LastRun(number, rules, retry_of, bool(finished), complete, failures, bool(overflowed))

    def _complete(self) -> bool:
        begun = self._db.rows("SELECT 1 FROM segment LIMIT 1")
        rest = self._db.rows("SELECT 1 FROM segment WHERE state != 'done' UNION ALL SELECT 1 FROM parked LIMIT 1")
        return bool(begun) and not rest

    def _resume(self, plan: RunPlan, task_id: int, name: str) -> RunInfo:
        remembered, started_at, active_at = self._db.row("SELECT name, started_at, active_at FROM run")
        name = name or remembered
        self._db.execute("UPDATE run SET name = ?, active_at = ?", (name, self._clock()))
        self._db.execute("UPDATE segment SET state = 'todo' WHERE state = 'leased'")
        return RunInfo(task_id, name, plan.number, started_at, resumed=True, interrupted_at=active_at)

    def _begin(self, plan: RunPlan, task_id: int, rules: str, name: str) -> RunInfo:
        now = self._clock()
        for table in ("run", "segment", "parked", "settled_reason", "record_file"):
            self._db.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names
        self._db.execute("DELETE FROM failure WHERE run IS NOT ?", (plan.retry_of,))
        self._db.execute(
            "INSERT INTO run (number, rules, name, retry_of, started_at, active_at) VALUES (?, ?, ?, ?, ?, ?)",
            (plan.number, rules, name, plan.retry_of, now, now),
        )
        return RunInfo(task_id, name, plan.number, now, resumed=False)

    def finish(self, run: int, *, succeeded: bool) -> None:
        """Close the run; a completed retry forgets the failures it went through."""
        self._db.execute("UPDATE run SET finished = 1, succeeded = ?, active_at = ?", (int(succeeded), self._clock()))
        if succeeded or self._complete():
            self._db.execute("DELETE FROM failure WHERE run != ?", (run,))
