"""Every route of the application against every kind of caller, with ids of its own, of others and of nobody."""

import http.client
import json
import re
from types import SimpleNamespace
from urllib.parse import urlsplit

import httpx
import pytest

from oms_worker.api.app import routed_app
from support.doors import CHANGE, DOORS, OPEN, READ, UNKNOWN, routes
from support.served import refusal

PASS, WHO, ROLE, PLACE = "passes", (401, None), (403, "OMS.0205"), (403, "OMS.0206")
"""It passes; nobody knows who calls; the role does not allow it; the project of the path is not the caller's."""
DENIED_V1 = (403, "S3M.0072")
"""Both, in the first version's codes."""

VERDICTS = {
    #                  open  read  change
    "nobody":         (PASS, WHO, WHO),
    "a wrong token":  (PASS, WHO, WHO),
    "disabled":       (PASS, WHO, WHO),
    "reader":         (PASS, PASS, ROLE),
    "operator":       (PASS, PASS, PASS),
    "admin":          (PASS, PASS, PASS),
    "other reader":   (PASS, PLACE, PLACE),
    "other operator": (PASS, PLACE, PLACE),
    "other admin":    (PASS, PLACE, PLACE),
}  # fmt: skip
"""Caller -> verdict on a path of alice's project, by what the route needs."""

USERS = {"reader": "rita", "operator": "alice", "admin": "anna",
         "other reader": "otto", "other operator": "bob", "other admin": "olga"}  # fmt: skip
NEEDS = (OPEN, READ, CHANGE)
NO_PROJECT = {"/v3/projects", "/v3.0/OS-CREDENTIAL/securitytokens"}
"""Of the caller's own project, whichever that is."""

NESTED_IDS = [name for name in UNKNOWN if name not in {"project_id", "domain_id"}]


@pytest.fixture(scope="module")
def callers(service):
    """A client for each kind of caller."""
    tokens = {caller: service.token(name) for caller, name in USERS.items()}
    tokens["disabled"] = service.token("dora")
    assert service.openoms("user", "disable", "dora").returncode == 0
    tokens["a wrong token"] = tokens["operator"][::-1]
    headers = {caller: {"X-Auth-Token": tokens[caller]} if caller in tokens else {} for caller in VERDICTS}
    made = {
        name: httpx.Client(base_url=service.url, headers=head, trust_env=False, timeout=60)
        for name, head in headers.items()
    }
    yield made
    for client in made.values():
        client.close()


@pytest.fixture
def home(service, callers, world):
    """Alice's project: a task, a group and a sync task, with a mark that stands nowhere else."""
    world.mark = "mark-of-alice-7381"
    world.source.put("a", b"a")
    alice, project = callers["operator"], service.users.alice["project_id"]
    made = SimpleNamespace(world=world, alice=alice, ids={"project_id": project, "domain_id": project})
    world.ids = made.ids
    for name, path, field in (
        ("task_id", "tasks", "id"), ("group_id", "taskgroups", "group_id"), ("sync_task_id", "sync-tasks", "sync_task_id"),
    ):  # fmt: skip
        body = DOORS["POST", f"/v2/{{project_id}}/{path}"].body(world)
        reply = alice.post(f"/v2/{project}/{path}", json=body)
        assert reply.status_code == 200, reply.text
        made.ids[name] = str(reply.json()[field])
    yield made
    for path in (f"sync-tasks/{made.ids['sync_task_id']}/stop", f"tasks/{made.ids['task_id']}/stop"):
        alice.post(f"/v2/{project}/{path}")
    alice.delete(f"/v2/{project}/sync-tasks/{made.ids['sync_task_id']}")


def call(client, method, path, home, ids, **changed):
    """Ask at a route, with ids in the path and its own body."""
    door = DOORS[method, path]
    filled = re.sub(r"\{(\w+)\}", lambda found: {"version": "v2", **ids}[found[1]], path)
    options = {"json": door.body(home.world)} if door.body else {}
    return client.request(method, filled, params=door.query, **{**options, **changed})


