"""Queries about nodes: the serve processes that run tasks, and whether they live."""

from __future__ import annotations

import time
from collections.abc import Sequence

from sqlalchemy import delete, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_worker.db.tables import node, task

DEAD_SECONDS = 30.0
"""A node that has not said for this long that it lives is dead, unless the settings say otherwise."""


async def clock(connection: AsyncConnection) -> float:
    """Return the database's own time: nodes on several machines need not agree on theirs."""
    if connection.dialect.name != "postgresql":
        return time.time()
    now = await connection.execute(text("SELECT CAST(extract(epoch FROM clock_timestamp()) AS double precision)"))
    return float(now.scalar_one())


async def beat(connection: AsyncConnection, node_id: str, now: float, note: str = "") -> None:
    """Say that a node lives; it is made known at the first time."""
    done = await connection.execute(update(node).where(node.c.id == node_id).values(heartbeat_at=now))
    if not done.rowcount:
        row = {"id": node_id, "started_at": now, "heartbeat_at": now, "note": note}
        await connection.execute(insert(node).values(row))


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
