"""The decisions every ledger takes, as pure functions: which run is next, what a report may change, how counters add.

The in-memory ledger and those in databases perform them, so they cannot differ in meaning. No I/O here.
"""

from __future__ import annotations

import re
import time
from enum import Enum
from operator import attrgetter
from typing import NamedTuple

from oms_engine.batch import PROVED
from oms_engine.errors import ConfigError, RepositoryError
from oms_engine.ledger import Checkpoint, Segment, SegmentState, Settlement
from oms_engine.model import Outcome, key_bytes
from oms_engine.task import Counters

COUNTER_NAMES = (
    "listed",
    "migrated",
    "skipped",
    "failed",
    "waiting",
    "listed_bytes",
    "migrated_bytes",
    "skipped_bytes",
    "failed_bytes",
    "seen",
)
"""The fields of ``Counters``, in its order."""

FAILURE_CAP = 1_000_000
"""Failed objects kept as rows of one run; the rest is counted and stands in the lists."""

_values = attrgetter(*COUNTER_NAMES)


def counter_values(counters: Counters) -> tuple[int, ...]:
    """Return the numbers in the order of ``COUNTER_NAMES``."""
    values: tuple[int, ...] = _values(counters)
    return values


def add_counters(a: Counters, b: Counters) -> Counters:
    """Add field by field."""
    return Counters(*(x + y for x, y in zip(counter_values(a), counter_values(b), strict=True)))


class LastRun(NamedTuple):
    """What a ledger remembers of its latest run."""

    number: int
    rules: str
    retry_of: int | None
    """The run whose failed objects it goes through; None when it goes through the whole scope."""
    finished: bool
    complete: bool
    """Every segment came to its end and nothing is parked, or the run was closed as succeeded."""
    failures: int
    """Rows of failed objects it left."""
    overflowed: bool
    """More objects failed than rows are kept."""


class RunPlan(NamedTuple):
    """The run an ``open_run`` stands in."""

    number: int
    resumed: bool
    retry_of: int | None


def plan_run(last: LastRun | None, *, rules: str, retry_failed: bool, anew: bool = False) -> RunPlan:
    """Decide whether the last run goes on or the next one begins.

    ========================  =====  ==========================  ===========================
    last run                  rules  both retry, or neither      then
    ========================  =====  ==========================  ===========================
    none                      any    any                         run 1
    unfinished                same   yes                         resume it
    unfinished                same   no                          next run
    unfinished                other  any                         next run
    finished                  any    any                         next run
    any, and ``anew``         any    any                         next run
    ========================  =====  ==========================  ===========================

    Raises:
        ConfigError: a retry is asked for and there is nothing to retry (OMS.1027), or not all failed objects were kept
            (OMS.0308).
    """
    goes_on = last and not (last.finished or anew) and last.rules == rules
    if last and goes_on and (last.retry_of is not None) == retry_failed:
        return RunPlan(last.number, resumed=True, retry_of=last.retry_of)
    number = last.number + 1 if last else 1
    return RunPlan(number, resumed=False, retry_of=_plan_retry(last) if retry_failed else None)


def _plan_retry(last: LastRun | None) -> int:
    """Name the run whose failed objects a retry goes through.

    A retry run that did not get through all of them hands its own source on, so no failed object is forgotten.
    """
    if last and last.retry_of is not None and not last.complete:
        return last.retry_of
    if last is None or not (last.failures or last.overflowed):
        raise ConfigError(
            "There is nothing to retry: the last run recorded no failed objects. Run without --retry-failed.",
            code="OMS.1027",
        )
    if last.overflowed:
        raise ConfigError(
            f"More objects failed in the last run than the {last.failures} the ledger kept, so a retry would miss some."
            " Run without --retry-failed: what is at the destination already is skipped.",
            code="OMS.0308",
        )
    return last.number


_SCHEMES = re.compile(r"\A\w+://(\S* at \S* to )\w+://")


