"""Writes the ends of tasks down, each in one transaction with whatever else depends on it.

State, figures and lists; the credentials go, and task groups, sync tasks and notifications hear of it.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.task import Result
from oms_worker import scheduler
from oms_worker.db import credentials, kept
from oms_worker.db import tasks as rows
from oms_worker.db.engine import Database
from oms_worker.db.tasks import TaskRow
from oms_worker.errors import sentence_of
from oms_worker.running import EndHook, Run, event_of, failure
from oms_worker.states import TASK, Event, Task, after_event


class Ends:
    """The ends of the tasks of one node."""

    def __init__(self, database: Database, node_id: str, hooks: Sequence[EndHook]) -> None:
        self._database = database
        self._node = node_id
        self._hooks = hooks

    async def conclude(self, run: Run, result: Result, now: float) -> None:
        """Write down how a run has ended; that of a task that is not this node's any more changes nothing.

        Raises:
            RepositoryError: the database does not answer; try again.
        """
        async with self._database.write() as connection:
            row = await rows.get_task(connection, run.row.id)
            if row is None or (row.owner, row.generation) != (self._node, run.row.generation):
                return
            event = event_of(result)
            after = after_event(TASK, Task(row.status), event)
            if after is None:
                return
            values = run.end_values(row, result, Task(int(after)), now)
            await rows.change_task(connection, row, int(after), now, f"{event} on {self._node}", **values)
            if after != Task.WAITING:
                await credentials.wipe(connection, [row.subject])
                await self._tell(connection, row.id, result)
            if after in {Task.FAILED, Task.SUCCEEDED}:
                await kept.shrink(connection, row.id, succeeded=after is Task.SUCCEEDED)

    async def expire(self, connection: AsyncConnection, number: int, now: float) -> None:
        """Fail a task that has waited for too long."""
        row = await rows.get_task(connection, number)
        after = after_event(TASK, Task(row.status), Event.EXPIRED) if row is not None else None
        if row is None or after is None:
            return
        sentence = sentence_of(scheduler.EXPIRED)
        values = {"ended_at": now, "error_code": scheduler.EXPIRED, "error_msg": sentence}
        await rows.change_task(connection, row, int(after), now, "waited for too long", **values)
        await credentials.wipe(connection, [row.subject])
        await self._tell(connection, number, failure(scheduler.EXPIRED, sentence))

    async def _tell(self, connection: AsyncConnection, number: int, result: Result) -> None:
        ended: TaskRow | None = await rows.get_task(connection, number)
        if ended is not None:
            for hook in self._hooks:
                await hook(connection, ended, result)
