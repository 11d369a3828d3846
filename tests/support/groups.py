"""Task groups as the official SDK makes and watches them."""

from __future__ import annotations

import time

from huaweicloudsdkoms.v2 import (
    CreateTaskGroupReq,
    CreateTaskGroupRequest,
    ListFile,
    ListTasksRequest,
    ShowTaskGroupRequest,
    TaskGroupDstNode,
    TaskGroupSrcNode,
)

SLOW = [{"start": "00:00", "end": "23:59", "max_bandwidth": 1048576}]


def create_group(client, world, **fields):
    """Create a group; return its id."""
    node = {**world.src_node, "object_key": [""], **fields.pop("src_node", {})}
    body = CreateTaskGroupReq(
        src_node=TaskGroupSrcNode(**node),
        dst_node=TaskGroupDstNode(**world.dst_node),
        **{"task_type": "PREFIX", **fields},
    )
    return client.create_task_group(CreateTaskGroupRequest(body=body)).group_id


def show_group(client, group_id):
    """The group as it stands."""
    return client.show_task_group(ShowTaskGroupRequest(group_id=group_id))


def group_until(client, group_id, *statuses, seconds=60):
    """Wait for a status; return the group."""
    deadline = time.monotonic() + seconds
    while True:
        group = show_group(client, group_id)
        if group.status in statuses:
            return group
        assert time.monotonic() < deadline, group
        time.sleep(0.1)


def subtasks(client, group_id):
    """All tasks of a group."""
    return client.list_tasks(ListTasksRequest(group_id=group_id, limit=100)).tasks


def fill(bucket, count, folder="d", size=None):
    """Put objects into a bucket; return their keys."""
    names = [f"{folder}/{number:03d} +é" for number in range(count)]
    bucket.put_many([(name, name.encode() if size is None else bytes(size)) for name in names])
    return names


def put_list(world, key, lines, kind="text/plain"):
    """Put a list file beside the destination."""
    world.destination.put(key, "\n".join(lines).encode(), headers={"content-type": kind})
    return ListFile(list_file_key=key, obs_bucket=world.destination.name)
