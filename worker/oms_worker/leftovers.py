"""Multipart uploads that deleted tasks leave at their destinations: told, and aborted when keys are at hand again.

A task that stands still has no credentials any more: they are wiped at its stop. Its parts stay at the destination, so
that it can go on without sending them again; when it is deleted instead, nobody could abort them, and parts cost money.
So a deletion writes down what is left, says so in the log and in the journal, and the uploads are aborted as soon as
another task, group or sync task of the same project brings keys for the same bucket.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing, suppress
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.errors import ConfigError, RepositoryError
from oms_engine.ledger import Orphan
from oms_engine.orphans import clear_orphans
from oms_engine.wire import Wire
from oms_worker.db import credentials, kept
from oms_worker.db import leftovers as rows
from oms_worker.db.engine import Database
from oms_worker.db.events import Transition, record_transitions
from oms_worker.db.leftovers import Left, Owner, Place
from oms_worker.db.tasks import TaskRow
from oms_worker.kept_ledgers import unpacked
from oms_worker.running import Planner, engine_settings
from oms_worker.scheduler import DAY
from oms_worker.secrets import KeyRing
from oms_worker.settings import ServiceSettings
from oms_worker.sql_rows import key_text
from oms_worker.states import Task
from oms_worker.turns import Turns

log = logging.getLogger(__name__)

AT_ONCE = 500
AGAIN_SECONDS = 60.0
"""After this an upload that could not be aborted is tried again."""
KEPT_DAYS = 30.0
"""An upload that could not be aborted for this long is forgotten."""

_Where = tuple[str, str, str, str]


class Leftovers:
    """What deleted tasks have left."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        settings: ServiceSettings,
        planner: Planner,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._keys = keys
        self._settings = settings
        self._planner = planner
        self._clock = clock
        self._turns = Turns("uploads of deleted tasks", self.turn)

    # ---- in the transaction of a deletion ---------------------------------------------------------------------------

    async def note(self, connection: AsyncConnection, task_ids: Sequence[int]) -> None:
        """Write down the uploads in flight of tasks that are about to be deleted."""
        places = await rows.places_of(connection, task_ids)
        if not places:
            return
        numbers = [place.task_id for place in places]
        if self._database.on_sqlite:
            left = await asyncio.to_thread(uploads_in_files, self._settings.ledger_dir, numbers)
            packs = await kept.kept(connection, numbers)
            left += await asyncio.to_thread(uploads_in_packs, self._settings.ledger_dir, packs)
        else:
            left = await rows.uploads_in_ledgers(connection, numbers)
        now = self._clock()
        await rows.keep(connection, places, left, now)
        await self._tell(connection, places, left, now)

    async def _tell(
        self, connection: AsyncConnection, places: Sequence[Place], left: Sequence[Left], now: float
    ) -> None:
        for place in places:
            count = sum(item.task_id == place.task_id for item in left)
            if count:
                bucket = place.destination.get("bucket", "")
                message = f"{count} uploads in flight stay in bucket {bucket} until keys for it are given again"
                log.warning("task %s is deleted; %s", place.task_id, message)
                await record_transitions(
                    connection, [Transition(now, f"task:{place.task_id}", "uploads", "left", message)]
                )

    # ---- aborting ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Begin."""
        self._turns.start()

    async def stop(self) -> None:
        """End at once."""
        await self._turns.stop()

    async def turn(self) -> None:
        """Abort what keys are at hand for."""
        now = self._clock()
        async with self._database.read() as connection:
            found = await rows.due(connection, now, AT_ONCE)
            if not found:
                return
            owners = await rows.owners_in(connection, {place.project_id for place, _ in found})
        for place, items in _by_place(found).items():
            config = await self._config_for(place, owners)
            if config is not None:
                await self._abort(config, items, now)
        async with self._database.write() as connection:
            if gone := await rows.give_up(connection, now - KEPT_DAYS * DAY):
                log.warning("%s uploads of deleted tasks could not be aborted in %s days", gone, KEPT_DAYS)

    async def _config_for(self, place: _Where, owners: Iterable[Owner]) -> StoreConfig | None:
        """Return the destination as the credentials of somebody who writes there too open it; None when nobody does."""
        for owner in owners:
            if where_of(owner.project_id, owner.request.get("dst_node", {})) != place:
                continue
            with suppress(RepositoryError, ConfigError):
                async with self._database.read() as connection:
                    secrets = await credentials.secrets_of(connection, self._keys, owner.subject)
                if secrets is not None:
                    row = TaskRow(0, owner.project_id, owner.subject, int(Task.WAITING), owner.request, 0.0, 0.0)
                    return self._planner(row, secrets, ()).destination
        return None

    async def _abort(self, config: StoreConfig, items: Sequence[Left], now: float) -> None:
        orphans = {Orphan(key_text(item.key), *item[2:]): item for item in items}
        async with Wire(engine_settings(self._settings.work).wire) as wire:
            cleared = await clear_orphans(orphans, open_store(config), wire)
        gone = {orphans[orphan] for orphan in cleared.gone}
        async with self._database.write() as connection:
            await rows.forget(connection, gone)
            await rows.put_off(connection, [item for item in items if item not in gone], now + AGAIN_SECONDS)
        log.info("%s uploads of deleted tasks are aborted in bucket %s", cleared.aborted, config.bucket)
        if cleared.errors:
            log.warning("%s uploads of deleted tasks cannot be aborted yet: %s", len(cleared.errors), cleared.errors[0])


def where_of(project_id: str, destination: Mapping[str, str]) -> _Where:
    """Return what makes two destinations the same: project, cloud, region, bucket."""
    cloud, region, bucket = (destination.get(name, "") for name in ("cloud_type", "region", "bucket"))
    return project_id, cloud, region, bucket


def _by_place(found: Iterable[tuple[Place, Left]]) -> dict[_Where, list[Left]]:
    places: dict[_Where, list[Left]] = {}
    for place, item in found:
        places.setdefault(where_of(place.project_id, place.destination), []).append(item)
    return places


def uploads_in_packs(folder: Path, packs: Mapping[int, bytes]) -> list[Left]:
    """Return the uploads that kept ledgers remember of tasks that have no file in ``folder``."""
    alone = {number: content for number, content in packs.items() if not (folder / f"{number}.db").exists()}
    with unpacked(alone) as place:
        return uploads_in_files(place, alone)


def uploads_in_files(folder: Path, task_ids: Iterable[int]) -> list[Left]:
    """Return the uploads that ledgers in files remember; one that cannot be read is told of and left out."""
    found: list[Left] = []
    for number in task_ids:
        path = folder / f"{number}.db"
        if not path.exists():
            continue
        try:
            with closing(sqlite3.connect(path, timeout=1.0)) as ledger:
                rows_ = ledger.execute("SELECT key, upload_id, 0.0, '' FROM upload").fetchall()
                if ledger.execute("SELECT 1 FROM sqlite_master WHERE name = 'orphan'").fetchone():
                    rows_ += ledger.execute("SELECT key, upload_id, since, known FROM orphan").fetchall()
        except sqlite3.Error as error:
            log.warning("the ledger of task %s cannot be read for its uploads in flight: %s", number, error)
        else:
            found += [Left(number, bytes(key), *rest) for key, *rest in rows_]
    return found
