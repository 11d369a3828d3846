"""What a task had reached before a run through its failed objects alone."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010_carried"
down_revision = "0009_orphan"
branch_labels = None
depends_on = None

NAMES = ("total_num", "total_size", "successful_num", "skipped_num", "complete_size", "skipped_size")


def upgrade() -> None:
    """Add the columns."""
    for name in NAMES:
        column = sa.Column(f"carried_{name}", sa.BigInteger(), server_default=sa.text("0"), nullable=False)
        op.add_column("task", column)
