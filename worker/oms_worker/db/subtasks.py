"""Queries over all sub-tasks of a task group or a sync task at once: a group may have thousands.

Every change is one UPDATE that names the state it leads out of, so a sub-task that a runner has just claimed or ended
stays as it is, and one journal row per task that did change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import ColumnElement, delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_worker.db import credentials
from oms_worker.db.events import Transition, record_transitions
from oms_worker.db.tables import task, task_keys
from oms_worker.db.tasks import FRESH, RESTARTED, RETRIED
from oms_worker.states import Task

RUNNING = (int(Task.MIGRATING), int(Task.PAUSING))
AT_ONCE = 500
"""Rows that one statement names."""
ENDED = (int(Task.FAILED), int(Task.SUCCEEDED))


class Parent(NamedTuple):
    """Whose sub-tasks: of a task group or of a sync task."""

    group_id: str = ""
    sync_task_id: str = ""

    @property
    def mine(self) -> ColumnElement[bool]:
        """What is true of its sub-tasks."""
        if self.group_id:
            return task.c.group_id == self.group_id
        return task.c.sync_task_id == self.sync_task_id


class Change(NamedTuple):
    """When, and who or what did it."""

    now: float
    cause: str


async def _move(
    connection: AsyncConnection,
    where: ColumnElement[bool],
    path: tuple[Task, Task],
    change: Change,
    values: Mapping[str, Any],
) -> list[int]:
    before, after = path
    moved = await connection.execute(
        update(task).where(where, task.c.status == int(before)).values(status=int(after), **values).returning(task.c.id)
    )
    ids = list(moved.scalars())
    now, cause = change
    await record_transitions(connection, [Transition(now, f"task:{i}", int(before), int(after), cause) for i in ids])
    return ids


async def hold(connection: AsyncConnection, parent: Parent, change: Change) -> None:
    """Pause all: what waits stands still at once, what runs begins to pause.

    Credentials that sub-tasks were given of their own go as they come to stand still.
    """
    held = await _move(connection, parent.mine, (Task.WAITING, Task.PAUSED), change, {})
    for start in range(0, len(held), AT_ONCE):
        await credentials.wipe(connection, [f"task:{number}" for number in held[start : start + AT_ONCE]])
    await _move(connection, parent.mine, (Task.MIGRATING, Task.PAUSING), change, {})


async def stop_running(connection: AsyncConnection, where: ColumnElement[bool], change: Change) -> None:
    """Begin to pause what runs."""
    await _move(connection, where, (Task.MIGRATING, Task.PAUSING), change, {})


async def let_go_on(connection: AsyncConnection, parent: Parent, change: Change) -> int:
    """Queue what is paused, to go on where it was; return how many."""
    values = {"queued_at": change.now, "owner": None}
    return len(await _move(connection, parent.mine, (Task.PAUSED, Task.WAITING), change, values))


async def begin_anew(
    connection: AsyncConnection, parent: Parent, change: Change, *, only_failed_objects: bool = False
) -> int:
    """Queue what has failed; return how many.

    With ``only_failed_objects`` those that know which objects failed go through these alone. The others, and without it
    all, go through their whole scope again.
    """
    anew = {"queued_at": change.now, "owner": None, "run": task.c.run + 1}
    count = 0
    if only_failed_objects:
        some = parent.mine & (task.c.failed_num > 0)
        values = {**RETRIED, **anew, "migrate_failed_object": True}
        count = len(await _move(connection, some, (Task.FAILED, Task.WAITING), change, values))
    values = {**RESTARTED, **anew, "migrate_failed_object": False}
    return count + len(await _move(connection, parent.mine, (Task.FAILED, Task.WAITING), change, values))


async def repeat_empty(connection: AsyncConnection, parent: Parent, change: Change) -> int:
    """Queue what has succeeded without meeting an object; return how many."""
    values = {**FRESH, "queued_at": change.now, "owner": None, "run": task.c.run + 1, "migrate_failed_object": False}
    empty = parent.mine & (task.c.successful_num + task.c.skipped_num == 0)
    return len(await _move(connection, empty, (Task.SUCCEEDED, Task.WAITING), change, values))


async def set_bandwidth(connection: AsyncConnection, parent: Parent, policy: Sequence[Mapping[str, Any]]) -> None:
    """Give all that have not succeeded these windows."""
    where = parent.mine & (task.c.status != int(Task.SUCCEEDED))
    await connection.execute(update(task).where(where).values(bandwidth_policy=list(policy)))


async def statuses(connection: AsyncConnection, parent: Parent) -> dict[int, int]:
    """Return how many sub-tasks are in which state."""
    query = select(task.c.status, func.count()).where(parent.mine).group_by(task.c.status)
    return {row[0]: row[1] for row in await connection.execute(query)}


class Note(Protocol):
    """Who must know of tasks in the transaction that is about to delete them."""

    async def __call__(self, connection: AsyncConnection, task_ids: Sequence[int]) -> None:
        """These tasks are deleted next."""
        ...


async def nothing_to_note(connection: AsyncConnection, task_ids: Sequence[int]) -> None:
    """Nobody must know."""


async def remove(connection: AsyncConnection, where: ColumnElement[bool], change: Change, note: Note) -> int:
    """Delete those that do not run, with keys and credentials; return how many."""
    idle = task.c.status.not_in(RUNNING) & where
    found = (await connection.execute(select(task.c.id, task.c.status).where(idle))).all()
    for start in range(0, len(found), AT_ONCE):
        some = [(row[0], row[1]) for row in found[start : start + AT_ONCE]]
        await note(connection, [number for number, _ in some])
        await _remove(some, connection, change)
    return len(found)


async def _remove(found: Iterable[tuple[int, int]], connection: AsyncConnection, change: Change) -> None:
    before = dict(found)
    await connection.execute(delete(task_keys).where(task_keys.c.task_id.in_(before)))
    await credentials.wipe(connection, [f"task:{number}" for number in before])
    await connection.execute(delete(task).where(task.c.id.in_(before)))
    now, cause = change
    gone = [Transition(now, f"task:{number}", status, "deleted", cause) for number, status in before.items()]
    await record_transitions(connection, gone)
