"""Slots: places where objects are moved. This process is one; ``oms_worker.processes`` makes others."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from oms_engine.errors import OmsError
from oms_engine.frozen import dataclass
from oms_engine.inflight import UploadMemory
from oms_engine.keysource import KeySource
from oms_engine.ledger import Checkpoint, Parked, Segment, Settlement
from oms_engine.limiter import Limiter
from oms_engine.listing import Bounds
from oms_engine.parked import Later, revisit
from oms_engine.scope import is_listing
from oms_engine.segment import Control, SegmentRun
from oms_engine.session import EngineSettings, Live, StoreOpener
from oms_engine.task import MigrationSpec
from oms_engine.wire import WireStats
from oms_engine.workforce import Workforce


class WorkerLost(OmsError):
    """The process of a slot died; its segments go on elsewhere from their markers."""


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What a slot elsewhere needs to do the same as this process."""

    spec: MigrationSpec
    source: StoreOpener
    destination: StoreOpener
    settings: EngineSettings
    limiter: Limiter
    run_started: float
    uploads: UploadMemory
    """Of the coordinator's process: the slot reaches it through its connection."""


class SlotSource(Protocol):
    """Makes further slots."""

    def open(self, plan: SlotPlan) -> AbstractAsyncContextManager[Sequence[Slot]]:
        """Make slots that live as long as the context."""
        ...


class Slot(Protocol):
    """A place where objects are moved."""

    live: Live
    stats: WireStats

    def warm(self) -> None:
        """Get ready to take work, where that takes a while; returns at once."""
        ...

    def ready(self) -> bool:
        """Whether work given now is begun at once."""
        ...

    def heads(self) -> dict[int, str]:
        """Return, per running segment that is listed, the last key listed so far as far as known."""
        ...

    def starving(self) -> bool:
        """Whether its movers wait for work: more listings would help it."""
        ...

    def run(self, segment: Segment, keys: KeySource | None) -> AsyncIterator[Checkpoint]:
        """Run a leased segment and yield its reports.

        Raises:
            TaskError: the task cannot go on.
            WorkerLost: the slot is gone.
        """
        ...

    async def lower(self, segment: int, at: str, commit: Callable[[], None]) -> bool:
        """Take ``(at, hi]`` off a running segment; False when it was listed already.

        Owes: ``commit`` is called before any later report of the segment is given out.
        """
        ...

    async def revisit(self, entry: Parked, *, resumed: bool) -> Settlement | Later:
        """Bring a parked object on.

        Raises:
            TaskError: the task cannot go on.
            Stopped: the run pauses; the object stays parked.
            WorkerLost: the slot is gone.
        """
        ...

    def hold(self, held: bool) -> None:
        """Have listings wait, where too much is parked, or go on."""
        ...

    def stop(self) -> None:
        """Begin nothing new."""
        ...


class LocalSlot:
    """This process."""

    def __init__(self, workforce: Workforce) -> None:
        self.workforce = workforce
        self.live = workforce.session.live
        self.stats = workforce.session.wire.stats
        self._runs: dict[int, SegmentRun] = {}

    def warm(self) -> None:
        """Nothing to do: this process runs."""

    def ready(self) -> bool:
        """Whether it can take work: always."""
        return True

    def heads(self) -> dict[int, str]:
        """Return the last key listed of every running segment."""
        return {number: run.head for number, run in self._runs.items() if is_listing(run.segment)}

    def starving(self) -> bool:
        """Whether the movers wait for work."""
        return not self.workforce.small.queue and not self.workforce.bulk.queue

    async def run(self, segment: Segment, keys: KeySource | None) -> AsyncIterator[Checkpoint]:
        """Run a leased segment on the movers of this process."""
        run = self._runs[segment.id] = SegmentRun(self.workforce, segment, Control(Bounds(segment.hi)), keys)
        try:
            async for checkpoint in run.reports():
                yield checkpoint
        finally:
            del self._runs[segment.id]

    def running(self, segment: int) -> SegmentRun | None:
        """Return the run of a segment, None when it does not run here."""
        return self._runs.get(segment)

    async def lower(self, segment: int, at: str, commit: Callable[[], None]) -> bool:
        """Take the rest off a running segment."""
        run = self.running(segment)
        if run is None or not run.lower(at):
            return False
        commit()
        return True

    async def revisit(self, entry: Parked, *, resumed: bool) -> Settlement | Later:
        """Bring a parked object on, in this process."""
        session = self.workforce.session
        try:
            return await revisit(session, entry, resumed=resumed)
        finally:
            session.live.under_way.end(entry.key)

    def hold(self, held: bool) -> None:
        """Have listings wait or go on."""
        self.workforce.session.hold_listing = held

    def stop(self) -> None:
        """Begin nothing new."""
        self.workforce.stop()
