"""Carries task groups on: has them cut into sub-tasks, and brings them to the state that these have come to.

The database is the only truth, as for tasks: every turn (once a second, and when woken) looks at all groups that are
under way. One node cuts a group, under a generation (``group_cutting.py``). Everything else is a compare-and-set that
any node may make.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.errors import RepositoryError
from oms_engine.task import Result
from oms_worker.db import credentials, nodes, subtasks
from oms_worker.db import groups as rows
from oms_worker.db.engine import Database
from oms_worker.db.groups import GroupCounters, GroupRow
from oms_worker.db.subtasks import Change, Note, Parent, nothing_to_note
from oms_worker.db.tables import task
from oms_worker.db.tasks import TaskRow
from oms_worker.group_cutting import NOTHING_SENTENCE, Cutter, GroupEndHook, GroupEnds
from oms_worker.parts import NOTHING_THERE
from oms_worker.running import Planner
from oms_worker.scheduler import DAY, EXPIRED
from oms_worker.secrets import KeyRing, UnknownKey
from oms_worker.settings import ServiceSettings
from oms_worker.states import GONE, GROUP, Event, Group, Task, after_event
from oms_worker.turns import Turns

log = logging.getLogger(__name__)

SETTLE_SECONDS = 0.05
"""After this the transaction of a task's end is most likely through."""
TIDY_SECONDS = 60.0
PART_FAILED = "TRF.0062"

