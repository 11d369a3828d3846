"""Two ``openoms serve`` on two hosts and one PostgreSQL: one is lost while it moves a task, the other finishes it.

Each has a state directory of its own; that of the lost one is deleted with it.
"""

import os
import re
import shutil
import signal
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
import sqlalchemy as sa
from huaweicloudsdkoms.v2 import DeleteTaskRequest

from oms_adapters.sandbox import Delay, Fault, Match
from oms_engine.store import MIB
from oms_worker.db import tables
from oms_worker.states import Task
from support.figures import Readings
from support.migrations import read_lists
from support.served import Served, create, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

CONNECTIONS = 8
PARTS_AT_ONCE = 4
SMALL, BIG = 2400, 40 * MIB
LARGE = "0000-large"
"""Listed at once, in parts under way at the loss."""
HELD_PART = 2
WORK = {"hosts": 1, "dead_seconds": 5, "connections_per_task": CONNECTIONS, "count_ahead": False}


@pytest.fixture
def database(postgres_cluster):
    """The URL of an empty database, and a way to look into it."""
    url = postgres_cluster.create()
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"))
    yield SimpleNamespace(url=url, engine=engine)
    engine.dispose()


@pytest.fixture
def hosts(database, sandbox, tmp_path):
    """Two services that do not run yet, with one key ring."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    key_file = str(tmp_path / "keys")
    made = [
        Served(tmp_path / name, clouds, database.url, region="local", work=WORK, key_file=key_file) for name in "ab"
    ]
    yield made
    for served in made:
        if served.process is not None:
            served.process.kill()
            served.process.wait()


@pytest.fixture
def client(hosts, world):
    """How to ask a service as a user."""
    alice = hosts[0].add_users(alice={}).alice
    return lambda served: served.client(alice)


def fill(world):
    """Many small objects and one that is sent in parts."""
    world.source.put_many((f"{number:04}", os.urandom(100 + number)) for number in range(SMALL))
    world.source.put(LARGE, os.urandom(BIG))
    return BIG + sum(100 + number for number in range(SMALL))


def lose(served):
    """Take a service away with its task hosts and all that lies on its disk, without a word."""
    pid = served.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    served.process.kill()
    for child in map(int, children):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    served.process.wait()
    served.process = None
    shutil.rmtree(served.folder / "data")


def rows_of(database, number, name, *columns):
    """Return a task's rows of a table of the ledgers."""
    table = tables.metadata.tables[name]
    with database.engine.begin() as connection:
        query = sa.select(*(table.c[column] for column in columns)).where(table.c.task_id == number)
        return connection.execute(query.order_by(*table.primary_key)).all()


def task_row(database, number):
    """Return the task's owner and generation."""
    with database.engine.begin() as connection:
        query = sa.select(tables.task.c.owner, tables.task.c.generation).where(tables.task.c.id == number)
        return connection.execute(query).one()


def wait_for(condition, seconds=60):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def requests(cloud, bucket, since=0.0):
    """What a cloud was asked about a bucket, record lists left out."""
    return [
        entry
        for entry in cloud.log
        if entry.bucket == bucket.name and entry.when >= since and not entry.key.startswith("oms/task/")
    ]


def listed_after(entry):
    """Where a listing begins; None for the look whether the bucket is there."""
    query = {name: values[0] for name, values in parse_qs(entry.query, keep_blank_values=True).items()}
    return None if query.get("max-keys") == "1" else query.get("start-after") or query.get("marker") or ""


def test_another_host_goes_on_from_the_segments(hosts, client, database, world, sandbox):
    """What a lost host reported is neither listed nor read again; counters and lists are as if nothing had happened.

    What was in flight is the most that is copied twice, proved parts of a large object included. The lost host had
    uploaded none of the lists. The figures never run backwards, neither on one host nor from one to the other.
    """
    first, second = hosts
    size = fill(world)
    first.start()
    sandbox.obs.latency = 0.05
    sandbox.obs.faults.add(Fault(Match(operation="UploadPart", part=HELD_PART), Delay(60)))
    number = int(create(client(first), world))

    def migrated():
        return sum(row.migrated for row in rows_of(database, number, "ledger_segment", "migrated"))

    readings, user = Readings(task=number), client(first)
    wait_for(
        lambda: (
            readings.read(user).complete_size
            and migrated() > SMALL / 3
            and rows_of(database, number, "ledger_part", "number")
        )
    )
    reached = readings.read(user)
    before = task_row(database, number)
    lose(first)
    lost_at = time.time()
    segments = rows_of(database, number, "ledger_segment", "lo", "marker", "listed", "state")
    copied = migrated()
    lines = sum(row.lines.count(b"\n") for row in rows_of(database, number, "ledger_record_lines", "lines"))
    assert copied < SMALL
    assert lines >= copied  # of settled objects, too
    proved = {row.number for row in rows_of(database, number, "ledger_part", "number")}
    assert proved
    assert HELD_PART not in proved
    sandbox.obs.latency = 0.0
    sandbox.obs.faults.clear()

    second.start()
    task = readings.until_status(client(second), Task.FAILED, Task.SUCCEEDED, seconds=90)
    assert reached.complete_size > 0
    after = task_row(database, number)
    assert before.owner
    assert after.generation > before.generation
    assert (task.status, task.total_num, task.successful_num, task.skipped_num, task.failed_num) == (
        Task.SUCCEEDED,
        SMALL + 1,
        SMALL + 1,
        0,
        0,
    )
    assert (task.total_size, task.complete_size, task.real_size) == (size, size, size)
    check_lists(world, task.name)
    check_effort(world, sandbox, proved)
    check_resumed(world, sandbox, lost_at, segments, copied)

    client(second).delete_task(DeleteTaskRequest(task_id=str(number)))
    for name in tables.metadata.tables:
        if name.startswith("ledger_"):
            assert rows_of(database, number, name, "task_id") == [], name
    assert second.stop() == 0
    assert "Traceback" not in second.log


