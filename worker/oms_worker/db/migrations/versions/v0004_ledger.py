"""Ledgers of the engine: what lets any process on a PostgreSQL go on with a task of a dead one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004_ledger"
down_revision = "0003_task_indexes"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their tables."""
    op.create_table(
        "ledger_task",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("identity", sa.Text(), server_default=sa.text("''"), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("last_segment", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("last_stamp", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("ended_run", sa.Integer(), nullable=True),
        sa.Column("ended", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_ledger_task_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_ledger_task")),
    )
    op.create_table(
        "ledger_failure",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("run", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["ledger_task.task_id"], name=op.f("fk_ledger_failure_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "run", "key", name=op.f("pk_ledger_failure")),
    )
    op.create_table(
        "ledger_parked",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("last_modified", sa.Float(), nullable=False),
        sa.Column("storage_class", sa.Text(), nullable=False),
        sa.Column("due", sa.Float(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["ledger_task.task_id"], name=op.f("fk_ledger_parked_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "key", name=op.f("pk_ledger_parked")),
    )
    op.create_index("ix_ledger_parked_due", "ledger_parked", ["task_id", "due", "key"], unique=False)
    op.create_table(
        "ledger_part",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("md5", sa.LargeBinary(), nullable=True),
        sa.Column("crc64", sa.LargeBinary(), nullable=True),
        sa.ForeignKeyConstraint(
            ["task_id"], ["ledger_task.task_id"], name=op.f("fk_ledger_part_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "key", "number", name=op.f("pk_ledger_part")),
    )
    op.create_table(
        "ledger_record_file",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=17), nullable=False),
        sa.Column("run", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.String(length=16), nullable=False),
        sa.Column("size", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("closed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["ledger_task.task_id"], name=op.f("fk_ledger_record_file_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "name", name=op.f("pk_ledger_record_file")),
    )
    op.create_table(
        "ledger_run",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("rules", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("retry_of", sa.Integer(), nullable=True),
        sa.Column("started_at", sa.Float(), nullable=False),
        sa.Column("active_at", sa.Float(), nullable=False),
        sa.Column("finished", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("succeeded", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("failures", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("overflowed", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("listed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("migrated", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("skipped", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("waiting", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("listed_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("migrated_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("skipped_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["ledger_task.task_id"], name=op.f("fk_ledger_run_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "number", name=op.f("pk_ledger_run")),
    )
    op.create_table(
        "ledger_segment",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("prefix", sa.LargeBinary(), nullable=False),
        sa.Column("lo", sa.LargeBinary(), nullable=False),
        sa.Column("hi", sa.LargeBinary(), nullable=True),
        sa.Column("list_offset", sa.BigInteger(), nullable=False),
        sa.Column("marker", sa.LargeBinary(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("state", sa.String(length=8), server_default=sa.text("'todo'"), nullable=False),
        sa.Column("reasons", sa.Text(), server_default=sa.text("'{}'"), nullable=False),
        sa.Column("listed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("migrated", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("skipped", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("waiting", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("listed_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("migrated_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("skipped_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("failed_bytes", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["ledger_task.task_id"], name=op.f("fk_ledger_segment_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "id", name=op.f("pk_ledger_segment")),
    )
    op.create_index("ix_ledger_segment_state", "ledger_segment", ["task_id", "state", "id"], unique=False)
    op.create_table(
        "ledger_settled_reason",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("objects", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["ledger_task.task_id"], name=op.f("fk_ledger_settled_reason_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "reason", name=op.f("pk_ledger_settled_reason")),
    )
    op.create_table(
        "ledger_upload",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("source_etag", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("part_size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["ledger_task.task_id"], name=op.f("fk_ledger_upload_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "key", name=op.f("pk_ledger_upload")),
    )
    op.create_table(
        "ledger_record_lines",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=17), nullable=False),
        sa.Column("start", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("lines", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id", "name"],
            ["ledger_record_file.task_id", "ledger_record_file.name"],
            name=op.f("fk_ledger_record_lines_task_id_name"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_id", "name", "start", name=op.f("pk_ledger_record_lines")),
    )