UNDER_WAY = (Group.WAITING, Group.CREATING, Group.MONITORING, Group.PAUSING, Group.TO_DELETE, Group.DELETING)
EXECUTING = (Group.CREATING, Group.MONITORING, Group.PAUSING)


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
        note: Note = nothing_to_note,
        wake_runner: Callable[[], None] = lambda: None,
        hooks: Sequence[GroupEndHook] = (),
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._keys = keys
        self._settings = settings
        self._node = node_id
        self._note = note
        self._clock = clock
        self._ends = GroupEnds(hooks)
        self._cutter = Cutter(database, keys, settings, planner, ends=self._ends, clock=clock, wake_runner=wake_runner)
        self._cutting: dict[str, asyncio.Task[None]] = {}
        self._tidied = float("-inf")
        self._turns = Turns("task groups", self.turn)

    def start(self) -> None:
        """Begin."""
        self._turns.start()

    def wake(self) -> None:
        """Look at the database now; from the event loop."""
        self._turns.wake()

    async def stop(self) -> None:
        """End at once: what is being cut goes on behind its marker, here or elsewhere."""
        await self._turns.stop()
        ending = list(self._cutting.values())
        for item in ending:
            item.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def on_task_end(self, connection: AsyncConnection, task: TaskRow, result: Result) -> None:
        """Look soon whether the group of this task has come to its end; see ``running.EndHook``."""
        del connection, result
        if task.group_id:
            asyncio.get_running_loop().call_later(SETTLE_SECONDS, self.wake)

    async def turn(self) -> None:
        """Carry every group on by one step, and now and then wipe credentials that were kept for too long."""
        now = self._clock()
        async with self._database.read() as connection:
            groups = await rows.groups_in(connection, UNDER_WAY)
            alive = await self._alive(connection, groups)
        executing: dict[str, int] = {}
        for group in groups:
            if group.status in EXECUTING:
                executing[group.project_id] = executing.get(group.project_id, 0) + 1
        for group in groups:
            await self._carry_on(group, now, alive, executing)
        if now - self._tidied >= TIDY_SECONDS:
            self._tidied = now
            async with self._database.write() as connection:
                await rows.wipe_credentials_of_failed(connection, now - self._expiry_seconds)

    async def _alive(self, connection: AsyncConnection, groups: Sequence[GroupRow]) -> set[str]:
        """Return which owners live; on SQLite, which one process uses, whoever else cut here is gone."""
        owners = sorted({group.owner for group in groups if group.owner})
        if self._database.on_sqlite or not owners:
            return set()
        beats = await nodes.last_beats(connection, owners)
        silent_since = await nodes.clock(connection) - self._settings.work.dead_seconds
        return {node for node, beat in beats.items() if beat > silent_since}

    @property
    def _expiry_seconds(self) -> float:
        return self._settings.queue.expiry_days * DAY

    async def _carry_on(self, group: GroupRow, now: float, alive: set[str], executing: dict[str, int]) -> None:
        match Group(group.status):
            case Group.WAITING:
                await self._begin(group, now, executing)
            case Group.CREATING:
                if group.id not in self._cutting and (group.owner == self._node or group.owner not in alive):
                    await self._claim(group, now)
            case Group.MONITORING:
                await self._conclude(group, now)
            case Group.PAUSING:
                await self._pause(group, now)
            case _:
                await self._delete(group, now)

    async def _begin(self, group: GroupRow, now: float, executing: dict[str, int]) -> None:
        """Begin a group that waits, as soon as the project's quota has room; after 30 days it is too late."""
        most = self._settings.quotas.running_groups
        if now - group.created_at > self._expiry_seconds:
            async with self._database.write() as connection:
                if await self._ends.fail(connection, group, Event.EXPIRED, now, EXPIRED):
                    await credentials.wipe(connection, [group.subject])
        elif not most or executing.get(group.project_id, 0) < most:
            executing[group.project_id] = executing.get(group.project_id, 0) + 1
            await self._claim(group, now)

    async def _claim(self, group: GroupRow, now: float) -> None:
        values: dict[str, Any] = {"owner": self._node, "generation": group.generation + 1}
        values["started_at"] = now if group.started_at is None else group.started_at
        async with self._database.write() as connection:
            try:
                secrets = await credentials.secrets_of(connection, self._keys, group.subject)
            except UnknownKey as error:
                log.warning("group %s is left to other nodes: %s", group.id, error)
                return
            except RepositoryError as error:  # altered: as good as wiped, for every node
                log.error("%s", error)  # noqa: TRY400 - a sentence
                secrets = None
            done = await rows.change_group(
                connection, group, int(Group.CREATING), now, f"claimed by {self._node}", **values
            )
            mine = await rows.get_group(connection, group.id) if done else None
        if mine is not None:
            cutting = asyncio.create_task(self._cutter.cut(mine, secrets), name=f"cut {group.id}")
            self._cutting[group.id] = cutting
            cutting.add_done_callback(lambda _done: self._cut_ended(group.id))

    def _cut_ended(self, group_id: str) -> None:
        self._cutting.pop(group_id, None)
        self.wake()

    # ---- ends -------------------------------------------------------------------------------------------------------

    async def _conclude(self, group: GroupRow, now: float) -> None:
        """End a group all of whose sub-tasks have ended."""
        async with self._database.read() as connection:
            counts = await subtasks.statuses(connection, Parent(group.id))
        if set(counts) - set(subtasks.ENDED):
            return
        async with self._database.write() as connection:
            counts = await subtasks.statuses(connection, Parent(group.id))
            if set(counts) - set(subtasks.ENDED):  # a retry of one sub-task came between
                return
            failed = counts.get(int(Task.FAILED), 0)
            if failed:
                message = f"{failed} of {sum(counts.values())} tasks of the group failed; each tells why"
                await self._ends.fail(connection, group, Event.FAILED, now, PART_FAILED, message)
            elif not await self._met_anything(connection, group):
                await self._ends.fail(connection, group, Event.FAILED, now, NOTHING_THERE, NOTHING_SENTENCE)
            elif await self._ends.end(connection, group, Event.SUCCEEDED, now, "all tasks have ended"):
                await credentials.wipe(connection, [group.subject])

    async def _met_anything(self, connection: AsyncConnection, group: GroupRow) -> bool:
        """Whether any object was met: what was there when the group was cut may have been deleted since."""
        sums = (await rows.counters_of(connection, [group.id])).get(group.id, GroupCounters())
        return bool(sums.successful_num + sums.failed_num + sums.skipped_num)

    async def _pause(self, group: GroupRow, now: float) -> None:
        """Pause what has come to run meanwhile; when nothing runs any more the group is paused, or has ended."""
        if group.id in self._cutting:
            self._cutting[group.id].cancel()
            return
        async with self._database.write() as connection:
            await subtasks.hold(connection, Parent(group.id), Change(now, "the group is pausing"))
            counts = await subtasks.statuses(connection, Parent(group.id))
            row = await rows.get_group(connection, group.id)
            if set(counts) & set(subtasks.RUNNING) or row is None:
                return
            cause = "nothing runs any more"
            if row.cut_done and set(counts) == {int(Task.SUCCEEDED)}:
                done = await self._ends.end(connection, row, Event.SUCCEEDED, now, cause)
            else:
                done = await self._ends.end(connection, row, Event.PAUSED, now, cause, ended_at=None)
            if done:
                await credentials.wipe(connection, [group.subject])

    # ---- deletion ---------------------------------------------------------------------------------------------------

    async def _delete(self, group: GroupRow, now: float) -> None:
        change = Change(now, "its group is deleted")
        async with self._database.write() as connection:
            removing = after_event(GROUP, Group(group.status), Event.REMOVING)
            if removing is not None:
                await rows.change_group(connection, group, int(removing), now, "its tasks are being deleted")
                return
            await subtasks.hold(connection, Parent(group.id), change)
            await subtasks.remove(connection, task.c.group_id == group.id, change, self._note)
            if await subtasks.statuses(connection, Parent(group.id)):
                return
            await credentials.wipe(connection, [group.subject])
            await rows.change_group(connection, group, GONE, now, "all its tasks are deleted")
