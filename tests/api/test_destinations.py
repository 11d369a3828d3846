"""Destinations that speak another protocol than OBS's: what is written beside the bytes arrives, or nothing is done."""

import re
import time
from types import SimpleNamespace

import boto3
import pytest
from moto.server import ThreadedMotoServer

from support.front import fronting
from support.provider import Provider
from support.seaweed import seaweed
from support.served import Served, refusal, running

KEYS = {"ak": "WEEDACCESSKEY", "sk": "weed-secret-key"}
ODD = "grün".encode().decode("latin-1")
ENDPOINTS = """
[endpoints.HuaweiCloud.rack-1]
endpoint = "{moto}"
dialect = "s3"
addressing = "path"

[endpoints.HuaweiCloud.rack-2]
endpoint = "{weed}"
dialect = "s3"

[endpoints.HuaweiCloud.rack-3]      # without its dialect
endpoint = "{moto}"
addressing = "path"

[endpoints.HuaweiCloud.rack-4]
endpoint = "{moto}"
dialect = "s3"
storage_classes = ["STANDARD", "IA"]
metadata = false
kms = false

[endpoints.AWS.rack-5]
endpoint = "{weed}"
addressing = "path"
"""


@pytest.fixture(scope="module")
def moto():
    """A server of S3 in this process."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    yield "http://{}:{}".format(*server.get_host_and_port())
    server.stop()


@pytest.fixture(scope="module")
def weed(tmp_path_factory):
    """SeaweedFS."""
    with seaweed(tmp_path_factory.mktemp("seaweed"), (KEYS["ak"], KEYS["sk"])) as made:
        yield made.url


@pytest.fixture(scope="module")
def api(sandbox, moto, weed, tmp_path_factory):
    """Alice at a service whose settings name these destinations."""
    served = Served(tmp_path_factory.mktemp("service"), [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)])
    served.config.write_text(served.config.read_text() + ENDPOINTS.format(moto=moto, weed=weed))
    served.users = served.add_users(alice={})
    with running(served), served.http("alice") as client:
        client.project = served.users.alice["project_id"]
        yield Provider(client)


@pytest.fixture
def place(moto, weed):
    """Make the destination bucket of a test: region -> client and bucket."""

    def made(region, name):
        url = weed if region in {"rack-2", "rack-5"} else moto
        keys = {"aws_access_key_id": KEYS["ak"], "aws_secret_access_key": KEYS["sk"]}
        client = boto3.client("s3", endpoint_url=url, region_name="us-east-1", **keys)
        client.create_bucket(Bucket=name)
        return client

    return made


def body_of(world, region, bucket, **changes):
    """The body of a task that asks for metadata and the class IA."""
    destination = {"region": region, "bucket": bucket, **KEYS, **changes.pop("dst_node", {})}
    rules = {"enable_metadata_migration": True, "dst_storage_policy": "IA", **changes}
    return {"task_type": "prefix", "src_node": {**world.src_node, "object_key": [""]}, "dst_node": destination, **rules}


def fill(world):
    """Put two objects with headers and metadata, one of them large enough to be moved in parts."""
    headers = {"cache-control": "max-age=60", "content-type": "text/x-odd"}
    for key, size in (("a", 3), ("large", 17 << 20)):
        world.source.put(key, bytes(size), headers=headers, user={"colour": "red"})


def create(api, body):
    """Create a task; return its path."""
    made = api.api.post(f"{api.base}/tasks", json=body)
    assert made.status_code == 200, made.text
    return f"{api.base}/tasks/{made.json()['id']}"


@pytest.mark.parametrize(
    ("region", "node"), [("rack-1", {}), ("rack-2", {}), ("rack-5", {"cloud_type": "AWS"})], ids=str
)
def test_metadata_and_class_arrive(api, world, place, region, node):
    """Through a dialect of the settings, or ``cloud_type`` AWS, objects arrive with their metadata and class."""
    fill(world)
    bucket = f"arrives-{region}"
    client = place(region, bucket)
    task = api.wait(create(api, body_of(world, region, bucket, dst_node=node)), {0, 1, 2}, {5})
    assert (task["successful_num"], task["failed_num"]) == (2, 0)
    for key in ("a", "large"):
        head = client.head_object(Bucket=bucket, Key=key)
        assert head["Metadata"] == {"colour": "red"}
        assert (head["CacheControl"], head["ContentType"]) == ("max-age=60", "text/x-odd")
        assert head["StorageClass"] == "STANDARD_IA"


@pytest.mark.parametrize("changes", [{"dst_storage_policy": "STANDARD"}, {"enable_metadata_migration": False}], ids=str)
def test_what_a_store_does_not_understand_fails_the_task(api, world, place, changes):
    """A store that ignores OBS's headers loses nothing silently: the task fails, and leaves no copy that passes."""
    fill(world)
    bucket = f"ignores-{len(changes)}-{next(iter(changes)).replace('_', '-')}"
    client = place("rack-3", bucket)
    task = api.wait(create(api, body_of(world, "rack-3", bucket, **changes)), {0, 1, 2}, {4})
    assert task["error_reason"]["error_code"] == "TRF.0061"
    assert 'dialect = "s3"' in task["error_reason"]["error_msg"]
    assert task["successful_num"] == 0
    kept = [entry["Key"] for entry in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
    assert [key for key in kept if not key.startswith("oms/")] == []


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"enable_metadata_migration": True}, "OMS.1003", "enable_metadata_migration: .*rack-4 keeps no user metadata"),
        ({"dst_storage_policy": "ARCHIVE"}, "OMS.1003", "does not keep ARCHIVE; it keeps IA, STANDARD"),
        ({"dst_storage_policy": "SRC_STORAGE_MAPPING"}, "OMS.1003", "does not keep ARCHIVE, DEEP_ARCHIVE"),
        ({"enable_kms": True}, "S3M.0069", "cannot encrypt with KMS"),
        ({"consistency_check": "crc64"}, "OMS.1003", "states no CRC-64"),
        ({"object_overwrite_mode": "CRC64_COMPARISON_OVERWRITE"}, "OMS.1003", "states no CRC-64"),
        ({"dst_node": {"cloud_type": "Azure"}}, "OMS.0058", "dst_node.cloud_type must be one of HEC, HuaweiCloud, AWS"),
        ({"dst_node": {"cloud_type": "AWS"}}, "OMS.0080", "rack-4"),
    ],
)
def test_what_a_destination_cannot_do_is_refused_at_creation(api, world, changes, code, words):
    """What the settings say that a destination cannot do is refused before anything is kept, by v2, groups and v1."""
    plain = {"enable_metadata_migration": False, "dst_storage_policy": "STANDARD"}
    body = body_of(world, "rack-4", "cannot", **{**plain, **changes})
    if "crc64" in str(changes).lower():
        body["src_node"] = {**world.dst_node, "cloud_type": "HuaweiCloud", "bucket": world.destination.name,
                            "object_key": [""]}  # fmt: skip
    for path, kind in (("tasks", "prefix"), ("taskgroups", "PREFIX")):
        reply = api.api.post(f"{api.base}/{path}", json={**body, "task_type": kind})
        assert refusal(reply) == (400, code)
        assert re.search(words, reply.json()["error_msg"])


