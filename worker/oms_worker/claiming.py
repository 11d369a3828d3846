"""Takes waiting tasks for this node, and ends those that have waited for too long.

Which ones is decided by ``scheduler.py``. It is asked before any lock is taken, so a node that has no room, or a queue
whose projects have all that they may, costs one look at an index. Of what may start a node takes its share by the room
that it and others have, and leaves the rest to them for a moment. A node whose key ring does not open the credentials
of the database claims nothing; a task whose own credentials it cannot open goes back to the queue, and never fails.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.errors import ConfigError, RepositoryError
from oms_engine.model import Secret
from oms_worker import scheduler
from oms_worker.db import credentials, kept, nodes, queue
from oms_worker.db import tasks as rows
from oms_worker.db.engine import SCHEDULING_LOCK, Database
from oms_worker.db.tasks import TaskRow
from oms_worker.ends import Ends
from oms_worker.key_rings import KeyWatch, nothing_wrong
from oms_worker.scheduler import Decision, Limits, Room, share
from oms_worker.secrets import KeyRing, UnknownKey
from oms_worker.settings import ServiceSettings
from oms_worker.takeover import release_some

log = logging.getLogger(__name__)

EXPIRY_SECONDS = 60.0
"""Between two looks for tasks that have waited for too long."""
MOST_AT_ONCE = 16
"""Claims in one transaction: calls that write wait for its end."""
LEFT_SECONDS = 3.0
"""A task that was left for so long to a node with more room is taken by whoever has any: that node does not take it."""
UNOPENED_SECONDS = 60.0
"""A task whose credentials this node could not open is left to others for so long."""


class Claimed(NamedTuple):
    """A task that this node runs from now on."""

    row: TaskRow
    secrets: Mapping[str, Secret] | None
    """What opens its stores; None when it was wiped."""
    keys: list[str]
    """Its inline keys, URL-encoded, mostly none."""
    ledger: bytes | None = None
    """What is kept of its ledger, where it ran before and has no file."""


class Claims:
    """The claims of one node."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        settings: ServiceSettings,
        node_id: str,
        ends: Ends,
        *,
        watch: KeyWatch = nothing_wrong,
    ) -> None:
        self._database = database
        self._keys = keys
        self._settings = settings
        self._node = node_id
        self._ends = ends
        self._watch = watch
        self._looked_for_expired: float | None = None
        self._left: dict[int, float] = {}
        self._unopened: dict[int, float] = {}
        self.complaint = ""
        """What is wrong with this node's key ring."""

    async def look_at_keys(self, connection: AsyncConnection) -> None:
        """See whether this node's key ring is still the one of the others."""
        found = await self._watch(connection)
        if found and found != self.complaint:
            log.error("this node takes no tasks: %s", found)
        self.complaint = found

    async def take(self, free: int, now: float) -> tuple[list[Claimed], bool]:
        """Claim what may start, ``free`` tasks at most, and return it, and whether more may start at once."""
        late = self._looked_for_expired is None or not 0 <= now - self._looked_for_expired < EXPIRY_SECONDS
        if free <= 0 and not late:
            return [], False
        limits = self._limits(free)
        async with self._database.read() as connection:
            found = await self._decide(connection, limits, now, everywhere=late)
        if late:
            self._looked_for_expired = now
        if not (found.start or found.expire):
            return [], False
        return await self._carry_out(found, limits, now, everywhere=late)

    async def _carry_out(
        self, decision: Decision, limits: Limits, now: float, *, everywhere: bool
    ) -> tuple[list[Claimed], bool]:
        async with self._database.lock(SCHEDULING_LOCK) as connection:
            if not self._database.on_sqlite:  # another node may have been quicker: decided again
                decision = await self._decide(connection, limits, now, everywhere=everywhere)
            await self.look_at_keys(connection)
            for number in decision.expire:
                await self._ends.expire(connection, number, now)
            chosen = () if self.complaint else decision.start[:MOST_AT_ONCE]
            claims = [await rows.claim_task(connection, number, self._node, now) for number in chosen]
        taken = [row for row in claims if row is not None]
        return await self._open(taken, now), 0 < len(chosen) < len(decision.start)

    async def _open(self, taken: Sequence[TaskRow], now: float) -> list[Claimed]:
        """Open the credentials of claimed tasks; those that this node cannot open go back to the queue."""
        opened: list[Claimed] = []
        closed: list[int] = []
        async with self._database.read() as connection:
            for row in taken:
                try:
                    opened.append(await self._load(connection, row))
                except (UnknownKey, ConfigError) as error:
                    log.warning("task %s is left to other nodes: %s", row.id, error)
                    closed.append(row.id)
        if closed:
            self._unopened |= dict.fromkeys(closed, time.monotonic())
            async with self._database.write() as connection:
                await release_some(connection, self._node, closed, now, "its node cannot open its credentials")
        return opened

    def _limits(self, free: int) -> Limits:
        settings = self._settings
        return Limits(
            free=max(0, free),
            running_per_project=settings.quotas.running_tasks,
            running_per_group=settings.groups.concurrent_tasks,
            ageing_seconds=settings.queue.ageing_seconds,
            expiry_seconds=settings.queue.expiry_days * scheduler.DAY,
        )

    async def _decide(self, connection: AsyncConnection, limits: Limits, now: float, *, everywhere: bool) -> Decision:
        """Decide over the projects that have room, or over all where expired tasks are looked for too."""
        crowds = await queue.crowds(connection)
        quota = limits.running_per_project
        projects = [
            name
            for name, crowd in crowds.items()
            if crowd.waiting and (everywhere or (limits.free and (not quota or crowd.running < quota)))
        ]
        if not projects:
            return Decision()
        rooms = await self._rooms(connection, limits.free)
        everybody = replace(limits, free=sum(room.free for room in rooms.values()))
        left = time.monotonic() - UNOPENED_SECONDS
        self._unopened = {number: since for number, since in self._unopened.items() if since > left}
        waiting = [item for item in await queue.waiting_tasks(connection, projects) if item.id not in self._unopened]
        running = {name: crowd.running for name, crowd in crowds.items()}
        in_groups = await queue.running_in_groups(connection)
        found = scheduler.decide(waiting, running, everybody, now, running_in_groups=in_groups)
        return replace(found, start=self._mine(found.start, rooms, limits.free))

    async def _rooms(self, connection: AsyncConnection, free: int) -> dict[str, Room]:
        """Return what this node and the others have room for; on SQLite no other runs tasks."""
        most = self._settings.work.tasks
        mine = {self._node: Room(most, most - free)}
        if self._database.on_sqlite:
            return mine
        silent_since = await nodes.clock(connection) - self._settings.work.dead_seconds / 3
        return await nodes.rooms(connection, silent_since) | mine

    def _mine(self, start: Sequence[int], rooms: Mapping[str, Room], free: int) -> tuple[int, ...]:
        """Return this node's share, with what others were left and did not take."""
        mine = min(free, share(len(start), rooms, self._node))
        now = time.monotonic()
        self._left = {number: self._left.get(number, now) for number in start[mine:]}
        forsaken = [number for number, since in self._left.items() if now - since > LEFT_SECONDS]
        return (*start[:mine], *forsaken[: free - mine])

    async def _load(self, connection: AsyncConnection, row: TaskRow) -> Claimed:
        """Open a task's credentials, its own or those of its group or sync task, and its inline keys."""
        secrets = None
        for owner in _owners(row):
            try:
                secrets = secrets or await credentials.secrets_of(connection, self._keys, owner)
            except UnknownKey:
                raise
            except RepositoryError as error:  # altered: as good as wiped, for every node
                log.error("%s", error)  # noqa: TRY400 - a sentence
        keys = await rows.inline_keys(connection, row.id) if row.sync_task_id else []
        ledgers = await kept.kept(connection, [row.id]) if row.run > 1 else {}
        return Claimed(row, secrets, keys, ledgers.get(row.id))


def _owners(row: TaskRow) -> list[str]:
    groups = [f"group:{row.group_id}"] if row.group_id else []
    syncs = [f"sync:{row.sync_task_id}"] if row.sync_task_id else []
    return [row.subject, *groups, *syncs]
