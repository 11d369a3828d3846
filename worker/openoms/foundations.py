"""What every command of the service opens: database and key ring. Without the API, which takes longer to import."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oms_engine.frozen import dataclass
from oms_worker.db.engine import Database, open_database
from oms_worker.db.migrations import upgrade
from oms_worker.secrets import KeyRing, load_ring
from oms_worker.settings import ServiceSettings


@dataclass(frozen=True, slots=True)
class Foundations:
    """What every command of the service opens: the database, brought up to date, and the key ring."""

    database: Database
    keys: KeyRing


@asynccontextmanager
async def open_foundations(settings: ServiceSettings) -> AsyncIterator[Foundations]:
    """Open the database and the key ring, making both when they are not there.

    Raises:
        ConfigError: the key file is readable for others, or damaged.
        RepositoryError: the database cannot be reached, or is of a later version.
    """
    database = open_database(settings.database_url)
    try:
        keys = load_ring(settings.key_path, create=True)
        await upgrade(database)
        yield Foundations(database, keys)
    finally:
        await database.close()
