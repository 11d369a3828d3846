"""Processes that migrate are killed, interrupted and robbed of workers: nothing is lost, nothing counted twice."""

import json
import os
import pickle
import random
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing, suppress
from pathlib import Path

import pytest

from oms_engine.batch import split_reasons
from oms_engine.ledger import RunInfo
from oms_engine.scope import run_name
from oms_engine.store import MIB
from oms_engine.task import Result, TaskState
from oms_worker.sqlite_ledger import SqliteLedger
from support import driver
from support.driver import DriverPlan
from support.migrations import Ran, quick, store_config

pytestmark = pytest.mark.e2e

CONNECTIONS = 16
PARTS_AT_ONCE = 8


class Driver:
    """One process that migrates a world."""

    def __init__(self, world, *, processes=1, **fields):
        settings = quick(processes=processes, connections=CONNECTIONS)
        source = store_config(world.s3, world.source.name, credentials=world.s3.credentials)
        destination = store_config(world.obs, world.destination.name, credentials=world.obs.credentials)
        plan = DriverPlan(world.spec(**fields), source, destination, settings, str(world.state))
        path = world.directory / "plan.pickle"
        path.write_bytes(pickle.dumps(plan))
        self.process = subprocess.Popen(
            [sys.executable, driver.__file__, path], stdout=subprocess.PIPE, text=True, process_group=0
        )
        assert self.process.stdout.readline() == "ready\n"

    def workers(self):
        """Return the ids of its worker processes."""
        path = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        found = []
        for pid in map(int, path.read_text().split()):
            with suppress(FileNotFoundError):
                if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.append(pid)
        return found

    def kill(self):
        """Take the process away without a word; False when it had ended by itself. No worker outlives it."""
        workers = self.workers() if self.process.poll() is None else []
        self.process.kill()
        self.output = self.process.communicate()[0]
        ended = self.process.returncode != -signal.SIGKILL
        deadline = time.monotonic() + 10
        while any(alive(pid) for pid in workers):
            assert time.monotonic() < deadline, "a worker outlived its parent"
            time.sleep(0.02)
        return not ended

    def finish(self):
        """Wait for its end; return its exit code and its result."""
        output, _ = self.process.communicate(timeout=60)
        return self.process.returncode, json.loads(output)["result"]


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def mixed(world):
    """Small objects, some that stream, some in parts; a destination that takes its time."""
    world.source.put_many((f"{number % 5}/{number:04}", os.urandom(500 + number)) for number in range(300))
    world.source.put_many((f"7/streamed{number}", os.urandom(2 * MIB)) for number in range(3))
    world.source.put_many((f"8/big{number}", os.urandom(40 * MIB)) for number in range(2))
    world.obs.latency = 0.05
    return world


def finished(world):
    """Whether the state file says that its run is over: a kill may come after that and before the process ends."""
    with closing(sqlite3.connect(world.state)) as database:
        return database.execute("SELECT finished FROM run").fetchone() == (1,)


def ended(world):
    """Return the finished run of a world as its state file has it, with its books held together."""
    assert finished(world)
    ledger = SqliteLedger(world.state)
    try:
        ledger._run, name = ledger._db.row("SELECT number, name FROM run")
        name = name or run_name(world.open_source(), world.open_destination(), run_info(ledger))
        counters, lists = ledger.totals(), world.lists(name)
        result = Result(
            TaskState.FAILED if counters.failed else TaskState.SUCCEEDED,
            counters,
            0.0,
            reasons=split_reasons(ledger.reasons(), counters.migrated)[0],
            records={kind: "" for kind, lines in lists.items() if lines},
            complete=True,
            name=name,
        )
        ran = Ran(result, ledger.failures(limit=10_000), len(ledger.uploads() + ledger.orphans()), lists, [])
    finally:
        ledger.close()
    world.check_books(ran)
    return ran


def run_info(ledger):
    """Return the run a state file stands in, without opening it as a run."""
    number, started_at = ledger._db.row("SELECT number, started_at FROM run")
    return RunInfo(0, "", number, started_at, resumed=True)


def check_effort(world, rounds):
    """Hold what was sent against what need be: at most what was under way at each kill is sent again."""
    stored = [entry for entry in world.obs.log if entry.status == 200 and not entry.key.startswith("oms/task/")]
    puts = Counter(entry.key for entry in stored if entry.operation == "PutObject")
    again = sum(puts.values()) - len(puts)
    assert again <= rounds * (CONNECTIONS + PARTS_AT_ONCE)
    parts = Counter(
        (entry.key, re.search(r"partNumber=([0-9]+)", entry.query)[1])
        for entry in stored
        if entry.operation == "UploadPart"
    )
    assert sum(parts.values()) - len(parts) <= rounds * 2 * PARTS_AT_ONCE


@pytest.mark.parametrize(("processes", "seed"), [(1, 1), (3, 3)])
def test_killed_at_random_moments(mixed, processes, seed):
    """Killed again and again at random moments, the same command ends with every key migrated and listed once."""
    dice = random.Random(seed)
    kills = 0
    for _ in range(6):
        running = Driver(mixed, processes=processes)
        time.sleep(dice.uniform(0.05, 0.6) if processes == 1 else dice.uniform(0.4, 1.3))
        kills += running.kill()
        if finished(mixed):
            break
    else:
        mixed.obs.latency = 0.0
        assert Driver(mixed, processes=processes).finish()[0] == 0
    assert kills >= 2
    ran = ended(mixed)
    assert ran.counts == (305, 305, 0, 0)
    mixed.check_clean(ran)
    check_effort(mixed, kills)


