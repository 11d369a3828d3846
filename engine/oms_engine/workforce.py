"""The movers of one process: an object that is handed over leaves with its end, or because the run stops."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import NamedTuple, Protocol

from oms_engine.batch import Batch, End
from oms_engine.ends import ObjectJob, failed, refused
from oms_engine.errors import ObjectError, Stopped, TaskError
from oms_engine.gates import Movers
from oms_engine.model import Outcome
from oms_engine.outages import scouting
from oms_engine.persist import Unanswered, persist
from oms_engine.session import Session
from oms_engine.transfer import transfer

FEW_LEFT = 100
"""With fewer objects in line than these, that all of some failed says nothing of the store."""


class Run(Protocol):
    """What handed an object over, and hears when it leaves."""

    pending: int
    """Objects handed over that have not left yet."""

    def batch_ended(self, batch: Batch) -> None:
        """Note that all objects of a batch have their end."""
        ...

    def dropped(self) -> None:
        """Note that an object leaves without an end, because the run stops."""
        ...


class Item(NamedTuple):
    """An object under way, and whose it is."""

    job: ObjectJob
    batch: Batch
    run: Run


class Workforce:
    """Many movers for small objects on the event loop, few that stream through threads."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.failure: TaskError | None = None
        """What ends the task."""
        self.small: Movers[Item] = Movers(self._carry, session.small_limit)
        self.bulk: Movers[Item] = Movers(self._carry, session.bulk_limit)
        session.scout = self.scout

    def submit(self, item: Item) -> None:
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

    async def _carry(self, item: Item) -> None:
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

    def _ended(self, item: Item, end: End) -> None:
        job, batch, run = item
        live = self.session.live
        live.count(end)
        if job.listed is None:  # a named key: only now its size is known
            live.listed_bytes += max(0, end.size)
        if live.under_way.objects:
            live.under_way.end(job.key)
        batch.add(end)
        batch.pending -= 1
        run.pending -= 1
        if not batch.pending:
            run.batch_ended(batch)

    def _fault(self, job: ObjectJob, error: Exception) -> End:
        return failed(self.session, job, ObjectError(f"{type(error).__name__}: {error}", code="INTERNAL_FAILURE"))

    async def _guarded(self, item: Item, work: Callable[[], Awaitable[End]]) -> End | None:
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

    async def _scout(self, movers: Movers[Item], item: Item) -> bool:
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
