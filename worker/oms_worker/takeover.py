"""Gives tasks of dead nodes back to the queue: they are claimed again and go on from their ledgers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_worker.db import credentials, nodes
from oms_worker.db import tasks as rows
from oms_worker.db.tasks import TaskRow
from oms_worker.states import TASK, Event, Task, after_event


async def release_all(connection: AsyncConnection, owners: Sequence[str], now: float, cause: str) -> int:
    """Release everything that these nodes own and return how many tasks that were."""
    if not owners:
        return 0
    beats = await nodes.last_beats(connection, owners)
    owned = await rows.tasks_of_owners(connection, owners)
    for row in owned:
        await release(connection, row, now, cause, ran_until=min(now, beats.get(row.owner or "", now)))
    return len(owned)


async def release(
    connection: AsyncConnection, row: TaskRow, now: float, cause: str, *, ran_until: float | None = None
) -> None:
    """Put a running task back into the queue; one that was pausing has paused, and loses its credentials."""
    after = after_event(TASK, Task(row.status), Event.RELEASED)
    if after is None:
        return
    spent = row.total_time_ms(now if ran_until is None else ran_until)
    values: dict[str, Any] = {"owner": None, "spent_ms": spent, "claimed_at": None}
    await rows.change_task(connection, row, int(after), now, cause, **values)
    if after == Task.PAUSED:
        await credentials.wipe(connection, [row.subject])
