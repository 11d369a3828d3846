"""The examples of the reference, as JSON: requests are taken as they stand, answers have their fields and types.

Requests and answers are those of https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html and the pages
beside it.
"""

import json
from pathlib import Path

import pytest
from huaweicloudsdkoms import v2 as sdk

from oms_worker.planning import Planner
from oms_worker.settings import ServiceSettings
from oms_worker.shapes import base, buckets, group, iam, sync, task
from oms_worker.shapes.create import check_create, public_part
from oms_worker.shapes.credentials import secrets_of
from oms_worker.shapes.task_response import TaskShape
from support.groups import group_until
from support.served import create, until

GOLDEN = Path(__file__).parent / "golden"
REQUESTS = json.loads((GOLDEN / "requests.json").read_text())
RESPONSES = json.loads((GOLDEN / "responses.json").read_text())


def model_of(name):
    """The shape of a body by its name."""
    return next(getattr(module, name) for module in (task, group, sync, buckets, iam) if hasattr(module, name))


def like(ours, golden, path=""):
    """Hold an answer against an example: each field is there, with a value of the example's type, or null."""
    if ours is None or golden is None:
        return
    number = (int, float)
    if isinstance(golden, bool) or isinstance(ours, bool):
        assert type(ours) is type(golden), path
    elif isinstance(golden, number):
        assert isinstance(ours, number), path
    else:
        assert type(ours) is type(golden), path
    if isinstance(golden, dict):
        for name, value in golden.items():
            assert name in ours, f"{path}.{name}"
            like(ours[name], value, f"{path}.{name}")
    if isinstance(golden, list) and golden:
        for item in ours:
            like(item, golden[0], f"{path}[]")


@pytest.mark.parametrize("name", REQUESTS)
def test_the_requests_of_the_reference_are_taken(name):
    """Each example body is read as it stands, and what was read holds every field of it."""
    shape, document = REQUESTS[name]
    read = base.read_body(model_of(shape), json.dumps(document))
    kept = read.model_dump(exclude_none=True)
    assert set(document) <= set(kept) | {"scope"}
    if shape in {"CreateTask", "CreateGroup"}:
        check_create(read)
    if shape == "CreateSync":
        sync.check_sync(read)


@pytest.mark.parametrize("name", [name for name in REQUESTS if name.startswith("CreateTask ")])
def test_the_tasks_of_the_reference_can_be_planned(name):
    """Each example task becomes a plan of the engine, with its secrets apart from what is stored."""
    document = json.loads(
        json.dumps(REQUESTS[name][1]).replace('src_bucket"', 'src-bucket"').replace("dst_bucket", "dst-bucket")
    )
    body = base.read_body(task.CreateTask, json.dumps(document))
    stored, secrets = public_part(body), secrets_of(body)
    plan = Planner(ServiceSettings()).plan(stored, secrets)
    assert plan.spec.scope.task_type == document["task_type"]
    assert plan.destination.bucket == "dst-bucket"
    assert (plan.listing is not None) == (document["task_type"] in {"list", "url_list"})
    for secret in ("src_ak", "src_sk", "dst_ak", "dst_sk"):
        assert secret not in json.dumps(stored)


def test_a_task_is_told_with_every_field_of_the_reference(service, api, world):
    """List, show and create answer with the example's fields and types, and nothing is undocumented."""
    world.source.put("key", b"bytes")
    number = create(service.client(service.users.alice), world)
    until(service.client(service.users.alice), number, 5)
    like(api.get(f"/v2/{api.project}/tasks").json(), RESPONSES["ListTasks"])
    shown = api.get(f"/v2/{api.project}/tasks/{number}").json()
    like(shown, RESPONSES["ShowTask"])
    assert set(sdk.TaskResp.openapi_types) <= set(shown)
    assert TaskShape.model_validate(shown)
    body = {"src_node": {**world.src_node, "object_key": ["key"]}, "dst_node": world.dst_node}
    like(api.post(f"/v2/{api.project}/tasks", json=body).json(), RESPONSES["CreateTask"])


@pytest.mark.parametrize("name", [name for name in REQUESTS if name.startswith("CreateTaskGroup")])
def test_the_groups_of_the_reference_can_be_planned(name):
    """Each example group becomes a plan as the one task that it would be uncut, in a task's spelling, without secrets."""
    document = REQUESTS[name][1]
    body = base.read_body(group.CreateGroup, json.dumps(document))
    stored, secrets = group.stored_part(body), secrets_of(body)
    plan = Planner(ServiceSettings()).plan(stored, secrets)
    assert plan.spec.scope.task_type == document["task_type"].lower()
    assert plan.destination.bucket == document["dst_node"]["bucket"]
    assert (plan.listing is not None) == (document["task_type"] != "PREFIX")
    assert "*****" not in json.dumps(stored)


