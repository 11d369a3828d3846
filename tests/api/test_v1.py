"""The first version of the API: its words, its multiplexed PUT, its codes; real bytes move."""

import json
import time

import pytest

from support.served import refusal


@pytest.fixture
def base(api):
    """The path of alice's tasks."""
    return f"/v1/{api.project}/objectstorage/task"


def body_of(world, **changes):
    """A body as the reference writes it."""
    body = {
        "src_node": {
            "region": world.src_node["region"],
            "ak": world.src_keys["ak"],
            "sk": world.src_keys["sk"],
            "object_key": {"path": "", "keys": ["object1", "folder/"]},
            "bucket": world.source.name,
            "cloud_type": "AWS",
        },
        "thread_num": 50,
        "enableKMS": False,
        "description": "xxx",
        "dst_node": {
            "region": world.dst_node["region"],
            "ak": world.dst_keys["ak"],
            "sk": world.dst_keys["sk"],
            "object_key": "targetkey",
            "bucket": world.destination.name,
            "cloud_type": "OBS",
        },
        "task_type": "object",
        "migrate_since": 1_600_000_000,
        "bandwidth_policy": [{"start": "00:00", "end": "23:59", "max_bandwidth": 50_000_000}],
    }
    for name, value in changes.items():
        place, _, inner = name.rpartition("__")
        target = body[place] if place else body
        if value is None:
            target.pop(inner)
        else:
            target[inner] = value
    return body


def until(api, path, *statuses):
    """Wait for a status."""
    deadline = time.monotonic() + 30
    while (task := api.get(path).json())["status"] not in statuses:
        assert time.monotonic() < deadline, task
        time.sleep(0.05)
    return task


def test_a_task_from_its_creation_to_its_end(api, base, world):
    """Created, run, told in the first version's names, counted, listed, deleted."""
    world.source.put_many([("object1", b"one"), ("folder/a", b"two"), ("other", b"three")])
    made = api.post(base, json=body_of(world))
    assert made.status_code == 200, made.text
    path = f"{base}/{made.json()['id']}"
    task = until(api, path, 4, 5)
    assert (task["status"], task["success_num"], task["fail_num"], task["skip_num"]) == (5, 2, 0, 0)
    assert world.destination.get("targetkey/folder/a") == b"two"
    assert (task["enableKMS"], task["thread_num"], task["error_reason"], task["migrate_since"]) == (
        False,
        50,
        "",
        1_600_000_000,
    )
    assert (task["dst_node"]["object_key"], task["src_node"]["object_key"]) == ("targetkey/", ["object1", "folder/"])
    assert json.loads(task["failed_object_record"]) == {"result": False, "list_file_key": "", "errorCode": ""}
    listed = api.get(base, params={"start": 0, "limit": 10, "state": 5}).json()
    assert task["id"] in [other["id"] for other in listed]
    counted = api.get(base, params={"totalcount": "true", "state": 5}).json()
    assert counted["taskcount"] >= 1
    assert api.get(base, params={"totalcount": "true", "state": 0}).json() == {"taskcount": 0}
    assert refusal(api.put(path, json={"operation": "stop"})) == (400, "S3M.0070")
    assert api.delete(path).status_code == 200
    assert refusal(api.get(path)) == (400, "S3M.0053")


def test_one_put_stops_limits_and_starts(api, base, world):
    """``operation`` says what is meant; keys are asked for again at start."""
    world.source.put_many([("object1", b"x"), *((f"folder/{n:02}", bytes(500_000)) for n in range(23))])
    slow = [{"start": "00:00", "end": "23:59", "max_bandwidth": 5_242_880}]
    path = f"{base}/{api.post(base, json=body_of(world, bandwidth_policy=slow)).json()['id']}"
    until(api, path, 2, 5)
    assert refusal(api.delete(path)) == (400, "S3M.0063")
    assert refusal(api.put(path, json={"operation": "dance"})) == (400, "S3M.0064")
    assert api.put(path, json={"operation": "stop"}).status_code == 200
    until(api, path, 3)
    free = {"operation": "change_bandwidthpolicy", "bandwidth_policy": []}
    assert api.put(path, json=free).status_code == 200
    assert refusal(api.put(path, json={"operation": "start"})) == (400, "S3M.0064")
    keys = {"source_ak": world.src_keys["ak"], "source_sk": world.src_keys["sk"], "target_ak": world.dst_keys["ak"],
            "target_sk": world.dst_keys["sk"], "migration_failed_object": False}  # fmt: skip
    assert api.put(path, json={"operation": "start", **keys}).status_code == 200
    task = until(api, path, 4, 5)
    assert (task["status"], task["success_num"] + task["skip_num"]) == (5, 24)


