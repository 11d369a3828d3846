"""Codes of refusals, from a real process: the request that provokes each; the reply's form; that nothing changed.

``DESIGN.md``, section *Error codes*, tells of every code where it is proved; ``tests/unit/worker/test_error_table.py``
holds that table against the code and against these tests.
"""

from types import SimpleNamespace

import pytest

from support.refusals import Scene
from support.served import Role, Served, running

SLOW = [{"start": "00:00", "end": "23:59", "max_bandwidth": 1_048_576}]
WINDOW = {"start": "00:00", "end": "12:00", "max_bandwidth": 5_242_880}
LONGEST = 16_384


@pytest.fixture(scope="module")
def scene(sandbox, tmp_path_factory):
    """The scene, in which everything that ends has ended, and what is held is held."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    quotas = {"running_tasks": 1, "waiting_tasks": 1, "tasks_per_day": 4, "groups_per_day": 1, "sync_tasks": 1}
    dead = SimpleNamespace(region="nowhere", url="http://127.0.0.1:9")
    served = Served(
        tmp_path_factory.mktemp("codes"), [*clouds, ("Aliyun", dead)], region="cn-north-4", quotas=quotas,
        shutdown_seconds=0.2, unknown_fields="refuse", syncs={"waiting_keys": 5, "batch_seconds": 3600.0},
    )  # fmt: skip
    with served.config.open("a") as file:
        file.write('\n[channels.ops]\nkind = "webhook"\nurl = "http://127.0.0.1:9/"\nsecret = "hush"\n')
        file.write(f'[endpoints.HuaweiCloud.no-kms]\nendpoint = "{sandbox.obs.url}"\nkms = false\n')
    served.users = served.add_users(alice={}, dave={"project": "second"}, rita={"role": Role.READONLY})
    with running(served):
        made = Scene(served, sandbox)
        made.prepare()
        yield made
        made.close()


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
    "OMS.0079 group": (400, lambda s: s.ask("POST", "taskgroups", s.group(src_node__region="mars-1"))),
    "OMS.0079 sync": (400, lambda s: s.ask("POST", "sync-tasks", {**s.sync(), "src_region": "mars-1"})),
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
    "OMS.0168 group": (400, lambda s: s.ask("POST", "taskgroups", s.group(**smn("cn-south-1", "ops")))),
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
    "S3M.0069": (400, creating_v1(enableKMS=True, dst_node__region="no-kms")),
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
