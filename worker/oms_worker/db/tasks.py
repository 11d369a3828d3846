"""Queries about tasks. Every change of ``status`` is a compare-and-set with its row in the journal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field, fields, replace
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, bindparam, delete, false, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.frozen import dataclass
from oms_worker.db.events import Transition, move_row, record_transitions
from oms_worker.db.tables import NUL, task, task_keys
from oms_worker.figures import Carried, Figures
from oms_worker.states import GONE, TASK, Event, Task, after_event

PROGRESS_COLUMNS = (
    "total_num",
    "total_size",
    "successful_num",
    "failed_num",
    "skipped_num",
    "complete_size",
    "real_size",
    "migrate_speed",
    "progress",
    "left_time_ms",
    "is_query_over",
)
"""What the owner sets while a task runs."""

CHUNK_IDS = 1000
"""Ids in one statement."""
CHUNK_KEYS = 10_000
"""Inline keys per row."""


@dataclass(frozen=True, slots=True)
class TaskRow:
    """One row of ``task``; see ``tables.py`` for the meaning of each column."""

    id: int
    project_id: str
    name: str
    status: int
    request: Mapping[str, Any]
    created_at: float
    queued_at: float
    priority: str = "MEDIUM"
    group_type: str = "NORMAL_TASK"
    group_id: str = ""
    sync_task_id: str = ""
    range: Mapping[str, Any] | None = None
    bandwidth_policy: Sequence[Mapping[str, Any]] = ()
    migrate_failed_object: bool = False
    started_at: float | None = None
    claimed_at: float | None = None
    ended_at: float | None = None
    spent_ms: int = 0
    owner: str | None = None
    generation: int = 0
    run: int = 1
    total_num: int = 0
    total_size: int = 0
    successful_num: int = 0
    failed_num: int = 0
    skipped_num: int = 0
    complete_size: int = 0
    real_size: int = 0
    migrate_speed: int = 0
    progress: float = 0.0
    left_time_ms: int = 0
    is_query_over: bool = False
    carried_total_num: int = 0
    carried_total_size: int = 0
    carried_successful_num: int = 0
    carried_skipped_num: int = 0
    carried_complete_size: int = 0
    carried_skipped_size: int = 0
    error_code: str | None = None
    error_msg: str | None = None
    records: Mapping[str, str] | None = None
    record_errors: Mapping[str, str] | None = None
    smn_info: Mapping[str, Any] | None = None

    @property
    def subject(self) -> str:
        """Its name in the journal, and the owner of its credentials."""
        return f"task:{self.id}"

    def total_time_ms(self, now: float) -> int:
        """Return how long its run has been going on, pauses left out, in milliseconds."""
        if self.status in {Task.MIGRATING, Task.PAUSING} and self.claimed_at is not None:
            return self.spent_ms + max(0, round((now - self.claimed_at) * 1000))
        return self.spent_ms

    @property
    def figures(self) -> Figures:
        """Its figures, as its owner set them."""
        return Figures(**{name: getattr(self, name) for name in PROGRESS_COLUMNS})

    @property
    def carried(self) -> Carried:
        """What it had reached before a run through its failed objects alone."""
        return Carried(**{name: getattr(self, f"carried_{name}") for name in CARRIED})


TASK_COLUMNS = tuple(task.c[item.name] for item in fields(TaskRow))
"""What a :class:`TaskRow` is made of, in its order."""

CARRIED = tuple(item.name for item in fields(Carried))

FRESH: Mapping[str, Any] = {
    **{item.name: item.default for item in fields(TaskRow) if item.name in PROGRESS_COLUMNS},
    **{f"carried_{name}": 0 for name in CARRIED},
    "spent_ms": 0,
    "started_at": None,
    "claimed_at": None,
    "ended_at": None,
    "error_code": None,
    "error_msg": None,
    "records": None,
    "record_errors": None,
    "smn_info": None,
}
"""What a task that begins anew forgets."""

_KEPT = ("total_num", "total_size", "successful_num", "skipped_num", "complete_size", "real_size", "progress")
RETRIED: Mapping[str, Any] = {
    **FRESH,
    **{name: task.c[name] for name in _KEPT},
    **{f"carried_{name}": task.c[name] for name in CARRIED if name != "skipped_size"},
    "carried_skipped_size": task.c.total_size - task.c.real_size,
    "is_query_over": True,
}
"""What becomes of a task that goes through its failed objects alone: what it had reached stays, and is carried."""

RESTARTED: Mapping[str, Any] = {**FRESH, "total_num": task.c.total_num, "total_size": task.c.total_size}
"""What becomes of a sub-task that begins anew: what it covers is known since it was cut."""


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks of a project are asked for."""

    project_id: str
    group_id: str | None = None
    sync_task_id: str | None = None
    statuses: tuple[int, ...] = ()
    group_type: str | None = None
    """NORMAL_TASK, GROUP_TASK or SYNC_TASK; None is all."""
    name_part: str = ""
    """Anywhere in the name, in any case."""
    ids: tuple[int, ...] = ()
    offset: int = 0
    limit: int = 10


