"""Who may do what: tokens, signatures, roles, projects."""

import json
import time
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkcore.exceptions.exceptions import ClientRequestException
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from huaweicloudsdkoms.v2 import DeleteTaskRequest, ListTasksRequest, OmsClient, ShowTaskRequest

from support.served import create, refusal


@pytest.fixture
def tasks(service):
    """The path of alice's tasks."""
    return f"{service.url}/v2/{service.users.alice['project_id']}/tasks"


@pytest.fixture
def client():
    """A client without credentials."""
    with httpx.Client(trust_env=False) as made:
        yield made


def test_without_credentials_nothing_is_told(client, tasks, service):
    """No token, no signature: 401, for paths that exist and for others alike."""
    for path in (tasks, f"{service.url}/v2/x/y/z", f"{service.url}/console", f"{service.url}/metricsz"):
        assert refusal(client.get(path)) == (401, "APIGW.0301")


@pytest.mark.parametrize("token", ["x", "é", "a" * 17_000, "' OR 1=1 --"])
def test_a_token_that_is_none(client, tasks, token):
    """Any other text in X-Auth-Token is refused."""
    assert refusal(client.get(tasks, headers={"X-Auth-Token": token.encode()}))[0] == 401


def test_a_token_comes_for_a_password_and_lasts_a_day(client, service, tasks):
    """The token stands in a header; it expires 24 hours after it was issued; it opens the project."""
    body = {"auth": {"identity": {"methods": ["password"], "password": {
        "user": {"name": "alice", "password": "password-of-alice", "domain": {"name": "whatever"}}}},
        "scope": {"project": {"id": service.users.alice["project_id"]}}}}  # fmt: skip
    reply = client.post(f"{service.url}/v3/auth/tokens", json=body)
    told = reply.json()["token"]
    issued, expires = (datetime.strptime(told[name], "%Y-%m-%dT%H:%M:%S.%fZ") for name in ("issued_at", "expires_at"))
    assert expires - issued == timedelta(days=1)
    assert abs(issued.replace(tzinfo=UTC).timestamp() - time.time()) < 60
    assert told["project"]["id"] == service.users.alice["project_id"]
    assert client.get(tasks, headers={"X-Auth-Token": reply.headers["X-Subject-Token"]}).status_code == 200


def test_a_token_comes_for_a_pair_of_keys_too(client, service, tasks):
    """The method ``hw_ak_sk`` proves the user by both keys; a wrong one gets nothing."""

    def ask(keys):
        pair = {"access": {"key": keys["access_key"]}, "secret": {"key": keys["secret_key"]}}
        body = {"auth": {"identity": {"methods": ["hw_ak_sk"], "hw_ak_sk": pair}}}
        return client.post(f"{service.url}/v3/auth/tokens", json=body)

    token = ask(service.users.alice).headers["X-Subject-Token"]
    assert client.get(tasks, headers={"X-Auth-Token": token}).status_code == 200
    for wrong in ({"secret_key": "wrong"}, {"access_key": "NOBODY"}, {"access_key": service.users.bob["access_key"]}):
        assert refusal(ask({**service.users.alice, **wrong})) == (401, "OMS.0068")


@pytest.mark.parametrize(
    "change", [{"name": "nobody"}, {"password": "wrong"}, {"project": "other"}, {"name": "bob"}],
)  # fmt: skip
def test_a_wrong_password_user_or_project_gets_no_token(client, service, change):
    """Which of them is wrong is not told."""
    given = {"name": "alice", "password": "password-of-alice", "project": "default", **change}
    user = {"name": given["name"], "password": given["password"]}
    body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}},
                     "scope": {"project": {"name": given["project"]}}}}  # fmt: skip
    reply = client.post(f"{service.url}/v3/auth/tokens", json=body)
    assert refusal(reply) == (401, "OMS.0068")
    assert "X-Subject-Token" not in reply.headers


def test_the_sdk_finds_its_project_by_the_region(service):
    """GET /v3/projects?name=<region> tells exactly one project to a signed or a token request, none of others."""
    with service.http("alice") as client:
        found = client.get("/v3/projects", params={"name": "local"}).json()["projects"]
        assert [project["id"] for project in found] == [service.users.alice["project_id"]]
        assert client.get("/v3/projects", params={"name": "other"}).json()["projects"] == []


