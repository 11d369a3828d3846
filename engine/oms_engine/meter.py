"""Counts and rates of a run for eyes: the ledger's totals at its start plus what the slots have done since."""

from __future__ import annotations

import time
from collections.abc import Sequence

from oms_engine.ledger_rules import add_counters
from oms_engine.model import Outcome
from oms_engine.session import Live
from oms_engine.task import Counters, Progress, TaskState
from oms_engine.wire import WireStats

HALF_LIFE = 2.0
"""Seconds after which a rate has forgotten half of what was before."""


class Meter:
    """Adds up what slots report."""

    def __init__(self, base: Counters | None = None) -> None:
        self._base = base or Counters()
        self._began = time.monotonic()
        self._last = (self._began, 0, 0)
        self._bytes_rate = 0.0
        self._object_rate = 0.0

    @property
    def seconds(self) -> float:
        """How long the run has been going on in this process."""
        return time.monotonic() - self._began

    def look(self, lives: Sequence[Live]) -> None:
        """Take a reading for the rates."""
        now = time.monotonic()
        then, size, objects = self._last
        moved = sum(live.transferred for live in lives)
        ended = sum(sum(live.outcomes.values()) for live in lives)
        span = now - then
        if span <= 0:
            return
        weight = 1 - 0.5 ** (span / HALF_LIFE) if size or objects else 1.0
        self._bytes_rate += weight * ((moved - size) / span - self._bytes_rate)
        self._object_rate += weight * ((ended - objects) / span - self._object_rate)
        self._last = (now, moved, ended)

    def progress(
        self, state: TaskState, lives: Sequence[Live], stats: Sequence[WireStats], *, listing_done: bool
    ) -> Progress:
        """Return how the run stands."""
        done = {outcome: sum(live.outcomes[outcome] for live in lives) for outcome in Outcome}
        sizes = {outcome: sum(live.bytes[outcome] for live in lives) for outcome in Outcome}
        ended = sum(done.values())
        # An end may belong to an object that the ledger held as parked at the start: then more ended than were listed.
        # What a lost worker listed is listed again by another; its count is forgotten with it, so none may be missing.
        base = self._base
        listed = max(ended - base.waiting, sum(live.listed for live in lives))
        waiting_bytes = base.listed_bytes - base.migrated_bytes - base.skipped_bytes - base.failed_bytes
        met = sum(sizes.values()) + sum(live.under_way.size for live in lives) - waiting_bytes
        listed_bytes = max(0, met, sum(live.listed_bytes for live in lives))
        since = Counters(
            listed=listed,
            migrated=done[Outcome.MIGRATED],
            skipped=done[Outcome.SKIPPED],
            failed=done[Outcome.FAILED],
            waiting=listed - ended,
            listed_bytes=listed_bytes,
            migrated_bytes=sizes[Outcome.MIGRATED],
            skipped_bytes=sizes[Outcome.SKIPPED],
            failed_bytes=sizes[Outcome.FAILED],
        )
        return Progress(
            state=state,
            counters=add_counters(base, since),
            listing_done=listing_done,
            transferred_bytes=sum(live.transferred for live in lives),
            under_way_bytes=sum(live.under_way.moved for live in lives),
            bytes_per_second=self._bytes_rate,
            objects_per_second=self._object_rate,
            seconds=self.seconds,
            connections=sum(stat.connections for stat in stats),
            retries=sum(stat.retries for stat in stats),
            throttled=sum(stat.throttled for stat in stats),
            waiting_for=next((live.waiting_for for live in lives if live.waiting_for), ""),
        )
