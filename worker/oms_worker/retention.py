"""Deletes tasks of their own that have ended long ago, where the settings say so.

Sub-tasks go with their group or sync task. A deletion is one transaction for some tasks: keys, credentials, what is
kept of their ledgers and their journal go too; uploads in flight are written down to be aborted (``leftovers.py``).
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlalchemy import delete, select

from oms_worker.db import subtasks
from oms_worker.db.engine import Database
from oms_worker.db.subtasks import ENDED, Change, Note
from oms_worker.db.tables import event, task
from oms_worker.scheduler import DAY
from oms_worker.turns import Turns

log = logging.getLogger(__name__)

AT_ONCE = 200
"""Tasks in one transaction: calls that write wait for its end."""
TURN_SECONDS = 60.0


class Retention:
    """The deletions of this node; several nodes may do the same at once."""

    def __init__(self, database: Database, days: float, note: Note, *, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._days = days
        self._note = note
        self._clock = clock
        self._turns = Turns("ended tasks", self.turn, seconds=TURN_SECONDS)

    def start(self) -> None:
        """Begin, unless tasks are kept for ever."""
        if self._days:
            self._turns.start()

    async def stop(self) -> None:
        """End at once."""
        await self._turns.stop()

    async def turn(self) -> int:
        """Delete what has ended long ago; return how many tasks."""
        count, some = 0, AT_ONCE
        while some == AT_ONCE:
            some = await self._delete_some(self._clock())
            count += some
        if count:
            log.info("%s tasks that ended more than %g days ago are deleted", count, self._days)
        return count

    async def _delete_some(self, now: float) -> int:
        late = (task.c.ended_at < now - self._days * DAY) & (task.c.group_type == "NORMAL_TASK")
        ended = late & (task.c.status + 0).in_(ENDED)  # by the index of ``ended_at``, not through all that have ended
        async with self._database.write() as connection:
            query = select(task.c.id).where(ended).order_by(task.c.ended_at).limit(AT_ONCE).with_for_update()
            numbers = list((await connection.execute(query)).scalars())
            if numbers:
                where = task.c.id.in_(numbers)
                await subtasks.remove(connection, where, Change(now, "it has ended long ago"), self._note)
                subjects = [f"task:{number}" for number in numbers]
                await connection.execute(delete(event).where(event.c.subject.in_(subjects)))
        return len(numbers)
