"""Gives the ledgers under contract their PostgreSQL, where it is wanted."""

import pytest

from contract.ledgers import PostgresBox
from support.servers import wanted


@pytest.fixture(scope="session", autouse=True)
def ledger_cluster(request):
    """The cluster that boxes make their database in."""
    if wanted("postgresql"):
        PostgresBox.cluster = request.getfixturevalue("postgres_cluster")
