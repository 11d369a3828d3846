"""Codes of refusals, from a real process: the request that provokes each; the reply's form; that nothing changed.

``DESIGN.md``, section *Error codes*, tells of every code where it is proved; ``tests/unit/worker/test_error_table.py``
holds that table against the code and against these tests.
"""

import time
from types import SimpleNamespace

import pytest

from oms_adapters.sandbox.faults import Delay, Fault, Match
from support.served import Role, Served

SLOW = [{"start": "00:00", "end": "23:59", "max_bandwidth": 1_048_576}]
WINDOW = {"start": "00:00", "end": "12:00", "max_bandwidth": 5_242_880}
LONGEST = 16_384


class Scene:
    """A service of narrow quotas, with a task, a group and a sync task in each state that a refusal needs."""

    def __init__(self, served, sandbox):
        self.served, self.sandbox = served, sandbox
        self.clients = {name: served.http(name) for name in ("alice", "dave", "rita")}
        self.projects = {name: getattr(served.users, name)["project_id"] for name in self.clients}
        self.src_keys = {"ak": sandbox.s3.credentials.access_key, "sk": sandbox.s3.credentials.secret_key.reveal()}
        self.dst_keys = {"ak": sandbox.obs.credentials.access_key, "sk": sandbox.obs.credentials.secret_key.reveal()}
        self.source, self.held = (sandbox.s3.create_bucket(f"codes-{name}") for name in ("source", "held"))
        self.target = sandbox.obs.create_bucket("codes-target")
        for bucket in (self.source, self.held):
            bucket.put("key", b"bytes")
        sandbox.s3.faults.add(Fault(Match(bucket="codes-held"), Delay(3600.0), times=None))

    def close(self):
        """Forget the clients and the fault."""
        self.sandbox.s3.faults.clear()
        for client in self.clients.values():
            client.close()

    # ---- requests ---------------------------------------------------------------------------------------------------

    def ask(self, method, path, body=None, *, who="alice", version="v2", **options):
        """Send a request below a caller's project."""
        if body is not None:
            options["json"] = body
        return self.clients[who].request(method, f"/{version}/{self.projects[who]}/{path}", **options)

    def v1(self, method, path="", body=None, **options):
        """Send a request of the first version, below its tasks."""
        return self.ask(method, f"objectstorage/task{path}", body, version="v1", **options)

    def body(self, *, bucket="codes-source", **changes):
        """A good task, changed; None takes a field away."""
        node = {"cloud_type": "AWS", "region": self.sandbox.s3.region, "bucket": bucket, "object_key": [""]}
        target = {"region": self.sandbox.obs.region, "bucket": self.target.name}
        body = {
            "task_type": "prefix",
            "src_node": {**node, **self.src_keys},
            "dst_node": {**target, **self.dst_keys},
        }
        return _changed(body, changes)

    def body_v1(self, **changes):
        """A good task of the first version, changed."""
        body = self.body()
        body["src_node"]["object_key"] = "key"
        body["dst_node"]["object_key"] = ""
        return _changed({**body, "task_type": "object", "enableKMS": False, "thread_num": 5}, changes)

    def sync(self):
        """A good sync task."""
        return {
            "src_cloud_type": "AWS", "src_region": self.sandbox.s3.region, "src_bucket": "codes-source",
            "dst_region": self.sandbox.obs.region, "dst_bucket": self.target.name, **self.start(),
        }  # fmt: skip

    def group(self):
        """A good group."""
        body = self.body()
        return {**body, "task_type": "PREFIX"}

    def start(self):
        """The body of a start."""
        return {f"{side}_{name}": value for side, keys in (("src", self.src_keys), ("dst", self.dst_keys))
                for name, value in keys.items()}  # fmt: skip

    def start_v1(self, **more):
        """The body of a start, first version."""
        given = {f"{ours}_{name}": self.start()[f"{side}_{name}"] for side, ours in (("src", "source"), ("dst", "target"))
                 for name in ("ak", "sk")}  # fmt: skip
        return {"operation": "start", **given, **more}

    def buckets(self, path, **changes):
        """Look into a bucket of the source."""
        body = {"cloud_type": "AWS", **self.src_keys, **changes}
        return self.ask("POST", f"objectstorage/buckets{path}", body)

    def url_list(self, **changes):
        """Check a URL list of the destination."""
        place = {"obs_bucket": self.target.name, "list_file_key": "list.txt", "region": self.sandbox.obs.region}
        return self.ask("POST", "objectstorage/buckets/url-source-list-file", {**place, **self.dst_keys, **changes})

    def listing(self, **changes):
        """List a bucket of the source."""
        place = {"bucket_name": "codes-source", "data_center": self.sandbox.s3.region}
        return self.buckets("/objects", **{**place, "file_path": "", "page_size": 10, "behind_filename": "", **changes})

    # ---- states -----------------------------------------------------------------------------------------------------

    def task(self, *statuses, who="alice", **changes):
        """Create a task and wait for a status; return its path."""
        made = self.ask("POST", "tasks", self.body(**changes), who=who)
        assert made.status_code == 200, made.text
        return self.wait(f"tasks/{made.json()['id']}", statuses, who)

    def wait(self, path, statuses, who="alice"):
        """Wait until what a path shows has a status."""
        deadline = time.monotonic() + 60
        while (told := self.ask("GET", path, who=who).json())["status"] not in statuses:
            assert time.monotonic() < deadline, told
            time.sleep(0.05)
        return path

    def snapshot(self):
        """What there is, in every project, without the figures of what runs."""
        found = {}
        for who in ("alice", "dave"):
            for kind, name in (("tasks", "id"), ("taskgroups", "group_id"), ("sync-tasks", "sync_task_id")):
                told = self.ask("GET", kind, who=who, params={"limit": 100}).json()
                rows = next(value for value in told.values() if isinstance(value, list))
                fields = (name, "status", "description", "bandwidth_policy", "task_priority")
                found[who, kind] = [tuple(repr(row.get(field)) for field in fields) for row in rows]
        return found


