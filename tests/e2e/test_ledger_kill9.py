"""A process that records objects is killed with SIGKILL, again and again: the counters stay exactly the lists."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from pathlib import Path

import pytest

from contract.ledgers import open_run
from oms_engine.errors import ConfigError
from oms_engine.model import Outcome
from oms_worker.sqlite_ledger import SqliteLedger

pytestmark = pytest.mark.e2e

KILLS = 30

# Keys are numbers in order; every report ends some keys and parks every tenth, settles some of those, and lists that
# are full go to the "bucket": a directory where a list of one name overwrites its first try.
WORKER = """
import os, shutil, signal, sys, time
sys.path[:0] = {path!r}
from contract.ledgers import open_run, report, settlement
from oms_engine.ledger import Segment
from oms_engine.model import Outcome
from oms_worker.sqlite_ledger import SqliteLedger

state, bucket = sys.argv[1:3]
{hook}
ledger = SqliteLedger(state)
open_run(ledger)
if not ledger.segments():
    ledger.add_segments([Segment(0)])
segment = ledger.claim()
counters, start = segment.counters, int(segment.marker or 0)
print("ready", flush=True)
while True:
    keys = [f"{{n:09}}" for n in range(start, start + 40)]
    told = report(segment.id, segment.epoch, str(start + 40), migrated=tuple(keys[:20]), skipped=tuple(keys[20:30]),
                  failed=tuple(keys[30:36]), waiting=tuple(keys[36:]), before=counters)
    assert ledger.checkpoint(told)
    assert ledger.checkpoint(told)
    counters, start = told.counters, start + 40
    for parked in ledger.due(time.time(), 3):
        assert ledger.settle(settlement(parked.key, list(Outcome)[int(parked.key) % 3]))
    for outcome, name, path in ledger.records_ready(everything=False, limit_bytes=4000):
        shutil.copy(path, f"{{bucket}}/{{outcome}}-{{name}}")
        ledger.record_uploaded(outcome, name)
