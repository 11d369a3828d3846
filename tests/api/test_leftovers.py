"""Uploads in flight of deleted tasks: their keys were wiped at the stop, so they are aborted when keys come again."""

from __future__ import annotations

import time

import pytest
from huaweicloudsdkoms.v2 import DeleteTaskGroupRequest, DeleteTaskRequest, StopTaskGroupRequest, StopTaskRequest

from support.groups import SLOW, create_group, group_until
from support.served import Served, create, until

MIB = 1 << 20
FAST = [{**SLOW[0], "max_bandwidth": 16 * MIB}]
"""Slow enough to be stopped, fast enough for a part of 16 MiB."""


@pytest.fixture(scope="module")
def served(sandbox, served_database, tmp_path_factory):
    """A running service."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    made = Served(tmp_path_factory.mktemp("leftovers"), clouds, served_database)
    made.users = made.add_users(alice={}, bob={"project": "other"})
    made.start()
    yield made
    assert made.stop() == 0, made.log
    assert "Traceback" not in made.log


def wait(look, seconds=40):
    """Wait until a look is true; return it."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    return found


def parts(world):
    """Parts that lie at the destination, in uploads in flight."""
    return [part for upload in world.destination.uploads() for part in upload.parts]


def stopped_task(client, world):
    """A task that stands still in the middle of a large object; return what deletes it."""
    number = create(client, world, bandwidth_policy=FAST)
    wait(lambda: parts(world))
    client.stop_task(StopTaskRequest(task_id=number))
    until(client, number, 3)
    return lambda: client.delete_task(DeleteTaskRequest(task_id=number))


def stopped_group(client, world):
    """The same of a group."""
    group_id = create_group(client, world, bandwidth_policy=FAST)
    wait(lambda: parts(world))
    client.stop_task_group(StopTaskGroupRequest(group_id=group_id))
    group_until(client, group_id, 3)
    return lambda: client.delete_task_group(DeleteTaskGroupRequest(group_id=group_id))


@pytest.mark.parametrize("stopped", [stopped_task, stopped_group])
def test_uploads_of_a_deleted_task_are_aborted_when_keys_come_again(served, world, stopped):
    """Told in the log at the deletion; another project's keys change nothing, the next task of this one aborts them."""
    client, bob = served.client(served.users.alice), served.client(served.users.bob)
    world.source.put("large", bytes(240 * MIB))
    delete = stopped(client, world)
    left = {upload.upload_id for upload in world.destination.uploads()}
    assert left
    delete()
    line = f"uploads in flight stay in bucket {world.destination.name} until keys for it are given again"
    wait(lambda: line in served.log)
    world.source.delete("large")
    world.source.put("small", bytes(3 * MIB))
    foreign = create(bob, world, bandwidth_policy=SLOW)
    assert until(bob, foreign, 4, 5, seconds=60).status == 5
    assert left <= {upload.upload_id for upload in world.destination.uploads()}
    world.source.put("more", bytes(5 * MIB))
    number = create(client, world, bandwidth_policy=SLOW)
    wait(lambda: not left & {upload.upload_id for upload in world.destination.uploads()})
    assert until(client, number, 4, 5, seconds=60).status == 5
    assert "uploads of deleted tasks are aborted in bucket" in served.log
