"""Databases of both kinds, and ledgers in them."""

from contract.ledger_fixtures import ledger_cluster
from support.databases import database, database_url, postgres_cluster
from support.servers import wanted

__all__ = ["database", "database_url", "ledger_cluster", "postgres_cluster"]

collect_ignore = [] if wanted("postgresql") else ["test_ledger_postgres.py"]
