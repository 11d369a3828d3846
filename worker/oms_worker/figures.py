"""The figures of a task as OMS states them, from what the engine counts. Pure.

What the fields mean (https://support.huaweicloud.com/intl/en-us/api-oms/ShowTask.html and the responses printed there):

* ``total_*``: everything found in the scope; skipped objects count, and their bytes count as processed.
* ``complete_size``: bytes processed: of migrated and skipped objects, and of those under way.
* ``real_size``: ``total_size`` without skipped objects.
* ``migrate_speed`` of a task that has ended: ``complete_size * 1000 // total_time``; of one that runs: bytes that cross
  the wire per second, now.
* ``progress``: by bytes, ``complete_size`` of ``total_size``; of list tasks by objects. 1 only at the end.
* ``left_time``: milliseconds; 0 only where nothing runs.

Nothing of a run goes backwards: not when another process goes on from what was committed, not by a pause
(:func:`forward`). A run through the failed objects alone adds to the figures that the task has (:class:`Carried`).
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

from oms_engine.frozen import dataclass
from oms_engine.task import Counters, Progress, Result, TaskState

NOT_YET = 0.999
"""Most that a running task says of itself."""
LEAST_LEFT_MS, MAX_LEFT_MS = 1000, 10**15
"""A running task has some time left."""


@dataclass(frozen=True, slots=True)
class Scan:
    """What a listing beside the migration has counted so far."""

    objects: int = 0
    size: int = 0
    done: bool = False


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a running task."""

    progress: Progress
    scan: Scan | None = None


@dataclass(frozen=True, slots=True)
class Carried:
    """What a task had reached before a run that goes through its failed objects alone."""

    total_num: int = 0
    total_size: int = 0
    successful_num: int = 0
    skipped_num: int = 0
    complete_size: int = 0
    skipped_size: int = 0


NOTHING_CARRIED = Carried()


@dataclass(frozen=True, slots=True)
class Figures:
    """The columns of a task that its owner sets."""

    total_num: int = 0
    total_size: int = 0
    successful_num: int = 0
    failed_num: int = 0
    skipped_num: int = 0
    complete_size: int = 0
    real_size: int = 0
    migrate_speed: int = 0
    progress: float = 0.0
    left_time_ms: int = 0
    is_query_over: bool = False

    @property
    def ended(self) -> int:
        """Objects that have their end."""
        return self.successful_num + self.skipped_num + self.failed_num

    def columns(self) -> dict[str, Any]:
        """Return them by their names in the table."""
        return asdict(self)


def figures_of(look: Look, total_time_ms: int, *, by_objects: bool, carried: Carried = NOTHING_CARRIED) -> Figures:
    """Return the figures of a running task; ``total_time_ms`` is how long its run has been going on."""
    progress, counters = look.progress, look.progress.counters
    scan = look.scan or Scan()
    total_num, total_size = counters.listed, counters.listed_bytes
    if not progress.listing_done:
        total_num, total_size = max(total_num, scan.objects), max(total_size, scan.size)
    ended_bytes = counters.migrated_bytes + counters.skipped_bytes
    complete = min(ended_bytes + progress.under_way_bytes, max(total_size - counters.failed_bytes, ended_bytes))
    found = _added(counters, total_num, total_size, complete, carried)
    share = _share(found, by_objects=by_objects)
    size_left = found.total_size - found.complete_size - counters.failed_bytes
    left = _left_ms(progress, found.total_num - found.ended, size_left, share, total_time_ms)
    return replace(
        found,
        migrate_speed=max(0, int(progress.bytes_per_second)),
        progress=min(share, NOT_YET),
        left_time_ms=max(LEAST_LEFT_MS, left),
        is_query_over=progress.listing_done or scan.done or carried != NOTHING_CARRIED,
    )


def final_figures(
    result: Result, total_time_ms: int, *, by_objects: bool, carried: Carried = NOTHING_CARRIED
) -> Figures:
    """Return the figures of a run that has ended or paused."""
    counters = result.counters
    done = counters.migrated_bytes + counters.skipped_bytes
    found = _added(counters, counters.listed, counters.listed_bytes, done, carried)
    share = _share(found, by_objects=by_objects)
    return replace(
        found,
        migrate_speed=average_speed(done, total_time_ms),
        progress=1.0 if result.state is TaskState.SUCCEEDED else min(share, NOT_YET),
        is_query_over=result.complete or carried != NOTHING_CARRIED,
    )


def _added(counters: Counters, total_num: int, total_size: int, complete: int, carried: Carried) -> Figures:
    """Add the counts of a run to what the task had reached before it; its objects are among the task's already."""
    total_size = max(total_size + carried.complete_size, carried.total_size)
    return Figures(
        total_num=max(total_num + carried.successful_num + carried.skipped_num, carried.total_num),
        total_size=total_size,
        successful_num=carried.successful_num + counters.migrated,
        failed_num=counters.failed,
        skipped_num=carried.skipped_num + counters.skipped,
        complete_size=carried.complete_size + complete,
        real_size=total_size - counters.skipped_bytes - carried.skipped_size,
    )


def forward(before: Figures, now: Figures) -> Figures:
    """Return what is stated after ``before``; ``now`` may come from a process that knows only what was committed.

    ==========================================  ==================================================================
    figure                                      the greater of the two, but
    ==========================================  ==================================================================
    totals, progress, ``is_query_over``         nothing
    ``complete_size``                           no more than the total
    successful, skipped, failed                 together no more than the total: what ``now`` states comes first, so
                                                that an object whose end was corrected stands once
    ``real_size``                               the total without what was skipped
    speed, time left                            as ``now`` states them
    ==========================================  ==================================================================
    """
    total_num, total_size = max(before.total_num, now.total_num), max(before.total_size, now.total_size)
    room = max(0, total_num - now.ended)
    counts = {}
    for name in ("successful_num", "skipped_num", "failed_num"):
        more = min(room, max(0, getattr(before, name) - getattr(now, name)))
        counts[name] = getattr(now, name) + more
        room -= more
    return replace(
        now,
        total_num=total_num,
        total_size=total_size,
        complete_size=min(max(before.complete_size, now.complete_size), max(total_size, now.complete_size)),
        real_size=now.real_size + total_size - now.total_size,
        progress=max(before.progress, now.progress),
        is_query_over=before.is_query_over or now.is_query_over,
        **counts,
    )


def _share(found: Figures, *, by_objects: bool) -> float:
    """Return how much is done, 0 to 1; by objects also where there are no bytes at all."""
    if by_objects or not found.total_size:
        part, whole = found.successful_num + found.skipped_num, found.total_num
    else:
        part, whole = found.complete_size, found.total_size
    return round(min(1.0, part / whole), 3) if whole else 0.0


def _left_ms(progress: Progress, objects: int, size: int, share: float, total_time_ms: int) -> int:
    """Estimate by the slower of bytes and objects at their rates now; where nothing moves, by the time so far."""
    guesses = [
        left / rate
        for left, rate in ((size, progress.bytes_per_second), (objects, progress.objects_per_second))
        if left > 0 and rate >= 1.0
    ]
    if guesses:
        return min(MAX_LEFT_MS, round(max(guesses) * 1000))
    return min(MAX_LEFT_MS, round(total_time_ms * (1 - share) / share) if share else total_time_ms)


def average_speed(size: int, milliseconds: int) -> int:
    """Return bytes per second, as OMS rounds them: down."""
    return size * 1000 // milliseconds if milliseconds > 0 else 0
