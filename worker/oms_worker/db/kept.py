"""Ledgers of tasks that have ended: what a retry may need of them, and no more."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import ColumnElement, delete, exists, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_worker.db.tables import kept_ledger, metadata, task
from oms_worker.states import Task

ENDED = (int(Task.FAILED), int(Task.SUCCEEDED))
_OUTSTANDING = ("ledger_upload", "ledger_orphan", "ledger_doubt", "ledger_record_file")


async def shrink(connection: AsyncConnection, task_id: int, *, succeeded: bool) -> None:
    """Take away what nobody needs of the ledger of a task that ends in this transaction.

    After a success nothing is needed, unless uploads, damaged copies or lists are left. After a failure the failed
    objects are, and how far the run came: of ranges that are done one stands for all, where the run is closed.
    """
    if succeeded:
        await connection.execute(delete(kept_ledger).where(kept_ledger.c.task_id == task_id))
    if connection.dialect.name == "sqlite":  # the ledger itself is a file
        return
    ledger, segment, run = (metadata.tables[f"ledger_{name}"] for name in ("task", "segment", "run"))
    if succeeded:
        left: list[ColumnElement[bool]] = [
            ~exists().where(metadata.tables[name].c.task_id == task_id) for name in _OUTSTANDING
        ]
        await connection.execute(delete(ledger).where(ledger.c.task_id == task_id, *left))
        return
    done = (segment.c.task_id == task_id) & (segment.c.state == "done")
    first = select(func.min(segment.c.id)).where(done).scalar_subquery()
    closed = exists().where(run.c.task_id == task_id, run.c.finished)
    await connection.execute(delete(segment).where(done, segment.c.id > first, closed))


async def ended_among(connection: AsyncConnection, ids: Collection[int]) -> dict[int, int]:
    """Return the states of those of some tasks that have ended."""
    query = select(task.c.id, task.c.status).where(task.c.id.in_(list(ids)), task.c.status.in_(ENDED))
    return {row[0]: row[1] for row in await connection.execute(query)}


async def keep(connection: AsyncConnection, task_id: int, content: bytes) -> bool:
    """Keep the ledger of a task in place of the last one; False when the task is gone, or does not stand still."""
    failed = select(task.c.id).where(task.c.id == task_id, task.c.status == int(Task.FAILED)).with_for_update()
    if (await connection.execute(failed)).first() is None:
        return False
    await connection.execute(delete(kept_ledger).where(kept_ledger.c.task_id == task_id))
    await connection.execute(insert(kept_ledger).values(task_id=task_id, content=content))
    return True


async def kept(connection: AsyncConnection, ids: Collection[int]) -> dict[int, bytes]:
    """Return the kept ledgers of tasks."""
    query = select(kept_ledger.c.task_id, kept_ledger.c.content).where(kept_ledger.c.task_id.in_(list(ids)))
    return {row[0]: bytes(row[1]) for row in await connection.execute(query)}
