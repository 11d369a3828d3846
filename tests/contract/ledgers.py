"""The ledgers under contract: how a test opens one, crashes it and opens it again. A database adds itself to BOXES.

PostgreSQL is among them when OPENOMS_TEST_SERVERS names it.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path
from typing import Protocol

import sqlalchemy as sa

from oms_engine.ledger import Checkpoint, Failure, Ledger, Parked, ParkKind, RecordLine, RunInfo, Settlement
from oms_engine.memory_ledger import MemoryLedger
from oms_engine.model import Outcome, Secret
from oms_engine.task import Counters
from oms_worker.db import tables
from oms_worker.db.engine import open_database
from oms_worker.db.migrations import upgrade
from oms_worker.postgres_ledger import PostgresLedger
from oms_worker.sqlite_ledger import SqliteLedger
from oms_worker.states import Task
from support.postgres import Postgres
from support.servers import wanted


class LedgerBox(Protocol):
    """Keeps what survives a process: ``open`` is a new process, ``crash`` takes the last one away without a word."""

    def open(self) -> Ledger: ...

    def crash(self) -> None: ...


class SqliteBox:
    """A crash is a copy of the files as they stand, which is what SIGKILL leaves; torn lines are added to the lists."""

    def __init__(self, directory: Path, *, failure_cap: int) -> None:
        self._root = directory
        self._generation = 0
        self._cap = failure_cap
        self._open: SqliteLedger | None = None

    @property
    def path(self) -> Path:
        return self._root / str(self._generation) / "state.db"

    def open(self) -> SqliteLedger:
        if self._open is not None:
            self._open.close()
        self._open = SqliteLedger(self.path, failure_cap=self._cap)
        return self._open

    def crash(self) -> None:
        before = self.path.parent
        self._generation += 1
        shutil.copytree(before, self.path.parent)
        for spooled in self.path.parent.glob("*.records/*"):
            with spooled.open("ab") as file:
                file.write(b"half a li")
        if self._open is not None:
            self._open.close()
            self._open = None


class MemoryBox:
    """The object itself is what survives."""

    def __init__(self, directory: Path, *, failure_cap: int) -> None:
        self._ledger = MemoryLedger(failure_cap=failure_cap)

    def open(self) -> MemoryLedger:
        return self._ledger

    def crash(self) -> None:
        pass


class PostgresBox:
    """A crash breaks the connection inside a transaction; to open is to claim the task again, as the service does."""

    cluster: Postgres | None = None
    """Set by a fixture."""
    _numbers = count(1)

    def __init__(self, directory: Path, *, failure_cap: int) -> None:
        assert self.cluster is not None
        self.url, self.engine = ledger_database(self.cluster)
        self.number = next(self._numbers)
        self.generation = 0
        self._root = directory
        self._cap = failure_cap
        self._open: PostgresLedger | None = None
        row = {"id": self.number, "project_id": "p", "name": "n", "status": Task.MIGRATING, "request": {}}
        with self.engine.begin() as connection:
            connection.execute(sa.insert(tables.task).values(**row, bandwidth_policy=[], created_at=0, queued_at=0))

    def set_task(self, **values: object) -> None:
        """Change the task's row."""
        with self.engine.begin() as connection:
            connection.execute(sa.update(tables.task).where(tables.task.c.id == self.number).values(**values))

    def claim(self) -> None:
        """Take the task for another process."""
        self.generation += 1
        self.set_task(owner=f"node-{self.generation}", generation=self.generation)

    def open(self) -> PostgresLedger:
        """Open the ledger for a new claim; the last one is closed."""
        if self._open is not None:
            self._open.close()
        self.claim()
        self._open = self.make()
        return self._open

    def make(self) -> PostgresLedger:
        """Open the ledger for the latest claim, on a host of its own."""
        folder = self._root / f"host{self.generation}"
        return PostgresLedger(self.url, self.number, generation=self.generation, folder=folder, failure_cap=self._cap)

    def crash(self) -> None:
        """Break the connection after half a report; leave the copies of lists as they are."""
        assert self._open is not None
        with self._open._rows._link.explained() as connection:
            values = (self.number,)
            connection.execute("BEGIN")
            connection.execute("UPDATE ledger_segment SET marker = 'zzz', listed = 99 WHERE task_id = %s", values)
            connection.execute("UPDATE ledger_record_file SET size = size + 9 WHERE task_id = %s", values)
            connection.execute("DELETE FROM ledger_parked WHERE task_id = %s", values)
            connection.close()
        self._open = None

    def rows(self) -> dict[str, int]:
        """Count the task's rows in each table of the ledgers."""
        names = [name for name in tables.metadata.tables if name.startswith("ledger_")]
        with self.engine.begin() as connection:
            sql = "SELECT COUNT(*) FROM {} WHERE task_id = :task"
            return {
                name: connection.execute(sa.text(sql.format(name)), {"task": self.number}).scalar_one()
                for name in names
            }