def temporary(service, name, **token):
    """A temporary key of a user, obtained with a token."""
    with service.http(name) as client:
        body = {"auth": {"identity": {"methods": ["token"], "token": token}}}
        return client.post("/v3.0/OS-CREDENTIAL/securitytokens", json=body)


def signing_with(service, keys, **change):
    """The official SDK with a temporary key."""
    given = {**keys, **change}
    credentials = BasicCredentials(given["access"], given["secret"], service.users.alice["project_id"])
    credentials = credentials.with_security_token(given["securitytoken"])
    return OmsClient.new_builder().with_credentials(credentials).with_endpoint(service.url).build()


def test_a_temporary_key_may_what_its_user_may(service, world):
    """The official SDK signs with it and its token; it creates and reads as its user does, a reader's reads only."""
    world.source.put("key", b"x")
    keys = temporary(service, "alice", duration_seconds="86400").json()["credential"]
    assert set(keys) == {"access", "secret", "securitytoken", "expires_at"}
    left = datetime.strptime(keys["expires_at"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC).timestamp() - time.time()
    assert 86_400 - 60 < left <= 86_400
    alice = signing_with(service, keys)
    number = create(alice, world)
    rita = signing_with(service, temporary(service, "rita").json()["credential"])
    assert rita.show_task(ShowTaskRequest(task_id=number)).id == number
    with pytest.raises(ClientRequestException) as refused:
        create(rita, world)
    assert (refused.value.status_code, refused.value.error_code) == (403, "OMS.0205")


def test_a_temporary_key_without_its_token_or_with_another_is_refused(service):
    """The three belong together: none, another key's, a changed and a made-up token are 401, a wrong secret too."""
    keys, other = (temporary(service, "alice").json()["credential"] for _ in range(2))
    flipped = keys["securitytoken"][:-6] + ("AAAAAA" if keys["securitytoken"][-6:] != "AAAAAA" else "BBBBBB")
    assert signing_with(service, keys).list_tasks(ListTasksRequest()).count >= 0
    for change in (
        {"securitytoken": other["securitytoken"]},
        {"securitytoken": flipped},
        {"securitytoken": "made-up"},
        {"securitytoken": "A" * 17_000},
        {"securitytoken": None},
        {"secret": other["secret"]},
        {"access": other["access"]},
        {"access": service.users.alice["access_key"], "secret": service.users.alice["secret_key"]},
    ):
        with pytest.raises(ClientRequestException) as refused:
            signing_with(service, keys, **change).list_tasks(ListTasksRequest())
        assert (refused.value.status_code, refused.value.error_code) == (401, "APIGW.0301"), change


WRONG_ASKING = {
    "too short": ({"token": {"duration_seconds": 899}}, 400, "OMS.1003"),
    "too long": ({"token": {"duration_seconds": 86_401}}, 400, "OMS.1003"),
    "no number": ({"token": {"duration_seconds": "1e3"}}, 400, "OMS.1003"),
    "a flag": ({"token": {"duration_seconds": True}}, 400, "OMS.1002"),
    "another method": ({"methods": ["assume_role"]}, 400, "OMS.1003"),
    "a policy, which would not hold": ({"policy": {"Version": "1.1"}}, 400, "OMS.1003"),
    "a token of nobody": ({"token": {"id": "nobody"}}, 401, "OMS.0068"),
}


@pytest.mark.parametrize(("change", "status", "code"), WRONG_ASKING.values(), ids=WRONG_ASKING)
def test_what_no_temporary_key_is_given_for(service, change, status, code):
    """Durations out of 15 minutes to 24 hours, other methods, policies and wrong tokens obtain nothing."""
    with service.http("alice") as client:
        body = {"auth": {"identity": {"methods": ["token"], **change}}}
        assert refusal(client.post("/v3.0/OS-CREDENTIAL/securitytokens", json=body)) == (status, code)


def test_temporary_keys_are_obtained_by_a_token_in_the_body_and_by_nobody_else(service, client):
    """The token may stand in the body; without any 401; a temporary key obtains no further one."""
    path = f"{service.url}/v3.0/OS-CREDENTIAL/securitytokens"
    body = {"auth": {"identity": {"methods": ["token"], "token": {"id": service.token("alice")}}}}
    keys = client.post(path, json=body).json()["credential"]
    assert signing_with(service, keys).list_tasks(ListTasksRequest()).count >= 0
    body["auth"]["identity"].pop("token")
    assert refusal(client.post(path, json=body)) == (401, "OMS.0068")
    raw = json.dumps(body).encode()
    assert refusal(client.post(path, content=raw, headers=signed(path, raw, keys))) == (403, "OMS.0206")
    users_own = {"access": service.users.alice["access_key"], "secret": service.users.alice["secret_key"]}
    assert client.post(path, content=raw, headers=signed(path, raw, users_own)).status_code == 201


def signed(url, body, keys):
    """Headers of a signed POST: what the official signer makes."""
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json", "Host": parts.netloc}
    if "securitytoken" in keys:
        headers["X-Security-Token"] = keys["securitytoken"]
    request = SdkRequest(
        "POST", parts.scheme, parts.netloc, parts.path, header_params=headers, query_params=[], body=body.decode()
    )
    return Signer(SimpleNamespace(ak=keys["access"], sk=keys["secret"])).sign(request).header_params


def test_a_wrong_secret_key_is_refused(service):
    """The official SDK with another secret key, or an unknown access key, gets 401 and the same sentence."""
    told = []
    for change in ({"secret_key": "wrong"}, {"access_key": "NOBODY"}):
        with pytest.raises(ClientRequestException) as refused:
            service.client({**service.users.alice, **change}).list_tasks(ListTasksRequest())
        told.append((refused.value.status_code, refused.value.error_code, refused.value.error_msg))
    assert told[0][:2] == (401, "APIGW.0301")
    assert told[0] == told[1]


def test_another_project_is_closed(service, tasks):
    """A path that names another project is refused, whether it exists or not."""
    with service.http("bob") as client:
        assert refusal(client.get(tasks)) == (403, "OMS.0206")
        assert refusal(client.get(f"{service.url}/v2/no-such-project/tasks")) == (403, "OMS.0206")


def test_tasks_of_other_projects_do_not_exist(service, world):
    """Bob sees, stops and deletes nothing of alice's, under his own path either."""
    world.source.put("key", b"x")
    number = create(service.client(service.users.alice), world)
    bob = service.client(service.users.bob)
    assert bob.list_tasks(ListTasksRequest()).count == 0
    for request in (
        lambda: bob.show_task(ShowTaskRequest(task_id=number)),
        lambda: bob.delete_task(DeleteTaskRequest(task_id=number)),
    ):
        with pytest.raises(ClientRequestException) as refused:
            request()
        assert refused.value.error_code == "OMS.1009"
    assert service.client(service.users.alice).show_task(ShowTaskRequest(task_id=number)).id == number


def test_a_reader_looks_and_changes_nothing(service, world, tasks):
    """The read-only role lists and shows; every change is refused with OMS.0205."""
    world.source.put("key", b"x")
    number = create(service.client(service.users.alice), world)
    with service.http("rita") as rita:
        assert rita.get(tasks).status_code == 200
        assert rita.get(f"{tasks}/{number}").json()["id"] == number
        body = {"src_node": {**world.src_node, "object_key": [""]}, "dst_node": world.dst_node}
        keys = {"dst_ak": "a", "dst_sk": "b", "src_ak": "a", "src_sk": "b"}
        changes = [
            rita.post(tasks, json=body),
            rita.delete(f"{tasks}/{number}"),
            rita.post(f"{tasks}/{number}/stop"),
            rita.post(f"{tasks}/{number}/start", json=keys),
            rita.put(f"{tasks}/{number}/bandwidth-policy", json={"bandwidth_policy": []}),
            rita.post(f"{tasks}/batch-update", json={"ids": [number], "bandwidth_policy": []}),
        ]
    assert [refusal(reply) for reply in changes] == [(403, "OMS.0205")] * len(changes)
