"""The database of the SQLite ledger: its schema, made or upgraded in place, and its transactions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from oms_engine.errors import ConfigError, OmsError
from oms_worker.sql_database import Row, SqlDatabase
from oms_worker.sqlite_file import APPLICATION_ID, check_file, explain
from oms_worker.sqlite_seals import declare, schema_of, seal_script, verify

_STRICT = "STRICT" if sqlite3.sqlite_version_info >= (3, 37) else ""
_STRICT_KEYED = "STRICT, WITHOUT ROWID" if _STRICT else "WITHOUT ROWID"
_COUNTED = "listed migrated skipped failed waiting listed_bytes migrated_bytes skipped_bytes failed_bytes"
_COUNTERS = ", ".join(f"{name} INTEGER NOT NULL DEFAULT 0" for name in _COUNTED.split())

# Keys are BLOBs: they may hold bytes that are not UTF-8, and BLOBs compare by memcmp, as object stores sort keys.
_VERSION_1 = f"""
CREATE TABLE ledger (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1), identity TEXT NOT NULL, task_id INTEGER NOT NULL,
    last_stamp INTEGER NOT NULL DEFAULT 0
) {_STRICT};
CREATE TABLE run (
    number INTEGER PRIMARY KEY, rules TEXT NOT NULL, name TEXT NOT NULL, retry_of INTEGER, started_at REAL NOT NULL,
    active_at REAL NOT NULL, finished INTEGER NOT NULL DEFAULT 0, succeeded INTEGER NOT NULL DEFAULT 0,
    failures INTEGER NOT NULL DEFAULT 0, overflowed INTEGER NOT NULL DEFAULT 0, {_COUNTERS}
) {_STRICT};
CREATE TABLE segment (
    id INTEGER PRIMARY KEY AUTOINCREMENT, prefix BLOB NOT NULL, lo BLOB NOT NULL, hi BLOB,
    list_offset INTEGER NOT NULL, marker BLOB NOT NULL, epoch INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'todo', reasons TEXT NOT NULL DEFAULT '{{}}', {_COUNTERS}
) {_STRICT};
CREATE INDEX segment_state ON segment (state, id);
CREATE TABLE parked (
    key BLOB PRIMARY KEY, kind TEXT NOT NULL, size INTEGER NOT NULL, etag TEXT NOT NULL, last_modified REAL NOT NULL,
    storage_class TEXT NOT NULL, due REAL NOT NULL, attempts INTEGER NOT NULL
) {_STRICT_KEYED};
CREATE INDEX parked_due ON parked (due, key);
CREATE TABLE settled_reason (reason TEXT PRIMARY KEY, objects INTEGER NOT NULL) {_STRICT_KEYED};
CREATE TABLE failure (
    run INTEGER NOT NULL, key BLOB NOT NULL, size INTEGER NOT NULL, code TEXT NOT NULL, message TEXT NOT NULL,
    at REAL NOT NULL, PRIMARY KEY (run, key)
) {_STRICT_KEYED};
CREATE TABLE upload (
    key BLOB PRIMARY KEY, upload_id TEXT NOT NULL, source_etag TEXT NOT NULL, size INTEGER NOT NULL,
    part_size INTEGER NOT NULL
) {_STRICT_KEYED};
CREATE TABLE part (
    key BLOB NOT NULL, number INTEGER NOT NULL, etag TEXT NOT NULL, size INTEGER NOT NULL, md5 BLOB, crc64 BLOB,
    PRIMARY KEY (key, number)
) {_STRICT_KEYED};
CREATE TABLE record_file (
    name TEXT PRIMARY KEY, run INTEGER NOT NULL, outcome TEXT NOT NULL, size INTEGER NOT NULL,
    closed INTEGER NOT NULL DEFAULT 0
) {_STRICT_KEYED};
"""

_VERSION_2 = """
ALTER TABLE run ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
ALTER TABLE segment ADD COLUMN seen INTEGER NOT NULL DEFAULT 0;
"""

_SEALED_FIRST = ("ledger", "run", "segment", "parked", "settled_reason", "failure", "upload", "part", "record_file")

_VERSION_3 = f"ALTER TABLE record_file ADD COLUMN crc INTEGER;\n{seal_script(*_SEALED_FIRST)}"

_VERSION_4 = f"""
CREATE TABLE doubt (key BLOB PRIMARY KEY, etag TEXT NOT NULL) {_STRICT_KEYED};
{seal_script("doubt")}
"""

_VERSION_5 = f"""
CREATE TABLE orphan (
    key BLOB NOT NULL, upload_id TEXT NOT NULL, since REAL NOT NULL, known TEXT NOT NULL,
    PRIMARY KEY (key, upload_id, since)
) {_STRICT_KEYED};
{seal_script("orphan")}
"""

UPGRADES = (_VERSION_1, _VERSION_2, _VERSION_3, _VERSION_4, _VERSION_5)
"""Scripts that lead from each schema version to the next; the version is their number. Only ever append."""


@cache
def plain(sql: str) -> str:
    """Return a statement of ``sql_database`` as SQLite takes it: the file holds one ledger, so all rows are its."""
    return sql.replace("@mine", "1").replace("@column ", "").replace("@value ", "")


class Database(SqlDatabase):
    """One connection. Errors of SQLite and of the disk leave it as sentences."""

    def __init__(self, path: str, upgrades: Sequence[str] = UPGRADES) -> None:
        self.where = self.path = path
        self._connection = _open_connection(path, upgrades)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that the block does, or nothing of it, whatever it raises.

        Raises:
            ConfigError: the file cannot be written.
            RepositoryError: the disk is full or failed.
        """
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            yield
            self._connection.execute("COMMIT")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            if isinstance(error, sqlite3.Error | OSError):
                raise explain(error, self.path) from error
            raise

    def execute(self, sql: str, /, **values: Any) -> None:
        """Run a statement inside a transaction."""
        self._connection.execute(plain(sql), values)

    def changed(self, sql: str, /, **values: Any) -> int:
        """Run a statement inside a transaction; return how many rows it changed."""
        return self._connection.execute(plain(sql), values).rowcount

    def insert(self, sql: str, /, **values: Any) -> int:
        """Add a row inside a transaction; return its number."""
        return self._connection.execute(plain(sql), values).lastrowid or 0

    def execute_many(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int:
        """Run a statement for each row inside a transaction; return how many rows it changed."""
        return max(0, self._connection.executemany(plain(sql), rows).rowcount)

    def first_unchanged(self, sql: str, rows: Sequence[Mapping[str, Any]]) -> int | None:
        """Run a statement for each row inside a transaction; return which row was the first that changed nothing."""
        return next((number for number, row in enumerate(rows) if self.changed(sql, **row) == 0), None)

    def rows(self, sql: str, /, **values: Any) -> list[Row]:
        """Read all rows, in or outside a transaction."""
        try:
            return self._connection.execute(plain(sql), values).fetchall()
        except sqlite3.Error as error:
            raise explain(error, self.path) from error

    def close(self) -> None:
        """Close the file; SQLite moves its write-ahead log into it."""
        self._connection.close()


def _open_connection(path: str, upgrades: Sequence[str]) -> sqlite3.Connection:
    """Open or make the state file; the caller holds its lock."""
    check_file(path)
    try:
        # Made by us, not by SQLite, so that it is private from its first moment; WAL files inherit the mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
        db = sqlite3.connect(path, timeout=5.0, isolation_level=None, check_same_thread=False)
    except (OSError, sqlite3.Error) as error:
        raise explain(error, path) from error
    try:
        declare(db)
        if not _upgrade(db, path, upgrades):
            verify(db, path, _sound_schema(tuple(upgrades)))
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA journal_mode = WAL")  # writes to the file, and so brings a new one to the disk as a whole
    except sqlite3.Error as error:
        db.close()
        raise explain(error, path) from error
    except OmsError:
        db.close()
        raise
    return db


@cache
def _sound_schema(upgrades: tuple[str, ...]) -> list[tuple[str, str]]:
    """Return the schema of a file that these scripts made."""
    fresh = sqlite3.connect(":memory:", isolation_level=None)
    try:
        declare(fresh)
        fresh.executescript("".join(upgrades))
        return schema_of(fresh)
    finally:
        fresh.close()


def _upgrade(db: sqlite3.Connection, path: str, upgrades: Sequence[str]) -> bool:
    """Bring the schema to the newest version, all in one transaction, in the journal mode the file stands in.

    Return whether anything was to be done.
    """
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > len(upgrades):
        raise ConfigError(
            f"The state file {path} was written by a newer openoms (schema {version}, this one knows {len(upgrades)}):"
            " use that version, or give another path with --state."
        )
    if version == len(upgrades):
        return False
    if version == 0:
        os.chmod(path, 0o600)  # noqa: PTH101 - an empty file made beforehand may be readable by others
        db.execute("PRAGMA synchronous = OFF")  # nothing in it yet that a power failure could take
    script = "".join(upgrades[version:])
    db.executescript(
        f"BEGIN IMMEDIATE; PRAGMA application_id = {APPLICATION_ID}; {script}"
        f" PRAGMA user_version = {len(upgrades)}; COMMIT;"
    )
    return True
