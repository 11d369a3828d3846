"""The multipart uploads in flight, in the SQLite ledger: what a later process goes on with, or aborts."""

from __future__ import annotations

from oms_engine.ledger import Upload
from oms_engine.model import WrittenPart, key_bytes
from oms_worker.sqlite_database import Database
from oms_worker.sqlite_rows import PART, UPLOAD, parse_part, parse_upload, render_part, storable


class Uploads:
    """The tables ``upload`` and ``part``. They outlive runs: a part that was proved need not be sent again."""

    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, key: str) -> Upload | None:
        """Return the upload in flight for a destination key."""
        row = self._db.row_or_none(f"SELECT {UPLOAD} FROM upload WHERE key = ?", (key_bytes(key),))  # noqa: S608
        return None if row is None else parse_upload(row)

    def all(self) -> list[Upload]:
        """Return every upload in flight, by key."""
        return [parse_upload(row) for row in self._db.rows(f"SELECT {UPLOAD} FROM upload ORDER BY key")]  # noqa: S608

    def save(self, upload: Upload) -> None:
        """Remember an upload; an earlier one of its key goes, with its parts."""
        key, upload_id, source_etag, size, part_size = upload
        with self._db.transaction():
            self._delete(key)
            self._db.execute(
                f"INSERT INTO upload ({UPLOAD}) VALUES (?, ?, ?, ?, ?)",  # noqa: S608 - our own names
                (key_bytes(key), storable(upload_id), storable(source_etag), size, part_size),
            )

    def save_part(self, key: str, part: WrittenPart) -> None:
        """Remember a part; nothing happens when no upload of the key is in flight."""
        with self._db.transaction():
            self._db.execute(
                f"INSERT OR REPLACE INTO part (key, {PART})"  # noqa: S608 - our own names
                " SELECT ?, ?, ?, ?, ?, ? WHERE EXISTS (SELECT 1 FROM upload WHERE key = ?)",
                (key_bytes(key), *render_part(part), key_bytes(key)),
            )

    def parts(self, key: str) -> list[WrittenPart]:
        """Return the parts of an upload in flight, by number."""
        sql = f"SELECT {PART} FROM part WHERE key = ? ORDER BY number"  # noqa: S608 - our own names
        return [parse_part(row) for row in self._db.rows(sql, (key_bytes(key),))]

    def forget(self, key: str) -> None:
        """Forget an upload and its parts; an unknown one is no error."""
        with self._db.transaction():
            self._delete(key)

    def _delete(self, key: str) -> None:
        self._db.execute("DELETE FROM part WHERE key = ?", (key_bytes(key),))
        self._db.execute("DELETE FROM upload WHERE key = ?", (key_bytes(key),))
