"""``import openoms``: the same migration from Python, sync, async, from threads, paused and resumed."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import openoms
from e2e.cli_support import open_bench
from oms_adapters.sandbox import Sandbox

pytestmark = pytest.mark.e2e

COUNT = 120


@pytest.fixture(scope="module")
def sandbox():
    """Two loopback clouds for the whole module."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def bench(sandbox, tmp_path, monkeypatch):
    """Fresh buckets; the state lies in a folder of the test's own."""
    sandbox.s3.latency = 0.0
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return open_bench(sandbox, tmp_path, [(f"k/{number:03d}", b"x" * number) for number in range(COUNT)])


@pytest.fixture
def options(bench) -> openoms.MigrateOptions:
    """Endpoints and credentials, given in Python."""
    return {
        "source_endpoint": bench.sandbox.s3.url,
        "source_region": "us-east-1",
        "source_credentials": openoms.Credentials(
            bench.sandbox.s3.access_key, openoms.Secret(bench.sandbox.s3.secret_key)
        ),
        "destination_endpoint": bench.sandbox.obs.url,
        "destination_region": "cn-north-4",
        "destination_credentials": bench.sandbox.obs.credentials,
    }


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ({"metdata": True}, "'metadata'"),
        ({"overwite": "always"}, "'overwrite'"),
        ({"objects": "k0001"}, r"objects takes a list of texts, such as objects=\['2024/a.jpg'\]"),
        ({"objects": [b"k0001"]}, "objects takes a list"),
        ({"bandwidth": "08:00-18:00=50M"}, "bandwidth takes a list"),
        ({"prefixes": "a/"}, "prefixes takes a list"),
    ],
)
def test_an_option_that_would_silently_not_hold_is_refused(bench, options, wrong, hint):
    """A mistyped name, or one text where several belong, whose letters would be keys."""
    with pytest.raises(openoms.ConfigError, match=hint):
        openoms.Migration(*bench.places, **options, **wrong)


def test_a_callback_that_raises_is_logged_once_and_ends_nothing(bench, options, caplog):
    """The migration goes on without it."""
    calls = []

    def broken(progress):
        calls.append(progress)
        raise RuntimeError("no such widget")

    result = openoms.migrate(*bench.places, **options, on_progress=broken)
    assert result.counters.migrated == COUNT
    assert len(calls) == 1
    [record] = [record for record in caplog.records if record.name == "openoms"]
    assert "on_progress" in record.getMessage()
    assert "no such widget" in str(record.exc_info[1])


def test_migrate_returns_a_typed_result(bench, options):
    """Counters, state and lists; the callback saw progress."""
    seen = []
    result = openoms.migrate(*bench.places, **options, on_progress=seen.append)
    assert isinstance(result, openoms.Result)
    assert result.state is openoms.TaskState.SUCCEEDED
    assert (result.counters.listed, result.counters.migrated) == (COUNT, COUNT)
    assert result.counters.balanced
    assert len(bench.copied()) == COUNT
    assert seen
    assert all(isinstance(progress, openoms.Progress) for progress in seen)


async def test_migrate_works_inside_a_running_event_loop(bench, options):
    """A notebook has a loop running already."""
    assert openoms.migrate(*bench.places, **options).counters.migrated == COUNT


async def test_migrate_async_leaves_the_loop_free_and_calls_back_in_it(bench, options):
    """Other tasks run meanwhile; on_progress is called in the loop's own thread."""
    bench.sandbox.s3.latency = 0.02
    threads, ticks = set(), 0

    async def tick():
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0.01)

    ticking = asyncio.ensure_future(tick())
    result = await openoms.migrate_async(
        *bench.places, **options, on_progress=lambda _progress: threads.add(threading.get_ident())
    )
    ticking.cancel()
    assert result.counters.migrated == COUNT
    assert ticks > 5
    assert threads == {threading.get_ident()}


async def test_cancelling_migrate_async_pauses_and_the_same_call_goes_on(bench, options):
    """Nothing runs any more when the cancellation is raised; nothing is lost."""
    bench.sandbox.s3.latency = 0.2
    running = asyncio.ensure_future(openoms.migrate_async(*bench.places, **options, connections=2))
    await asyncio.to_thread(wait_until, lambda: len(bench.copied()) >= 2)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    rested = len(bench.copied())
    await asyncio.sleep(0.6)
    assert len(bench.copied()) == rested < COUNT
    bench.sandbox.s3.latency = 0.0
    result = await openoms.migrate_async(*bench.places, **options)
    assert result.counters.listed == COUNT
    assert len(bench.copied()) == COUNT


def wait_until(condition, seconds: float = 20.0) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_migration_is_started_watched_paused_and_resumed(bench, options):
    """The object keeps one task over several runs."""
    bench.sandbox.s3.latency = 0.2
    migration = openoms.Migration(*bench.places, **options, connections=2)
    assert migration.progress.state is openoms.TaskState.WAITING
    migration.start()
    assert migration.running
    with pytest.raises(openoms.ConfigError, match="running already"):
        migration.start()
    with pytest.raises(TimeoutError):
        migration.wait(0.05)
    wait_until(lambda: migration.progress.counters.migrated >= 1)
    paused = migration.pause()
    assert paused.state is openoms.TaskState.PAUSED
    assert not migration.running
    bench.sandbox.s3.latency = 0.0
    migration.resume()
    result = migration.wait()
    assert result.state is openoms.TaskState.SUCCEEDED
    assert result.counters.listed == COUNT
    assert len(bench.copied()) == COUNT


def test_the_bandwidth_is_changed_while_it_runs(bench, options):
    """A limit slows the run down; lifting it lets it finish."""
    bench.source.put_many([(f"big/{number}", b"y" * 300_000) for number in range(30)])
    migration = openoms.Migration(*bench.places, **options, bandwidth=["00:00-23:59=1M"])
    migration.start()
    time.sleep(2.0)
    assert migration.running
    with pytest.raises(openoms.ConfigError):
        migration.set_bandwidth(["nonsense"])
    migration.set_bandwidth([])
    assert migration.wait(30).counters.migrated == COUNT + 30


def test_several_migrations_run_in_threads_at_once(bench, options):
    """Each has a state of its own."""

    def one(number: int) -> int:
        return openoms.migrate(bench.places[0], f"{bench.places[1]}/copy-{number}", **options).counters.migrated

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(one, range(4))) == [COUNT] * 4
    assert len(bench.copied()) == 4 * COUNT


def test_errors_are_raised_as_types_before_anything_is_touched(bench, options):
    """A configuration error never becomes a result; a task that fails as a whole is one."""
    with pytest.raises(openoms.ConfigError, match="s3://"):
        openoms.migrate("photos", "obs://archive", **options)
    with pytest.raises(openoms.ConfigError, match="always"):
        openoms.migrate(*bench.places, **options, overwrite="alwys")
    options["source_credentials"] = openoms.Credentials("WRONG", openoms.Secret("wrong"))
    result = openoms.migrate(*bench.places, **options)
    assert (result.state, result.error_code) == (openoms.TaskState.FAILED, "TRF.0151")


def test_every_public_name_can_be_imported_and_none_is_loaded_before():
    """``import openoms`` alone loads no engine, so that the command starts fast."""
    code = (
        "import sys, openoms\n"
        "assert not [name for name in sys.modules if name.startswith(('oms_engine', 'rich', 'pydantic', 'asyncio'))]\n"
        "assert all(getattr(openoms, name) is not None for name in openoms.__all__)\n"
        "assert set(openoms.__all__) <= set(dir(openoms))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
