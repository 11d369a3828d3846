"""Task hosts: child processes in which migrations run, so that the API's event loop never shares a core with data.

A task goes to the host that has the fewest. What a host says comes as calls of :class:`HostListener`, on the event
loop. A host that dies is replaced, and its tasks are told as lost; the runner lets them go on elsewhere.
"""

from __future__ import annotations

import asyncio
import logging
import multiprocessing
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, Protocol

from oms_engine.bandwidth import BandwidthPolicy
from oms_worker.figures import Look
from oms_worker.host_process import Ended, HostTask, serve

log = logging.getLogger(__name__)

EXIT_SECONDS = 6.0
"""How long a host that was told to close may take."""
REVIVE_SECONDS = 1.0
"""Between two attempts to replace a host that died."""
NICENESS = 5
"""Added to a host's (https://man7.org/linux/man-pages/man2/nice.2.html): where processors are short, an answer of the
API, which takes milliseconds of one, goes before data, which takes all there is."""


class HostListener(Protocol):
    """Who hears what hosts say. The calls are quick and do not raise."""

    def on_ready(self) -> None:
        """A host is there to take tasks."""
        ...

    def on_looks(self, looks: Mapping[tuple[int, int], Look]) -> None:
        """Tasks (id, generation) stand like this."""
        ...

    def on_ended(self, ended: Ended) -> None:
        """A task has ended or paused; its host has forgotten it."""
        ...

    def on_lost(self, tasks: Mapping[int, int]) -> None:
        """The host of these tasks (id -> generation) died."""
        ...


class Hosts:
    """The task hosts of this process."""

    def __init__(self, count: int, listener: HostListener) -> None:
        self._count = count
        self._listener = listener
        self._hosts: list[_Host] = []
        self._closing = False
        self._reviving: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Start the processes; on the event loop that hears them."""
        self._hosts = [_Host(self) for _ in range(self._count)]

    @property
    def pids(self) -> list[int]:
        """Process ids of the hosts."""
        return [host.pid for host in self._hosts]

    @property
    def running(self) -> dict[int, int]:
        """Every task in a host: id -> generation."""
        return {number: generation for host in self._hosts for number, generation in host.tasks.items()}

    @property
    def ready(self) -> bool:
        """Whether a host is there to take tasks."""
        return any(host.ready for host in self._hosts)

    def run(self, task: HostTask) -> None:
        """Start a task in the host with the fewest; when none is ready it is told as lost."""
        host = min((host for host in self._hosts if host.ready), key=lambda host: len(host.tasks), default=None)
        if host is None:
            asyncio.get_running_loop().call_soon(self._listener.on_lost, {task.id: task.generation})
            return
        host.tasks[task.id] = task.generation
        host.say("start", task)

    def pause(self, task_id: int) -> None:
        """Pause a task: its end is told within a few seconds."""
        self._tell(task_id, "pause", task_id)

    def cut(self, task_id: int) -> None:
        """End a task at once."""
        self._tell(task_id, "cut", task_id)

    def set_bandwidth(self, task_id: int, policy: BandwidthPolicy) -> None:
        """Change the windows of a task."""
        self._tell(task_id, "bandwidth", task_id, policy)

    def _tell(self, task_id: int, *message: Any) -> None:
        for host in self._hosts:
            if task_id in host.tasks:
                host.say(*message)

    def kill_host_of(self, task_id: int) -> None:
        """End the host of a task without a word: it does not hear us. Its other tasks are told as lost."""
        for host in self._hosts:
            if task_id in host.tasks:
                host.kill()

    def kill(self) -> None:
        """End all hosts without a word: this process must not go on with its tasks. They are replaced."""
        for host in self._hosts:
            host.kill()

    async def close(self) -> None:
        """Stop all hosts; what still runs in them is cut off."""
        self._closing = True
        for task in self._reviving:
            task.cancel()
        for host in self._hosts:
            host.say("close")
        await asyncio.gather(*(asyncio.to_thread(host.join) for host in self._hosts))
        self._hosts = []

    # ---- what hosts say ---------------------------------------------------------------------------------------------

    def heard(self, host: _Host, word: str, *values: Any) -> None:
        """Pass a message of a host on."""
        match word, values:
            case "ready", ():
                host.ready = True
                self._listener.on_ready()
            case "looks", (looks,):
                self._listener.on_looks(looks)
            case "ended", (Ended() as ended,):
                if host.tasks.get(ended.id) == ended.generation:
                    del host.tasks[ended.id]
                self._listener.on_ended(ended)

    def gone(self, host: _Host) -> None:
        """Tell of a dead host's tasks and replace it."""
        if self._closing or host not in self._hosts:
            return
        log.error("a task host (process %s) died with %s tasks", host.pid, len(host.tasks))
        self._hosts.remove(host)
        lost, host.tasks = host.tasks, {}
        if lost:
            self._listener.on_lost(lost)
        task = asyncio.get_running_loop().create_task(self._revive())
        self._reviving.add(task)
        task.add_done_callback(self._reviving.discard)

    async def _revive(self) -> None:
        while not self._closing:
            await asyncio.sleep(REVIVE_SECONDS)
            try:
                self._hosts.append(_Host(self))
            except OSError as error:
                log.error("a task host cannot be started: %s", error.strerror)  # noqa: TRY400 - tried again
            else:
                return


def serve_below(connection: Connection) -> None:
    """Be a task host that leaves the processors to the API first; the main function of the child."""
    os.nice(NICENESS)
    serve(connection)


class _Host:
    """A child process, seen from here."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._loop = asyncio.get_running_loop()
        self.tasks: dict[int, int] = {}
        self.ready = False
        context = multiprocessing.get_context("spawn")
        self._connection, there = context.Pipe()
        self._process = context.Process(target=serve_below, args=(there,), name="openoms-host", daemon=True)
        self._process.start()
        there.close()
        self._reader = threading.Thread(target=self._read, args=(self._connection,), name="host-reader", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid or 0

    def say(self, *message: Any) -> None:
        """Send a message; a dead host hears nothing, its reader tells of the loss."""
        with suppress(OSError, ValueError):
            self._connection.send(message)

    def kill(self) -> None:
        self._process.kill()

    def join(self) -> None:
        """Wait for the end; a host that takes too long is killed. In a thread."""
        self._process.join(EXIT_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._connection.close()
        self._reader.join(EXIT_SECONDS)

    def _read(self, connection: Connection) -> None:
        with suppress(EOFError, OSError, RuntimeError):
            while True:
                message = connection.recv()
                self._loop.call_soon_threadsafe(self._hosts.heard, self, *message)
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._hosts.gone, self)