@pytest.mark.parametrize(("name", "keys"), [
    ("two", [b"test/001.txt", b"test/002.txt"]), ("plus", [b"test+001.txt"]), ("space", [b"test 001.txt"]),
])  # fmt: skip
def test_the_events_of_the_reference_name_these_objects(name, keys):
    """Keys are encoded as forms are: ``%2B`` is a plus, ``+`` a space."""
    read = base.read_body(sync.SyncEvents, json.dumps(REQUESTS[f"CreateSyncEvents {name}"][1]))
    assert read.decoded() == keys


def test_a_group_is_told_with_every_field_of_the_reference(service, api, world):
    """List, show and create answer with the example's fields and types, and nothing is undocumented."""
    world.source.put("key", b"bytes")
    client, path = service.client(service.users.alice), f"/v2/{api.project}/taskgroups"
    body = {"src_node": {**world.src_node, "object_key": [""]}, "dst_node": world.dst_node, "task_type": "PREFIX"}
    made = api.post(path, json=body)
    assert made.status_code == 200, made.text
    like(made.json(), RESPONSES["CreateTaskGroup"])
    group_until(client, made.json()["group_id"], 6)
    like(api.get(path).json(), RESPONSES["ListTaskGroup"])
    shown = api.get(f"{path}/{made.json()['group_id']}").json()
    like(shown, RESPONSES["ShowTaskGroup"])
    assert set(sdk.TaskGroupResp.openapi_types) <= set(shown)
    assert group.GroupShape.model_validate(shown)


def test_a_sync_task_is_told_with_every_field_of_the_reference(api, world):
    """List, show, create and statistics answer with the examples' fields and types, and nothing is undocumented."""
    path = f"/v2/{api.project}/sync-tasks"
    body = {"src_cloud_type": "AWS", "src_region": world.src_node["region"], "src_bucket": world.source.name}
    body |= {"dst_region": world.dst_node["region"], "dst_bucket": world.destination.name, **world.keys}
    made = api.post(path, json=body)
    assert made.status_code == 200, made.text
    like(made.json(), RESPONSES["CreateSyncTask"])
    one = f"{path}/{made.json()['sync_task_id']}"
    like(api.get(path, params={"status": "SYNCHRONIZING"}).json(), RESPONSES["ListSyncTasks"])
    sent = api.post(f"{one}/events", json={"object_keys": ["test%2F001.txt"]})
    assert (sent.status_code, sent.text) == (200, "")
    shown = api.get(one).json()
    like(shown, RESPONSES["ShowSyncTask"])
    assert set(sdk.ShowSyncTaskResponse.openapi_types) <= set(shown)
    assert sync.SyncDetailShape.model_validate(shown)
    told = api.get(f"{one}/statistics", params={"data_type": "REQUEST"}).json()
    like(told, RESPONSES["ListSyncTaskStatistic"])
    assert sum(point["statistic_num"] for point in told["statistic_datas"][0]["data"]) == 1
    assert api.post(f"{one}/stop").status_code == 200
    assert api.delete(one).status_code == 200


def test_versions_are_told_as_in_the_reference(api):
    """``GET /`` and ``GET /v2``."""
    like(api.get("/").json(), RESPONSES["ListApiVersions"])
    like(api.get("/v2").json(), RESPONSES["ShowApiInfo"])
    assert api.get("/v2").json()["id"] == "v2"


def test_buckets_are_told_as_in_the_reference(api, world):
    """The bucket operations answer with the fields and types of their examples."""
    world.source.put_many([("A/x", b"1"), ("A/b/c", b"2")])
    base_path = f"/v2/{api.project}/objectstorage"
    keys = {"cloud_type": "AWS", **world.src_keys}
    named = {**keys, "bucket_name": world.source.name, "data_center": world.src_node["region"]}
    asked = {
        "ShowBucketList": ("buckets", keys),
        "ShowBucketRegion": ("buckets/regions", {**keys, "bucket_name": world.source.name}),
        "CheckPrefix": ("buckets/prefix", {**named, "file_name": "A"}),
        "ShowBucketObjects": ("buckets/objects", {**named, "file_path": "A/", "page_size": 100, "behind_filename": ""}),
    }
    for name, (path, body) in asked.items():
        reply = api.post(f"{base_path}/{path}", json=body)
        assert reply.status_code == 200, reply.text
        like(reply.json(), RESPONSES[name], name)


def test_clouds_and_regions_hold_those_of_the_reference(api):
    """Every cloud of the example, in its order, and every region of AWS with its description."""
    clouds = api.get(f"/v2/{api.project}/objectstorage/cloud-type", params={"type": "src"}).json()
    assert [cloud for cloud in clouds if cloud in RESPONSES["ShowCloudType"]] == RESPONSES["ShowCloudType"]
    regions = api.get(f"/v2/{api.project}/objectstorage/data-center").json()
    like(regions, RESPONSES["ShowRegionInfo"])
    aws = next(cloud["region_list"] for cloud in regions if cloud["service_name"] == "AWS")
    for region in RESPONSES["ShowRegionInfo"][0]["region_list"]:
        assert region in aws
