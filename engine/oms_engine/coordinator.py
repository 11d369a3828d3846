"""One run of a task: leases segments to slots, commits their reports, brings parked objects on, uploads the lists.

A slot is a place where objects are moved: this process (:class:`LocalSlot`) or another one. Only the coordinator
touches the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Protocol

from oms_engine.keysource import KeySource
from oms_engine.ledger import Checkpoint, Ledger, Parked, Segment, SegmentState, Settlement
from oms_engine.listing import Bounds
from oms_engine.parked import Later, revisit
from oms_engine.parkinglot import ParkingLot
from oms_engine.recorder import Recorder
from oms_engine.segment import Control, Crew, SegmentRun
from oms_engine.session import Live, Session

SEGMENTS_AT_ONCE = 4
"""Leases of one slot; each is a listing of its own, they share the slot's movers."""


class Slot(Protocol):
    """A place where objects are moved."""

    live: Live

    def run(self, segment: Segment, keys: KeySource | None) -> AsyncIterator[Checkpoint]:
        """Run a leased segment and yield its reports.

        Raises:
            TaskError: the task cannot go on.
        """
        ...

    async def revisit(self, entry: Parked, *, resumed: bool) -> Settlement | Later:
        """Bring a parked object on.

        Raises:
            TaskError: the task cannot go on.
            Stopped: the run pauses; the object stays parked.
        """
        ...

    def stop(self) -> None:
        """Begin nothing new."""
        ...


class LocalSlot:
    """This process."""

    def __init__(self, crew: Crew) -> None:
        self.crew = crew
        self.live = crew.session.live

    def run(self, segment: Segment, keys: KeySource | None) -> AsyncIterator[Checkpoint]:
        """Run a leased segment on the crew."""
        return SegmentRun(self.crew, segment, Control(Bounds(segment.hi)), keys).reports()

    async def revisit(self, entry: Parked, *, resumed: bool) -> Settlement | Later:
        """Bring a parked object on, in this process."""
        return await revisit(self.crew.session, entry, resumed=resumed)

    def stop(self) -> None:
        """Begin nothing new."""
        self.crew.stop()


class Coordinator:
    """One run from its first lease to its last report."""

    def __init__(self, session: Session, ledger: Ledger, slots: Sequence[Slot], *, resumed: bool) -> None:
        self.session = session
        self.slots = slots
        self.recorder = Recorder(session, ledger)
        self.lot = ParkingLot(session, ledger, slots, resumed=resumed)
        self.listing_done = False
        self._ledger = ledger

    async def work(self, keys_of: Any) -> None:
        """Go through all segments and all parked objects, until the end or a pause.

        Raises:
            TaskError: the task cannot go on. What is under way has been finished.
        """
        uploader = asyncio.ensure_future(self.recorder.keep_flushing())
        parked = asyncio.ensure_future(self.lot.work())
        leases = [
            asyncio.ensure_future(self._lease(slot, keys_of)) for slot in self.slots for _ in range(SEGMENTS_AT_ONCE)
        ]
        try:
            await _all_or_first_error(leases, beside=[parked, uploader])
            self.listing_done = True
            self.lot.last_call()
            await _all_or_first_error([parked], beside=[uploader])
        except BaseException:
            self.stop()
            await asyncio.wait(leases)
            self.lot.wake()
            await asyncio.wait([parked])
            raise
        finally:
            uploader.cancel()
            await asyncio.gather(uploader, parked, *leases, return_exceptions=True)

    async def _lease(self, slot: Slot, keys_of: Any) -> None:
        """Run segments on a slot one after another, as long as there are any."""
        while not self.session.stopping and (segment := self._ledger.claim()) is not None:
            async for checkpoint in slot.run(segment, await keys_of(segment)):
                self._ledger.checkpoint(checkpoint)
                if checkpoint.parked:
                    self.lot.wake()

    def stop(self) -> None:
        """Begin nothing new; what is under way is finished or stays parked."""
        self.session.stopping = True
        for slot in self.slots:
            slot.stop()
        self.lot.wake()

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
