"""Notifications of a real ``openoms serve``: a webhook receiver and a mail relay on loopback."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import signal
import socketserver
import threading
import time
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from support.served import Served, running

SECRET = "shared secret"
VARIABLES = {
    "Task_Status",
    "Task_Name",
    "Start_Time",
    "Total_Time_Used",
    "Transferred_Data",
    "Average_Speed",
    "Source_Bucket",
    "Destination_Bucket",
    "List_File_Bucket",
    "List_File_Key",
    "Success_object_list_path",
    "Skip_object_list_path",
    "Failed_object_list_path",
}


class Receiver:
    """A webhook receiver: answers with the next of ``answers``, 200 when there is none, and remembers."""

    def __init__(self):
        self.posts = []
        self.answers = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.posts.append((self.headers, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()


class Relay:
    """A mail relay of RFC 5321's few commands; remembers envelopes and letters."""

    def __init__(self):
        self.letters = []
        relay = self

        class Handler(socketserver.StreamRequestHandler):
            def say(self, line):
                self.wfile.write(f"{line}\r\n".encode())

            def handle(self):
                self.say("220 relay")
                recipients = []
                while line := self.rfile.readline().decode().strip():
                    word = line[:4].upper()
                    if word == "RCPT":
                        recipients.append(line.partition("<")[2].rstrip(">"))
                    if word == "DATA":
                        self.say("354 go on")
                        lines = []
                        while (text := self.rfile.readline()) != b".\r\n":
                            lines.append(text.removeprefix(b".") if text.startswith(b"..") else text)
                        relay.letters.append((recipients, b"".join(lines)))
                    if word == "QUIT":
                        self.say("221 bye")
                        return
                    self.say("250 ok")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        """Stop listening."""
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def receiver():
    """A webhook receiver."""
    made = Receiver()
    yield made
    made.close()


@pytest.fixture(scope="module")
def relay():
    """A mail relay."""
    made = Relay()
    yield made
    made.close()


@pytest.fixture(scope="module")
def notifying(sandbox, served_database, receiver, relay, tmp_path_factory):
    """A running service with a webhook ``hook``, a mail channel ``post``, one that nobody serves, and a template."""
    clouds = [("AWS", sandbox.s3), ("HuaweiCloud", sandbox.obs)]
    served = Served(tmp_path_factory.mktemp("notify"), clouds, served_database, quotas={"running_tasks": 10})
    with served.config.open("a") as file:
        file.write(
            f"""
[channels.hook]
kind = "webhook"
url = "{receiver.url}"
secret = "{SECRET}"
[channels.post]
kind = "email"
host = "127.0.0.1"
port = {relay.port}
sender = "oms@example.org"
recipients = ["a@example.org", "b@example.org"]
[channels.dead]
kind = "webhook"
url = "http://127.0.0.1:9/"
attempts = 1
[templates]
short = "{{Task_Name}} ended: {{Task_Status}} {{unknown}}"
"""
        )
    served.users = served.add_users(alice={})
    with running(served):
        yield served
    assert SECRET not in served.log


@pytest.fixture
def http(notifying):
    """Alice with a token."""
    with notifying.http("alice") as client:
        client.project = notifying.users.alice["project_id"]
        yield client


def smn(channel, *triggers, **fields):
    """A ``smn_config``."""
    urn = f"urn:smn:local:0123:{channel}"
    return {"topic_urn": urn, "trigger_conditions": list(triggers or ("SUCCESS", "FAILURE")), **fields}


def body(world, **fields):
    """A create body for a prefix task."""
    return {
        "task_type": "prefix",
        "src_node": {**world.src_node, "object_key": [""]},
        "dst_node": world.dst_node,
        **fields,
    }


def run(http, world, **fields):
    """Run a task until its notification has an end; return it."""
    reply = http.post(f"/v2/{http.project}/tasks", json=body(world, **fields))
    assert reply.status_code == 200, reply.text
    return settled(http, reply.json()["id"])


