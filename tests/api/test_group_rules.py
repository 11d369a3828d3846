"""What holds for task groups while they run: URL lists, windows, how many tasks at once, parts that came to be empty."""

from __future__ import annotations

import time
from contextlib import suppress
from urllib.parse import quote

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkoms.v2 import (
    BandwidthPolicyDto,
    RetryTaskGroupReq,
    RetryTaskGroupRequest,
    StartTaskGroupReq,
    StartTaskGroupRequest,
    StopTaskGroupRequest,
    UpdateBandwidthPolicyReq,
    UpdateTaskGroupRequest,
)

from support.groups import SLOW, create_group, fill, group_until, put_list, show_group, subtasks
from support.served import Served, create, running, until
from support.webserver import Page, serving

AT_ONCE = 2
MIB = 1 << 20


@pytest.fixture(scope="module")
def grouped(sandbox, served_database, tmp_path_factory):
    """A running service: tasks of two objects, two of a group at once; one task may wait; intranet URLs are allowed."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(
        tmp_path_factory.mktemp("rules"),
        clouds,
        served_database,
        quotas={"running_tasks": 10, "waiting_tasks": 1},
        groups={"keys_per_task": 2, "concurrent_tasks": AT_ONCE},
        work={"hosts": 1, "allow_private_urls": True},
    )
    served.users = served.add_users(alice={})
    with running(served):
        yield served


@pytest.fixture(scope="module")
def client(grouped):
    """The official SDK as alice."""
    return grouped.client(grouped.users.alice)


@pytest.fixture
def web():
    """A web server on this machine."""
    with serving() as server:
        yield server


def update(client, group_id, windows):
    """Change the windows of a group."""
    body = UpdateBandwidthPolicyReq(bandwidth_policy=[BandwidthPolicyDto(**window) for window in windows])
    client.update_task_group(UpdateTaskGroupRequest(group_id=group_id, body=body))


def refusal(call):
    """Return status and code with which the SDK is refused."""
    with pytest.raises(ClientRequestException) as refused:
        call()
    return refused.value.status_code, refused.value.error_code


def test_a_url_list_group_moves_what_the_urls_name(client, world, web):
    """Two URL lists of a folder become slices of two lines; every URL's bytes arrive under the name of its line."""
    lines = []
    for number in range(7):
        web.pages[f"/{number}"] = Page(f"body {number}".encode())
        lines.append(f"{web.url}/{number}\t{quote(f'ü/{number} +')}")
    put_list(world, "urls/a.txt", lines[:4])
    file = put_list(world, "urls/b.txt", lines[4:])
    file.list_file_key = "urls/"
    node = dict.fromkeys(("bucket", "region", "ak", "sk", "object_key"))
    node |= {"cloud_type": "URLSource", "list_file": file}
    group_id = create_group(client, world, task_type="URL_LIST", src_node=node)
    group = group_until(client, group_id, 4, 5, 6)
    assert group.status == 6, group
    assert (group.total_num, group.success_num, group.task_type) == (7, 7, "URL_LIST")
    assert (group.src_node.cloud_type, group.src_node.list_file.list_file_key) == ("URLSOURCE", "urls/")
    assert sorted(task.total_num for task in subtasks(client, group_id)) == [1, 2, 2, 2]
    for number in range(7):
        assert world.destination.get(f"ü/{number} +") == f"body {number}".encode()


def test_a_url_list_group_retries_what_failed_and_resumes_without_source_keys(client, world, web):
    """A URL that answers 404 fails its task alone; retried with nothing but ``migrate_failed_object`` it arrives."""
    for number in range(5):
        web.pages[f"/{number}"] = Page(b"x" * (number + 1))
    del web.pages["/3"]
    file = put_list(world, "urls.txt", [f"{web.url}/{number}\tu/{number}" for number in range(5)])
    node = dict.fromkeys(("bucket", "region", "ak", "sk", "object_key"))
    node |= {"cloud_type": "URLSource", "list_file": file}
    group_id = create_group(client, world, task_type="URL_LIST", src_node=node)
    group = group_until(client, group_id, 4, 5, 6)
    assert (group.status, group.fail_num, group.success_num) == (5, 1, 4), group
    web.pages["/3"] = Page(b"late")
    body = RetryTaskGroupReq(migrate_failed_object=True)
    client.retry_task_group(RetryTaskGroupRequest(group_id=group_id, body=body))
    assert group_until(client, group_id, 6).fail_num == 0
    assert world.destination.get("u/3") == b"late"


