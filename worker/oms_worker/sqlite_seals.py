"""Check values of the rows of a state file: a bit that flips on a disk must not steer a run.

SQLite has none of its own. Triggers write a CRC-32 over all values of a row beside them, whatever statement changed it;
it is held against the row when the file is opened. So are SQLite's own structures and the schema.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Mapping, Sequence

from oms_engine.errors import RepositoryError

# ruff: noqa: S608 - statements are made of our own names only

_RUN_COUNTED = (
    "listed", "migrated", "skipped", "failed", "waiting", "listed_bytes", "migrated_bytes", "skipped_bytes",
    "failed_bytes", "seen",
)  # fmt: skip
_LONGEST_WHY = 80

SEALED: Mapping[str, tuple[str, Sequence[str]]] = {
    "ledger": ("only_row", ("only_row", "identity", "task_id", "last_stamp")),
    "run": ("number", (
        "number", "rules", "name", "retry_of", "started_at", "active_at", "finished", "succeeded", "failures",
        "overflowed", *_RUN_COUNTED,
    )),
    "segment": ("id", (
        "id", "prefix", "lo", "hi", "list_offset", "marker", "epoch", "state", "reasons", *_RUN_COUNTED,
    )),
    "parked": ("key", (
        "key", "kind", "size", "etag", "last_modified", "storage_class", "due", "attempts",
    )),
    "settled_reason": ("reason", ("reason", "objects")),
    "failure": ("run, key", ("run", "key", "size", "code", "message", "at")),
    "upload": ("key", ("key", "upload_id", "source_etag", "size", "part_size")),
    "part": ("key, number", ("key", "number", "etag", "size", "md5", "crc64")),
    "doubt": ("key", ("key", "etag")),
    "record_file": ("name", ("name", "run", "outcome", "size", "closed", "crc")),
    "orphan": ("key, upload_id, since", ("key", "upload_id", "since", "known")),
}  # fmt: skip
"""Table -> its primary key, and the columns that are sealed."""


def declare(db: sqlite3.Connection) -> None:
    """Teach a connection the function that the triggers call."""
    db.create_function("oms_seal", -1, _seal, deterministic=True)


def _seal(*values: bytes | None) -> int:
    return zlib.crc32(repr(values).encode())


def _value(columns: Sequence[str], of: str = "") -> str:
    """Return the expression of a row's check value: over bytes, as damaged text is no text."""
    return f"oms_seal({', '.join(f'CAST({of}{name} AS BLOB)' for name in columns)})"


def seal_script(*tables: str) -> str:
    """Return the statements that add check values to these tables, and seal the rows that are there."""
    return "\n".join(_seal_table(table, *SEALED[table]) for table in tables)


def _seal_table(table: str, key: str, columns: Sequence[str]) -> str:
    same = " AND ".join(f"{name} = NEW.{name}" for name in key.split(", "))
    update = f"UPDATE {table} SET seal = {_value(columns, 'NEW.')} WHERE {same};"
    return (
        f"ALTER TABLE {table} ADD COLUMN seal INTEGER;\n"
        f"UPDATE {table} SET seal = {_value(columns)};\n"
        f"CREATE TRIGGER seal_{table}_new AFTER INSERT ON {table} BEGIN {update} END;\n"
        f"CREATE TRIGGER seal_{table}_set AFTER UPDATE OF {', '.join(columns)} ON {table} BEGIN {update} END;"
    )


def verify(db: sqlite3.Connection, path: str, schema: Sequence[tuple[str, str]]) -> None:
    """Hold a state file against its check values; ``schema`` is what :func:`schema_of` returns for a sound one.

    Raises:
        RepositoryError: it is damaged.
    """
    try:
        fault = _fault(db, schema)
    except (sqlite3.Error, ValueError, OverflowError) as error:
        raise damaged(path, str(error)) from error
    if fault is not None:
        raise damaged(path, fault)


def _fault(db: sqlite3.Connection, schema: Sequence[tuple[str, str]]) -> str | None:
    (answer,) = db.execute("PRAGMA integrity_check(1)").fetchone()
    if answer != "ok":
        return str(answer).splitlines()[-1]
    if schema_of(db) != schema:
        return "its tables are not those of this version"
    for table, (_, columns) in SEALED.items():
        odd = db.execute(f"SELECT COUNT(*) FROM {table} WHERE seal IS NOT {_value(columns)}").fetchone()[0]
        if odd:
            return f"{odd} rows of the table {table} differ from their check values"
    return None


def schema_of(db: sqlite3.Connection) -> list[tuple[str, str]]:
    """Return the statements that made a database's tables, indexes and triggers."""
    return db.execute("SELECT name, COALESCE(sql, '') FROM sqlite_schema ORDER BY name, sql").fetchall()


def damaged(path: str, why: str) -> RepositoryError:
    """Return the sentence for a state file that cannot be trusted, with the remedy and its price."""
    why = " ".join(why.replace("<", "").split())[:_LONGEST_WHY]
    return RepositoryError(
        f"The state file {path} is damaged ({why}): move it and {path}.records away and run the same again; all objects"
        " are then compared anew, and what is at the destination already is skipped."
    )