@pytest.mark.parametrize(("order", "starts", "seed"), [("shuffled", "bytes", 5), ("path", "ignored", 6)])
def test_killed_while_the_source_lists_in_an_order_of_its_own(mixed, order, starts, seed):
    """Killed again and again, a run over a listing that is not in order ends with every key listed once."""
    mixed.source.put_many((f"{number % 5}-x/{number:04}", os.urandom(500)) for number in range(100))
    mixed.s3.list_order, mixed.s3.list_starts, mixed.s3.list_page = order, starts, 40
    dice = random.Random(seed)
    kills = 0
    for _ in range(6):
        running = Driver(mixed)
        time.sleep(dice.uniform(0.05, 0.6))
        kills += running.kill()
        if finished(mixed):
            break
    else:
        mixed.obs.latency = 0.0
        assert Driver(mixed).finish()[0] == 0
    assert kills >= 2
    ran = ended(mixed)
    assert (ran.counts[0], ran.counts[3]) == (405, 0)
    mixed.check_clean(ran)


@pytest.mark.parametrize("processes", [1, 3])
def test_interrupted_at_random_moments(mixed, processes):
    """SIGINT pauses within a moment and says so by 130; the same command goes on and nothing is sent twice."""
    dice = random.Random(processes)
    codes = []
    for _ in range(3):
        running = Driver(mixed, processes=processes)
        time.sleep(dice.uniform(0.05, 0.5) if processes == 1 else dice.uniform(0.3, 1.2))
        running.process.send_signal(signal.SIGINT)
        code, result = running.finish()
        codes.append(code)
        assert result["state"] == ("paused" if code == 130 else "succeeded")
        if code == 0:
            break
    assert codes[0] == 130
    mixed.obs.latency = 0.0
    if codes[-1]:
        code, _ = Driver(mixed, processes=processes).finish()
        assert code == 0
    ran = ended(mixed)
    assert ran.counts == (305, 305, 0, 0)
    mixed.check_clean(ran)
    puts = Counter(entry.key for entry in mixed.obs.log if entry.operation in {"PutObject", "CreateMultipartUpload"})
    assert [key for key, times in puts.items() if times > 1 and not key.startswith("oms/task/")] == []


@pytest.mark.parametrize("seed", [1])
def test_a_killed_worker_is_made_up_for(mixed, seed):
    """When one worker process is killed its segments and large objects go on elsewhere, each key counted once."""
    dice = random.Random(seed)
    running = Driver(mixed, processes=3)
    deadline = time.monotonic() + 10
    while len(running.workers()) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    while not any(entry.operation == "PutObject" for entry in mixed.obs.log):
        time.sleep(0.02)
    time.sleep(dice.uniform(0.0, 1.0))
    victims = running.workers()
    os.kill(dice.choice(victims), signal.SIGKILL)
    mixed.obs.latency = 0.0
    code, result = running.finish()
    assert (code, result["counters"]["migrated"]) == (0, 305)
    ran = ended(mixed)
    assert ran.counts == (305, 305, 0, 0)
    mixed.check_clean(ran)


def test_all_workers_killed(mixed):
    """With every worker process gone the parent finishes alone."""
    running = Driver(mixed, processes=3)
    while len(running.workers()) < 2:
        time.sleep(0.02)
    time.sleep(0.8)
    for pid in running.workers():
        os.kill(pid, signal.SIGKILL)
    mixed.obs.latency = 0.0
    code, result = running.finish()
    assert (code, result["counters"]["migrated"]) == (0, 305)
    ran = ended(mixed)
    assert ran.counts == (305, 305, 0, 0)
    mixed.check_clean(ran)


def test_failures_survive_a_kill(mixed):
    """Objects that failed before a kill stay failed, once, and a retry moves them alone."""
    from oms_adapters.sandbox import Answer, Fault, Match

    for key in ("0/0000", "0/0295", "8/big0"):
        mixed.s3.faults.add(Fault(Match(operation="GetObject", key=key), Answer(403, "AccessDenied"), times=None))
    for pause in (0.4, 0.6):
        running = Driver(mixed)
        time.sleep(pause)
        running.kill()
    mixed.obs.latency = 0.0
    code, _ = Driver(mixed).finish()
    assert code == 1
    ran = ended(mixed)
    assert ran.codes() == dict.fromkeys(["0/0000", "0/0295", "8/big0"], "GET_SRC_OBJ_FAILURE")
    mixed.check_copy(ran)
    mixed.s3.faults.clear(), mixed.s3.clear_log()
    code, _ = Driver(mixed, retry_failed=True).finish()
    assert code == 0
    again = ended(mixed)
    assert set(again.lists["success"]) == {"0/0000", "0/0295", "8/big0"}
    assert {entry.key for entry in mixed.s3.log if entry.operation == "GetObject"} == set(again.lists["success"])
