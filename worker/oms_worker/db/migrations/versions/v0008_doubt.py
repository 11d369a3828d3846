"""Copies at the destination that were found damaged, in the ledgers of the engine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008_doubt"
down_revision = "0007_user_epoch"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create their table."""
    op.create_table(
        "ledger_doubt",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("etag", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["ledger_task.task_id"], name=op.f("fk_ledger_doubt_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "key", name=op.f("pk_ledger_doubt")),
    )
