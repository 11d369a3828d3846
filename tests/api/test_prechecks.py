"""What is looked at before a task is created: buckets, objects, list files and CDNs, as OMS does, and never for long."""

from __future__ import annotations

import os
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkoms import v2 as sdk

from oms_adapters.sandbox.faults import Answer, Fault, Match
from oms_engine.store import MIB
from support.groups import create_group
from support.served import Served, create, refusal, running, until

pytestmark = pytest.mark.timeout(120)

TEXT = {"content-type": "text/plain"}
HIDDEN = "no-such-bucket-anywhere"


@pytest.fixture(scope="module")
def client(service):
    """Alice with the SDK."""
    return service.client(service.users.alice)


def refused(call):
    """Return the code with which a call of the SDK is refused."""
    with pytest.raises(ClientRequestException) as error:
        call()
    assert error.value.status_code == 400
    return error.value.error_code


def tasks(client):
    """How many tasks there are."""
    return client.list_tasks(sdk.ListTasksRequest()).count


@pytest.mark.parametrize(("side", "code"), [("src_node", "OMS.0089"), ("dst_node", "OMS.1020")])
def test_a_bucket_that_does_not_exist(client, world, side, code):
    """A task or group from or to it is refused, and nothing is kept."""
    world.source.put("key", b"x")
    getattr(world, side)["bucket"] = HIDDEN
    before = tasks(client)
    assert refused(lambda: create(client, world)) == code
    assert refused(lambda: create_group(client, world)) == code
    assert tasks(client) == before


@pytest.mark.parametrize(
    ("task_type", "keys", "code"),
    [
        ("prefix", ["none/"], "OMS.0306"), ("prefix", ["none/", "also-none/"], "OMS.0306"), ("prefix", ["none/", "k"], None),
        ("object", ["none"], "OMS.0089"), ("object", ["none", "folder/"], "OMS.0089"), ("object", ["none", "key"], None),
        ("object", [f"none-{number}" for number in range(100)], None),
    ],
)  # fmt: skip
def test_objects_that_do_not_exist(client, world, task_type, keys, code):
    """A task that covers no object is refused; one object suffices, and of many keys only some are looked for."""
    world.source.put("key", b"x")
    if code is None:
        assert create(client, world, task_type=task_type, object_key=keys)
    else:
        assert refused(lambda: create(client, world, task_type=task_type, object_key=keys)) == code


def test_an_empty_bucket(client, world):
    """A task of a whole bucket that is empty is refused, whatever its task_type."""
    assert refused(lambda: create(client, world)) == "OMS.0306"
    assert refused(lambda: create(client, world, task_type="object")) == "OMS.0306"


def listed(client, world, key="lists/a.txt", kind="list", bucket=None):
    """Create a task of a list file; return its id."""
    place = sdk.ListFile(list_file_key=key, obs_bucket=bucket or world.destination.name)
    if kind == "url_list":
        node = sdk.SrcNodeReq(cloud_type="URLSource", list_file=place)
    else:
        node = sdk.SrcNodeReq(**world.src_node, list_file=place)
    body = sdk.CreateTaskReq(task_type=kind, src_node=node, dst_node=sdk.DstNodeReq(**world.dst_node))
    return client.create_task(sdk.CreateTaskRequest(body=body)).id


@pytest.mark.parametrize(
    ("body", "headers", "code"),
    [
        (b"key\nother", TEXT, None),
        (b"none\nkey", TEXT, "OMS.0089"),
        (b"key\n" + b"k" * 65_536 + b"\n", TEXT, "TRF.0018"),
        (b"key", {"content-type": "application/json"}, "TRF.0019"),
        (b"key", {**TEXT, "content-encoding": "gzip"}, "TRF.0019"),
        (b"\xef\xbb\xbfkey", TEXT, "TRF.0013"),
        (b"", TEXT, "TRF.0017"),
        (None, TEXT, "TRF.0013"),
    ],
    ids=["good", "first missing", "long line", "type", "encoding", "mark", "empty", "missing"],
)
def test_an_object_list(client, world, body, headers, code):
    """A list that breaks a rule is refused with its code; a good one makes a task."""
    world.source.put("key", b"x")
    if body is not None:
        world.destination.put("lists/a.txt", body, headers=headers)
    if code is None:
        number = listed(client, world)
        assert until(client, number, 4, 5).failed_num == 1  # ``other``, which the task finds out
    else:
        assert refused(lambda: listed(client, world)) == code


def shown(client, number):
    """``list_file_num`` as it is stated of a task."""
    return client.show_task(sdk.ShowTaskRequest(task_id=number)).src_node.list_file.list_file_num


def test_the_number_of_list_files(client, world):
    """A task states how many list files it has, one or a folder of them; what its body says is left as it is."""
    world.source.put("key", b"x")
    for name in ("lists/a.txt", "lists/b.txt", "lists/c.csv"):
        world.destination.put(name, b"key", headers=TEXT)
    assert shown(client, listed(client, world)) == "1"
    assert shown(client, listed(client, world, key="lists/")) == "2"
    place = sdk.ListFile(list_file_key="lists/", obs_bucket=world.destination.name, list_file_num="7")
    node = sdk.SrcNodeReq(**world.src_node, list_file=place)
    body = sdk.CreateTaskReq(task_type="list", src_node=node, dst_node=sdk.DstNodeReq(**world.dst_node))
    assert shown(client, client.create_task(sdk.CreateTaskRequest(body=body)).id) == "7"


def test_where_a_list_lies(client, world):
    """A bucket that does not exist, and a name that is none of a list, are refused."""
    world.source.put("key", b"x")
    assert refused(lambda: listed(client, world, bucket=HIDDEN)) == "OMS.1020"
    assert refused(lambda: listed(client, world, key="a.csv")) == "TRF.0014"
    assert refused(lambda: listed(client, world, key="folder/")) == "TRF.0013"


