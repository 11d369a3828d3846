"""Fixtures: an empty database of each kind, and services on it. PostgreSQL when OPENOMS_TEST_SERVERS names it."""

from __future__ import annotations

import pytest

from oms_worker.db.engine import open_database
from oms_worker.db.migrations import upgrade
from support.postgres import postgres
from support.servers import wanted

KINDS = ["sqlite", *(["postgresql"] if wanted("postgresql") else [])]


@pytest.fixture(scope="session")
def postgres_cluster():
    """A private PostgreSQL."""
    with postgres() as cluster:
        yield cluster


@pytest.fixture(params=KINDS)
def database_url(request, tmp_path):
    """The URL of an empty database."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path}/service.db"
    return request.getfixturevalue("postgres_cluster").create()


@pytest.fixture
async def database(database_url):
    """A database with all tables."""
    opened = open_database(database_url)
    await upgrade(opened)
    yield opened
    await opened.close()


def _for_a_service(request):
    """None is SQLite in its data directory."""
    return request.getfixturevalue("postgres_cluster").create() if request.param == "postgresql" else None


@pytest.fixture(scope="module", params=KINDS)
def served_database(request):
    """A database of each kind for a service that a module shares."""
    return _for_a_service(request)


@pytest.fixture(params=KINDS)
def own_database(request):
    """A database of each kind for a service of a test's own."""
    return _for_a_service(request)
