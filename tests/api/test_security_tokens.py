"""Tokens of ours, and temporary keys of the clouds: ``security_token`` of nodes, starts, and calls that look into buckets.

The sandbox refuses a temporary key without its token, so what moves proves that the token is sent and signed.
"""

from __future__ import annotations

import itertools

import httpx
import pytest
from huaweicloudsdkoms import v2 as sdk

from oms_adapters.sandbox.faults import Delay, Fault, Match
from support.served import refusal, until

NUMBERS = itertools.count(1)


@pytest.fixture
def keys(sandbox):
    """Temporary keys of both clouds."""
    number = next(NUMBERS)
    made = {}
    for side, cloud in (("src", sandbox.s3), ("dst", sandbox.obs)):
        given = {"ak": f"TEMPORARY{side.upper()}{number}", "sk": f"secret-{side}-{number}"}
        cloud.add_credentials(*given.values(), token=f"token/of+{side}={number}")
        made[side] = {**given, "security_token": f"token/of+{side}={number}"}
    return made


@pytest.fixture
def client(service):
    """Alice's SDK client."""
    return service.client(service.users.alice)


def body_of(world, keys, **fields):
    """A task with temporary keys."""
    source = sdk.SrcNodeReq(**{**world.src_node, **keys["src"]}, object_key=[""])
    return sdk.CreateTaskReq(
        task_type="prefix", src_node=source, dst_node=sdk.DstNodeReq(**{**world.dst_node, **keys["dst"]}), **fields
    )


def create(client, body):
    """Create a task; return its id."""
    return client.create_task(sdk.CreateTaskRequest(body=body)).id


def test_a_task_moves_with_temporary_keys_of_both_clouds(client, api, world, keys):
    """Both tokens reach their clouds; neither is ever told again."""
    world.source.put_many([("small", b"x"), ("large", bytes(20_000_000))])
    number = create(client, body_of(world, keys))
    task = until(client, number, 4, 5)
    assert (task.status, task.successful_num) == (5, 2), task
    shown = api.get(f"/v2/{api.project}/tasks/{number}").text
    assert not [token for side in keys.values() for token in (side["security_token"], side["sk"]) if token in shown]


@pytest.mark.parametrize(("side", "code"), [("src", "TRF.0151"), ("dst", "TRF.0057")])
@pytest.mark.parametrize("wrong", [None, "another-token"])
def test_a_temporary_key_without_its_token_ends_the_task(client, world, keys, side, code, wrong):
    """A missing or wrong token is told as refused keys of its side; nothing is moved."""
    world.source.put("key", b"x")
    node = {name: value for name, value in keys[side].items() if name != "security_token"}
    keys[side] = {**node, "security_token": wrong} if wrong else node
    task = until(client, create(client, body_of(world, keys)), 4, 5)
    assert (task.status, task.error_reason.error_code) == (4, code)
    assert "key" not in list(world.destination.keys())


def test_a_start_brings_new_tokens(client, world, keys, sandbox):
    """A stopped task goes on with the tokens of its start; with old keys and no tokens it fails."""
    world.source.put("key", b"x")
    fault = Fault(Match(bucket=world.source.name, operation="GetObject"), Delay(3600.0), times=None)
    sandbox.s3.faults.add(fault)
    number = create(client, body_of(world, keys))
    until(client, number, 2)
    client.stop_task(sdk.StopTaskRequest(task_id=number))
    until(client, number, 3)
    sandbox.s3.faults.clear()
    given = {f"{side}_{name}": value for side, node in keys.items() for name, value in node.items()}
    bare = {name: value for name, value in given.items() if not name.endswith("security_token")}
    client.start_task(sdk.StartTaskRequest(task_id=number, body=sdk.StartTaskReq(**bare)))
    assert until(client, number, 4, 5).error_reason.error_code == "TRF.0151"
    client.start_task(sdk.StartTaskRequest(task_id=number, body=sdk.StartTaskReq(**given)))
    assert until(client, number, 4, 5).status == 5


def test_looking_into_buckets_with_temporary_keys(api, world, keys):
    """The lists of objects and buckets take the token too; without it the keys are refused (OMS.1014)."""
    world.source.put("key", b"x")
    place = {"cloud_type": "AWS", "bucket_name": world.source.name, "data_center": world.src_node["region"]}
    page = {"file_path": "", "page_size": 10, "behind_filename": ""}
    path = f"/v2/{api.project}/objectstorage/buckets"
    told = api.post(f"{path}/objects", json={**place, **page, **keys["src"]})
    assert [record["name"] for record in told.json()["records"]] == ["key"], told.text
    assert world.source.name in api.post(path, json={"cloud_type": "AWS", **keys["src"]}).json()
    bare = {name: keys["src"][name] for name in ("ak", "sk")}
    assert refusal(api.post(f"{path}/objects", json={**place, **page, **bare})) == (400, "OMS.1014")


def log_in(service, **password):
    """Ask for a token with this ``password`` method; ``scope`` stands beside ``auth``, as OMS's first example has it."""
    body = {
        "auth": {"identity": {"methods": ["password"], "password": password}},
        "scope": {"project": {"name": "default"}},
    }
    return httpx.post(f"{service.url}/v3/auth/tokens", json=body, trust_env=False)


@pytest.mark.parametrize("within", [True, False])
def test_a_password_within_the_user_or_beside_it(service, world, within):
    """Both of the reference's forms give a token that creates a task; a wrong password gives none in either."""
    user = {"name": "alice", "domain": {"name": "alice"}}

    def given(password):
        return {"user": {**user, "password": password}} if within else {"user": user, "password": password}

    reply = log_in(service, **given("password-of-alice"))
    assert reply.status_code == 201, reply.text
    world.source.put("key", b"x")
    headers = {"X-Auth-Token": reply.headers["X-Subject-Token"]}
    body = {"task_type": "prefix", "src_node": {**world.src_node, "object_key": [""]}, "dst_node": world.dst_node}
    path = f"{service.url}/v2/{service.users.alice['project_id']}/tasks"
    assert httpx.post(path, json=body, headers=headers, trust_env=False).status_code == 200
    assert refusal(log_in(service, **given("another")))[0] == 401


def test_no_password_or_two(service):
    """A body without a password, or with two that differ, is refused with the field's name and neither value."""
    user = {"name": "alice"}
    assert refusal(log_in(service, user=user)) == (400, "OMS.1004")
    reply = log_in(service, user={**user, "password": "password-of-alice"}, password="another-one")
    assert refusal(reply) == (400, "OMS.1003")
    assert "another-one" not in reply.text
    assert "password-of" not in reply.text
