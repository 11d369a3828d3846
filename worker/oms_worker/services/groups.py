"""Use cases of task groups: create, list, show, delete, start, stop, retry, update. All isolated by project.

Every method needs a :class:`Caller` and raises ``Forbidden`` (OMS.0205) when its role does not allow it, ``Missing``
with OMS.1009 (HTTP 404) when the project has no such group, and ``Busy`` (OMS.2004) when the database does not answer.
What takes long (cutting, pausing, deleting thousands of sub-tasks) is left to ``oms_worker.groups``, which ``wake``
calls.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from typing import Any, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.errors import RepositoryError
from oms_engine.frozen import dataclass
from oms_worker.db import credentials, subtasks
from oms_worker.db import groups as rows
from oms_worker.db.groups import GroupCounters, GroupFilter, GroupRow
from oms_worker.db.subtasks import Change, Parent
from oms_worker.errors import Missing, Refused
from oms_worker.parts import NOTHING_THERE
from oms_worker.secrets import UnknownKey
from oms_worker.services.base import Service
from oms_worker.services.caller import Caller
from oms_worker.services.tasks import DAY, Secrets, check_policy
from oms_worker.shapes.credentials import check_secrets
from oms_worker.states import GROUP, Call, Group, after_call

NO_GROUP = "OMS.1009"
QUOTA_DAY = "OMS.1037"
NOT_RECORDED = "OMS.0167"


@dataclass(frozen=True, slots=True)
class NewGroup:
    """A group to be made, judged by the API already."""

    request: Mapping[str, Any]
    """The create body with its defaults filled in and every secret left out; ``task_type`` in a task's spelling."""
    secrets: Secrets = field(default_factory=dict)
    bandwidth_policy: Sequence[Mapping[str, Any]] = ()


