"""``/metrics`` for Prometheus: https://prometheus.io/docs/practices/naming/. No names of projects, users or buckets."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from sqlalchemy import Select, Table, func, select
from starlette.types import Scope

from oms_worker.db.engine import Database
from oms_worker.db.tables import sync_event, sync_task, task, task_group
from oms_worker.shared import Shared
from oms_worker.states import Group, Task

router = APIRouter(include_in_schema=False)

BUCKETS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0)
OTHER: Final = "other"
"""The route of a path that there is not: paths of strangers must not become labels."""


class Metrics:
    """The figures of this process, and those that the database knows of all."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "openoms_http_requests", "Requests served.", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram(
            "openoms_http_request_duration_seconds", "Time to serve.", ["route"], buckets=BUCKETS,
            registry=self.registry,
        )  # fmt: skip
        self._tasks = Gauge("openoms_tasks", "Tasks by status, of all processes.", ["status"], registry=self.registry)
        self._groups = Gauge("openoms_task_groups", "Task groups by status.", ["status"], registry=self.registry)
        self._syncs = Gauge("openoms_sync_tasks", "Sync tasks by status.", ["status"], registry=self.registry)
        self._events = Gauge("openoms_sync_keys_waiting", "Keys that wait to be synchronized.", registry=self.registry)
        self._speed = Gauge("openoms_migrate_bytes_per_second", "Speed of running tasks.", registry=self.registry)
        self.render = Shared(self._render)
        """Return everything as text; the database is asked once for all who ask meanwhile."""

    def count_request(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request at its end."""
        route = getattr(scope.get("route"), "path", OTHER)
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    async def _render(self) -> bytes:
        """Ask the database and return everything as text.

        Raises:
            RepositoryError: the database does not answer.
        """
        running = (int(Task.MIGRATING), int(Task.PAUSING))
        async with self._database.read() as connection:
            tasks = dict((await connection.execute(_by_status(task))).tuples().all())
            groups = dict((await connection.execute(_by_status(task_group))).tuples().all())
            syncs = dict((await connection.execute(_by_status(sync_task))).tuples().all())
            waiting = (await connection.execute(select(func.count()).select_from(sync_event))).scalar_one()
            speed = select(func.coalesce(func.sum(task.c.migrate_speed), 0)).where(task.c.status.in_(running))
            self._speed.set(int((await connection.execute(speed)).scalar_one()))
        for state in Task:
            self._tasks.labels(state.name.lower()).set(tasks.get(int(state), 0))
        for stage in Group:
            self._groups.labels(stage.name.lower()).set(groups.get(int(stage), 0))
        for word in ("SYNCHRONIZING", "STOPPED"):
            self._syncs.labels(word.lower()).set(syncs.get(word, 0))
        self._events.set(waiting)
        return generate_latest(self.registry)


_METHODS: Final = frozenset({"GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH"})


def _by_status(table: Table) -> Select[tuple[Any, int]]:
    return select(table.c.status, func.count()).group_by(table.c.status)


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Return the figures."""
    found: Metrics = request.app.state.context.extras["metrics"]
    return Response(await found.render(), media_type=CONTENT_TYPE_LATEST)
