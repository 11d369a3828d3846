"""The official SDK, unmodified, drives tasks of a real service; real bytes move between sandbox clouds."""

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkoms.v2 import (
    BandwidthPolicyDto,
    BatchUpdateTasksReq,
    BatchUpdateTasksRequest,
    DeleteTaskRequest,
    ListApiVersionsRequest,
    ListTasksRequest,
    ShowApiInfoRequest,
    ShowTaskRequest,
    StartTaskReq,
    StartTaskRequest,
    StopTaskRequest,
    UpdateBandwidthPolicyReq,
    UpdateBandwidthPolicyRequest,
)

from support.served import create, until

ALL_DAY = BandwidthPolicyDto(start="00:00", end="23:59", max_bandwidth=1048576)


@pytest.fixture(scope="module")
def client(service):
    """Alice with the SDK."""
    return service.client(service.users.alice)


def test_versions(client, service):
    """The SDK lists the versions and asks for one."""
    found = {version.id: version for version in client.list_api_versions(ListApiVersionsRequest()).versions}
    assert set(found) == {"v1", "v2"}
    shown = client.show_api_info(ShowApiInfoRequest(version="v2"))
    assert (shown.id, shown.links[0].href) == ("v2", f"{service.url}/v2/")


def test_a_task_migrates_real_bytes(client, world):
    """Created by the SDK, a task runs by itself, moves every byte and tells true counters."""
    bodies = {f"folder/{n:03}é": bytes([n % 251]) * (n * 7) for n in range(60)}
    world.source.put_many(bodies.items())
    number = create(client, world, description="all of it", task_priority="HIGH")
    task = until(client, number, 4, 5)
    assert (task.status, task.progress, task.left_time, task.is_query_over) == (5, 1.0, 0, True)
    assert (task.total_num, task.successful_num, task.failed_num, task.skipped_num) == (60, 60, 0, 0)
    size = sum(map(len, bodies.values()))
    assert (task.total_size, task.complete_size, task.real_size) == (size, size, size)
    assert (task.group_id, task.group_type, task.task_priority, task.obs_system) == (
        "",
        "NORMAL_TASK",
        "HIGH",
        "BUCKET",
    )
    assert task.error_reason is None
    assert task.start_time > 1.6e12
    for key, body in bodies.items():
        assert world.destination.get(key) == body


def test_stop_pauses_and_start_goes_on(client, world):
    """A stopped task is pausing at once and paused within seconds; it goes on with keys given anew."""
    world.source.put_many((f"{n:02}", bytes(400_000)) for n in range(20))
    number = create(client, world, bandwidth_policy=[ALL_DAY])
    until(client, number, 2)
    client.stop_task(StopTaskRequest(task_id=number))
    assert client.show_task(ShowTaskRequest(task_id=number)).status in {7, 3}
    until(client, number, 3, seconds=10)
    keys = {"src_ak": world.src_keys["ak"], "src_sk": world.src_keys["sk"]}
    keys |= {"dst_ak": world.dst_keys["ak"], "dst_sk": world.dst_keys["sk"]}
    client.update_bandwidth_policy(
        UpdateBandwidthPolicyRequest(task_id=number, body=UpdateBandwidthPolicyReq(bandwidth_policy=[]))
    )
    client.start_task(StartTaskRequest(task_id=number, body=StartTaskReq(**keys, migrate_failed_object=False)))
    task = until(client, number, 4, 5)
    assert (task.status, task.successful_num + task.skipped_num, task.bandwidth_policy) == (5, 20, [])


def test_batch_update_delete_and_list(client, world):
    """Windows and priority change for several tasks at once; lists count all and page; a deleted task is gone."""
    world.source.put("key", b"bytes")
    numbers = [create(client, world) for _ in range(3)]
    for number in numbers:
        assert until(client, number, 4, 5).status == 5
    names = client.list_tasks(ListTasksRequest(limit=2, offset=0, task_name=world.source.name.upper()))
    assert (names.count, [task.id for task in names.tasks]) == (3, numbers[:0:-1])
    with pytest.raises(ClientRequestException) as refused:
        client.batch_update_tasks(
            BatchUpdateTasksRequest(body=BatchUpdateTasksReq(ids=numbers, bandwidth_policy=[ALL_DAY]))
        )
    assert refused.value.error_code == "OMS.0086"  # complete
    client.delete_task(DeleteTaskRequest(task_id=numbers[0]))
    with pytest.raises(ClientRequestException) as gone:
        client.show_task(ShowTaskRequest(task_id=numbers[0]))
    assert (gone.value.status_code, gone.value.error_code) == (400, "OMS.1009")
    assert gone.value.request_id
