"""The figures of a task as OMS tells them, from what the engine counts. Pure.

What the fields mean (https://support.huaweicloud.com/intl/en-us/api-oms/ShowTask.html and the responses printed there):

* ``total_*``: everything found in the scope; skipped objects count, and their bytes count as processed.
* ``complete_size``: bytes processed: of migrated and skipped objects, and of those under way.
* ``real_size``: ``total_size`` without skipped objects.
* ``migrate_speed`` of a task that has ended: ``complete_size * 1000 // total_time``; of one that runs: bytes that cross
  the wire per second, now.
* ``progress``: by bytes; of list tasks by objects. 1 only at the end.
* ``left_time``: milliseconds; 0 at the end and as long as nothing can be said.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from oms_engine.frozen import dataclass
from oms_engine.task import Progress, Result, TaskState

NOT_YET = 0.999
"""Most that a running task says of itself."""
MAX_LEFT_MS = 10**15


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
    under_way: int = 0
    """Bytes transferred of objects that have no end yet."""


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

    def columns(self) -> dict[str, Any]:
        """Return them by their names in the table."""
        return asdict(self)


def figures_of(look: Look, total_time_ms: int, *, by_objects: bool) -> Figures:
    """Return the figures of a running task; ``total_time_ms`` is how long its run has been going on."""
    progress, counters = look.progress, look.progress.counters
    scan = look.scan or Scan()
    total_num, total_size = counters.listed, counters.listed_bytes
    if not progress.listing_done:
        total_num, total_size = max(total_num, scan.objects), max(total_size, scan.size)
    ended_bytes = counters.migrated_bytes + counters.skipped_bytes
    complete = min(ended_bytes + look.under_way, max(total_size - counters.failed_bytes, ended_bytes))
    ended = counters.migrated + counters.skipped + counters.failed
    share = _share(ended, total_num, complete + counters.failed_bytes, total_size, by_objects=by_objects)
    return Figures(
        total_num=total_num,
        total_size=total_size,
        successful_num=counters.migrated,
        failed_num=counters.failed,
        skipped_num=counters.skipped,
        complete_size=complete,
        real_size=total_size - counters.skipped_bytes,
        migrate_speed=max(0, int(progress.bytes_per_second)),
        progress=min(share, NOT_YET),
        left_time_ms=_left_ms(progress, total_num - ended, total_size - complete, share, total_time_ms),
        is_query_over=progress.listing_done or scan.done,
    )


def _share(ended: int, objects: int, done: int, size: int, *, by_objects: bool) -> float:
    """Return how much is done, 0 to 1; by objects also where there are no bytes at all."""
    part, whole = (ended, objects) if by_objects or not size else (done, size)
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
    return min(MAX_LEFT_MS, round(total_time_ms * (1 - share) / share)) if share else 0


def final_figures(result: Result, total_time_ms: int, *, by_objects: bool) -> Figures:
    """Return the figures of a run that has ended or paused."""
    counters = result.counters
    done = counters.migrated_bytes + counters.skipped_bytes
    ended = counters.migrated + counters.skipped + counters.failed
    share = _share(ended, counters.listed, done, counters.listed_bytes, by_objects=by_objects)
    return Figures(
        total_num=counters.listed,
        total_size=counters.listed_bytes,
        successful_num=counters.migrated,
        failed_num=counters.failed,
        skipped_num=counters.skipped,
        complete_size=done,
        real_size=counters.listed_bytes - counters.skipped_bytes,
        migrate_speed=average_speed(done, total_time_ms),
        progress=1.0 if result.state is TaskState.SUCCEEDED else min(share, NOT_YET),
        left_time_ms=0,
        is_query_over=result.complete,
    )


def average_speed(size: int, milliseconds: int) -> int:
    """Return bytes per second, as OMS rounds them: down."""
    return size * 1000 // milliseconds if milliseconds > 0 else 0
