"""Queries about the outbox of notifications."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_worker.db.tables import notification, task, task_group


class Due(NamedTuple):
    """One notification that is to be sent now."""

    id: str
    subject: str
    config: Mapping[str, Any]
    variables: Mapping[str, str]
    attempts: int
    due_at: float


_COLUMNS = tuple(notification.c[name] for name in Due._fields)


async def put(
    connection: AsyncConnection, subject: str, config: Mapping[str, Any], variables: Mapping[str, str], now: float
) -> None:
    """Add a notification."""
    row = {"id": str(uuid.uuid4()), "subject": subject, "config": dict(config), "variables": dict(variables)}
    await connection.execute(insert(notification).values({**row, "attempts": 0, "due_at": now}))


async def due(connection: AsyncConnection, now: float, limit: int) -> list[Due]:
    """Return what is due, longest due first."""
    query = select(*_COLUMNS).where(notification.c.due_at <= now).order_by(notification.c.due_at).limit(limit)
    return [Due(*row) for row in await connection.execute(query)]


async def take(connection: AsyncConnection, item: Due, until: float) -> bool:
    """Take one for sending: it is due again at ``until``. False when another node was quicker."""
    taken = await connection.execute(
        update(notification)
        .where(notification.c.id == item.id, notification.c.due_at == item.due_at)
        .values(due_at=until, attempts=item.attempts + 1)
    )
    return taken.rowcount == 1


async def put_off(connection: AsyncConnection, item_id: str, until: float) -> None:
    """Have one tried again at ``until``."""
    await connection.execute(update(notification).where(notification.c.id == item_id).values(due_at=until))


async def conclude(connection: AsyncConnection, item: Due, smn_info: Mapping[str, Any]) -> None:
    """Delete one, and write down what became of it; nothing else of the task or group changes."""
    await connection.execute(delete(notification).where(notification.c.id == item.id))
    kind, _, number = item.subject.partition(":")
    if kind == "task":
        await connection.execute(update(task).where(task.c.id == int(number)).values(smn_info=dict(smn_info)))
    else:
        await connection.execute(update(task_group).where(task_group.c.id == number).values(smn_info=dict(smn_info)))
