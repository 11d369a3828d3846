"""The journal of state transitions: one row each, written in the transaction of the transition."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from oms_worker.db.engine import after_commit
from oms_worker.db.tables import event
from oms_worker.journal_log import note
from oms_worker.states import GONE


class Transition(NamedTuple):
    """One change of state. ``subject`` is ``task:<id>``, ``group:<uuid>`` or ``sync:<uuid>``."""

    at: float
    subject: str
    before: int | str
    after: int | str
    cause: str
    """Who or what did it, e.g. ``stop by alice``; no secret."""


async def record_transitions(connection: AsyncConnection, transitions: list[Transition]) -> None:
    """Write transitions down, and once they are committed into the log."""
    if transitions:
        rows = [
            {
                "at": change.at,
                "subject": change.subject,
                "before": str(change.before),
                "after": str(change.after),
                "cause": change.cause[:255],
            }
            for change in transitions
        ]
        await connection.execute(insert(event), rows)
        for change in transitions:
            after_commit(connection, partial(note, *change[1:]))


async def move_row(
    connection: AsyncConnection,
    table: Table,
    same: ColumnElement[bool],
    move: Transition,
    **values: Any,
) -> bool:
    """Compare and set: give the row that ``same`` still holds for the status ``move.after``, and write that down.

    ``GONE`` deletes the row. A move to the state that it is in sets columns alone, and is not written down.

    Returns:
        Whether it did; False and nothing changed when somebody else was quicker.
    """
    gone = move.after == GONE
    statement = delete(table).where(same) if gone else update(table).where(same).values(status=move.after, **values)
    if (await connection.execute(statement)).rowcount != 1:
        return False
    if move.after != move.before:
        await record_transitions(connection, [move._replace(after="deleted") if gone else move])
    return True


async def transitions_of(connection: AsyncConnection, subject: str) -> list[Transition]:
    """Return the transitions of a subject, oldest first."""
    columns = (event.c.at, event.c.subject, event.c.before, event.c.after, event.c.cause)
    rows = await connection.execute(select(*columns).where(event.c.subject == subject).order_by(event.c.id))
    return [Transition(*row) for row in rows]
