"""Bad input: a clear coded error, nothing changed, never a traceback, no secret told."""

import json
import socket
from http.client import HTTPResponse

import httpx
import pytest

from support.refusals import changed
from support.served import refusal

SECRET = "hunter2-and-more"


@pytest.fixture
def tasks(api):
    """The path of alice's tasks."""
    return f"/v2/{api.project}/tasks"


def body_of(world, **changes):
    """A good body, changed: ``src_node__bucket=None`` removes a field of a node."""
    body = {
        "task_type": "prefix",
        "src_node": {**world.src_node, "object_key": [""]},
        "dst_node": dict(world.dst_node),
    }
    return changed(body, changes)


def rule(start="00:00", end="23:59", rate=5_000_000):
    """A bandwidth rule."""
    return {"start": start, "end": end, "max_bandwidth": rate}


WRONG = {
    "no source": ({"src_node": None}, "OMS.1004"),
    "no destination": ({"dst_node": None}, "OMS.1004"),
    "no source bucket": ({"src_node__bucket": None}, "OMS.1004"),
    "empty source bucket": ({"src_node__bucket": ""}, "OMS.1004"),
    "no source region": ({"src_node__region": None}, "OMS.1004"),
    "no source ak": ({"src_node__ak": None}, "OMS.1004"),
    "no source sk": ({"src_node__sk": None}, "OMS.1004"),
    "no destination sk": ({"dst_node__sk": None}, "OMS.1004"),
    "no keys": ({"src_node__object_key": None}, "OMS.1004"),
    "empty keys": ({"src_node__object_key": []}, "OMS.1004"),
    "no list": ({"task_type": "list"}, "OMS.1004"),
    "half a list": ({"task_type": "list", "src_node__list_file": {"obs_bucket": "b"}}, "OMS.1004"),
    "unknown cloud": ({"src_node__cloud_type": "Nimbus"}, "OMS.0057"),
    "URL source without list": ({"src_node__cloud_type": "URLSource"}, "OMS.0057"),
    "URL list of a cloud": ({"task_type": "url_list"}, "OMS.0057"),
    "bad source bucket": ({"src_node__bucket": "a/../b"}, "OMS.0057"),
    "bad destination bucket": ({"dst_node__bucket": "*"}, "OMS.0058"),
    "encrypted keys": ({"src_node__crypto_type": "KMS"}, "OMS.0057"),
    "encrypted keys of the destination": ({"dst_node__crypto_type": "KMS"}, "OMS.0058"),
    "Tencent without app id": ({"src_node__cloud_type": "Tencent"}, "OMS.1004"),
    "unknown task type": ({"task_type": "everything"}, "OMS.1003"),
    "unknown overwrite mode": ({"object_overwrite_mode": "SOMETIMES"}, "OMS.1003"),
    "unknown check": ({"consistency_check": "md5"}, "OMS.1003"),
    "unknown class": ({"dst_storage_policy": "GLACIER"}, "OMS.1003"),
    "unknown priority": ({"task_priority": "URGENT"}, "OMS.1003"),
    "crc64 of S3": ({"consistency_check": "crc64"}, "OMS.1003"),
    "crc64 overwrite of S3": ({"object_overwrite_mode": "CRC64_COMPARISON_OVERWRITE"}, "OMS.1003"),
    "no check of S3": ({"consistency_check": "no_check"}, "OMS.1003"),
    "text for a flag": ({"enable_kms": "true"}, "OMS.1002"),
    "number for a flag": ({"enable_restore": 1}, "OMS.1002"),
    "text for a number": ({"migrate_since": "0"}, "OMS.1002"),
    "fraction for a number": ({"migrate_since": 1.5}, "OMS.1002"),
    "flag for a number": ({"migrate_since": True}, "OMS.1002"),
    "text for keys": ({"src_node__object_key": "a"}, "OMS.1002"),
    "list for a node": ({"src_node": []}, "OMS.1002"),
    "number for a bucket": ({"src_node__bucket": 5}, "OMS.1002"),
    "negative time": ({"migrate_since": -1}, "OMS.1003"),
    "milliseconds for seconds": ({"migrate_since": 1_790_000_000_000}, "OMS.1003"),
    "too great a time": ({"migrate_since": 2**63}, "OMS.1003"),
    "a huge number": ({"migrate_since": 10**400}, "OMS.1003"),
    "501 keys": ({"src_node__object_key": ["a"] * 501}, "OMS.1003"),
    "a key of 1025": ({"src_node__object_key": ["a" * 1025]}, "OMS.1003"),
    "a prefix of 1025": ({"dst_node__save_prefix": "a" * 1025}, "OMS.1003"),
    "a region of 101": ({"src_node__region": "a" * 101}, "OMS.1003"),
    "an ak of 101": ({"src_node__ak": "a" * 101}, "OMS.1003"),
    "a token of 16385": ({"src_node__security_token": "a" * 16_385}, "OMS.1003"),
    "a description of 256": ({"description": "a" * 256}, "OMS.1003"),
    "a description with <": ({"description": "<script>"}, "OMS.0078"),
    "a description with &": ({"description": "a & b"}, "OMS.0078"),
    "NUL": ({"description": "a\0b"}, "OMS.0002"),
    "six rules": ({"bandwidth_policy": [rule(f"0{n}:00", f"0{n}:30") for n in range(6)]}, "OMS.0083"),
    "too slow": ({"bandwidth_policy": [rule(rate=1_048_575)]}, "OMS.0084"),
    "too fast": ({"bandwidth_policy": [rule(rate=209_715_201)]}, "OMS.0084"),
    "overlap": ({"bandwidth_policy": [rule("00:00", "12:00"), rule("11:00", "13:00")]}, "OMS.0085"),
    "24:00": ({"bandwidth_policy": [rule(end="24:00")]}, "OMS.0087"),
    "midnight": ({"bandwidth_policy": [rule("22:00", "06:00")]}, "OMS.0087"),
    "a CDN that is none": ({"source_cdn": {"domain": "a/b", "protocol": "http", "authentication_type": "NONE"}}, "OMS.0081"),
    "a CDN without key": ({"source_cdn": {"domain": "a.example", "protocol": "http", "authentication_type": "ALIYUN_OSS_A"}}, "OMS.1032"),
    "a protocol": ({"source_cdn": {"domain": "a.example", "protocol": "ftp"}}, "OMS.0081"),
    "no triggers": ({"smn_config": {"topic_urn": "t", "trigger_conditions": []}}, "OMS.1003"),
    "unknown trigger": ({"smn_config": {"topic_urn": "t", "trigger_conditions": ["NEVER"]}}, "OMS.1003"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "code"), WRONG.values(), ids=WRONG)