def check_lists(world, name):
    """Every key stands once, among the migrated ones, and arrived as it was."""
    lists = read_lists(world.destination, name)
    assert set(lists["success"]) == set(world.source.keys())
    assert lists["skip"] == lists["failed"] == {}
    there = {item.key: item.etag for item in world.destination.objects()}
    for item in world.source.objects():
        if item.key != LARGE:
            assert there[item.key] == item.etag
    assert world.destination.get(LARGE) == world.source.get(LARGE)
    assert world.destination.uploads() == []


def check_effort(world, sandbox, proved, losses=1):
    """At most what was under way at each loss was sent again."""
    stored = [entry for entry in requests(sandbox.obs, world.destination) if entry.status == 200]
    puts = Counter(entry.key for entry in stored if entry.operation == "PutObject")
    assert len(puts) == SMALL
    assert sum(puts.values()) - len(puts) <= losses * CONNECTIONS
    parts = Counter(
        int(re.search(r"partNumber=([0-9]+)", entry.query)[1]) for entry in stored if entry.operation == "UploadPart"
    )
    assert all(parts[number] == 1 for number in proved)
    assert sum(parts.values()) - len(parts) <= losses * PARTS_AT_ONCE


def check_resumed(world, sandbox, since, segments, copied):
    """The other host listed from the markers on and read none of the objects that were reported."""
    seen = requests(sandbox.s3, world.source, since)
    begun = [
        where
        for entry in seen
        if entry.operation.startswith("ListObjects") and (where := listed_after(entry)) is not None
    ]
    markers = [(row.marker or row.lo).decode() for row in segments if row.state != "done"]
    # One listing from the beginning proves that a store whose order is not declared lists by bytes; it reads nothing.
    resumed = [where for where in begun if where]
    assert resumed
    assert min(resumed) >= min(markers) > ""
    read = {entry.key for entry in seen if entry.operation == "GetObject"} - {LARGE}
    assert len(read) <= SMALL - copied


def test_a_database_that_drops_its_sessions(hosts, client, database, world, sandbox):
    """Sessions that PostgreSQL ends while a task runs, as in its restart, cost no object, no count and no line."""
    served = hosts[0]
    fill(world)
    served.start()
    sandbox.obs.latency = 0.02
    number = int(create(client(served), world))

    def listed():
        return sum(row.listed for row in rows_of(database, number, "ledger_segment", "listed"))

    for part in (8, 4, 2):
        wait_for(lambda part=part: listed() > SMALL / part)
        with database.engine.begin() as connection:
            others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            connection.execute(sa.text(f"{others} AND pid != pg_backend_pid()"))
    sandbox.obs.latency = 0.0
    task = until(client(served), str(number), Task.FAILED, Task.SUCCEEDED, seconds=90)
    assert (task.status, task.error_reason) == (Task.SUCCEEDED, None)
    assert (task.total_num, task.successful_num, task.skipped_num) == (SMALL + 1, SMALL + 1, 0)
    check_lists(world, task.name)
    check_effort(world, sandbox, set(), losses=3)
    assert task_row(database, number).generation > 1, "the task met at least one of them"
    assert served.stop() == 0


def test_an_end_that_was_not_told_yet(hosts, client, database, world, sandbox):
    """A task that came to its end on a host that is lost before it told so ends with the same numbers on another."""
    first, second = hosts
    world.source.put_many((f"{number:03}", os.urandom(100)) for number in range(50))
    first.config.write_text(f"minimum_task_seconds = 60\n{first.config.read_text()}")
    first.start()
    number = int(create(client(first), world))
    wait_for(lambda: [row.ended_run for row in rows_of(database, number, "ledger_task", "ended_run")] == [1])
    lose(first)
    lost_at = time.time()
    second.start()
    task = until(client(second), str(number), Task.FAILED, Task.SUCCEEDED, seconds=60)
    assert (task.status, task.total_num, task.successful_num, task.skipped_num) == (Task.SUCCEEDED, 50, 50, 0)
    assert len(read_lists(world.destination, task.name)["success"]) == 50
    assert not requests(sandbox.s3, world.source, lost_at), "it did not run again"
    assert second.stop() == 0