def test_as_many_tasks_of_a_group_run_as_the_setting_says_and_the_queue_stays_open(client, world):
    """Five slow tasks run two by two; those that wait take no place in the queue of the project's own tasks."""
    fill(world.source, 10, size=MIB)
    group_id = create_group(client, world, bandwidth_policy=SLOW)
    group_until(client, group_id, 2)
    most, waited = 0, 0
    number = create(client, world, object_key=["d/000"])
    while (group := show_group(client, group_id)).status == 2:
        most = max(most, group.executing_task_num)
        waited = max(waited, group.waiting_task_num)
        if waited:
            with suppress(ClientRequestException):  # it has just ended
                update(client, group_id, SLOW if group.waiting_task_num else [])
        time.sleep(0.1)
    assert group.status == 6, group
    assert (most, waited) == (AT_ONCE, 3)
    assert until(client, number, 4, 5).status == 5


def test_new_windows_hold_at_once_for_what_runs_and_what_waits(client, world):
    """A group that would take minutes ends within seconds of losing its limit; a complete one refuses new windows."""
    fill(world.source, 6, size=40 * MIB)
    group_id = create_group(client, world, bandwidth_policy=SLOW)
    group_until(client, group_id, 2)
    group = show_group(client, group_id)
    assert group.bandwidth_policy[0].max_bandwidth == MIB
    update(client, group_id, [])
    assert show_group(client, group_id).bandwidth_policy == []
    assert {len(task.bandwidth_policy) for task in subtasks(client, group_id)} == {0}
    group = group_until(client, group_id, 4, 5, 6, seconds=60)
    assert (group.status, group.success_num) == (6, 6)
    assert refusal(lambda: update(client, group_id, SLOW)) == (400, "OMS.0086")
    assert refusal(lambda: update(client, "no-such-group", SLOW)) == (404, "OMS.1009")


def test_a_part_that_is_empty_by_now_has_succeeded(client, world):
    """Objects deleted between cutting and copying are no error of their task: 0 objects, 5; the group completes."""
    fill(world.source, 8, size=8 * MIB)
    group_id = create_group(client, world, bandwidth_policy=SLOW)
    group_until(client, group_id, 2)
    client.stop_task_group(StopTaskGroupRequest(group_id=group_id))
    group_until(client, group_id, 3, 6)
    untouched = [task for task in subtasks(client, group_id) if task.start_time == 0]
    assert untouched
    for name in [key for key in world.source.keys() if key not in world.destination.keys()]:  # noqa: SIM118 - buckets
        if name >= "d/006":
            world.source.delete(name)
    update(client, group_id, [])
    client.start_task_group(StartTaskGroupRequest(group_id=group_id, body=StartTaskGroupReq(**world.keys)))
    group = group_until(client, group_id, 5, 6)
    assert (group.status, group.success_num + group.skip_num, group.fail_num) == (6, 6, 0), group
    ended = {(task.status, task.total_num) for task in subtasks(client, group_id)}
    assert ended == {(5, 2), (5, 0)}


def test_a_group_that_pauses_loses_its_keys_and_asks_for_all_of_them(client, world):
    """Every key that is missing at a start is named; one that is wrong fails the tasks, not the service."""
    fill(world.source, 4, size=8 * MIB)
    group_id = create_group(client, world, bandwidth_policy=SLOW)
    group_until(client, group_id, 2)
    client.stop_task_group(StopTaskGroupRequest(group_id=group_id))
    group_until(client, group_id, 3)
    for name in world.keys:
        few = StartTaskGroupReq(**{key: value for key, value in world.keys.items() if key != name})
        start = StartTaskGroupRequest(group_id=group_id, body=few)
        assert refusal(lambda start=start: client.start_task_group(start)) == (400, "OMS.1004")
    wrong = StartTaskGroupReq(**{**world.keys, "src_sk": "wrong"})
    client.start_task_group(StartTaskGroupRequest(group_id=group_id, body=wrong))
    group = group_until(client, group_id, 5)
    assert group.error_reason.error_code == "TRF.0062"
    update(client, group_id, [])
    body = RetryTaskGroupReq(**world.keys, migrate_failed_object=False)
    client.retry_task_group(RetryTaskGroupRequest(group_id=group_id, body=body))
    assert group_until(client, group_id, 5, 6).status == 6
