"""One leased segment from its marker to its end: list, match, decide, hand over, report."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass, field

from oms_engine.aliases import VARIANTS, learn, learn_at_start
from oms_engine.batch import Batch, Window
from oms_engine.ends import ObjectJob, copied_before, is_ours
from oms_engine.errors import AccessDenied, Retry, Stopped, StoreError, TaskError
from oms_engine.keysource import KeySource
from oms_engine.ledger import Checkpoint, Segment
from oms_engine.listing import Bounds
from oms_engine.look import Listing, look
from oms_engine.model import ListedObject, OverwriteMode, key_before
from oms_engine.plan import ASK, COPY_DOUBT, Action, decide, decide_scope, in_doubt
from oms_engine.records import skip_line
from oms_engine.scope import COPY
from oms_engine.session import mapped
from oms_engine.streams import Beside
from oms_engine.verdicts import attempt_error, listing_error
from oms_engine.workforce import Item, Workforce

REPORT_RECORDS = 20_000
"""A report is due when this many ended objects wait for one."""
HOLD_SECONDS = 0.5
"""How often a held listing looks whether it may go on."""
WINDOW_OBJECTS = 20_000
"""Objects of one segment that may be without an end at once; the listing waits beyond."""
LOOKS_AHEAD = 16
"""Batches of a segment whose closing look may be under way; the listing waits beyond."""


@dataclass(slots=True)
class Control:
    """What the coordinator tells a running segment."""

    bounds: Bounds = field(default_factory=Bounds)


class SegmentRun:
    """One lease of one segment in this process."""

    def __init__(self, workforce: Workforce, segment: Segment, control: Control, keys: KeySource | None = None) -> None:
        self.workforce = workforce
        self.session = workforce.session
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
        batch.close_all(written, seen=False)
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
            self.workforce.fail(listing_error(error, source=False))
        except TaskError as error:
            self.workforce.fail(error)
        except Exception as error:  # noqa: BLE001  (a fault of ours must not leave the run waiting for a report)
            self.workforce.fail(TaskError("TRF.0001", f"the closing look failed: {type(error).__name__}: {error}"))
        else:
            batch.close_all(looked.seen, seen=True)
            batch.close_all(looked.unseen, seen=False)
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
                    if self.workforce.failure is not None:
                        raise self.workforce.failure
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
            self.workforce.fail(fatal)
            raise fatal from error
        except TaskError as error:
            self.workforce.fail(error)
            raise

    async def _produce_keys(self, keys: KeySource) -> bool:
        done = int(self.segment.marker or "0")
        await learn_at_start(self.session)
        async for marker, names in keys.batches(after=done):
            batch = self._window.open(str(marker))
            for name in names:
                self.workforce.submit(Item(ObjectJob(name, resumed=self._resumed), batch, self))
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
        await self.workforce.room()
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
        live.listed_bytes += sum([entry.size for entry in page])
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
                self.workforce.submit(Item(job, batch, self))
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
