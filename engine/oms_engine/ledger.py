"""What a migration remembers, as a protocol; ``oms_worker.sqlite_ledger`` keeps it in a file.

The unit of work is a segment: a half-open key range ``(lo, hi]`` of one prefix, or a slice of a key list. Its marker is
a low-water mark: every key up to it has its one end (or is parked). Counters are *set* together with the marker, under
the segment's epoch: a late report of an earlier epoch changes nothing, a repeated one neither.

Parked objects (large ones under way, archived ones being restored) have left their segment's window but have no end
yet; each is a row until :meth:`Ledger.settle` gives it its end, exactly once.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import NamedTuple, Protocol

from oms_engine.frozen import dataclass
from oms_engine.model import Outcome, WrittenPart
from oms_engine.task import Counters


class SegmentState(StrEnum):
    """A segment waits, is leased to one runner, or has come to its end."""

    TODO = "todo"
    LEASED = "leased"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Segment:
    """A range of work. ``lo`` is exclusive, ``hi`` inclusive, None is open-ended."""

    id: int
    prefix: str = ""
    lo: str = ""
    hi: str | None = None
    list_offset: int = 0
    """For list scopes: line number where the slice starts (``marker`` then counts lines as decimal text)."""
    marker: str = ""
    epoch: int = 0
    state: SegmentState = SegmentState.TODO
    counters: Counters = field(default_factory=Counters)
    reasons: dict[str, int] = field(default_factory=dict)


class ParkKind(StrEnum):
    """Why an object waits outside its segment."""

    LARGE = "large"
    ARCHIVED = "archived"


class Parked(NamedTuple):
    """One object that has left its segment's window and has no end yet."""

    key: str
    kind: ParkKind
    size: int
    etag: str
    last_modified: float
    storage_class: str
    due: float
    """When to look at it next (seconds since the epoch)."""
    attempts: int = 0


class Failure(NamedTuple):
    """One failed object."""

    key: str
    size: int
    code: str
    message: str
    at: float


class Upload(NamedTuple):
    """A multipart upload in flight at the destination."""

    key: str
    upload_id: str
    source_etag: str
    size: int
    part_size: int


class Doubt(NamedTuple):
    """A copy at the destination that was found damaged and is not known to be gone."""

    key: str
    """Its key at the destination."""
    etag: str
    """What the destination stated of it, empty when nothing."""


class Orphan(NamedTuple):
    """An upload at the destination that nobody goes on with: it is to be aborted, since unfinished parts are paid for.

    Its id is empty for a request to open an upload that may have gone unanswered: which upload that opened, if any, is
    found out by listing (``orphans.py``).
    """

    key: str
    upload_id: str = ""
    since: float = 0.0
    """When the request was made, by the store's clock."""
    known: str = ""
    """Ids of uploads of the key that were open before the request, a line each."""


