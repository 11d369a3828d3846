"""The record lists of the SQLite ledger: their lines lie in local files beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from zlib import crc32

from oms_engine.ledger import RecordLine
from oms_worker.spool import Spool
from oms_worker.sql_database import SqlDatabase
from oms_worker.sql_lists import ListId, RecordLists

_SYNC_SECONDS = 5.0
"""How often lists are brought to the disk: about when the kernel would write them back by itself."""


class SpooledLists(RecordLists):
    """The table ``record_file`` and the spool under it."""

    def __init__(self, db: SqlDatabase, directory: str, clock: Callable[[], float]) -> None:
        super().__init__(db, clock)
        self._spool = Spool(directory)
        self._synced = clock()

    def add(self, run: int, records: Iterable[RecordLine]) -> None:
        """Append lines; bring the files to the disk now and then."""
        super().add(run, records)
        if self._clock() - self._synced >= _SYNC_SECONDS:
            self._spool.sync()
            self._synced = self._clock()

    def _write(self, item: ListId, offset: int, data: bytes) -> None:
        self._spool.write(self._spool.path(*item), offset, data)
        (crc,) = self._db.row("SELECT crc FROM record_file WHERE name = :name", name=item.name)
        if crc is None and offset:  # begun by a version that kept no check values
            return
        sql = "UPDATE record_file SET crc = :crc WHERE name = :name"
        self._db.execute(sql, crc=crc32(data, crc or 0), name=item.name)

    def _read(self, item: ListId, size: int) -> bytes:
        with open(self._spool.path(*item), "rb") as file:  # noqa: PTH123 - import time
            return file.read(size)

    def _seal(self, item: ListId, size: int) -> None:
        self._spool.seal(self._spool.path(*item), size)

    def _path(self, item: ListId, size: int) -> str:
        del size  # the sealed file has it
        return self._spool.path(*item)

    def _dropped(self, item: ListId) -> None:
        self._spool.remove(self._spool.path(*item))

    def recover(self, run: int) -> None:
        """Make the files of a run what was committed."""
        rows = self._db.rows("SELECT outcome, name, size, crc FROM record_file WHERE @mine AND run = :run", run=run)
        self._spool.recover({self._spool.path(run, *row[:2]): row[2:] for row in rows}, run)

    def drop_old(self, run: int) -> None:
        """Delete the files of earlier runs."""
        rows = self._db.rows("SELECT outcome, name FROM record_file WHERE @mine AND run = :run", run=run)
        self._spool.remove_except({self._spool.path(run, *row) for row in rows})

    def close(self) -> None:
        """Close the files."""
        self._spool.close()