class GroupView(NamedTuple):
    """A group with the sums over its sub-tasks."""

    row: GroupRow
    counters: GroupCounters


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Groups, newest first, and how many match in all."""

    groups: list[GroupView]
    count: int


class GroupService(Service):
    """Groups of all projects; each method sees those of its caller."""

    async def create(self, caller: Caller, new: NewGroup) -> GroupRow:
        """Add a group that waits, and its sealed credentials; it begins by itself.

        Raises:
            Refused: OMS.1037 too many today; OMS.0083-0087 the bandwidth policy.
        """
        caller.require("oms:taskgroup:create")
        check_policy(new.bandwidth_policy, self._zone)
        now = self._clock()
        row = GroupRow(
            str(uuid.uuid4()), caller.project_id, int(Group.WAITING), new.request, now, list(new.bandwidth_policy)
        )
        async with self._database.write() as connection:
            daily = self._quotas.groups_per_day
            if daily and await rows.count_created(connection, caller.project_id, now - DAY) >= daily:
                raise Refused(QUOTA_DAY)
            await rows.insert_group(connection, row, f"created by {caller.user}")
            await credentials.keep(connection, self._keys, row.subject, new.secrets, now)
        self._wake()
        return row

    async def list(self, caller: Caller, wanted: GroupFilter) -> GroupPage:
        """Return a page of the caller's groups; the filter's project is the caller's, whatever it says."""
        caller.require("oms:taskgroup:list")
        async with self._database.read() as connection:
            found, count = await rows.find_groups(connection, replace(wanted, project_id=caller.project_id))
            sums = await rows.counters_of(connection, [row.id for row in found])
        return GroupPage([GroupView(row, sums.get(row.id, GroupCounters())) for row in found], count)

    async def show(self, caller: Caller, group_id: str) -> GroupView:
        """Return a group with its counters."""
        caller.require("oms:taskgroup:get")
        async with self._database.read() as connection:
            row = await _found(connection, caller, group_id)
            sums = await rows.counters_of(connection, [row.id])
        return GroupView(row, sums.get(row.id, GroupCounters()))

    async def delete(self, caller: Caller, group_id: str) -> None:
        """Begin to delete a group with its sub-tasks; what they have migrated stays.

        Raises:
            Refused: OMS.0063 it is being created, monitored or paused.
        """
        caller.require("oms:taskgroup:delete")
        async with self._database.write() as connection:
            group = await _found(connection, caller, group_id)
            change = Change(self._clock(), f"group deleted by {caller.user}")
            await _move(connection, group, Call.DELETE, change)
            await subtasks.hold(connection, Parent(group.id), change)
            await credentials.wipe(connection, [group.subject])
        self._wake()

    async def stop(self, caller: Caller, group_id: str, call: Call = Call.STOP) -> None:
        """Begin to pause a group: 7 at once, 3 when the last sub-task stands still.

        Raises:
            Refused: OMS.1038 it is not executing, unless it is complete and ``call`` is a HALT.
        """
        caller.require("oms:taskgroup:update")
        async with self._database.write() as connection:
            group = await _found(connection, caller, group_id)
            if after_call(GROUP, Group(group.status), call) == group.status:
                return
            change = Change(self._clock(), f"group stopped by {caller.user}")
            await _move(connection, group, call, change)
            await subtasks.hold(connection, Parent(group.id), change)
        self._wake()

    async def start(self, caller: Caller, group_id: str, secrets: Secrets) -> None:
        """Let a paused group go on: cutting, and every sub-task where it was.

        Raises:
            Refused: OMS.1039 it is not paused.
            ConfigError: OMS.1004, OMS.1032 keys are missing: they are not kept while a group stands still.
        """
        caller.require("oms:taskgroup:update")
        async with self._database.write() as connection:
            group = await _found(connection, caller, group_id)
            check_secrets(secrets, group.request)
            change = Change(self._clock(), f"group started by {caller.user}")
            await self._begin(connection, group, Call.START, change, secrets)
            await subtasks.let_go_on(connection, Parent(group.id), change)
        self._wake()

    async def retry(self, caller: Caller, group_id: str, secrets: Secrets, *, only_failed_objects: bool) -> None:
        """Run the failed sub-tasks again; a group whose creation failed goes on being cut.

        The credentials are those that are kept, for 30 days, with those that are given in their place.

        Raises:
            Refused: OMS.1040 it has not failed; OMS.0167 failed objects are not recorded.
            ConfigError: OMS.1004, OMS.1032 keys are neither given nor kept.
        """
        caller.require("oms:taskgroup:update")
        async with self._database.write() as connection:
            group = await _found(connection, caller, group_id)
            after_call(GROUP, Group(group.status), Call.RETRY)
            if only_failed_objects and group.request.get("enable_failed_object_recording") is False:
                raise Refused(NOT_RECORDED)
            whole = {**await self._kept(connection, group), **secrets}
            check_secrets(whole, group.request)
            change = Change(self._clock(), f"group retried by {caller.user}")
            parent = Parent(group.id)
            await self._begin(connection, group, Call.RETRY, change, whole)
            await subtasks.begin_anew(connection, parent, change, only_failed_objects=only_failed_objects)
            if group.error_code == NOTHING_THERE:
                await subtasks.repeat_empty(connection, parent, change)
        self._wake()

    async def _kept(self, connection: AsyncConnection, group: GroupRow) -> Secrets:
        try:
            return await credentials.secrets_of(connection, self._keys, group.subject) or {}
        except UnknownKey:
            raise
        except RepositoryError:  # altered: as good as wiped
            return {}

    async def _begin(
        self, connection: AsyncConnection, group: GroupRow, call: Call, change: Change, secrets: Secrets
    ) -> None:
        await _move(connection, group, call, change, **rows.FRESH)
        await credentials.keep(connection, self._keys, group.subject, secrets, change.now)

    async def update(self, caller: Caller, group_id: str, policy: Sequence[Mapping[str, Any]]) -> None:
        """Change the bandwidth windows of a group and of all its sub-tasks, each of which has them for itself.

        Raises:
            Refused: OMS.0086 it is complete; OMS.1036 it is being deleted; OMS.0083-0087 the policy.
        """
        caller.require("oms:taskgroup:update")
        check_policy(policy, self._zone)
        async with self._database.write() as connection:
            group = await _found(connection, caller, group_id)
            after_call(GROUP, Group(group.status), Call.BANDWIDTH)
            await rows.set_group(connection, group.id, bandwidth_policy=[dict(rule) for rule in policy])
            await subtasks.set_bandwidth(connection, Parent(group.id), policy)
        self._wake()


async def _found(connection: AsyncConnection, caller: Caller, group_id: str) -> GroupRow:
    group = await rows.get_group(connection, group_id, caller.project_id)
    if group is None:
        raise Missing(NO_GROUP)
    return group


async def _move(connection: AsyncConnection, group: GroupRow, call: Call, change: Change, **values: Any) -> None:
    """Change the state as the table says.

    Raises:
        Refused: the state does not allow the call.
    """
    after = after_call(GROUP, Group(group.status), call)
    if not await rows.change_group(connection, group, int(after), change.now, change.cause, **values):
        raise Refused("OMS.1036")
