"""Starting and stopping loopback clouds: in a thread of this process, or in a process of their own."""

from __future__ import annotations

import asyncio
import secrets
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Protocol, Self

import uvloop

from oms_adapters.sandbox.client import Cloud
from oms_adapters.sandbox.dialect import Account
from oms_adapters.sandbox.host import DIALECTS, Host, Plan
from oms_engine.store import Endpoint

START_SECONDS = 30.0


class Runner(Protocol):
    """Where the clouds run."""

    def start(self, plan: Plan) -> dict[str, int]:
        """Start them and return their ports."""
        ...

    def command(self, cloud: str, name: str, *arguments: Any) -> Any:
        """Run an inspection command in their event loop and return its value, or raise its error."""
        ...

    def stop(self) -> None:
        """Stop them; nothing is left behind."""
        ...


class ThreadRunner:
    """Clouds in a daemon thread with an event loop of its own."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._host = Host()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox", daemon=True)

    def start(self, plan: Plan) -> dict[str, int]:
        """Start the thread and open the sockets."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._host.start(plan), self._loop).result(START_SECONDS)
        return self._host.ports

    def command(self, cloud: str, name: str, *arguments: Any) -> Any:
        """Run a command in the loop's thread."""

        async def run() -> Any:
            return self._host.command(cloud, name, *arguments)

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result()

    def stop(self) -> None:
        """Close the sockets and end the thread."""
        if self._loop.is_closed():
            return
        asyncio.run_coroutine_threadsafe(self._host.stop(), self._loop).result(START_SECONDS)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(START_SECONDS)
        self._loop.close()


class ProcessRunner:
    """Clouds in a process of their own, commanded over a socket pair; the process ends when the pair closes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None

    def start(self, plan: Plan) -> dict[str, int]:
        """Start the process and open the sockets."""
        ours, theirs = socket.socketpair()
        with theirs:
            fd = theirs.fileno()
            command = [sys.executable, "-m", "oms_adapters.sandbox", "--control", str(fd)]
            self._process = subprocess.Popen(command, pass_fds=[fd], stdin=subprocess.DEVNULL)  # noqa: S603 - ourselves
        self._connection = Connection(ours.detach())
        found: dict[str, int] = self._ask(plan)
        return found

    def command(self, cloud: str, name: str, *arguments: Any) -> Any:
        """Run a command in the process."""
        return self._ask((cloud, name, arguments))

    def stop(self) -> None:
        """Close the control channel and wait for the process."""
        if self._connection is not None:
            self._connection.close()
        if self._process is not None:
            try:
                self._process.wait(5)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    @property
    def pid(self) -> int:
        """The process's id."""
        assert self._process is not None
        return self._process.pid

    def _ask(self, message: Any) -> Any:
        assert self._connection is not None
        with self._lock:
            self._connection.send(message)
            failed, value = self._connection.recv()
        if failed:
            raise value
        return value


def serve_control(fd: int) -> None:
    """Run clouds at the behest of a :class:`ProcessRunner` until it closes the channel."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent, which may want to look at us afterwards
    connection = Connection(fd)
    runner = ThreadRunner()
    connection.send(_attempt(runner.start, connection.recv()))
    while True:
        try:
            cloud, name, arguments = connection.recv()
        except (EOFError, OSError):
            break
        connection.send(_attempt(runner.command, cloud, name, *arguments))
    runner.stop()


def _attempt(function: Callable[..., Any], *arguments: Any) -> tuple[bool, Any]:
    try:
        return False, function(*arguments)
    except Exception as error:  # noqa: BLE001 - it is raised again at the other end
        return True, error


class Sandbox:
    """Clouds on 127.0.0.1, an S3 and an OBS unless others are named, as a context manager.

    ``clouds`` are names of :data:`oms_adapters.sandbox.host.DIALECTS`; each becomes an attribute of that name.
    ``process=True`` runs them in a process of their own, so that client and server do not share an interpreter lock.
    ``certificate`` (paths of a PEM chain and its key) makes them speak https. Ports are free ones unless given
    (``ports`` by cloud name). Access keys are made anew for each sandbox.
    """

    s3: Cloud
    obs: Cloud
    oss: Cloud
    cos: Cloud
    azure: Cloud
    google: Cloud

    def __init__(
        self,
        *,
        clouds: Iterable[str] = ("s3", "obs"),
        process: bool = False,
        s3_port: int = 0,
        obs_port: int = 0,
        ports: Mapping[str, int] | None = None,
        certificate: tuple[str, str] | None = None,
    ) -> None:
        self._runner: Runner = ProcessRunner() if process else ThreadRunner()
        given = {"s3": s3_port, "obs": obs_port, **(ports or {})}
        self._ports = {name: given.get(name, 0) for name in clouds}
        if unknown := self._ports.keys() - DIALECTS.keys():
            raise ValueError(f"no such sandbox cloud: {', '.join(sorted(unknown))}; known: {', '.join(DIALECTS)}")
        self._certificate = certificate

    def start(self) -> Self:
        """Open the clouds; :meth:`stop` closes them."""
        accounts = {name: Account(f"{name.upper()}AK{secrets.token_hex(7).upper()}", secrets.token_hex(20))
                    for name in self._ports}  # fmt: skip
        try:
            ports = self._runner.start(Plan(accounts, self._ports, self._certificate))
        except BaseException:
            self.stop()
            raise
        scheme = "http" if self._certificate is None else "https"
        self.clouds = {
            name: Cloud(name, Endpoint(scheme, "127.0.0.1", ports[name]), accounts[name], self._runner.command)
            for name in self._ports
        }
        for name, cloud in self.clouds.items():
            setattr(self, name, cloud)
        return self

    def stop(self) -> None:
        """Close the clouds and forget what they hold."""
        self._runner.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