def settled(http, number, seconds=40):
    """Wait until what became of a notification is told; return the task."""
    deadline = time.monotonic() + seconds
    while not (task := http.get(f"/v2/{http.project}/tasks/{number}").json())["smn_info"]:
        assert time.monotonic() < deadline, task
        time.sleep(0.05)
    return task


def posts_of(receiver, name):
    """What was posted about a task."""
    return [(headers, json.loads(raw), raw) for headers, raw in receiver.posts if json.loads(raw)["Task_Name"] == name]


def test_the_end_of_a_task_is_posted_signed_with_thirteen_variables(http, world, receiver):
    """A success posts the thirteen variables once; the HMAC over timestamp and body is right."""
    world.source.put("k", b"x" * 2048)
    task = run(http, world, smn_config=smn("hook"))
    assert task["status"] == 5
    assert task["smn_info"] == {"notify_result": True, "notify_error_message": "", "topic_name": "hook"}
    ((headers, told, raw),) = posts_of(receiver, task["name"])
    assert set(told) == VARIABLES
    assert told["Task_Status"] == "Succeeded"
    assert (told["Source_Bucket"], told["Destination_Bucket"]) == (world.source.name, world.destination.name)
    assert told["Transferred_Data"] == "2.0 KiB"
    assert told["Success_object_list_path"] == f"oms/task/{task['name']}/success_object_lists/"
    signed = headers["X-OpenOMS-Timestamp"].encode() + b"." + raw
    assert headers["X-OpenOMS-Signature"] == f"sha256={hmac.new(SECRET.encode(), signed, hashlib.sha256).hexdigest()}"
    assert abs(int(headers["X-OpenOMS-Timestamp"]) - time.time()) < 60


def test_a_failing_receiver_is_tried_again_under_one_delivery_id(http, world, receiver):
    """After 503 comes another attempt with the same id; the result tells of success."""
    world.source.put("k", b"x")
    receiver.answers[:] = [503]
    task = run(http, world, smn_config=smn("hook"))
    assert task["smn_info"]["notify_result"] is True
    first, second = posts_of(receiver, task["name"])
    assert first[0]["X-OpenOMS-Delivery"] == second[0]["X-OpenOMS-Delivery"]


@pytest.mark.parametrize(("channel", "answer", "code"), [("dead", None, "OMS.0161"), ("hook", 403, "OMS.0158")])
def test_a_failed_notification_changes_nothing_but_its_result(http, world, receiver, channel, answer, code):
    """Unreachable is OMS.0161, refused OMS.0158; the task has succeeded all the same."""
    world.source.put("k", b"x")
    receiver.answers[:] = [answer] if answer else []
    task = run(http, world, smn_config=smn(channel))
    assert task["status"] == 5
    assert task["error_reason"] is None
    assert task["smn_info"] == {"notify_result": False, "notify_error_message": code, "topic_name": channel}


def test_only_the_triggers_asked_for_are_told(http, world, receiver):
    """A failure is not posted to who asked for successes, and is posted, in Chinese, to who asked for failures."""
    world.src_node["sk"] = "another"
    quiet = http.post(f"/v2/{http.project}/tasks", json=body(world, smn_config=smn("hook", "SUCCESS"))).json()
    task = run(http, world, smn_config=smn("hook", "FAILURE", language="zh-cn"))
    assert task["status"] == 4
    ((_, told, _),) = posts_of(receiver, task["name"])
    assert told["Task_Status"] == "失败"
    assert posts_of(receiver, quiet["task_name"]) == []
    assert http.get(f"/v2/{http.project}/tasks/{quiet['id']}").json()["smn_info"] is None


