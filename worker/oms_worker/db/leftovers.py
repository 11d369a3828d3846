"""Queries about multipart uploads that deleted tasks have left, and about whose credentials may abort them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Column, ColumnElement, String, and_, cast, delete, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_worker.db.tables import credential, leftover_upload, metadata, sync_task, task, task_group
from oms_worker.states import Task


class Place(NamedTuple):
    """Where uploads were left, and by whom."""

    task_id: int
    project_id: str
    destination: Mapping[str, Any]
    """``dst_node`` of the request."""


class Left(NamedTuple):
    """An upload in flight, or an orphan: see ``oms_engine.ledger.Orphan``."""

    task_id: int
    key: bytes
    upload_id: str
    since: float = 0.0
    known: str = ""


class Owner(NamedTuple):
    """Somebody whose credentials are kept: a task, a group, a sync task."""

    subject: str
    project_id: str
    request: Mapping[str, Any]


async def places_of(connection: AsyncConnection, task_ids: Iterable[int]) -> list[Place]:
    """Return where those of these tasks wrote that may have uploads in flight: begun, and not succeeded."""
    begun = task.c.started_at.is_not(None) & (task.c.status != int(Task.SUCCEEDED))
    columns = (task.c.id, task.c.project_id, task.c.request)
    found = await connection.execute(select(*columns).where(task.c.id.in_(list(task_ids)), begun))
    return [Place(number, project, request["dst_node"]) for number, project, request in found]


async def uploads_in_ledgers(connection: AsyncConnection, task_ids: Iterable[int]) -> list[Left]:
    """Return the uploads that ledgers in the service's database remember of these tasks."""
    found: list[Left] = []
    numbers = list(task_ids)
    for name in ("ledger_upload", "ledger_orphan"):
        table = metadata.tables[name].c
        columns = [table.task_id, table["key"], table.upload_id]
        columns += [table.since, table.known] if "since" in table else []
        query = select(*columns).where(table.task_id.in_(numbers))
        found += [Left(number, bytes(key), *rest) for number, key, *rest in await connection.execute(query)]
    return found


async def keep(connection: AsyncConnection, places: Sequence[Place], left: Sequence[Left], now: float) -> None:
    """Write down what was left, to be aborted from now on."""
    where = {place.task_id: place for place in places}
    rows = [
        {
            **item._asdict(),
            "project_id": where[item.task_id].project_id,
            "destination": dict(where[item.task_id].destination),
            "at": now,
            "due_at": now,
        }
        for item in left
    ]
    if rows:
        await connection.execute(insert(leftover_upload), rows)


async def due(connection: AsyncConnection, now: float, limit: int) -> list[tuple[Place, Left]]:
    """Return what is to be tried now."""
    table = leftover_upload.c
    of_upload = (table["key"], table.upload_id, table.since, table.known)
    columns = (table.task_id, table.project_id, table.destination, *of_upload)
    query = select(*columns).where(table.due_at <= now).order_by(table.due_at, table.task_id).limit(limit)
    return [
        (Place(number, project, destination), Left(number, bytes(key), *rest))
        for number, project, destination, key, *rest in await connection.execute(query)
    ]


def _is(item: Left) -> ColumnElement[bool]:
    row = leftover_upload.c
    upload = and_(row.upload_id == item.upload_id, row.since == item.since)
    return and_(row.task_id == item.task_id, row["key"] == item.key, upload)


async def forget(connection: AsyncConnection, items: Iterable[Left]) -> None:
    """Delete what is gone at the destination."""
    for item in items:
        await connection.execute(delete(leftover_upload).where(_is(item)))


async def put_off(connection: AsyncConnection, items: Iterable[Left], until: float) -> None:
    """Have these tried again at ``until``."""
    for item in items:
        await connection.execute(update(leftover_upload).where(_is(item)).values(due_at=until))


async def give_up(connection: AsyncConnection, before: float) -> int:
    """Delete what was left before then; return how many."""
    return (await connection.execute(delete(leftover_upload).where(leftover_upload.c.at < before))).rowcount


async def owners_in(connection: AsyncConnection, projects: Iterable[str]) -> list[Owner]:
    """Return whose credentials are kept in these projects."""
    found: list[Owner] = []
    kinds: tuple[tuple[str, Any, Column[Any]], ...] = (
        ("task:", task, task.c.id),
        ("group:", task_group, task_group.c.id),
        ("sync:", sync_task, sync_task.c.id),
    )
    for word, table, number in kinds:
        query = select(credential.c.owner, table.c.project_id, table.c.request)
        query = query.join(credential, credential.c.owner == literal(word) + cast(number, String))
        rows = await connection.execute(query.where(table.c.project_id.in_(list(projects))))
        found += [Owner(*row) for row in rows]
    return found
