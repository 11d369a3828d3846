"""Takes waiting tasks for this node, and ends those that have waited for too long.

Which ones is decided by ``scheduler.py``. It is asked before any lock is taken, so a node that has no room, or a queue
whose projects have all that they may, costs one look at an index.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_engine.errors import RepositoryError
from oms_engine.model import Secret
from oms_worker import scheduler
from oms_worker.db import credentials, queue
from oms_worker.db import tasks as rows
from oms_worker.db.engine import SCHEDULING_LOCK, Database
from oms_worker.db.tasks import TaskRow
from oms_worker.ends import Ends
from oms_worker.scheduler import Decision, Limits
from oms_worker.secrets import KeyRing
from oms_worker.settings import ServiceSettings

EXPIRY_SECONDS = 60.0
"""Between two looks for tasks that have waited for too long."""
MOST_AT_ONCE = 16
"""Claims in one transaction: calls that write wait for its end."""


class Claimed(NamedTuple):
    """A task that this node runs from now on."""

    row: TaskRow
    secrets: Mapping[str, Secret] | None
    """What opens its stores; None when it was wiped."""
    keys: list[str]
    """Its inline keys, URL-encoded, mostly none."""


class Claims:
    """The claims of one node."""

    def __init__(self, database: Database, keys: KeyRing, settings: ServiceSettings, node_id: str, ends: Ends) -> None:
        self._database = database
        self._keys = keys
        self._settings = settings
        self._node = node_id
        self._ends = ends
        self._looked_for_expired: float | None = None

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
            for number in decision.expire:
                await self._ends.expire(connection, number, now)
            chosen = decision.start[:MOST_AT_ONCE]
            claims = [await rows.claim_task(connection, number, self._node, now) for number in chosen]
        taken = [row for row in claims if row is not None]
        async with self._database.read() as connection:
            return [await self._load(connection, row) for row in taken], len(decision.start) > len(chosen)

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
        return scheduler.decide(
            await queue.waiting_tasks(connection, projects),
            {name: crowd.running for name, crowd in crowds.items()},
            limits,
            now,
            running_in_groups=await queue.running_in_groups(connection),
        )

    async def _load(self, connection: AsyncConnection, row: TaskRow) -> Claimed:
        """Open a task's credentials, its own or those of its group or sync task, and its inline keys."""
        secrets = None
        for owner in _owners(row):
            with suppress(RepositoryError):  # sealed under a key that is gone: as good as wiped
                secrets = secrets or await credentials.secrets_of(connection, self._keys, owner)
        keys = await rows.inline_keys(connection, row.id) if row.sync_task_id else []
        return Claimed(row, secrets, keys)


def _owners(row: TaskRow) -> list[str]:
    groups = [f"group:{row.group_id}"] if row.group_id else []
    syncs = [f"sync:{row.sync_task_id}"] if row.sync_task_id else []
    return [row.subject, *groups, *syncs]
