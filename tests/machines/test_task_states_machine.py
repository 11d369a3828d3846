"""Any sequence of calls and of a runner's words, against a model written from OMS's documents."""

import asyncio
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from oms_worker.db import credentials
from oms_worker.db.engine import open_database
from oms_worker.db.events import transitions_of
from oms_worker.db.migrations import upgrade
from oms_worker.db.tasks import TaskFilter
from oms_worker.errors import Refused
from oms_worker.services.tasks import BatchUpdate, StartTask
from oms_worker.states import Call, Event
from support.tasks import POLICY, SECRETS, open_office

WAITING, MIGRATING, PAUSED, FAILED, SUCCEEDED, PAUSING = 1, 2, 3, 4, 5, 7


HISTORIES = (
    (),
    (Event.CLAIMED,),
    (Event.CLAIMED, Call.STOP, Event.RELEASED),
    (Event.CLAIMED, Event.FAILED),
    (Event.CLAIMED, Event.SUCCEEDED),
    (Event.CLAIMED, Call.STOP),
)
"""What leads to each state: a task of each is there from the start."""


@dataclass
class Model:
    """What OMS's documents say of one task."""

    status: int = WAITING
    run: int = 1
    claims: int = 0
    retry: bool = False
    failed_num: int = 0
    done: bool = False
    """It was complete when it was paused."""
    policy: tuple = ()
    priority: str = "MEDIUM"
    journal: tuple = (WAITING,)

    def become(self, status):
        """Take a state that the journal must show."""
        self.status = status
        self.journal = (*self.journal, status)


