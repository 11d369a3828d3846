"""Task groups against a real ``openoms serve``, driven by the official SDK and by plain HTTP."""

from __future__ import annotations

import os
import signal
import time

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkoms.v2 import (
    DeleteTaskGroupRequest,
    ListTaskGroupRequest,
    ListTasksRequest,
    RetryTaskGroupReq,
    RetryTaskGroupRequest,
    ShowTaskGroupRequest,
    StartTaskGroupReq,
    StartTaskGroupRequest,
    StopTaskGroupRequest,
)

from support.groups import SLOW, create_group, fill, group_until, put_list, show_group, subtasks
from support.served import Served, running

KEYS_PER_TASK = 10


@pytest.fixture(scope="module")
def grouped(sandbox, served_database, tmp_path_factory):
    """A running service that cuts groups into tasks of ten objects."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(
        tmp_path_factory.mktemp("groups"),
        clouds,
        served_database,
        quotas={"running_tasks": 4},
        groups={"keys_per_task": KEYS_PER_TASK},
    )
    served.users = served.add_users(alice={})
    with running(served):
        yield served


@pytest.fixture(scope="module")
def client(grouped):
    """The official SDK as alice."""
    return grouped.client(grouped.users.alice)


def test_a_prefix_group_is_cut_into_tasks_that_move_every_object_once(client, world):
    """35 objects at ten a task are four tasks of the group; sums are right, every object arrives, cloud types shout."""
    names = fill(world.source, 35)
    group_id = create_group(client, world)
    group = group_until(client, group_id, 5, 6)
    assert group.status == 6, group
    assert (group.total_num, group.success_num, group.fail_num, group.skip_num) == (35, 35, 0, 0)
    assert group.total_size == group.complete_size == sum(len(name.encode()) for name in names)
    assert group.src_node.cloud_type == "AWS"
    assert (group.total_task_num, group.create_task_num, group.complete_task_num) == (4, 4, 4)
    assert (group.waiting_task_num, group.executing_task_num, group.failed_task_num, group.paused_task_num) == (
        0,
        0,
        0,
        0,
    )
    tasks = subtasks(client, group_id)
    assert sorted(task.total_num for task in tasks) == [5, 10, 10, 10]
    assert {task.group_type for task in tasks} == {"GROUP_TASK"}
    assert {task.group_id for task in tasks} == {group_id}
    there = set(world.destination.keys())
    assert set(names) <= there
    lists = [key for key in there if key not in names]
    assert lists
    assert all(key.startswith(f"oms/task_group/{group_id}/success_object_lists/") for key in lists)
    listed = client.list_task_group(ListTaskGroupRequest(limit=100, status=6))
    assert group_id in [item.group_id for item in listed.taskgroups]


def test_a_list_group_is_cut_by_lines_of_every_file_of_a_folder(client, world):
    """Two list files of 23 and 8 lines become slices of ten lines, three and one; every line's object arrives."""
    names = fill(world.source, 31)
    encoded = [name.replace(" ", "%20").replace("+", "%2B").replace("é", "%C3%A9") for name in names]
    put_list(world, "lists/a.txt", [*encoded[:12], "", *encoded[12:23]])
    file = put_list(world, "lists/b.txt", encoded[23:])
    file.list_file_key = "lists/"
    group_id = create_group(client, world, task_type="LIST", src_node={"object_key": None, "list_file": file})
    group = group_until(client, group_id, 4, 5, 6)
    assert group.status == 6, group
    assert (group.total_num, group.success_num) == (31, 31)
    assert sorted(task.total_num for task in subtasks(client, group_id)) == [3, 8, 10, 10]
    assert set(names) <= set(world.destination.keys())


def test_a_group_that_finds_nothing_fails_at_its_creation_and_can_be_retried(client, world):
    """An empty source is 4 with a reason; once there are objects, a retry makes the tasks."""
    group_id = create_group(client, world)
    group = group_until(client, group_id, 4)
    assert group.error_reason.error_code == "TRF.0012"
    fill(world.source, 3)
    client.retry_task_group(RetryTaskGroupRequest(group_id=group_id, body=RetryTaskGroupReq()))
    assert group_until(client, group_id, 6).success_num == 3