@cache
def ledger_database(cluster: Postgres) -> tuple[Secret, sa.Engine]:
    """Make the one database of all boxes: its URL, and a way to its rows."""
    url = cluster.create()

    async def migrate() -> None:
        database = open_database(url)
        await upgrade(database)
        await database.close()

    asyncio.run(migrate())
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    with engine.begin() as connection:
        connection.execute(sa.insert(tables.project).values(id="p", name="p", domain_id="d", created_at=0))
    return Secret(url), engine


BOXES: dict[str, Callable[..., LedgerBox]] = {"sqlite": SqliteBox, "memory": MemoryBox}
if wanted("postgresql"):
    BOXES["postgresql"] = PostgresBox


def open_run(
    ledger: Ledger, *, identity: str = "a>b", rules: str = "r", name: str = "", retry: bool = False
) -> RunInfo:
    """Open a run with the usual words."""
    return ledger.open_run(identity=identity, rules=rules, name=name, retry_failed=retry)


def failure(key: str, at: float = 1.0) -> Failure:
    """Make a failed object."""
    return Failure(key, 10, "SRC_OBJ_CHANGED_FAILURE", f"changed: {key!r}", at)


def parked(key: str, due: float = 0.0, kind: ParkKind = ParkKind.LARGE) -> Parked:
    """Make a parked object."""
    return Parked(key, kind, 7, "etag", 1.5, "GLACIER", due)


def settlement(key: str, outcome: Outcome = Outcome.MIGRATED, size: int = 7) -> Settlement:
    """Make the end of a parked object."""
    failed = failure(key) if outcome is Outcome.FAILED else None
    return Settlement(key, outcome, size, f"{outcome}: settled", RecordLine(outcome, f"{key}\n"), failed)


def report(
    segment: int,
    epoch: int,
    marker: str = "",
    *,
    migrated: tuple[str, ...] = (),
    skipped: tuple[str, ...] = (),
    failed: tuple[str, ...] = (),
    waiting: tuple[str, ...] = (),
    before: Counters | None = None,
    done: bool = False,
) -> Checkpoint:
    """Make a report of these keys, on top of the counters ``before``. Every object has one byte."""
    old = before or Counters()
    keys = (*migrated, *skipped, *failed, *waiting)
    counters = Counters(
        listed=old.listed + len(keys),
        migrated=old.migrated + len(migrated),
        skipped=old.skipped + len(skipped),
        failed=old.failed + len(failed),
        waiting=old.waiting + len(waiting),
        listed_bytes=old.listed_bytes + len(keys),
        migrated_bytes=old.migrated_bytes + len(migrated),
        skipped_bytes=old.skipped_bytes + len(skipped),
        failed_bytes=old.failed_bytes + len(failed),
    )
    ended = ((Outcome.MIGRATED, migrated), (Outcome.SKIPPED, skipped), (Outcome.FAILED, failed))
    return Checkpoint(
        segment,
        epoch,
        marker,
        counters,
        done=done,
        reasons={f"{outcome}: why": getattr(counters, outcome) for outcome, _ in ended},
        records=tuple(RecordLine(outcome, f"{key}\n") for outcome, keys in ended for key in keys),
        failures=tuple(failure(key) for key in failed),
        parked=tuple(parked(key) for key in waiting),
    )


def take_lists(ledger: Ledger, *, limit_bytes: int = 0) -> dict[Outcome, list[str]]:
    """Upload the lists (all, unless a limit is given) and return the keys they hold."""
    keys: dict[Outcome, list[str]] = {outcome: [] for outcome in Outcome}
    for outcome, name, path in ledger.records_ready(everything=not limit_bytes, limit_bytes=limit_bytes):
        keys[outcome] += Path(path).read_bytes().decode("utf-8", "surrogateescape").splitlines()
        ledger.record_uploaded(outcome, name)
    return keys
