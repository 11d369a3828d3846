"""Use cases of tasks: create, list, show, delete, start, stop, bandwidth, batch update. All isolated by project.

Every method needs a :class:`Caller` and raises ``Forbidden`` (OMS.0205) when its role does not allow it, ``Refused``
with OMS.1009 (HTTP 400, as the service answers) when the project has no such task, and ``Busy`` (OMS.2004) when the
database does not answer in time.
"""

from __future__ import annotations

import secrets as randomness
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.bandwidth import BandwidthPolicy, Window, parse_time
from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from oms_engine.model import Secret
from oms_worker.db import credentials, groups
from oms_worker.db import tasks as rows
from oms_worker.db.engine import Database
from oms_worker.db.subtasks import Note, nothing_to_note
from oms_worker.db.tasks import FRESH, RETRIED, TaskFilter, TaskPage, TaskRow
from oms_worker.db.users import lock_project
from oms_worker.errors import Refused
from oms_worker.secrets import KeyRing
from oms_worker.services.base import Service
from oms_worker.services.caller import Caller
from oms_worker.states import TASK, Call, Task, after_call

PRIORITIES = ("HIGH", "MEDIUM", "LOW")
MAX_BATCH = 20
"""https://support.huaweicloud.com/intl/en-us/api-oms/BatchUpdateTasks.html"""
DAY = 86_400.0
MOST_RATE = 10 * 1024**3
"""Bytes per second, of the first version of the API: https://support.huaweicloud.com/intl/en-us/api-oms/oms_api_0020.html"""

NORMAL = "NORMAL_TASK"
NO_TASK = "OMS.1009"
QUOTA_DAY = "OMS.1021"
QUOTA_WAITING = "OMS.0077"

Secrets = Mapping[str, Secret]
"""What opens the stores, by its path in the create body: ``src_node.ak``, ``src_node.sk``, ``src_node.security_token``,
``src_node.json_auth_file``, ``src_node.connection_string``, ``dst_node.ak``, ``dst_node.sk``,
``dst_node.security_token``, ``source_cdn.authentication_key``."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """A task to be made, judged by the API already."""

    request: Mapping[str, Any]
    """The create body with its defaults filled in and every secret left out."""
    source_bucket: str
    destination_bucket: str
    secrets: Secrets = field(default_factory=dict)
    """Empty for sub-tasks: theirs are kept with the group or the sync task."""
    bandwidth_policy: Sequence[Mapping[str, Any]] = ()
    """As in the body: ``{"start", "end", "max_bandwidth"}``."""
    priority: str = "MEDIUM"
    group_type: str = NORMAL
    group_id: str = ""
    sync_task_id: str = ""
    range: Mapping[str, Any] | None = None
    keys: Sequence[str] = ()
    """Inline keys of a sync task's sub-task, URL-encoded."""


@dataclass(frozen=True, slots=True)
class StartTask:
    """The body of a start."""

    secrets: Secrets
    migrate_failed_object: bool = False


@dataclass(frozen=True, slots=True)
class BatchUpdate:
    """The body of a batch update: tasks by ``ids``, or all of a group."""

    bandwidth_policy: Sequence[Mapping[str, Any]] | None
    ids: Sequence[int] = ()
    group_id: str = ""
    priority: str | None = None