def test_a_failed_group_retries_what_failed(client, world):
    """Objects that are refused fail their task and the group; a retry of failed objects moves them and completes it."""
    fill(world.source, 14)
    world.source.put("z-archived", b"cold", storage_class="GLACIER")
    group_id = create_group(client, world)
    group = group_until(client, group_id, 5, 6)
    assert group.status == 5, group
    assert group.fail_num == 1
    assert group.error_reason.error_code == "TRF.0062"
    assert group.failed_object_record.list_file_key == f"oms/task_group/{group_id}/failed_object_lists/"
    world.source.put("z-archived", b"thawed")
    body = RetryTaskGroupReq(migrate_failed_object=True)
    client.retry_task_group(RetryTaskGroupRequest(group_id=group_id, body=body))
    assert group_until(client, group_id, 6).fail_num == 0
    assert world.destination.get("z-archived") == b"thawed"


def test_a_group_pauses_with_its_tasks_and_goes_on(client, world):
    """A stop shows 7 or 3 at once; paused, no task waits or runs; a start with keys brings every object over."""
    names = fill(world.source, 40)
    world.source.put("big", bytes(12_000_000))
    group_id = create_group(client, world, bandwidth_policy=SLOW)
    group_until(client, group_id, 2)
    client.stop_task_group(StopTaskGroupRequest(group_id=group_id))
    assert show_group(client, group_id).status in {3, 7}
    group_until(client, group_id, 3)
    assert not {task.status for task in subtasks(client, group_id)} & {1, 2, 7}
    with pytest.raises(ClientRequestException) as refused:
        client.stop_task_group(StopTaskGroupRequest(group_id=group_id))
    assert refused.value.error_code == "OMS.1038"
    with pytest.raises(ClientRequestException) as keyless:
        client.start_task_group(StartTaskGroupRequest(group_id=group_id, body=StartTaskGroupReq()))
    assert keyless.value.error_code == "OMS.1004"
    client.start_task_group(StartTaskGroupRequest(group_id=group_id, body=StartTaskGroupReq(**world.keys)))
    group = group_until(client, group_id, 6, seconds=60)
    assert (group.success_num + group.skip_num, group.fail_num) == (41, 0)
    assert {*names, "big"} <= set(world.destination.keys())


def test_a_deleted_group_is_gone_with_its_tasks(client, world):
    """After a deletion the group is 404 OMS.1009 soon, and its tasks are gone."""
    fill(world.source, 12)
    group_id = create_group(client, world)
    group_until(client, group_id, 6)
    client.delete_task_group(DeleteTaskGroupRequest(group_id=group_id))
    deadline = time.monotonic() + 15
    while group_id in [item.group_id for item in client.list_task_group(ListTaskGroupRequest(limit=100)).taskgroups]:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    with pytest.raises(ClientRequestException) as gone:
        client.show_task_group(ShowTaskGroupRequest(group_id=group_id))
    assert (gone.value.status_code, gone.value.error_code) == (404, "OMS.1009")
    assert subtasks(client, group_id) == []


def test_a_group_that_is_killed_while_it_is_cut_covers_every_object_once(sandbox, own_database, world, tmp_path):
    """Killed thrice between cutting and the end: sub-tasks cover 300 objects once in all, and every object arrives."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(tmp_path, clouds, own_database, quotas={"running_tasks": 8}, groups={"keys_per_task": 7})
    served.users = served.add_users(alice={})
    served.start()
    names = [f"{number % 9}/{number:03d}" for number in range(300)]
    world.source.put_many([(name, name.encode()) for name in names])
    client = served.client(served.users.alice)
    group_id = create_group(client, world)
    try:
        for wanted in (2, 15, 30):
            deadline = time.monotonic() + 30
            while client.list_tasks(ListTasksRequest(group_id=group_id, limit=1)).count < wanted:
                assert time.monotonic() < deadline
            os.kill(served.process.pid, signal.SIGKILL)
            served.process.wait()
            served.start()
            client = served.client(served.users.alice)
        group = group_until(client, group_id, 4, 5, 6, seconds=120)
        assert group.status == 6, group
        tasks = subtasks(client, group_id)
        assert len(tasks) == 43
        assert sum(task.total_num for task in tasks) == group.total_num == 300
        assert (group.success_num + group.skip_num, group.fail_num) == (300, 0)
        assert set(names) <= set(world.destination.keys())
    finally:
        assert served.stop() == 0
