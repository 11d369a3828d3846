"""Multipart uploads that deleted tasks have left at their destinations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005_leftover_upload"
down_revision = "0004_ledger"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their table."""
    op.create_table(
        "leftover_upload",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "key", name=op.f("pk_leftover_upload")),
    )
    op.create_index(op.f("ix_leftover_upload_due_at"), "leftover_upload", ["due_at"], unique=False)
