"""The ledger in memory, for tests and dry runs: every rule of the protocol, forgotten with the process.

``close`` keeps the memory, so that a test may open the next run on the same object as the next process would.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

from oms_engine import ledger_rules as rules_of
from oms_engine.ledger import (
    Checkpoint,
    Doubt,
    Failure,
    Orphan,
    Parked,
    ParkKind,
    RecordLine,
    RunInfo,
    Segment,
    SegmentState,
    Settlement,
    Upload,
)
from oms_engine.ledger_rules import FAILURE_CAP, LastRun, RunPlan, Verdict
from oms_engine.model import Outcome, WrittenPart, key_bytes
from oms_engine.task import Counters


@dataclass(slots=True)
class _List:
    outcome: Outcome
    size: int = 0
    closed: bool = False


@dataclass(slots=True)
class _Run:
    number: int
    rules: str
    name: str
    retry_of: int | None
    started_at: float
    active_at: float
    finished: bool = False
    succeeded: bool = False
    overflowed: bool = False
    segments: dict[int, Segment] = field(default_factory=dict)
    parked: dict[str, Parked] = field(default_factory=dict)
    settled: Counters = field(default_factory=Counters)
    settled_reasons: Counter[str] = field(default_factory=Counter)
    lists: dict[str, _List] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        done = all(segment.state is SegmentState.DONE for segment in self.segments.values())
        return self.succeeded or (bool(self.segments) and done and not self.parked)


class MemoryLedger:
    """A :class:`~oms_engine.ledger.Ledger` in memory; its lists lie in a temporary directory that goes with it.

    ``lists=False`` writes none, for dry runs: memory and disk stay flat however many objects there are.
    """

    def __init__(
        self, *, failure_cap: int = FAILURE_CAP, lists: bool = True, clock: Callable[[], float] = time.time
    ) -> None:
        self._with_lists = lists
        self._failure_cap = failure_cap
        self._clock = clock
        self._identity: str | None = None
        self._task_id = rules_of.new_task_id(os.urandom(8))
        self._last_segment = 0
        self._last_stamp = 0
        self._failures: dict[int, dict[bytes, Failure]] = {}
        self._uploads: dict[str, Upload] = {}
        self._doubts: dict[str, Doubt] = {}
        self._parts: dict[str, dict[int, WrittenPart]] = {}
        self._orphans: dict[tuple[str, str, float], Orphan] = {}
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._run = _Run(number=0, rules="", name="", retry_of=None, started_at=0, active_at=0, finished=True)

    # ---- runs ---------------------------------------------------------------------------------------------------

    def open_run(self, *, identity: str, rules: str, name: str, retry_failed: bool, anew: bool = False) -> RunInfo:
        """Begin a run or resume the unfinished one (``ledger_rules.plan_run`` decides)."""
        rules_of.check_identity(self._identity or identity, identity, "memory")
        plan = rules_of.plan_run(self._last_run(), rules=rules, retry_failed=retry_failed, anew=anew)
        self._identity = identity
        return self._resume(name) if plan.resumed else self._begin(plan, rules, name)

    def _last_run(self) -> LastRun | None:
        run = self._run
        if run.number == 0:
            return None
        failures = len(self._failures.get(run.number, {}))
        return LastRun(run.number, run.rules, run.retry_of, run.finished, run.complete, failures, run.overflowed)

    def _resume(self, name: str) -> RunInfo:
        run = self._run
        run.name = name or run.name
        interrupted_at, run.active_at = run.active_at, self._clock()
        self.release_all()
        return RunInfo(self._task_id, run.name, run.number, run.started_at, resumed=True, interrupted_at=interrupted_at)

    def _begin(self, plan: RunPlan, rules: str, name: str) -> RunInfo:
        now = self._clock()
        self._failures = {run: rows for run, rows in self._failures.items() if run == plan.retry_of}
        self._run = _Run(plan.number, rules, name, plan.retry_of, started_at=now, active_at=now)
        return RunInfo(self._task_id, name, plan.number, now, resumed=False)

    def finish_run(self, *, succeeded: bool) -> None:
        """Close the run; a completed retry forgets the failures it went through."""
        run = self._run
        run.finished, run.succeeded, run.active_at = True, succeeded, self._clock()
        if run.complete:
            self._failures = {number: rows for number, rows in self._failures.items() if number == run.number}

    # ---- segments -----------------------------------------------------------------------------------------------

    def add_segments(self, segments: list[Segment]) -> list[Segment]:
        """Add segments and return them with their ids."""
        return [self._add(segment) for segment in segments]

    def _add(self, segment: Segment) -> Segment:
        self._last_segment += 1
        added = replace(
            segment, id=self._last_segment, epoch=0, state=SegmentState.TODO, counters=Counters(), reasons={}
        )
        self._run.segments[added.id] = added
        return added

    def split(self, segment: int, epoch: int, at: str) -> Segment | None:
        """Cut ``(at, hi]`` off a leased segment (``ledger_rules.can_split`` decides)."""
        whole = self._run.segments.get(segment)
        if whole is None or not rules_of.can_split(whole, epoch, at):
            return None
        self._run.segments[segment] = replace(whole, hi=at)
        return self._add(replace(whole, lo=at, marker=""))

    def segments(self) -> list[Segment]:
        """All segments of this run, by id."""
        return list(self._run.segments.values())

    def claim(self) -> Segment | None:
        """Lease the waiting segment of the lowest id, with its epoch raised by one."""
        for segment in self._run.segments.values():
            if segment.state is SegmentState.TODO:
                leased = replace(segment, state=SegmentState.LEASED, epoch=segment.epoch + 1)
                self._run.segments[segment.id] = leased
                return leased
        return None

    def release_all(self) -> None:
        """Make leased segments of a dead process claimable again."""
        for segment in self.segments():
            if segment.state is SegmentState.LEASED:
                self._run.segments[segment.id] = replace(segment, state=SegmentState.TODO)

    def release(self, segment: int, epoch: int) -> None:
        """Make one leased segment claimable again, when it is still leased under this epoch."""
        held = self._run.segments.get(segment)
        if held is not None and (held.state, held.epoch) == (SegmentState.LEASED, epoch):
            self._run.segments[segment] = replace(held, state=SegmentState.TODO)

    def checkpoint(self, checkpoint: Checkpoint) -> bool:
        """Commit a report (``ledger_rules.judge_report`` says what it may change)."""
        segment = self._run.segments.get(checkpoint.segment)
        verdict = Verdict.LATE if segment is None else rules_of.judge_report(segment, checkpoint)
        if segment is None or verdict in {Verdict.LATE, Verdict.KNOWN}:
            return verdict is Verdict.KNOWN
        if verdict is Verdict.NEWS:
            self._add_parked(checkpoint.parked)
            self._add_failures(checkpoint.failures)
            self._add_records(checkpoint.records)
        state = SegmentState.DONE if checkpoint.done else SegmentState.LEASED
        self._run.segments[segment.id] = replace(
            segment,
            marker=checkpoint.marker,
            state=state,
            counters=checkpoint.counters,
            reasons=dict(checkpoint.reasons),
        )
        self._run.active_at = self._clock()
        return True

    # ---- parked objects -----------------------------------------------------------------------------------------

    def _add_parked(self, parked: tuple[Parked, ...]) -> None:
        keys = Counter([item.key for item in parked] + list(self._run.parked))
        if twice := [key for key, times in keys.items() if times > 1]:
            raise rules_of.parked_twice(twice[0])
        self._run.parked.update((item.key, item) for item in parked)

    def due(self, now: float, limit: int, kind: ParkKind | None = None) -> list[Parked]:
        """Return parked objects whose time has come, earliest first, then by key."""
        ready = [parked for parked in self._run.parked.values() if parked.due <= now and kind in {None, parked.kind}]
        return sorted(ready, key=lambda parked: (parked.due, key_bytes(parked.key)))[:limit]

    def postpone(self, key: str, due: float) -> None:
        """Look at a parked object later; counts an attempt."""
        if parked := self._run.parked.get(key):
            self._run.parked[key] = parked._replace(due=due, attempts=parked.attempts + 1)

    def settle(self, settlement: Settlement) -> bool:
        """End a parked object. False when it was settled before."""
        if self._run.parked.pop(settlement.key, None) is None:
            return False
        self._run.settled = rules_of.add_counters(self._run.settled, rules_of.settled_counters(settlement))
        self._run.settled_reasons.update(rules_of.settled_reasons(settlement))
        self._add_failures(() if settlement.failure is None else (settlement.failure,))
        self._add_records((settlement.record,))
        self._run.active_at = self._clock()
        return True

    def next_due(self) -> float | None:
        """When the earliest parked object is due, None when nothing is parked."""
        return min((parked.due for parked in self._run.parked.values()), default=None)

    def parked_count(self) -> int:
        """Return how many objects are parked."""
        return len(self._run.parked)

    # ---- totals and failures ------------------------------------------------------------------------------------

    def totals(self) -> Counters:
        """Return the counters of the run: all segments plus settled objects."""
        total = self._run.settled
        for segment in self._run.segments.values():
            total = rules_of.add_counters(total, segment.counters)
        return total

    def reasons(self) -> dict[str, int]:
        """Return the run's reasons: all segments plus settled objects."""
        total = self._run.settled_reasons.copy()
        for segment in self._run.segments.values():
            total.update(segment.reasons)
        return dict(total)

    def _add_failures(self, failures: tuple[Failure, ...]) -> None:
        rows = self._failures.setdefault(self._run.number, {})
        room = max(0, self._failure_cap - len(rows))
        for failure in failures[:room]:
            rows.setdefault(key_bytes(failure.key), failure)
        self._run.overflowed |= len(failures) > room

    def failures(self, *, after: str = "", limit: int = 1000) -> list[Failure]:
        """Return failed objects of the run by key."""
        return self._failures_of(self._run.number, after, limit)

    def retry_source(self, *, after: str = "", limit: int = 1000) -> list[Failure]:
        """Return, by key, the failed objects a ``retry_failed`` run goes through; nothing in any other run."""
        return [] if self._run.retry_of is None else self._failures_of(self._run.retry_of, after, limit)

    def _failures_of(self, run: int, after: str, limit: int) -> list[Failure]:
        rows = sorted((key, row) for key, row in self._failures.get(run, {}).items() if key > key_bytes(after))
        return [row for _, row in rows[:limit]]

    def failures_overflowed(self) -> bool:
        """Whether more objects failed than rows are kept; the lists hold all of them."""
        return self._run.overflowed

    # ---- uploads in flight --------------------------------------------------------------------------------------

    def upload(self, key: str) -> Upload | None:
        """Return the multipart upload in flight for a destination key."""
        return self._uploads.get(key)

    def save_upload(self, upload: Upload) -> None:
        """Remember an upload before its first part is sent; an earlier one of its key becomes an orphan."""
        earlier = self._uploads.get(upload.key)
        if earlier is not None and earlier.upload_id != upload.upload_id:
            self.orphan_upload(upload.key)
        self._uploads[upload.key] = upload
        self._parts[upload.key] = {}

    def save_part(self, key: str, part: WrittenPart) -> None:
        """Remember a proved part of an upload in flight; without one nothing happens."""
        if key in self._uploads:
            self._parts[key][part.number] = part

    def parts(self, key: str) -> list[WrittenPart]:
        """Return the proved parts of an upload in flight, by number."""
        return [part for _, part in sorted(self._parts.get(key, {}).items())]

    def forget_upload(self, key: str) -> None:
        """Forget an upload that was completed or aborted, and its parts."""
        self._uploads.pop(key, None)
        self._parts.pop(key, None)

    def save_doubt(self, doubt: Doubt) -> None:
        """Remember a damaged copy before it is taken back."""
        self._doubts[doubt.key] = doubt

    def forget_doubt(self, key: str) -> None:
        """Forget a damaged copy that is gone or was replaced."""
        self._doubts.pop(key, None)

    def doubts(self) -> list[Doubt]:
        """All damaged copies, by key."""
        return sorted(self._doubts.values(), key=lambda doubt: key_bytes(doubt.key))

    def uploads(self) -> list[Upload]:
        """All uploads in flight, by key, those of earlier runs included."""
        return sorted(self._uploads.values(), key=lambda upload: key_bytes(upload.key))

    def orphan_upload(self, key: str) -> None:
        """Go on with the upload of a key no longer; without one nothing happens."""
        if key in self._uploads:
            self.save_orphan(Orphan(key, self._uploads[key].upload_id))
            self.forget_upload(key)

    def save_orphan(self, orphan: Orphan) -> None:
        """Remember an upload that is to be aborted, or a request that may open one."""
        self._orphans.setdefault(orphan[:3], orphan)

    def forget_orphan(self, orphan: Orphan) -> None:
        """Forget an upload that was aborted, or a request that was answered."""
        self._orphans.pop(orphan[:3], None)

    def orphans(self) -> list[Orphan]:
        """All orphans, by key."""
        return sorted(self._orphans.values(), key=lambda orphan: (key_bytes(orphan.key), orphan[1:]))

    # ---- record lists -------------------------------------------------------------------------------------------

    def _add_records(self, records: Iterable[RecordLine]) -> None:
        texts: dict[Outcome, list[str]] = {}
        for outcome, line in records if self._with_lists else ():
            texts.setdefault(outcome, []).append(line)
        for outcome, lines in texts.items():
            if data := "".join(lines).encode("utf-8", "surrogateescape"):
                self._append(outcome, data)

    def _append(self, outcome: Outcome, data: bytes) -> None:
        name, target = self._open_list(outcome)
        with open(self._path(name), "ab") as file:  # noqa: PTH123 - paths are text here as in the protocol
            file.write(data)
        target.size += len(data)

    def _open_list(self, outcome: Outcome) -> tuple[str, _List]:
        for name, item in self._run.lists.items():
            if item.outcome is outcome and not item.closed:
                return name, item
        self._last_stamp = rules_of.next_stamp(self._last_stamp, self._clock())
        name = rules_of.render_stamp(self._last_stamp)
        return name, self._run.lists.setdefault(name, _List(outcome))

    def records_ready(self, *, everything: bool, limit_bytes: int) -> list[tuple[Outcome, str, str]]:
        """Close and return record files as (outcome, list name, local path), oldest first."""
        for item in self._run.lists.values():
            item.closed |= everything or item.size >= limit_bytes
        return [(item.outcome, name, self._path(name)) for name, item in self._run.lists.items() if item.closed]

    def migrated_lines(self) -> list[str]:
        """Return the lines of the newest list of migrated objects that is kept here."""
        names = [name for name, item in self._run.lists.items() if item.outcome is Outcome.MIGRATED]
        if not names:
            return []
        with open(self._path(names[-1]), "rb") as file:  # noqa: PTH123 - as above
            return file.read().decode("utf-8", "surrogateescape").splitlines()

    def _path(self, name: str) -> str:
        if self._directory is None:
            self._directory = tempfile.TemporaryDirectory(prefix="openoms-lists-")
        return f"{self._directory.name}/{name}.txt"

    def record_uploaded(self, outcome: Outcome, list_name: str) -> None:
        """Drop a record file that is safely in the destination bucket."""
        item = self._run.lists.get(list_name)
        if item is not None and item.closed and item.outcome is outcome:
            del self._run.lists[list_name]
            os.unlink(self._path(list_name))  # noqa: PTH108 - as above

    def close(self) -> None:
        """End the process's part: what is remembered stays, and the lists too unless the run is finished."""
        if self._run.finished and self._directory is not None:
            self._directory.cleanup()
            self._directory = None
