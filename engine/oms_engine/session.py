"""What one process needs to move objects of one task: the opened stores, the wire, the limits, the live counts."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from dataclasses import field
from typing import TypeVar

from oms_engine.batch import End
from oms_engine.digest import Digests
from oms_engine.errors import Stopped as Stopped  # noqa: PLC0414 - it is read from here
from oms_engine.frozen import dataclass
from oms_engine.gates import Gate
from oms_engine.inflight import UploadMemory
from oms_engine.learned import Learned
from oms_engine.limiter import Limiter
from oms_engine.md5 import Md5
from oms_engine.metadata import Terms, plan_attributes
from oms_engine.model import ConsistencyCheck, ObjectHead, Outcome, OverwriteMode, TaskType, WriteOptions
from oms_engine.outages import Outages, PatientWire
from oms_engine.pace import Pace, PaceSettings
from oms_engine.plan import effective_rule, storage_class_for
from oms_engine.records import render_time
from oms_engine.sight import Sight
from oms_engine.store import MIB, BucketStore, Call, FrontedStore
from oms_engine.streams import Streams
from oms_engine.task import MigrationSpec
from oms_engine.underway import UnderWay
from oms_engine.urlkeys import entry_name
from oms_engine.wire import Relayed, Wire, WireSettings

W = TypeVar("W")

UNSTATED_AT_ONCE = 2
"""Objects whose size nobody states and that outgrew a small one: each holds a part in memory."""


BULK_AHEAD = 2
"""Large bodies that wait in line for a thread, at most."""

BULK_WINDOW = 0.25
"""Seconds over which the rate of large objects is measured: a few megabytes take tens of milliseconds each."""

StoreOpener = Callable[[], BucketStore]
"""Opens a bucket; picklable, so that another process can open it too."""


@dataclass(frozen=True, slots=True)
class EngineSettings:
    """How hard one run may work. Sizes in bytes, times in seconds."""

    wire: WireSettings = field(default_factory=WireSettings)
    processes: int = 1
    connections: int = 512
    """Most small objects under way at once, in all processes together."""
    memory_bytes: int = 64 * MIB
    """Bodies of small objects held at once, per process."""
    small_object_bytes: int = 1 * MIB
    """Up to here an object is held whole between its two connections; larger ones stream through a thread."""
    checkpoint_seconds: float = 1.0
    record_file_bytes: int = 8 * MIB
    """A list of records this long is uploaded, from memory, and the next one begun."""
    progress_seconds: float = 0.5
    processes_from: int = 1000
    """Further processes are started once this many objects have been listed."""
    closing_look: bool = True
    """Once objects were written, see that the destination holds them: one LIST for 1,000."""
    look_again_seconds: float = 2.0
    """What the destination does not hold then is asked for once more after so long: stores may be late."""
    patience: float = 900.0
    """How long a store that does not answer is waited for, before the task ends and can be resumed."""


@dataclass(slots=True)
class Live:
    """Running counts of one process since it started; for eyes only, the ledger has the truth."""

    listed: int = 0
    listed_bytes: int = 0
    """Of listed objects; of keys that were named, once their size is known."""
    outcomes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    bytes: dict[Outcome, int] = field(default_factory=lambda: dict.fromkeys(Outcome, 0))
    parked: int = 0
    transferred: int = 0
    under_way: UnderWay = field(default_factory=UnderWay)
    waiting_for: str = ""
    """The store that does not answer, and what it said last; empty: none is waited for."""

    def count(self, end: End) -> None:
        """Count one end; a parked object waits."""
        if end.outcome is None:
            self.parked += 1
            return
        self.outcomes[end.outcome] += 1
        self.bytes[end.outcome] += end.size

    def correct(self, end: End, instead: End) -> None:
        """Count another end instead of one that was counted."""
        if end.outcome is not None and instead.outcome is not None:
            self.outcomes[end.outcome] -= 1
            self.bytes[end.outcome] -= end.size
            self.outcomes[instead.outcome] += 1
            self.bytes[instead.outcome] += instead.size

    def count_skipped(self, objects: int, size: int) -> None:
        """Count objects that need not move."""
        self.outcomes[Outcome.SKIPPED] += objects
        self.bytes[Outcome.SKIPPED] += size


class Session:
    """One task in one process. Owned by one event loop."""

    begun_anew = False
    """An earlier attempt of this process copied objects already."""

    def __init__(
        self,
        spec: MigrationSpec,
        *,
        source: BucketStore,
        destination: BucketStore,
        wire: Wire,
        limiter: Limiter,
        settings: EngineSettings,
        uploads: UploadMemory,
        run_started: float,
    ) -> None:
        self.spec = spec
        self.source = source
        self.destination = destination
        self.streams = Streams(self.patient, source, destination, lambda: self.stopping)
        self.wire = wire
        self.limiter = limiter
        self.settings = settings
        self.uploads = uploads
        self.run_started = run_started
        self.live = Live()
        self.memory = Gate(lambda: settings.memory_bytes)
        threads = settings.wire.bulk_threads
        self.bulk_pace = Pace(PaceSettings(start=min(4, threads), maximum=threads, window_seconds=BULK_WINDOW))
        self.bulk = Gate(self.bulk_limit)
        self.stopping = False
        """Pause asked for: begin nothing new."""
        self.hold_listing = False
        """Enough objects wait: list no further for now."""
        self.sight = Sight()
        held = destination.capabilities
        self.metadata_terms = Terms(held.metadata_form, held.max_user_metadata_bytes, spec.invalid_metadata)
        self.hides_disposition = False
        """Replies to GET have stated a Content-Disposition that is not the object's: HEAD is asked first."""
        self.answered = 0
        """Objects that were moved, so far."""
        self.scout: Callable[[], Awaitable[bool | None]] | None = None
        """Tries objects that are far from the next in line; see :meth:`Workforce.scout`."""
        self.outages = Outages(self)
        self.whole_bytes = min(settings.small_object_bytes, destination.capabilities.max_single_write)
        """Objects up to this size are held whole between their two connections."""
        self._connections = settings.connections
        self.fronted = source if isinstance(source, FrontedStore) else None
        """The source again, when its bytes are read through a CDN."""
        by_url = spec.scope.task_type is TaskType.URL_LIST
        self.name_of: Callable[[str], str] = entry_name if by_url else str
        """What a source key is called at the destination and in lists, prefixes apart."""
        self.same_bucket = source.capabilities.lists and _same_place(source, destination)
        """Source and destination are one bucket: an object must not be copied onto itself."""
        self.unstated = Gate(lambda: UNSTATED_AT_ONCE)
        self.learned = Learned(holds_parts=_holds_parts(spec, destination), kept_unseen=spec.writes_beside)
        self._read_from, self._write_to = source.endpoint, destination.endpoint
        if self.fronted is not None:
            self._read_from = self.fronted.read_endpoint
        elif not source.capabilities.lists:  # many hosts: what each bears, its own pace says
            self._read_from = destination.endpoint
        self._look_up_paces()
        self.by_md5 = source.capabilities.etag_is_md5 and destination.capabilities.etag_is_md5
        """Where two listed ETags are no MD5s of parts and differ, the bytes probably do."""
        self.overwrite = effective_rule(spec.overwrite, source.capabilities, destination.capabilities)
        self._clock_second, self._clock_text = 0, ""

    @staticmethod
    def now() -> float:
        """Seconds since the epoch."""
        return time.time()

    def clock_text(self) -> str:
        """Return the time of a record line, rendered once a second."""
        second = int(time.time())
        if second != self._clock_second:
            self._clock_second, self._clock_text = second, render_time(second)
            self._look_up_paces()
        return self._clock_text

    def _look_up_paces(self) -> None:
        """Find the paces of both endpoints, once a second: a redirect may lead to others."""
        self._read_pace = self.wire.pace(self._read_from)
        self._write_pace = self.wire.pace(self._write_to)

    def count_bytes(self, size: int) -> None:
        """Count bytes that crossed the wire, from whichever thread."""
        self.live.transferred += size

    def share(self, processes: int) -> None:
        """Take one of ``processes`` equal parts of the connections the task may use."""
        self._connections = max(1, self.settings.connections // processes)

    def patient(self, *, source: bool) -> PatientWire:
        """Return what performs the calls of a listing."""
        return PatientWire(self, source=source)

    def small_limit(self) -> int:
        """How many small objects may be under way: what both endpoints bear now."""
        return max(1, min(self._connections, self._read_pace.limit, self._write_pace.limit))

    def bulk_limit(self) -> int:
        """How many large bodies may be under way or next in line.

        A thread that is done finds the next one waiting, and does not sleep until this loop has heard of the last.
        """
        limit = self.bulk_pace.limit
        return limit + min(BULK_AHEAD, limit // 2)

    async def relay(
        self,
        read: Call[ObjectHead],
        write: Callable[[ObjectHead, Digests], Call[W]],
        *,
        key: str,
        size: int,
        md5: bool,
        hold: Callable[[ObjectHead], bool] | None = None,
        hasher: Callable[[], Md5] | None = None,
    ) -> Relayed[W, Digests]:
        """Stream one GET into one write through a thread, as many at once as pays; ``key`` is the source's.

        ``write`` is given the source's head and what will be hashed on the way, before the first byte; where ``hold``
        says so, after the last byte was read and before the first is sent. ``hasher`` makes what computes the MD5.

        Raises:
            Stopped: the run paused before a thread was free.
        """
        digests = Digests()

        def begin() -> Digests:
            nonlocal digests
            digests = Digests(md5=md5, shared=True)
            if hasher is not None:
                digests.hash_by(hasher())
            flow.restart()
            return digests

        def count(size: int) -> None:
            self.count_bytes(size)
            flow.passed += size

        def describe(head: ObjectHead) -> Call[W]:
            return write(head, digests)

        await self.bulk.acquire()
        began = time.monotonic()
        flow = self.live.under_way.open(key)
        try:
            if self.stopping:
                raise Stopped("paused before a thread was free")
            at_once = self.bulk_pace.limit
            moved = await self.wire.relay(read, describe, begin, size=size, on_bytes=count, at_once=at_once, hold=hold)
        finally:
            self.live.under_way.close(key, flow)
            self.bulk.release()
        self.bulk_pace.ok(time.monotonic() - began)
        return moved

    def probe_prefix(self, *, source: bool) -> str:
        """Return what a look at a store lists: what the task covers, as nothing else may be allowed."""
        prefix = self.source_prefixes()[0]
        return prefix if source else mapped(self.spec.strip_prefix, self.spec.save_prefix, prefix)

    def source_prefixes(self) -> tuple[str, ...]:
        """Return the prefixes the task covers; keys named one by one lie under what is stripped of them."""
        scope = self.spec.scope
        if scope.ranges:
            return tuple(part.prefix for part in scope.ranges)
        return scope.keys if scope.task_type is TaskType.PREFIX and scope.keys else (self.spec.strip_prefix,)


def mapped(strip: str, save: str, key: str) -> str:
    """Return the beginning of destination keys for a beginning of source keys."""
    return save + key[len(strip) :] if key.startswith(strip) else save


def _same_place(source: BucketStore, destination: BucketStore) -> bool:
    from oms_engine.places import same_place  # noqa: PLC0415 - it needs this module

    return same_place(source, destination)


def _holds_parts(spec: MigrationSpec, destination: BucketStore) -> bool:
    """Whether parts are held from the first one on, to be sent with their checksums.

    Under KMS replies prove nothing; and a destination may keep a CRC-64, which the task compares by, only where each
    part comes with its own.
    """
    by_crc64 = spec.check is ConsistencyCheck.CRC64 or spec.overwrite is OverwriteMode.CRC64
    return spec.kms or (by_crc64 and destination.capabilities.takes_crc64)


def write_options(
    session: Session, head: ObjectHead, *, listed_class: str = "", md5: bytes | None = None, crc64: int | None = None
) -> WriteOptions:
    """Return how an object is stored, from its source's head, the task's rules and what is known of its bytes.

    ``listed_class`` is the class the listing stated: some stores state another once an object is restored.

    Raises:
        MetadataRejected: the destination cannot hold its metadata.
    """
    spec = session.spec
    return WriteOptions(
        attributes=plan_attributes(
            head.attributes,
            spec.metadata,
            session.metadata_terms,
        ),
        storage_class=storage_class_for(
            spec.storage, listed_class or head.storage_class, session.source.capabilities.class_of
        ),
        kms=spec.kms,
        md5=md5,
        crc64=crc64 if session.destination.capabilities.states_crc64 else None,
    )
