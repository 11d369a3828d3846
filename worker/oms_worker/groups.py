"""Carries task groups on: cuts them into sub-tasks, and brings them to the state that their sub-tasks have come to.

The database is the only truth, as for tasks: every turn (once a second, and when woken) looks at all groups that are
under way. One node cuts a group, under a generation; a part becomes a sub-task in the transaction that moves the
group's marker, so whatever is killed when, the next node goes on behind the last part. Everything else is a
compare-and-set that any node may make.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_adapters.registry import open_store
from oms_engine.errors import ConfigError, OmsError, RepositoryError, TaskError
from oms_engine.model import Secret
from oms_engine.task import Result
from oms_engine.wire import Wire
from oms_worker.cutting import Part, PartSize, Stores, cut
from oms_worker.db import credentials, nodes, subtasks
from oms_worker.db import groups as rows
from oms_worker.db import tasks as task_rows
from oms_worker.db.engine import Database
from oms_worker.db.groups import GroupRow
from oms_worker.db.subtasks import Change, Parent
from oms_worker.db.tables import task
from oms_worker.db.tasks import TaskRow
from oms_worker.errors import sentence_of
from oms_worker.running import Planner, RunPlan, engine_settings
from oms_worker.secrets import KeyRing
from oms_worker.services.tasks import NewTask, add_task
from oms_worker.settings import ServiceSettings
from oms_worker.states import GONE, GROUP, Event, Group, Task, after_event

log = logging.getLogger(__name__)

TURN_SECONDS = 1.0
SETTLE_SECONDS = 0.05
"""After this the transaction of a task's end is most likely through."""
NOTHING_THERE = "TRF.0012"
INTERNAL = "TRF.0001"
PART_FAILED = "TRF.0062"

UNDER_WAY = (Group.WAITING, Group.CREATING, Group.MONITORING, Group.PAUSING, Group.TO_DELETE, Group.DELETING)
EXECUTING = (Group.CREATING, Group.MONITORING, Group.PAUSING)


class GroupEndHook(Protocol):
    """Who must know of a group's end in the same transaction: notifications."""

    async def __call__(self, connection: AsyncConnection, group: GroupRow) -> None:
        """``group`` is the row after its end: status 4, 5 or 6."""
        ...


