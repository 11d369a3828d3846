"""A real ``openoms serve`` process, and the official SDK as its client."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import httpx
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkoms.v2 import CreateTaskReq, CreateTaskRequest, DstNodeReq, OmsClient, ShowTaskRequest, SrcNodeReq

from oms_engine.model import Secret
from oms_worker.services.caller import Role
from oms_worker.services.users import UserService
from oms_worker.settings import load_service_settings
from openoms.foundations import open_foundations

__all__ = ["Role", "Served", "running"]

READY = re.compile(r"serving OMS's API on (\S+)")


def environment():
    """This process's environment without settings of OpenOMS and proxies."""
    drop = ("OPENOMS_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(drop)}


class Served:
    """``openoms serve`` on a folder of its own."""

    def __init__(self, folder, clouds=(), database=None, **settings):
        self.folder = Path(folder)
        self.config = self.folder / "service.toml"
        self.folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{name} = {json.dumps(value)}" for name, value in settings.items() if not isinstance(value, dict)]
        lines += [f"data_dir = {json.dumps(str(self.folder / 'data'))}"]
        lines += [f"database = {json.dumps(database)}"] if database else []
        for name, table in {"work": {"hosts": 1}, **settings}.items():
            if isinstance(table, dict):
                lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
        for cloud_type, cloud in clouds:
            lines += [f"[endpoints.{cloud_type}.{cloud.region}]", f'endpoint = "{cloud.url}"', 'addressing = "path"']
        self.config.write_text("\n".join(lines))
        self.config.chmod(0o600)
        self.process = None
        self.variables = {}
        """What is in the environment of its processes besides this process's own."""

    def openoms(self, *arguments, **options):
        """Run a command of ``openoms`` on these settings; return the finished process."""
        command = [sys.executable, "-m", "openoms.cli", *arguments, "--config", str(self.config)]
        variables = environment() | self.variables
        return subprocess.run(command, capture_output=True, text=True, check=False, env=variables, **options)

    def add_user(self, name, **options):
        """Make a user; return its keys."""
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        done = self.openoms("user", "add", name, "--json", "--password", *words, input=f"password-of-{name}\n")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def add_users(self, **users):
        """Make users without the command line, which takes longer: name -> options of the service; return their keys."""
        return asyncio.run(self._add_users(users))

    async def _add_users(self, users):
        async with open_foundations(load_service_settings(self.config)) as found:
            service, made = UserService(found.database, found.keys, password_cost=2**10), {}
            for name, given in users.items():
                options = {"project": "default", **given}
                key = await service.add(name, password=Secret(f"password-of-{name}"), **options)
                made[name] = {
                    "access_key": key.access_key,
                    "secret_key": key.secret_key.reveal(),
                    "project_id": key.project.id,
                }
            return SimpleNamespace(**made)

    def start(self, *arguments):
        """Start the process; wait until it listens."""
        command = [
            sys.executable,
            "-m",
            "openoms.cli",
            "serve",
            "--port",
            "0",
            "--config",
            str(self.config),
            *arguments,
        ]
        log = self.folder / "serve.log"
        with log.open("w") as file:
            self.process = subprocess.Popen(
                command, stderr=file, stdout=file, env=environment() | self.variables, stdin=subprocess.DEVNULL
            )
        self._wait(log)
        return self

    def _wait(self, log):
        deadline = time.monotonic() + 90  # a machine that does much else
        while not (found := READY.search(log.read_text())):
            assert self.process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.02)
        self.url = found[1]

    def refused(self):
        """Start the process where it must not come up; return the one sentence it ends with."""
        done = self.openoms("serve", "--port", "0", timeout=90)
        assert done.returncode not in {0, None}, done.stderr
        assert "Traceback" not in done.stderr
        (sentence,) = [line for line in done.stderr.splitlines() if line.startswith("openoms: ")]
        return sentence

    def ready(self):
        """Whether it says that it can serve."""
        return httpx.get(f"{self.url}/readyz", trust_env=False).status_code == 200

    def stop(self):
        """Ask it to end well; return its exit code."""
        if self.process is None:
            return None
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(60)
        self.process = None
        return code

    @property
    def log(self):
        """What the process has said."""
        return (self.folder / "serve.log").read_text()

    def client(self, keys):
        """The official SDK as a user."""
        credentials = BasicCredentials(keys["access_key"], keys["secret_key"], keys["project_id"])
        return OmsClient.new_builder().with_credentials(credentials).with_endpoint(self.url).build()

    def token(self, name, project=None):
        """Obtain a token by password."""
        user = {"name": name, "password": f"password-of-{name}", "domain": {"name": "default"}}
        body = {"auth": {"identity": {"methods": ["password"], "password": {"user": user}}}}
        if project:
            body["auth"]["scope"] = {"project": {"name": project}}
        reply = httpx.post(f"{self.url}/v3/auth/tokens", json=body, trust_env=False)
        assert reply.status_code == 201, reply.text
        return reply.headers["X-Subject-Token"]

    def http(self, name):
        """An HTTP client with a token of a user."""
        return httpx.Client(base_url=self.url, headers={"X-Auth-Token": self.token(name)}, trust_env=False, timeout=30)


def refusal(reply):
    """Status and code of a refusal, which always has both fields and a request id."""
    told = reply.json()
    assert set(told) == {"error_code", "error_msg"}
    assert told["error_msg"]
    assert reply.headers["X-Request-Id"]
    return reply.status_code, told["error_code"]


def create(client, world, **fields):
    """Create a task of the whole bucket with the SDK; return its id."""
    source = SrcNodeReq(**world.src_node, object_key=fields.pop("object_key", [""]))
    destination = DstNodeReq(**world.dst_node)
    body = CreateTaskReq(task_type=fields.pop("task_type", "prefix"), src_node=source, dst_node=destination, **fields)
    return client.create_task(CreateTaskRequest(body=body)).id


def until(client, number, *statuses, seconds=30):
    """Wait for a status of a task with the SDK; return the task."""
    deadline = time.monotonic() + seconds
    while True:
        task = client.show_task(ShowTaskRequest(task_id=number))
        if task.status in statuses:
            return task
        assert time.monotonic() < deadline, f"{task.status} instead of {statuses}: {task}"
        time.sleep(0.1)


@contextmanager
def running(made, *arguments):
    """Serve within a block; the process ends with it, whatever happens, and well."""
    try:
        yield made.start(*arguments)
    finally:
        code = made.stop()
    assert code == 0, made.log
    assert "Traceback" not in made.log
