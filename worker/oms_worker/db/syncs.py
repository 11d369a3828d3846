"""Queries about sync tasks: their rows, the events that wait, the counters in buckets of five minutes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, delete, false, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.frozen import dataclass
from oms_worker.db import credentials
from oms_worker.db.events import Transition, move_row, record_transitions
from oms_worker.db.tables import NUL, sync_count, sync_event, sync_task, task
from oms_worker.states import GONE, Sync, Task

BUCKET_SECONDS = 300
COUNTED = ("requests", "success", "failure", "skip", "size")


@dataclass(frozen=True, slots=True)
class SyncRow:
    """One row of ``sync_task``."""

    id: str
    project_id: str
    status: str
    request: Mapping[str, Any]
    created_at: float
    last_started_at: float | None = None
    owner: str | None = None
    generation: int = 0

    @property
    def subject(self) -> str:
        """Its name in the journal, and the owner of its credentials."""
        return f"sync:{self.id}"


_COLUMNS = tuple(sync_task.c[item.name] for item in fields(SyncRow))


@dataclass(frozen=True, slots=True)
class SyncFilter:
    """Which sync tasks of a project are asked for."""

    project_id: str
    status: str | None = None
    offset: int = 0
    limit: int = 10


class Counts(NamedTuple):
    """What happened in a time."""

    requests: int = 0
    """Objects that were asked for."""
    success: int = 0
    failure: int = 0
    skip: int = 0
    size: int = 0
    """Bytes that were moved."""


async def insert_sync(connection: AsyncConnection, row: SyncRow, cause: str) -> None:
    """Add a sync task with its journal row."""
    await connection.execute(insert(sync_task).values({item.name: getattr(row, item.name) for item in fields(row)}))
    await record_transitions(connection, [Transition(row.created_at, row.subject, "", row.status, cause)])


async def get_sync(
    connection: AsyncConnection, sync_id: str, project_id: str | None = None, *, hold: bool = False
) -> SyncRow | None:
    """Return a sync task; None when there is none, or when it is another project's.

    With ``hold`` it is neither stopped nor deleted before the transaction ends: no event comes to lie behind either.
    """
    if NUL in sync_id:
        return None
    query = select(*_COLUMNS).where(sync_task.c.id == sync_id)
    if hold:
        query = query.with_for_update(read=True)
    if project_id is not None:
        query = query.where(sync_task.c.project_id == project_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else SyncRow(*row)


def _matching(query: Select[Any], wanted: SyncFilter) -> Select[Any]:
    query = query.where(sync_task.c.project_id == wanted.project_id)
    return query if wanted.status is None else query.where(sync_task.c.status == wanted.status)


async def find_syncs(connection: AsyncConnection, wanted: SyncFilter) -> tuple[list[SyncRow], int]:
    """Return a page of the matching sync tasks, newest first, and how many match in all."""
    counting = _matching(select(func.count()).select_from(sync_task), wanted)
    count: int = (await connection.execute(counting)).scalar_one()
    query = _matching(select(*_COLUMNS), wanted).order_by(sync_task.c.created_at.desc(), sync_task.c.id)
    rows = await connection.execute(query.offset(wanted.offset).limit(wanted.limit))
    return [SyncRow(*row) for row in rows], count


async def synchronizing(connection: AsyncConnection) -> list[SyncRow]:
    """Return the sync tasks of all projects that are started."""
    query = select(*_COLUMNS).where(sync_task.c.status == Sync.SYNCHRONIZING.value)
    return [SyncRow(*row) for row in await connection.execute(query.order_by(sync_task.c.created_at))]


async def change_sync(
    connection: AsyncConnection, before: SyncRow, after: Sync, now: float, cause: str, **values: Any
) -> bool:
    """Set the status of a sync task that still has the one of ``before``; False when somebody was quicker."""
    same = and_(sync_task.c.id == before.id, sync_task.c.status == before.status)
    move = Transition(now, before.subject, before.status, after.value, cause)
    return await move_row(connection, sync_task, same, move, **values)


async def delete_sync(connection: AsyncConnection, row: SyncRow, now: float, cause: str) -> bool:
    """Delete a stopped sync task with its events, counters and credentials; its sub-tasks are swept later."""
    same = and_(sync_task.c.id == row.id, sync_task.c.status == row.status)
    if not await move_row(connection, sync_task, same, Transition(now, row.subject, row.status, GONE, cause)):
        return False
    await connection.execute(delete(sync_event).where(sync_event.c.sync_task_id == row.id))
    await connection.execute(delete(sync_count).where(sync_count.c.sync_task_id == row.id))
    await credentials.wipe(connection, [row.subject])
    return True


# ---- events ---------------------------------------------------------------------------------------------------------

_ACCEPT = text(
    'INSERT INTO sync_event (sync_task_id, "key", at, again) VALUES (:sync_task_id, :key, :at, false)'
    ' ON CONFLICT (sync_task_id, "key") DO UPDATE SET again = (sync_event.task_id IS NOT NULL)'
)


async def accept(connection: AsyncConnection, sync_id: str, keys: Iterable[bytes], now: float) -> None:
    """Queue keys. One that waits already keeps its place; one that is being copied waits anew after that."""
    # sorted, so that two requests with the same keys lock them in the same order
    rows = [{"sync_task_id": sync_id, "key": key, "at": now} for key in sorted(set(keys))]
    await connection.execute(_ACCEPT, rows)


def _waiting(sync_id: str) -> Any:
    return and_(sync_event.c.sync_task_id == sync_id, sync_event.c.task_id.is_(None))


async def count_waiting(connection: AsyncConnection, sync_id: str) -> int:
    """Return how many keys wait."""
    number: int = (await connection.execute(select(func.count()).where(_waiting(sync_id)))).scalar_one()
    return number


async def oldest_waiting(connection: AsyncConnection, sync_id: str) -> float | None:
    """Return since when the first key waits, None when none does."""
    found: float | None = (
        await connection.execute(select(func.min(sync_event.c.at)).where(_waiting(sync_id)))
    ).scalar()
    return found


async def take(connection: AsyncConnection, sync_id: str, task_id: int, limit: int) -> list[bytes]:
    """Give a sub-task the keys that have waited longest; return them, ascending."""
    first = select(sync_event.c["key"]).where(_waiting(sync_id)).order_by(sync_event.c.at).limit(limit)
    taken = await connection.execute(
        update(sync_event)
        .where(_waiting(sync_id), sync_event.c["key"].in_(first))
        .values(task_id=task_id, again=False)
        .returning(sync_event.c["key"])
    )
    return sorted(bytes(key) for key in taken.scalars())


async def hand_over(connection: AsyncConnection, sync_id: str, before: int, task_id: int) -> None:
    """Give the keys that were taken under one number to another."""
    await connection.execute(update(sync_event).where(_taken(sync_id, before)).values(task_id=task_id))


def _taken(sync_id: str, task_id: int) -> Any:
    return and_(sync_event.c.sync_task_id == sync_id, sync_event.c.task_id == task_id)


async def settle(connection: AsyncConnection, sync_id: str, task_id: int, now: float) -> None:
    """Forget the keys of a sub-task that has dealt with them; those sent again meanwhile wait anew."""
    taken = _taken(sync_id, task_id)
    await connection.execute(delete(sync_event).where(taken, sync_event.c.again == false()))
    await connection.execute(update(sync_event).where(taken).values(task_id=None, again=False, at=now))


async def requeue_orphans(connection: AsyncConnection, sync_id: str, now: float) -> int:
    """Let keys wait anew whose sub-task was deleted; return how many."""
    orphaned = and_(
        sync_event.c.sync_task_id == sync_id,
        sync_event.c.task_id.is_not(None),
        sync_event.c.task_id.not_in(select(task.c.id).where(task.c.sync_task_id == sync_id)),
    )
    done = await connection.execute(update(sync_event).where(orphaned).values(task_id=None, again=False, at=now))
    return done.rowcount


async def open_subtasks(connection: AsyncConnection, sync_id: str) -> int:
    """Return how many sub-tasks still have keys to deal with, failed ones that will be tried again included."""
    query = select(func.count(sync_event.c.task_id.distinct())).where(
        sync_event.c.sync_task_id == sync_id, sync_event.c.task_id.is_not(None)
    )
    number: int = (await connection.execute(query)).scalar_one()
    return number


async def broken_subtasks(connection: AsyncConnection, sync_id: str, before: float) -> list[int]:
    """Return sub-tasks that failed before then without having dealt with their keys."""
    mine = and_(sync_event.c.sync_task_id == sync_id, sync_event.c.task_id == task.c.id)
    query = select(task.c.id).where(
        task.c.sync_task_id == sync_id,
        task.c.status == int(Task.FAILED),
        task.c.ended_at < before,
        select(sync_event.c.at).where(mine).limit(1).exists(),
    )
    return list((await connection.execute(query)).scalars())


# ---- counters -------------------------------------------------------------------------------------------------------

_COUNT = text(
    "INSERT INTO sync_count (sync_task_id, bucket, requests, success, failure, skip, size)"
    " VALUES (:sync_task_id, :bucket, :requests, :success, :failure, :skip, :size)"
    " ON CONFLICT (sync_task_id, bucket) DO UPDATE SET"
    " requests = sync_count.requests + excluded.requests, success = sync_count.success + excluded.success,"
    " failure = sync_count.failure + excluded.failure, skip = sync_count.skip + excluded.skip,"
    " size = sync_count.size + excluded.size"
)


async def count(connection: AsyncConnection, sync_id: str, counts: Counts, now: float) -> None:
    """Add to the bucket of now."""
    bucket = int(now) // BUCKET_SECONDS * BUCKET_SECONDS
    await connection.execute(_COUNT, {"sync_task_id": sync_id, "bucket": bucket, **counts._asdict()})


async def buckets(connection: AsyncConnection, sync_id: str, begin: float, end: float) -> Sequence[tuple[int, Counts]]:
    """Return the buckets that begin in ``[begin, end)``, in order."""
    columns = (sync_count.c.bucket, *(sync_count.c[name] for name in COUNTED))
    query = select(*columns).where(
        sync_count.c.sync_task_id == sync_id, sync_count.c.bucket >= begin, sync_count.c.bucket < end
    )
    return [(row[0], Counts(*row[1:])) for row in await connection.execute(query.order_by(sync_count.c.bucket))]


async def sums(connection: AsyncConnection, sync_id: str, begin: float, end: float) -> Counts:
    """Return the sums over the buckets that begin in ``[begin, end)``."""
    columns = (func.coalesce(func.sum(sync_count.c[name]), 0) for name in COUNTED)
    query = select(*columns).where(
        sync_count.c.sync_task_id == sync_id, sync_count.c.bucket >= begin, sync_count.c.bucket < end
    )
    return Counts(*map(int, (await connection.execute(query)).one()))
