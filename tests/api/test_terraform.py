"""The requests of Terraform's provider, replayed: how it creates, waits, stops, changes and deletes a task.

https://github.com/huaweicloud/terraform-provider-huaweicloud/blob/master/huaweicloud/services/oms/resource_huaweicloud_oms_migration_task.go
"""

import pytest

from support.provider import Provider
from support.served import refusal


@pytest.fixture
def provider(api):
    """The provider with a token of alice's."""
    return Provider(api)


def body_of(world, **changes):
    """The body as the provider builds it: ``enable_kms`` always, ``object_key`` [""] with task type object."""
    return {
        "task_type": "object",
        "src_node": {
            "cloud_type": "AWS",
            "region": world.src_node["region"],
            "bucket": world.source.name,
            "ak": world.src_keys["ak"],
            "sk": world.src_keys["sk"],
            "object_key": [""],
        },
        "dst_node": {
            "region": world.dst_node["region"],
            "bucket": world.destination.name,
            "ak": world.dst_keys["ak"],
            "sk": world.dst_keys["sk"],
        },
        "enable_kms": False,
        "enable_restore": False,
        "enable_failed_object_recording": True,
        "enable_metadata_migration": False,
        "description": "test task",
        "migrate_since": 1_672_671_844,
        "bandwidth_policy": [
            {"max_bandwidth": 2_097_152, "start": "15:00", "end": "16:00"},
            {"max_bandwidth": 1_048_576, "start": "16:00", "end": "17:00"},
        ],
        **changes,
    }


def test_create_read_delete(provider, world):
    """Create, poll {0,1} to {2,5}, read everything back as written, delete, and find 400 OMS.1009."""
    world.source.put("a", b"x")
    made = provider.api.post(f"{provider.base}/tasks", json=body_of(world))
    assert made.status_code == 200
    path = f"{provider.base}/tasks/{made.json()['id']}"
    provider.wait(path, {0, 1}, {2, 5})
    task = provider.wait(path, {2}, {5})
    assert task["migrate_since"] == 1_672_671_844  # seconds, as they were written
    assert [rule["max_bandwidth"] // 1_048_576 for rule in task["bandwidth_policy"]] == [2, 1]
    assert (task["enable_kms"], task["description"], task["src_node"]["object_key"]) == (False, "test task", [""])
    assert (task["src_node"]["cloud_type"], task["dst_node"]["region"]) == ("AWS", world.dst_node["region"])
    assert "ak" not in task["src_node"]
    assert provider.api.delete(path).status_code == 200
    assert refusal(provider.api.get(path)) == (400, "OMS.1009")


def test_stop_reaches_paused_and_start_goes_on(provider, world):
    """``start_task = false``: stop polls {0,7} to {3} and would fail at 2; a running task is not deleted."""
    world.source.put_many((f"{n:02}", bytes(500_000)) for n in range(30))
    slow = [{"max_bandwidth": 1_048_576, "start": "00:00", "end": "23:59"}]
    made = provider.api.post(f"{provider.base}/tasks", json=body_of(world, bandwidth_policy=slow, migrate_since=0))
    path = f"{provider.base}/tasks/{made.json()['id']}"
    provider.wait(path, {0, 1}, {2, 5})
    assert refusal(provider.api.delete(path)) == (400, "OMS.0063")
    assert provider.api.post(f"{path}/stop").status_code == 200
    provider.wait(path, {0, 7}, {3})
    assert refusal(provider.api.post(f"{path}/stop")) == (400, "OMS.0066")
    assert refusal(provider.api.post(f"{path}/start", json={"dst_ak": "a", "dst_sk": "b"})) == (400, "OMS.1004")
    assert provider.api.put(f"{path}/bandwidth-policy", json={"bandwidth_policy": []}).status_code == 200
    start = {"src_ak": world.src_keys["ak"], "src_sk": world.src_keys["sk"], "dst_ak": world.dst_keys["ak"],
             "dst_sk": world.dst_keys["sk"], "migrate_failed_object": False}  # fmt: skip
    assert provider.api.post(f"{path}/start", json=start).status_code == 200
    provider.wait(path, {0, 1}, {2, 5})
    task = provider.wait(path, {2}, {5})
    assert task["successful_num"] + task["skipped_num"] == 30
    assert refusal(provider.api.post(f"{path}/start", json=start)) == (400, "OMS.0070")


def test_a_small_task_that_must_not_start_is_paused_though_it_is_done(provider, world):
    """``start_task = false``: the provider stops a task five seconds after its creation and waits {0,7} to {3}."""
    world.source.put("a", b"x")
    made = provider.api.post(f"{provider.base}/tasks", json=body_of(world, migrate_since=0))
    path = f"{provider.base}/tasks/{made.json()['id']}"
    provider.wait(path, {0, 1, 2}, {5})  # as it is long before the provider looks
    assert refusal(provider.api.post(f"{path}/stop")) == (400, "OMS.0070")  # whoever else asks
    assert provider.stop(path).status_code == 200
    task = provider.wait(path, {0, 7}, {3})
    assert (task["successful_num"], task["progress"]) == (1, 1.0)
    world.source.put("b", b"y")
    assert provider.api.post(f"{path}/start", json=world.keys).status_code == 200  # start_task = true
    provider.wait(path, {0, 1}, {2, 5})
    task = provider.wait(path, {2}, {5})
    assert (task["successful_num"], task["skipped_num"]) == (1, 1)  # all that is there now, not only a memory
    assert provider.stop(path).status_code == 200  # a deletion that found it running, and then done
    provider.wait(path, {0, 7}, {3})
    assert provider.api.delete(path).status_code == 200


def test_a_task_that_failed_is_stopped_for_nobody(provider, world):
    """A failure is an error for the provider whatever a stop answers: it is not hidden behind a pause."""
    body = body_of(world, migrate_since=0)
    body["src_node"]["sk"] = "another"
    made = provider.api.post(f"{provider.base}/tasks", json=body)
    path = f"{provider.base}/tasks/{made.json()['id']}"
    provider.wait(path, {0, 1, 2}, {4})
    assert refusal(provider.stop(path)) == (400, "OMS.0066")


def test_pages_end_with_a_short_one(provider, world):
    """The data source asks for pages of 100 and stops at a shorter one."""
    found, offset = [], 0
    while True:
        page = provider.api.get(f"{provider.base}/tasks", params={"limit": 100, "offset": offset}).json()
        found += page["tasks"]
        if len(page["tasks"]) < 100:
            break
        offset += len(page["tasks"])
    assert len(found) == page["count"] == len({task["id"] for task in found})


def test_a_task_whose_bucket_is_missing_is_not_created(provider, world):
    """The apply that names it fails at once, with the code and its sentence."""
    body = body_of(world)
    body["src_node"]["bucket"] = "no-such-bucket"
    assert refusal(provider.api.post(f"{provider.base}/tasks", json=body)) == (400, "OMS.0089")


def test_a_task_whose_key_is_wrong_fails_with_a_reason(provider, world):
    """State 4 is an error for the provider; it shows ``error_reason``."""
    body = body_of(world)
    body["src_node"]["sk"] = "another"
    made = provider.api.post(f"{provider.base}/tasks", json=body)
    task = provider.wait(f"{provider.base}/tasks/{made.json()['id']}", {0, 1, 2}, {4})
    assert task["error_reason"]["error_code"] == "TRF.0151"
    assert len(task["error_reason"]["error_msg"]) <= 1024
