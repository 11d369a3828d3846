"""Uploads that nobody goes on with: of running tasks, and several of one key among those of deleted tasks."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision = "0009_orphan"
down_revision = "0008_doubt"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the ledgers' table, and make that of deleted tasks anew, with what it holds."""
    op.create_table(
        "ledger_orphan",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("known", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["task_id"], ["ledger_task.task_id"], name=op.f("fk_ledger_orphan_task_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("task_id", "key", "upload_id", "since", name=op.f("pk_ledger_orphan")),
    )
    connection = op.get_bind()
    kept = connection.execute(sa.text("SELECT * FROM leftover_upload")).mappings().all()
    op.drop_index(op.f("ix_leftover_upload_due_at"), table_name="leftover_upload")
    op.drop_table("leftover_upload")
    made = op.create_table(
        "leftover_upload",
        sa.Column("task_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("key", sa.LargeBinary(), nullable=False),
        sa.Column("upload_id", sa.Text(), nullable=False),
        sa.Column("since", sa.Float(), nullable=False),
        sa.Column("known", sa.Text(), nullable=False),
        sa.Column("project_id", sa.String(length=64), nullable=False),
        sa.Column("destination", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("at", sa.Float(), nullable=False),
        sa.Column("due_at", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("task_id", "key", "upload_id", "since", name=op.f("pk_leftover_upload")),
    )
    op.create_index(op.f("ix_leftover_upload_due_at"), "leftover_upload", ["due_at"], unique=False)
    _put_back(connection, made, kept)


def _put_back(connection: sa.Connection, table: sa.Table, rows: Sequence[sa.RowMapping]) -> None:
    import json  # noqa: PLC0415 - of use to old databases alone

    for row in rows:
        values = dict(row)
        if isinstance(values["destination"], str):  # SQLite keeps JSON as text
            values["destination"] = json.loads(values["destination"])
        connection.execute(table.insert(), {**values, "since": 0.0, "known": ""})