def test_a_wrong_body_creates_nothing(api, tasks, world, changes, code):
    """Each limit one past its bound, each wrong type and word: OMS's code, and no task more than before."""
    before = api.get(tasks).json()["count"]
    reply = api.post(tasks, json=body_of(world, **changes))
    assert refusal(reply) == (400, code), reply.text
    assert api.get(tasks).json()["count"] == before
    assert SECRET not in reply.text
    assert world.src_keys["sk"] not in reply.text


def test_fields_of_a_newer_client_are_ignored_with_a_warning(service, api, tasks, world):
    """What this version does not know, anywhere in a body, costs no call; the log names the fields, never a value."""
    world.source.put("a", b"x")
    rules = [{**rule(), "burst\n": SECRET}]
    body = body_of(world, enable_kmss=True, src_node__passwort=SECRET, bandwidth_policy=rules)
    made = api.post(tasks, json=body)
    assert made.status_code == 200, made.text
    assert SECRET not in api.get(f"{tasks}/{made.json()['id']}").text
    (line,) = [line for line in service.log.splitlines() if "enable_kmss" in line]
    for word in ("unknown fields are ignored", "src_node.passwort", "bandwidth_policy.0.burst\\n", "POST"):
        assert word in line
    assert SECRET not in service.log
    wrong = body_of(world, enable_kmss=True, task_priority="URGENT")
    assert refusal(api.post(tasks, json=wrong)) == (400, "OMS.1003")


def test_an_unknown_word_is_answered_with_those_allowed(api, tasks, world):
    """Who mistypes a choice is told the choices."""
    told = api.post(tasks, json=body_of(world, task_priority="URGENT")).json()["error_msg"]
    assert "HIGH, MEDIUM, LOW" in told


