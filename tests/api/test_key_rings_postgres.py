"""Key rings of several ``openoms serve`` on one PostgreSQL: those that differ are found out, and no task pays for it."""

import json
import os
import shutil
import time

import pytest
from huaweicloudsdkoms.v2 import ListTasksRequest

from oms_worker.secrets import KeyRing, fresh_key
from oms_worker.states import Task
from support.served import Served, create, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

WORK = {"hosts": 1, "dead_seconds": 3, "connections_per_task": 4, "count_ahead": False}
OBJECTS = 400


@pytest.fixture
def node(postgres_cluster, sandbox, tmp_path):
    """Make services on one database that do not run yet."""
    url, made = postgres_cluster.create(), []

    def make(name, **settings):
        clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
        made.append(Served(tmp_path / name, clouds, url, region="local", work=WORK, **settings))
        return made[-1]

    yield make
    for served in made:
        if served.process is not None:
            served.process.kill()
            served.process.wait()


def fill(world):
    """Objects for a while."""
    world.source.put_many((f"{number:04}", os.urandom(200)) for number in range(OBJECTS))


def wait_for(condition, seconds=60):
    """Wait until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def kill(served):
    """End a process without a word."""
    served.process.kill()
    served.process.wait()
    served.process = None


def check_done(client, number):
    """The task came to its end with every object; tasks with one destination find each other's copies there."""
    task = until(client, str(number), Task.FAILED, Task.SUCCEEDED, seconds=90)
    assert (task.status, task.error_reason) == (Task.SUCCEEDED, None)
    assert task.successful_num + task.skipped_num == OBJECTS


def test_another_ring_is_refused_at_the_start(node, world, sandbox, tmp_path):
    """A node with a ring of its own does not come up, in one sentence; what a lost node ran waits for one with the ring."""
    first, other, second = node("first"), node("other"), node("second", key_file=str(tmp_path / "keys"))
    fill(world)
    alice = first.add_users(alice={}).alice
    shutil.copy(first.folder / "data" / "keys", tmp_path / "keys")
    first.start()
    sandbox.obs.latency = 0.2
    number = int(create(first.client(alice), world))
    until(first.client(alice), str(number), Task.MIGRATING)
    (other.folder / "data").mkdir()
    lone = other.folder / "data" / "keys"
    lone.write_text(KeyRing(fresh_key()).text.reveal())
    lone.chmod(0o600)
    sentence = other.refused()
    assert f"the key ring in {lone} is not the one" in sentence
    kill(first)
    assert other.refused() == sentence
    assert other.openoms("user", "add", "bob").returncode != 0, "nothing is sealed under another ring"
    sandbox.obs.latency = 0.0
    second.start()
    check_done(second.client(alice), number)
    assert second.stop() == 0


def test_a_missing_key_file_is_not_made_anew(node):
    """Where the database holds sealed credentials, a node without a key file is refused and makes none."""
    first, other = node("first"), node("other")
    first.add_users(alice={})
    assert "is missing" in other.refused()
    assert not (other.folder / "data" / "keys").exists()


def test_a_ring_that_falls_behind_takes_no_tasks(node, world, sandbox):
    """A copy of the ring that lacks a new key: its node says that it is not ready, and other nodes run every task."""
    first, behind = node("first"), node("behind")
    fill(world)
    alice = first.add_users(alice={}).alice
    (behind.folder / "data").mkdir()
    shutil.copy(first.folder / "data" / "keys", behind.folder / "data" / "keys")
    first.start()
    behind.start()
    wait_for(behind.ready)
    assert first.openoms("keys", "rotate").returncode == 0
    numbers = [int(create(first.client(alice), world)) for _ in range(4)]
    wait_for(lambda: not behind.ready())
    for number in numbers:
        check_done(first.client(alice), number)
    assert "this node takes no tasks" in behind.log
    shutil.copy(first.folder / "data" / "keys", behind.folder / "data" / "keys")
    wait_for(behind.ready)
    assert (first.stop(), behind.stop()) == (0, 0)


@pytest.mark.parametrize("way", ["environment", "envelope"])
def test_a_ring_is_shared(node, world, sandbox, way):
    """One ring, by environment or in the database under a key of the environment, lets a node go on for a lost one."""
    settings = {"key_envelope": True} if way == "envelope" else {}
    first, second = node("first", **settings), node("second", **settings)
    text = KeyRing(fresh_key()).text.reveal().strip()
    for served in (first, second):
        served.variables["OPENOMS_KEY_RING"] = text
    fill(world)
    made = first.openoms("user", "add", "alice", "--json")
    assert made.returncode == 0, made.stderr
    alice = json.loads(made.stdout)
    first.start()
    second.start()
    sandbox.obs.latency = 0.1
    numbers = [int(create(first.client(alice), world)) for _ in range(4)]
    for number in numbers:
        until(first.client(alice), str(number), Task.MIGRATING)
    if way == "envelope":
        assert second.openoms("keys", "rotate").returncode == 0
    kill(first)
    sandbox.obs.latency = 0.0
    for number in numbers:
        check_done(second.client(alice), number)
    assert not (second.folder / "data" / "keys").exists()
    assert second.ready()
    assert second.client(alice).list_tasks(ListTasksRequest(status=Task.FAILED)).count == 0
    assert second.stop() == 0


def test_another_wrapping_key_is_refused(node):
    """A node whose key does not open the ring in the database is refused, in one sentence."""
    first, other = node("first", key_envelope=True), node("other", key_envelope=True)
    first.add_users(alice={})
    other.variables["OPENOMS_KEY_RING"] = KeyRing(fresh_key()).text.reveal().strip()
    assert "the key ring in OPENOMS_KEY_RING does not open the key ring in the database" in other.refused()


def test_a_lost_ring_is_given_up(node):
    """After ``keys forget-lost`` a node with a new ring comes up, and users get new keys."""
    first = node("first")
    alice = first.add_users(alice={}).alice
    (first.folder / "data" / "keys").unlink()
    assert "is missing" in first.refused()
    done = first.openoms("keys", "forget-lost")
    assert done.returncode == 0, done.stderr
    assert "alice" in done.stdout
    fresh = first.openoms("user", "rotate-keys", "alice", "--json")
    assert fresh.returncode == 0, fresh.stderr
    first.start()
    keys = {**alice, **json.loads(fresh.stdout)}
    assert first.client(keys).list_tasks(ListTasksRequest()).count == 0
    assert first.openoms("keys", "rotate", "--drop-old").returncode == 0
    assert first.stop() == 0
