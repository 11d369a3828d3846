"""What one migration task is to do, and how it stands: frozen values, free of secrets, comparable and printable.

``MigrationSpec`` mirrors OMS's *Create a migration task* without its credentials; ``Progress`` mirrors the counters of
OMS's task response.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import NamedTuple

from oms_engine.bandwidth import BandwidthPolicy
from oms_engine.frozen import dataclass
from oms_engine.model import ConsistencyCheck, InvalidMetadata, OverwriteMode, RestoreTier, StoragePolicy, TaskType


class KeyRange(NamedTuple):
    """The keys under ``prefix`` in ``(lo, hi]``, compared as UTF-8 bytes; ``hi`` None is open."""

    prefix: str
    lo: str = ""
    hi: str | None = None


class ListSlice(NamedTuple):
    """Some lines of one list file: those that begin at byte ``offset`` and fill ``length`` bytes."""

    first_line: int
    """1-based."""
    offset: int
    length: int
    etag: str = ""
    """The file as it was cut; a file that was replaced since is refused. Empty: any."""


@dataclass(frozen=True, slots=True)
class Scope:
    """Which source objects a task covers."""

    task_type: TaskType = TaskType.PREFIX
    keys: tuple[str, ...] = ("",)
    """``prefix``: prefixes, ``("",)`` is the whole bucket. ``object``: keys, one that ends in ``/`` is a folder."""
    list_key: str | None = None
    """``list``: key of the object list file, in the bucket given as the task's list store."""
    ranges: tuple[KeyRange, ...] = ()
    """``prefix``: only these ranges instead of ``keys``; they must not overlap. For parts of a larger migration."""
    list_slice: ListSlice | None = None
    """``list`` and ``url_list``: only these lines."""
    exact: bool = False
    """``object``: every key is one object, one that ends in ``/`` too."""


@dataclass(frozen=True, slots=True)
class RestorePolicy:
    """``enable_restore``: archived objects are restored for ``days`` at ``tier``, then copied."""

    days: int = 7
    tier: RestoreTier = RestoreTier.STANDARD
    poll_seconds: float = 60.0
    """Time between two looks at an object that is being restored."""
    requests_per_second: float = 100.0


@dataclass(frozen=True, slots=True)
class MigrationSpec:
    """One task: what, with which rules. No endpoint, no credential: stores are opened beside it."""

    source: str
    """Label of the source, e.g. ``s3://bucket``; part of the task's identity."""
    destination: str
    name: str = ""
    """Names the record folders ``oms/task/<name>/…``; empty: made from the buckets and the start time, as OMS does."""
    scope: Scope = field(default_factory=Scope)
    save_prefix: str = ""
    """Prepended verbatim to every key."""
    strip_prefix: str = ""
    """Removed from the front of every key before ``save_prefix`` is added (command line ``obs://bucket/prefix``)."""
    migrate_since: float | None = None
    """Only objects modified after this instant (seconds since the epoch)."""
    overwrite: OverwriteMode = OverwriteMode.SIZE_LAST_MODIFIED
    check: ConsistencyCheck = ConsistencyCheck.SIZE_LAST_MODIFIED
    metadata: bool = False
    invalid_metadata: InvalidMetadata = InvalidMetadata.FAIL
    restore: RestorePolicy | None = None
    kms: bool = False
    storage: StoragePolicy | None = None
    """None leaves the class to the destination bucket."""
    bandwidth: BandwidthPolicy = field(default_factory=BandwidthPolicy)
    record_failed: bool = True
    retry_failed: bool = False
    """Only the objects that failed in the task's last run."""
    dry_run: bool = False
    record_root: str = ""
    """Where the record lists of this part of something larger lie, e.g. ``oms/task_group/<id>``; else ``oms/task``."""

    @property
    def writes_beside(self) -> bool:
        """Whether it writes beside the bytes what a store may ignore: user metadata, or another class than STANDARD."""
        return self.metadata or self.storage not in {None, StoragePolicy.STANDARD}


@dataclass(frozen=True, slots=True)
class Counters:
    """Where the listed objects ended. ``listed = migrated + skipped + failed + waiting`` always holds."""

    listed: int = 0
    migrated: int = 0
    skipped: int = 0
    failed: int = 0
    waiting: int = 0
    """Parked: large objects under way and archived objects being restored."""
    listed_bytes: int = 0
    migrated_bytes: int = 0
    skipped_bytes: int = 0
    failed_bytes: int = 0
    seen: int = 0
    """Of the migrated: those that the destination itself was seen to hold after they were written."""

    @property
    def balanced(self) -> bool:
        """Whether every listed object has exactly one end."""
        return self.listed == self.migrated + self.skipped + self.failed + self.waiting


class TaskState(StrEnum):
    """Where a task stands; OMS's status number is ``status``."""

    WAITING = "waiting"
    RUNNING = "running"
    PAUSING = "pausing"
    PAUSED = "paused"
    FAILED = "failed"
    SUCCEEDED = "succeeded"

    @property
    def status(self) -> int:
        """OMS's number."""
        return {"waiting": 1, "running": 2, "paused": 3, "failed": 4, "succeeded": 5, "pausing": 7}[self.value]


@dataclass(frozen=True, slots=True)
class Progress:
    """One look at a running task."""

    state: TaskState
    counters: Counters
    listing_done: bool = False
    transferred_bytes: int = 0
    """Bytes that crossed the wire so far, those of unfinished objects included."""
    under_way_bytes: int = 0
    """Bytes of large objects without an end that have arrived, or flow now."""
    bytes_per_second: float = 0.0
    objects_per_second: float = 0.0
    seconds: float = 0.0
    connections: int = 0
    retries: int = 0
    throttled: int = 0
    """How often a store asked to slow down."""
    waiting_for: str = ""
    """The store that does not answer, since when, and what it said last; empty: none is waited for."""


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run."""

    state: TaskState
    counters: Counters
    seconds: float
    reasons: dict[str, int] = field(default_factory=dict)
    proved: dict[str, int] = field(default_factory=dict)
    """``md5``, ``crc64``, ``size only``: how many migrated objects were proved by what."""
    """Outcome and reason -> number of objects, e.g. ``{"skipped: same size, not older": 12}``."""
    failure_samples: dict[str, str] = field(default_factory=dict)
    """The codes that most objects failed with, the most frequent first -> one object and what was said of it."""
    records: dict[str, str] = field(default_factory=dict)
    """``success`` / ``skip`` / ``failed`` -> folder of the lists in the destination bucket, where any were written."""
    record_errors: dict[str, str] = field(default_factory=dict)
    """The same keys -> OMS code of a list that could not be written (OMS.0303, 0304, 0307, 0308)."""
    complete: bool = False
    """Every listed object has its end; what failed stands in the failed list."""
    error_code: str | None = None
    error_message: str | None = None
    name: str = ""
    task_id: int = 0
    started_at: float = 0.0
    transferred_bytes: int = 0
    note: str = ""
    """What else there is to say of the run, in a sentence."""
    duplicates: int = 0
    """Keys named more than once in a list; migrated once."""
    open_uploads: int = 0
    """Multipart uploads that could not be aborted; the next run tries again."""