RAW = {
    "nothing": (b"", "OMS.0004"),
    "spaces": (b"  \n", "OMS.0004"),
    "half": (b'{"src_node": ', "OMS.0067"),
    "not UTF-8": (b'{"a": "\xff"}', "OMS.0004"),
    "NaN": (b'{"migrate_since": NaN}', "OMS.0067"),
    "infinite": (b'{"migrate_since": Infinity}', "OMS.0067"),
    "twice": (b'{"src_node": {}, "src_node": {}}', "OMS.0067"),
    "deep": (b"[" * 100_000, "OMS.0067"),
    "long number": (b'{"migrate_since": ' + b"9" * 5000 + b"}", "OMS.0067"),
    "a list": (b"[]", "OMS.1006"),
    "a text": (b'"text"', "OMS.1006"),
    "null": (b"null", "OMS.1006"),
    "half a surrogate": (b'{"src_node": {"bucket": "\\ud800"}, "dst_node": {}}', "OMS.0002"),
    "half a surrogate as a field": (b'{"\\ud800": 1}', "OMS.0002"),
}


@pytest.mark.parametrize(("raw", "code"), RAW.values(), ids=RAW)
def test_what_is_no_json_is_refused(api, tasks, raw, code):
    """Strict JSON: one object, each name once, no NaN, no half characters."""
    assert refusal(api.post(tasks, content=raw)) == (400, code)


def test_a_body_that_is_too_large_is_refused(api, tasks):
    """12 MB are taken, not more, whether the length is stated or not."""
    assert refusal(api.post(tasks, content=b" " * (12 * 1024 * 1024 + 1))) == (413, "APIGW.0201")
    chunks = (b" " * 1024 * 1024 for _ in range(13))
    assert refusal(api.post(tasks, content=chunks)) == (413, "APIGW.0201")


def test_a_long_token_is_read_whole(service):
    """The longest token that there may be, in pieces: it is judged as a token, not refused for the head's length."""
    host, port = service.url.removeprefix("http://").split(":")
    head = f"GET /v2/p/tasks HTTP/1.1\r\nHost: a\r\nX-Auth-Token: {'a' * 16_384}\r\nX-More: {'b' * 16_000}".encode()
    with socket.create_connection((host, int(port)), 10) as sock:
        for begin in range(0, len(head), 4000):
            sock.sendall(head[begin : begin + 4000])
        sock.sendall(b"\r\n\r\n")
        reply = HTTPResponse(sock)
        reply.begin()
        assert (reply.status, json.loads(reply.read())["error_code"]) == (401, "OMS.0068")


@pytest.mark.parametrize(
    "number",
    [
        "abc",
        "1.5",
        "-1",
        "0x10",
        "10000000000000000",
        "9" * 500,
        "%00",
        "１e3",
        "..%2F..%2Fetc",
        "1;drop",
        "９",
        "%F0%9F%98%80",
    ],
)
def test_an_id_that_is_none(api, tasks, number):
    """A malformed task id is OMS.0054, a path trick leads nowhere."""
    status, code = refusal(api.get(f"{tasks}/{number}"))
    assert (status, code) in {(400, "OMS.0054"), (404, "APIGW.0101")}


@pytest.mark.parametrize("number", ["0", "1", "999999999999999"])
def test_a_task_that_does_not_exist(api, tasks, number):
    """An id of nobody's task is OMS.1009 with 400, as the service answers, whatever is asked of it."""
    keys = {"dst_ak": "a", "dst_sk": "b", "src_ak": "a", "src_sk": "b"}
    replies = [
        api.get(f"{tasks}/{number}"),
        api.delete(f"{tasks}/{number}"),
        api.post(f"{tasks}/{number}/stop"),
        api.post(f"{tasks}/{number}/start", json=keys),
        api.put(f"{tasks}/{number}/bandwidth-policy", json={"bandwidth_policy": []}),
        api.post(f"{tasks}/batch-update", json={"ids": [int(number)], "bandwidth_policy": []}),
    ]
    assert [refusal(reply) for reply in replies] == [(400, "OMS.1009")] * len(replies)


QUERIES = {
    "limit=0": "OMS.0051", "limit=101": "OMS.0051", "limit=ten": "OMS.0051", "offset=-1": "OMS.0051",
    "offset=2147483648": "OMS.0051", "status=0": "OMS.0052", "status=8": "OMS.0052", "status=": "OMS.0052",
    "group_id=": "OMS.1003", "task_name=%3Cscript%3E": "OMS.1003", "task_name=" + "a" * 256: "OMS.1003",
    "task_name=%00": "OMS.1003",
}  # fmt: skip


