"""The ledger of one migration in SQL: every rule of the protocol, whichever database is under it.

One transaction per report, the lines of its record lists included. The statements are those of ``sql_database.py`` and
serve SQLite and PostgreSQL alike; what differs is in ``sqlite_ledger.py`` and ``postgres_ledger.py``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from oms_engine import ledger_rules as rules_of
from oms_engine.ledger import (
    Checkpoint,
    Doubt,
    Failure,
    Orphan,
    Parked,
    ParkKind,
    RunInfo,
    Segment,
    SegmentState,
    Settlement,
    Upload,
)
from oms_engine.ledger_rules import COUNTER_NAMES, Verdict, counter_values
from oms_engine.model import Outcome, WrittenPart, key_bytes
from oms_engine.task import Counters
from oms_worker.sql_database import SqlDatabase
from oms_worker.sql_doubts import Doubts
from oms_worker.sql_lists import RecordLists
from oms_worker.sql_rows import (
    ADD_COUNTERS,
    COUNTERS,
    FAILURE,
    PARKED,
    SEGMENT,
    SET_COUNTERS,
    SUM_COUNTERS,
    add_reasons,
    named,
    parse_failure,
    parse_parked,
    parse_segment,
    render_failure,
    render_new_segment,
    render_parked,
    render_reasons,
    storable,
)
from oms_worker.sql_runs import Runs
from oms_worker.sql_uploads import Uploads

# ruff: noqa: S608 - statements are made of our own names only; values are always given apart

_SEGMENT = f"SELECT {SEGMENT} FROM segment WHERE @mine AND id = :id"
_SEGMENTS = f"SELECT {SEGMENT} FROM segment WHERE @mine ORDER BY id"
_WAITING = "SELECT id FROM segment WHERE @mine AND state = 'todo' ORDER BY id LIMIT 1"
_SET_SEGMENT = (
    f"UPDATE segment SET marker = :marker, state = :state, reasons = :reasons, {SET_COUNTERS} WHERE @mine AND id = :id"
)
_PARK = f"INSERT INTO parked (@column {PARKED}) VALUES (@value {named(PARKED)}) ON CONFLICT DO NOTHING"
_DUE = (
    f"SELECT {PARKED} FROM parked WHERE @mine AND due <= :now AND kind IN (:one, :other) ORDER BY due, key LIMIT :limit"
)
_SETTLE = f"UPDATE run SET {ADD_COUNTERS}, active_at = :now WHERE @mine AND number = :run"
_SETTLE_REASON = (
    "INSERT INTO settled_reason AS known (@column reason, objects) VALUES (@value :reason, 1)"
    " ON CONFLICT (@column reason) DO UPDATE SET objects = known.objects + 1"
)
_TOTALS = (
    f"SELECT {SUM_COUNTERS} FROM (SELECT {COUNTERS} FROM segment WHERE @mine"
    f" UNION ALL SELECT {COUNTERS} FROM run WHERE @mine AND number = :run) AS parts"
)
_FAIL = f"INSERT INTO failure (@column run, {FAILURE}) VALUES (@value :run, {named(FAILURE)}) ON CONFLICT DO NOTHING"
_COUNT_FAILED = (
    "UPDATE run SET failures = failures + :added, overflowed = (overflowed OR :overflowed)"
    " WHERE @mine AND number = :run"
)
_FAILURES = f"SELECT {FAILURE} FROM failure WHERE @mine AND run = :run AND key > :after ORDER BY key LIMIT :limit"


class SqlLedger(ABC):
    """A :class:`~oms_engine.ledger.Ledger` in SQL. Call ``open_run`` before anything else. One thread at a time."""

    def __init__(self, db: SqlDatabase, lists: RecordLists, *, failure_cap: int, clock: Callable[[], float]) -> None:
        self._db = db
        self._lists = lists
        self._failure_cap = failure_cap
        self._clock = clock
        self._run = 0
        self._runs = Runs(db, clock, self._task_of)
        self._uploads = Uploads(db)
        self._doubts = Doubts(db)

    @abstractmethod
    def _task_of(self, identity: str) -> int:
        """Remember the task's identity, or refuse another one; return its id. Inside a transaction."""

    @abstractmethod
    def _insert(self, rows: Sequence[Mapping[str, Any]]) -> Sequence[int]:
        """Add rows to ``segment``; return their ids, which no segment of this ledger ever had. Inside a transaction."""

    @abstractmethod
    def close(self) -> None:
        """Let go of everything; a second time is no error."""

    # ---- runs ---------------------------------------------------------------------------------------------------

    def open_run(self, *, identity: str, rules: str, name: str, retry_failed: bool, anew: bool = False) -> RunInfo:
        """Begin a run or resume the unfinished one (``ledger_rules.plan_run`` decides)."""
        identity, rules, name = storable(identity), storable(rules), storable(name)
        with self._db.transaction():
            info = self._runs.open(identity=identity, rules=rules, name=name, retry_failed=retry_failed, anew=anew)
            self._lists.recover(info.run)
        self._run = info.run
        return info

    def finish_run(self, *, succeeded: bool) -> None:
        """Close the run; a completed retry forgets the failures it went through."""
        with self._db.transaction():
            self._runs.finish(self._run, succeeded=succeeded)
        if succeeded:
            self._lists.drop_old(self._run)

    # ---- segments -----------------------------------------------------------------------------------------------

    def add_segments(self, segments: list[Segment]) -> list[Segment]:
        """Add segments and return them with their ids."""
        with self._db.transaction():
            return self._add(segments)

    def _add(self, segments: Sequence[Segment]) -> list[Segment]:
        numbers = self._insert([render_new_segment(segment) for segment in segments])
        return [
            replace(segment, id=number, epoch=0, state=SegmentState.TODO, counters=Counters(), reasons={})
            for segment, number in zip(segments, numbers, strict=True)
        ]

    def split(self, segment: int, epoch: int, at: str) -> Segment | None:
        """Cut ``(at, hi]`` off a leased segment (``ledger_rules.can_split`` decides)."""
        with self._db.transaction():
            whole = self._segment(segment)
            if whole is None or not rules_of.can_split(whole, epoch, at):
                return None
            self._db.execute("UPDATE segment SET hi = :hi WHERE @mine AND id = :id", hi=key_bytes(at), id=segment)
            tail = Segment(id=0, prefix=whole.prefix, lo=at, hi=whole.hi, list_offset=whole.list_offset)
            return self._add([tail])[0]

    def _segment(self, number: int) -> Segment | None:
        row = self._db.row_or_none(_SEGMENT, id=number)
        return None if row is None else parse_segment(row)

    def segments(self) -> list[Segment]:
        """All segments of this run, by id."""
        return [parse_segment(row) for row in self._db.rows(_SEGMENTS)]

    def claim(self) -> Segment | None:
        """Lease the waiting segment of the lowest id, with its epoch raised by one."""
        with self._db.transaction():
            waiting = self._db.row_or_none(_WAITING)
            if waiting is None:
                return None
            sql = "UPDATE segment SET state = 'leased', epoch = epoch + 1 WHERE @mine AND id = :id"
            self._db.execute(sql, id=waiting[0])
            return self._segment(waiting[0])

    def release_all(self) -> None:
        """Make leased segments of a dead process claimable again."""
        with self._db.transaction():
            self._db.execute("UPDATE segment SET state = 'todo' WHERE @mine AND state = 'leased'")

    def release(self, segment: int, epoch: int) -> None:
        """Make one leased segment claimable again, when it is still leased under this epoch."""
        with self._db.transaction():
            sql = "UPDATE segment SET state = 'todo' WHERE @mine AND id = :id AND epoch = :epoch AND state = 'leased'"
            self._db.execute(sql, id=segment, epoch=epoch)

    def checkpoint(self, checkpoint: Checkpoint) -> bool:
        """Commit a report (``ledger_rules.judge_report`` says what it may change)."""
        with self._db.transaction():
            segment = self._segment(checkpoint.segment)
            verdict = Verdict.LATE if segment is None else rules_of.judge_report(segment, checkpoint)
            if verdict in {Verdict.LATE, Verdict.KNOWN}:
                return verdict is Verdict.KNOWN
            self._set_segment(checkpoint)
            if verdict is Verdict.NEWS:
                self._add_parked(checkpoint.parked)
                self._add_failures(checkpoint.failures)
                self._lists.add(self._run, checkpoint.records)
        return True

    def _set_segment(self, report: Checkpoint) -> None:
        self._db.execute(
            _SET_SEGMENT,
            id=report.segment,
            marker=key_bytes(report.marker),
            state="done" if report.done else "leased",
            reasons=render_reasons(report.reasons),
            **_named_counters(report.counters),
        )
        sql = "UPDATE run SET active_at = :now WHERE @mine AND number = :run"
        self._db.execute(sql, now=self._clock(), run=self._run)

    # ---- parked objects -----------------------------------------------------------------------------------------

    def _add_parked(self, parked: Sequence[Parked]) -> None:
        twice = self._db.first_unchanged(_PARK, [render_parked(item) for item in parked])
        if twice is not None:
            raise rules_of.parked_twice(parked[twice].key)

    def due(self, now: float, limit: int, kind: ParkKind | None = None) -> list[Parked]:
        """Return parked objects whose time has come, earliest first, then by key."""
        one, other = (kind, kind) if kind else tuple(ParkKind)
        found = self._db.rows(_DUE, now=now, one=one.value, other=other.value, limit=limit)
        return [parse_parked(row) for row in found]

    def postpone(self, key: str, due: float) -> None:
        """Look at a parked object later; counts an attempt."""
        with self._db.transaction():
            sql = "UPDATE parked SET due = :due, attempts = attempts + 1 WHERE @mine AND key = :key"
            self._db.execute(sql, due=due, key=key_bytes(key))

    def settle(self, settlement: Settlement) -> bool:
        """End a parked object in one commit. False when it was settled before."""
        with self._db.transaction():
            if not self._db.changed("DELETE FROM parked WHERE @mine AND key = :key", key=key_bytes(settlement.key)):
                return False
            counters = _named_counters(rules_of.settled_counters(settlement))
            self._db.execute(_SETTLE, run=self._run, now=self._clock(), **counters)
            for reason in rules_of.settled_reasons(settlement):
                self._db.execute(_SETTLE_REASON, reason=storable(reason))
            self._add_failures(() if settlement.failure is None else (settlement.failure,))
            self._lists.add(self._run, (settlement.record,))
        return True

    def next_due(self) -> float | None:
        """When the earliest parked object is due, None when nothing is parked."""
        due: float | None = self._db.row("SELECT MIN(due) FROM parked WHERE @mine")[0]
        return due

    def parked_count(self) -> int:
        """Return how many objects are parked."""
        count: int = self._db.row("SELECT COUNT(*) FROM parked WHERE @mine")[0]
        return count

    # ---- totals and failures ------------------------------------------------------------------------------------

    def totals(self) -> Counters:
        """Return the counters of the run: all segments plus settled objects."""
        return Counters(*self._db.row(_TOTALS, run=self._run))

    def reasons(self) -> dict[str, int]:
        """Return the run's reasons: all segments plus settled objects."""
        total: dict[str, int] = dict(self._db.rows("SELECT reason, objects FROM settled_reason WHERE @mine"))
        for (text,) in self._db.rows("SELECT reasons FROM segment WHERE @mine AND reasons != '{}'"):
            add_reasons(total, text)
        return total

    def _add_failures(self, failures: Sequence[Failure]) -> None:
        if not failures:
            return
        (kept,) = self._db.row("SELECT failures FROM run WHERE @mine AND number = :run", run=self._run)
        room = max(0, self._failure_cap - kept)
        rows = [{"run": self._run, **render_failure(failure)} for failure in failures[:room]]
        added = self._db.execute_many(_FAIL, rows)
        self._db.execute(_COUNT_FAILED, added=added, overflowed=len(rows) < len(failures), run=self._run)

    def failures(self, *, after: str = "", limit: int = 1000) -> list[Failure]:
        """Return failed objects of the run by key."""
        return self._failures_of(self._run, after, limit)

    def retry_source(self, *, after: str = "", limit: int = 1000) -> list[Failure]:
        """Return, by key, the failed objects a ``retry_failed`` run goes through; nothing in any other run."""
        row = self._db.row_or_none("SELECT retry_of FROM run WHERE @mine AND number = :run", run=self._run)
        return [] if row is None or row[0] is None else self._failures_of(row[0], after, limit)

    def _failures_of(self, run: int, after: str, limit: int) -> list[Failure]:
        found = self._db.rows(_FAILURES, run=run, after=key_bytes(after), limit=limit)
        return [parse_failure(row) for row in found]

    def failures_overflowed(self) -> bool:
        """Whether more objects failed than rows are kept; the lists hold all of them."""
        return bool(self._db.row("SELECT overflowed FROM run WHERE @mine AND number = :run", run=self._run)[0])

    # ---- uploads in flight --------------------------------------------------------------------------------------

    def upload(self, key: str) -> Upload | None:
        """Return the multipart upload in flight for a destination key."""
        return self._uploads.get(key)

    def save_upload(self, upload: Upload) -> None:
        """Remember an upload before its first part is sent; an earlier one of its key becomes an orphan."""
        self._uploads.save(upload)

    def save_part(self, key: str, part: WrittenPart) -> None:
        """Remember a proved part of an upload in flight; without one nothing happens."""
        self._uploads.save_part(key, part)

    def parts(self, key: str) -> list[WrittenPart]:
        """Return the proved parts of an upload in flight, by number."""
        return self._uploads.parts(key)

    def forget_upload(self, key: str) -> None:
        """Forget an upload that was completed or aborted, and its parts."""
        self._uploads.forget(key)

    def uploads(self) -> list[Upload]:
        """All uploads in flight, by key, those of earlier runs included."""
        return self._uploads.all()

    def orphan_upload(self, key: str) -> None:
        """Go on with the upload of a key no longer; without one nothing happens."""
        self._uploads.orphan(key)

    def save_orphan(self, orphan: Orphan) -> None:
        """Remember an upload that is to be aborted, or a request that may open one."""
        self._uploads.save_orphan(orphan)

    def forget_orphan(self, orphan: Orphan) -> None:
        """Forget an upload that was aborted, or a request that was answered."""
        self._uploads.forget_orphan(orphan)

    def orphans(self) -> list[Orphan]:
        """All orphans, by key."""
        return self._uploads.orphans()

    # ---- damaged copies -----------------------------------------------------------------------------------------

    def save_doubt(self, doubt: Doubt) -> None:
        """Remember a damaged copy before it is taken back."""
        self._doubts.save(doubt)

    def forget_doubt(self, key: str) -> None:
        """Forget a damaged copy that is gone or was replaced."""
        self._doubts.forget(key)

    def doubts(self) -> list[Doubt]:
        """All damaged copies, by key."""
        return self._doubts.all()

    # ---- record lists -------------------------------------------------------------------------------------------

    def records_ready(self, *, everything: bool, limit_bytes: int) -> list[tuple[Outcome, str, str]]:
        """Close and return record files as (outcome, list name, local path), oldest first."""
        return self._lists.ready(self._run, everything=everything, limit_bytes=limit_bytes)

    def migrated_lines(self) -> list[str]:
        """Return the lines of the newest list of migrated objects that is kept here."""
        return self._lists.newest(self._run, Outcome.MIGRATED).decode("utf-8", "surrogateescape").splitlines()

    def record_uploaded(self, outcome: Outcome, list_name: str) -> None:
        """Drop a record file that is safely in the destination bucket."""
        self._lists.uploaded(self._run, outcome, list_name)


def _named_counters(counters: Counters) -> dict[str, int]:
    return dict(zip(COUNTER_NAMES, counter_values(counters), strict=True))
