"""A bucket onto itself, through every call of the service that starts something: refused, and the source untouched."""

import time

import pytest

from support.served import refusal

CODES = {"v2": "OMS.0058", "group": "OMS.0058", "sync": "OMS.0058", "v1": "S3M.0058"}
DONE = {"group": 6}
"""The status of one that has succeeded, where it is not 5."""


@pytest.fixture
def calls(api, world):
    """Call -> (path, body) that copies keys of one bucket below a prefix of it."""
    project, bucket = api.project, world.destination.name
    obs, keys = world.sandbox.obs, world.dst_keys

    def made(found, prefix):
        source = {"cloud_type": "HuaweiCloud", "region": obs.region, "bucket": bucket, **keys}
        target = {"region": obs.region, "bucket": bucket, **keys}
        flat = {f"{side}_{name}": value for side in ("src", "dst") for name, value in keys.items()}
        rules = {"object_overwrite_mode": "FULL_OVERWRITE", "enable_kms": True}
        v2 = {"src_node": {**source, "object_key": found}, "dst_node": {**target, "save_prefix": prefix}}
        return {
            "v2": (f"/v2/{project}/tasks", {"task_type": "prefix", **v2, **rules}),
            "group": (f"/v2/{project}/taskgroups", {"task_type": "PREFIX", **v2, **rules}),
            "sync": (
                f"/v2/{project}/sync-tasks",
                {"src_cloud_type": "HuaweiCloud", "src_region": obs.region, "src_bucket": bucket,
                 "dst_region": obs.region, "dst_bucket": bucket, **flat},
            ),
            "v1": (
                f"/v1/{project}/objectstorage/task",
                {"src_node": {**source, "object_key": {"path": "", "keys": found}},
                 "dst_node": {**target, "object_key": prefix or "/", "cloud_type": "HEC"},
                 "thread_num": 5, "enableKMS": True, "task_type": "prefix"},
            ),
        }  # fmt: skip

    return made


@pytest.mark.parametrize("call", CODES)
@pytest.mark.parametrize(
    ("found", "prefix"), [(["photos/"], ""), ([""], ""), (["photos/"], "photos/"), ([""], "copy/")]
)
def test_no_call_starts_what_would_rewrite_its_source(api, world, calls, call, found, prefix):
    """The object keeps its time, bytes and metadata, and no other appears."""
    world.destination.put("photos/a", b"bytes")
    before = world.destination.objects()
    path, body = calls(found, prefix)[call]
    reply = api.post(path, json=body)
    assert refusal(reply) == (400, CODES[call])
    assert "one bucket" in reply.text or "the same bucket" in reply.text
    assert world.destination.objects() == before


@pytest.mark.parametrize("call", ["v2", "group", "v1"])
def test_a_move_inside_a_bucket_runs(api, world, calls, call):
    """``photos/`` to ``backup/``: each object arrives once, below the prefix, and the source stays."""
    world.destination.put_many([("photos/a", b"1"), ("photos/b", b"2")])
    path, body = calls(["photos/"], "backup/")[call]
    made = api.post(path, json=body)
    assert made.status_code == 200, made.text
    number, deadline = next(iter(made.json().values())), time.monotonic() + 60
    while (task := api.get(f"{path}/{number}").json())["status"] != DONE.get(call, 5):
        assert time.monotonic() < deadline, task
        time.sleep(0.1)
    moved = [one.key for one in world.destination.objects() if not one.key.startswith("oms/")]
    assert moved == ["backup/photos/a", "backup/photos/b", "photos/a", "photos/b"]
