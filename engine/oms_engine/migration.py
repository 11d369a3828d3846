"""One task from start to end: the embeddable face of the engine.

It opens the stores, looks whether both can be reached, asks the ledger where to begin, and lets a coordinator go
through the work. What an object needs is in ``transfer.py``, how a run is driven in ``coordinator.py``.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace

from oms_engine.bandwidth import BandwidthPolicy, rate_at
from oms_engine.batch import split_reasons
from oms_engine.coordinator import Coordinator
from oms_engine.errors import TaskError
from oms_engine.keysource import KeySource
from oms_engine.ledger import Ledger, RunInfo, Segment
from oms_engine.limiter import Limiter
from oms_engine.marker import note_folder
from oms_engine.meter import Meter
from oms_engine.model import Outcome
from oms_engine.places import refuse_same_place
from oms_engine.preflight import look_ahead
from oms_engine.resuming import vanished
from oms_engine.scope import COPY, by_copy, check_list, identity_of, open_keys, rules_of, run_name, segments_of
from oms_engine.session import EngineSettings, Session, StoreOpener
from oms_engine.slots import LocalSlot, Slot, SlotPlan, SlotSource
from oms_engine.store import BucketStore
from oms_engine.streams import NEVER_BY_BYTES
from oms_engine.task import Counters, MigrationSpec, Progress, Result, TaskState
from oms_engine.uploads import UploadBook
from oms_engine.verdicts import DISORDERED, OUTAGES
from oms_engine.wire import Wire
from oms_engine.workforce import Workforce

SAMPLED = 1000
SAMPLES = 5
"""Reasons of failures that a result states, out of so many failures looked at."""

BANDWIDTH_SECONDS = 1.0
"""How often the bandwidth window is looked at."""


class Migration:
    """One migration task. Create it and ``await run()`` once; ``pause`` it from anywhere, and run a new one to go on.

    Args:
        spec: what to do.
        source: opens the source bucket; picklable.
        destination: opens the destination bucket; picklable.
        ledger: remembers; a run it left unfinished is resumed.
        list_store: opens the bucket of the object list file, for scopes of type ``list``.
        settings: how hard to work.
        helpers: makes the slots beside this process when ``settings.processes`` is more than one.
        on_progress: called on the event loop every ``settings.progress_seconds``.
    """

    def __init__(
        self,
        spec: MigrationSpec,
        *,
        source: StoreOpener,
        destination: StoreOpener,
        ledger: Ledger,
        list_store: StoreOpener | None = None,
        settings: EngineSettings | None = None,
        helpers: SlotSource | None = None,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.spec = spec
        self.settings = settings or EngineSettings()
        self._open_source, self._open_destination, self._open_list = source, destination, list_store
        self._ledger = ledger
        self._helpers = helpers
        self._on_progress = on_progress
        self._bandwidth = spec.bandwidth
        self._limiter = Limiter()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pausing = False
        self._coordinator: Coordinator | None = None
        self._wire: Wire | None = None
        self._keys: dict[int, KeySource] = {}
        self._meter = Meter()
        self._state = TaskState.WAITING
        self._note = ""
        self._by_copy = False
        """The source's listing is read whole and sorted: it does not come in the order of bytes."""

    def pause(self) -> None:
        """Finish or park what is under way, then end ``run`` with PAUSED. From any thread or signal handler."""
        self._pausing = True
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._stop)

    def _stop(self) -> None:
        if self._wire is not None:
            self._wire.hurry()
        if self._coordinator is not None:
            self._state = TaskState.PAUSING
            self._coordinator.stop()

    def set_bandwidth(self, policy: BandwidthPolicy) -> None:
        """Change the bandwidth windows, at once and for all connections. From any thread."""
        self._bandwidth = policy
        self._limiter.set_rate(rate_at(policy, time.time()))

    @property
    def progress(self) -> Progress:
        """How the task stands now."""
        coordinator = self._coordinator
        if coordinator is None:
            return Progress(self._state, Counters())
        lives = [slot.live for slot in coordinator.slots]
        stats = [slot.stats for slot in coordinator.slots]
        return self._meter.progress(self._state, lives, stats, listing_done=coordinator.listing_done)

    async def run(self) -> Result:
        """Run the task to its end, to a pause, or to what stops it.

        Raises:
            ConfigError: it cannot begin: the ledger belongs to another task, there is nothing to retry, no list file.
            RepositoryError: the ledger cannot be written.
        """
        self._loop = asyncio.get_running_loop()
        source, destination = self._open_source(), self._open_destination()
        refuse_same_place(self.spec, source, destination)
        self._limiter.set_rate(rate_at(self._bandwidth, time.time()))
        async with Wire(self.settings.wire, limiter=self._limiter) as wire:
            self._wire = wire
            if self._pausing:
                wire.hurry()
            try:
                self.spec = await look_ahead(self.spec, wire, source, destination)
                lists = await check_list(self.spec, wire, source, self._open_list)
            except TaskError as error:
                if self._pausing:
                    return Result(TaskState.PAUSED, Counters(), self._meter.seconds)
                seconds = self._meter.seconds
                return Result(TaskState.FAILED, Counters(), seconds, error_code=error.code, error_message=str(error))
            identity = identity_of(self.spec, source, destination)
            run, session, book = self._open_run(wire, source, destination, identity, lists, anew=False)
            if run.resumed and (note := await vanished(session, self._ledger, self._open_list)):
                self._note = note
                run, session, book = self._open_run(wire, source, destination, identity, lists, anew=True)
            began = 0.0  # when an attempt that copied something was started
            while True:
                self._plan_segments(source)
                async with self._coordinated(session, run) as coordinator:
                    result = await self._run(coordinator, run, book)
                if result is not None:
                    return result
                if any(slot.live.outcomes[Outcome.MIGRATED] for slot in coordinator.slots):
                    began = began or session.run_started
                run, session, book = self._open_run(wire, source, destination, identity, lists, anew=True)
                session.run_started, session.begun_anew = began or run.started_at, began > 0

    def _plan_segments(self, source: BucketStore) -> None:
        """Begin with the task's segments; an unfinished run's say whether the source is read by sorted copies."""
        segments = self._ledger.segments()
        if not segments:
            self._by_copy = self._by_copy or source.capabilities.order in NEVER_BY_BYTES
            segments = segments_of(self.spec)
            self._ledger.add_segments(by_copy(segments) if self._by_copy else segments)
        else:
            self._by_copy = any(segment.list_offset == COPY for segment in segments)

    def _open_run(
        self,
        wire: Wire,
        source: BucketStore,
        destination: BucketStore,
        identity: str,
        lists: str,
        *,
        anew: bool = False,
    ) -> tuple[RunInfo, Session, UploadBook]:
        run = self._ledger.open_run(
            identity=identity,
            rules=rules_of(self.spec) + lists,
            name=self.spec.name,
            retry_failed=self.spec.retry_failed,
            anew=anew,
        )
        book = UploadBook(
            self._ledger,
            destination,
            wire,
            folder=note_folder(identity),
            number=run.task_id,
            first=(run.run == 1 or run.resumed or anew) and not self.spec.dry_run,
            prefix=self.spec.save_prefix,
        )
        session = Session(
            replace(self.spec, name=run.name or run_name(source, destination, run)),
            source=source,
            destination=destination,
            wire=wire,
            limiter=self._limiter,
            settings=self.settings,
            uploads=book,
            run_started=run.started_at,
        )
        return run, session, book

    @asynccontextmanager
    async def _coordinated(self, session: Session, run: RunInfo) -> AsyncIterator[Coordinator]:
        workforce = Workforce(session)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(workforce.close)
            slots: list[Slot] = [LocalSlot(workforce)]
            if self._helpers is not None and self.settings.processes > 1 and not self._by_copy:
                slots += await stack.enter_async_context(self._helpers.open(self._slot_plan(session)))
            self._coordinator = Coordinator(session, self._ledger, slots, resumed=run.resumed)
            stack.push_async_callback(self._coordinator.lot.close)
            self._meter = Meter(self._ledger.totals())
            ticker = asyncio.ensure_future(self._tick())
            stack.callback(ticker.cancel)
            yield self._coordinator

    def _slot_plan(self, session: Session) -> SlotPlan:
        return SlotPlan(
            spec=session.spec,
            source=self._open_source,
            destination=self._open_destination,
            settings=self.settings,
            limiter=self._limiter,
            run_started=session.run_started,
            uploads=session.uploads,
        )

    async def _run(self, coordinator: Coordinator, run: RunInfo, book: UploadBook) -> Result | None:
        """Run to an end; None when it must be begun anew by sorted copies of the source's listing."""
        self._state = TaskState.RUNNING
        if self._pausing:
            self._stop()
        error: TaskError | None = None
        try:
            await coordinator.work(self._keys_of)
        except TaskError as failure:
            error = failure
        finally:
            book.stop()
        if not self._pausing and (error is None or error.code not in OUTAGES):
            coordinator.session.wire.calm()
        if error is not None and error.code == DISORDERED:
            self._by_copy = True
            self._keys.clear()
            await book.close()
            return None
        over = error is None and not self._ledger.parked_count() and not coordinator.unfinished()
        notes, _ = await asyncio.gather(book.lost_notes(over=over), coordinator.recorder.flush(everything=True))
        left_open = await book.finish(notes) if over else 0
        await book.close()
        return replace(self._result(coordinator, run, error), open_uploads=left_open)

    async def _keys_of(self, segment: Segment) -> KeySource | None:
        assert self._coordinator is not None
        wire = self._coordinator.session.wire
        keys = await open_keys(self.spec, segment, self._ledger, wire, self._open_list)
        if keys is not None:
            self._keys[segment.id] = keys
        return keys

    def _result(self, coordinator: Coordinator, run: RunInfo, error: TaskError | None) -> Result:
        counters = self._ledger.totals()
        complete = error is None and counters.waiting == 0 and not coordinator.unfinished()
        code, message = (error.code, str(error)) if error else (None, None)
        if complete and not counters.listed:
            code, message = "TRF.0012", "no source object matches: check the bucket, the prefix and the keys"
        elif complete and counters.failed:
            code, message = "TRF.0062", self._why_failed(coordinator, counters)
        if complete:
            self._ledger.finish_run(succeeded=code is None)
        self._state = TaskState.FAILED if code else TaskState.SUCCEEDED if complete else TaskState.PAUSED
        reasons, proved = split_reasons(self._ledger.reasons(), counters.migrated)
        return Result(
            state=self._state,
            counters=counters,
            seconds=self._meter.seconds,
            reasons=reasons,
            proved={} if self.spec.dry_run else proved,
            failure_samples=self._samples(counters),
            records=coordinator.recorder.folders(counters),
            record_errors=coordinator.recorder.errors,
            complete=complete,
            error_code=code,
            error_message=message,
            name=coordinator.session.spec.name,
            task_id=run.task_id,
            started_at=run.started_at,
            transferred_bytes=sum(slot.live.transferred for slot in coordinator.slots),
            note=self._said(coordinator.session),
            duplicates=sum(keys.duplicates for keys in self._keys.values()),
        )

    def _why_failed(self, coordinator: Coordinator, counters: Counters) -> str:
        """Return how many objects failed, and why, where no list will tell."""
        some = f"{counters.failed} objects failed"
        if self.spec.record_failed and "failed" not in coordinator.recorder.errors:
            return f"{some}; the failed list names each with its reason"
        samples = self._samples(counters)
        return f"{some}, and no list names them. " + " ".join(f"{code}: {text}" for code, text in samples.items())

    def _samples(self, counters: Counters) -> dict[str, str]:
        """Return the codes that most objects failed with, each with what was said of one object."""
        if not counters.failed:
            return {}
        failures = self._ledger.failures(limit=SAMPLED)
        often = Counter(failure.code for failure in failures)
        first = {failure.code: f"{failure.key!r}: {failure.message}" for failure in reversed(failures)}
        return {code: first[code] for code, _ in often.most_common(SAMPLES)}

    def _said(self, session: Session) -> str:
        """Return what else there is to say of the run."""
        text = "the {} does not list its keys in the order of their bytes: its listing was read whole and sorted"
        sides = (("source", self._by_copy), ("destination", session.streams.destination_sorted))
        return "; ".join(filter(None, [self._note, *(text.format(side) for side, copied in sides if copied)]))

    async def _tick(self) -> None:
        """Keep the bandwidth window, the rates and the caller's eyes up to date."""
        looked = 0.0
        while True:
            now = time.monotonic()
            if now - looked >= BANDWIDTH_SECONDS:
                looked = now
                rate = rate_at(self._bandwidth, time.time())
                if rate != self._limiter.rate:
                    self._limiter.set_rate(rate)
            if self._coordinator is not None:
                self._meter.look([slot.live for slot in self._coordinator.slots])
            if self._on_progress is not None:
                with suppress(Exception):
                    self._on_progress(self.progress)
            await asyncio.sleep(self.settings.progress_seconds)
