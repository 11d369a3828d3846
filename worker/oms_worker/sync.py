"""Batches the events of sync tasks into sub-tasks, and gives events their end.

A batch is due when enough keys wait, or when one has waited for long enough. Taking the keys and making the sub-task is
one transaction; so is the sub-task's end, its counters, and the end of its keys. A key that is being copied waits for
that before it is copied again, so of one key no two copies ever run at once and the last event wins. A sub-task that
failed before it had dealt with its keys is started again after a while, for as long as its sync task is started.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.records import encode_key
from oms_engine.task import Result
from oms_worker.db import subtasks
from oms_worker.db import syncs as rows
from oms_worker.db import tasks as task_rows
from oms_worker.db.engine import Database
from oms_worker.db.subtasks import Change, Note, nothing_to_note
from oms_worker.db.syncs import Counts, SyncRow
from oms_worker.db.tables import sync_task, task
from oms_worker.db.tasks import TaskRow
from oms_worker.secrets import KeyRing
from oms_worker.services.tasks import NewTask, StartTask, add_task, start_task
from oms_worker.settings import Syncs
from oms_worker.states import Sync, Task
from oms_worker.turns import Turns

log = logging.getLogger(__name__)

TIDY_SECONDS = 15.0
MOST_OPEN = 4
"""Sub-tasks of one sync task that have keys at a time; more would only divide the same connections."""
LARGEST = 10
"""When many keys wait, a batch takes up to this many times ``batch_keys``."""
RETRY_SECONDS = 60.0
"""After this a sub-task that failed as a whole is started again."""
KEPT_DAYS = 30.0
"""Sub-tasks that have ended are kept for this long: a busy sync task makes thousands."""
SYNC_LOCK = 0x6F6D73_03
"""Advisory lock of PostgreSQL: one node at a time batches."""

_NOT_STATED = {"smn_config", "description"}


class SyncWorker:
    """The batching of this node."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        limits: Syncs,
        *,
        note: Note = nothing_to_note,
        wake_runner: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._keys = keys
        self._limits = limits
        self._note = note
        self._wake_runner = wake_runner
        self._clock = clock
        self._tidied = 0.0
        self._turns = Turns("sync tasks", self.turn)

    def start(self) -> None:
        """Begin."""
        self._turns.start()

    def wake(self) -> None:
        """Look at the database now; from the event loop."""
        self._turns.wake()

    async def stop(self) -> None:
        """End at once."""
        await self._turns.stop()

    async def turn(self) -> None:
        """Make what batches are due, and now and then tidy up."""
        now = self._clock()
        async with self._database.read() as connection:
            started = await rows.synchronizing(connection)
        for sync in started:
            while await self._batch(sync, now):
                self._wake_runner()
        if now - self._tidied >= TIDY_SECONDS:
            self._tidied = now
            await self._tidy(started, now)

    # ---- batches ----------------------------------------------------------------------------------------------------

    async def _batch(self, sync: SyncRow, now: float) -> bool:
        """Make a sub-task when a batch is due; return whether one was made."""
        async with self._database.read() as connection:
            if not await self._due(connection, sync, now):
                return False
        async with self._database.lock(SYNC_LOCK) as connection:
            current = await rows.get_sync(connection, sync.id)
            if current is None or current.status != Sync.SYNCHRONIZING or not await self._due(connection, sync, now):
                return False
            waiting = await rows.count_waiting(connection, sync.id)
            size = max(self._limits.batch_keys, min(waiting, LARGEST * self._limits.batch_keys))
            await self._make(connection, current, size, now)
        return True

    async def _due(self, connection: AsyncConnection, sync: SyncRow, now: float) -> bool:
        oldest = await rows.oldest_waiting(connection, sync.id)
        if oldest is None or await rows.open_subtasks(connection, sync.id) >= MOST_OPEN:
            return False
        # a clock that was set back must not make events wait for it
        if not 0 <= now - oldest < self._limits.batch_seconds:
            return True
        return await rows.count_waiting(connection, sync.id) >= self._limits.batch_keys

    async def _make(self, connection: AsyncConnection, sync: SyncRow, size: int, now: float) -> None:
        placeholder = -time.monotonic_ns()  # the sub-task's number is not known before its keys are
        keys = await rows.take(connection, sync.id, placeholder, size)
        names = [encode_key(key.decode("utf-8", "surrogateescape")) for key in keys]
        request: Mapping[str, Any] = {name: sync.request[name] for name in sync.request if name not in _NOT_STATED}
        new = NewTask(
            request=request,
            source_bucket=request["src_node"].get("bucket", ""),
            destination_bucket=request["dst_node"].get("bucket", ""),
            group_type="SYNC_TASK",
            sync_task_id=sync.id,
            range={"keys": len(names)},
            keys=names,
        )
        made = await add_task(connection, self._keys, sync.project_id, new, now, f"batched from sync task {sync.id}")
        await rows.hand_over(connection, sync.id, placeholder, made.id)
        await task_rows.set_task(connection, made.id, total_num=len(names))

    # ---- ends -------------------------------------------------------------------------------------------------------

    async def on_task_end(self, connection: AsyncConnection, task: TaskRow, result: Result) -> None:
        """Count what a sub-task has done and give its keys their end; see ``running.EndHook``."""
        if not task.sync_task_id or task.status not in {Task.FAILED, Task.SUCCEEDED} or not result.complete:
            return
        if await rows.get_sync(connection, task.sync_task_id) is None:
            return
        now, counters = self._clock(), result.counters
        counts = Counts(
            success=counters.migrated, failure=counters.failed, skip=counters.skipped, size=counters.migrated_bytes
        )
        await rows.count(connection, task.sync_task_id, counts, now)
        await rows.settle(connection, task.sync_task_id, task.id, now)
        asyncio.get_running_loop().call_soon(self.wake)

    # ---- tidying ----------------------------------------------------------------------------------------------------

    async def _tidy(self, started: list[SyncRow], now: float) -> None:
        """Start broken sub-tasks again, free the keys of deleted ones, delete what is left of deleted sync tasks."""
        async with self._database.lock(SYNC_LOCK) as connection:
            for sync in started:
                for number in await rows.broken_subtasks(connection, sync.id, now - RETRY_SECONDS):
                    await self._again(connection, number, now)
                await rows.requeue_orphans(connection, sync.id, now)
            change = Change(now, "its sync task is deleted")
            mine = task.c.sync_task_id > ""  # an index leads there: most tasks are of no sync task
            living = sync_task.select().with_only_columns(sync_task.c.id)
            lost = mine & task.c.sync_task_id.not_in(living)
            await subtasks.stop_running(connection, lost, change)
            await subtasks.remove(connection, lost, change, self._note)
            late = task.c.ended_at < now - KEPT_DAYS * 86_400
            old = late & mine & (task.c.status + 0 == int(Task.SUCCEEDED))  # by the index of ``ended_at``
            await subtasks.remove(connection, old, Change(now, "it has ended long ago"), self._note)

    async def _again(self, connection: AsyncConnection, number: int, now: float) -> None:
        row = await task_rows.get_task(connection, number)
        if row is not None and row.status == Task.FAILED:
            await start_task(connection, self._keys, row, StartTask({}), now, "tried again: its keys have no end yet")