def test_a_group_writes_in_the_dialect_too(api, world, place):
    """Sub-tasks of a group speak what the settings say, and its ``dst_node.cloud_type`` may be AWS."""
    fill(world)
    for number, (region, node) in enumerate([("rack-1", {}), ("rack-5", {"cloud_type": "AWS"})]):
        client = place(region, f"group-{number}")
        body = {**body_of(world, region, f"group-{number}", dst_node=node), "task_type": "PREFIX"}
        made = api.api.post(f"{api.base}/taskgroups", json=body)
        assert made.status_code == 200, made.text
        group = api.wait(f"{api.base}/taskgroups/{made.json()['group_id']}", {0, 1, 2}, {6})
        assert (group["success_num"], group["fail_num"]) == (2, 0)
        assert client.head_object(Bucket=f"group-{number}", Key="a")["Metadata"] == {"colour": "red"}


def test_the_first_version_takes_a_cloud_type_too(api, world, place):
    """``dst_node.cloud_type`` of the first version is checked like the second's, and stands in the reply."""
    fill(world)
    client = place("rack-5", "version-1")
    node = {"region": "rack-5", "bucket": "version-1", "object_key": "/", **KEYS}
    source = {**world.src_node, "object_key": {"path": "", "keys": []}}
    body = {"src_node": source, "dst_node": node, "enableKMS": False, "thread_num": 5, "task_type": "object"}
    base = f"/v1/{api.api.project}/objectstorage/task"
    refused = api.api.post(base, json={**body, "dst_node": {**node, "cloud_type": "Azure"}})
    assert refused.json()["error_code"] == "S3M.0058"
    made = api.api.post(base, json={**body, "dst_node": {**node, "cloud_type": "AWS"}})
    assert made.status_code == 200, made.text
    task = api.wait(f"{base}/{made.json()['id']}", {0, 1, 2}, {5})
    assert task["dst_node"]["cloud_type"] == "AWS"
    assert client.head_object(Bucket="version-1", Key="a")["ContentLength"] == 3


