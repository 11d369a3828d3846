"""Gives tasks of dead nodes and hosts back to the queue: they are claimed again and go on from their ledgers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_worker.db import credentials, nodes, queue
from oms_worker.db.queue import Release
from oms_worker.db.tasks import TaskRow
from oms_worker.states import TASK, Event, Task, after_event


async def release_all(connection: AsyncConnection, owners: Sequence[str], now: float, cause: str) -> int:
    """Release everything that these nodes own and return how many tasks that were."""
    if not owners:
        return 0
    beats = await nodes.last_beats(connection, owners)
    owned = await queue.tasks_of_owners(connection, owners)
    await _release(connection, owned, now, cause, beats)
    return len(owned)


async def release_some(connection: AsyncConnection, owner: str, ids: Iterable[int], now: float, cause: str) -> None:
    """Release those of some tasks that a node owns."""
    await _release(connection, await queue.owned_among(connection, owner, ids), now, cause, {})


async def _release(
    connection: AsyncConnection, owned: Sequence[TaskRow], now: float, cause: str, beats: Mapping[str, float]
) -> None:
    """Put running tasks back into the queue; those that were pausing have paused, and lose their credentials.

    A node that died ran them until its last beat at least; what it did after that is not counted as running time.
    """
    releases: list[Release] = []
    for row in owned:
        after = after_event(TASK, Task(row.status), Event.RELEASED)
        if after is not None:
            ran_until = min(now, beats.get(row.owner or "", now))
            releases.append(Release(row, int(after), row.total_time_ms(ran_until)))
    await queue.release_tasks(connection, releases, now, cause)
    await credentials.wipe(connection, [item.row.subject for item in releases if item.after == Task.PAUSED])
