"""Queries about nodes: the serve processes that run tasks, and whether they live."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_worker.db.tables import node, task
from oms_worker.scheduler import Room
from oms_worker.states import Task

DEAD_SECONDS = 30.0
"""A node that has not said for this long that it lives is dead, unless the settings say otherwise."""


async def clock(connection: AsyncConnection) -> float:
    """Return the database's own time: nodes on several machines need not agree on theirs."""
    if connection.dialect.name != "postgresql":
        return time.time()
    now = await connection.execute(text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)"))
    return float(now.scalar_one())


async def beat(connection: AsyncConnection, node_id: str, now: float, *, capacity: int = 0) -> None:
    """Say that a node lives and how many tasks it may run at once; it is made known at the first time."""
    values = {"heartbeat_at": now, "capacity": capacity}
    done = await connection.execute(update(node).where(node.c.id == node_id).values(values))
    if not done.rowcount:
        await connection.execute(insert(node).values(id=node_id, started_at=now, **values))


async def rooms(connection: AsyncConnection, silent_since: float) -> dict[str, Room]:
    """Return what nodes have room for that take tasks and have said since then that they live."""
    running = (int(Task.MIGRATING), int(Task.PAUSING))
    counts = select(task.c.owner, func.count()).where(task.c.status.in_(running)).group_by(task.c.owner)
    owned = {row[0]: row[1] for row in await connection.execute(counts)}
    living = select(node.c.id, node.c.capacity).where(node.c.heartbeat_at > silent_since, node.c.capacity > 0)
    return {name: Room(capacity, owned.get(name, 0)) for name, capacity in await connection.execute(living)}


async def dead_owners(connection: AsyncConnection, silent_since: float, *, besides: str) -> list[str]:
    """Return owners of tasks that are dead: they have not said since then that they live, or are unknown."""
    living = select(node.c.id).where(node.c.heartbeat_at > silent_since)
    query = select(task.c.owner).where(task.c.owner.is_not(None), task.c.owner != besides, task.c.owner.not_in(living))
    return [owner for owner in (await connection.execute(query.distinct())).scalars() if owner is not None]


async def other_owners(connection: AsyncConnection, *, besides: str) -> list[str]:
    """Return all owners of tasks but one."""
    query = select(task.c.owner).where(task.c.owner.is_not(None), task.c.owner != besides).distinct()
    return [owner for owner in (await connection.execute(query)).scalars() if owner is not None]


async def last_beats(connection: AsyncConnection, node_ids: Sequence[str]) -> dict[str, float]:
    """Return when these nodes last said that they live."""
    found = await connection.execute(select(node.c.id, node.c.heartbeat_at).where(node.c.id.in_(node_ids)))
    return {row[0]: row[1] for row in found}


async def forget(connection: AsyncConnection, node_id: str) -> None:
    """Delete a node that has ended well."""
    await connection.execute(delete(node).where(node.c.id == node_id))


async def forget_dead(connection: AsyncConnection, before: float) -> None:
    """Delete nodes that have been silent since ``before``."""
    await connection.execute(delete(node).where(node.c.heartbeat_at < before))
