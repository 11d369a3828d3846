"""One run of a task: leases segments to slots, commits their reports, cuts long ranges, brings parked objects on.

Only the coordinator touches the ledger.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from oms_engine.errors import RepositoryError, Stopped, StoreError
from oms_engine.keysource import KeySource
from oms_engine.ledger import Ledger, Segment, SegmentState
from oms_engine.listing import first_after
from oms_engine.model import key_before
from oms_engine.order_proof import OrderProofs
from oms_engine.parkinglot import ParkingLot
from oms_engine.recorder import Recorder
from oms_engine.scope import is_listing
from oms_engine.session import Session
from oms_engine.slots import Slot, WorkerLost
from oms_engine.split import find_split

SEGMENTS_AT_ONCE = 4
"""Leases of one slot; each is a listing of its own, they share the slot's movers."""
SPLIT_AFTER = 2.0
"""Seconds a listing runs before it is cut for an idle lease of its own slot; for another slot a tenth of it, and for
one that has nothing at all to do no time."""
IDLE_SECONDS = 0.25
"""How often a lease without work looks whether a listing may be cut for it."""
COLD_SECONDS = 0.02
"""How often it looks whether its slot is wanted by now, or has become ready."""

KeysOf = Callable[[Segment], Awaitable[KeySource | None]]


class _Lease:
    """A segment under way."""

    def __init__(self, slot: Slot, segment: Segment) -> None:
        self.slot = slot
        self.segment = segment
        self.since = time.monotonic()
        """When it began, or was last looked at for a cut."""


