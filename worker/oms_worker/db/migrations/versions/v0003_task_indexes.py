"""Indexes for what is asked for most: a page of a project's newest tasks, and what waits or runs in all projects."""

from __future__ import annotations

from alembic import op

revision = "0003_task_indexes"
down_revision = "0002_notification"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create them."""
    op.create_index("ix_task_project_created", "task", ["project_id", "created_at", "id"], unique=False)
    op.create_index("ix_task_status", "task", ["status", "project_id", "queued_at"], unique=False)
