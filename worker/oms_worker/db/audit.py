"""Queries about the audit trail: one row per API call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_worker.db.tables import audit


class AuditRow(NamedTuple):
    """One API call: who, from where, what, and what came of it. Query and body are not kept: they may hold secrets."""

    at: float
    request_id: str
    user_name: str
    project_id: str
    method: str
    path: str
    status: int
    error_code: str
    source: str


async def insert_calls(connection: AsyncConnection, rows: Sequence[AuditRow]) -> None:
    """Add rows."""
    if rows:
        await connection.execute(insert(audit), [row._asdict() for row in rows])


async def forget_calls(connection: AsyncConnection, before: float) -> int:
    """Delete rows that are older; return how many there were."""
    return (await connection.execute(delete(audit).where(audit.c.at < before))).rowcount


async def latest_calls(connection: AsyncConnection, project_id: str, limit: int = 100) -> list[AuditRow]:
    """Return the latest calls of a project, newest first."""
    columns = (audit.c[name] for name in AuditRow._fields)
    query = select(*columns).where(audit.c.project_id == project_id).order_by(audit.c.id.desc()).limit(limit)
    return [AuditRow(*row) for row in await connection.execute(query)]
