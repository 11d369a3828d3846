"""Codes that no call is answered with at once: of notifications, and of groups that go while they are changed."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from oms_worker.db import groups as group_rows
from oms_worker.db import notifications as rows
from oms_worker.db import tasks as task_rows
from oms_worker.errors import ApiError
from oms_worker.notify import MAIL_ATTEMPTS, Notifier
from oms_worker.services.groups import NewGroup
from oms_worker.settings import Webhook, load_service_settings
from oms_worker.states import Group
from support.tasks import POLICY, open_office

VARIABLES = {"Task_Status": "Succeeded", "Task_Name": "t"}


@pytest.fixture
async def office(database, tmp_path):
    """Services on an empty database."""
    return await open_office(database, tmp_path)


@pytest.fixture
def receiver():
    """A webhook receiver that answers every post with ``server.status``."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(self.server.status)
            self.end_headers()

        def log_message(self, *_words):
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


async def told(office, channels):
    """Let a notification of a task be sent until it is concluded; return its result and the attempts it took."""
    task = await office.create()
    config = {"topic_urn": "urn:smn:local:p:ops", "trigger_conditions": ["SUCCESS"]}
    async with office.database.write() as connection:
        await rows.put(connection, task.subject, config, VARIABLES, office.now)
    notifier = Notifier(office.database, load_service_settings(None, channels=channels), clock=lambda: office.now)
    turns = 0
    while (row := await found(office, task)).smn_info is None:
        turns += await notifier.turn()
        office.now += 1000
    return row.smn_info, turns


async def found(office, task):
    """The task as it stands."""
    async with office.database.read() as connection:
        return await task_rows.get_task(connection, task.id)


@pytest.mark.parametrize(
    ("status", "code", "attempts"),
    [(500, "OMS.0156", 3), (429, "OMS.0156", 3), (403, "OMS.0158", 1), (301, "OMS.0158", 1), (204, "", 1)],
)
async def test_what_a_receiver_answers_is_told(office, receiver, status, code, attempts):
    """A receiver that fails is tried again and told as OMS.0156; one that refuses is OMS.0158 at once."""
    receiver.status = status
    channel = Webhook(kind="webhook", url=f"http://127.0.0.1:{receiver.server_port}/", attempts=3)
    info, turns = await told(office, {"ops": channel})
    assert info == {"notify_result": not code, "notify_error_message": code, "topic_name": "ops"}
    assert turns == attempts


async def test_a_receiver_that_is_not_there(office, receiver):
    """Nobody listens: OMS.0161, after as many attempts as the channel is given."""
    channel = Webhook(kind="webhook", url=f"http://127.0.0.1:{receiver.server_port}/")
    receiver.shutdown()
    receiver.server_close()
    info, turns = await told(office, {"ops": channel})
    assert (info["notify_error_message"], turns) == ("OMS.0161", MAIL_ATTEMPTS)


async def test_a_channel_that_was_taken_out_of_the_settings(office):
    """A notification whose channel is gone is concluded with OMS.0157, and not tried for ever."""
    info, turns = await told(office, {})
    assert (info["notify_result"], info["notify_error_message"], turns) == (False, "OMS.0157", 1)


@pytest.mark.parametrize("state", [Group.TO_DELETE, Group.DELETING])
async def test_a_group_that_is_being_deleted_is_not_changed(office, state):
    """Its windows cannot be changed any more: OMS.1036, and its row is as before."""
    new = NewGroup(
        {"task_type": "prefix", "src_node": {"bucket": "s", "object_key": [""]}, "dst_node": {"bucket": "d"}},
        secrets={},
    )
    made = await office.groups.create(office.alice, new)
    async with office.database.write() as connection:
        row = await group_rows.get_group(connection, made.id, office.alice.project_id)
        assert await group_rows.change_group(connection, row, int(state), office.now, "test")
    with pytest.raises(ApiError) as refused:
        await office.groups.update(office.alice, made.id, POLICY)
    assert (refused.value.code, refused.value.http_status) == ("OMS.1036", 400)
    async with office.database.read() as connection:
        assert not (await group_rows.get_group(connection, made.id, office.alice.project_id)).bandwidth_policy
