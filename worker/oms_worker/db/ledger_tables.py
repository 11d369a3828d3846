"""The tables of the engine's ledgers in the service's database, used on PostgreSQL; see ``postgres_ledger.py``.

They are those of the ledger in a file (``sqlite_database.py``) with the task in front of every key. They go with their
task. On SQLite each task has a file of its own instead, and these stay empty.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)

from oms_engine.ledger_rules import COUNTER_NAMES


def add_ledger_tables(metadata: MetaData) -> None:
    """Add them to the tables of the service."""
    Table(
        "ledger_task",
        metadata,
        Column("task_id", BigInteger, ForeignKey("task.id", ondelete="CASCADE"), primary_key=True, autoincrement=False),
        Column("generation", Integer, nullable=False),  # of the claim that holds it: no earlier one commits any more
        Column("identity", Text, nullable=False, server_default=text("''")),
        Column("number", BigInteger, nullable=False),  # the engine's own id of the migration
        _count("last_segment"),
        _count("last_stamp"),
        Column("ended_run", Integer),  # the ``run`` of the task that came to an end ...
        Column("ended", Text),  # ... and which, as JSON
    )
    _add_runs(metadata)
    _add_objects(metadata)
    _add_uploads(metadata)
    _add_lists(metadata)


def _add_runs(metadata: MetaData) -> None:
    Table(
        "ledger_run",
        metadata,
        _task(),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("rules", Text, nullable=False),
        Column("name", Text, nullable=False),
        Column("retry_of", Integer),
        Column("started_at", Float, nullable=False),
        Column("active_at", Float, nullable=False),
        Column("finished", Boolean, nullable=False, server_default=false()),
        Column("succeeded", Boolean, nullable=False, server_default=false()),
        _count("failures"),
        Column("overflowed", Boolean, nullable=False, server_default=false()),
        *_counters(),
    )
    Table(
        "ledger_segment",
        metadata,
        _task(),
        Column("id", BigInteger, primary_key=True, autoincrement=False),
        Column("prefix", LargeBinary, nullable=False),
        Column("lo", LargeBinary, nullable=False),
        Column("hi", LargeBinary),
        Column("list_offset", BigInteger, nullable=False),
        Column("marker", LargeBinary, nullable=False),
        _count("epoch"),
        Column("state", String(8), nullable=False, server_default=text("'todo'")),
        Column("reasons", Text, nullable=False, server_default=text("'{}'")),
        *_counters(),
        Index("ix_ledger_segment_state", "task_id", "state", "id"),
    )


def _add_objects(metadata: MetaData) -> None:
    Table(
        "ledger_parked",
        metadata,
        _task(),
        Column("key", LargeBinary, primary_key=True),
        Column("kind", String(16), nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("etag", Text, nullable=False),
        Column("last_modified", Float, nullable=False),
        Column("storage_class", Text, nullable=False),
        Column("due", Float, nullable=False),
        Column("attempts", Integer, nullable=False),
        Index("ix_ledger_parked_due", "task_id", "due", "key"),
    )
    Table(
        "ledger_settled_reason",
        metadata,
        _task(),
        Column("reason", Text, primary_key=True),
        Column("objects", BigInteger, nullable=False),
    )
    Table(
        "ledger_failure",
        metadata,
        _task(),
        Column("run", Integer, primary_key=True, autoincrement=False),
        Column("key", LargeBinary, primary_key=True),
        Column("size", BigInteger, nullable=False),
        Column("code", Text, nullable=False),
        Column("message", Text, nullable=False),
        Column("at", Float, nullable=False),
    )


def _add_uploads(metadata: MetaData) -> None:
    Table(
        "ledger_upload",
        metadata,
        _task(),
        Column("key", LargeBinary, primary_key=True),
        Column("upload_id", Text, nullable=False),
        Column("source_etag", Text, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("part_size", BigInteger, nullable=False),
    )
    Table(
        "ledger_orphan",
        metadata,
        _task(),
        Column("key", LargeBinary, primary_key=True),
        Column("upload_id", Text, primary_key=True),
        Column("since", Float, primary_key=True),
        Column("known", Text, nullable=False),
    )
    Table(
        "ledger_part",
        metadata,
        _task(),
        Column("key", LargeBinary, primary_key=True),
        Column("number", Integer, primary_key=True, autoincrement=False),
        Column("etag", Text, nullable=False),
        Column("size", BigInteger, nullable=False),
        Column("md5", LargeBinary),
        Column("crc64", LargeBinary),
    )
    Table(
        "ledger_doubt",
        metadata,
        # Copies at the destination that were found damaged and are not known to be gone.
        _task(),
        Column("key", LargeBinary, primary_key=True),
        Column("etag", Text, nullable=False),
    )


def _add_lists(metadata: MetaData) -> None:
    Table(
        "ledger_record_file",
        metadata,
        _task(),
        Column("name", String(17), primary_key=True),
        Column("run", Integer, nullable=False),
        Column("outcome", String(16), nullable=False),
        _count("size"),
        Column("closed", Boolean, nullable=False, server_default=false()),
    )
    Table(
        "ledger_record_lines",
        metadata,
        # The lines of lists that are not in the destination bucket yet: a row per report. They go with their list.
        Column("task_id", BigInteger, primary_key=True, autoincrement=False),
        Column("name", String(17), primary_key=True),
        Column("start", BigInteger, primary_key=True, autoincrement=False),  # in the list, in bytes
        Column("lines", LargeBinary, nullable=False),
        ForeignKeyConstraint(
            ["task_id", "name"], ["ledger_record_file.task_id", "ledger_record_file.name"], ondelete="CASCADE"
        ),
    )


def _task() -> Column[Any]:
    owner = ForeignKey("ledger_task.task_id", ondelete="CASCADE")
    return Column("task_id", BigInteger, owner, primary_key=True, autoincrement=False)


def _count(name: str) -> Column[Any]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


def _counters() -> list[Column[Any]]:
    return [_count(name) for name in COUNTER_NAMES]