class TaskService(Service):
    """Tasks of all projects; each method sees those of its caller. ``note`` hears of tasks before they are deleted."""

    def __init__(self, database: Database, keys: KeyRing, *, note: Note = nothing_to_note, **common: Any) -> None:
        super().__init__(database, keys, **common)
        self._note = note

    async def create(self, caller: Caller, new: NewTask) -> TaskRow:
        """Add a task that waits, and its sealed credentials, in one transaction.

        Raises:
            Refused: OMS.1021 too many in 24 hours; OMS.0077 too many waiting; OMS.0083-0087 the bandwidth policy.
        """
        caller.require("oms:task:create")
        check_policy(new.bandwidth_policy, self._zone)
        now = self._clock()
        async with self._database.write() as connection:
            await self._check_quotas(connection, caller.project_id, now)
            made = await add_task(connection, self._keys, caller.project_id, new, now, f"created by {caller.user}")
        self._wake()
        return made

    async def _check_quotas(self, connection: AsyncConnection, project_id: str, now: float) -> None:
        await lock_project(connection, project_id)
        daily, waiting = self._quotas.tasks_per_day, self._quotas.waiting_tasks
        if daily and await rows.count_created(connection, project_id, now - DAY) >= daily:
            raise Refused(QUOTA_DAY)
        queue = TaskFilter(
            project_id, statuses=(int(Task.WAITING),), group_type=NORMAL
        )  # nobody queued sub-tasks by hand
        if waiting and await rows.count_tasks(connection, queue) >= waiting:
            raise Refused(QUOTA_WAITING)

    async def list(self, caller: Caller, wanted: TaskFilter) -> TaskPage:
        """Return a page of the caller's tasks, newest first; ``count`` is the number of all that match.

        The filter's project is the caller's, whatever it says.
        """
        caller.require("oms:task:list")
        async with self._database.read() as connection:
            return await rows.find_tasks(connection, _own(wanted, caller))

    async def show(self, caller: Caller, task_id: int) -> TaskRow:
        """Return a task."""
        caller.require("oms:task:get")
        async with self._database.read() as connection:
            return await _found(connection, caller, task_id)

    async def delete(self, caller: Caller, task_id: int) -> None:
        """Delete a task that does not run, with its credentials; its ledger and lists on disk go soon after.

        Uploads that it has in flight are aborted when keys for its destination are given again; see ``leftovers.py``.

        Raises:
            Refused: OMS.0063 it runs or is pausing.
        """
        caller.require("oms:task:delete")
        async with self._database.write() as connection:
            task = await _found(connection, caller, task_id)
            after = after_call(TASK, Task(task.status), Call.DELETE)
            await self._note(connection, [task.id])
            if not await rows.change_task(connection, task, int(after), self._clock(), f"deleted by {caller.user}"):
                raise Refused("OMS.0063")  # a node claimed it meanwhile
            await credentials.wipe(connection, [task.subject])
        self._wake()

    async def start(self, caller: Caller, task_id: int, start: StartTask) -> None:
        """Put a paused or failed task into the queue again, with credentials given anew.

        A paused task goes on where it was; a failed one goes through its whole scope again, where what is there
        already is skipped, or with ``migrate_failed_object`` through the failed objects alone.

        Raises:
            Refused: OMS.0065 it is started; OMS.0070 it is complete; OMS.0167 failed objects are not recorded;
                OMS.1027 none failed.
        """
        caller.require("oms:task:update")
        async with self._database.write() as connection:
            task = await _found(connection, caller, task_id)
            now, cause = self._clock(), f"started by {caller.user}"
            await start_task(connection, self._keys, task, start, now, cause)
            if task.group_id:
                await groups.reopen(connection, task.group_id, now, f"task {task.id} {cause}")
        self._wake()

    async def stop(self, caller: Caller, task_id: int, call: Call = Call.STOP) -> None:
        """Begin to pause a running task: its state is 7 at once, 3 within seconds.

        Raises:
            Refused: OMS.0066 it does not run; OMS.0070 it is complete, unless ``call`` is a HALT.
        """
        caller.require("oms:task:update")
        async with self._database.write() as connection:
            task = await _found(connection, caller, task_id)
            await stop_task(connection, task, self._clock(), f"stopped by {caller.user}", call)
        self._wake()

    async def set_bandwidth(self, caller: Caller, task_id: int, policy: Sequence[Mapping[str, Any]]) -> None:
        """Change the bandwidth windows of a task, at once when it runs.

        Raises:
            Refused: OMS.0086 it is complete; OMS.0083-0087 the policy.
        """
        caller.require("oms:task:update")
        check_policy(policy, self._zone)
        async with self._database.write() as connection:
            task = await _found(connection, caller, task_id)
            after_call(TASK, Task(task.status), Call.BANDWIDTH)
            await rows.set_task(connection, task.id, bandwidth_policy=list(policy))
        self._wake()

    async def batch_update(self, caller: Caller, change: BatchUpdate) -> None:
        """Change windows and priority of several tasks, all or none; of a group those whose state allows it.

        The windows of a group are those of the sub-tasks that are still to be cut, too.

        Raises:
            Refused: OMS.1004 no policy; OMS.1003 not exactly one of ids and group, more than 20 ids, an unknown
                priority, or a task whose priority cannot change; OMS.0086, OMS.0083-0087 as for one task.
        """
        caller.require("oms:task:update")
        policy = _check_batch(change, self._zone)
        async with self._database.write() as connection:
            if change.group_id and await groups.get_group(connection, change.group_id, caller.project_id):
                await groups.set_group(connection, change.group_id, bandwidth_policy=list(policy))
            # Few statements for many tasks: other calls that write wait meanwhile.
            alike: dict[tuple[str, ...], tuple[dict[str, Any], list[int]]] = {}
            for task in await self._chosen(connection, caller, change):
                values = _changes(task, change, policy, lenient=bool(change.group_id))
                if values:
                    alike.setdefault(tuple(values), (values, []))[1].append(task.id)
            for values, ids in alike.values():
                await rows.set_tasks(connection, ids, **values)
        self._wake()

    async def _chosen(self, connection: AsyncConnection, caller: Caller, change: BatchUpdate) -> Sequence[TaskRow]:
        if change.ids:
            wanted = TaskFilter(caller.project_id, ids=tuple(change.ids), limit=MAX_BATCH)
        else:
            wanted = TaskFilter(caller.project_id, group_id=change.group_id, limit=1_000_000)
        tasks = (await rows.find_tasks(connection, wanted)).tasks
        if len(tasks) < max(1, len(set(change.ids))):
            raise Refused(NO_TASK)
        return tasks