class GroupWorker:
    """The groups that this node carries on."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        settings: ServiceSettings,
        planner: Planner,
        *,
        node_id: str,
        wake_runner: Callable[[], None] = lambda: None,
        hooks: Sequence[GroupEndHook] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._keys = keys
        self._settings = settings
        self._planner = planner
        self._node = node_id
        self._wake_runner = wake_runner
        self._hooks = hooks
        self._clock = clock
        self._cutters: dict[str, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self._loop_task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._loop_task = asyncio.create_task(self._loop(), name="groups")

    def wake(self) -> None:
        """Look at the database now; from the event loop."""
        self._woken.set()

    async def stop(self) -> None:
        """End at once: what is being cut goes on behind its marker, here or elsewhere."""
        ending = [*self._cutters.values(), *([self._loop_task] if self._loop_task else [])]
        for item in ending:
            item.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def on_task_end(self, connection: AsyncConnection, task: TaskRow, result: Result) -> None:
        """Look soon whether the group of this task has come to its end; see ``running.EndHook``."""
        del connection, result
        if task.group_id:
            asyncio.get_running_loop().call_later(SETTLE_SECONDS, self.wake)

    async def _loop(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self.turn()
            except RepositoryError as error:
                log.warning("task groups wait for the database: %s", error)
            except Exception:
                log.exception("a turn of the task groups failed")
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), TURN_SECONDS)

    async def turn(self) -> None:
        """Carry every group on by one step."""
        async with self._database.read() as connection:
            groups = await rows.groups_in(connection, UNDER_WAY)
            living = await nodes.last_beats(connection, list({g.owner for g in groups if g.owner}))
        now = self._clock()
        alive = {node for node, beat in living.items() if beat > now - nodes.DEAD_SECONDS}
        if self._database.on_sqlite:  # which one process uses: whoever else cut here is gone
            alive = set()
        executing: dict[str, int] = {}
        for group in groups:
            if group.status in EXECUTING:
                executing[group.project_id] = executing.get(group.project_id, 0) + 1
        for group in groups:
            await self._carry_on(group, now, alive, executing)

    async def _carry_on(self, group: GroupRow, now: float, alive: set[str], executing: dict[str, int]) -> None:
        match Group(group.status):
            case Group.WAITING:
                most = self._settings.quotas.running_groups
                if not most or executing.get(group.project_id, 0) < most:
                    executing[group.project_id] = executing.get(group.project_id, 0) + 1
                    await self._claim(group, now)
            case Group.CREATING:
                if group.id not in self._cutters and (group.owner == self._node or group.owner not in alive):
                    await self._claim(group, now)
            case Group.MONITORING:
                await self._conclude(group, now)
            case Group.PAUSING:
                await self._pause(group, now)
            case _:
                await self._delete(group, now)

    # ---- cutting ----------------------------------------------------------------------------------------------------

    async def _claim(self, group: GroupRow, now: float) -> None:
        values: dict[str, Any] = {"owner": self._node, "generation": group.generation + 1}
        values["started_at"] = now if group.started_at is None else group.started_at
        async with self._database.write() as connection:
            done = await rows.change_group(
                connection, group, int(Group.CREATING), now, f"claimed by {self._node}", **values
            )
            mine = await rows.get_group(connection, group.id) if done else None
            secrets = None
            with suppress(RepositoryError):  # sealed under a key that is gone: as good as wiped
                secrets = await credentials.secrets_of(connection, self._keys, group.subject)
        if mine is not None:
            cutter = self._cutters[group.id] = asyncio.create_task(self._cut(mine, secrets), name=f"cut {group.id}")
            cutter.add_done_callback(lambda _done: self._cut_ended(group.id))

    def _cut_ended(self, group_id: str) -> None:
        self._cutters.pop(group_id, None)
        self.wake()

    async def _cut(self, group: GroupRow, secrets: Mapping[str, Secret] | None) -> None:
        """Cut a group to its end; what stops it becomes the group's error."""
        try:
            if not group.cut_done:
                await self._cut_all(group, secrets)
            await self._after_cut(group)
        except (TaskError, ConfigError) as error:
            await self._cut_failed(group, error.code or INTERNAL, str(error))
        except RepositoryError as error:
            log.warning("cutting group %s waits for the database: %s", group.id, error)
            await asyncio.sleep(TURN_SECONDS)
        except OmsError as error:
            await self._cut_failed(group, INTERNAL, str(error))
        except Exception as error:
            log.exception("group %s cannot be cut", group.id)
            await self._cut_failed(group, INTERNAL, f"the group cannot be cut ({type(error).__name__}); see the log")

    async def _cut_all(self, group: GroupRow, secrets: Mapping[str, Secret] | None) -> None:
        plan = self._planner(_as_task(group), secrets or {}, ())
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
            fresh = await rows.get_group(connection, group.id)
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
        async with self._database.write() as connection:
            row = await rows.get_group(connection, group.id)
            if row is None or row.generation != group.generation or not row.cut_done:
                return
            if not await subtasks.statuses(connection, Parent(group.id)):
                await self._fail(connection, row, NOTHING_THERE, "no source object matches: check bucket and prefixes")
                return
            after = after_event(GROUP, Group(row.status), Event.CUT)
            if after is not None:
                await rows.change_group(
                    connection, row, int(after), self._clock(), "all sub-tasks are made", owner=None
                )

    async def _cut_failed(self, group: GroupRow, code: str, message: str) -> None:
        with suppress(RepositoryError):
            async with self._database.write() as connection:
                row = await rows.get_group(connection, group.id)
                if row is not None and row.generation == group.generation:
                    await self._fail(connection, row, code, message)

    async def _fail(self, connection: AsyncConnection, row: GroupRow, code: str, message: str) -> None:
        after = after_event(GROUP, Group(row.status), Event.CUT_FAILED)
        if after is None:
            return
        values: dict[str, Any] = {"owner": None, "ended_at": self._clock()}
        values |= {"error_code": code, "error_msg": (message or sentence_of(code))[:1024], "cut_done": False}
        if await rows.change_group(connection, row, int(after), self._clock(), "cutting failed", **values):
            await self._tell_hooks(connection, row.id)

    # ---- ends -------------------------------------------------------------------------------------------------------

    async def _conclude(self, group: GroupRow, now: float) -> None:
        """End a group all of whose sub-tasks have ended."""
        async with self._database.read() as connection:
            counts = await subtasks.statuses(connection, Parent(group.id))
        if set(counts) - set(subtasks.ENDED):
            return
        failed = counts.get(int(Task.FAILED), 0)
        after = after_event(GROUP, Group(group.status), Event.FAILED if failed else Event.SUCCEEDED)
        values: dict[str, Any] = {"ended_at": now, "owner": None}
        if failed:
            message = f"{failed} of {sum(counts.values())} tasks of the group failed; each tells why"
            values |= {"error_code": PART_FAILED, "error_msg": message}
        async with self._database.write() as connection:
            # a retry of one sub-task may have come between
            if set(await subtasks.statuses(connection, Parent(group.id))) - set(subtasks.ENDED) or after is None:
                return
            if await rows.change_group(connection, group, int(after), now, "all tasks have ended", **values):
                if not failed:
                    await credentials.wipe(connection, [group.subject])
                await self._tell_hooks(connection, group.id)

    async def _tell_hooks(self, connection: AsyncConnection, group_id: str) -> None:
        ended = await rows.get_group(connection, group_id)
        for hook in self._hooks:
            if ended is not None:
                await hook(connection, ended)

    async def _pause(self, group: GroupRow, now: float) -> None:
        """Pause what has come to run meanwhile; when nothing runs any more the group is paused, or has ended."""
        if group.id in self._cutters:
            self._cutters[group.id].cancel()
            return
        change = Change(now, "the group is pausing")
        async with self._database.write() as connection:
            await subtasks.hold(connection, Parent(group.id), change)
            counts = await subtasks.statuses(connection, Parent(group.id))
            if set(counts) & set(subtasks.RUNNING):
                return
            row = await rows.get_group(connection, group.id)
            if row is None:
                return
            complete = row.cut_done and set(counts) == {int(Task.SUCCEEDED)}
            after = after_event(GROUP, Group(row.status), Event.SUCCEEDED if complete else Event.PAUSED)
            values: dict[str, Any] = {"owner": None, **({"ended_at": now} if complete else {})}
            if after is None or not await rows.change_group(
                connection, row, int(after), now, "nothing runs any more", **values
            ):
                return
            await credentials.wipe(connection, [group.subject])
            if complete:
                await self._tell_hooks(connection, group.id)

    # ---- deletion ---------------------------------------------------------------------------------------------------

    async def _delete(self, group: GroupRow, now: float) -> None:
        change = Change(now, "its group is deleted")
        async with self._database.write() as connection:
            if group.status == Group.TO_DELETE:
                await rows.change_group(connection, group, int(Group.DELETING), now, "its tasks are being deleted")
                return
            await subtasks.hold(connection, Parent(group.id), change)
            await subtasks.remove(connection, task.c.group_id == group.id, change)
            if await subtasks.statuses(connection, Parent(group.id)):
                return
            await credentials.wipe(connection, [group.subject])
            await rows.change_group(connection, group, GONE, now, "all its tasks are deleted")


def _as_task(group: GroupRow) -> TaskRow:
    """Return a group as the one task that it would be uncut, for the planner."""
    return TaskRow(0, group.project_id, group.id, int(Task.WAITING), group.request, group.created_at, group.created_at)
