"""Use cases of sync tasks: create, list, show, delete, start, stop, events, statistics. All isolated by project.

Every method needs a :class:`Caller` and raises ``Forbidden`` (OMS.0205) when its role does not allow it, ``Missing``
with OMS.1009 (HTTP 404) when the project has no such sync task, and ``Busy`` (OMS.2004) when the database does not
answer. Batching is left to ``oms_worker.sync``, which ``wake`` calls.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import field, replace
from datetime import datetime
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.frozen import dataclass
from oms_worker.db import credentials, subtasks
from oms_worker.db import syncs as rows
from oms_worker.db.engine import Database
from oms_worker.db.subtasks import Change, Parent
from oms_worker.db.syncs import BUCKET_SECONDS, Counts, SyncFilter, SyncRow
from oms_worker.errors import Busy, Missing, Refused
from oms_worker.secrets import KeyRing
from oms_worker.services.base import Service
from oms_worker.services.caller import Caller
from oms_worker.services.tasks import DAY, Secrets
from oms_worker.settings import Syncs
from oms_worker.states import SYNC, Call, Sync, after_call

NO_SYNC = "OMS.1009"
NOT_STARTED = "OMS.2002"
BUSY = "OMS.2004"
QUOTA = "OMS.0077"
CONSTRAINT = "OMS.1003"

HOUR = 3600
FIVE_MINUTES, ONE_HOUR = "FIVE_MINUTES", "ONE_HOUR"
DATA_TYPES: Mapping[str, str] = {
    "REQUEST": "requests",
    "SUCCESS": "success",
    "FAILURE": "failure",
    "SKIP": "skip",
    "SIZE": "size",
}
MOST_POINTS = 1000
"""Length of an answer: https://support.huaweicloud.com/intl/en-us/api-oms/ListSyncTaskStatistic.html"""
RECOUNT_SECONDS = 2.0
EVENTS_AT_ONCE = 4
"""Transactions with events; the other connections are left to other calls."""


@dataclass(frozen=True, slots=True)
class NewSync:
    """A sync task to be made, judged by the API already."""

    request: Mapping[str, Any]
    """What its sub-tasks will be asked for, in a task's spelling, without any secret."""
    secrets: Secrets = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SyncPage:
    """Sync tasks, newest first, and how many match in all."""

    tasks: list[SyncRow]
    count: int


