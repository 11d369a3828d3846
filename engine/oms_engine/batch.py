"""The window of a segment: batches in key order, each ended when all its objects are.

A batch is one listing page (or a slice of a key list). Objects end in any order; a batch's counters and record lines
become part of the segment only when every object up to its last key has its end, so the segment's marker is a
low-water mark and its counters cover exactly the keys up to it.
"""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple

from oms_engine.ledger import Checkpoint, Failure, Parked, RecordLine, Segment
from oms_engine.model import Outcome
from oms_engine.task import Counters


class Stored(NamedTuple):
    """What a write left at the destination, as its reply states it."""

    source: str
    """The object's key at the source."""
    key: str
    etag: str


class End(NamedTuple):
    """How one object left its batch: with its outcome, or parked (``outcome`` None)."""

    outcome: Outcome | None
    reason: str
    size: int
    record: str = ""
    failure: Failure | None = None
    parked: Parked | None = None
    stored: Stored | None = None
    """Of an object this run wrote: what the closing look must find."""
    seen: bool = False
    """The destination itself was seen to hold the object after it was written."""
    proof: str = ""
    """What proved a migrated object's bytes, or ``size only``; empty for what does nearly always: the MD5."""


class Batch:
    """Objects that are under way together. Mutable, owned by one event loop."""

    __slots__ = (
        "bytes",
        "counts",
        "failures",
        "listed",
        "marker",
        "parked",
        "pending",
        "proofs",
        "reasons",
        "records",
        "seen",
        "written",
    )

    def __init__(self, marker: str) -> None:
        self.marker = marker
        """The segment's marker once this batch has ended."""
        self.pending = 0
        self.listed = 0
        self.counts = {Outcome.MIGRATED: 0, Outcome.SKIPPED: 0, Outcome.FAILED: 0}
        self.bytes = {Outcome.MIGRATED: 0, Outcome.SKIPPED: 0, Outcome.FAILED: 0}
        self.reasons: Counter[tuple[Outcome, str]] = Counter()
        self.proofs: Counter[str] = Counter()
        self.records: dict[Outcome, list[str]] = {Outcome.MIGRATED: [], Outcome.SKIPPED: [], Outcome.FAILED: []}
        self.failures: list[Failure] = []
        self.parked: list[Parked] = []
        self.seen = 0
        self.written: list[End] = []
        """Ends that the closing look has not confirmed yet: they count once it has."""

    def add(self, end: End) -> None:
        """Give one object its end; one that was written waits for the closing look."""
        if end.stored is not None:
            self.written.append(end)
            return
        self.close(end, seen=end.seen)

    def close_all(self, ends: list[End], *, seen: bool) -> None:
        """Count many ends."""
        for end in ends:
            self.close(end, seen=seen)

    def close(self, end: End, *, seen: bool) -> None:
        """Count an end."""
        self.listed += 1
        self.seen += seen
        outcome = end.outcome
        if outcome is None:
            if end.parked is not None:
                self.parked.append(end.parked)
            return
        self.counts[outcome] += 1
        self.bytes[outcome] += end.size
        self.reasons[(outcome, end.reason)] += 1
        if end.proof:
            self.proofs[end.proof] += 1
        if end.record:
            self.records[outcome].append(end.record)
        if end.failure is not None:
            self.failures.append(end.failure)

    def add_skipped(self, reason: str, lines: list[str], size: int) -> None:
        """Give many objects the same end at once: the nothing-to-do path."""
        count = len(lines)
        self.listed += count
        self.counts[Outcome.SKIPPED] += count
        self.bytes[Outcome.SKIPPED] += size
        self.reasons[(Outcome.SKIPPED, reason)] += count
        self.records[Outcome.SKIPPED] += lines


def _plus(counters: Counters, batch: Batch) -> Counters:
    sizes = batch.bytes
    parked_bytes = sum(entry.size for entry in batch.parked)
    return Counters(
        listed=counters.listed + batch.listed,
        migrated=counters.migrated + batch.counts[Outcome.MIGRATED],
        skipped=counters.skipped + batch.counts[Outcome.SKIPPED],
        failed=counters.failed + batch.counts[Outcome.FAILED],
        waiting=counters.waiting + len(batch.parked),
        listed_bytes=counters.listed_bytes + sum(sizes.values()) + parked_bytes,
        migrated_bytes=counters.migrated_bytes + sizes[Outcome.MIGRATED],
        skipped_bytes=counters.skipped_bytes + sizes[Outcome.SKIPPED],
        failed_bytes=counters.failed_bytes + sizes[Outcome.FAILED],
        seen=counters.seen + batch.seen,
    )


def reason_text(outcome: Outcome, reason: str) -> str:
    """Render a reason as results show it, e.g. ``skipped: same size, not older``."""
    return f"{outcome.value}: {reason}" if reason else outcome.value


PROVED = "proved: "
"""Before what proved objects, among a ledger's reasons."""


def split_reasons(reasons: dict[str, int], migrated: int) -> tuple[dict[str, int], dict[str, int]]:
    """Return a ledger's reasons, and how many of the migrated objects were proved by what; the rest is by MD5."""
    proved = {text.removeprefix(PROVED): count for text, count in reasons.items() if text.startswith(PROVED)}
    by_md5 = migrated - sum(proved.values())
    told = {text: count for text, count in reasons.items() if not text.startswith(PROVED)}
    return told, ({"md5": by_md5} if by_md5 > 0 else {}) | proved


class Window:
    """The batches of one leased segment, oldest first, and what has been reported of it."""

    def __init__(self, segment: Segment) -> None:
        self._segment = segment
        self._counters = segment.counters
        self._reasons: Counter[str] = Counter(segment.reasons)
        self._batches: deque[Batch] = deque()
        self.marker = segment.marker or segment.lo

    def open(self, marker: str) -> Batch:
        """Begin the next batch; it ends at ``marker``."""
        batch = Batch(marker)
        self._batches.append(batch)
        return batch

    @property
    def pending(self) -> int:
        """Objects that have no end yet."""
        return sum(batch.pending for batch in self._batches)

    @property
    def empty(self) -> bool:
        """Whether every opened batch has been reported."""
        return not self._batches

    def checkpoint(self, *, done: bool) -> Checkpoint | None:
        """Return the report of all ended batches at the front, None when there is nothing new to say."""
        records: dict[Outcome, list[str]] = {outcome: [] for outcome in Outcome}
        failures: list[Failure] = []
        parked: list[Parked] = []
        moved = False
        while self._batches and not (self._batches[0].pending or self._batches[0].written):
            batch = self._batches.popleft()
            self._counters = _plus(self._counters, batch)
            for (outcome, reason), count in batch.reasons.items():
                self._reasons[reason_text(outcome, reason)] += count
            for proof, count in batch.proofs.items():
                self._reasons[PROVED + proof] += count
            for outcome, lines in batch.records.items():
                records[outcome] += lines
            failures += batch.failures
            parked += batch.parked
            self.marker = batch.marker
            moved = True
        done = done and not self._batches
        if not (moved or done):
            return None
        return Checkpoint(
            segment=self._segment.id,
            epoch=self._segment.epoch,
            marker=self.marker,
            counters=self._counters,
            done=done,
            reasons=dict(self._reasons),
            records=tuple(RecordLine(outcome, "".join(lines)) for outcome, lines in records.items() if lines),
            failures=tuple(failures),
            parked=tuple(parked),
        )
