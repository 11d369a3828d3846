"""Damaged copies at the destination, in a ledger in SQL: what a later process copies again."""

from __future__ import annotations

from oms_engine.ledger import Doubt
from oms_engine.model import key_bytes
from oms_worker.sql_database import SqlDatabase
from oms_worker.sql_rows import DOUBT, key_text, named, storable

_ALL = f"SELECT {DOUBT} FROM doubt WHERE @mine ORDER BY key"  # noqa: S608 - our own names, here and below
_SAVE = f"INSERT INTO doubt (@column {DOUBT}) VALUES (@value {named(DOUBT)})"  # noqa: S608


class Doubts:
    """The table ``doubt``. It outlives runs: a damaged copy stays one until it is gone or replaced."""

    def __init__(self, db: SqlDatabase) -> None:
        self._db = db

    def all(self) -> list[Doubt]:
        """Return every damaged copy, by key."""
        return [Doubt(key_text(bytes(key)), etag) for key, etag in self._db.rows(_ALL)]

    def save(self, doubt: Doubt) -> None:
        """Remember a damaged copy; an earlier doubt of its key is replaced."""
        with self._db.transaction():
            self._delete(doubt.key)
            self._db.execute(_SAVE, key=key_bytes(doubt.key), etag=storable(doubt.etag))

    def forget(self, key: str) -> None:
        """Forget a damaged copy; an unknown one is no error."""
        with self._db.transaction():
            self._delete(key)

    def _delete(self, key: str) -> None:
        self._db.execute("DELETE FROM doubt WHERE @mine AND key = :key", key=key_bytes(key))
