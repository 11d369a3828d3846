"""Very many objects in one flat prefix: memory stays flat, and the listing is shared."""

import json
import pickle
import subprocess
import sys

import pytest

from oms_adapters.config import StoreConfig
from oms_engine.model import Credentials, Secret
from oms_engine.session import EngineSettings
from oms_engine.store import MIB
from oms_engine.task import MigrationSpec
from oms_worker.sqlite_ledger import SqliteLedger
from support import driver
from support.driver import DriverPlan
from support.listing_server import ListingServer

pytestmark = pytest.mark.e2e


def run(directory, count, *, latency=0.0, processes=1):
    """Migrate ``count`` objects that are all there already; return the result and the greatest memory in bytes."""
    keys = Credentials("ak", Secret("sk"))
    with ListingServer(count, latency=latency) as server:
        plan = DriverPlan(
            MigrationSpec("s3://src", "obs://dst"),
            StoreConfig("AWS", "src", endpoint=server.url, region="r", addressing="path", credentials=keys),
            StoreConfig("HuaweiCloud", "dst", endpoint=server.url, addressing="path", credentials=keys),
            EngineSettings(processes=processes),
            str(directory / f"{count}.sqlite"),
        )
        path = directory / f"{count}.pickle"
        path.write_bytes(pickle.dumps(plan))
        done = subprocess.run(
            [sys.executable, driver.__file__, path], capture_output=True, check=False, text=True, timeout=100
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert server.written > 30 * count
    assert server.lines == count  # the skip list names every key once
    return told["result"], told["max_rss"]


def test_a_long_listing_is_shared_among_processes(tmp_path):
    """One flat listing is cut for idle workers; the pieces together hold every key once."""
    result, _ = run(tmp_path, 250_000, latency=0.008, processes=2)
    assert result["counters"]["skipped"] == 250_000
    ledger = SqliteLedger(tmp_path / "250000.sqlite")
    segments = ledger.segments()
    ledger.close()
    assert len(segments) > 1
    assert all(segment.counters.listed for segment in segments)
    assert sum(segment.counters.listed for segment in segments) == 250_000


def test_three_hundred_thousand_keys_take_no_more_memory_than_thirty_thousand(tmp_path):
    """Ten times the keys in one flat prefix take the same memory, well under 150 MB."""
    _, few = run(tmp_path, 30_000)
    result, many = run(tmp_path, 300_000)
    assert result["counters"]["skipped"] == 300_000
    assert many < 150 * MIB
    assert many - few < 40 * MIB
