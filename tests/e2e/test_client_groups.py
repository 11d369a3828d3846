"""``openoms group …`` and ``openoms sync …`` as processes, against a real ``openoms serve``."""

from __future__ import annotations

import json
import time
from urllib.parse import quote_plus

import pytest

from e2e.client_support import SECONDS, SLOW, Desk, Terminal, fill
from oms_adapters.sandbox import Sandbox
from support.served import Served, running

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(240)]

ODD = ["a b", "a+b", "%41", "d/", "d/ü", "x\ny", "p%2Fq", "-dash", "日本"]


@pytest.fixture(scope="module")
def sandbox():
    """An S3 and an OBS that verify signatures."""
    with Sandbox(process=True) as made:
        yield made


@pytest.fixture(scope="module")
def served(sandbox, tmp_path_factory):
    """A running service that cuts groups into tasks of twenty objects, and batches events quickly."""
    made = Served(
        tmp_path_factory.mktemp("client"), [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)],
        groups={"keys_per_task": 20}, quotas={"sync_tasks": 200}, syncs={"batch_seconds": 0.2, "batch_keys": 50, "waiting_keys": 500},
    )  # fmt: skip
    made.users = made.add_users(alice={})
    with running(made):
        yield made


@pytest.fixture
def desk(served, sandbox, tmp_path):
    """Alice's desk."""
    return Desk(served, served.users.alice, sandbox, tmp_path)


def test_the_life_of_a_group(desk):
    """Created, stopped, changed, started with keys, watched, listed with its tasks, shown and deleted."""
    objects = fill(desk.source)
    number = desk.create("group", task_type="PREFIX", bandwidth_policy=SLOW)
    desk.until("group", number, 2)
    assert desk.run("group", "stop", number).stdout == f"task group {number} is told to stop.\n"
    paused = desk.run("group", "watch", number, "--every", "0.1", expect=130)
    assert paused.stdout.splitlines()[-1].startswith(f"task group {number}: paused")
    assert "2 bandwidth windows" in desk.run("group", "update", number, "01:00-02:00=50M", "03:00-04:00=0.1G").stdout
    assert len(desk.json("group", "show", number)["bandwidth_policy"]) == 2
    assert desk.run("group", "update", number, "none").stdout == f"task group {number} has no bandwidth windows.\n"
    desk.run("group", "start", number)
    assert desk.json("group", "watch", number)["status"] == 6
    assert desk.copied() == objects
    tasks = desk.json("task", "list", "--group", number)
    assert (tasks["count"], sum(task["total_num"] for task in tasks["tasks"])) == (3, 60)
    [row] = [line for line in desk.run("group", "list", "--status", "completed").stdout.splitlines() if number in line]
    assert row.split()[1:5] == ["completed", "100", "%", "60/60"]
    shown = desk.run("group", "show", number).stdout
    assert f"s3://{desk.source.name}" in shown
    live = Terminal(desk, "group", "watch", number)
    assert (live.end(), "completed 100 %" in live.text) == (0, True)
    desk.run("group", "delete", number)
    wait_until_gone(desk, number)


def wait_until_gone(desk, number):
    """Wait until the service knows the group no more."""
    deadline = time.monotonic() + SECONDS
    while number in {group["group_id"] for group in desk.json("group", "list")["taskgroups"]}:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert desk.run("group", "show", number, expect=2).stderr.startswith("openoms: OMS.1009: ")


def test_a_group_from_two_places_fails_and_is_tried_again(desk):
    """An object that cannot be read makes it 1; mended, retry with the service's own keys ends well."""
    desk.source.put_many([("p/a", b"1"), ("q/b", b"2")])
    desk.source.put("p/cold", b"3", storage_class="GLACIER")
    number = desk.json("group", "create", *desk.places, "--prefix", "p/")["group_id"]
    failed = desk.run("group", "watch", number, expect=1)
    assert "1 objects failed" in failed.stderr
    desk.source.put("p/cold", b"3")
    no_keys = {f"OPENOMS_{side}_{key}": None for side in ("SOURCE", "DESTINATION") for key in ("AK", "SK")}
    told = desk.run("group", "retry", number, "--retry-failed", **no_keys)
    assert told.stdout == f"task group {number} is tried again.\n"
    assert desk.json("group", "watch", number)["status"] == 6
    assert desk.copied() == {"p/a": b"1", "p/cold": b"3"}


def test_a_group_with_wrong_keys_is_tried_again_with_new_ones(desk):
    """The keys that the service has are wrong: --new-keys hands over those of the environment."""
    desk.source.put_many([("k", b"1")])
    node = {**desk.body()["src_node"], "ak": desk.sandbox.s3.access_key, "sk": "wrong"}
    number = desk.create("group", task_type="PREFIX", src_node=node)
    failed = desk.json("group", "watch", number, expect=3)
    assert failed["status"] in {4, 5}
    done = desk.json("group", "retry", number, "--new-keys")
    assert done == {"results": [{"id": number}]}
    assert desk.json("group", "watch", number)["status"] == 6
    assert desk.copied() == {"k": b"1"}


