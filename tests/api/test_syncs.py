"""Sync tasks against a real ``openoms serve``: the official SDK, durability under kill -9, and pace."""

from __future__ import annotations

import os
import signal
import time
from urllib.parse import quote_plus

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException, ServerResponseException
from huaweicloudsdkoms.v2 import (
    CreateSyncEventsRequest,
    CreateSyncTaskReq,
    CreateSyncTaskRequest,
    DeleteSyncTaskRequest,
    ListSyncTasksRequest,
    ListSyncTaskStatisticRequest,
    ListTasksRequest,
    ShowSyncTaskRequest,
    StartSyncTaskReq,
    StartSyncTaskRequest,
    StopSyncTaskRequest,
    SyncObjectReq,
)

from support.served import Served, running

ODD = ["a b", "a+b", "%41", "d/", "d/ü", "x\ny", "p%2Fq"]


@pytest.fixture(scope="module")
def syncing(sandbox, served_database, tmp_path_factory):
    """A running service that batches quickly and takes at most 500 waiting keys."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(
        tmp_path_factory.mktemp("syncs"),
        clouds,
        served_database,
        quotas={"running_tasks": 10, "sync_tasks": 50},
        syncs={"batch_seconds": 0.2, "batch_keys": 50, "waiting_keys": 500},
    )
    served.users = served.add_users(alice={})
    with running(served):
        yield served


@pytest.fixture(scope="module")
def client(syncing):
    """The official SDK as alice."""
    return syncing.client(syncing.users.alice)


def create(client, world, **fields):
    """Create a sync task; return its id."""
    body = CreateSyncTaskReq(
        src_cloud_type="AWS",
        src_region=world.src_node["region"],
        src_bucket=world.source.name,
        dst_region=world.dst_node["region"],
        dst_bucket=world.destination.name,
        **world.keys,
        **fields,
    )
    return client.create_sync_task(CreateSyncTaskRequest(body=body)).sync_task_id


def send(client, sync_id, keys):
    """Send events for keys, encoded as the FAQ asks for."""
    body = SyncObjectReq(object_keys=[quote_plus(key) for key in keys])
    client.create_sync_events(CreateSyncEventsRequest(sync_task_id=sync_id, body=body))


def show(client, sync_id):
    """The sync task with the sums of this month."""
    return client.show_sync_task(ShowSyncTaskRequest(sync_task_id=sync_id, query_time=int(time.time() * 1000)))


def until(look, seconds=40):
    """Wait until a look is true; return it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return found


def ended(month):
    """How many objects have their end."""
    return month.monthly_success_object + month.monthly_failure_object + month.monthly_skip_object


def test_events_move_exactly_the_objects_they_name(client, world):
    """Odd keys arrive under their own names; a folder marker moves alone; a missing object is a failure."""
    for key in ODD:
        world.source.put(key, key.encode())
    world.source.put("d/unasked", b"stays")
    sync_id = create(client, world)
    send(client, sync_id, [*ODD, "missing"])
    month = until(lambda: (found := show(client, sync_id)) and ended(found) == len(ODD) + 1 and found)
    assert (month.monthly_acceptance_request, month.monthly_success_object) == (len(ODD) + 1, len(ODD))
    assert (month.monthly_failure_object, month.monthly_skip_object) == (1, 0)
    assert month.monthly_size == sum(len(key.encode()) for key in ODD)
    moved = [key for key in world.destination.keys() if not key.startswith("oms/")]  # noqa: SIM118 - a bucket
    assert sorted(moved) == sorted(ODD)
    lists = [key for key in world.destination.keys() if key.startswith("oms/")]  # noqa: SIM118 - a bucket
    assert {key.split("/")[1] for key in lists} == {"sync_task"}
    tasks = client.list_tasks(ListTasksRequest(limit=100)).tasks
    assert "SYNC_TASK" in {task.group_type for task in tasks}


def test_the_last_of_many_events_for_a_key_wins(client, world):
    """An object that changes and is sent again and again ends as its last version at the destination."""
    sync_id = create(client, world)
    for number in range(12):
        world.source.put("k", f"version {number:02d}".encode() * (number + 1))
        send(client, sync_id, ["k"])
        time.sleep(0.05 * (number % 4))
    wanted = b"version 11" * 12

    def arrived():
        there = "k" in world.destination.keys()  # noqa: SIM118 - a bucket
        return there and world.destination.get("k") == wanted

    until(arrived)