class Point(NamedTuple):
    """A value of a statistic."""

    at: int
    """Where its interval begins, seconds since the epoch."""
    value: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Values over time; intervals in which nothing happened are left out."""

    interval: str
    series: Mapping[str, Sequence[Point]]


@dataclass(slots=True)
class _Backlog:
    """How many keys wait: so many when they were counted, and at most so many more."""

    counted: int
    at: float
    added: int = 0
    """Keys that waited already are among them."""

    @property
    def most(self) -> int:
        """At most so many wait, of what this process took."""
        return self.counted + self.added


class SyncService(Service):
    """Sync tasks of all projects; each method sees those of its caller."""

    def __init__(self, database: Database, keys: KeyRing, *, limits: Syncs | None = None, **common: Any) -> None:
        super().__init__(database, keys, **common)
        self._limits = limits or Syncs()
        self._backlogs: dict[str, _Backlog] = {}
        # A flood of events stands in line here, so that other calls wait for one transaction of it on SQLite.
        self._line = asyncio.Semaphore(1 if database.on_sqlite else EVENTS_AT_ONCE)

    async def create(self, caller: Caller, new: NewSync) -> SyncRow:
        """Add a sync task, started at once, and its sealed credentials.

        Raises:
            Refused: OMS.0077 the project has too many.
        """
        caller.require("oms:synctask:create")
        now = self._clock()
        row = SyncRow(str(uuid.uuid4()), caller.project_id, Sync.SYNCHRONIZING.value, new.request, now, now)
        async with self._database.write() as connection:
            _, count = await rows.find_syncs(connection, SyncFilter(caller.project_id, limit=1))
            if self._quotas.sync_tasks and count >= self._quotas.sync_tasks:
                raise Refused(QUOTA)
            await rows.insert_sync(connection, row, f"created by {caller.user}")
            await credentials.keep(connection, self._keys, row.subject, new.secrets, now)
        return row

    async def list(self, caller: Caller, wanted: SyncFilter) -> SyncPage:
        """Return a page of the caller's sync tasks; the filter's project is the caller's, whatever it says."""
        caller.require("oms:synctask:list")
        async with self._database.read() as connection:
            found, count = await rows.find_syncs(connection, replace(wanted, project_id=caller.project_id))
        return SyncPage(found, count)

    async def show(self, caller: Caller, sync_id: str, query_time: float | None = None) -> tuple[SyncRow, Counts]:
        """Return a sync task with the sums of the calendar month that holds ``query_time``, None is now."""
        caller.require("oms:synctask:get")
        begin, end = month_of(self._clock() if query_time is None else query_time, self._zone)
        async with self._database.read() as connection:
            row = await _found(connection, caller, sync_id)
            return row, await rows.sums(connection, row.id, begin, end)

    async def delete(self, caller: Caller, sync_id: str) -> None:
        """Delete a stopped sync task with the events that wait; what was copied stays.

        Raises:
            Refused: OMS.0063 it is started.
        """
        caller.require("oms:synctask:delete")
        async with self._database.write() as connection:
            row = await _found(connection, caller, sync_id)
            after_call(SYNC, Sync(row.status), Call.DELETE)
            if not await rows.delete_sync(connection, row, self._clock(), f"deleted by {caller.user}"):
                raise Refused("OMS.0063")
        self._backlogs.pop(sync_id, None)
        self._wake()

    async def start(self, caller: Caller, sync_id: str, secrets: Secrets) -> None:
        """Let a stopped sync task go on, with credentials given anew: events are taken again.

        Raises:
            Refused: OMS.0065 it is started.
        """
        caller.require("oms:synctask:update")
        async with self._database.write() as connection:
            row = await _found(connection, caller, sync_id)
            change = Change(self._clock(), f"sync task started by {caller.user}")
            await _move(connection, row, Call.START, change, last_started_at=change.now)
            await credentials.keep(connection, self._keys, row.subject, secrets, change.now)
            await subtasks.let_go_on(connection, Parent(sync_task_id=row.id), change)
        self._wake()

    async def stop(self, caller: Caller, sync_id: str) -> None:
        """Stop a sync task: events are refused, what waits stays, sub-tasks pause. The credentials are wiped.

        Raises:
            Refused: OMS.0066 it is stopped.
        """
        caller.require("oms:synctask:update")
        async with self._database.write() as connection:
            row = await _found(connection, caller, sync_id)
            change = Change(self._clock(), f"sync task stopped by {caller.user}")
            await _move(connection, row, Call.STOP, change)
            await subtasks.hold(connection, Parent(sync_task_id=row.id), change)
            await credentials.wipe(connection, [row.subject])
        self._wake()

    # ---- events -----------------------------------------------------------------------------------------------------

    async def add_events(self, caller: Caller, sync_id: str, keys: Sequence[bytes]) -> None:
        """Queue keys durably: when this returns they survive whatever happens to the process.

        Raises:
            Missing: OMS.2002 there is no such sync task.
            Refused: OMS.2002 it is stopped.
            Busy: OMS.2004 too many keys wait.
        """
        caller.require("oms:synctask:update")
        now = self._clock()
        async with self._line, self._database.write() as connection:
            row = await rows.get_sync(connection, sync_id, caller.project_id, hold=True)
            if row is None:
                raise Missing(NOT_STARTED)
            after_call(SYNC, Sync(row.status), Call.EVENTS)
            backlog = await self._backlog(connection, sync_id, now, room_for=len(keys))
            await rows.accept(connection, sync_id, keys, now)
            await rows.count(connection, sync_id, Counts(requests=len(keys)), now)
        before, backlog.added = backlog.most, backlog.added + len(keys)
        if backlog.most >= self._limits.batch_keys > before:
            self._wake()

    async def _backlog(self, connection: AsyncConnection, sync_id: str, now: float, *, room_for: int) -> _Backlog:
        """Return the backlog, counted now and then; anew before a refusal, unless nothing has come since."""
        known = self._backlogs.get(sync_id)
        old = known is None or not 0 <= now - known.at < RECOUNT_SECONDS
        if known is None or old or (known.added and known.most + room_for > self._limits.waiting_keys):
            known = self._backlogs[sync_id] = _Backlog(await rows.count_waiting(connection, sync_id), now)
        if known.most + room_for > self._limits.waiting_keys:
            raise Busy(BUSY)
        return known

    async def statistics(
        self, caller: Caller, sync_id: str, data_types: Sequence[str], begin: float, end: float
    ) -> Statistics:
        """Return what happened from ``begin`` to ``end``, in seconds since the epoch: buckets that begin in between.

        Five minutes each when that is a day at most, else hours.

        Raises:
            Refused: OMS.1003 the end lies before the beginning, or there would be more than 1,000 values.
        """
        caller.require("oms:synctask:get")
        hourly = end - begin > DAY
        if end < begin or (hourly and end - begin > MOST_POINTS * HOUR):
            raise Refused(CONSTRAINT, f"end_time must follow start_time by at most {MOST_POINTS} hours.")
        step = HOUR if hourly else BUCKET_SECONDS
        async with self._database.read() as connection:
            row = await _found(connection, caller, sync_id)
            found = await rows.buckets(connection, row.id, begin // step * step, end)
        return Statistics(
            ONE_HOUR if hourly else FIVE_MINUTES,
            {name: series_of([(at, getattr(c, DATA_TYPES[name])) for at, c in found], step) for name in data_types},
        )


# ---- pure -----------------------------------------------------------------------------------------------------------


def series_of(values: Sequence[tuple[int, int]], step: int) -> list[Point]:
    """Return values summed over intervals of ``step`` seconds, without the empty ones."""
    summed: dict[int, int] = {}
    for at, value in values:
        begin = at // step * step
        summed[begin] = summed.get(begin, 0) + value
    return [Point(at, value) for at, value in sorted(summed.items()) if value]


def month_of(instant: float, zone: str) -> tuple[float, float]:
    """Return the beginning and the end of the calendar month that holds an instant, in a zone."""
    try:
        moment = datetime.fromtimestamp(instant, ZoneInfo(zone))
    except (OverflowError, ValueError, OSError):
        raise Refused(CONSTRAINT, "query_time is no time.") from None
    first = moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    year, month = (first.year + 1, 1) if first.month == 12 else (first.year, first.month + 1)
    try:
        return first.timestamp(), first.replace(year=year, month=month).timestamp()
    except (OverflowError, ValueError, OSError):
        raise Refused(CONSTRAINT, "query_time is no time.") from None


async def _found(connection: AsyncConnection, caller: Caller, sync_id: str) -> SyncRow:
    row = await rows.get_sync(connection, sync_id, caller.project_id)
    if row is None:
        raise Missing(NO_SYNC)
    return row


async def _move(connection: AsyncConnection, row: SyncRow, call: Call, change: Change, **values: Any) -> None:
    after = after_call(SYNC, Sync(row.status), call)
    if not await rows.change_sync(connection, row, Sync(str(after)), change.now, change.cause, **values):
        raise Refused("OMS.0065" if call is Call.START else "OMS.0066")