# ---- inside a transaction: for this service, task groups and sync tasks ---------------------------------------------


async def add_task(
    connection: AsyncConnection, keys: KeyRing, project_id: str, new: NewTask, now: float, cause: str
) -> TaskRow:
    """Add a task, unchecked against quotas, and keep its credentials where it has its own."""
    number = new_task_id()
    row = TaskRow(
        id=number,
        project_id=project_id,
        name=task_name(new.source_bucket, new.destination_bucket, now, number),
        status=int(Task.WAITING),
        request=new.request,
        created_at=now,
        queued_at=now,
        priority=new.priority,
        group_type=new.group_type,
        group_id=new.group_id,
        sync_task_id=new.sync_task_id,
        range=new.range,
        bandwidth_policy=tuple(new.bandwidth_policy),
    )
    await rows.insert_task(connection, row, new.keys, cause)
    if new.secrets:
        await credentials.keep(connection, keys, row.subject, new.secrets, now)
    return row


async def start_task(
    connection: AsyncConnection, keys: KeyRing, task: TaskRow, start: StartTask, now: float, cause: str
) -> None:
    """Put a task into the queue again.

    Raises:
        Refused: as :meth:`TaskService.start`.
    """
    after = after_call(TASK, Task(task.status), Call.START)
    if start.migrate_failed_object:
        _check_retry(task)
    goes_on = (
        task.status == Task.PAUSED
        and task.ended_at is None  # else it was complete before it was paused
        and task.migrate_failed_object == start.migrate_failed_object
    )
    values: dict[str, Any] = {"queued_at": now, "migrate_failed_object": start.migrate_failed_object, "owner": None}
    if not goes_on:
        values |= {**(RETRIED if start.migrate_failed_object else FRESH), "run": task.run + 1}
    if not await rows.change_task(connection, task, int(after), now, cause, **values):
        raise Refused("OMS.0065")
    if start.secrets:
        await credentials.keep(connection, keys, task.subject, start.secrets, now)


def _check_retry(task: TaskRow) -> None:
    if task.request.get("enable_failed_object_recording") is False:
        raise Refused("OMS.0167")
    if not task.failed_num:
        raise Refused("OMS.1027")