def test_a_stopped_sync_task_takes_no_events_and_keeps_those_that_wait(client, world):
    """Stopped: OMS.2002 and no second stop; started again with keys: what was queued is copied; then it is deleted."""
    world.source.put("before", b"1")
    world.source.put("after", b"2")
    sync_id = create(client, world)
    send(client, sync_id, ["before"])
    client.stop_sync_task(StopSyncTaskRequest(sync_task_id=sync_id))
    assert show(client, sync_id).status == "STOPPED"
    with pytest.raises(ClientRequestException) as refused:
        send(client, sync_id, ["after"])
    assert (refused.value.status_code, refused.value.error_code) == (400, "OMS.2002")
    with pytest.raises(ClientRequestException) as twice:
        client.stop_sync_task(StopSyncTaskRequest(sync_task_id=sync_id))
    assert twice.value.error_code == "OMS.0066"
    body = StartSyncTaskReq(**world.keys)
    client.start_sync_task(StartSyncTaskRequest(sync_task_id=sync_id, body=body))
    until(lambda: ended(show(client, sync_id)) == 1)
    assert world.destination.get("before") == b"1"
    with pytest.raises(ClientRequestException) as busy:
        client.delete_sync_task(DeleteSyncTaskRequest(sync_task_id=sync_id))
    assert busy.value.error_code == "OMS.0063"
    client.stop_sync_task(StopSyncTaskRequest(sync_task_id=sync_id))
    client.delete_sync_task(DeleteSyncTaskRequest(sync_task_id=sync_id))
    with pytest.raises(ClientRequestException) as gone:
        show(client, sync_id)
    assert (gone.value.status_code, gone.value.error_code) == (404, "OMS.1009")
    with pytest.raises(ClientRequestException) as nowhere:
        send(client, sync_id, ["after"])
    assert (nowhere.value.status_code, nowhere.value.error_code) == (404, "OMS.2002")


def test_too_many_waiting_keys_are_told_busy(client, world):
    """Beyond the limit of waiting keys events are refused with 503 OMS.2004, and nothing of them is queued."""
    sync_id = create(client, world)

    def send_many():
        for number in range(100):
            send(client, sync_id, [f"{number}/{key}" for key in range(100)])

    with pytest.raises(ServerResponseException) as busy:
        send_many()
    assert (busy.value.status_code, busy.value.error_code) == (503, "OMS.2004")
    assert show(client, sync_id).monthly_acceptance_request % 100 == 0
    client.stop_sync_task(StopSyncTaskRequest(sync_task_id=sync_id))


def test_statistics_are_buckets_without_the_empty_ones(client, world):
    """A day is told in five minutes, more in hours; stamps are multiples; every type sums up to the month's figure."""
    world.source.put("k", b"12345")
    sync_id = create(client, world)
    send(client, sync_id, ["k", "k2"])
    until(lambda: ended(show(client, sync_id)) == 2)
    now = int(time.time() * 1000)

    def ask(hours):
        request = ListSyncTaskStatisticRequest(
            sync_task_id=sync_id,
            data_type="REQUEST,SUCCESS,FAILURE,SKIP,SIZE",
            start_time=now - hours * 3_600_000,
            end_time=now + 1000,
        )
        return client.list_sync_task_statistic(request)

    for hours, interval, step in ((1, "FIVE_MINUTES", 300_000), (48, "ONE_HOUR", 3_600_000)):
        told = ask(hours)
        assert told.statistic_time_type == interval
        sums = {series.data_type: sum(point.statistic_num for point in series.data) for series in told.statistic_datas}
        assert sums == {"REQUEST": 2, "SUCCESS": 1, "FAILURE": 1, "SKIP": 0, "SIZE": 5}
        points = [point for series in told.statistic_datas for point in series.data]
        assert all(point.time_stamp % step == 0 and point.statistic_num for point in points)
    assert sync_id in [task.sync_task_id for task in client.list_sync_tasks(ListSyncTasksRequest(limit=100)).tasks]


def test_accepted_events_survive_kill_9(sandbox, own_database, world, tmp_path):
    """Killed between accepting and copying, again and again: after the last restart every accepted object arrives."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(tmp_path, clouds, own_database, syncs={"batch_seconds": 0.3, "batch_keys": 40})
    served.users = served.add_users(alice={})
    served.start()
    client = served.client(served.users.alice)
    sync_id = create(client, world)
    names = [f"k/{number:03d}" for number in range(240)]
    for name in names:
        world.source.put(name, name.encode())
    try:
        for round_, pause in enumerate((0.0, 0.35, 1.2, 2.5)):
            for start in range(0, 60, 20):
                first = round_ * 60 + start
                send(client, sync_id, names[first : first + 20])
            time.sleep(pause)
            os.kill(served.process.pid, signal.SIGKILL)
            served.process.wait()
            served.start()
            client = served.client(served.users.alice)
        month = until(lambda: (found := show(client, sync_id)) and ended(found) >= 240 and found, seconds=90)
        assert month.monthly_acceptance_request == 240
        assert ended(month) == 240
        assert month.monthly_failure_object == 0
        assert set(names) <= set(world.destination.keys())
    finally:
        assert served.stop() == 0
