"""Ledgers in databases."""

from contract.ledger_fixtures import ledger_cluster
from support.databases import postgres_cluster

__all__ = ["ledger_cluster", "postgres_cluster"]
