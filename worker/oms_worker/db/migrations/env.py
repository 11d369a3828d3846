"""Alembic's entry: migrates on the connection that ``upgrade`` gives, inside its transaction."""

from __future__ import annotations

from alembic import context

from oms_worker.db.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=context.config.attributes["connection"].dialect.name == "sqlite",
    transactional_ddl=True,
)
context.run_migrations()