@dataclass(frozen=True, slots=True)
class TaskPage:
    """Tasks, newest first, and how many match in all."""

    tasks: list[TaskRow]
    count: int


class Owned(NamedTuple):
    """What the runner looks at, of every task it owns, at every turn."""

    id: int
    status: int
    generation: int
    bandwidth_policy: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class ProgressUpdate:
    """Figures of a running task, as its owner states them under a generation."""

    id: int
    generation: int
    values: Mapping[str, Any] = field(default_factory=dict)


async def insert_task(connection: AsyncConnection, row: TaskRow, keys: Sequence[str] = (), cause: str = "") -> None:
    """Add a task with its journal row, and the inline keys of a sync task's sub-task."""
    values = {item.name: getattr(row, item.name) for item in fields(row)}
    values["bandwidth_policy"] = list(row.bandwidth_policy)
    await connection.execute(insert(task).values(values))
    await record_transitions(connection, [Transition(row.created_at, row.subject, "", row.status, cause or "created")])
    chunks = [
        {"task_id": row.id, "chunk": number, "keys": "\n".join(keys[start : start + CHUNK_KEYS]).encode()}
        for number, start in enumerate(range(0, len(keys), CHUNK_KEYS))
    ]
    if chunks:
        await connection.execute(insert(task_keys), chunks)


async def inline_keys(connection: AsyncConnection, task_id: int) -> list[str]:
    """Return the inline keys of a task as they were given to :func:`insert_task`: URL-encoded text."""
    rows = await connection.execute(
        select(task_keys.c["keys"]).where(task_keys.c.task_id == task_id).order_by(task_keys.c.chunk)
    )
    return [key for (chunk,) in rows for key in bytes(chunk).decode().split("\n")]


async def get_task(connection: AsyncConnection, task_id: int, project_id: str | None = None) -> TaskRow | None:
    """Return a task; None when there is none, or when it is another project's."""
    query = select(*TASK_COLUMNS).where(task.c.id == task_id)
    if project_id is not None:
        query = query.where(task.c.project_id == project_id)
    row = (await connection.execute(query)).one_or_none()
    return None if row is None else TaskRow(*row)


def _matching(query: Select[Any], wanted: TaskFilter) -> Select[Any]:
    query = query.where(task.c.project_id == wanted.project_id)
    if wanted.group_id is not None:
        query = query.where(false() if NUL in wanted.group_id else task.c.group_id == wanted.group_id)
    if wanted.sync_task_id is not None:
        query = query.where(task.c.sync_task_id == wanted.sync_task_id)
    if wanted.group_type is not None:
        query = query.where(task.c.group_type == wanted.group_type)
    if wanted.statuses:
        query = query.where(task.c.status.in_(wanted.statuses))
    if wanted.name_part:
        query = query.where(task.c.name.icontains(wanted.name_part, autoescape=True))
    return query.where(task.c.id.in_(wanted.ids)) if wanted.ids else query


async def find_tasks(connection: AsyncConnection, wanted: TaskFilter) -> TaskPage:
    """Return a page of the matching tasks, newest first, and their number."""
    count = (await connection.execute(_matching(select(func.count()).select_from(task), wanted))).scalar_one()
    query = _matching(select(*TASK_COLUMNS), wanted).order_by(task.c.created_at.desc(), task.c.id.desc())
    rows = await connection.execute(query.offset(wanted.offset).limit(wanted.limit))
    return TaskPage([TaskRow(*row) for row in rows], count)