WRONG = {
    "no threads": ({"thread_num": None}, "S3M.0064"),
    "51 threads": ({"thread_num": 51}, "S3M.0059"),
    "no KMS": ({"enableKMS": None}, "S3M.0064"),
    "KMS as text": ({"enableKMS": "no"}, "S3M.0061"),
    "a path": ({"src_node__object_key": {"path": "a", "keys": []}}, "S3M.0055"),
    "markup": ({"src_node__region": "<script>alert(1)</script>"}, "S3M.0014"),
    "markup in the topic": ({"smnInfo": {"topicUrn": "<img src=x>", "triggerConditions": ["FAIL"]}}, "S3M.0014"),
    "parentheses": ({"description": "a (b)"}, "S3M.0078"),
    "a list without file": ({"task_type": "list"}, "S3M.0088"),
    "too slow": ({"bandwidth_policy": [{"start": "00:00", "end": "23:59", "max_bandwidth": 5_242_879}]}, "S3M.0084"),
    "too fast": ({"bandwidth_policy": [{"start": "00:00", "end": "23:59", "max_bandwidth": 10 * 1024**3 + 1}]}, "S3M.0084"),
    "a time": ({"bandwidth_policy": [{"start": "0h", "end": "23:59", "max_bandwidth": 5_242_880}]}, "S3M.0087"),
    "unknown cloud": ({"src_node__cloud_type": "Nimbus"}, "S3M.0057"),
    "a bucket": ({"dst_node__bucket": "*"}, "S3M.0058"),
    "no channel": ({"smnInfo": {"topicUrn": "urn:smn:local:p:nobody", "triggerConditions": ["FAIL"]}}, "S3M.0169"),
    "no sk": ({"src_node__sk": None}, "S3M.0064"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "code"), WRONG.values(), ids=WRONG)
def test_mistakes_have_the_first_versions_codes(api, base, world, changes, code):
    """S3M codes, 400, and no task."""
    before = api.get(base, params={"totalcount": "true"}).json()
    reply = api.post(base, json=body_of(world, **changes))
    assert refusal(reply) == (400, code), reply.text
    assert api.get(base, params={"totalcount": "true"}).json() == before


def test_ten_gigabytes_a_second_may_be_asked_for(api, base, world):
    """The first version's range is wider; the second version states what was set by it."""
    world.source.put("object1", b"x")
    fast = [{"start": "00:00", "end": "23:59", "max_bandwidth": 10 * 1024**3}]
    made = api.post(base, json=body_of(world, bandwidth_policy=fast))
    assert api.get(f"{base}/{made.json()['id']}").json()["bandwidth_policy"][0]["max_bandwidth"] == 10 * 1024**3


@pytest.mark.parametrize("key", ["", "/", {"path": "", "keys": []}])
def test_the_whole_bucket(api, base, world, key):
    """No keys, a slash or nothing mean everything."""
    world.source.put_many([("a", b"1"), ("b/c", b"2")])
    made = api.post(base, json=body_of(world, src_node__object_key=key, dst_node__object_key="/"))
    assert until(api, f"{base}/{made.json()['id']}", 4, 5)["success_num"] == 2
    assert world.destination.get("b/c") == b"2"


def test_versions_and_quotas(api, service):
    """The versions in the old form; the quota of one's own account only."""
    told = api.get(f"/v1/{api.project}/objectstorage/version").json()
    assert [one["id"] for one in told["versions"]] == ["v1.0", "v2.0"]
    domain = api.get("/v3/projects").json()["projects"][0]["domain_id"]
    quota = {"quotas": {"resource": {"type": "MaxParallelTaskNum", "quota": 10}}}
    assert api.get(f"/v1/{domain}/objectstorage/quotas").json() == quota
    assert refusal(api.get("/v1/somebody/objectstorage/quotas")) == (403, "S3M.0072")


def test_readers_and_strangers(service, api, base, world):
    """Roles and projects hold here too."""
    with service.http("rita") as rita:
        assert refusal(rita.post(base, json=body_of(world))) == (403, "S3M.0072")
        assert rita.get(base, params={"start": 0, "limit": 1}).status_code == 200
    with service.http("bob") as bob:
        assert refusal(bob.get(base)) == (403, "S3M.0072")
    for query, code in (("limit=101", "S3M.0051"), ("start=-1", "S3M.0051"), ("state=6", "S3M.0052")):
        assert refusal(api.get(f"{base}?{query}")) == (400, code)
    assert refusal(api.get(f"{base}/abc")) == (400, "S3M.0054")