def verdict(reply):
    """Return what became of a request: PASS, or status and code."""
    assert reply.status_code < 500 or reply.status_code == 503, reply.text
    assert reply.headers["X-Request-Id"]
    assert "Traceback" not in reply.text
    if reply.status_code in {401, 403}:
        status, code = refusal(reply)
        return (status, None if status == 401 else code)
    return PASS


def test_the_table_names_every_route():
    """A route that the application has and the table lacks, or the other way round, fails here."""
    assert set(DOORS) == routes(routed_app(None))
    assert {door.need for door in DOORS.values()} == set(NEEDS)


def states(home):
    """What alice sees of her task, group and sync task that no run changes."""
    seen = []
    for kind in ("tasks/{task_id}", "taskgroups/{group_id}", "sync-tasks/{sync_task_id}"):
        reply = home.alice.get(f"/v2/{{project_id}}/{kind}".format(**home.ids))
        assert reply.status_code == 200, reply.text
        seen.append([reply.json().get(name) for name in ("description", "bandwidth_policy", "create_time")])
    return seen


@pytest.mark.parametrize("caller", VERDICTS)
def test_each_caller_gets_the_verdict_of_the_table(callers, home, caller):
    """On alice's paths each caller passes, or is refused, as the table says; who is refused changes and reads nothing."""
    before = states(home)
    for (method, path), door in sorted(DOORS.items(), key=lambda item: item[0][0] == "DELETE"):
        wanted = VERDICTS[caller][NEEDS.index(door.need)]
        if path in NO_PROJECT and wanted == PLACE:
            wanted = PASS
        if path.startswith("/v1/") and wanted in {ROLE, PLACE}:
            wanted = DENIED_V1
        reply = call(callers[caller], method, path, home, home.ids)
        assert verdict(reply) == wanted, (caller, method, path, reply.text)
        if wanted is not PASS:
            assert home.world.mark not in reply.text
            assert home.world.source.name not in reply.text
    if PASS not in VERDICTS[caller][NEEDS.index(CHANGE) :]:
        assert states(home) == before


def told(reply):
    """What a caller can tell from a reply, but for what differs from call to call."""
    headers = {name: value for name, value in reply.headers.items() if name not in {"x-request-id", "date"}}
    return reply.status_code, reply.text, headers


@pytest.mark.parametrize("caller", ["other reader", "other operator", "other admin"])
def test_what_is_another_s_looks_like_what_is_not_there(service, callers, home, caller):
    """Under a caller's own project alice's ids are answered as ids that name nothing, to the byte."""
    own = {"project_id": service.users.bob["project_id"], "domain_id": service.users.bob["project_id"]}
    asked = 0
    for method, path in DOORS:
        for name in NESTED_IDS:
            if f"{{{name}}}" in path:
                replies = [call(callers[caller], method, path, home, {**ids, **own}) for ids in (home.ids, UNKNOWN)]
                assert told(replies[0]) == told(replies[1]), (method, path)
                assert 400 <= replies[0].status_code < 500
                asked += 1
    assert asked >= 20
    assert len(states(home)) == 3


@pytest.mark.parametrize("caller", ["other reader", "other operator", "other admin"])
def test_a_project_of_others_looks_like_one_that_is_not_there(callers, home, caller):
    """A path of alice's project is answered as one of a project that does not exist, to the byte."""
    asked = 0
    for method, path in DOORS:
        for name in ("project_id", "domain_id"):
            if f"{{{name}}}" in path:
                ids = {**home.ids, name: UNKNOWN[name]}
                replies = [call(callers[caller], method, path, home, given) for given in (home.ids, ids)]
                assert told(replies[0]) == told(replies[1]), (method, path)
                asked += 1
    assert asked >= 40


