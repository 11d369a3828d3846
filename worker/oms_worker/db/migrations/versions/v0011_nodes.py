"""Key check values, a key ring in the database, what nodes have room for, ledgers of ended tasks, and their index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011_nodes"
down_revision = "0010_carried"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, the column and the index."""
    op.create_table(
        "key_check",
        sa.Column("key_id", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_key_check")),
    )
    op.create_table(
        "key_envelope",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("changed_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_key_envelope")),
    )
    op.create_table(
        "kept_ledger",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["task_id"], ["task.id"], name=op.f("fk_kept_ledger_task_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("task_id", name=op.f("pk_kept_ledger")),
    )
    op.add_column("node", sa.Column("capacity", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_task_ended", "task", ["ended_at"])
