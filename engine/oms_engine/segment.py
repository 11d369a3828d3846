"""One leased segment from its marker to its end: list, match, decide, hand over, report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

from oms_engine.aliases import VARIANTS, learn, learn_at_start
from oms_engine.batch import Batch, End, Window
from oms_engine.ends import ObjectJob, copied_before, failed, is_ours, refused
from oms_engine.errors import AccessDenied, ObjectError, Retry, Stopped, StoreError, TaskError
from oms_engine.gates import Movers
from oms_engine.keysource import KeySource
from oms_engine.ledger import Checkpoint, Segment
from oms_engine.listing import Bounds
from oms_engine.look import Listing, look
from oms_engine.model import ListedObject, Outcome, OverwriteMode, key_before
from oms_engine.outages import scouting
from oms_engine.persist import Unanswered, persist
from oms_engine.plan import ASK, COPY_DOUBT, Action, decide, decide_scope, in_doubt
from oms_engine.records import skip_line
from oms_engine.scope import COPY
from oms_engine.session import Session, mapped
from oms_engine.streams import Beside
from oms_engine.transfer import transfer
from oms_engine.verdicts import attempt_error, listing_error

REPORT_RECORDS = 20_000
"""A report is due when this many ended objects wait for one."""
HOLD_SECONDS = 0.5
"""How often a held listing looks whether it may go on."""
FEW_LEFT = 100
"""With fewer objects in line than these, that all of some failed says nothing of the store."""
WINDOW_OBJECTS = 20_000
"""Objects of one segment that may be without an end at once; the listing waits beyond."""


@dataclass(slots=True)
class Control:
    """What the coordinator tells a running segment."""

    bounds: Bounds = field(default_factory=Bounds)


class _Item(NamedTuple):
    job: ObjectJob
    batch: Batch
    run: SegmentRun


LOOKS_AHEAD = 16
"""Batches of a segment whose closing look may be under way; the listing waits beyond."""


class Crew:
    """The movers of one process: many for small objects on the event loop, few that stream through threads."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.failure: TaskError | None = None
        """What ends the task."""
        self.small: Movers[_Item] = Movers(self._carry, session.small_limit)
        self.bulk: Movers[_Item] = Movers(self._carry, session.bulk_limit)
        session.scout = self.scout

    def submit(self, item: _Item) -> None:
        """Hand a job to the movers its size calls for."""
        listed = item.job.listed
        item.batch.pending += 1
        item.run.pending += 1
        if listed is not None and listed.size > self.session.settings.small_object_bytes:
            self.bulk.submit(item)
        else:
            self.small.submit(item)

    async def room(self) -> None:
        """Wait until both queues are short."""
        await self.small.room()
        await self.bulk.room()

    async def _carry(self, item: _Item) -> None:
        job, _, run = item
        if self.session.stopping:  # submitted by a listing that had not heard of the stop yet
            run.dropped()
            return
        try:
            end = await transfer(self.session, job)
        except Unanswered as trouble:
            end_or_none = await self._guarded(item, partial(self._persist, job, trouble))
            if end_or_none is None:
                return
            end = end_or_none
        except Stopped:
            run.dropped()
            return
        except TaskError as error:
            self.fail(error)
            run.dropped()
            return
        except Exception as error:  # noqa: BLE001  (a fault of ours must not lose the object, nor the others)
            end = self._fault(job, error)
        self._ended(item, end)

    def _ended(self, item: _Item, end: End) -> None:
        _, batch, run = item
        self.session.live.count(end)
        batch.add(end)
        batch.pending -= 1
        run.pending -= 1
        if not batch.pending:
            run.batch_ended(batch)

    def _fault(self, job: ObjectJob, error: Exception) -> End:
        return failed(self.session, job, ObjectError(f"{type(error).__name__}: {error}", code="INTERNAL_FAILURE"))

    async def _guarded(self, item: _Item, work: Callable[[], Awaitable[End]]) -> End | None:
        """Do the work of an item; None when it leaves without an end. ``Unanswered`` passes."""
        try:
            return await work()
        except Unanswered:
            raise
        except Stopped:
            item.run.dropped()
        except TaskError as error:
            self.fail(error)
            item.run.dropped()
        except Exception as error:  # noqa: BLE001  (as in _carry)
            return self._fault(item.job, error)
        return None

    async def _persist(self, job: ObjectJob, trouble: Unanswered) -> End:
        result = await persist(self.session, trouble, lambda: transfer(self.session, job))
        return refused(self.session, job, result.error) if isinstance(result, Unanswered) else result

    async def scout(self) -> bool | None:
        """Move some objects from the far end of the line; return whether one arrived.

        None when all failed but few objects are left: they may be all there is to the trouble.
        """
        movers = self.small if self.small.queue else self.bulk
        few = len(movers.queue) < FEW_LEFT
        items = [movers.take(-1), movers.take(len(movers.queue) // 2), movers.take(-1)]
        scouts = [self._scout(movers, item) for item in items if item is not None]
        arrived = await asyncio.gather(*scouts)
        return any(arrived) or (None if few else False)

    async def _scout(self, movers: Movers[_Item], item: _Item) -> bool:
        scouting.set(True)
        try:
            end = await self._guarded(item, lambda: transfer(self.session, item.job))
        except Unanswered:
            movers.submit(item)  # its turn will come
            return False
        if end is None:
            return False
        self._ended(item, end)
        return end.outcome is Outcome.MIGRATED

    def fail(self, error: TaskError) -> None:
        """End the task: what is under way is finished, then every segment's run raises the error."""
        self.failure = self.failure or error
        self.stop()

    def stop(self) -> None:
        """Begin nothing new; what is under way is finished."""
        self.session.stopping = True
        self.session.wire.hurry()
        for movers in (self.small, self.bulk):
            for item in movers.drop_queue():
                item.run.dropped()

    async def drain(self) -> None:
        """Wait until nothing is under way."""
        await self.small.drain()
        await self.bulk.drain()

    async def close(self) -> None:
        """Cancel everything."""
        await self.small.close()
        await self.bulk.close()
        self.session.streams.close()


class SegmentRun:
    """One lease of one segment in this process."""

    def __init__(self, crew: Crew, segment: Segment, control: Control, keys: KeySource | None = None) -> None:
        self.crew = crew
        self.session = crew.session
        self.segment = segment
        self.control = control
        self.keys = keys
        self.pending = 0
        """Objects handed to the movers that have no end yet."""
        self.head = segment.marker or segment.lo
        """The last key listed so far; nothing beyond it has been begun."""
        self._resumed = segment.epoch > 1 or self.session.begun_anew
        self._window = Window(segment)
        self._wake = asyncio.Event()
        self.room = asyncio.Event()
        self._unreported = 0
        self._looks: set[asyncio.Task[None]] = set()
        there = mapped(self.session.spec.strip_prefix, self.session.spec.save_prefix, segment.prefix)
        self._listing = Listing(self.session, there if keys is None else self.session.spec.save_prefix)

    def lower(self, at: str) -> bool:
        """Give ``(at, hi]`` away, if none of it has been listed yet."""
        if self.keys is not None or not key_before(self.head, at):
            return False
        self.control.bounds.hi = at
        return True

    def batch_ended(self, batch: Batch) -> None:
        """Note that all objects of a batch have their end; those that were written are looked at first."""
        if batch.written and self.session.settings.closing_look:
            task = asyncio.get_running_loop().create_task(self._look(batch))
            self._looks.add(task)
            return
        written, batch.written = batch.written, []
        for end in written:
            batch.close(end, seen=False)
        self._closed(batch)

    def _closed(self, batch: Batch) -> None:
        """Note that a batch can be reported."""
        self._unreported += batch.listed
        self.room.set()
        if self._unreported > REPORT_RECORDS or self.idle:
            self._wake.set()

    @property
    def idle(self) -> bool:
        """Whether every object that was handed over has left, and no closing look is under way."""
        return not self.pending and not self._looks

    async def _look(self, batch: Batch) -> None:
        """See that the destination holds what a batch wrote; where that is not found out, the batch is not reported."""
        task = asyncio.current_task()
        assert task is not None
        try:
            looked = await look(self.session, batch.written, self._listing)
        except Stopped:
            pass
        except StoreError as error:
            self.crew.fail(listing_error(error, source=False))
        except TaskError as error:
            self.crew.fail(error)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not leave the run waiting for a report)
            self.crew.fail(TaskError("TRF.0001", f"the closing look failed: {type(error).__name__}: {error}"))
        else:
            for end in looked.seen:
                batch.close(end, seen=True)
            for end in looked.unseen:
                batch.close(end, seen=False)
            for end, instead in looked.failed:
                batch.close(instead, seen=instead.seen)
                self.session.live.correct(end, instead)
            batch.written = []
        finally:
            self._looks.discard(task)
            self._closed(batch)

    def dropped(self) -> None:
        """Note that an object leaves without an end, because the run stops: its batch is never reported."""
        self.pending -= 1
        self.room.set()
        if self.idle:
            self._wake.set()

    async def reports(self) -> AsyncIterator[Checkpoint]:
        """Run the segment and yield its reports; the last one says ``done`` unless the run was paused.

        Raises:
            TaskError: the segment cannot go on.
        """
        producer = asyncio.ensure_future(self._produce())
        producer.add_done_callback(lambda _done: self._wake.set())
        try:
            while True:
                await self._wait(producer)
                listed = producer.done() and self.idle
                complete = listed and producer.exception() is None and producer.result()
                self._unreported = 0
                checkpoint = self._window.checkpoint(done=bool(complete))
                if checkpoint is not None:
                    yield checkpoint
                if listed:
                    await producer
                    if self.crew.failure is not None:
                        raise self.crew.failure
                    return
        finally:
            producer.cancel()
            for task in list(self._looks):
                task.cancel()

    async def _wait(self, producer: asyncio.Future[bool]) -> None:
        self._wake.clear()
        if producer.done() and self.idle:
            return
        try:
            async with asyncio.timeout(self.session.settings.checkpoint_seconds):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _produce(self) -> bool:
        """Go through the segment's keys; True when its end was reached, False when paused before."""
        try:
            if self.keys is not None:
                return await self._produce_keys(self.keys)
            return await self._produce_listed()
        except Stopped:
            return False
        except StoreError as error:
            if self.session.stopping and error.retry is not Retry.NEVER:
                return False
            fatal = attempt_error(error, source=error.store == self.session.source.label)
            self.crew.fail(fatal)
            raise fatal from error
        except TaskError as error:
            self.crew.fail(error)
            raise

    async def _produce_keys(self, keys: KeySource) -> bool:
        done = int(self.segment.marker or "0")
        await learn_at_start(self.session)
        async for marker, names in keys.batches(after=done):
            batch = self._window.open(str(marker))
            for name in names:
                self.crew.submit(_Item(ObjectJob(name, resumed=self._resumed), batch, self))
            self.session.live.listed += len(names)
            await self._room()
            if self.session.stopping:
                return False
        return True

    async def _produce_listed(self) -> bool:
        session, spec, segment = self.session, self.session.spec, self.segment
        start = segment.marker or segment.lo
        strip, save = spec.strip_prefix, spec.save_prefix
        beside: Beside | None = None
        listable = True
        if session.overwrite is not OverwriteMode.FULL_OVERWRITE:
            after = mapped(strip, save, start) if start else ""
            beside = session.streams.beside(mapped(strip, save, segment.prefix), start_after=after)
        copy = segment.list_offset == COPY
        opened = session.streams.source_pages(
            segment.prefix, start_after=start, bounds=self.control.bounds, by_copy=copy
        )
        try:
            async with opened as pages:
                async for page in pages:
                    self.head = page[-1].key
                    there: list[ListedObject | None] = [None] * len(page)
                    if beside is not None and listable:
                        try:
                            there = await beside.match(self._mapped_keys(page))
                            if len(session.sight.asked) < len(VARIANTS):
                                await learn(session, there)
                        except AccessDenied:  # then each object is asked for by HEAD
                            listable = False
                    self._decide_page(page, there, known=listable and self._is_known(beside))
                    await self._room()
                    if session.stopping:
                        return False
        finally:
            if beside is not None:
                await beside.close()
        return True

    def _is_known(self, beside: Beside | None) -> bool:
        """Whether what was not found at the destination may be written without another look."""
        return beside is None or self.session.overwrite is not OverwriteMode.NO_OVERWRITE or beside.certain

    def _mapped_keys(self, page: list[ListedObject]) -> list[str]:
        strip, save = self.session.spec.strip_prefix, self.session.spec.save_prefix
        if not strip and not save:
            return [entry.key for entry in page]
        cut = len(strip)
        return [save + entry.key[cut:] for entry in page]

    async def _room(self) -> None:
        await self.crew.room()
        while self._full() and not self.session.stopping:
            self.room.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(HOLD_SECONDS):
                    await self.room.wait()

    def _full(self) -> bool:
        return self.pending > WINDOW_OBJECTS or len(self._looks) > LOOKS_AHEAD or self.session.hold_listing

    def _decide_page(self, page: list[ListedObject], there: list[ListedObject | None], *, known: bool) -> None:
        """Give every object that need not move its end here, and hand the others over."""
        session, resumed = self.session, self._resumed
        spec, rule = session.spec, session.overwrite
        since, want_kms, now = spec.migrate_since, spec.kms, session.clock_text()
        by_md5, doubts = session.by_md5, session.uploads.doubts
        batch = self._window.open(page[-1].key)
        live = session.live
        live.listed += len(page)
        skipped: dict[str, list[str]] = {}
        sizes: dict[str, int] = {}
        skip = Action.SKIP
        copy = None if spec.dry_run else Action.COPY  # a dry run's reasons are told one by one
        for listed, other in zip(page, there, strict=True):
            decision = decide(listed, other, rule, want_kms=want_kms, by_md5=by_md5)
            if not known:
                decision = ASK
            elif doubts and other is not None and in_doubt(other, doubts.get(other.key), rule):
                decision = COPY_DOUBT
            if since is not None:
                decision = decide_scope(listed, since) or decision
            action = decision.action
            if action is not skip:
                sure = known or other is not None
                job = ObjectJob(listed.key, listed, other, sure, None, resumed, sure and action is copy)
                self.crew.submit(_Item(job, batch, self))
                continue
            if resumed and other is not None and is_ours(session, listed, other):
                end = copied_before(session, listed, other.etag)
                live.count(end)
                batch.add(end)
                continue
            reason, size = decision.reason, listed.size
            line = skip_line(now, listed.key, size, reason)
            lines = skipped.get(reason)
            if lines is None:
                skipped[reason], sizes[reason] = [line], size
            else:
                lines.append(line)
                sizes[reason] += size
        for reason, lines in skipped.items():
            batch.add_skipped(reason, lines, sizes[reason])
            live.count_skipped(len(lines), sizes[reason])
        if not batch.pending:
            self.batch_ended(batch)
