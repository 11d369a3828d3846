"""Tasks for tests of the service: callers, new tasks, a runner's words without a runner."""

from __future__ import annotations

from oms_engine.model import Secret
from oms_worker.db import credentials
from oms_worker.db import tasks as rows
from oms_worker.db.engine import Database
from oms_worker.secrets import KeyRing, load_ring
from oms_worker.services.caller import Caller, Role
from oms_worker.services.groups import GroupService
from oms_worker.services.syncs import SyncService
from oms_worker.services.tasks import NewTask, TaskService, add_task
from oms_worker.services.users import UserService
from oms_worker.settings import Quotas, Syncs
from oms_worker.states import TASK, Task, after_event

SECRETS = {"src_node.ak": Secret("AK"), "src_node.sk": Secret("hush-source"), "dst_node.sk": Secret("hush-destination")}
POLICY = [{"start": "08:00", "end": "18:00", "max_bandwidth": 5 * 1024**2}]


class Office:
    """Task service, two projects with users, and a clock to be set."""

    def __init__(self, database: Database, ring: KeyRing, quotas: Quotas, limits: Syncs):
        self.database = database
        self.ring = ring
        self.now = 1_790_000_000.0
        self.woken = 0
        self.tasks = TaskService(database, ring, quotas=quotas, clock=lambda: self.now, wake=self._wake)
        common = {"quotas": quotas, "clock": lambda: self.now, "wake": self._wake}
        self.groups = GroupService(database, ring, **common)
        self.syncs = SyncService(database, ring, limits=limits, **common)
        self.users = UserService(database, ring, clock=lambda: self.now)

    def _wake(self):
        self.woken += 1

    async def open(self):
        """Make the users."""
        for name, project, role in (
            ("alice", "one", Role.OPERATOR),
            ("rita", "one", Role.READONLY),
            ("bob", "two", Role.OPERATOR),
        ):
            key = await self.users.add(name, project=project, role=role)
            setattr(self, name, Caller(key.project.id, name, role))
        return self

    async def create(self, caller=None, **fields):
        """Create a task; return its row."""
        self.now += 1
        new = NewTask({"task_type": "prefix"}, "src", "dst", **{"secrets": SECRETS, **fields})
        return await self.tasks.create(caller or self.alice, new)

    async def subtask(self, **fields):
        """Make a sub-task as a group or sync task does; return its row."""
        self.now += 1
        async with self.database.write() as connection:
            new = NewTask({"task_type": "prefix"}, "src", "dst", **fields)
            return await add_task(connection, self.ring, self.alice.project_id, new, self.now, "test")

    async def kept(self, subject):
        """Return the credentials that are kept under a name, None when there are none."""
        async with self.database.read() as connection:
            return await credentials.secrets_of(connection, self.ring, subject)

    async def event(self, number, event, **values):
        """Let the runner say something; False when it is late."""
        async with self.database.write() as connection:
            row = await rows.get_task(connection, number)
            after = after_event(TASK, Task(row.status), event) if row else None
            return after is not None and await rows.change_task(connection, row, int(after), self.now, "test", **values)

    async def claim(self, number, owner="node"):
        """Let a node take a task."""
        async with self.database.write() as connection:
            return await rows.claim_task(connection, number, owner, self.now)

    async def row(self, number):
        """Return a task's row whoever it belongs to, None when there is none."""
        async with self.database.read() as connection:
            return await rows.get_task(connection, number)


async def open_office(database, folder, quotas=None, limits=None):
    """Open an office."""
    return await Office(database, load_ring(folder / "keys", create=True), quotas or Quotas(), limits or Syncs()).open()
