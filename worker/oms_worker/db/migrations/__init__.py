"""Alembic migrations of the service's database. Applied when ``openoms serve`` starts; see :func:`upgrade`."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from oms_engine.errors import RepositoryError
from oms_worker.db.engine import MIGRATION_LOCK, Database, explained, hold


def config() -> Config:
    """Return Alembic's configuration; there is no ini file."""
    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent))
    found.set_main_option("path_separator", "os")
    return found


async def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database to a revision, under a lock that another process waits for.

    Raises:
        RepositoryError: the database is of a later version of this program, or cannot be written.
    """
    async with explained(), database.engine.connect() as connection:
        # SQLite: alone from the start. PostgreSQL: an advisory lock, since its DDL is transactional.
        writing = await connection.execution_options(openoms_begin="BEGIN EXCLUSIVE")
        async with writing.begin():
            await hold(writing, MIGRATION_LOCK)
            await writing.run_sync(_upgrade, revision)


def _upgrade(connection: Connection, revision: str) -> None:
    settings = config()
    current = MigrationContext.configure(connection).get_current_revision()
    known = {script.revision for script in ScriptDirectory.from_config(settings).walk_revisions()}
    if current is not None and current not in known:
        raise RepositoryError(f"the database is of a later version of OpenOMS (revision {current}): upgrade OpenOMS.")
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


async def current_revision(database: Database) -> str | None:
    """Return the revision a database stands at, None when it is empty."""
    async with database.read() as connection:
        await connection.execute(text("SELECT 1"))
        return await connection.run_sync(lambda sync: MigrationContext.configure(sync).get_current_revision())