class RecordLine(NamedTuple):
    """Finished lines of one record list, each with its line feed: of one object, or of many joined."""

    outcome: Outcome
    line: str


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Everything a segment has to say since its last report. Committed whole or not at all."""

    segment: int
    epoch: int
    marker: str
    counters: Counters
    """Cumulative for the segment since it was created, ``waiting`` included as parked by it."""
    done: bool = False
    reasons: dict[str, int] = field(default_factory=dict)
    """Cumulative, like the counters."""
    records: tuple[RecordLine, ...] = ()
    failures: tuple[Failure, ...] = ()
    parked: tuple[Parked, ...] = ()


@dataclass(frozen=True, slots=True)
class Settlement:
    """The end of one parked object."""

    key: str
    outcome: Outcome
    size: int
    reason: str
    record: RecordLine
    failure: Failure | None = None
    proof: str = ""
    """What proved its bytes; empty for their MD5. Kept among the reasons."""
    seen: bool = False
    """The destination was seen to hold it."""


@dataclass(frozen=True, slots=True)
class RunInfo:
    """The run a ledger stands in."""

    task_id: int
    name: str
    run: int
    """1 for the first; a finished or changed task starts the next."""
    started_at: float
    resumed: bool
    """The previous process did not finish this run."""
    interrupted_at: float | None = None


class Ledger(Protocol):
    """Memory of one task. All methods are synchronous and quick; only the coordinator calls them."""

    def open_run(self, *, identity: str, rules: str, name: str, retry_failed: bool, anew: bool = False) -> RunInfo:
        """Begin a run or resume the unfinished one; before any other method.

        ``identity`` says which task this is (a ledger of another one raises ``ConfigError``); ``rules`` is whatever
        changes the outcome of objects: an unfinished run under other rules is begun anew. ``name`` is the task name as
        the user gave it: when empty, a resumed run keeps the one it has, a new run has none (``RunInfo.started_at``
        does not change on resuming, so a name made of it stays the same). Both strings may be quoted in errors.

        With ``anew`` an unfinished run is not resumed: the next one begins, as if it were finished.

        A resumed run has its leases released, its counters, parked objects and lists. A new run has none of the last
        one's; only uploads in flight stay, and what ``retry_source`` needs.

        Raises:
            ConfigError: another task's ledger; nothing to retry (OMS.1027); not all failures were kept (OMS.0308).
            RepositoryError: the ledger is damaged or cannot be written.
        """
        ...

    def add_segments(self, segments: list[Segment]) -> list[Segment]:
        """Add segments and return them with their ids, which no other run of this ledger has.

        Only range, prefix, offset and marker are taken: they wait, with epoch 0 and counters from zero.
        """
        ...

    def split(self, segment: int, epoch: int, at: str) -> Segment | None:
        """Cut ``(at, hi]`` off a leased segment into a new one, when ``at`` is beyond its marker; else None.

        Only for key ranges, whose markers compare as UTF-8 bytes. The caller sees to it that its runner reports nothing
        beyond ``at`` any more.
        """
        ...

    def segments(self) -> list[Segment]:
        """All segments of this run, by id."""
        ...

    def claim(self) -> Segment | None:
        """Lease the waiting segment of the lowest id, with its epoch raised by one; None when none waits."""
        ...

    def release_all(self) -> None:
        """Make leased segments of a dead process claimable again."""
        ...

    def release(self, segment: int, epoch: int) -> None:
        """Make a leased segment claimable again, when it is still leased under this epoch: its runner was lost."""
        ...

    def checkpoint(self, checkpoint: Checkpoint) -> bool:
        """Commit a report. False, and nothing changed, when the lease it comes from is over.

        A report that was committed before, told by its counters, is answered True and changes nothing. Objects whose
        line is empty stand in no list.

        Raises:
            RepositoryError: the counters do not balance, an object is parked twice, or the disk is full. Nothing of the
                report was kept, and the ledger can still be used.
        """
        ...

    def due(self, now: float, limit: int, kind: ParkKind | None = None) -> list[Parked]:
        """Return parked objects (of a kind) whose time has come, earliest first. They stay parked until settled."""
        ...

    def postpone(self, key: str, due: float) -> None:
        """Look at a parked object later; counts an attempt."""
        ...

    def settle(self, settlement: Settlement) -> bool:
        """End a parked object: its row goes and its counters come, in one commit. False when it was settled before."""
        ...

    def next_due(self) -> float | None:
        """When the earliest parked object is due, None when nothing is parked."""
        ...

    def parked_count(self) -> int:
        """Return how many objects are parked."""
        ...

    def totals(self) -> Counters:
        """Return the counters of the run: all segments plus settled objects."""
        ...

    def reasons(self) -> dict[str, int]:
        """Return the run's reasons with their numbers: all segments plus settled objects."""
        ...

    def failures(self, *, after: str = "", limit: int = 1000) -> list[Failure]:
        """Return failed objects of the run by key."""
        ...

    def retry_source(self, *, after: str = "", limit: int = 1000) -> list[Failure]:
        """Return, by key, the failed objects of the previous run, which a ``retry_failed`` run goes through.

        They stay until that run has gone through all of them; one that ends early hands them on to the next retry.
        Nothing in any other run.
        """
        ...

    def failures_overflowed(self) -> bool:
        """Whether more objects failed than rows are kept; the lists hold all of them."""
        ...

    def upload(self, key: str) -> Upload | None:
        """Return the multipart upload in flight for a destination key."""
        ...

    def save_upload(self, upload: Upload) -> None:
        """Remember an upload before its first part is sent; an earlier one of its key becomes an orphan.

        Uploads and orphans outlive runs.
        """
        ...

    def orphan_upload(self, key: str) -> None:
        """Go on with the upload of a key no longer: it becomes an orphan, its parts go; without one nothing happens."""
        ...

    def save_orphan(self, orphan: Orphan) -> None:
        """Remember an upload that is to be aborted, or a request that may open one; a known one changes nothing."""
        ...

    def forget_orphan(self, orphan: Orphan) -> None:
        """Forget an upload that was aborted, or a request that was answered."""
        ...

    def orphans(self) -> list[Orphan]:
        """All orphans, by key."""
        ...

    def save_part(self, key: str, part: WrittenPart) -> None:
        """Remember a part of an upload in flight whose bytes were proved; a part of that number is replaced."""
        ...

    def parts(self, key: str) -> list[WrittenPart]:
        """Return the proved parts of an upload in flight, by number."""
        ...

    def forget_upload(self, key: str) -> None:
        """Forget an upload that was completed or aborted, and its parts."""
        ...

    def uploads(self) -> list[Upload]:
        """All uploads in flight, for clean-up."""
        ...

    def save_doubt(self, doubt: Doubt) -> None:
        """Remember a damaged copy before it is taken back; an earlier doubt of its key is replaced.

        Doubts outlive runs: whoever meets the key copies it again.
        """
        ...

    def forget_doubt(self, key: str) -> None:
        """Forget a damaged copy that is gone or was replaced; an unknown one is no error."""
        ...

    def doubts(self) -> list[Doubt]:
        """All damaged copies, by key."""
        ...

    def records_ready(self, *, everything: bool, limit_bytes: int) -> list[tuple[Outcome, str, str]]:
        """Close and return record files as (outcome, list name, local path): those of ``limit_bytes``, or all.

        The name is ``<UTC yyyyMMddHHmmssSSS>``, unique and remembered: a list that was uploaded but not noted is
        offered again under the same name and with the same bytes. Closed files are offered until noted, oldest first.
        """
        ...

    def migrated_lines(self) -> list[str]:
        """Return the lines, without line feeds, of the newest list of migrated objects that is kept here."""
        ...

    def record_uploaded(self, outcome: Outcome, list_name: str) -> None:
        """Drop a record file that is safely in the destination bucket; an unknown or open one is no error."""
        ...

    def finish_run(self, *, succeeded: bool) -> None:
        """Close the run: the next ``open_run`` begins a new one."""
        ...

    def close(self) -> None:
        """Release the file and its lock."""
        ...
