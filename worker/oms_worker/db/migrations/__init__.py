"""Alembic migrations of the service's database. Applied when ``openoms serve`` starts; see :func:`upgrade`.

Alembic is imported only when there is something to migrate: it is a quarter of the imports of a start.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from oms_engine.errors import RepositoryError
from oms_worker.db.engine import MIGRATION_LOCK, Database, explained, hold

if TYPE_CHECKING:
    from alembic.config import Config

VERSIONS = Path(__file__).parent / "versions"


def config() -> Config:
    """Return Alembic's configuration; there is no ini file."""
    from alembic.config import Config  # noqa: PLC0415 - only when there is something to migrate

    found = Config()
    found.set_main_option("script_location", str(Path(__file__).parent))
    found.set_main_option("path_separator", "os")
    return found


def newest() -> str:
    """Return the newest revision, without Alembic: it is the name of the last script."""
    return max(script.stem for script in VERSIONS.glob("v[0-9]*.py")).removeprefix("v")


async def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the database to a revision, under a lock that another process waits for; one that is there is only read.

    Raises:
        RepositoryError: the database is of a later version of this program, or cannot be written.
    """
    if revision == "head" and await current_revision(database) == newest():
        return
    async with explained(), database.engine.connect() as connection:
        # SQLite: alone from the start. PostgreSQL: an advisory lock, since its DDL is transactional.
        writing = await connection.execution_options(openoms_begin="BEGIN EXCLUSIVE")
        async with writing.begin():
            await hold(writing, MIGRATION_LOCK)
            await writing.run_sync(_upgrade, revision)


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command  # noqa: PLC0415 - as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    settings = config()
    current = _revision(connection)
    known = {script.revision for script in ScriptDirectory.from_config(settings).walk_revisions()}
    if current is not None and current not in known:
        raise RepositoryError(f"the database is of a later version of OpenOMS (revision {current}): upgrade OpenOMS.")
    settings.attributes["connection"] = connection
    command.upgrade(settings, revision)


async def current_revision(database: Database) -> str | None:
    """Return the revision a database stands at, None when it is empty.

    Raises:
        RepositoryError: the database does not answer.
    """
    async with database.read() as connection:
        return await connection.run_sync(_revision)


def _revision(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
