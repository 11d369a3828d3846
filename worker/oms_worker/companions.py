"""What a serve process runs beside the tasks, as one object to wire and start.

Task groups, sync tasks, notifications, and the uploads that deleted tasks leave.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from oms_worker.db.engine import Database
from oms_worker.groups import GroupWorker
from oms_worker.leftovers import Leftovers
from oms_worker.notify import Notifier
from oms_worker.parts import PartPlanner
from oms_worker.retention import Retention
from oms_worker.running import EndHook, Planner
from oms_worker.secrets import KeyRing
from oms_worker.services.groups import GroupService
from oms_worker.services.syncs import SyncService
from oms_worker.settings import ServiceSettings
from oms_worker.sync import SyncWorker


def _nothing() -> None:
    """Wake nobody."""


class Companions:
    """Groups, sync tasks and notifications of one process."""

    def __init__(
        self, database: Database, keys: KeyRing, settings: ServiceSettings, planner: Planner, *, node_id: str
    ) -> None:
        self.planner = PartPlanner(planner)
        """What the runner must plan with, so that sub-tasks cover their part alone."""
        self._wake_runner: Callable[[], None] = _nothing
        self._notifier = Notifier(database, settings)
        self.leftovers = Leftovers(database, keys, settings, planner)
        """Who must hear of tasks before they are deleted."""
        self._retention = Retention(database, settings.task_days, self.leftovers.note)
        self._groups = GroupWorker(
            database,
            keys,
            settings,
            planner,
            node_id=node_id,
            note=self.leftovers.note,
            wake_runner=self._wake,
            hooks=(self._notifier.on_group_end,),
        )
        self._syncs = SyncWorker(database, keys, settings.syncs, note=self.leftovers.note, wake_runner=self._wake)
        self.syncs = SyncService(
            database,
            keys,
            quotas=settings.quotas,
            limits=settings.syncs,
            zone=settings.zone,
            wake=self._wake_all,
        )
        self.groups = GroupService(database, keys, quotas=settings.quotas, zone=settings.zone, wake=self._wake_all)

    @property
    def hooks(self) -> Sequence[EndHook]:
        """What the runner must tell of ends of tasks."""
        return (self._notifier.on_task_end, self._groups.on_task_end, self._syncs.on_task_end)

    @property
    def extras(self) -> Mapping[str, Any]:
        """The services, as the API's context takes them."""
        return {"groups": self.groups, "syncs": self.syncs}

    def _wake(self) -> None:
        self._wake_runner()

    def _wake_all(self) -> None:
        self._groups.wake()
        self._syncs.wake()
        self._wake_runner()

    def start(self, wake_runner: Callable[[], None]) -> None:
        """Begin, on the event loop; ``wake_runner`` has the runner look at the database."""
        self._wake_runner = wake_runner
        self._notifier.start()
        self._groups.start()
        self._syncs.start()
        self.leftovers.start()
        self._retention.start()

    async def stop(self) -> None:
        """End at once; the database knows where to go on."""
        await self._retention.stop()
        await self._groups.stop()
        await self._syncs.stop()
        await self.leftovers.stop()
        await self._notifier.stop()
