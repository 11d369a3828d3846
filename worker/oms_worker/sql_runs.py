"""The runs of a ledger in SQL: whose ledger it is, which run it stands in. Every method needs an open transaction."""

from __future__ import annotations

from collections.abc import Callable

from oms_engine import ledger_rules as rules_of
from oms_engine.ledger import RunInfo
from oms_engine.ledger_rules import LastRun, RunPlan
from oms_worker.sql_database import SqlDatabase

_LAST = "SELECT number, rules, retry_of, finished, succeeded, failures, overflowed FROM run WHERE @mine"
_LEFT = "SELECT 1 FROM segment WHERE @mine AND state != 'done' UNION ALL SELECT 1 FROM parked WHERE @mine LIMIT 1"
_BEGIN = (
    "INSERT INTO run (@column number, rules, name, retry_of, started_at, active_at)"
    " VALUES (@value :number, :rules, :name, :retry_of, :now, :now)"
)
_FINISH = "UPDATE run SET finished = TRUE, succeeded = :succeeded, active_at = :now WHERE @mine"


class Runs:
    """The table ``run``; a new run clears what the last one left.

    ``task_of`` remembers the task's identity, or refuses another one, and returns the task's id.
    """

    def __init__(self, db: SqlDatabase, clock: Callable[[], float], task_of: Callable[[str], int]) -> None:
        self._db = db
        self._clock = clock
        self._task_of = task_of

    def open(self, *, identity: str, rules: str, name: str, retry_failed: bool, anew: bool) -> RunInfo:
        """Begin a run or resume the unfinished one."""
        task_id = self._task_of(identity)
        plan = rules_of.plan_run(self._last(), rules=rules, retry_failed=retry_failed, anew=anew)
        return self._resume(plan, task_id, name) if plan.resumed else self._begin(plan, task_id, rules, name)

    def _last(self) -> LastRun | None:
        row = self._db.row_or_none(_LAST)
        if row is None:
            return None
        number, rules, retry_of, finished, succeeded, failures, overflowed = row
        complete = bool(succeeded) or self._complete()
        return LastRun(number, rules, retry_of, bool(finished), complete, failures, bool(overflowed))

    def _complete(self) -> bool:
        begun = self._db.rows("SELECT 1 FROM segment WHERE @mine LIMIT 1")
        return bool(begun) and not self._db.rows(_LEFT)

    def _resume(self, plan: RunPlan, task_id: int, name: str) -> RunInfo:
        remembered, started_at, active_at = self._db.row("SELECT name, started_at, active_at FROM run WHERE @mine")
        name = name or remembered
        self._db.execute("UPDATE run SET name = :name, active_at = :now WHERE @mine", name=name, now=self._clock())
        self._db.execute("UPDATE segment SET state = 'todo' WHERE @mine AND state = 'leased'")
        return RunInfo(task_id, name, plan.number, started_at, resumed=True, interrupted_at=active_at)

    def _begin(self, plan: RunPlan, task_id: int, rules: str, name: str) -> RunInfo:
        now = self._clock()
        for table in ("run", "segment", "parked", "settled_reason", "record_file"):
            self._db.execute(f"DELETE FROM {table} WHERE @mine")  # noqa: S608 - our own names
        self._db.execute("DELETE FROM failure WHERE @mine AND run != :kept", kept=plan.retry_of or 0)
        self._db.execute(_BEGIN, number=plan.number, rules=rules, name=name, retry_of=plan.retry_of, now=now)
        return RunInfo(task_id, name, plan.number, now, resumed=False)

    def finish(self, run: int, *, succeeded: bool) -> None:
        """Close the run; a completed retry forgets the failures it went through."""
        self._db.execute(_FINISH, succeeded=succeeded, now=self._clock())
        if succeeded or self._complete():
            self._db.execute("DELETE FROM failure WHERE @mine AND run != :run", run=run)