@pytest.mark.parametrize(
    ("line", "code"), [(b"https://example.com/a\tkey", None), (b"https://example.com/a", "TRF.0016")]
)
def test_a_url_list(client, world, line, code):
    """A list of URLs is held against its format; what the URLs name is not asked for."""
    world.destination.put("lists/a.txt", line, headers=TEXT)
    if code is None:
        assert listed(client, world, kind="url_list")
    else:
        assert refused(lambda: listed(client, world, kind="url_list")) == code


def test_only_the_beginning_of_a_long_list_is_read(client, world):
    """A creation reads a few megabytes of a list, not all of it: the task looks at every line."""
    world.source.put("key", b"x")
    long = b"key\n" + b"k" * 65_536 + b"\n"
    most = b"".join(b"%05d" % number + b"k" * 65_000 + b"\n" for number in range(4 * MIB // 65_000 + 5))
    world.destination.put("lists/a.txt", b"key\n" + most + long, headers=TEXT)
    assert until(client, listed(client, world), 4, 5).error_reason.error_code == "TRF.0018"


def cdn(world, **fields):
    """A CDN: the source's sandbox, where an object's path lacks its bucket, so that nothing is served."""
    host = world.sandbox.s3.url.removeprefix("http://")
    return sdk.SourceCdnReq(**{"domain": host, "protocol": "http", "authentication_type": "NONE", **fields})


@pytest.mark.parametrize("domain", [None, "127.0.0.1:9", "cdn.invalid"])
def test_a_cdn_that_serves_nothing(client, world, domain):
    """A domain through which no object can be read is refused: it lacks them, is closed, or is none at all."""
    world.source.put_many((f"{number}", b"body") for number in range(4))
    fields = {"domain": domain} if domain else {}
    assert refused(lambda: create(client, world, source_cdn=cdn(world, **fields))) == "OMS.0081"


def test_the_first_version(api, world):
    """Its tasks are looked at likewise."""
    body = {
        "src_node": {**world.src_node, "object_key": {"path": "", "keys": ["none"]}},
        "dst_node": {**world.dst_node, "object_key": "/"},
        "enableKMS": False,
        "thread_num": 50,
        "task_type": "object",
    }
    path = f"/v1/{api.project}/objectstorage/task"
    assert refusal(api.post(path, json=body)) == (400, "OMS.0089")
    world.source.put("none", b"x")
    assert api.post(path, json=body).status_code == 200


@pytest.mark.parametrize("answer", [Answer(503, "SlowDown"), Answer(403, "AccessDenied"), Answer(500, "InternalError")])
def test_a_store_that_does_not_say(client, world, answer):
    """A store that is busy, broken or denies makes no refusal: the task itself finds out."""
    world.source.put("key", b"x")
    for cloud, bucket in ((world.sandbox.s3, world.source), (world.sandbox.obs, world.destination)):
        cloud.faults.add(Fault(Match(bucket=bucket.name), answer, times=None))
    number = create(client, world)
    for cloud in (world.sandbox.s3, world.sandbox.obs):
        cloud.faults.clear()
    assert number


@pytest.fixture
def silent():
    """The address of a store that takes requests and answers none."""
    listener, kept = socket.create_server(("127.0.0.1", 0)), []

    def serve():
        while True:
            try:
                kept.append(listener.accept()[0])
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    for connection in kept:
        connection.close()


class Place:
    """A cloud of the settings."""

    region = "silent"

    def __init__(self, url):
        self.url = url


def test_a_silent_store_holds_up_no_creation(sandbox, world, silent, tmp_path):
    """Creations from it take some seconds, however many there are at once; meanwhile others are answered."""
    world.source.put("key", b"x")
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs), ("AWS", Place(silent))]
    served = Served(tmp_path, clouds, region="local", quotas={"running_tasks": 1})
    alice = served.add_users(alice={}).alice
    with running(served):
        client = served.client(alice)
        quick = dict(world.src_node)
        world.src_node = {**quick, "region": "silent", "bucket": "anything"}
        began = time.monotonic()
        with ThreadPoolExecutor(24) as pool:
            made = [pool.submit(create, client, world) for _ in range(24)]
            asked = time.monotonic()
            client.list_tasks(sdk.ListTasksRequest())
            assert time.monotonic() - asked < 5, "an answer does not wait for the store, which never answers"
            assert len({done.result() for done in made}) == 24
        assert time.monotonic() - began < 45, "5 s each, side by side, on a machine with nothing else to do"
        world.src_node = {**quick, "bucket": HIDDEN}
        assert refused(lambda: create(client, world)) == "OMS.0089"


def test_a_slow_store_is_not_asked_at_every_creation(client, world):
    """After one creation that took long, others of the same buckets ask nothing for a while."""
    world.source.put("key", b"x")
    world.sandbox.s3.latency = 1.5
    create(client, world)
    began = time.monotonic()
    for _ in range(10):
        create(client, world)
    assert time.monotonic() - began < 10, "15 s at least, if each asked"


def test_looking_can_be_switched_off(sandbox, world, tmp_path):
    """With ``check_at_creation = false`` no store is asked, and the task states the fault."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(tmp_path, clouds, region="local", work={"hosts": 1, "check_at_creation": False})
    alice = served.add_users(alice={}).alice
    with running(served):
        client = served.client(alice)
        world.src_node["bucket"] = f"{HIDDEN}-{os.getpid()}"
        assert until(client, create(client, world), 4, 5).error_reason.error_code == "TRF.0155"
