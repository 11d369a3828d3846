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
from collections.abc import Callable, Sequence
from dataclasses import replace

from oms_engine import ledger_rules as rules_of
from oms_engine.ledger import Checkpoint, Failure, Parked, ParkKind, RunInfo, Segment, SegmentState, Settlement, Upload
from oms_engine.ledger_rules import COUNTER_NAMES, FAILURE_CAP, Verdict, counter_values
from oms_engine.model import Outcome, WrittenPart, key_bytes
from oms_engine.task import Counters
from oms_worker.record_lists import RecordLists
from oms_worker.sqlite_database import Database
from oms_worker.sqlite_file import FileLock, check_file
from oms_worker.sqlite_rows import (
    COUNTERS,
    FAILURE,
    PARKED,
    SEGMENT,
    add_reasons,
    parse_failure,
    parse_parked,
    parse_segment,
    render_failure,
    render_parked,
    render_reasons,
    storable,
)
from oms_worker.sqlite_runs import Runs
from oms_worker.sqlite_uploads import Uploads

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
        check_file(self.path)
        self._lock = FileLock(f"{self.path}.lock", of=self.path)
        try:
            self._db = Database(self.path)
        except BaseException:
            self._lock.close()
            raise
        self._runs = Runs(self._db, clock)
        self._uploads = Uploads(self._db)
        self._lists = RecordLists(self._db, f"{self.path}.records", clock)

    # ---- runs ---------------------------------------------------------------------------------------------------

    def open_run(self, *, identity: str, rules: str, name: str, retry_failed: bool) -> RunInfo:
        """Begin a run or resume the unfinished one (``ledger_rules.plan_run`` decides)."""
        identity, rules, name = storable(identity), storable(rules), storable(name)
        with self._db.transaction():
            info = self._runs.open(identity=identity, rules=rules, name=name, retry_failed=retry_failed)
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
            return [self._add(segment) for segment in segments]

    def _add(self, segment: Segment) -> Segment:
        hi = None if segment.hi is None else key_bytes(segment.hi)
        number = self._db.execute(
            "INSERT INTO segment (prefix, lo, hi, list_offset, marker) VALUES (?, ?, ?, ?, ?)",
            (key_bytes(segment.prefix), key_bytes(segment.lo), hi, segment.list_offset, key_bytes(segment.marker)),
        ).lastrowid
        return replace(segment, id=number or 0, epoch=0, state=SegmentState.TODO, counters=Counters(), reasons={})

    def split(self, segment: int, epoch: int, at: str) -> Segment | None:
        """Cut ``(at, hi]`` off a leased segment (``ledger_rules.can_split`` decides)."""
        with self._db.transaction():
            whole = self._segment(segment)
            if whole is None or not rules_of.can_split(whole, epoch, at):
                return None
            self._db.execute("UPDATE segment SET hi = ? WHERE id = ?", (key_bytes(at), segment))
            return self._add(Segment(id=0, prefix=whole.prefix, lo=at, hi=whole.hi, list_offset=whole.list_offset))

    def _segment(self, number: int) -> Segment | None:
        row = self._db.row_or_none(f"SELECT {SEGMENT} FROM segment WHERE id = ?", (number,))  # noqa: S608 - our own names
        return None if row is None else parse_segment(row)

    def segments(self) -> list[Segment]:
        """All segments of this run, by id."""
        return [parse_segment(row) for row in self._db.rows(f"SELECT {SEGMENT} FROM segment ORDER BY id")]  # noqa: S608

    def claim(self) -> Segment | None:
        """Lease the waiting segment of the lowest id, with its epoch raised by one."""
        with self._db.transaction():
            (number,) = self._db.row("SELECT MIN(id) FROM segment WHERE state = 'todo'")
            if number is None:
                return None
            self._db.execute("UPDATE segment SET state = 'leased', epoch = epoch + 1 WHERE id = ?", (number,))
            return self._segment(number)

    def release_all(self) -> None:
        """Make leased segments of a dead process claimable again."""
        with self._db.transaction():
            self._db.execute("UPDATE segment SET state = 'todo' WHERE state = 'leased'")

    def release(self, segment: int, epoch: int) -> None:
        """Make one leased segment claimable again, when it is still leased under this epoch."""
        with self._db.transaction():
            sql = "UPDATE segment SET state = 'todo' WHERE id = ? AND epoch = ? AND state = 'leased'"
            self._db.execute(sql, (segment, epoch))

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

    def due(self, now: float, limit: int, kind: ParkKind | None = None) -> list[Parked]:
        """Return parked objects whose time has come, earliest first, then by key."""
        sql = f"SELECT {PARKED} FROM parked WHERE due <= ? AND kind IN (?, ?) ORDER BY due, key LIMIT ?"  # noqa: S608
        kinds = (kind, kind) if kind else tuple(ParkKind)
        return [parse_parked(row) for row in self._db.rows(sql, (now, *kinds, limit))]

    def postpone(self, key: str, due: float) -> None:
        """Look at a parked object later; counts an attempt."""
        with self._db.transaction():
            self._db.execute("UPDATE parked SET due = ?, attempts = attempts + 1 WHERE key = ?", (due, key_bytes(key)))

    def settle(self, settlement: Settlement) -> bool:
        """End a parked object in one commit. False when it was settled before."""
        with self._db.transaction():
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
            self._lists.add(self._run, (settlement.record,))
            self._touch()
        return True

    def next_due(self) -> float | None:
        """When the earliest parked object is due, None when nothing is parked."""
        due: float | None = self._db.row("SELECT MIN(due) FROM parked")[0]
        return due

    def parked_count(self) -> int:
        """Return how many objects are parked."""
        count: int = self._db.row("SELECT COUNT(*) FROM parked")[0]
        return count

    # ---- totals and failures ------------------------------------------------------------------------------------

    def totals(self) -> Counters:
        """Return the counters of the run: all segments plus settled objects."""
        both = f"SELECT {COUNTERS} FROM segment UNION ALL SELECT {COUNTERS} FROM run WHERE number = ?"  # noqa: S608
        return Counters(*self._db.row(f"SELECT {_SUM_COUNTERS} FROM ({both})", (self._run,)))  # noqa: S608

    def reasons(self) -> dict[str, int]:
        """Return the run's reasons: all segments plus settled objects."""
        total: dict[str, int] = dict(self._db.rows("SELECT reason, objects FROM settled_reason"))
        for (text,) in self._db.rows("SELECT reasons FROM segment WHERE reasons != '{}'"):
            add_reasons(total, text)
        return total

    def _add_failures(self, failures: Sequence[Failure]) -> None:
        if not failures:
            return
        (kept,) = self._db.row("SELECT failures FROM run WHERE number = ?", (self._run,))
        rows = [(self._run, *render_failure(failure)) for failure in failures[: max(0, self._failure_cap - kept)]]
        sql = f"INSERT OR IGNORE INTO failure (run, {FAILURE}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 - our names
        added = self._db.execute_many(sql, rows)
        self._db.execute(
            "UPDATE run SET failures = failures + ?, overflowed = MAX(overflowed, ?) WHERE number = ?",
            (added, int(len(rows) < len(failures)), self._run),
        )

    def failures(self, *, after: str = "", limit: int = 1000) -> list[Failure]:
        """Return failed objects of the run by key."""
        return self._failures_of(self._run, after, limit)

    def retry_source(self, *, after: str = "", limit: int = 1000) -> list[Failure]:
        """Return, by key, the failed objects a ``retry_failed`` run goes through; nothing in any other run."""
        row = self._db.row_or_none("SELECT retry_of FROM run WHERE number = ?", (self._run,))
        return [] if row is None or row[0] is None else self._failures_of(row[0], after, limit)

    def _failures_of(self, run: int, after: str, limit: int) -> list[Failure]:
        sql = f"SELECT {FAILURE} FROM failure WHERE run = ? AND key > ? ORDER BY key LIMIT ?"  # noqa: S608 - our names
        return [parse_failure(row) for row in self._db.rows(sql, (run, key_bytes(after), limit))]

    def failures_overflowed(self) -> bool:
        """Whether more objects failed than rows are kept; the lists hold all of them."""
        return bool(self._db.row("SELECT overflowed FROM run WHERE number = ?", (self._run,))[0])

    # ---- uploads in flight --------------------------------------------------------------------------------------

    def upload(self, key: str) -> Upload | None:
        """Return the multipart upload in flight for a destination key."""
        return self._uploads.get(key)

    def save_upload(self, upload: Upload) -> None:
        """Remember an upload before its first part is sent; an earlier one of its key goes, with its parts."""
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

    # ---- record lists -------------------------------------------------------------------------------------------

    def records_ready(self, *, everything: bool, limit_bytes: int) -> list[tuple[Outcome, str, str]]:
        """Close and return record files as (outcome, list name, local path), oldest first."""
        return self._lists.ready(self._run, everything=everything, limit_bytes=limit_bytes)

    def record_uploaded(self, outcome: Outcome, list_name: str) -> None:
        """Drop a record file that is safely in the destination bucket."""
        self._lists.uploaded(self._run, outcome, list_name)

    # ---- the file -----------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Release the file and its lock; a second time is no error."""
        self._lists.close()
        self._db.close()
        self._lock.close()
