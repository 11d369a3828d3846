"""Queries about what waits and runs, in all projects: the scheduler's, and those that give tasks back to the queue."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from sqlalchemy import bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_worker.db.events import Transition, record_transitions
from oms_worker.db.tables import task
from oms_worker.db.tasks import TASK_COLUMNS, TaskRow
from oms_worker.states import Task

_RUNNING = (int(Task.MIGRATING), int(Task.PAUSING))


class Waiting(NamedTuple):
    """What the scheduler knows of a waiting task."""

    id: int
    project_id: str
    priority: str
    group_type: str
    queued_at: float
    group_id: str = ""


class Crowd(NamedTuple):
    """How many tasks of a project wait, and how many run, on any node."""

    waiting: int = 0
    running: int = 0


class Release(NamedTuple):
    """A running task that goes back to the queue, or has paused."""

    row: TaskRow
    after: int
    spent_ms: int


async def crowds(connection: AsyncConnection) -> dict[str, Crowd]:
    """Return how many tasks wait and run, per project."""
    query = (
        select(task.c.project_id, task.c.status, func.count())
        .where(task.c.status.in_((int(Task.WAITING), *_RUNNING)))
        .group_by(task.c.project_id, task.c.status)
    )
    found: dict[str, Crowd] = {}
    for project_id, status, number in await connection.execute(query):
        crowd = found.get(project_id, Crowd())
        more = Crowd(number, 0) if status == Task.WAITING else Crowd(0, number)
        found[project_id] = Crowd(crowd.waiting + more.waiting, crowd.running + more.running)
    return found


async def waiting_tasks(connection: AsyncConnection, projects: Collection[str]) -> list[Waiting]:
    """Return what waits in these projects."""
    columns = (task.c[name] for name in Waiting._fields)
    waiting = task.c.status == int(Task.WAITING)
    query = select(*columns).where(waiting, task.c.project_id.in_(list(projects)))
    return [Waiting(*row) for row in await connection.execute(query)]


async def running_in_groups(connection: AsyncConnection) -> dict[str, int]:
    """Return how many sub-tasks of each task group run now, on any node."""
    query = select(task.c.group_id, func.count()).where(task.c.status.in_(_RUNNING), task.c.group_id != "")
    return {row[0]: row[1] for row in await connection.execute(query.group_by(task.c.group_id))}


async def tasks_of_owners(connection: AsyncConnection, owners: Iterable[str]) -> list[TaskRow]:
    """Return everything that these nodes own, and keep others from changing it until the transaction ends."""
    query = select(*TASK_COLUMNS).where(task.c.owner.in_(list(owners))).with_for_update()
    return [TaskRow(*row) for row in await connection.execute(query)]


async def owned_among(connection: AsyncConnection, owner: str, ids: Iterable[int]) -> list[TaskRow]:
    """Return those of some tasks that a node owns, kept from others as by :func:`tasks_of_owners`."""
    query = select(*TASK_COLUMNS).where(task.c.owner == owner, task.c.id.in_(list(ids))).with_for_update()
    return [TaskRow(*row) for row in await connection.execute(query)]


async def release_tasks(connection: AsyncConnection, releases: Sequence[Release], now: float, cause: str) -> None:
    """Take tasks from their owners, in two statements for all. Their rows were read with the functions above."""
    if not releases:
        return
    statement = (
        update(task)
        .where(task.c.id == bindparam("this_id"))
        .values(status=bindparam("after"), spent_ms=bindparam("spent"), owner=None, claimed_at=None)
    )
    values = [{"this_id": item.row.id, "after": item.after, "spent": item.spent_ms} for item in releases]
    await connection.execute(statement, values)
    moves = [Transition(now, item.row.subject, item.row.status, item.after, cause) for item in releases]
    await record_transitions(connection, moves)
