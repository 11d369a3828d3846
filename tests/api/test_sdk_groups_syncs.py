"""The official SDK, unmodified: every operation it has on task groups and sync tasks, on a real service, over real bytes."""

from __future__ import annotations

import time
from urllib.parse import quote_plus

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkoms import v2 as sdk

from support.groups import SLOW, fill
from support.served import Served

MIB = 1 << 20


def operations(*words):
    """The operations of the SDK's client whose names hold one of these words, found by looking at it."""
    public = {name for name in vars(sdk.OmsClient) if not name.startswith("_") and not name.endswith("_invoker")}
    return {name for name in public if any(word in name for word in words)}


class Recorder:
    """A client that remembers which operations have succeeded."""

    def __init__(self, client):
        self._client = client
        self.done = set()

    def __getattr__(self, name):
        operation = getattr(self._client, name)

        def call(request):
            reply = operation(request)
            self.done.add(name)
            return reply

        return call


@pytest.fixture(scope="module")
def served(sandbox, served_database, tmp_path_factory):
    """A running service with small groups and quick batches."""
    made = Served(
        tmp_path_factory.mktemp("sdk"),
        [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)],
        served_database,
        groups={"keys_per_task": 3},
        syncs={"batch_seconds": 0.1},
    )
    made.users = made.add_users(alice={})
    made.start()
    yield made
    assert made.stop() == 0, made.log
    assert "Traceback" not in made.log


@pytest.fixture
def client(served):
    """The SDK as alice, and what it has done."""
    return Recorder(served.client(served.users.alice))


def until(look, wanted, seconds=60):
    """Wait until what is looked at is wanted; return it."""
    deadline = time.monotonic() + seconds
    while not wanted(found := look()):
        assert time.monotonic() < deadline, found
        time.sleep(0.1)
    return found


def refused(call):
    """Return status and code of a refusal."""
    with pytest.raises(ClientRequestException) as error:
        call()
    return error.value.status_code, error.value.error_code


def test_every_operation_on_task_groups(client, world):
    """Created, listed, shown, slowed, paused, resumed, failed, retried, deleted: each by the SDK's own method."""
    names = fill(world.source, 8, size=2 * MIB)
    world.source.put("z-cold", b"cold", storage_class="GLACIER")
    windows = [sdk.BandwidthPolicyDto(**window) for window in SLOW]
    body = sdk.CreateTaskGroupReq(
        src_node=sdk.TaskGroupSrcNode(**world.src_node, object_key=[""]),
        dst_node=sdk.TaskGroupDstNode(**world.dst_node, save_prefix="copy/"),
        task_type="PREFIX",
        description="by the SDK",
        enable_metadata_migration=True,
        enable_failed_object_recording=True,
        object_overwrite_mode="SIZE_LAST_MODIFIED_COMPARISON_OVERWRITE",
        consistency_check="size_last_modified",
        bandwidth_policy=windows,
    )
    group_id = client.create_task_group(sdk.CreateTaskGroupRequest(body=body)).group_id

    def show():
        return client.show_task_group(sdk.ShowTaskGroupRequest(group_id=group_id))

    until(show, lambda group: group.status == 2)
    client.stop_task_group(sdk.StopTaskGroupRequest(group_id=group_id))
    assert show().status in {3, 7}
    until(show, lambda group: group.status == 3)
    body = sdk.UpdateBandwidthPolicyReq(bandwidth_policy=[])
    client.update_task_group(sdk.UpdateTaskGroupRequest(group_id=group_id, body=body))
    body = sdk.StartTaskGroupReq(**world.keys)
    client.start_task_group(sdk.StartTaskGroupRequest(group_id=group_id, body=body))
    group = until(show, lambda group: group.status in {4, 5, 6})
    assert (group.status, group.fail_num, group.success_num + group.skip_num) == (5, 1, 8), group
    assert (group.failed_task_num, group.complete_task_num, group.total_task_num) == (1, 2, 3)
    world.source.put("z-cold", b"warm")
    body = sdk.RetryTaskGroupReq(migrate_failed_object=True)
    client.retry_task_group(sdk.RetryTaskGroupRequest(group_id=group_id, body=body))
    group = until(show, lambda group: group.status in {5, 6})
    assert (group.status, group.fail_num, group.error_reason) == (6, 0, None)
    for name in names:
        assert world.destination.get(f"copy/{name}") == bytes(2 * MIB)
    assert world.destination.get("copy/z-cold") == b"warm"
    listed = client.list_task_group(sdk.ListTaskGroupRequest(limit=10, offset=0, status=6))
    assert group_id in [found.group_id for found in listed.taskgroups]
    client.delete_task_group(sdk.DeleteTaskGroupRequest(group_id=group_id))
    with pytest.raises(ClientRequestException) as gone:
        until(show, lambda group: group.status not in {8, 9})
    assert (gone.value.status_code, gone.value.error_code) == (404, "OMS.1009")
    assert client.done == operations("task_group")