def test_a_sync_task_speaks_what_the_settings_say(api, world, place):
    """A sync task has no field for it: its destination's dialect and what it cannot do are those of the settings."""
    fill(world)
    client = place("rack-1", "synced")
    source = {f"src_{name}": value for name, value in world.src_node.items()}
    body = {**source, **{f"dst_{name}": value for name, value in {"region": "rack-1", "bucket": "synced", **KEYS}.items()},
            "enable_metadata_migration": True}  # fmt: skip
    refused = api.api.post(f"{api.base}/sync-tasks", json={**body, "dst_region": "rack-4"})
    assert refusal(refused) == (400, "OMS.1003")
    made = api.api.post(f"{api.base}/sync-tasks", json=body)
    assert made.status_code == 200, made.text
    path = f"{api.base}/sync-tasks/{made.json()['sync_task_id']}"
    assert api.api.post(f"{path}/events", json={"object_keys": ["a"]}).status_code == 200
    deadline = time.monotonic() + 60
    while not client.list_objects_v2(Bucket="synced", Prefix="a").get("Contents"):
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert client.head_object(Bucket="synced", Key="a")["Metadata"] == {"colour": "red"}


@pytest.mark.parametrize("way", ["fail", "drop", "encode"])
def test_what_becomes_of_invalid_metadata_is_a_setting(sandbox, world, tmp_path, way):
    """``work.invalid_metadata`` is the service's ``--invalid-metadata``: the object fails, or arrives without or encoded."""
    world.source.put("a", b"x", user={"plain": "red"})
    body = {"task_type": "prefix", "src_node": {**world.src_node, "object_key": [""]}, "dst_node": world.dst_node,
            "enable_metadata_migration": True}  # fmt: skip
    with fronting(sandbox.s3.url) as front:  # states metadata that S3 cannot hold, as other stores do
        front.behind = lambda passing: passing.reads_object and passing.reply.update({"x-amz-meta-odd": ODD})
        clouds = [("AWS", SimpleNamespace(region=sandbox.s3.region, url=front.url)), ("HuaweiCloud", sandbox.obs)]
        served = Served(tmp_path, clouds, work={"hosts": 1, "invalid_metadata": way})
        served.users = served.add_users(alice={})
        with running(served), served.http("alice") as client:
            client.project = served.users.alice["project_id"]
            alice = Provider(client)
            task = alice.wait(create(alice, body), {0, 1, 2}, {4, 5})
    if way == "fail":
        assert (task["status"], task["failed_num"]) == (4, 1)
        return
    (stored,) = [item for item in world.destination.objects() if item.key == "a"]
    assert stored.user == {"plain": "red", **({"odd": "gr%C3%BCn"} if way == "encode" else {})}


def test_a_url_list_is_read_in_the_dialect(api, place):
    """The list file lies at the destination, which is asked in its own protocol."""
    place("rack-1", "lists").put_object(Bucket="lists", Key="urls.txt", Body=b"http://a.example/x\tx\n",
                                        ContentType="text/plain")  # fmt: skip
    body = {"region": "rack-1", "obs_bucket": "lists", "list_file_key": "urls.txt", **KEYS}
    reply = api.api.post(f"/v2/{api.api.project}/objectstorage/buckets/url-source-list-file", json=body)
    assert reply.status_code == 200, reply.text


def test_a_failed_task_goes_on_once_the_settings_say_what_its_store_speaks(sandbox, world, moto, place, tmp_path):
    """The remedy of TRF.0061 is for the same task too: after a start it migrates everything, with its metadata."""
    fill(world)
    client = place("rack-3", "remedied")
    served = Served(tmp_path, [("AWS", sandbox.s3)])
    plain = served.config.read_text() + f'\n[endpoints.HuaweiCloud.rack-3]\nendpoint = "{moto}"\naddressing = "path"\n'
    served.config.write_text(plain)
    served.users = served.add_users(alice={})
    with running(served), served.http("alice") as api:
        api.project = served.users.alice["project_id"]
        path = create(Provider(api), body_of(world, "rack-3", "remedied"))
        task = Provider(api).wait(path, {0, 1, 2}, {4})
        assert task["error_reason"]["error_code"] == "TRF.0061"
    served.config.write_text(f'{plain}dialect = "s3"\n')
    with running(served), served.http("alice") as api:
        api.project = served.users.alice["project_id"]
        keys = {**{f"src_{name}": value for name, value in world.src_keys.items()},
                **{f"dst_{name}": value for name, value in KEYS.items()}}  # fmt: skip
        assert api.post(f"{path}/start", json=keys).status_code == 200
        task = Provider(api).wait(path, {0, 1, 2}, {4, 5})
        assert (task["status"], task["successful_num"]) == (5, 2), task["error_reason"]
    assert client.head_object(Bucket="remedied", Key="a")["Metadata"] == {"colour": "red"}
