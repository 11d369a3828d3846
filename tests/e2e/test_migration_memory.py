"""Memory stays flat however many objects there are."""

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
from support import driver
from support.driver import DriverPlan
from support.listing_server import ListingServer

pytestmark = pytest.mark.e2e


def run(directory, count):
    """Migrate ``count`` objects that are all there already; return the result and the greatest memory in bytes."""
    keys = Credentials("ak", Secret("sk"))
    with ListingServer(count) as server:
        plan = DriverPlan(
            MigrationSpec("s3://src", "obs://dst"),
            StoreConfig("AWS", "src", endpoint=server.url, region="r", addressing="path", credentials=keys),
            StoreConfig("HuaweiCloud", "dst", endpoint=server.url, addressing="path", credentials=keys),
            EngineSettings(),
            str(directory / f"{count}.sqlite"),
        )
        path = directory / f"{count}.pickle"
        path.write_bytes(pickle.dumps(plan))
        done = subprocess.run(
            [sys.executable, driver.__file__, path], capture_output=True, check=False, text=True, timeout=100
        )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert server.written > 30 * count  # the skip list names every key
    return told["result"], told["max_rss"]


def test_three_hundred_thousand_keys_take_no_more_memory_than_thirty_thousand(tmp_path):
    """Ten times the keys in one flat prefix take the same memory, well under 150 MB."""
    _, few = run(tmp_path, 30_000)
    result, many = run(tmp_path, 300_000)
    assert result["counters"]["skipped"] == 300_000
    assert many < 150 * MIB
    assert many - few < 40 * MIB