async def count_tasks(connection: AsyncConnection, wanted: TaskFilter) -> int:
    """Return how many tasks match."""
    number: int = (await connection.execute(_matching(select(func.count()).select_from(task), wanted))).scalar_one()
    return number


async def count_created(connection: AsyncConnection, project_id: str, since: float) -> int:
    """Return how many tasks a project has created since, sub-tasks of groups and sync tasks left out."""
    query = select(func.count()).where(
        task.c.project_id == project_id, task.c.created_at > since, task.c.group_type == "NORMAL_TASK"
    )
    number: int = (await connection.execute(query)).scalar_one()
    return number


async def change_task(
    connection: AsyncConnection, before: TaskRow, after: int, now: float, cause: str, **values: Any
) -> bool:
    """Set the status and other columns of a task that still stands as ``before`` says: status, owner, generation.

    Returns:
        Whether it did; False and nothing changed when somebody else was quicker.
    """
    same = and_(
        task.c.id == before.id,
        task.c.status == before.status,
        task.c.generation == before.generation,
        task.c.owner == before.owner if before.owner is not None else task.c.owner.is_(None),
    )
    if after == GONE:
        await connection.execute(delete(task_keys).where(task_keys.c.task_id == before.id))
    move = Transition(now, before.subject, before.status, after, cause)
    return await move_row(connection, task, same, move, **values)


async def set_task(connection: AsyncConnection, task_id: int, **values: Any) -> None:
    """Set columns that are no state: bandwidth policy, priority, ``smn_info``."""
    await connection.execute(update(task).where(task.c.id == task_id).values(**values))


async def set_tasks(connection: AsyncConnection, ids: Sequence[int], **values: Any) -> None:
    """Set columns that are no state, the same for many tasks."""
    for start in range(0, len(ids), CHUNK_IDS):
        chosen = task.c.id.in_(ids[start : start + CHUNK_IDS])
        await connection.execute(update(task).where(chosen).values(**values))


# ---- the owner ------------------------------------------------------------------------------------------------------


async def claim_task(connection: AsyncConnection, task_id: int, owner: str, now: float) -> TaskRow | None:
    """Take a waiting task: 1 -> 2 under a new generation. None when it does not wait any more."""
    before = await get_task(connection, task_id)
    if before is None or after_event(TASK, Task(before.status), Event.CLAIMED) is None:
        return None
    started = now if before.started_at is None else before.started_at
    values: dict[str, Any] = {"owner": owner, "generation": before.generation + 1, "claimed_at": now}
    values |= {"started_at": started, "ended_at": None, "error_code": None, "error_msg": None}
    claimed = await change_task(connection, before, int(Task.MIGRATING), now, f"claimed by {owner}", **values)
    return replace(before, status=int(Task.MIGRATING), **values) if claimed else None


async def owned_tasks(connection: AsyncConnection, owner: str) -> list[Owned]:
    """Return the tasks of an owner, as far as the runner looks at them at every turn."""
    columns = (task.c.id, task.c.status, task.c.generation, task.c.bandwidth_policy)
    return [Owned(*row) for row in await connection.execute(select(*columns).where(task.c.owner == owner))]


async def write_progress(connection: AsyncConnection, owner: str, updates: Sequence[ProgressUpdate]) -> None:
    """Set the figures of running tasks; those of tasks that this owner has lost meanwhile change nothing."""
    if not updates:
        return
    statement = (
        update(task)
        .where(
            task.c.id == bindparam("this_id"),
            task.c.owner == owner,
            task.c.generation == bindparam("this_generation"),
        )
        .values({name: bindparam(name) for name in PROGRESS_COLUMNS})
    )
    rows = [{"this_id": item.id, "this_generation": item.generation, **item.values} for item in updates]
    await connection.execute(statement, rows)


async def existing_ids(connection: AsyncConnection, ids: Iterable[int]) -> set[int]:
    """Return which of these tasks exist."""
    found = await connection.execute(select(task.c.id).where(task.c.id.in_(list(ids))))
    return set(found.scalars())