"""


def start_worker(state: Path, bucket: Path, hook: str = "") -> subprocess.Popen[str]:
    """Start the process and wait until it works."""
    program = WORKER.format(path=[entry for entry in sys.path if entry], hook=textwrap.dedent(hook))
    worker = subprocess.Popen([sys.executable, "-c", program, state, bucket], stdout=subprocess.PIPE, text=True)
    assert worker.stdout
    assert worker.stdout.readline() == "ready\n"
    return worker


def kill(worker: subprocess.Popen[str]) -> None:
    """Take the process away without a word."""
    worker.kill()
    assert worker.wait() == -signal.SIGKILL
    assert worker.stdout
    worker.stdout.close()


def assert_every_key_once(state: Path, bucket: Path) -> int:
    """Hold counters, lists and parked rows together; return how many objects ended."""
    ledger = SqliteLedger(state)
    assert open_run(ledger).resumed
    lines = {path.name: path for path in bucket.iterdir()}
    ready = ledger.records_ready(everything=False, limit_bytes=sys.maxsize)
    spooled = Path(f"{state}.records").glob("*.txt")
    lines |= {path.name.removeprefix("1-").removesuffix(".txt"): path for path in spooled}
    assert {f"{outcome}-{name}" for outcome, name, _ in ready} <= set(lines)
    keys = [(name.split("-")[0], key) for name, path in lines.items() for key in path.read_text().splitlines()]
    totals, by_outcome = ledger.totals(), Counter(outcome for outcome, _ in keys)
    assert {outcome.value: getattr(totals, outcome) for outcome in Outcome} == {o.value: by_outcome[o] for o in Outcome}
    ended = {key for _, key in keys}
    parked = {item.key for item in ledger.due(time.time(), sys.maxsize)}
    assert len(ended) == len(keys), "a key stands twice in the lists"
    assert len(parked) == totals.waiting
    assert ended | parked == {f"{n:09}" for n in range(totals.listed)}, "a key was lost, or has an end and waits"
    assert totals.balanced
    failures = {failure.key for failure in ledger.failures(limit=sys.maxsize)}
    assert failures == {key for outcome, key in keys if outcome == Outcome.FAILED}
    ledger.close()
    return len(ended)


def test_sigkill_at_random_moments(tmp_path: Path) -> None:
    """After each of many kills the lists hold exactly the counted keys, each once, and work goes on from there."""
    state, bucket = tmp_path / "state.db", tmp_path / "bucket"
    bucket.mkdir()
    moments = random.Random(9)
    ended = [0]
    for _ in range(KILLS):
        worker = start_worker(state, bucket)
        time.sleep(moments.random() * 0.05)
        kill(worker)
        ended.append(assert_every_key_once(state, bucket))
    assert ended == sorted(ended)
    assert ended[-1] > 1000, "the workers did work"


DIE = "os.kill(os.getpid(), signal.SIGKILL)"
MOMENTS = {
    "amid a line": f"""
        real, count = os.pwrite, 0
        def pwrite(descriptor, data, offset):
            global count
            count += len(data) > 20
            if count == 30:
                real(descriptor, data[: len(data) // 2], offset)
                {DIE}
            return real(descriptor, data, offset)
        os.pwrite = pwrite
        """,
    "between the lines and their commit": f"""
        real, count = os.pwrite, 0
        def pwrite(descriptor, data, offset):
            global count
            count += 1
            written = real(descriptor, data, offset)
            if count == 30:
                {DIE}
            return written
        os.pwrite = pwrite
        """,
    "after a list was closed": f"""
        real, count = os.ftruncate, 0
        def ftruncate(descriptor, size):
            global count
            real(descriptor, size)
            count += size > 0
            if count == 4:
                {DIE}
        os.ftruncate = ftruncate
        """,
    "between upload and note": f"""
        real, count = shutil.copy, 0
        def copy(path, to):
            global count
            real(path, to)
            count += 1
            if count == 3:
                {DIE}
        shutil.copy = copy
        """,
    "between note and removal": f"""
        real, count = os.unlink, 0
        def unlink(path):
            global count
            count += path.endswith(".txt")
            if count == 3:
                {DIE}
            real(path)
        os.unlink = unlink
        """,
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_sigkill_at_the_worst_moment(tmp_path: Path, moment: str) -> None:
    """Killed between any two of the steps that belong together, nothing is counted twice or lost."""
    state, bucket = tmp_path / "state.db", tmp_path / "bucket"
    bucket.mkdir()
    for _ in range(2):
        worker = start_worker(state, bucket, MOMENTS[moment])
        assert worker.wait(20) == -signal.SIGKILL
        assert worker.stdout
        worker.stdout.close()
        assert assert_every_key_once(state, bucket) > 0


def test_one_process_per_migration(tmp_path: Path) -> None:
    """A second process is told who runs this migration and where; when that one is killed the state is free."""
    state, bucket = tmp_path / "state.db", tmp_path / "bucket"
    bucket.mkdir()
    worker = start_worker(state, bucket)
    with pytest.raises(ConfigError, match=rf"another openoms \(process {worker.pid}\) is running .*{state}"):
        SqliteLedger(state)
    kill(worker)
    SqliteLedger(state).close()


def test_orphans_do_not_hold_the_lock(tmp_path: Path) -> None:
    """A forked helper that outlives its killed parent does not keep the migration from going on."""
    state, bucket = tmp_path / "state.db", tmp_path / "bucket"
    bucket.mkdir()
    fork = """
        ledger = SqliteLedger(state)
        orphan = os.fork()
        if not orphan:
            open(f"{bucket}/{os.getpid()}", "w")
            os.close(1)
            time.sleep(60)
            os._exit(0)
        ledger.close()
        ledger = SqliteLedger(state)
        orphan2 = os.fork()
        if not orphan2:
            open(f"{bucket}/{os.getpid()}", "w")
            print("ready", flush=True)
            os.close(1)
            time.sleep(60)
            os._exit(0)
        time.sleep(60)
        """
    worker = start_worker(state, bucket, fork)
    kill(worker)
    try:
        SqliteLedger(state).close()
    finally:
        for orphan in bucket.iterdir():
            os.kill(int(orphan.name), signal.SIGKILL)
