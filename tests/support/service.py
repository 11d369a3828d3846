"""A service without its API for tests: a process that runs tasks, and the services on the same database."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from oms_engine.model import Secret
from oms_worker.db import credentials
from oms_worker.db.engine import open_database
from oms_worker.db.events import transitions_of
from oms_worker.db.migrations import upgrade
from oms_worker.secrets import load_ring
from oms_worker.services.caller import Caller, Role
from oms_worker.services.tasks import NewTask, StartTask, TaskService
from oms_worker.services.users import UserService
from oms_worker.settings import load_service_settings
from support import runner_driver


class Service:
    """Services on a database in this process, and the process that runs its tasks."""

    def __init__(self, world, directory, *, name="place", **settings):
        self.name = name
        self.world = world
        self.directory = Path(directory)
        self.place = {
            "settings": {"data_dir": str(self.directory), "work": {"hosts": 1}, **settings},
            "endpoints": {
                "AWS": {"url": world.s3.url, "region": world.s3.region},
                "HuaweiCloud": {"url": world.obs.url, "region": world.obs.region},
            },
        }
        self.settings = load_service_settings(None, **self.place["settings"])
        self.process = None

    async def open(self):
        """Make database, keys and a user."""
        self.database = open_database(self.settings.database_url)
        await upgrade(self.database)
        ring = load_ring(self.settings.key_path, create=True)
        self.tasks = TaskService(self.database, ring, quotas=self.settings.quotas)
        users = UserService(self.database, ring)
        if not await users.users():
            await users.add("alice", project="tests", role=Role.ADMIN)
        (row, *_) = await users.users()
        self.caller = Caller(row.project.id, row.name, Role.ADMIN)
        return self

    async def close(self):
        """End the process without a word and close the database."""
        self.kill()
        await self.database.close()

    # ---- the process

    def start(self):
        """Start the process that runs tasks."""
        path = self.directory / f"{self.name}.json"
        path.write_text(json.dumps(self.place))
        self.process = subprocess.Popen(
            [sys.executable, runner_driver.__file__, path], stdout=subprocess.PIPE, text=True, process_group=0
        )
        word, _, pids = self.process.stdout.readline().partition(" ")
        assert word == "ready"
        self.hosts = json.loads(pids)

    def kill(self):
        """Take the process away without a word; its hosts go by themselves."""
        if self.process is None:
            return
        self.process.kill()
        self.process.communicate()
        deadline = time.monotonic() + 10
        while any(alive(pid) for pid in self.hosts):
            assert time.monotonic() < deadline, "a task host outlived its parent"
            time.sleep(0.02)
        self.process = None

    def shut_down(self):
        """Ask the process to end well; return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        self.process.communicate(timeout=100)
        code, self.process = self.process.returncode, None
        return code

    # ---- tasks

    @property
    def secrets(self):
        """What opens both buckets."""
        source, destination = self.world.s3.credentials, self.world.obs.credentials
        return {
            "src_node.ak": Secret(source.access_key),
            "src_node.sk": source.secret_key,
            "dst_node.ak": Secret(destination.access_key),
            "dst_node.sk": destination.secret_key,
        }

    async def create(self, *, secrets=None, **fields):
        """Create a task between the world's buckets."""
        source = {"cloud_type": "AWS", "bucket": self.world.source.name, "object_key": fields.pop("object_key", [""])}
        request = {
            "task_type": fields.pop("task_type", "prefix"),
            "src_node": source,
            "dst_node": {"bucket": self.world.destination.name},
        }
        new = NewTask(
            {**request, **fields.pop("request", {})},
            self.world.source.name,
            self.world.destination.name,
            self.secrets if secrets is None else secrets,
            **fields,
        )
        return (await self.tasks.create(self.caller, new)).id

    async def restart_task(self, number, **fields):
        """Start a task again, with credentials."""
        await self.tasks.start(self.caller, number, StartTask(self.secrets, **fields))

    async def until(self, number, *statuses, seconds=30.0):
        """Wait for a status; return the row."""
        deadline = time.monotonic() + seconds
        while True:
            row = await self.tasks.show(self.caller, number)
            if row.status in statuses:
                return row
            assert time.monotonic() < deadline, f"status {row.status} instead of {statuses}: {row}"
            await asyncio.sleep(0.02)

    async def kept(self, number):
        """Return the credentials that are kept of a task, None when there are none."""
        async with self.database.read() as connection:
            return await credentials.secrets_of(connection, load_ring(self.settings.key_path), f"task:{number}")

    async def journal(self, number):
        """Return the transitions of a task as ``1>2`` words."""
        async with self.database.read() as connection:
            found = await transitions_of(connection, f"task:{number}")
        return [f"{change.before}>{change.after}" for change in found]


def alive(pid):
    """Whether a process runs (a zombie does not)."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False
