"""What is noted of every request: a row of the audit trail, a line of the log, figures for Prometheus.

Rows are written once a second, together: a call does not wait for its audit row, and a kill loses those of a second.
A database that does not answer loses the oldest beyond ``MOST_WAITING``; the log has them.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress

from starlette.types import Scope

from oms_engine.errors import RepositoryError
from oms_worker.api.metrics import Metrics
from oms_worker.db.audit import AuditRow, forget_calls, insert_calls
from oms_worker.db.engine import Database

WRITE_SECONDS = 1.0
FORGET_SECONDS = 3600.0
MOST_WAITING = 100_000
STRANGERS_PER_MINUTE = 60
"""Rows of requests without a known caller: strangers must not fill the database."""
UNNOTED = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds by machines; they change nothing."""

access = logging.getLogger("openoms.access")
log = logging.getLogger(__name__)


class Trail:
    """Notes requests. Give it to ``create_app``; start and stop it on the event loop."""

    def __init__(
        self, database: Database, metrics: Metrics, *, days: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._metrics = metrics
        self._days = days
        self._clock = clock
        self._waiting: deque[AuditRow] = deque(maxlen=MOST_WAITING)
        self._task: asyncio.Task[None] | None = None
        self._forgot = 0.0
        self._minute = self._strangers = 0

    def __call__(self, scope: Scope, status: int) -> None:
        """Note a request at its end."""
        seconds = time.perf_counter() - scope["began"]
        self._metrics.count_request(scope, status, seconds)
        if scope["path"] in UNNOTED:
            return
        row = self._row(scope, status)
        if row.user_name or self._room_for_strangers():
            self._waiting.append(row)
        access.info(
            "method=%s path=%s status=%d ms=%.1f request=%s user=%s project=%s source=%s code=%s",
            row.method, _plain(row.path), status, seconds * 1000, row.request_id, _plain(row.user_name) or "-",
            row.project_id or "-", row.source or "-", row.error_code or "-",
        )  # fmt: skip

    def _row(self, scope: Scope, status: int) -> AuditRow:
        caller = scope.get("caller")
        client = scope.get("client")
        return AuditRow(
            at=self._clock(),
            request_id=scope["request_id"],
            user_name=caller.user if caller else _storable(scope.get("login", ""))[:64],
            project_id=caller.project_id if caller else "",
            method=scope["method"][:8],
            path=_storable(scope["path"])[:2048],
            status=status,
            error_code=scope.get("error_code", ""),
            source=client[0][:64] if client else "",
        )

    def _room_for_strangers(self) -> bool:
        """Whether a request of nobody gets a row: so many a minute; all are in the log and in the figures."""
        minute = int(self._clock() // 60)
        if minute != self._minute:
            self._minute, self._strangers = minute, 0
        self._strangers += 1
        return self._strangers <= STRANGERS_PER_MINUTE

    def start(self) -> None:
        """Begin to write."""
        self._task = asyncio.create_task(self._loop(), name="audit")

    async def stop(self) -> None:
        """Write what waits, and end."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    async def _loop(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            await self.flush()

    async def flush(self) -> None:
        """Write what waits; what cannot be written waits on."""
        rows = [self._waiting.popleft() for _ in range(len(self._waiting))]
        now = self._clock()
        if not rows and now - self._forgot < FORGET_SECONDS:
            return
        try:
            async with self._database.write() as connection:
                await insert_calls(connection, rows)
                if now - self._forgot >= FORGET_SECONDS:
                    await forget_calls(connection, now - self._days * 86_400)
                    self._forgot = now
        except RepositoryError as error:
            log.warning("%d audit rows wait for the database: %s", len(rows), error)
            self._waiting.extendleft(reversed(rows))


def _storable(path: str) -> str:
    """Return a path that every database can hold."""
    return path.replace("\0", "\\0").encode("utf-8", "backslashreplace").decode()


def _plain(word: str) -> str:
    """Return a client's word as one word of a line of a log."""
    return word.encode("unicode_escape").decode("ascii").replace(" ", "\\x20")
