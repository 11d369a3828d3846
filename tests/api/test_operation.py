"""What is noted of calls: the audit trail, the log, figures for Prometheus."""

import asyncio
import re
import time

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from oms_worker.db.audit import forget_calls, insert_calls, latest_calls
from oms_worker.settings import load_service_settings
from openoms.foundations import open_foundations
from support.served import Served, refusal


def calls(service, project):
    """The latest calls of a project, by their request ids, once they have been written."""

    async def read():
        async with (
            open_foundations(load_service_settings(service.config)) as found,
            found.database.read() as connection,
        ):
            return {row.request_id: row for row in await latest_calls(connection, project)}

    return asyncio.run(read())


def noted(service, project, request_id):
    """The row of a request: within seconds."""
    deadline = time.monotonic() + 15
    while time.monotonic() < deadline:
        found = calls(service, project).get(request_id)
        if found is not None:
            return found
        time.sleep(0.5)
    raise AssertionError(request_id)


def test_every_call_leaves_a_row_and_a_line(service, api):
    """Who, what, from where and what came of it, under the id that the reply carries; no query, no body."""
    before = time.time()
    reply = api.delete(f"/v2/{api.project}/tasks/12345", params={"note": "hush-hush"})
    assert refusal(reply) == (400, "OMS.1009")
    row = noted(service, api.project, reply.headers["X-Request-Id"])
    assert (row.user_name, row.method, row.status, row.error_code) == ("alice", "DELETE", 400, "OMS.1009")
    assert row.path == f"/v2/{api.project}/tasks/12345"
    assert row.source == "127.0.0.1"
    assert before - 5 <= row.at <= time.time() + 5
    line = next(line for line in service.log.splitlines() if row.request_id in line)
    assert "user=alice" in line
    assert "status=400" in line
    assert "hush-hush" not in service.log


def test_a_call_of_nobody_is_noted_too(service):
    """Refused signatures and foreign projects leave rows without a user."""
    reply = httpx.get(f"{service.url}/v2/any/tasks", trust_env=False)
    assert noted(service, "", reply.headers["X-Request-Id"]).error_code == "APIGW.0301"


@pytest.mark.parametrize("path", ["/v2/x%00y", "/v2/a%0ab%20status=200", "/v2/%F0%9F%98%80"])
def test_an_odd_path_stays_on_its_line(service, path):
    """Line feeds and spaces of a path do not forge a line of the log; NUL does not stop the row."""
    reply = httpx.get(f"{service.url}{path}", trust_env=False)
    row = noted(service, "", reply.headers["X-Request-Id"])
    line = next(line for line in service.log.splitlines() if row.request_id in line)
    assert re.search(r" status=401 ms=", line)


def test_secrets_of_bodies_are_never_logged(service, api, world):
    """Neither the log nor the data folder's database hold the keys of a task in plain."""
    body = {"src_node": {**world.src_node, "object_key": ["a"], "sk": "very-secret-key"}, "dst_node": world.dst_node}
    assert api.post(f"/v2/{api.project}/tasks", json=body).status_code == 200
    assert api.post(f"/v2/{api.project}/tasks", json={**body, "oops": 1, "priority": 7}).status_code == 200
    assert api.post(f"/v2/{api.project}/tasks", json={**body, "dst_node": 1}).status_code == 400
    time.sleep(1.5)
    assert "very-secret-key" not in service.log
    for file in (service.folder / "data").glob("openoms.db*"):
        assert b"very-secret-key" not in file.read_bytes()


def test_the_log_joins_requests_and_tasks(service, api, world):
    """Each transition is a line with the task's id, and where a call caused it with that call's request id."""
    node = {**world.src_node, "object_key": [""], "sk": "another"}
    body = {"task_type": "prefix", "src_node": node, "dst_node": world.dst_node}
    made = api.post(f"/v2/{api.project}/tasks", json=body)
    number = made.json()["id"]

    def lines():
        found = [line for line in service.log.splitlines() if f" task={number} " in line]
        return [re.search(r"before=(\S+) after=(\S+) request=(\S+)", line).groups() for line in found]

    deadline = time.monotonic() + 30
    while len(lines()) < 3:  # its key is wrong: it fails
        assert time.monotonic() < deadline, lines()
        time.sleep(0.1)
    gone = api.delete(f"/v2/{api.project}/tasks/{number}")
    assert lines() == [
        ("-", "1", made.headers["X-Request-Id"]),
        ("1", "2", "-"),
        ("2", "4", "-"),
        ("4", "deleted", gone.headers["X-Request-Id"]),
    ]


@pytest.mark.timeout(60)
def test_a_task_takes_the_time_that_clients_expect(sandbox, world, tmp_path):
    """With ``minimum_task_seconds`` a task that has nothing left to do stays in 2, below 100 %, for so long."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(tmp_path, clouds, minimum_task_seconds=4)
    served.users = served.add_users(alice={})
    served.start()
    world.source.put("k", b"x")
    body = {"task_type": "prefix", "src_node": {**world.src_node, "object_key": [""]}, "dst_node": world.dst_node}
    with served.http("alice") as http:
        path = f"/v2/{served.users.alice['project_id']}/tasks"
        number = http.post(path, json=body).json()["id"]
        while world.destination.keys() == [] or (task := http.get(f"{path}/{number}").json())["status"] == 1:
            time.sleep(0.05)
        shown = []
        while (task := http.get(f"{path}/{number}").json())["status"] == 2:
            shown.append(task["progress"])
            time.sleep(0.05)
    assert served.stop() == 0
    assert task["status"] == 5
    assert task["total_time"] >= 4000
    assert shown
    assert max(shown) < 1


def test_figures_for_prometheus(service, api):
    """Requests by route and status, tasks by status; no project, user or stranger's path becomes a label."""
    api.get(f"/v2/{api.project}/tasks")
    httpx.get(f"{service.url}/strange/path/{time.time()}", trust_env=False)
    text = httpx.get(f"{service.url}/metrics", trust_env=False).text
    assert re.search(
        r'openoms_http_requests_total\{method="GET",route="/v2/\{project_id\}/tasks",status="200"\} [1-9]', text
    )
    assert re.search(r'openoms_tasks\{status="succeeded"\} \d', text)
    assert "openoms_http_request_duration_seconds_bucket" in text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert all(name.startswith("openoms_") and family.documentation for name, family in families.items())
    counted = [sample.name for family in families.values() if family.type == "counter" for sample in family.samples]
    assert [name for name in counted if not name.endswith(("_total", "_created"))] == []
    assert api.project not in text
    assert "strange" not in text


def test_old_rows_of_the_trail_are_forgotten(service, api):
    """What is older than the settings say goes; what is younger stays."""
    kept = api.get(f"/v2/{api.project}/tasks").headers["X-Request-Id"]
    old = noted(service, api.project, kept)._replace(at=5.0, request_id="long-ago")

    async def forget():
        async with (
            open_foundations(load_service_settings(service.config)) as found,
            found.database.write() as connection,
        ):
            await insert_calls(connection, [old])
            return await forget_calls(connection, 10.0)

    assert asyncio.run(forget()) == 1
    found = calls(service, api.project)
    assert kept in found
    assert "long-ago" not in found