def check_identity(remembered: str, given: str, where: str) -> None:
    """Refuse a ledger that belongs to another task: a bucket that is spoken to in another dialect is the same place.

    Raises:
        ConfigError: the identities differ.
    """
    if remembered != given and _SCHEMES.sub(r"\1", remembered) != _SCHEMES.sub(r"\1", given):
        raise ConfigError(
            f"The state in {where} belongs to another migration ({remembered}), not to this one ({given}):"
            " give another --state or remove the file."
        )


class Verdict(Enum):
    """What a report may change."""

    LATE = "late"
    """Nothing: it comes from a lease that is over."""
    KNOWN = "known"
    """Nothing: it was committed before."""
    QUIET = "quiet"
    """Marker and state: no object ended since the last report."""
    NEWS = "news"
    """Everything it says."""


def judge_report(segment: Segment, report: Checkpoint) -> Verdict:
    """Hold a report against its segment.

    Counters only grow and are balanced, so ``listed`` numbers the reports of a segment: one that has not more of it
    than the ledger tells nothing new, and its lines stand in the lists already.

    Raises:
        RepositoryError: the report does not balance, or parks another number of objects than it counts as waiting.
    """
    if report.epoch != segment.epoch or segment.state is SegmentState.TODO:
        return Verdict.LATE
    if segment.state is SegmentState.DONE or report.counters.listed < segment.counters.listed:
        return Verdict.KNOWN
    if report.counters == segment.counters:
        return Verdict.QUIET
    if not report.counters.balanced or report.counters.listed == segment.counters.listed:
        raise RepositoryError(
            f"Segment {segment.id} reports {report.counters} after {segment.counters}: that does not balance."
        )
    if report.counters.waiting - segment.counters.waiting != len(report.parked):
        raise RepositoryError(
            f"Segment {segment.id} parks {len(report.parked)} objects but counts"
            f" {report.counters.waiting - segment.counters.waiting} more as waiting."
        )
    return Verdict.NEWS


def parked_twice(key: str) -> RepositoryError:
    """Name the key that is parked while it is parked already: its end would be counted once but listed twice."""
    return RepositoryError(f"The object {key!r} is parked already; it was listed twice in one run.")


def can_split(segment: Segment, epoch: int, at: str) -> bool:
    """Whether ``(at, hi]`` may be cut off: leased under this epoch, beyond all that was reported, something left."""
    if segment.state is not SegmentState.LEASED or segment.epoch != epoch:
        return False
    cut = key_bytes(at)
    begun = max(key_bytes(segment.lo), key_bytes(segment.marker))
    return begun < cut and (segment.hi is None or cut < key_bytes(segment.hi))


def settled_reasons(settlement: Settlement) -> tuple[str, ...]:
    """Return the reasons that one settled object adds to."""
    return (settlement.reason, PROVED + settlement.proof) if settlement.proof else (settlement.reason,)


def settled_counters(settlement: Settlement) -> Counters:
    """Return what one settled object adds to the totals: one less waiting, one more ended."""
    size = settlement.size
    if settlement.outcome is Outcome.MIGRATED:
        return Counters(waiting=-1, migrated=1, migrated_bytes=size, seen=int(settlement.seen))
    if settlement.outcome is Outcome.SKIPPED:
        return Counters(waiting=-1, skipped=1, skipped_bytes=size)
    return Counters(waiting=-1, failed=1, failed_bytes=size)


def next_stamp(last: int, now: float) -> int:
    """Return the milliseconds since the epoch that name the next list: now, but later than every earlier name."""
    return max(int(now * 1000), last + 1)


def render_stamp(stamp: int) -> str:
    """Render ``<UTC yyyyMMddHHmmssSSS>``, the time in the names of OMS's lists."""
    seconds, milliseconds = divmod(stamp, 1000)
    return f"{time.strftime('%Y%m%d%H%M%S', time.gmtime(seconds))}{milliseconds:03d}"


def new_task_id(random: bytes) -> int:
    """Make a task id of exactly 15 digits, OMS's largest, from at least 8 random bytes."""
    return 10**14 + int.from_bytes(random, "big") % (9 * 10**14)
