"""The record lists of the PostgreSQL ledger: their lines lie in the database until they are in the destination bucket.

So they outlive the host. What lies there is bounded: one open list per outcome and task, closed at its limit
(``record_file_bytes``), and the closed ones until they are uploaded, which is tried every few seconds. To be uploaded a
closed list is written to a local file; that is a copy, and another host makes the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oms_worker.spool import Spool
from oms_worker.sql_database import SqlDatabase
from oms_worker.sql_lists import ListId, RecordLists
from oms_worker.sqlite_file import explain, make_private_parents

_WRITE = "INSERT INTO record_lines (@column name, start, lines) VALUES (@value :name, :start, :lines)"
_READ = "SELECT start, lines FROM record_lines WHERE @mine AND name = :name ORDER BY start"


class StoredLists(RecordLists):
    """The tables ``record_file`` and ``record_lines``; the lines go with their list. ``directory`` holds copies."""

    def __init__(self, db: SqlDatabase, directory: str, clock: Callable[[], float]) -> None:
        super().__init__(db, clock)
        self._copies = Spool(directory)
        self._copied: set[str] = set()

    def _write(self, item: ListId, offset: int, data: bytes) -> None:
        self._db.execute(_WRITE, name=item.name, start=offset, lines=data)

    def _read(self, item: ListId, size: int) -> bytes:
        return b"".join(bytes(lines) for _, lines in self._db.rows(_READ, name=item.name))[:size]

    def _seal(self, item: ListId, size: int) -> None:
        """Nothing: the database holds no more than was committed."""

    def _path(self, item: ListId, size: int) -> str:
        path = self._copies.path(*item)
        if path not in self._copied or not Path(path).exists():
            self._copies.remove(path)
            self._copy(item, path, size)
            self._copied.add(path)
        return path

    def _copy(self, item: ListId, path: str, size: int) -> None:
        """Write a list to a local file.

        Raises:
            RepositoryError: there is no room for it.
        """
        rows = self._db.rows(_READ, name=item.name)
        try:
            make_private_parents(self._copies.directory)
            for start, lines in rows:
                self._copies.write(path, start, lines)
            self._copies.seal(path, size)
        except OSError as error:
            raise explain(error, path) from error

    def _dropped(self, item: ListId) -> None:
        path = self._copies.path(*item)
        self._copied.discard(path)
        self._copies.remove(path)

    def recover(self, run: int) -> None:
        """Remove the copies that an earlier process left; the lines themselves are what was committed."""
        del run
        self._forget()

    def drop_old(self, run: int) -> None:
        """Nothing: the lists of earlier runs went when this one began."""

    def _forget(self) -> None:
        self._copied.clear()
        self._copies.remove_except(set())

    def close(self) -> None:
        """Remove the copies."""
        self._forget()
        self._copies.close()
