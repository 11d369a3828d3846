"""The requests of Terraform's provider, replayed, for task groups and sync tasks: create, wait, stop, change, delete.

https://github.com/huaweicloud/terraform-provider-huaweicloud/blob/master/huaweicloud/services/oms/resource_huaweicloud_oms_migration_task_group.go
and ``resource_huaweicloud_oms_migration_sync_task.go`` beside it.
"""

import time

import pytest

from support.groups import SLOW, fill
from support.provider import Provider
from support.served import refusal

MIB = 1 << 20


@pytest.fixture
def provider(api):
    """The provider with a token of alice's."""
    return Provider(api)


def group_of(world, **changes):
    """The body as the provider builds it: what is not set is left out, ``enable_kms`` is not."""
    return {
        "task_type": "PREFIX",
        "src_node": {**world.src_node, "object_key": [""]},
        "dst_node": {**world.dst_node, "cloud_type": "HEC"},
        "enable_failed_object_recording": True,
        "enable_kms": False,
        "enable_metadata_migration": False,
        "bandwidth_policy": SLOW,
        "migrate_since": 1_672_671_844,
        **changes,
    }


def gone(provider, path):
    """Poll a deletion, {8,9} to 404."""
    deadline = time.monotonic() + 30
    while (reply := provider.api.get(path)).status_code == 200:
        assert reply.json()["status"] in {8, 9}
        assert time.monotonic() < deadline
        time.sleep(0.05)
    return refusal(reply)


def test_a_group_is_created_stopped_changed_started_and_deleted(provider, world):
    """{0,1} to {2,6}; a stop is a PUT and shows {7} to {3,6}; new rules, a start with keys; deleted from 6 to 404."""
    fill(world.source, 4, size=2 * MIB)
    made = provider.api.post(f"{provider.base}/taskgroups", json=group_of(world))
    assert made.status_code == 200, made.text
    path = f"{provider.base}/taskgroups/{made.json()['group_id']}"
    provider.wait(path, {0, 1}, {2, 6})
    assert provider.api.put(f"{path}/stop").status_code == 200
    group = provider.wait(path, {7}, {3, 6})
    assert (group["status"], group["migrate_since"]) == (3, 1_672_671_844)
    assert (group["task_type"], group["enable_kms"], group["description"]) == ("PREFIX", False, "")
    assert group["bandwidth_policy"] == SLOW
    assert refusal(provider.api.put(f"{path}/stop")) == (400, "OMS.1038")
    assert provider.api.put(f"{path}/update", json={"bandwidth_policy": []}).status_code == 200
    assert provider.api.put(f"{path}/start", json=world.keys).status_code == 200
    provider.wait(path, {0, 1}, {2, 6})
    group = provider.wait(path, {2}, {6})
    assert (group["total_num"], group["success_num"] + group["skip_num"], group["fail_num"]) == (4, 4, 0)
    assert provider.api.delete(path).status_code == 200
    assert gone(provider, path) == (404, "OMS.1009")


def test_a_group_that_is_done_before_its_stop_stays_done(provider, world):
    """``action = "stop"``: a complete group answers the provider's stop with 200, which then waits {7} to {3,6}."""
    fill(world.source, 1)
    made = provider.api.post(f"{provider.base}/taskgroups", json=group_of(world, migrate_since=0))
    path = f"{provider.base}/taskgroups/{made.json()['group_id']}"
    provider.wait(path, {0, 1, 2}, {6})
    assert refusal(provider.api.put(f"{path}/stop")) == (400, "OMS.1038")  # whoever else asks
    assert provider.stop(path, "PUT").status_code == 200
    assert provider.wait(path, {7}, {3, 6})["status"] == 6
    assert provider.api.delete(path).status_code == 200


def test_a_group_under_way_is_stopped_and_then_deleted(provider, world):
    """A deletion in state 2 is OMS.0063; the provider stops the group, waits for 3, and its deletion passes."""
    fill(world.source, 4, size=8 * MIB)
    made = provider.api.post(f"{provider.base}/taskgroups", json=group_of(world))
    path = f"{provider.base}/taskgroups/{made.json()['group_id']}"
    provider.wait(path, {0, 1}, {2})
    assert refusal(provider.api.delete(path)) == (400, "OMS.0063")
    assert provider.api.put(f"{path}/stop").status_code == 200
    provider.wait(path, {7}, {3})
    assert provider.api.delete(path).status_code == 200
    assert gone(provider, path) == (404, "OMS.1009")


def test_a_group_that_failed_is_retried(provider, world):
    """State 5 is an error with a reason; a retry with the destination's keys and an empty CDN key runs it again."""
    world.source.put("cold", b"cold", storage_class="GLACIER")
    made = provider.api.post(f"{provider.base}/taskgroups", json=group_of(world, bandwidth_policy=[], migrate_since=0))
    path = f"{provider.base}/taskgroups/{made.json()['group_id']}"
    group = provider.wait(path, {0, 1, 2}, {5})
    assert group["error_reason"]["error_code"] == "TRF.0062"
    world.source.put("cold", b"warm")
    keys = {**world.keys, "source_cdn_authentication_key": ""}
    assert provider.api.put(f"{path}/retry", json=keys).status_code == 200
    provider.wait(path, {0, 1}, {2, 6})
    provider.wait(path, {2}, {6})


def test_a_sync_task_is_created_stopped_started_and_deleted(provider, world):
    """Read with ``query_time`` as text in the query; a started one is stopped before its deletion, then it is 404."""
    body = {
        "src_cloud_type": "AWS",
        "src_region": world.src_node["region"],
        "src_bucket": world.source.name,
        "dst_region": world.dst_node["region"],
        "dst_bucket": world.destination.name,
        "enable_kms": False,
        "enable_restore": False,
        "enable_metadata_migration": False,
        **world.keys,
    }
    made = provider.api.post(f"{provider.base}/sync-tasks", json=body)
    assert made.status_code == 200, made.text
    path = f"{provider.base}/sync-tasks/{made.json()['sync_task_id']}"

    def read():
        return provider.api.get(path, params={"query_time": str(int(time.time() * 1000))})

    told = read().json()
    assert (told["status"], told["object_overwrite_mode"]) == (
        "SYNCHRONIZING",
        "SIZE_LAST_MODIFIED_COMPARISON_OVERWRITE",
    )
    assert (told["create_time"], told["monthly_acceptance_request"]) == (told["last_start_time"], 0)
    assert provider.api.post(f"{path}/stop").status_code == 200
    assert read().json()["status"] == "STOPPED"
    assert provider.api.post(f"{path}/start", json=world.keys).status_code == 200
    assert refusal(provider.api.delete(path)) == (400, "OMS.0063")
    assert provider.api.post(f"{path}/stop").status_code == 200
    assert provider.api.delete(path).status_code == 200
    assert refusal(read()) == (404, "OMS.1009")