def test_mail_reaches_every_recipient_in_the_language_asked_for(http, world, relay):
    """A letter in Chinese goes to both recipients, with the plain text's lines."""
    world.source.put("k", b"x")
    task = run(http, world, smn_config=smn("post", language="zh-cn"))
    assert task["smn_info"]["notify_result"] is True
    (found,) = [
        (to, letter)
        for to, raw in relay.letters
        if task["name"] in (letter := message_from_bytes(raw, policy=policy.default)).get_content()
    ]
    recipients, letter = found
    assert recipients == ["a@example.org", "b@example.org"]
    assert letter["Subject"] == f"迁移成功: {task['name']}"
    assert f"源桶: {world.source.name}" in letter.get_content().splitlines()


def test_a_template_fills_in_variables_and_nothing_else(http, world, receiver):
    """The named template's text comes as Message; what is no variable stays as it stands."""
    world.source.put("k", b"x")
    task = run(http, world, smn_config=smn("hook", message_template_name="short"))
    ((_, told, _),) = posts_of(receiver, task["name"])
    assert told["Message"] == f"{task['name']} ended: Succeeded {{unknown}}"


@pytest.mark.parametrize(
    ("config", "code"),
    [(smn("nowhere"), "OMS.0169"), (smn("hook", message_template_name="none"), "OMS.1003")],
)
@pytest.mark.parametrize("path", ["tasks", "taskgroups"])
def test_what_could_not_be_sent_is_refused_at_creation(http, world, path, config, code):
    """An unknown channel is OMS.0169 and an unknown template OMS.1003, for tasks and groups; nothing is made."""
    before = http.get(f"/v2/{http.project}/{path}").json()["count"]
    kind = "prefix" if path == "tasks" else "PREFIX"
    reply = http.post(f"/v2/{http.project}/{path}", json={**body(world, smn_config=config), "task_type": kind})
    assert (reply.status_code, reply.json()["error_code"]) == (400, code)
    assert http.get(f"/v2/{http.project}/{path}").json()["count"] == before


def test_a_group_tells_of_its_end_once_and_its_tasks_do_not(http, world, receiver):
    """The group's end is posted under the group's id; sub-tasks post nothing; ``smn_config`` tells the result."""
    world.source.put("k", b"x")
    sent = {**body(world, smn_config=smn("hook")), "task_type": "PREFIX"}
    group_id = http.post(f"/v2/{http.project}/taskgroups", json=sent).json()["group_id"]
    deadline = time.monotonic() + 40
    while not (group := http.get(f"/v2/{http.project}/taskgroups/{group_id}").json())["smn_config"]:
        assert time.monotonic() < deadline, group
        time.sleep(0.05)
    assert (group["status"], group["smn_config"]["notify_result"]) == (6, True)
    ((_, told, _),) = posts_of(receiver, group_id)
    assert told["Success_object_list_path"] == f"oms/task_group/{group_id}/success_object_lists/"
    names = [task["name"] for task in http.get(f"/v2/{http.project}/tasks?group_id={group_id}").json()["tasks"]]
    assert names
    assert not [name for name in names if posts_of(receiver, name)]


def test_a_notification_that_is_due_survives_kill_9(notifying, world, receiver):
    """Killed between two attempts: after the restart the notification arrives, and its result is told."""
    world.source.put("k", b"x")
    receiver.answers[:] = [503]
    with notifying.http("alice") as http:
        http.project = notifying.users.alice["project_id"]
        reply = http.post(f"/v2/{http.project}/tasks", json=body(world, smn_config=smn("hook"))).json()
        deadline = time.monotonic() + 30
        while not posts_of(receiver, reply["task_name"]):
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(0.2)  # the failure is written down
    os.kill(notifying.process.pid, signal.SIGKILL)
    notifying.process.wait()
    notifying.start()
    with notifying.http("alice") as http:
        http.project = notifying.users.alice["project_id"]
        assert settled(http, reply["id"])["smn_info"]["notify_result"] is True
    assert len(posts_of(receiver, reply["task_name"])) == 2
