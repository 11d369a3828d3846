"""What every command of the service opens: database and key ring. Without the API, which takes longer to import."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from oms_engine.errors import RepositoryError
from oms_engine.frozen import dataclass
from oms_worker.db.engine import Database, DatabaseAway, open_database
from oms_worker.db.migrations import current_revision, upgrade
from oms_worker.key_rings import KeyPlace
from oms_worker.secrets import KeyRing
from oms_worker.settings import ServiceSettings
from openoms.terminal import complain

ASK_SECONDS = 0.5
"""Between two attempts to reach a database that is starting."""


@dataclass(frozen=True, slots=True)
class Foundations:
    """What every command of the service opens: the database, brought up to date, and the key ring."""

    database: Database
    key_place: KeyPlace

    @property
    def keys(self) -> KeyRing:
        """The ring that seals credentials."""
        return self.key_place.ring


@asynccontextmanager
async def open_foundations(settings: ServiceSettings, *, patience: float = 0.0) -> AsyncIterator[Foundations]:
    """Open the database and the key ring, making both when they are not there.

    A database that is starting is waited for, ``patience`` seconds at most.

    Raises:
        ConfigError: the key ring is missing, damaged, readable for others, or not the one of the database.
        RepositoryError: the database cannot be reached, or is of a later version.
    """
    async with open_upgraded(settings, patience=patience) as database:
        place = KeyPlace(settings)
        await place.open(database)
        yield Foundations(database, place)


@asynccontextmanager
async def open_upgraded(settings: ServiceSettings, *, patience: float = 0.0) -> AsyncIterator[Database]:
    """Open the database alone, brought up to date.

    Raises:
        RepositoryError: it cannot be reached, or is of a later version.
    """
    database = open_database(settings.database_url)
    try:
        await _reach(database, patience)
        await upgrade(database)
        yield database
    finally:
        await database.close()


async def _reach(database: Database, patience: float) -> None:
    """Wait for a database that is starting, and say so once."""
    deadline, waiting = time.monotonic() + patience, False
    while True:
        try:
            async with asyncio.timeout(max(1.0, deadline - time.monotonic()) if patience else None):
                await current_revision(database)
        except (DatabaseAway, TimeoutError) as error:
            if time.monotonic() + ASK_SECONDS >= deadline:
                raise _too_long(error, patience) from None
            if not waiting:
                complain(f"waiting up to {patience:g} s for the database ({error})")
            waiting = True
            await asyncio.sleep(ASK_SECONDS)
        else:
            return


def _too_long(error: Exception, patience: float) -> RepositoryError:
    why = str(error) or "the database does not answer"
    return RepositoryError(f"{why}; it was waited for {patience:g} s (database_wait_seconds)" if patience else why)