def test_every_operation_on_sync_tasks(client, world):
    """Created, listed, sent events, shown, counted, stopped, started, deleted: each by the SDK's own method."""
    for key in ("a b", "ü+", "late"):
        world.source.put(key, key.encode())
    body = sdk.CreateSyncTaskReq(
        src_cloud_type="AWS",
        src_region=world.src_node["region"],
        src_bucket=world.source.name,
        dst_region=world.dst_node["region"],
        dst_bucket=world.destination.name,
        description="by the SDK",
        enable_metadata_migration=False,
        enable_restore=False,
        consistency_check="size_last_modified",
        **world.keys,
    )
    sync_id = client.create_sync_task(sdk.CreateSyncTaskRequest(body=body)).sync_task_id
    listed = client.list_sync_tasks(sdk.ListSyncTasksRequest(limit=100, offset=0, status="SYNCHRONIZING"))
    assert sync_id in [found.sync_task_id for found in listed.tasks]

    def send(*keys):
        body = sdk.SyncObjectReq(object_keys=[quote_plus(key) for key in keys])
        client.create_sync_events(sdk.CreateSyncEventsRequest(sync_task_id=sync_id, body=body))

    def show():
        now = int(time.time() * 1000)
        return client.show_sync_task(sdk.ShowSyncTaskRequest(sync_task_id=sync_id, query_time=now))

    send("a b", "ü+", "missing")
    month = until(show, lambda month: month.monthly_success_object + month.monthly_failure_object == 3)
    assert (month.monthly_acceptance_request, month.monthly_failure_object, month.monthly_size) == (3, 1, 6)
    now = int(time.time() * 1000)
    request = sdk.ListSyncTaskStatisticRequest(
        sync_task_id=sync_id, data_type="REQUEST,SIZE", start_time=now - 3_600_000, end_time=now + 1000
    )
    told = client.list_sync_task_statistic(request)
    sums = {series.data_type: sum(point.statistic_num for point in series.data) for series in told.statistic_datas}
    assert (told.statistic_time_type, sums) == ("FIVE_MINUTES", {"REQUEST": 3, "SIZE": 6})
    client.stop_sync_task(sdk.StopSyncTaskRequest(sync_task_id=sync_id))
    assert refused(lambda: send("late")) == (400, "OMS.2002")
    start = sdk.StartSyncTaskReq(**world.keys)
    client.start_sync_task(sdk.StartSyncTaskRequest(sync_task_id=sync_id, body=start))
    send("late")
    until(show, lambda month: month.monthly_success_object == 3)
    for key in ("a b", "ü+", "late"):
        assert world.destination.get(key) == key.encode()
    client.stop_sync_task(sdk.StopSyncTaskRequest(sync_task_id=sync_id))
    client.delete_sync_task(sdk.DeleteSyncTaskRequest(sync_task_id=sync_id))
    assert refused(show) == (404, "OMS.1009")
    assert client.done == operations("sync")
