"""Rows of the service: the API while 200 tasks run and 1,500 wait, a kill under that load, and events of sync tasks.

The service is a real ``openoms serve`` on SQLite, the stores are the benchmark's own server, which answers 400 ms late as
a store far away does: so 200 tasks really run and really move bytes, held back by the distance and not by two
processors alone. A second load has no such distance: there the task hosts take all that the processors give. The
clients sign every call, on the same processors. Latencies are those that a client sees.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import httpx
from report import Line
from server import Server
from service_client import Client, Keys
from service_mix import MIGRATING, Mix, quantile, run_mix

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.served import Served

RUNNING, WAITING = 200, 1500
CONNECTIONS = 8
MIX_SECONDS = 30.0
P95_SECONDS = 0.1
PAUSE_SECONDS = 5.0
READY_SECONDS = 3.0
EVENT_RATE = 10_000
KEYS_PER_CALL = 100
"""Most that the API takes in one call."""

OBJECTS = 5000
CONNECTIONS_PER_TASK = 4


@dataclass(frozen=True)
class Load:
    """What the tasks move, and how far away."""

    title: str
    size: int
    latency_ms: int
    required: bool
    """Whether the limits must hold; where the hosts may take all there is, figures are only told."""


FAR = Load("far stores", 16_384, 400, required=True)
NEAR = Load("near stores, no processor idle", 1024, 0, required=False)


@dataclass(frozen=True)
class Used:
    """What a process and its children have used so far."""

    cpu: float
    hosts_cpu: float
    rss: float
    """MB."""
    hosts_rss: float


class Place:
    """A running service between the benchmark's buckets."""

    def __init__(self, server: Server, folder: Path, **settings: Any) -> None:
        clouds = [
            ("AWS", SimpleNamespace(region="bench-src", url=server.source)),
            ("HuaweiCloud", SimpleNamespace(region="bench-dst", url=server.destination)),
        ]
        self.served = Served(folder, clouds, log_level="warning", **settings)
        self.user = self.served.add_users(bench={}).bench
        self._numbers = count(1)
        self.start()

    def start(self) -> float:
        """Start the process; return the seconds until it is ready."""
        began = time.monotonic()
        self.served.start()
        while httpx.get(f"{self.served.url}/readyz", trust_env=False).status_code != 200:
            time.sleep(0.01)
        return time.monotonic() - began

    def kill(self) -> None:
        """End the process without a word."""
        os.kill(self.served.process.pid, signal.SIGKILL)
        self.served.process.wait()

    @property
    def keys(self) -> Keys:
        """Where it listens now, and who calls."""
        place = urlsplit(self.served.url)
        return Keys(
            place.hostname, place.port, self.user["access_key"], self.user["secret_key"], self.user["project_id"]
        )

    def body(self) -> dict[str, Any]:
        """Return a create body; each task has a folder of its own at the destination."""
        number = next(self._numbers)
        pair = {"ak": "benchmark", "sk": "not-a-secret"}
        return {
            "task_type": "prefix",
            "src_node": {"cloud_type": "AWS", "region": "bench-src", "bucket": "src", "object_key": [""], **pair},
            "dst_node": {"region": "bench-dst", "bucket": "dst", "save_prefix": f"task-{number}/", **pair},
            "enable_metadata_migration": True,
            "description": f"benchmark {number}",
        }

    def used(self) -> Used:
        """Look at the process and at its task hosts."""
        pid = self.served.process.pid
        hosts = [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        return Used(_cpu(pid), sum(map(_cpu, hosts)), _rss(pid), sum(map(_rss, hosts)))


START_BODY = {"src_ak": "benchmark", "src_sk": "not-a-secret", "dst_ak": "benchmark", "dst_sk": "not-a-secret"}


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rss(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS"))) / 1024


@contextmanager
def place(server: Server, **settings: Any) -> Iterator[Place]:
    """Run a service for a row."""
    with tempfile.TemporaryDirectory(prefix="openoms-bench-") as folder:
        made = Place(server, Path(folder), **settings)
        try:
            yield made
        finally:
            made.kill()
            time.sleep(0.5)  # its hosts notice and go


def say(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)


# ---- 1,500 waiting and 200 running ----------------------------------------------------------------------------------


def measure_service(server: Server) -> list[Line]:
    """Load a service, call it, pause tasks, kill it, and let it go on; then call it where nothing holds the hosts back."""
    return [line for load in (FAR, NEAR) for line in _measure_load(server, load)]


def _measure_load(server: Server, load: Load) -> list[Line]:
    server.clear("src")
    server.clear("dst")
    server.fill("src", OBJECTS, load.size)
    server.delay(load.latency_ms)
    settings = {
        "quotas": {"running_tasks": RUNNING, "waiting_tasks": 0},
        "work": {"hosts": 0, "tasks": RUNNING, "connections_per_task": CONNECTIONS_PER_TASK, "memory_mib_per_task": 8},
    }
    try:
        with place(server, **settings) as here:
            return asyncio.run(_measure(server, here, load))
    finally:
        server.delay(0)
        server.clear("src")
        server.clear("dst")


async def _measure(server: Server, here: Place, load: Load) -> list[Line]:
    created, notes = await _create_all(here)
    running = await _all_moving(here)
    mix = Mix(here.body, START_BODY, running, [number for number in created if number not in set(running)])
    before, moved, began = here.used(), server.stats(), time.monotonic()
    await run_mix(mix, here.keys, CONNECTIONS, MIX_SECONDS)
    seconds = time.monotonic() - began
    notes += _notes(mix, before, here.used(), moved, server.stats(), seconds)
    notes.append(f"{'service':8} by state afterwards: {await _states(here)}")
    lines = [_latency_line(mix, load, tuple(notes)), _pause_line(mix, load)]
    return [*lines, await _kill_line(here)] if load.required else lines


async def _create_all(here: Place) -> tuple[list[int], list[str]]:
    made: list[int] = []
    began = time.monotonic()

    async def some(number: int) -> None:
        async with Client(here.keys) as client:
            for _ in range(number):
                reply = await client.call("POST", "/tasks", body=here.body())
                if reply.status != 200:
                    raise SystemExit(f"a task was refused: {reply}")
                made.append(reply.body["id"])

    await asyncio.gather(*(some((RUNNING + WAITING) // 4) for _ in range(4)))
    rate = len(made) / (time.monotonic() - began)
    say(f"  service: {len(made)} tasks created, {rate:.0f}/s")
    return made, [f"{'service':8} {len(made)} tasks created over the API: {rate:.0f}/s while they begin to run"]


async def _all_moving(here: Place, seconds: float = 240.0) -> list[int]:
    """Wait until so many tasks run as may and each has moved something; return them."""
    deadline = time.monotonic() + seconds
    while True:
        tasks = await _running(here)
        moving = [task["id"] for task in tasks if task["complete_size"]]
        say(f"  service: {len(tasks)} run, {len(moving)} have moved bytes")
        if len(moving) >= RUNNING:
            return moving
        if time.monotonic() > deadline:
            raise SystemExit(f"only {len(moving)} of {RUNNING} tasks moved bytes")
        await asyncio.sleep(2)


async def _running(here: Place) -> list[dict[str, Any]]:
    async with Client(here.keys) as client:
        pages = [
            await client.call("GET", "/tasks", f"limit=100&offset={offset}&status={MIGRATING}")
            for offset in range(0, RUNNING, 100)
        ]
    return [task for page in pages for task in page.body["tasks"]]


async def _states(here: Place) -> str:
    async with Client(here.keys) as client:
        names = {1: "waiting", 2: "running", 3: "paused", 4: "failed", 5: "succeeded", 7: "pausing"}
        pages = {name: await client.call("GET", "/tasks", f"limit=1&status={code}") for code, name in names.items()}
    return ", ".join(f"{page.body['count']} {name}" for name, page in pages.items())


def _latency_line(mix: Mix, load: Load, notes: tuple[str, ...]) -> Line:
    every = [value for values in mix.seconds.values() for value in values]
    p95 = quantile(every, 0.95)
    title = f"API p95, {RUNNING} tasks running, {WAITING:,} waiting: {load.title}"
    met = p95 < P95_SECONDS and not mix.refused
    return _line(load, title, f"{p95 * 1000:.0f} ms", "< 100 ms", met, notes)


def _line(load: Load, title: str, figure: str, required: str, met: bool, notes: tuple[str, ...]) -> Line:
    return Line(title, figure, "-", "-", required if load.required else "-", met or not load.required, notes)


def _notes(
    mix: Mix, before: Used, after: Used, moved: dict[str, float], now: dict[str, float], seconds: float
) -> list[str]:
    every = {"all calls": [value for values in mix.seconds.values() for value in values], **mix.seconds}
    lines = [
        f"{'service':8} {name:14} {len(values):6} calls  p50 {quantile(values, 0.5) * 1000:6.1f}  p95 "
        f"{quantile(values, 0.95) * 1000:6.1f}  p99 {quantile(values, 0.99) * 1000:6.1f}  max {max(values) * 1000:6.1f} ms"
        for name, values in every.items()
    ]
    written = (now["body_in"] - moved["body_in"]) / seconds
    puts = (now["put"] - moved["put"]) / seconds
    calls, refused = len(every["all calls"]), dict(mix.refused) or "none"
    shares = {
        "service": after.cpu - before.cpu,
        "task hosts": after.hosts_cpu - before.hosts_cpu,
        "stores": now["cpu"] - moved["cpu"],
    }
    cpu = ", ".join(f"{name} {value / seconds:.2f}" for name, value in shares.items())
    rss = f"rss: service {after.rss:.0f} MB, task hosts {after.hosts_rss:.0f} MB"
    told = [
        f"{calls / seconds:.0f} calls/s over {CONNECTIONS} connections for {seconds:.0f} s; refused: {refused}",
        f"meanwhile {puts:,.0f} objects/s, {written / 1e6:.1f} MB/s copied",
        f"of {os.cpu_count()} CPUs: {cpu}; {rss}; load average {os.getloadavg()[0]:.1f}",
    ]
    return [*lines, *(f"{'service':8} {text}" for text in told)]


def _pause_line(mix: Mix, load: Load) -> Line:
    most = max(mix.pauses, default=0.0)
    note = f"{'service':8} {len(mix.pauses)} pauses: median {quantile(mix.pauses, 0.5):.2f} s, longest {most:.2f} s"
    required = f"< {PAUSE_SECONDS:g} s"
    met = 0 < most < PAUSE_SECONDS
    return _line(load, "longest pause under that load", f"{most:.2f} s", required, met, (note,))


async def _kill_line(here: Place) -> Line:
    """Kill the service and start it: how long until it is ready, and until every task moves again."""
    before = {task["id"]: task["complete_size"] for task in await _running(here)}
    here.kill()
    ready = here.start()
    began = time.monotonic()
    while True:
        tasks = await _running(here)
        on = [task for task in tasks if task["complete_size"] > before.get(task["id"], 0)]
        if len(on) >= RUNNING:
            break
        if time.monotonic() - began > 120:
            raise SystemExit(f"only {len(on)} of {RUNNING} tasks went on")
        await asyncio.sleep(0.5)
    note = (
        f"{'service':8} killed and started: ready in {ready:.2f} s, all {RUNNING} move new bytes "
        f"{time.monotonic() - began:.1f} s later"
    )
    met = ready < READY_SECONDS
    return Line(
        "ready after kill -9 under that load", f"{ready:.2f} s", "-", "-", f"< {READY_SECONDS:g} s", met, (note,)
    )


# ---- events ---------------------------------------------------------------------------------------------------------


def measure_events(server: Server, seconds: float = 10.0) -> list[Line]:
    """Send events of a sync task over several connections, each call with as many keys as the API takes."""
    with place(server, quotas={"running_tasks": 5}) as here:
        return [asyncio.run(_measure_events(here, seconds))]


async def _measure_events(here: Place, seconds: float) -> Line:
    async with Client(here.keys) as client:
        body = {
            "src_cloud_type": "AWS", "src_region": "bench-src", "src_bucket": "src", "dst_region": "bench-dst",
            "dst_bucket": "dst", **START_BODY,
        }  # fmt: skip
        sync_id = (await client.call("POST", "/sync-tasks", body=body)).body["sync_task_id"]
    numbers, took = count(), []
    began, before = time.monotonic(), here.used()

    async def send() -> None:
        async with Client(here.keys) as client:
            while time.monotonic() - began < seconds:
                keys = [f"folder/object-{next(numbers):09}.bin" for _ in range(KEYS_PER_CALL)]
                reply = await client.call("POST", f"/sync-tasks/{sync_id}/events", body={"object_keys": keys})
                if reply.status != 200:
                    raise SystemExit(f"events were refused: {reply}")
                took.append(reply.seconds)

    await asyncio.gather(*(send() for _ in range(4)))
    spent = time.monotonic() - began
    rate = len(took) * KEYS_PER_CALL / spent
    await _stop_sync(here, sync_id)
    used = here.used()
    note = (
        f"{'events':8} {len(took) * KEYS_PER_CALL:,} keys in {spent:.1f} s, {KEYS_PER_CALL} a call, 4 connections: p50 "
        f"{quantile(took, 0.5) * 1000:.1f} p95 {quantile(took, 0.95) * 1000:.1f} ms; cpu {(used.cpu - before.cpu) / spent:.2f}"
    )
    required = f">= {EVENT_RATE:,}"
    return Line(
        "events accepted durably, SQLite", f"{rate:,.0f} keys/s", "-", "-", required, rate >= EVENT_RATE, (note,)
    )


async def _stop_sync(here: Place, sync_id: str) -> None:
    async with Client(here.keys) as client:
        await client.call("POST", f"/sync-tasks/{sync_id}/stop")
