"""Queries about task groups. Their counters are sums over their sub-tasks, made when they are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, case, func, insert, literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.frozen import dataclass
from oms_worker.db import credentials
from oms_worker.db.events import Transition, move_row, record_transitions
from oms_worker.db.subtasks import RUNNING
from oms_worker.db.tables import NUL, credential, task, task_group
from oms_worker.states import GROUP, Event, Group, Task, after_event


@dataclass(frozen=True, slots=True)
class GroupRow:
    """One row of ``task_group``; see ``tables.py`` for the meaning of each column."""

    id: str
    project_id: str
    status: int
    request: Mapping[str, Any]
    created_at: float
    bandwidth_policy: Sequence[Mapping[str, Any]] = ()
    started_at: float | None = None
    ended_at: float | None = None
    marker: bytes | None = None
    cut_done: bool = False
    owner: str | None = None
    generation: int = 0
    error_code: str | None = None
    error_msg: str | None = None
    smn_info: Mapping[str, Any] | None = None

    @property
    def subject(self) -> str:
        """Its name in the journal, and the owner of its credentials."""
        return f"group:{self.id}"


FRESH: Mapping[str, Any] = {"owner": None, "ended_at": None, "error_code": None, "error_msg": None, "smn_info": None}
"""What a group that goes on forgets."""

_COLUMNS = tuple(task_group.c[item.name] for item in fields(GroupRow))


@dataclass(frozen=True, slots=True)
class GroupFilter:
    """Which groups of a project are asked for."""

    project_id: str
    statuses: tuple[int, ...] = ()
    offset: int = 0
    limit: int = 10


class GroupCounters(NamedTuple):
    """Sums over the sub-tasks of a group."""

    tasks: int = 0
    total_num: int = 0
    successful_num: int = 0
    failed_num: int = 0
    skipped_num: int = 0
    total_size: int = 0
    complete_size: int = 0
    real_size: int = 0
    migrate_speed: int = 0
    """Of those that run now, byte/s."""
    failed_lists: int = 0
    """Sub-tasks that have failed objects in a list."""
    waiting_tasks: int = 0
    running_tasks: int = 0
    """Those that are pausing included."""
    paused_tasks: int = 0
    failed_tasks: int = 0
    succeeded_tasks: int = 0


_SUMMED = (
    "total_num", "successful_num", "failed_num", "skipped_num", "total_size", "complete_size", "real_size",
)  # fmt: skip
_IN_STATE: Mapping[str, tuple[int, ...]] = {
    "waiting_tasks": (int(Task.WAITING),),
    "running_tasks": RUNNING,
    "paused_tasks": (int(Task.PAUSED),),
    "failed_tasks": (int(Task.FAILED),),
    "succeeded_tasks": (int(Task.SUCCEEDED),),
}


async def insert_group(connection: AsyncConnection, row: GroupRow, cause: str) -> None:
    """Add a group with its journal row."""
    values = {item.name: getattr(row, item.name) for item in fields(row)}
    values["bandwidth_policy"] = list(row.bandwidth_policy)
    await connection.execute(insert(task_group).values(values))
    await record_transitions(connection, [Transition(row.created_at, row.subject, "", row.status, cause)])


async def get_group(connection: AsyncConnection, group_id: str, project_id: str | None = None) -> GroupRow | None:
    """Return a group; None when there is none, or when it is another project's."""
    if NUL in group_id:
        return None
    query = select(*_COLUMNS).where(task_group.c.id == group_id)
    if project_id is not None:
        query = query.where(task_group.c.project_id == project_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else GroupRow(*row)


def _matching(query: Select[Any], wanted: GroupFilter) -> Select[Any]:
    query = query.where(task_group.c.project_id == wanted.project_id)
    return query.where(task_group.c.status.in_(wanted.statuses)) if wanted.statuses else query


async def find_groups(connection: AsyncConnection, wanted: GroupFilter) -> tuple[list[GroupRow], int]:
    """Return a page of the matching groups, newest first, and how many match in all."""
    count: int = (
        await connection.execute(_matching(select(func.count()).select_from(task_group), wanted))
    ).scalar_one()
    query = _matching(select(*_COLUMNS), wanted).order_by(task_group.c.created_at.desc(), task_group.c.id)
    rows = await connection.execute(query.offset(wanted.offset).limit(wanted.limit))
    return [GroupRow(*row) for row in rows], count


async def groups_in(connection: AsyncConnection, states: Iterable[Group]) -> list[GroupRow]:
    """Return the groups of all projects that are in one of these states, oldest first."""
    query = select(*_COLUMNS).where(task_group.c.status.in_([int(state) for state in states]))
    return [GroupRow(*row) for row in await connection.execute(query.order_by(task_group.c.created_at))]


async def count_created(connection: AsyncConnection, project_id: str, since: float) -> int:
    """Return how many groups a project has created since."""
    query = select(func.count()).where(task_group.c.project_id == project_id, task_group.c.created_at > since)
    number: int = (await connection.execute(query)).scalar_one()
    return number


async def counters_of(connection: AsyncConnection, group_ids: Sequence[str]) -> dict[str, GroupCounters]:
    """Return the sums of these groups; one without sub-tasks is left out."""
    sums: dict[str, ColumnElement[Any]] = {name: func.sum(task.c[name]) for name in _SUMMED}
    sums["tasks"] = func.count()
    sums["migrate_speed"] = func.sum(case((task.c.status.in_(RUNNING), task.c.migrate_speed), else_=0))
    sums["failed_lists"] = func.sum(case((task.c.failed_num > 0, 1), else_=0))
    sums |= {name: func.sum(case((task.c.status.in_(states), 1), else_=0)) for name, states in _IN_STATE.items()}
    columns = [sums[name] for name in GroupCounters._fields]
    query = select(task.c.group_id, *columns).where(task.c.group_id.in_(group_ids)).group_by(task.c.group_id)
    # PostgreSQL sums BIGINT as NUMERIC
    return {row[0]: GroupCounters(*map(int, row[1:])) for row in await connection.execute(query)}


async def change_group(
    connection: AsyncConnection, before: GroupRow, after: int, now: float, cause: str, **values: Any
) -> bool:
    """Set the status and other columns of a group that still stands as ``before`` says: status and generation.

    Returns:
        Whether it did; False and nothing changed when somebody else was quicker.
    """
    same = and_(
        task_group.c.id == before.id,
        task_group.c.status == before.status,
        task_group.c.generation == before.generation,
    )
    move = Transition(now, before.subject, before.status, after, cause)
    return await move_row(connection, task_group, same, move, **values)


async def reopen(connection: AsyncConnection, group_id: str, now: float, cause: str) -> None:
    """Watch a group again whose end one of its sub-tasks has undone; nothing happens to one that has not failed."""
    group = await get_group(connection, group_id)
    after = after_event(GROUP, Group(group.status), Event.REOPENED) if group else None
    if group is not None and after is not None:
        await change_group(connection, group, int(after), now, cause, **FRESH)


async def set_group(connection: AsyncConnection, group_id: str, **values: Any) -> None:
    """Set columns that are no state: bandwidth policy, ``smn_info``."""
    await connection.execute(update(task_group).where(task_group.c.id == group_id).values(**values))


async def wipe_credentials_of_failed(connection: AsyncConnection, ended_before: float) -> None:
    """Wipe what is kept for a retry of groups that failed before then."""
    failed = task_group.c.status.in_([int(Group.CREATION_FAILED), int(Group.FAILED)])
    query = select(task_group.c.id).join(credential, credential.c.owner == literal("group:") + task_group.c.id)
    found = (await connection.execute(query.where(failed, task_group.c.ended_at < ended_before))).scalars()
    await credentials.wipe(connection, [f"group:{group_id}" for group_id in found])


async def advance_cut(
    connection: AsyncConnection, group_id: str, generation: int, *, marker: bytes | None, done: bool = False
) -> bool:
    """Set how far a group has been cut; False when it was stopped or is cut by another node now."""
    values: dict[str, Any] = {"cut_done": True} if done else {"marker": marker}
    changed = await connection.execute(
        update(task_group)
        .where(
            task_group.c.id == group_id,
            task_group.c.generation == generation,
            task_group.c.status == int(Group.CREATING),
        )
        .values(**values)
    )
    return changed.rowcount == 1