class Coordinator:
    """One run from its first lease to its last report."""

    def __init__(self, session: Session, ledger: Ledger, slots: Sequence[Slot], *, resumed: bool) -> None:
        self.session = session
        self.slots = slots
        self.recorder = Recorder(session, ledger)
        self.lot = ParkingLot(session, ledger, slots, resumed=resumed)
        self.listing_done = False
        self._ledger = ledger
        self._leases: dict[int, _Lease] = {}
        self._changed = asyncio.Event()
        self._cutting = asyncio.Lock()
        self._proofs = OrderProofs(session)

    async def work(self, keys_of: KeysOf) -> None:
        """Go through all segments and all parked objects, until the end or a pause.

        Raises:
            TaskError: the task cannot go on. What is under way has been finished.
        """
        uploader = asyncio.ensure_future(self.recorder.keep_flushing())
        parked = asyncio.ensure_future(self.lot.work())
        self._proofs.send_for(self._ledger.segments())
        alarm = self._proofs.alarm
        leases = [
            asyncio.ensure_future(self._lease_all(slot, keys_of, first=number == 0))
            for slot in self.slots
            for number in range(SEGMENTS_AT_ONCE)
        ]
        try:
            await _all_or_first_error(leases, beside=[parked, uploader, alarm])
            await self._proofs.back()
            self.listing_done = True
            self.lot.last_call()
            await _all_or_first_error([parked], beside=[uploader])
        except BaseException:
            self.stop()
            await asyncio.wait([*leases, parked])
            raise
        finally:
            uploader.cancel()
            self._proofs.close()
            await asyncio.gather(uploader, parked, *leases, return_exceptions=True)

    async def _lease_all(self, slot: Slot, keys_of: KeysOf, *, first: bool) -> None:
        """Run segments on a slot one after another, until none is left anywhere."""
        while not self.session.stopping:
            changed = self._changed  # of before the look: what happens during it is not missed
            segment = self._ledger.claim()
            if segment is not None:
                if not await self._run(slot, segment, keys_of):
                    return
            elif not self._leases:
                return
            else:
                await self._idle(slot, changed, watch=first)

    async def _idle(self, slot: Slot, changed: asyncio.Event, *, watch: bool) -> None:
        """Wait until there may be something to claim: after a change, or after a cut made for this lease.

        One lease of a slot that is not ready has to ``watch`` it: it warms the slot and is there when it is ready.
        """
        while not changed.is_set() and not await self._cut_for(slot):
            with suppress(TimeoutError):
                async with asyncio.timeout(COLD_SECONDS if watch and not slot.ready() else IDLE_SECONDS):
                    await changed.wait()

    async def _run(self, slot: Slot, segment: Segment, keys_of: KeysOf) -> bool:
        """Run one segment to its end; False when the slot was lost."""
        self._leases[segment.id] = _Lease(slot, segment)
        try:
            keys = await keys_of(segment)
            if not is_listing(segment):  # keys one by one, and sorted copies, come from the ledger's own process
                slot = self.slots[0]
            async for checkpoint in slot.run(segment, keys):
                self._ledger.checkpoint(checkpoint)
                if checkpoint.parked:
                    self.lot.wake()
        except WorkerLost:
            self._ledger.release(segment.id, segment.epoch)
            return False
        finally:
            del self._leases[segment.id]
            self._tell_change()
        return True

    async def _cut_for(self, idle: Slot) -> bool:
        """Cut the rest of a running listing in two, where that gives an idle lease something to do."""
        if not idle.ready():
            if sum(slot.live.listed for slot in self.slots) >= self.session.settings.processes_from:
                idle.warm()
            return False
        self.session.share(sum(slot.ready() for slot in self.slots))
        async with self._cutting:
            now = time.monotonic()
            idling = all(lease.slot is not idle for lease in self._leases.values())
            for lease in sorted(self._leases.values(), key=lambda lease: lease.since):
                own = lease.slot is idle
                patience = 0.0 if idling else SPLIT_AFTER if own else SPLIT_AFTER / 10
                if now - lease.since < patience or (own and not idle.starving()):
                    continue
                lease.since = now
                if await self._cut(lease):
                    return True
        return False

    async def _cut(self, lease: _Lease) -> bool:
        segment = lease.segment
        head = lease.slot.heads().get(segment.id)
        if head is None:
            return False
        source = self.session.source
        proof = self._proofs.needed
        if not source.capabilities.list_start_anywhere or (proof and self.session.spec.scope.ranges):
            return False

        async def probe(after: str) -> str | None:
            if self.session.stopping:  # a search takes some fifteen answers, one after another: a pause does not wait
                raise Stopped("paused while looking for a cut")
            first = await first_after(self.session.wire, source, segment.prefix, after)
            if first is not None and not key_before(after, first):
                raise Stopped("the store does not start a listing where it is asked to: there is nothing to cut")
            hi = segment.hi
            return None if first is None or (hi is not None and key_before(hi, first)) else first

        try:
            at = await find_split(probe, head, segment.prefix)
            if at is not None and proof:
                self._proofs.send(segment.prefix)
                at = await probe(at)  # a key that exists: there alone every order of the same keys means the same
                at = None if at == segment.hi else at
            return at is not None and await lease.slot.lower(segment.id, at, lambda: self._commit_cut(lease, at))
        except (StoreError, WorkerLost, Stopped):
            return False

    def _commit_cut(self, lease: _Lease, at: str) -> None:
        segment = lease.segment
        if self._ledger.split(segment.id, segment.epoch, at) is None:
            raise RepositoryError(f"the range of segment {segment.id} cannot be cut at {at!r}; start the run again")
        lease.segment = next(entry for entry in self._ledger.segments() if entry.id == segment.id)

    def stop(self) -> None:
        """Begin nothing new; what is under way is finished or stays parked."""
        self.session.stopping = True
        for slot in self.slots:
            slot.stop()
        self.lot.wake()
        self._tell_change()

    def _tell_change(self) -> None:
        """Wake every idle lease, also one that is looking for something to cut just now."""
        self._changed.set()
        self._changed = asyncio.Event()

    def unfinished(self) -> bool:
        """Whether a pause left anything undone."""
        return any(segment.state is not SegmentState.DONE for segment in self._ledger.segments())


async def _all_or_first_error(tasks: Sequence[asyncio.Future[None]], *, beside: Sequence[asyncio.Future[None]]) -> None:
    """Wait until all ``tasks`` are done; raise as soon as one of them, or of those beside them, fails."""
    waiting: set[asyncio.Future[None]] = {*tasks, *beside}
    while not all(task.done() for task in tasks):
        done, waiting = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            await task