async def stop_task(connection: AsyncConnection, task: TaskRow, now: float, cause: str, call: Call = Call.STOP) -> None:
    """Begin to pause a task; the credentials go when it has paused. The end of a sub-task is its parent's: it stays.

    Raises:
        Refused: as :meth:`TaskService.stop`.
    """
    after = after_call(TASK, Task(task.status), call if task.group_type == NORMAL else Call.STOP)
    if not await rows.change_task(connection, task, int(after), now, cause):
        raise Refused("OMS.0066")


# ---- pure -----------------------------------------------------------------------------------------------------------


def new_task_id() -> int:
    """Return a number of 15 digits."""
    return 10**14 + randomness.randbelow(9 * 10**14)


def task_name(source_bucket: str, destination_bucket: str, now: float, number: int) -> str:
    """Return OMS's kind of name, ``<source>-<destination>-<yyyyMMddHHmmssSSS>_<n>``; a URL list's source is ``url``."""
    moment = datetime.fromtimestamp(now, UTC)
    stamp = f"{moment:%Y%m%d%H%M%S}{moment.microsecond // 1000:03d}"
    return f"{source_bucket or 'url'}-{destination_bucket}-{stamp}_{number % 1000}"


def parse_policy(policy: Sequence[Mapping[str, Any]], zone: str) -> BandwidthPolicy:
    """Return the windows of a body; what the second version of the API allows at most, its shapes have seen to.

    Raises:
        ConfigError: OMS.0083 too many, OMS.0084 a rate, OMS.0085 an overlap, OMS.0087 a time.
    """
    windows = (Window(parse_time(rule["start"]), parse_time(rule["end"]), rule["max_bandwidth"]) for rule in policy)
    return BandwidthPolicy.checked(windows, zone, max_rate=MOST_RATE)


def check_policy(policy: Sequence[Mapping[str, Any]], zone: str) -> None:
    """Refuse a policy that breaks OMS's rules.

    Raises:
        Refused: OMS.0083-0087.
    """
    try:
        parse_policy(policy, zone)
    except ConfigError as error:
        raise Refused(error.code or "OMS.0087", str(error)) from None


def _check_batch(change: BatchUpdate, zone: str) -> Sequence[Mapping[str, Any]]:
    if change.bandwidth_policy is None:
        raise Refused("OMS.1004", "bandwidth_policy is missing.")
    if bool(change.ids) == bool(change.group_id):
        raise Refused("OMS.1003", "Give either ids or group_id.")
    if len(change.ids) > MAX_BATCH:
        raise Refused("OMS.1003", f"At most {MAX_BATCH} ids are taken.")
    if change.priority is not None and change.priority not in PRIORITIES:
        raise Refused("OMS.1003", f"task_priority must be one of {', '.join(PRIORITIES)}.")
    check_policy(change.bandwidth_policy, zone)
    return change.bandwidth_policy


def _changes(
    task: TaskRow, change: BatchUpdate, policy: Sequence[Mapping[str, Any]], *, lenient: bool
) -> dict[str, Any]:
    """Return the columns that change; a lenient change leaves out what the state does not allow."""
    wanted: list[tuple[Call, str, Any]] = [(Call.BANDWIDTH, "bandwidth_policy", list(policy))]
    if change.priority is not None and change.priority != task.priority:
        wanted.append((Call.PRIORITY, "priority", change.priority))
    values: dict[str, Any] = {}
    for call, column, value in wanted:
        try:
            after_call(TASK, Task(task.status), call)
        except Refused:
            if not lenient:
                raise
        else:
            values[column] = value
    return values


def _own(wanted: TaskFilter, caller: Caller) -> TaskFilter:
    return replace(wanted, project_id=caller.project_id)


async def _found(connection: AsyncConnection, caller: Caller, task_id: int) -> TaskRow:
    task = await rows.get_task(connection, task_id, caller.project_id)
    if task is None:
        raise Refused(NO_TASK)
    return task
