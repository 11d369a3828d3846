"""The outbox of notifications on both databases: told once, tried again, given up, and what is written down of it."""

import asyncio

import pytest

from oms_engine.task import Counters, Result, TaskState
from oms_worker import notify
from oms_worker.channels import Undelivered
from oms_worker.db import notifications as rows
from oms_worker.notify import Notifier
from oms_worker.services.tasks import NewTask
from oms_worker.settings import load_service_settings
from oms_worker.states import Event, Task
from support.tasks import SECRETS, open_office

SMN = {"topic_urn": "urn:smn:local:p:ops", "trigger_conditions": ["SUCCESS", "FAILURE"], "language": "en-us"}
REQUEST = {"task_type": "prefix", "src_node": {"bucket": "a"}, "dst_node": {"bucket": "b"}, "smn_config": SMN}
ENDED = {Event.SUCCEEDED: TaskState.SUCCEEDED, Event.FAILED: TaskState.FAILED}


class Desk:
    """Two notifiers on one database, a clock to be set, and a channel whose answers are given."""

    def __init__(self, database, office, settings):
        self.database = database
        self.office = office
        self.answers = []
        self.told = []
        self.now = office.now
        self.notifiers = [Notifier(database, settings, clock=lambda: self.now) for _ in range(2)]

    async def deliver(self, channel, message, work, now):
        """Answer in the channel's place: the HTTP and SMTP of it have their own tests."""
        self.told.append(message)
        await asyncio.sleep(0)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer

    async def end(self, event=Event.SUCCEEDED, config=SMN):
        """Let a task end; return its row."""
        office, new = self.office, NewTask({**REQUEST, "smn_config": config}, "a", "b", SECRETS)
        made = await office.tasks.create(office.alice, new)
        await self.office.claim(made.id)
        await self.office.event(made.id, event, owner=None)
        row = await self.office.row(made.id)
        async with self.database.write() as connection:
            await self.notifiers[0].on_task_end(connection, row, Result(ENDED[event], Counters(), 0.0))
        return row

    async def turn(self, both=False):
        """Let one node send what is due, or both at once; return how many attempts were made so far."""
        await asyncio.gather(*(notifier.turn() for notifier in self.notifiers[: 2 if both else 1]))
        return len(self.told)

    async def due(self):
        """What lies in the outbox."""
        async with self.database.read() as connection:
            return await rows.due(connection, 1e12, 100)


@pytest.fixture
async def desk(database, tmp_path, monkeypatch):
    """A desk with one webhook channel that is tried four times."""
    office = await open_office(database, tmp_path)
    channel = {"kind": "webhook", "url": "http://127.0.0.1:1/", "attempts": 4}
    made = Desk(database, office, load_service_settings(None, data_dir=str(tmp_path), channels={"ops": channel}))
    monkeypatch.setattr(notify, "deliver", made.deliver)
    return made


def busy():
    """A failure that may pass."""
    return Undelivered("OMS.0156", "the webhook answered 503")


async def test_an_end_is_told_once_by_whichever_node(desk):
    """Two nodes that send at once tell it once; its result is success, the outbox is empty."""
    row = await desk.end()
    assert await desk.turn(both=True) == 1
    assert (await desk.office.row(row.id)).smn_info == {
        "notify_result": True,
        "notify_error_message": "",
        "topic_name": "ops",
    }
    assert await desk.due() == []
    assert await desk.turn(both=True) == 1


async def test_attempts_are_paced_and_counted(desk):
    """After a failure it waits 2, 4, 8 s; the fourth failure is the end, with the last code; each has the same id."""
    row = await desk.end()
    desk.answers = [busy(), busy(), busy(), Undelivered("OMS.0161", "unreachable")]
    for attempt, pause in enumerate((2, 4, 8), 1):
        assert await desk.turn() == attempt
        desk.now += pause - 0.5
        assert await desk.turn() == attempt
        desk.now += 0.5
    assert await desk.turn() == 4
    assert (await desk.office.row(row.id)).smn_info["notify_error_message"] == "OMS.0161"
    assert len({message.id for message in desk.told}) == 1
    assert await desk.due() == []


async def test_a_refusal_is_not_repeated(desk):
    """What would end in the same way is tried once."""
    row = await desk.end()
    desk.answers = [Undelivered("OMS.0158", "the webhook answered 403", final=True)]
    await desk.turn()
    assert (await desk.office.row(row.id)).smn_info["notify_error_message"] == "OMS.0158"
    assert await desk.due() == []


async def test_who_dies_while_sending_leaves_it_to_others(desk):
    """A notification that was taken and never concluded is sent again after the lease, under the same id."""
    await desk.end()
    (item,) = await desk.due()
    async with desk.database.write() as connection:
        assert await rows.take(connection, item, desk.now + notify.LEASE_SECONDS)
    assert await desk.turn() == 0
    desk.now += notify.LEASE_SECONDS
    assert await desk.turn() == 1
    assert desk.told[0].id == item.id


async def test_a_channel_that_is_gone(desk):
    """A notification whose channel the settings do not know any more ends as OMS.0157, untried."""
    row = await desk.end(config={**SMN, "topic_urn": "urn:smn:local:p:gone"})
    assert await desk.turn() == 0
    assert (await desk.office.row(row.id)).smn_info == {
        "notify_result": False,
        "notify_error_message": "OMS.0157",
        "topic_name": "gone",
    }


@pytest.mark.parametrize("event", [Event.SUCCEEDED, Event.FAILED])
@pytest.mark.parametrize("triggers", [["SUCCESS"], ["FAILURE"], ["SUCCESS", "FAILURE"]])
async def test_only_triggers_asked_for(desk, event, triggers):
    """An end is told exactly when its kind was asked for."""
    await desk.end(event, {**SMN, "trigger_conditions": triggers})
    wanted = ("SUCCESS" if event is Event.SUCCEEDED else "FAILURE") in triggers
    assert await desk.turn() == int(wanted)


async def test_a_task_that_is_deleted_meanwhile_is_told_of(desk):
    """Its end is told all the same, and there is no row left to write the result into."""
    row = await desk.end()
    await desk.office.tasks.delete(desk.office.alice, row.id)
    assert await desk.turn() == 1
    assert await desk.due() == []
    assert Task(row.status) is Task.SUCCEEDED
