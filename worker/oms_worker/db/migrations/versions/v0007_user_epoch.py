"""What ends the tokens and temporary keys of a user: they carry the epoch of their time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007_user_epoch"
down_revision = "0006_seen"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the epoch."""
    op.add_column("user_account", sa.Column("epoch", sa.Integer(), server_default=sa.text("0"), nullable=False))
