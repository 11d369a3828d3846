"""Cuts one task group into sub-tasks, and says in its row what came of it.

A part becomes a sub-task in the transaction that moves the group's marker, under the generation that this node claimed
the group with; whatever is killed when, the next node goes on behind the last part.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_adapters.registry import open_store
from oms_engine.errors import ConfigError, OmsError, RepositoryError, TaskError
from oms_engine.model import Secret
from oms_engine.wire import Wire
from oms_worker.cutting import Part, PartSize, Stores, cut
from oms_worker.db import groups as rows
from oms_worker.db import subtasks
from oms_worker.db import tasks as task_rows
from oms_worker.db.engine import Database
from oms_worker.db.groups import GroupRow
from oms_worker.db.subtasks import Parent
from oms_worker.db.tasks import TaskRow
from oms_worker.errors import sentence_of
from oms_worker.parts import NOTHING_THERE
from oms_worker.running import INTERNAL, Planner, RunPlan, engine_settings
from oms_worker.secrets import KeyRing
from oms_worker.services.tasks import NewTask, add_task
from oms_worker.settings import ServiceSettings
from oms_worker.states import GROUP, Event, Group, Task, after_event

log = logging.getLogger(__name__)

NOTHING_SENTENCE = "no source object matches: check bucket, prefixes and list"
WAIT_SECONDS = 1.0
"""After this a group that the database did not let us cut is looked at again."""


class GroupEndHook(Protocol):
    """Who must know of a group's end in the same transaction: notifications."""

    async def __call__(self, connection: AsyncConnection, group: GroupRow) -> None:
        """``group`` is the row after its end: status 4, 5 or 6."""
        ...


class GroupEnds:
    """Ends groups: their rows, and whoever waits to hear of it."""

    def __init__(self, hooks: Sequence[GroupEndHook]) -> None:
        self._hooks = hooks

    async def end(
        self, connection: AsyncConnection, group: GroupRow, event: Event, now: float, cause: str, **values: Any
    ) -> bool:
        """Move a group to the state that follows ``event``; False when that is late, and nothing has changed."""
        after = after_event(GROUP, Group(group.status), event)
        fresh: dict[str, Any] = {"owner": None, "ended_at": now, **values}
        if after is None or not await rows.change_group(connection, group, int(after), now, cause, **fresh):
            return False
        ended = await rows.get_group(connection, group.id)
        for hook in self._hooks:
            if ended is not None:
                await hook(connection, ended)
        return True

    async def fail(
        self, connection: AsyncConnection, group: GroupRow, event: Event, now: float, code: str, message: str = ""
    ) -> bool:
        """End a group with an error; its scope is cut on when it is retried."""
        told = (message or sentence_of(code))[:1024]
        values: dict[str, Any] = {"error_code": code, "error_msg": told}
        if event is Event.CUT_FAILED:
            values["cut_done"] = False
        return await self.end(connection, group, event, now, told, **values)


class Cutter:
    """What cuts groups on this node."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        settings: ServiceSettings,
        planner: Planner,
        *,
        ends: GroupEnds,
        clock: Callable[[], float],
        wake_runner: Callable[[], None],
    ) -> None:
        self._database = database
        self._keys = keys
        self._settings = settings
        self._planner = planner
        self._ends = ends
        self._clock = clock
        self._wake_runner = wake_runner

    async def cut(self, group: GroupRow, secrets: Mapping[str, Secret] | None) -> None:
        """Cut a claimed group to its end; what stops it becomes the group's error."""
        try:
            if not group.cut_done:
                await self._cut_all(group, secrets)
            await self._after_cut(group)
        except (TaskError, ConfigError) as error:
            await self._failed(group, error.code or INTERNAL, str(error))
        except RepositoryError as error:
            log.warning("cutting group %s waits for the database: %s", group.id, error)
            await asyncio.sleep(WAIT_SECONDS)
        except OmsError as error:
            await self._failed(group, INTERNAL, str(error))
        except Exception as error:
            log.exception("group %s cannot be cut", group.id)
            await self._failed(group, INTERNAL, f"the group cannot be cut ({type(error).__name__}); see the log")

    async def _cut_all(self, group: GroupRow, secrets: Mapping[str, Secret] | None) -> None:
        plan = self._planner(as_task(group), secrets or {}, ())
        size = PartSize(self._settings.groups.keys_per_task, self._settings.groups.bytes_per_task)
        stores = Stores(open_store(plan.source), open_store(plan.listing) if plan.listing else None)
        async with Wire(engine_settings(self._settings.work).wire) as wire:
            async for part in cut(plan.spec, wire, stores, after=group.marker, at_most=size):
                if not await self._add(group, plan, part):
                    return
                self._wake_runner()
        async with self._database.write() as connection:
            await rows.advance_cut(connection, group.id, group.generation, marker=None, done=True)

    async def _add(self, group: GroupRow, plan: RunPlan, part: Part) -> bool:
        """Make a sub-task of a part, together with the marker; False when the group is not ours to cut any more."""
        now = self._clock()
        async with self._database.write() as connection:
            if not await rows.advance_cut(connection, group.id, group.generation, marker=part.marker):
                return False
            fresh = await rows.get_group(connection, group.id)  # its windows may have changed meanwhile
            new = NewTask(
                request={name: value for name, value in group.request.items() if name != "smn_config"},
                source_bucket=plan.source.bucket,
                destination_bucket=plan.destination.bucket,
                bandwidth_policy=fresh.bandwidth_policy if fresh else group.bandwidth_policy,
                group_type="GROUP_TASK",
                group_id=group.id,
                range=part.range,
            )
            made = await add_task(connection, self._keys, group.project_id, new, now, f"cut from group {group.id}")
            await task_rows.set_task(connection, made.id, total_num=part.objects, total_size=part.size)
        return True

    async def _after_cut(self, group: GroupRow) -> None:
        now = self._clock()
        async with self._database.write() as connection:
            row = await rows.get_group(connection, group.id)
            if row is None or row.generation != group.generation or not row.cut_done:
                return
            if not await subtasks.statuses(connection, Parent(group.id)):
                await self._ends.fail(connection, row, Event.CUT_FAILED, now, NOTHING_THERE, NOTHING_SENTENCE)
                return
            after = after_event(GROUP, Group(row.status), Event.CUT)
            if after is not None:
                await rows.change_group(connection, row, int(after), now, "all sub-tasks are made", owner=None)

    async def _failed(self, group: GroupRow, code: str, message: str) -> None:
        with suppress(RepositoryError):
            async with self._database.write() as connection:
                row = await rows.get_group(connection, group.id)
                if row is not None and row.generation == group.generation:
                    await self._ends.fail(connection, row, Event.CUT_FAILED, self._clock(), code, message)


def as_task(group: GroupRow) -> TaskRow:
    """Return a group as the one task that it would be uncut, for the planner."""
    return TaskRow(0, group.project_id, group.id, int(Task.WAITING), group.request, group.created_at, group.created_at)
