"""The migrations make exactly the tables of ``tables.py``, from every revision, once, whoever comes first."""

import asyncio

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from oms_engine.errors import RepositoryError
from oms_worker.db import migrations
from oms_worker.db.engine import open_database
from oms_worker.db.migrations import current_revision, upgrade
from oms_worker.db.tables import metadata

SCRIPTS = ScriptDirectory.from_config(migrations.config())
REVISIONS = [script.revision for script in reversed(list(SCRIPTS.walk_revisions()))]


@pytest.fixture
async def empty(database_url):
    """A database without tables."""
    opened = open_database(database_url)
    yield opened
    await opened.close()


async def differences(database):
    """Return what Alembic would change to reach ``tables.py``."""
    options = {"compare_type": True, "compare_server_default": True}
    async with database.read() as connection:
        return await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync, opts=options), metadata)
        )


async def test_migrations_make_the_tables(empty):
    """A migrated database holds the tables, columns, types and indexes of ``tables.py``, no more and no less."""
    await upgrade(empty)
    assert await differences(empty) == []
    assert await current_revision(empty) == SCRIPTS.get_current_head()


def test_the_newest_revision_is_the_one_that_a_start_looks_for():
    """The name of the last script, by which a start knows that it may skip Alembic, is Alembic's newest revision."""
    assert SCRIPTS.get_current_head() == migrations.newest()


async def test_a_database_that_is_up_to_date_is_only_read(empty, monkeypatch):
    """Nothing is migrated, locked or imported for a database at the newest revision."""
    await upgrade(empty)
    monkeypatch.setattr(command, "upgrade", None)
    async with empty.write():  # whoever would take the lock waits for this one
        await asyncio.wait_for(upgrade(empty), 10)


async def test_a_missing_column_would_be_seen(empty):
    """The comparison that the other tests trust notices a column that is not there."""
    await upgrade(empty)
    async with empty.write() as connection:
        await connection.execute(text("ALTER TABLE node DROP COLUMN note"))
    assert [change[0] for change in await differences(empty)] == ["add_column"]


@pytest.mark.parametrize("revision", REVISIONS)
async def test_upgrade_from_each_revision(empty, revision):
    """A database of every released revision becomes that of the newest."""
    await upgrade(empty, revision)
    assert await current_revision(empty) == revision
    await upgrade(empty)
    assert await differences(empty) == []


async def test_two_processes_upgrade_at_once(empty, database_url):
    """Processes that start together on an empty database wait for each other; both find it migrated."""
    others = [open_database(database_url) for _ in range(3)]
    await asyncio.gather(upgrade(empty), *(upgrade(other) for other in others))
    assert await differences(empty) == []
    for other in others:
        await other.close()


async def test_a_failed_upgrade_leaves_nothing(empty, monkeypatch):
    """An upgrade that breaks in the middle leaves the database as it was."""
    real = command.upgrade

    def breaking(*words):
        real(*words)
        raise RuntimeError("killed")

    monkeypatch.setattr(command, "upgrade", breaking)
    with pytest.raises(RuntimeError):
        await upgrade(empty)
    assert await current_revision(empty) is None
    monkeypatch.undo()
    await upgrade(empty)
    assert await differences(empty) == []


async def test_a_later_version_is_refused(empty):
    """A database that a later version has migrated is refused with a sentence, and not touched."""
    await upgrade(empty)
    async with empty.write() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num = '9999_future'"))
    with pytest.raises(RepositoryError, match=r"later version.*9999_future"):
        await upgrade(empty)
    async with empty.read() as connection:
        assert (await connection.execute(text("SELECT version_num FROM alembic_version"))).scalar() == "9999_future"
