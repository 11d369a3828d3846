"""How many migrated objects the destination was seen to hold, in the ledgers of the engine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006_seen"
down_revision = "0005_leftover_upload"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the counter."""
    for table in ("ledger_run", "ledger_segment"):
        op.add_column(table, sa.Column("seen", sa.BigInteger(), server_default=sa.text("0"), nullable=False))
