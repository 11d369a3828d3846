"""Rows of the service's history: tasks made and finished a second, and the start, with 100,000 ended tasks and with none.

Both services run real tasks of one small object each, one after the other in every round, on SQLite and on PostgreSQL.
The history is the rows that a task and its journal leave, many times over.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from report import Line
from server import Server
from service import Place, place, say
from service_client import Client

sys.path.insert(0, str(Path(__file__).parents[1]))

from oms_worker.db.tables import event, task
from oms_worker.settings import load_service_settings
from support.postgres import postgres

ENDED = 100_000
TASKS = 200
BATCH = 5_000
RATE_LEAST, START_MOST = 0.9, 1.25
"""What a history may cost."""


def measure_history(server: Server, reps: int) -> list[Line]:
    """Measure on both databases."""
    server.clear("src")
    server.clear("dst")
    server.fill("src", 1, 1024)
    lines = _measure(server, reps, "SQLite", [{}, {}])
    with postgres() as cluster:
        lines += _measure(server, reps, "PostgreSQL", [{"database": cluster.create()} for _ in range(2)])
    server.clear("src")
    server.clear("dst")
    return lines


def _measure(server: Server, reps: int, kind: str, settings: list[dict[str, Any]]) -> list[Line]:
    rates: list[list[float]] = [[], []]
    starts: list[list[float]] = [[], []]
    quotas = {"quotas": {"running_tasks": 50, "waiting_tasks": 0}}
    with ExitStack() as stack:
        places = [stack.enter_context(place(server, **quotas, **own)) for own in settings]
        for here in places:
            asyncio.run(_finish(here, 20))  # what a task leaves, and warm processes
        places[1].kill()
        _add_history(places[1])
        places[1].start()
        for _ in range(reps):
            for number, here in enumerate(places):
                here.served.stop()
                starts[number].append(here.start())
                rates[number].append(asyncio.run(_finish(here, TASKS)))
                say(f"  history {kind}: {number} {starts[number][-1]:.2f} s, {rates[number][-1]:.1f} tasks/s")
    return [_line(kind, "rate", rates, "tasks/s"), _line(kind, "start", starts, "s")]


async def _finish(here: Place, tasks: int) -> float:
    """Make tasks and wait until all have succeeded; return how many a second."""
    began = time.monotonic()
    async with Client(here.keys) as client:
        numbers = [(await client.call("POST", "/tasks", body=here.body())).body["id"] for _ in range(tasks)]
        for number in numbers:
            while (reply := await client.call("GET", f"/tasks/{number}")).body["status"] != 5:
                if reply.body["status"] == 4:
                    raise SystemExit(f"a task failed: {reply.body}")
                await asyncio.sleep(0.02)
    return tasks / (time.monotonic() - began)


def _add_history(here: Place) -> None:
    """Give a service that does not run the rows of many ended tasks: those of one of its own, under other ids."""
    url = sa.make_url(load_service_settings(here.served.config).database_url)
    driver = "sqlite" if url.get_backend_name() == "sqlite" else "postgresql+psycopg"
    engine = sa.create_engine(url.set(drivername=driver))
    with engine.begin() as connection:
        row = dict(connection.execute(sa.select(task).where(task.c.status == 5).limit(1)).mappings().one())
        mine = sa.select(event).where(event.c.subject == f"task:{row['id']}")
        journal = [dict(found) for found in connection.execute(mine).mappings()]
        for start in range(0, ENDED, BATCH):
            numbers = range(10**14 + start, 10**14 + start + BATCH)
            connection.execute(sa.insert(task), [{**row, "id": number} for number in numbers])
            copies = [
                {name: value for name, value in found.items() if name != "id"} | {"subject": f"task:{number}"}
                for number in numbers
                for found in journal
            ]
            connection.execute(sa.insert(event), copies)
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text("ANALYZE"))
    engine.dispose()


def _line(kind: str, what: str, figures: list[list[float]], unit: str) -> Line:
    empty, full = (statistics.median(values) for values in figures)
    ratio = full / empty
    met = ratio >= RATE_LEAST if what == "rate" else ratio <= START_MOST
    required = f">= {RATE_LEAST}" if what == "rate" else f"<= {START_MOST}"
    title = {"rate": "tasks made and finished", "start": "start until ready"}[what]
    note = f"{'history':8} {kind} {title}: none ended {empty:.2f} {unit}, {ENDED:,} ended {full:.2f} {unit}"
    return Line(
        f"{title}, {ENDED:,} ended ÷ none, {kind}", f"{full:.2f} {unit}", "-", f"{ratio:.2f}", required, met, (note,)
    )