def ended(desk, number, count):
    """Wait until so many objects of a sync task have their end; return what is shown."""
    deadline = time.monotonic() + SECONDS
    while True:
        told = desk.json("sync", "show", number)
        if sum(told[f"monthly_{name}_object"] for name in ("success", "failure", "skip")) >= count:
            return told
        assert time.monotonic() < deadline, told
        time.sleep(0.2)


def test_the_life_of_a_sync_task(desk):
    """Odd keys by word and by line arrive under their own names; statistics, stop, start, list, watch, delete."""
    desk.source.put_many([(key, key.encode()) for key in ODD])
    number = desk.json("sync", "create", *desk.places, "--description", "as they come")["sync_task_id"]
    assert desk.run("sync", "events", number, "a b", "a+b", "--", "-dash").stdout.startswith("3 keys accepted")
    desk.run("sync", "events", number, "--null", stdin="%41\0d/\0d/ü\0x\ny\0")
    desk.run("sync", "events", number, "--encoded", stdin=f"{quote_plus('p%2Fq')}\n\n{quote_plus('日本')}\n")
    told = ended(desk, number, len(ODD))
    assert (told["monthly_success_object"], told["monthly_acceptance_request"]) == (len(ODD), len(ODD))
    assert desk.copied() == {key: key.encode() for key in ODD}
    header, *rows = desk.run("sync", "statistics", number).stdout.splitlines()
    assert header.split()[2:] == ["REQUESTED", "MIGRATED", "SKIPPED", "FAILED", "SIZE"]
    assert sum(int(row.split()[3]) for row in rows) == len(ODD)
    series = desk.json("sync", "statistics", number, "--type", "SUCCESS", "--since", str(time.time() - 7200))
    assert [one["data_type"] for one in series["statistic_datas"]] == ["SUCCESS"]
    watcher = desk.start("sync", "watch", number, "--every", "0.1")
    assert watcher.stdout.readline().startswith(f"sync task {number}: synchronizing, 9 objects: migrated 9")
    assert desk.run("sync", "stop", number).returncode == 0
    out, said = watcher.communicate(timeout=SECONDS)
    assert (watcher.returncode, out.splitlines()[-1].split()[3]) == (0, "stopped,"), out + said
    refused = desk.run("sync", "events", number, "late", expect=2)
    assert "0 keys were accepted before this." in refused.stderr
    assert "OMS.2002" in refused.stderr
    listed = desk.run("sync", "list", "--status", "stopped").stdout
    assert f"s3://{desk.source.name}" in next(line for line in listed.splitlines() if number in line)
    desk.run("sync", "start", number)
    assert desk.json("sync", "show", number)["status"] == "SYNCHRONIZING"
    desk.run("sync", "stop", number)
    assert desk.json("sync", "delete", number) == {"results": [{"id": number}]}
    assert desk.run("sync", "show", number, expect=2).stderr.startswith("openoms: OMS.1009: ")


def test_lists_longer_than_a_page(desk, served):
    """Of more than the hundred that the service tells at once, --all tells each once, --limit as many as asked for."""
    body = sync_body(desk)
    keys = {f"{side}_{name}": f"{side}-{name}" for side in ("src", "dst") for name in ("ak", "sk")}
    with served.http("alice") as client:
        path = f"/v2/{desk.keys['project_id']}/sync-tasks"
        made = {client.post(path, json={**body, **keys}).json()["sync_task_id"] for _ in range(105)}
    everything = desk.json("sync", "list", "--all")
    assert made <= {task["sync_task_id"] for task in everything["tasks"]}
    assert len(everything["tasks"]) == everything["count"] >= 105
    some = desk.json("sync", "list", "--limit", "103", "--offset", "1")
    assert some["tasks"] == everything["tasks"][1:104]
    assert len(desk.run("sync", "list", "--limit", "104").stdout.splitlines()) == 105


def sync_body(desk):
    """Return the body of a sync task without credentials."""
    return {
        "src_cloud_type": "AWS", "src_region": desk.sandbox.s3.region, "src_bucket": desk.source.name,
        "dst_region": desk.sandbox.obs.region, "dst_bucket": desk.destination.name,
    }  # fmt: skip


def test_more_events_than_wait_at_once(desk):
    """Thousands of keys on standard input are sent as the service takes them: where it is full, the client waits."""
    keys = [f"many/{index:04d}" for index in range(1500)]
    desk.source.put_many([(key, b"x") for key in keys])
    number = desk.json("sync", "create", "-", stdin=json.dumps(sync_body(desk)))["sync_task_id"]
    sent = desk.run("sync", "events", number, stdin="\n".join(keys))
    assert sent.stdout.startswith("1500 keys accepted"), sent.stdout
    ended(desk, number, len(keys))
    assert sorted(desk.copied()) == keys
    desk.run("sync", "stop", number)