@pytest.mark.parametrize(("query", "code"), QUERIES.items())
def test_a_wrong_query(api, tasks, query, code):
    """Pages and filters have their limits and codes."""
    assert refusal(api.get(f"{tasks}?{query}")) == (400, code)


def test_an_id_with_a_nul_is_nobodys(api, tasks):
    """A group's or sync task's id that no database can hold is told like any other that does not exist."""
    project = f"/v2/{api.project}"
    missing = [
        api.get(f"{project}/taskgroups/%00"),
        api.put(f"{project}/taskgroups/a%00b/stop"),
        api.delete(f"{project}/taskgroups/%00"),
        api.get(f"{project}/sync-tasks/%00"),
        api.post(f"{project}/sync-tasks/a%00b/stop"),
    ]
    assert [refusal(reply) for reply in missing] == [(404, "OMS.1009")] * len(missing)
    assert api.get(f"{tasks}?group_id=a%00").json() == {"tasks": [], "count": 0}
    events = api.post(f"{project}/sync-tasks/%00/events", json={"object_keys": ["a"]})
    assert refusal(events)[1] == "OMS.2002"


@pytest.mark.parametrize("name", ["%", "_", "\\", "ж", "a b"])
def test_a_filter_is_no_pattern(api, tasks, name):
    """Characters that mean something to a database are plain ones."""
    assert api.get(tasks, params={"task_name": name * 30}).json()["count"] == 0


def test_the_wrong_method(api, tasks):
    """PUT where POST is meant, and the reverse, is told so, with those allowed."""
    for method, path in (
        ("PUT", tasks),
        ("PATCH", f"{tasks}/5"),
        ("PUT", f"{tasks}/5/stop"),
        ("POST", f"{tasks}/5/bandwidth-policy"),
    ):
        reply = api.request(method, path)
        assert refusal(reply) == (405, "OMS.0005")
        assert reply.headers["Allow"]


def test_a_path_that_there_is_not(api):
    """Anything else is 404 with a code."""
    for path in ("/v2", "/nothing"):
        reply = api.get(path)
        assert (
            reply.status_code == 200
            if path == "/v2"
            else refusal(reply) == (400, "OMS.1009") or reply.status_code == 404
        )
    assert refusal(api.get(f"/v2/{api.project}/nothing")) == (404, "APIGW.0101")
    assert refusal(api.get(f"/v2/{api.project}/tasks/")) == (404, "APIGW.0101")


HEADS = {
    "TLS on a plain port": b"\x16\x03\x01\x02\x00\x01rubbish\r\n\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "a header without colon": b"GET /healthz HTTP/1.1\r\nHost: a\r\nnothing\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "a head that does not end": b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70_000,
}


@pytest.mark.parametrize("raw", HEADS.values(), ids=HEADS)
def test_a_request_that_is_no_http(service, raw):
    """What cannot be read as a request is refused with a code and an id too, and closed; the service lives on."""
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as sock:
        sock.sendall(raw)
        reply = HTTPResponse(sock)
        reply.begin()
        told = json.loads(reply.read())
        assert (reply.status, told["error_code"]) == (400, "OMS.0004")
        assert (set(told), bool(reply.headers["X-Request-Id"])) == ({"error_code", "error_msg"}, True)
    assert httpx.get(f"{service.url}/healthz", trust_env=False).json() == {"status": "ok"}


def test_every_reply_has_an_id_of_its_own(api, tasks):
    """X-Request-Id differs, for good replies and refusals."""
    replies = [api.get(tasks), api.get(f"{tasks}/0"), api.get("/healthz"), api.get("/v9")]
    assert len({reply.headers["X-Request-Id"] for reply in replies}) == 4


def test_a_cross_site_text_is_refused_and_never_answered_as_html(api, tasks):
    """Whatever a reply holds is JSON, and browsers are told not to guess."""
    reply = api.get(f"{tasks}/<script>")
    assert reply.headers["Content-Type"].startswith("application/json")
    assert reply.headers["X-Content-Type-Options"] == "nosniff"
    assert json.loads(reply.text)["error_code"]