def _changed(body, changes):
    for name, value in changes.items():
        place, _, inner = name.rpartition("__")
        target = body[place] if place else body
        if value is None:
            target.pop(inner, None)
        else:
            target[inner] = value
    return body


@pytest.fixture(scope="module")
def scene(sandbox, tmp_path_factory):
    """The scene, in which everything that ends has ended, and what is held is held."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    quotas = {"running_tasks": 1, "waiting_tasks": 1, "tasks_per_day": 4, "groups_per_day": 1, "sync_tasks": 1}
    dead = SimpleNamespace(region="nowhere", url="http://127.0.0.1:9")
    served = Served(
        tmp_path_factory.mktemp("codes"), [*clouds, ("Aliyun", dead)], region="cn-north-4", quotas=quotas,
        shutdown_seconds=0.2, syncs={"waiting_keys": 5, "batch_seconds": 3600.0},
    )  # fmt: skip
    with served.config.open("a") as file:
        file.write('\n[channels.ops]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\nsecret = "hush"\n')
    served.users = served.add_users(alice={}, dave={"project": "second"}, rita={"role": Role.READONLY})
    served.start()
    made = Scene(served, sandbox)
    _prepare(made)
    yield made
    made.close()
    assert served.stop() == 0, served.log
    assert "Traceback" not in served.log


def _prepare(scene):
    group = scene.ask("POST", "taskgroups", scene.group()).json()["group_id"]
    scene.group_done = scene.wait(f"taskgroups/{group}", {6})
    scene.done = scene.task(5, enable_failed_object_recording=False)
    scene.failed = scene.task(4, bucket="codes-nowhere")
    scene.unrecorded = scene.task(4, bucket="codes-nowhere", enable_failed_object_recording=False)
    scene.running = scene.task(2, bucket="codes-held")
    scene.task(2, bucket="codes-held", who="dave")
    scene.waiting = scene.task(1, who="dave")
    scene.synced = f"sync-tasks/{scene.ask('POST', 'sync-tasks', scene.sync()).json()['sync_task_id']}"
    scene.stopped = f"sync-tasks/{scene.ask('POST', 'sync-tasks', scene.sync(), who='dave').json()['sync_task_id']}"
    assert scene.ask("POST", f"{scene.stopped}/stop", who="dave").status_code == 200


def creating(**changes):
    """Create a task of a changed body."""
    return lambda scene: scene.ask("POST", "tasks", scene.body(**changes))


def creating_v1(**changes):
    """Create a task of a changed body, first version."""
    return lambda scene: scene.v1("POST", "", scene.body_v1(**changes))


def rules(*windows):
    """Bandwidth rules, first version's and second's."""
    return {"bandwidth_policy": [{**WINDOW, **window} for window in windows]}


NOON = {"start": "11:00", "end": "13:00"}
CDN = {"domain": "cdn.example", "protocol": "https"}
URN = "urn:smn:{}:0123:{}"


def smn(region, name):
    """A notification."""
    return {"smn_config": {"topic_urn": URN.format(region, name), "trigger_conditions": ["SUCCESS"]}}


CASES = {
    "APIGW.0101": (404, lambda s: s.ask("GET", "nothing")),
    "APIGW.0201": (413, lambda s: s.ask("POST", "tasks", content=b" " * (12 * 1024 * 1024 + 1))),
    "APIGW.0301": (401, lambda s: s.ask("GET", "tasks", headers={"X-Auth-Token": ""})),
    "OMS.0002": (400, creating(description="\0")),
    "OMS.0004": (400, lambda s: s.ask("POST", "tasks", content=b"")),
    "OMS.0005": (405, lambda s: s.ask("PATCH", "tasks")),
    "OMS.0051": (400, lambda s: s.ask("GET", "tasks?limit=101")),
    "OMS.0052": (400, lambda s: s.ask("GET", "tasks?status=8")),
    "OMS.0054": (400, lambda s: s.ask("GET", "tasks/one")),
    "OMS.0057": (400, creating(src_node__cloud_type="Nimbus")),
    "OMS.0058": (400, creating(dst_node__bucket="*")),
    "OMS.0063": (400, lambda s: s.ask("DELETE", s.running)),
    "OMS.0063 sync": (400, lambda s: s.ask("DELETE", s.synced)),
    "OMS.0065": (400, lambda s: s.ask("POST", f"{s.running}/start", s.start())),
    "OMS.0065 waiting": (400, lambda s: s.ask("POST", f"{s.waiting}/start", s.start(), who="dave")),
    "OMS.0065 sync": (400, lambda s: s.ask("POST", f"{s.synced}/start", s.start())),
    "OMS.0066": (400, lambda s: s.ask("POST", f"{s.failed}/stop")),
    "OMS.0066 waiting": (400, lambda s: s.ask("POST", f"{s.waiting}/stop", who="dave")),
    "OMS.0066 sync": (400, lambda s: s.ask("POST", f"{s.stopped}/stop", who="dave")),
    "OMS.0067": (400, lambda s: s.ask("POST", "tasks", content=b"{")),
    "OMS.0068": (401, lambda s: s.ask("GET", "tasks", headers={"X-Auth-Token": "nobody's"})),
    "OMS.0070": (400, lambda s: s.ask("POST", f"{s.done}/start", s.start())),
    "OMS.0070 stop": (400, lambda s: s.ask("POST", f"{s.done}/stop")),
    "OMS.0074": (400, creating(enable_kmss=True)),
    "OMS.0077": (400, lambda s: s.ask("POST", "tasks", s.body(), who="dave")),
    "OMS.0077 sync": (400, lambda s: s.ask("POST", "sync-tasks", s.sync())),
    "OMS.0078": (400, creating(description="a < b")),
    "OMS.0079": (400, creating(src_node__region="mars-1")),
    "OMS.0080": (400, creating(dst_node__region="mars-1")),
    "OMS.0081": (400, creating(source_cdn={"domain": "a/b", "protocol": "http"})),
    "OMS.0083": (400, creating(**rules(*[{"start": f"0{n}:00", "end": f"0{n}:30"} for n in range(6)]))),
    "OMS.0084": (400, creating(**rules({"max_bandwidth": 1_048_575}))),
    "OMS.0085": (400, creating(**rules({}, NOON))),
    "OMS.0086": (400, lambda s: s.ask("PUT", f"{s.done}/bandwidth-policy", rules({}))),
    "OMS.0086 group": (400, lambda s: s.ask("PUT", f"{s.group_done}/update", rules({}))),
    "OMS.0087": (400, creating(**rules({"end": "24:00"}))),
    "OMS.0153": (400, lambda s: s.buckets("", cloud_type="Aliyun")),
    "OMS.0155": (400, lambda s: s.buckets("/regions", bucket_name="codes-nowhere")),
    "OMS.0167": (400, lambda s: s.ask("POST", f"{s.unrecorded}/start", {**s.start(), "migrate_failed_object": True})),
    "OMS.0168": (400, creating(**smn("cn-south-1", "ops"))),
    "OMS.0169": (400, creating(**smn("cn-north-4", "nobody"))),
    "OMS.0205": (403, lambda s: s.ask("POST", "tasks", s.body(), who="rita")),
    "OMS.0206": (403, lambda s: s.clients["dave"].get(f"/v2/{s.projects['alice']}/tasks")),
    "OMS.0302": (400, lambda s: s.listing(bucket_name="codes-nowhere")),
    "OMS.1002": (400, creating(enable_kms="true")),
    "OMS.1003": (400, creating(task_priority="URGENT")),
    "OMS.1004": (400, creating(src_node__ak=None)),
    "OMS.1006": (400, lambda s: s.ask("POST", "tasks", [])),
    "OMS.1009": (400, lambda s: s.ask("GET", "tasks/1")),
    "OMS.1009 group": (404, lambda s: s.ask("GET", "taskgroups/0215ef11-e49d-4743-be23-dd97a1561e91")),
    "OMS.1009 sync": (404, lambda s: s.ask("POST", "sync-tasks/0215ef11-e49d-4743-be23-dd97a1561e91/stop")),
    "OMS.1014": (400, lambda s: s.listing(sk="wrong")),
    "OMS.1020": (400, lambda s: s.url_list(sk="wrong")),
    "OMS.1020 access key": (400, lambda s: s.url_list(ak="nobody")),
    "OMS.1021": (400, lambda s: s.ask("POST", "tasks", s.body())),
    "OMS.1027": (400, lambda s: s.ask("POST", f"{s.failed}/start", {**s.start(), "migrate_failed_object": True})),
    "OMS.1032": (400, creating(source_cdn={**CDN, "authentication_type": "ALIYUN_OSS_A"})),
    "OMS.1037": (400, lambda s: s.ask("POST", "taskgroups", s.group())),
    "OMS.1038": (400, lambda s: s.ask("PUT", f"{s.group_done}/stop")),
    "OMS.1039": (400, lambda s: s.ask("PUT", f"{s.group_done}/start", s.start())),
    "OMS.1040": (400, lambda s: s.ask("PUT", f"{s.group_done}/retry", s.start())),
    "OMS.2002": (404, lambda s: s.ask("POST", "sync-tasks/no-such-task/events", {"object_keys": ["a"]})),
    "OMS.2002 stopped": (400, lambda s: s.ask("POST", f"{s.stopped}/events", {"object_keys": ["a"]}, who="dave")),
    "OMS.2004": (503, lambda s: s.ask("POST", f"{s.synced}/events", {"object_keys": [f"{n}" for n in range(6)]})),
    "TRF.0060": (400, creating(dst_node__save_prefix="p" * 1024)),
    "S3M.0001": (400, creating_v1(migrate_since=-1)),
    "S3M.0002": (400, creating_v1(description="\0")),
    "S3M.0004": (400, lambda s: s.v1("POST", content=b"")),
    "S3M.0005": (405, lambda s: s.v1("PATCH")),
    "S3M.0014": (400, creating_v1(src_node__region="<script>alert(1)</script>")),
    "S3M.0051": (400, lambda s: s.v1("GET", "?limit=101")),
    "S3M.0052": (400, lambda s: s.v1("GET", "?state=6")),
    "S3M.0053": (400, lambda s: s.v1("GET", "/1")),
    "S3M.0054": (400, lambda s: s.v1("GET", "/one")),
    "S3M.0055": (400, creating_v1(src_node__object_key={"path": "a", "keys": ["b"]})),
    "S3M.0057": (400, creating_v1(src_node__cloud_type="Nimbus")),
    "S3M.0058": (400, creating_v1(dst_node__bucket="*")),
    "S3M.0059": (400, creating_v1(thread_num=51)),
    "S3M.0061": (400, creating_v1(enableKMS="no")),
    "S3M.0063": (400, lambda s: s.v1("DELETE", s.running.removeprefix("tasks"))),
    "S3M.0064": (400, lambda s: s.v1("PUT", s.failed.removeprefix("tasks"), {"operation": "dance"})),
    "S3M.0065": (400, lambda s: s.v1("PUT", s.running.removeprefix("tasks"), s.start_v1())),
    "S3M.0066": (400, lambda s: s.v1("PUT", s.failed.removeprefix("tasks"), {"operation": "stop"})),
    "S3M.0067": (400, lambda s: s.v1("POST", content=b"{")),
    "S3M.0068": (401, lambda s: s.v1("GET", headers={"X-Auth-Token": "nobody's"})),
    "S3M.0070": (400, lambda s: s.v1("PUT", s.done.removeprefix("tasks"), s.start_v1())),
    "S3M.0072": (403, lambda s: s.v1("POST", body=s.body_v1(), who="rita")),
    "S3M.0074": (400, creating_v1(threads=5)),
    "S3M.0075": (400, creating_v1()),
    "S3M.0076": (400, lambda s: s.v1("POST", body=s.body_v1(), who="dave")),
    "S3M.0078": (400, creating_v1(description="a (b)")),
    "S3M.0079": (400, creating_v1(src_node__region="mars-1")),
    "S3M.0080": (400, creating_v1(dst_node__region="mars-1")),
    "S3M.0081": (400, creating_v1(source_cdn={"domain": "a/b", "protocol": "http"})),
    "S3M.0082": (400, creating_v1(src_node__cloud_type="Baidu", src_node__region="bj", auto_restore=True)),
    "S3M.0083": (400, creating_v1(**rules(*[{"start": f"0{n}:00", "end": f"0{n}:30"} for n in range(6)]))),
    "S3M.0084": (400, creating_v1(**rules({"max_bandwidth": 5_242_879}))),
    "S3M.0085": (400, creating_v1(**rules({}, NOON))),
    "S3M.0086": (400, lambda s: s.v1("PUT", s.done.removeprefix("tasks"),
                                     {"operation": "change_bandwidthpolicy", **rules({})})),
    "S3M.0087": (400, creating_v1(**rules({"end": "24:00"}))),
    "S3M.0088": (400, creating_v1(task_type="list")),
    "S3M.0163": (401, lambda s: s.v1("GET", headers={"X-Auth-Token": "a" * (LONGEST + 1)})),
    "S3M.0167": (400, lambda s: s.v1("PUT", s.failed.removeprefix("tasks"), s.start_v1(migration_failed_object=True))),
    "S3M.0168": (400, creating_v1(smnInfo={"topicUrn": URN.format("cn-south-1", "ops"), "triggerConditions": ["FAIL"]})),
    "S3M.0169": (400, creating_v1(smnInfo={"topicUrn": URN.format("cn-north-4", "x"), "triggerConditions": ["FAIL"]})),
}  # fmt: skip


@pytest.mark.parametrize(("name", "status", "provoke"), [(name, *case) for name, case in CASES.items()], ids=CASES)
def test_a_refusal_has_its_code_and_changes_nothing(scene, name, status, provoke):
    """Each code by the request that provokes it: status, code, a sentence, a request id, no secret; all is as before."""
    before = scene.snapshot()
    reply = provoke(scene)
    told = reply.json()
    assert (reply.status_code, told["error_code"]) == (status, name.partition(" ")[0]), reply.text
    assert set(told) == {"error_code", "error_msg"}
    assert told["error_msg"][0].isprintable()
    assert (len(told["error_msg"]) > 10, len(reply.headers["X-Request-Id"])) == (True, 32)
    assert reply.headers["Content-Type"].startswith("application/json")
    for secret in (scene.src_keys["sk"], scene.dst_keys["sk"], "Traceback"):
        assert secret not in reply.text
    assert scene.snapshot() == before


def test_a_private_cdn_of_a_caller_is_not_connected_to(scene):
    """Unless the settings allow it, a CDN on this machine serves nothing: no request reaches it."""
    cdn = {"domain": scene.sandbox.obs.url.removeprefix("http://"), "protocol": "http"}
    place = {
        "bucket": "codes-source",
        "region": scene.sandbox.s3.region,
        "source_cdn": cdn,
        "prefix": {"keys": ["key"]},
    }
    before = len(scene.sandbox.obs.log)
    told = scene.buckets("/cdn-info", **place).json()
    assert (told["is_download_available"], len(told["checked_keys"])) == (False, 1)
    assert len(scene.sandbox.obs.log) == before