@pytest.mark.parametrize("caller", ["other operator", "other admin"])
def test_ids_of_others_in_bodies_and_filters_name_nothing(service, callers, home, caller):
    """Alice's ids in a batch or a filter are answered as unknown ones; her group keeps its rules."""
    client, project = callers[caller], service.users.bob["project_id"]
    rules = [{"start": "01:00", "end": "02:00", "max_bandwidth": 5_000_000}]
    before = states(home)

    def batch(**chosen):
        return told(client.post(f"/v2/{project}/tasks/batch-update", json={**chosen, "bandwidth_policy": rules}))

    assert batch(ids=[int(home.ids["task_id"])]) == batch(ids=[int(UNKNOWN["task_id"])])
    assert batch(group_id=home.ids["group_id"]) == batch(group_id=UNKNOWN["group_id"])
    found = client.get(f"/v2/{project}/tasks", params={"group_id": home.ids["group_id"]}).json()
    assert found == {"tasks": [], "count": 0}
    for path in ("tasks", "taskgroups", "sync-tasks"):
        page = client.get(f"/v2/{project}/{path}", params={"limit": 100})
        assert home.world.mark not in page.text
    assert client.get(f"/v1/{project}/objectstorage/task").json() == []
    assert states(home) == before


ODD_IDS = ["0", "-1", "9" * 16, "9" * 40, "a", "%00", "%2e%2e", "..%2ftasks", "%F0%9F%98%80", "%ff", "a" * 1025, "'--"]


@pytest.mark.parametrize("odd", ODD_IDS)
def test_ids_that_can_be_none_are_refused(callers, home, odd):
    """An id of any other form is a refusal of the caller's, never a failure inside, at every route that takes one."""
    for method, path in DOORS:
        if any(f"{{{name}}}" in path for name in NESTED_IDS):
            reply = call(callers["admin"], method, path, home, {**dict.fromkeys(NESTED_IDS, odd), **_place(home)})
            assert 400 <= reply.status_code < 500, (method, path, reply.status_code)


def _place(home):
    return {name: home.ids[name] for name in ("project_id", "domain_id")}


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND"])
def test_methods_that_a_path_does_not_have(callers, home, method):
    """Any other method on any path: 405 (or 404) for who is known, 401 for who is not; nothing is done."""
    taken = {path for found, path in DOORS if found == method}
    for path in sorted({path for _, path in DOORS} - taken):
        filled = re.sub(r"\{(\w+)\}", lambda found: {"version": "v2", **home.ids}[found[1]], path)
        if path == "/{version}" and method == "HEAD":
            continue
        known = callers["operator"].request(method, filled)
        no_id = {400} if path.endswith("/batch-update") else set()  # to another route that word is a task's id
        assert known.status_code in {404, 405} | no_id, (method, path, known.status_code)
        stranger = callers["nobody"].request(method, filled)
        is_open = any(door.need == OPEN for (_, known_path), door in DOORS.items() if known_path == path)
        is_open = is_open or path == "/v3.0/OS-CREDENTIAL/securitytokens"
        assert stranger.status_code in ({404, 405} if is_open else {401}), (method, path, stranger.status_code)
    assert len(states(home)) == 3


def test_no_spelling_of_a_path_passes_without_credentials(service, home):
    """Doubled, encoded, dotted, capital and cut paths to alice's tasks get no stranger past the gate."""
    project, number = home.ids["project_id"], home.ids["task_id"]
    plain = f"/v2/{project}/tasks"
    paths = [
        f"/{plain}", f"{plain}/", f"{plain}//{number}", f"/healthz/..{plain}", f"/healthz/%2e%2e{plain}",
        f"/healthz%2f..%2fv2/{project}/tasks", f"/%76%32/{project}/tasks", f"{plain};/healthz", f"{plain}?/healthz",
        f"{plain}#/healthz", f"/V2/{project}/tasks", f"/./v2/{project}/tasks", f"/v3/auth/tokens/../../..{plain}",
        f"{plain}%20", f"{plain}%00/healthz", f"/metrics{plain}", f"http://x{plain}", f"http://x/healthz{plain}",
        f"/openapi.json/{plain}", f"\\v2\\{project}\\tasks", f"/v2%2f{project}%2ftasks", f"{plain}/{number}%2f..",
    ]  # fmt: skip
    parts = urlsplit(service.url)
    for path in paths:
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
        connection.putrequest("GET", path, skip_accept_encoding=True)
        connection.endheaders()
        reply = connection.getresponse()
        body = reply.read().decode()
        connection.close()
        assert reply.status in {400, 401, 404}, (path, reply.status, body)
        assert home.world.mark not in body
        assert number not in body or number in path
        json.loads(body)
