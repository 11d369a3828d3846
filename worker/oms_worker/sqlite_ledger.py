"""The ledger of one migration in a SQLite file: what must survive ``kill -9``, and nothing else.

One transaction per report. Record lines go to local files (the spool) whose committed length is a row of the same
transaction, so the lists hold each key exactly once whatever is killed when. No secret is ever stored.

Durability: a killed process loses nothing that was committed. A power failure may lose the last instants (WAL with
``synchronous = NORMAL``, https://www.sqlite.org/pragma.html#pragma_synchronous), which are then compared again; a list
that lost lines the file remembers is noticed at the next start.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from oms_engine import ledger_rules as rules_of
from oms_engine.errors import RepositoryError
from oms_engine.ledger import (
    Checkpoint,
    Failure,
    Parked,
    RecordLine,
    RunInfo,
    Segment,
    SegmentState,
    Settlement,
    Upload,
)
from oms_engine.ledger_rules import COUNTER_NAMES, FAILURE_CAP, LastRun, RunPlan, Verdict, counter_values
from oms_engine.model import Outcome, key_bytes
from oms_engine.task import Counters
from oms_worker.spool import Spool
from oms_worker.sqlite_file import FileLock, check_file, explain, open_database
from oms_worker.sqlite_rows import (
    COUNTERS,
    FAILURE,
    PARKED,
    SEGMENT,
    UPLOAD,
    Row,
    add_reasons,
    parse_failure,
    parse_parked,
    parse_segment,
    parse_upload,
    render_failure,
    render_parked,
    render_reasons,
    storable,
)

_SYNC_SECONDS = 5.0
"""How often lists are brought to the disk: about when the kernel writes back by itself."""

_SET_COUNTERS = ", ".join(f"{name} = ?" for name in COUNTER_NAMES)
_ADD_COUNTERS = ", ".join(f"{name} = {name} + ?" for name in COUNTER_NAMES)
_SUM_COUNTERS = ", ".join(f"COALESCE(SUM({name}), 0)" for name in COUNTER_NAMES)


class SqliteLedger:
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
        self._failure_cap = failure_cap
        self._clock = clock
        self._run = 0
        self._synced = clock()
        check_file(self.path)
        self._lock = FileLock(f"{self.path}.lock", of=self.path)
        try:
            self._db = open_database(self.path)
        except BaseException:
            self._lock.close()
            raise
        self._spool = Spool(f"{self.path}.records")

    # ---- runs ---------------------------------------------------------------------------------------------------

    def open_run(self, *, identity: str, rules: str, name: str, retry_failed: bool) -> RunInfo:
        """Begin a run or resume the unfinished one (``ledger_rules.plan_run`` decides)."""
        identity, rules, name = storable(identity), storable(rules), storable(name)
        with self._transaction():
            task_id = self._open_task(identity)
            plan = rules_of.plan_run(self._last_run(), rules=rules, retry_failed=retry_failed)
            info = self._resume(plan, task_id, name) if plan.resumed else self._begin(plan, task_id, rules, name)
        self._run = plan.number
        return info

    def _open_task(self, identity: str) -> int:
        row = self._row("SELECT identity, task_id FROM ledger")
        if row is None:
            row = (identity, rules_of.new_task_id(os.urandom(8)))
            self._db.execute("INSERT INTO ledger (only_row, identity, task_id) VALUES (1, ?, ?)", row)
        rules_of.check_identity(row[0], identity, self.path)
        task_id: int = row[1]
        return task_id

    def _last_run(self) -> LastRun | None:
        row = self._row(
            "SELECT number, rules, retry_of, finished, succeeded, failures, overflowed FROM run ORDER BY number DESC"
        )
        if row is None:
            return None
        number, rules, retry_of, finished, succeeded, failures, overflowed = row
        complete = bool(succeeded) or self._complete()
        return LastRun(number, rules, retry_of, bool(finished), complete, failures, bool(overflowed))

    def _complete(self) -> bool:
        begun = self._row("SELECT 1 FROM segment LIMIT 1")
        rest = self._row("SELECT 1 FROM segment WHERE state != 'done' UNION ALL SELECT 1 FROM parked LIMIT 1")
        return begun is not None and rest is None

    def _resume(self, plan: RunPlan, task_id: int, name: str) -> RunInfo:
        remembered, started_at, active_at = self._the_row(
            "SELECT name, started_at, active_at FROM run WHERE number = ?", (plan.number,)
        )
        name = name or remembered
        self._db.execute("UPDATE run SET name = ?, active_at = ? WHERE number = ?", (name, self._clock(), plan.number))
        self._db.execute("UPDATE segment SET state = 'todo' WHERE state = 'leased'")
        lists = self._rows("SELECT outcome, name, size FROM record_file WHERE run = ?", (plan.number,))
        self._spool.recover({self._spool.path(plan.number, *row[:2]): row[2] for row in lists}, plan.number)
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
        self._spool.recover({}, plan.number)
        return RunInfo(task_id, name, plan.number, now, resumed=False)

    def finish_run(self, *, succeeded: bool) -> None:
        """Close the run; a completed retry forgets the failures it went through."""
        with self._transaction():
            self._db.execute(
                "UPDATE run SET finished = 1, succeeded = ?, active_at = ? WHERE number = ?",
                (int(succeeded), self._clock(), self._run),
            )
            if succeeded or self._complete():
                self._db.execute("DELETE FROM failure WHERE run != ?", (self._run,))
        if succeeded:
            self._drop_old_lists()

    def _drop_old_lists(self) -> None:
        rows = self._rows("SELECT outcome, name FROM record_file WHERE run = ?", (self._run,))
        self._spool.remove_except({self._spool.path(self._run, *row) for row in rows})

    # ---- segments -----------------------------------------------------------------------------------------------

    def add_segments(self, segments: list[Segment]) -> list[Segment]:
        """Add segments and return them with their ids."""
        with self._transaction():
            return [self._add(segment) for segment in segments]

    def _add(self, segment: Segment) -> Segment:
        hi = None if segment.hi is None else key_bytes(segment.hi)
        number = self._db.execute(
            "INSERT INTO segment (prefix, lo, hi, list_offset, marker) VALUES (?, ?, ?, ?, ?)",
            (key_bytes(segment.prefix), key_bytes(segment.lo), hi, segment.list_offset, key_bytes(segment.marker)),
        ).lastrowid
        return replace(segment, id=number or 0, epoch=0, state=SegmentState.TODO, counters=Counters())

    def split(self, segment: int, epoch: int, at: str) -> Segment | None:
        """Cut ``(at, hi]`` off a leased segment (``ledger_rules.can_split`` decides)."""
        with self._transaction():
            whole = self._segment(segment)
            if whole is None or not rules_of.can_split(whole, epoch, at):
                return None
            self._db.execute("UPDATE segment SET hi = ? WHERE id = ?", (key_bytes(at), segment))
            return self._add(Segment(id=0, prefix=whole.prefix, lo=at, hi=whole.hi, list_offset=whole.list_offset))

    def _segment(self, number: int) -> Segment | None:
        row = self._row(f"SELECT {SEGMENT} FROM segment WHERE id = ?", (number,))  # noqa: S608 - our own names
        return None if row is None else parse_segment(row)

    def segments(self) -> list[Segment]:
        """All segments of this run, by id."""
        return [parse_segment(row) for row in self._rows(f"SELECT {SEGMENT} FROM segment ORDER BY id")]  # noqa: S608

    def claim(self) -> Segment | None:
        """Lease the waiting segment of the lowest id, with its epoch raised by one."""
        with self._transaction():
            (number,) = self._the_row("SELECT MIN(id) FROM segment WHERE state = 'todo'")
            if number is None:
                return None
            self._db.execute("UPDATE segment SET state = 'leased', epoch = epoch + 1 WHERE id = ?", (number,))
            return self._segment(number)

    def release_all(self) -> None:
        """Make leased segments of a dead process claimable again."""
        with self._transaction():
            self._db.execute("UPDATE segment SET state = 'todo' WHERE state = 'leased'")

    def checkpoint(self, checkpoint: Checkpoint) -> bool:
        """Commit a report (``ledger_rules.judge_report`` says what it may change)."""
        with self._transaction():
            segment = self._segment(checkpoint.segment)
            verdict = Verdict.LATE if segment is None else rules_of.judge_report(segment, checkpoint)
            if verdict in {Verdict.LATE, Verdict.KNOWN}:
                return verdict is Verdict.KNOWN
            self._set_segment(checkpoint)
            if verdict is Verdict.NEWS:
                self._add_parked(checkpoint.parked)
                self._add_failures(checkpoint.failures)
                self._add_records(checkpoint.records)
        return True

    def _set_segment(self, report: Checkpoint) -> None:
        self._db.execute(
            f"UPDATE segment SET marker = ?, state = ?, reasons = ?, {_SET_COUNTERS} WHERE id = ?",  # noqa: S608
            (
                key_bytes(report.marker),
                "done" if report.done else "leased",
                render_reasons(report.reasons),
                *counter_values(report.counters),
                report.segment,
            ),
        )
        self._touch()

    def _touch(self) -> None:
        self._db.execute("UPDATE run SET active_at = ? WHERE number = ?", (self._clock(), self._run))

    # ---- parked objects -----------------------------------------------------------------------------------------

    def _add_parked(self, parked: Sequence[Parked]) -> None:
        for item in parked:
            row = render_parked(item)
            sql = f"INSERT OR IGNORE INTO parked ({PARKED}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - our names
            if self._db.execute(sql, row).rowcount != 1:
                raise rules_of.parked_twice(item.key)

    def due(self, now: float, limit: int) -> list[Parked]:
        """Return parked objects whose time has come, earliest first, then by key."""
        sql = f"SELECT {PARKED} FROM parked WHERE due <= ? ORDER BY due, key LIMIT ?"  # noqa: S608 - our own names
        return [parse_parked(row) for row in self._rows(sql, (now, limit))]

    def postpone(self, key: str, due: float) -> None:
        """Look at a parked object later; counts an attempt."""
        with self._transaction():
            self._db.execute("UPDATE parked SET due = ?, attempts = attempts + 1 WHERE key = ?", (due, key_bytes(key)))

    def settle(self, settlement: Settlement) -> bool:
        """End a parked object in one commit. False when it was settled before."""
        with self._transaction():
            if self._db.execute("DELETE FROM parked WHERE key = ?", (key_bytes(settlement.key),)).rowcount != 1:
                return False
            self._db.execute(
                f"UPDATE run SET {_ADD_COUNTERS} WHERE number = ?",  # noqa: S608 - our own names
                (*counter_values(rules_of.settled_counters(settlement)), self._run),
            )
            self._db.execute(
                "INSERT INTO settled_reason VALUES (?, 1) ON CONFLICT (reason) DO UPDATE SET objects = objects + 1",
                (storable(settlement.reason),),
            )
            self._add_failures(() if settlement.failure is None else (settlement.failure,))
            self._add_records((settlement.record,))
            self._touch()
        return True

    def next_due(self) -> float | None:
        """When the earliest parked object is due, None when nothing is parked."""
        due: float | None = self._the_row("SELECT MIN(due) FROM parked")[0]
        return due

    def parked_count(self) -> int:
        """Return how many objects are parked."""
        count: int = self._the_row("SELECT COUNT(*) FROM parked")[0]
        return count

    # ---- totals and failures ------------------------------------------------------------------------------------

    def totals(self) -> Counters:
        """Return the counters of the run: all segments plus settled objects."""
        both = f"SELECT {COUNTERS} FROM segment UNION ALL SELECT {COUNTERS} FROM run WHERE number = ?"  # noqa: S608
        return Counters(*self._the_row(f"SELECT {_SUM_COUNTERS} FROM ({both})", (self._run,)))  # noqa: S608

    def reasons(self) -> dict[str, int]:
        """Return the run's reasons: all segments plus settled objects."""
        total: dict[str, int] = dict(self._rows("SELECT reason, objects FROM settled_reason"))
        for (text,) in self._rows("SELECT reasons FROM segment WHERE reasons != '{}'"):
            add_reasons(total, text)
        return total

    def _add_failures(self, failures: Sequence[Failure]) -> None:
        if not failures:
            return
        (kept,) = self._the_row("SELECT failures FROM run WHERE number = ?", (self._run,))
        rows = [(self._run, *render_failure(failure)) for failure in failures[: max(0, self._failure_cap - kept)]]
        before = self._db.total_changes
        sql = f"INSERT OR IGNORE INTO failure (run, {FAILURE}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 - our names
        self._db.executemany(sql, rows)
        added = self._db.total_changes - before
        self._db.execute(
            "UPDATE run SET failures = failures + ?, overflowed = MAX(overflowed, ?) WHERE number = ?",
            (added, int(len(rows) < len(failures)), self._run),
        )

    def failures(self, *, after: str = "", limit: int = 1000) -> list[Failure]:
        """Return failed objects of the run by key."""
        return self._failures_of(self._run, after, limit)

    def retry_source(self, *, after: str = "", limit: int = 1000) -> list[Failure]:
        """Return, by key, the failed objects a ``retry_failed`` run goes through; nothing in any other run."""
        row = self._row("SELECT retry_of FROM run WHERE number = ?", (self._run,))
        return [] if row is None or row[0] is None else self._failures_of(row[0], after, limit)

    def _failures_of(self, run: int, after: str, limit: int) -> list[Failure]:
        sql = f"SELECT {FAILURE} FROM failure WHERE run = ? AND key > ? ORDER BY key LIMIT ?"  # noqa: S608 - our names
        return [parse_failure(row) for row in self._rows(sql, (run, key_bytes(after), limit))]

    def failures_overflowed(self) -> bool:
        """Whether more objects failed than rows are kept; the lists hold all of them."""
        return bool(self._the_row("SELECT overflowed FROM run WHERE number = ?", (self._run,))[0])

    # ---- uploads in flight --------------------------------------------------------------------------------------

    def upload(self, key: str) -> Upload | None:
        """Return the multipart upload in flight for a destination key."""
        row = self._row(f"SELECT {UPLOAD} FROM upload WHERE key = ?", (key_bytes(key),))  # noqa: S608 - our own names
        return None if row is None else parse_upload(row)

    def save_upload(self, upload: Upload) -> None:
        """Remember an upload before its first part is sent; it replaces an earlier one of its key."""
        key, upload_id, source_etag, size, part_size = upload
        with self._transaction():
            self._db.execute(
                f"INSERT OR REPLACE INTO upload ({UPLOAD}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - our own names
                (key_bytes(key), storable(upload_id), storable(source_etag), size, part_size),
            )

    def forget_upload(self, key: str) -> None:
        """Forget an upload that was completed or aborted."""
        with self._transaction():
            self._db.execute("DELETE FROM upload WHERE key = ?", (key_bytes(key),))

    def uploads(self) -> list[Upload]:
        """All uploads in flight, by key, those of earlier runs included."""
        return [parse_upload(row) for row in self._rows(f"SELECT {UPLOAD} FROM upload ORDER BY key")]  # noqa: S608

    # ---- record lists -------------------------------------------------------------------------------------------

    def _add_records(self, records: Iterable[RecordLine]) -> None:
        lines: dict[Outcome, list[str]] = {}
        for outcome, line in records:
            lines.setdefault(outcome, []).append(line)
        for outcome, texts in lines.items():
            data = "".join(texts).encode("utf-8", "surrogateescape")
            if data:
                self._append(outcome, data)
        self._sync_sometimes()

    def _append(self, outcome: Outcome, data: bytes) -> None:
        sql = "SELECT name, size FROM record_file WHERE run = ? AND outcome = ? AND NOT closed"
        name, size = self._row(sql, (self._run, outcome)) or (self._new_list(outcome), 0)
        self._spool.write(self._spool.path(self._run, outcome, name), size, data)
        self._db.execute("UPDATE record_file SET size = ? WHERE name = ?", (size + len(data), name))

    def _new_list(self, outcome: Outcome) -> str:
        (last,) = self._the_row("SELECT last_stamp FROM ledger")
        stamp = rules_of.next_stamp(last, self._clock())
        name = rules_of.render_stamp(stamp)
        self._db.execute("UPDATE ledger SET last_stamp = ?", (stamp,))
        self._db.execute(
            "INSERT INTO record_file (name, run, outcome, size) VALUES (?, ?, ?, 0)", (name, self._run, outcome)
        )
        return name

    def _sync_sometimes(self) -> None:
        if self._clock() - self._synced >= _SYNC_SECONDS:
            self._spool.sync()
            self._synced = self._clock()

    def records_ready(self, *, everything: bool, limit_bytes: int) -> list[tuple[Outcome, str, str]]:
        """Close and return record files as (outcome, list name, local path), oldest first."""
        with self._transaction():
            least = 0 if everything else limit_bytes
            full = "SELECT outcome, name, size FROM record_file WHERE run = ? AND NOT closed AND size >= ?"
            for outcome, name, size in self._rows(full, (self._run, least)):
                self._spool.seal(self._spool.path(self._run, outcome, name), size)
                self._db.execute("UPDATE record_file SET closed = 1 WHERE name = ?", (name,))
        ready = self._rows("SELECT outcome, name FROM record_file WHERE run = ? AND closed ORDER BY name", (self._run,))
        return [(Outcome(outcome), name, self._spool.path(self._run, outcome, name)) for outcome, name in ready]

    def record_uploaded(self, outcome: Outcome, list_name: str) -> None:
        """Drop a record file that is safely in the destination bucket."""
        with self._transaction():
            self._db.execute("DELETE FROM record_file WHERE name = ? AND closed", (list_name,))
        self._spool.remove(self._spool.path(self._run, outcome, list_name))

    # ---- the file -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Release the file and its lock; a second time is no error."""
        self._spool.close()
        self._db.close()
        self._lock.close()

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """Commit all that the block does, or nothing of it, whatever it raises."""
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error | OSError):
                raise explain(error, self.path) from error
            raise

    def _rows(self, sql: str, parameters: tuple[Any, ...] = ()) -> list[Row]:
        try:
            return self._db.execute(sql, parameters).fetchall()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def _row(self, sql: str, parameters: tuple[Any, ...] = ()) -> Row | None:
        rows = self._rows(sql, parameters)
        return rows[0] if rows else None

    def _the_row(self, sql: str, parameters: tuple[Any, ...] = ()) -> Row:
        row = self._row(sql, parameters)
        if row is None:
            raise RepositoryError(f"The state file {self.path} has no run open: call open_run first.")
        return row
