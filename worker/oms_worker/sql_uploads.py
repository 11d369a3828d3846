"""The multipart uploads in flight, in a ledger in SQL: what a later process goes on with, or aborts."""

from __future__ import annotations

from oms_engine.ledger import Orphan, Upload
from oms_engine.model import WrittenPart, key_bytes
from oms_worker.sql_database import SqlDatabase
from oms_worker.sql_rows import (
    ORPHAN,
    PART,
    UPLOAD,
    named,
    parse_orphan,
    parse_part,
    parse_upload,
    render_orphan,
    render_part,
    render_upload,
)

_GET = f"SELECT {UPLOAD} FROM upload WHERE @mine AND key = :key"  # noqa: S608 - our own names, here and below
_ALL = f"SELECT {UPLOAD} FROM upload WHERE @mine ORDER BY key"  # noqa: S608
_SAVE = f"INSERT INTO upload (@column {UPLOAD}) VALUES (@value {named(UPLOAD)})"  # noqa: S608
_PARTS = f"SELECT {PART} FROM part WHERE @mine AND key = :key ORDER BY number"  # noqa: S608
_SAVE_PART = (
    f"INSERT INTO part (@column key, {PART})"  # noqa: S608
    f" SELECT @value :key, {named(PART)} WHERE EXISTS (SELECT 1 FROM upload WHERE @mine AND key = :key)"
)

_SAVE_ORPHAN = f"INSERT INTO orphan (@column {ORPHAN}) VALUES (@value {named(ORPHAN)}) ON CONFLICT DO NOTHING"  # noqa: S608
_ORPHANS = f"SELECT {ORPHAN} FROM orphan WHERE @mine ORDER BY key, upload_id, since"  # noqa: S608
_FORGET_ORPHAN = "DELETE FROM orphan WHERE @mine AND key = :key AND upload_id = :upload_id AND since = :since"


class Uploads:
    """The tables ``upload``, ``part`` and ``orphan``. They outlive runs: a proved part need not be sent again."""

    def __init__(self, db: SqlDatabase) -> None:
        self._db = db

    def get(self, key: str) -> Upload | None:
        """Return the upload in flight for a destination key."""
        row = self._db.row_or_none(_GET, key=key_bytes(key))
        return None if row is None else parse_upload(row)

    def all(self) -> list[Upload]:
        """Return every upload in flight, by key."""
        return [parse_upload(row) for row in self._db.rows(_ALL)]

    def save(self, upload: Upload) -> None:
        """Remember an upload; an earlier one of its key becomes an orphan, its parts go."""
        with self._db.transaction():
            earlier = self.get(upload.key)
            if earlier is not None and earlier.upload_id != upload.upload_id:
                self._db.execute(_SAVE_ORPHAN, **render_orphan(Orphan(upload.key, earlier.upload_id)))
            self._delete(upload.key)
            self._db.execute(_SAVE, **render_upload(upload))

    def save_part(self, key: str, part: WrittenPart) -> None:
        """Remember a part; nothing happens when no upload of the key is in flight."""
        known, number = key_bytes(key), part.number
        with self._db.transaction():
            self._db.execute(
                "DELETE FROM part WHERE @mine AND key = :key AND number = :number", key=known, number=number
            )
            self._db.execute(_SAVE_PART, key=known, **render_part(part))

    def parts(self, key: str) -> list[WrittenPart]:
        """Return the parts of an upload in flight, by number."""
        return [parse_part(row) for row in self._db.rows(_PARTS, key=key_bytes(key))]

    def forget(self, key: str) -> None:
        """Forget an upload and its parts; an unknown one is no error."""
        with self._db.transaction():
            self._delete(key)

    def orphan(self, key: str) -> None:
        """Make the upload of a key an orphan, in one commit."""
        with self._db.transaction():
            upload = self.get(key)
            if upload is not None:
                self._db.execute(_SAVE_ORPHAN, **render_orphan(Orphan(key, upload.upload_id)))
                self._delete(key)

    def save_orphan(self, orphan: Orphan) -> None:
        """Remember an orphan; a known one changes nothing."""
        with self._db.transaction():
            self._db.execute(_SAVE_ORPHAN, **render_orphan(orphan))

    def forget_orphan(self, orphan: Orphan) -> None:
        """Forget an orphan; an unknown one is no error."""
        row = render_orphan(orphan)
        with self._db.transaction():
            self._db.execute(_FORGET_ORPHAN, key=row["key"], upload_id=row["upload_id"], since=orphan.since)

    def orphans(self) -> list[Orphan]:
        """Return every orphan, by key."""
        return [parse_orphan(row) for row in self._db.rows(_ORPHANS)]

    def _delete(self, key: str) -> None:
        self._db.execute("DELETE FROM part WHERE @mine AND key = :key", key=key_bytes(key))
        self._db.execute("DELETE FROM upload WHERE @mine AND key = :key", key=key_bytes(key))