class TaskStates(RuleBasedStateMachine):
    """Two projects, one database, no runner: its words are rules."""

    tasks = Bundle("tasks")

    @initialize(target=tasks)
    def begin(self):
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory()
        self.do(self.open())
        self.models = {}
        return multiple(*(self.made(*events) for events in HISTORIES))

    def made(self, *events):
        """Make a task and lead it to a state."""
        number = self.create_one()
        for event in events:
            if event is Call.STOP:
                self.stop_one(number)
            elif event is Event.CLAIMED:
                self.claim_one(number)
            else:
                self.end_one(number, event, 1)
        return number

    async def open(self):
        self.database = open_database(f"sqlite+aiosqlite:///{self.folder.name}/x.db")
        await upgrade(self.database)
        self.office = await open_office(self.database, Path(self.folder.name))

    def do(self, work):
        return self.loop.run_until_complete(work)

    def teardown(self):
        if hasattr(self, "loop"):
            self.do(self.database.close())
            self.loop.close()
            self.folder.cleanup()

    def call(self, work, code):
        """Make a call that must be refused with ``code``, or carried out when it is None."""
        if code is None:
            self.do(work)
            return True
        with pytest.raises(Refused) as refused:
            self.do(work)
        assert refused.value.code == code
        return False

    # ---- calls

    @precondition(lambda self: len(self.models) < 8)
    @rule(target=tasks)
    def create(self):
        return self.create_one()

    def create_one(self):
        row = self.do(self.office.create())
        self.models[row.id] = Model()
        return row.id

    @rule(number=tasks, retry=st.booleans())
    def start(self, number, retry):
        model = self.models[number]
        code = {PAUSED: None, FAILED: None, SUCCEEDED: "OMS.0070"}.get(model.status, "OMS.0065")
        if code is None and retry and not model.failed_num:
            code = "OMS.1027"
        start = StartTask(SECRETS, migrate_failed_object=retry)
        if self.call(self.office.tasks.start(self.office.alice, number, start), code):
            if model.status == FAILED or model.done or retry != model.retry:
                model.run += 1
                model.failed_num = 0
            model.done = False
            model.retry = retry
            model.become(WAITING)

    @rule(number=tasks)
    def stop(self, number):
        self.stop_one(number)

    def stop_one(self, number):
        model = self.models[number]
        code = {MIGRATING: None, SUCCEEDED: "OMS.0070"}.get(model.status, "OMS.0066")
        if self.call(self.office.tasks.stop(self.office.alice, number), code):
            model.become(PAUSING)

    @rule(number=tasks)
    def halt(self, number):
        model = self.models[number]
        code = {MIGRATING: None, SUCCEEDED: None}.get(model.status, "OMS.0066")
        if self.call(self.office.tasks.stop(self.office.alice, number, Call.HALT), code):
            model.done = model.status == SUCCEEDED
            model.become(PAUSED if model.done else PAUSING)

    @rule(number=consumes(tasks), target=tasks)
    def delete(self, number):
        busy = self.models[number].status in {MIGRATING, PAUSING}
        if self.call(self.office.tasks.delete(self.office.alice, number), "OMS.0063" if busy else None):
            del self.models[number]
            assert self.do(self.office.row(number)) is None
            return multiple()
        return number

    @rule(number=tasks, policy=st.sampled_from([(), tuple(POLICY)]))
    def set_bandwidth(self, number, policy):
        model = self.models[number]
        code = "OMS.0086" if model.status == SUCCEEDED else None
        if self.call(self.office.tasks.set_bandwidth(self.office.alice, number, policy), code):
            model.policy = policy

    @rule(number=tasks, priority=st.sampled_from(["HIGH", "LOW"]))
    def set_priority(self, number, priority):
        model = self.models[number]
        code = None
        if model.status == SUCCEEDED:
            code = "OMS.0086"
        elif model.status in {MIGRATING, PAUSING} and priority != model.priority:
            code = "OMS.1003"
        change = BatchUpdate([], ids=[number], priority=priority)
        if self.call(self.office.tasks.batch_update(self.office.alice, change), code):
            model.priority, model.policy = priority, ()

    @rule(number=tasks)
    def another_project(self, number):
        for work in (
            self.office.tasks.stop(self.office.bob, number),
            self.office.tasks.delete(self.office.bob, number),
            self.office.tasks.start(self.office.bob, number, StartTask(SECRETS)),
        ):
            assert not self.call(work, "OMS.1009")

    # ---- the runner's words

    @rule(number=tasks)
    def claim(self, number):
        self.claim_one(number)

    def claim_one(self, number):
        model = self.models[number]
        claimed = self.do(self.office.claim(number))
        assert (claimed is not None) == (model.status == WAITING)
        if claimed is not None:
            model.claims += 1
            model.become(MIGRATING)

    @rule(
        number=tasks, event=st.sampled_from([Event.SUCCEEDED, Event.FAILED, Event.RELEASED]), failed=st.integers(0, 2)
    )
    def end(self, number, event, failed):
        self.end_one(number, event, failed)

    def end_one(self, number, event, failed):
        model = self.models[number]
        values = {"ended_at": self.office.now} if model.status == MIGRATING and event is not Event.RELEASED else {}
        done = self.do(self.office.event(number, event, owner=None, failed_num=failed, **values))
        assert done == (model.status in {MIGRATING, PAUSING})
        if done:
            ends = {Event.SUCCEEDED: SUCCEEDED, Event.FAILED: FAILED, Event.RELEASED: WAITING}
            model.become(PAUSED if model.status == PAUSING else ends[event])
            model.failed_num = failed

    @rule(number=tasks)
    def expire(self, number):
        model = self.models[number]
        assert self.do(self.office.event(number, Event.EXPIRED)) == (model.status == WAITING)
        if model.status == WAITING:
            model.become(FAILED)

    # ---- what always holds

    @invariant()
    def rows_are_the_model(self):
        if not hasattr(self, "models"):
            return
        page = self.do(self.office.tasks.list(self.office.alice, TaskFilter("", limit=100)))
        assert page.count == len(self.models)
        for row in page.tasks:
            model = self.models[row.id]
            assert (row.status, row.run, row.generation) == (model.status, model.run, model.claims)
            assert (row.priority, tuple(row.bandwidth_policy)) == (model.priority, model.policy)
            assert (row.owner is not None) == (row.status in {MIGRATING, PAUSING})
            assert self.do(self.journal(row)) == model.journal

    async def journal(self, row):
        async with self.database.read() as connection:
            changes = await transitions_of(connection, row.subject)
            assert await credentials.secrets_of(connection, self.office.ring, row.subject) is not None
        assert [change.before for change in changes[1:]] == [change.after for change in changes[:-1]]
        return tuple(int(change.after) for change in changes)


TestTaskStates = TaskStates.TestCase
TestTaskStates.__doc__ = "Whatever is called in whatever order, states, codes and journal are those of the documents."
TestTaskStates.settings = settings(
    max_examples=25, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
