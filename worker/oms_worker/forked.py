"""Child processes of the command line, forked before it has threads or an event loop, asleep until there is much to do.

A forked child has every module loaded and takes work at once; a spawned one (:mod:`oms_worker.processes`) first spends
0.15 s of a core on its interpreter and imports, which a run of two seconds feels. Forking is safe only in a process
with one thread that has opened nothing yet, so only the command line does it, first thing, and only on Linux.

:mod:`multiprocessing` is loaded when a child is woken, not before: it costs a small run more than the fork.
"""

from __future__ import annotations

import fcntl
import gc
import mmap
import os
import select
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NoReturn

from oms_engine.limiter import Limiter, SharedBlock
from oms_engine.slots import SlotPlan
from oms_worker.processes import Started, child_plan
from oms_worker.slot_process import serve


class Nursery:
    """Sleeping children. Each is handed out once."""

    def __init__(self, count: int) -> None:
        self._block: SharedBlock = _ForkedLock(), memoryview(mmap.mmap(-1, 4 * 8)).cast("q")
        self._asleep: list[tuple[socket.socket, _Forked]] = []
        gc.freeze()  # what lies in memory now is shared with the children, as long as nobody writes to it
        for _ in range(count):
            here, there = socket.socketpair()
            pid = os.fork()
            if pid == 0:
                _live(there, [here, *(other for other, _ in self._asleep)], self._block)
            there.close()
            self._asleep.append((here, _Forked(pid)))

    def start(self, plan: SlotPlan) -> Started | None:
        """Wake a child and give it its plan; None when there is none any more."""
        from multiprocessing.connection import Connection  # noqa: PLC0415

        while self._asleep:
            here, child = self._asleep.pop(0)
            plan.limiter.share(self._block)
            connection = Connection(here.detach())
            with suppress(OSError):  # it was killed in its sleep
                connection.send(child_plan(plan))
                return connection, child
            connection.close()
            child.join()
        return None

    def close(self) -> None:
        """Send those home that were not needed."""
        for here, _ in self._asleep:
            here.close()
        for _, child in self._asleep:
            child.join()
        self._asleep.clear()


@contextmanager
def nursery(processes: int) -> Iterator[Nursery | None]:
    """Fork ``processes - 1`` sleeping children, where that can be done; else give None: then they are spawned.

    Call it before anything starts a thread, opens a file or runs an event loop.
    """
    if processes < 2 or sys.platform != "linux" or threading.active_count() > 1:
        yield None
        return
    children = Nursery(processes - 1)
    try:
        yield children
    finally:
        children.close()


class _Forked:
    """A forked child, as :class:`oms_worker.processes.ProcessSlot` asks of it."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._handle = os.pidfd_open(pid)
        self._ended = False

    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        if not self._ended:
            with suppress(ChildProcessError):
                if os.waitpid(self._pid, os.WNOHANG)[0] == 0:
                    return True
            self._ended = True
            os.close(self._handle)
        return False

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most ``timeout`` seconds."""
        if not self._ended:
            select.select([self._handle], [], [], timeout)
            self.is_alive()

    def kill(self) -> None:
        """End it now."""
        if self.is_alive():
            os.kill(self._pid, signal.SIGKILL)


class _ForkedLock:
    """A lock between the threads of forked processes; the kernel takes it from a holder that dies."""

    def __init__(self) -> None:
        self._threads = threading.Lock()
        self._file = os.memfd_create("openoms-lock")

    def acquire(self, _blocking: bool = True, _timeout: float = -1) -> bool:
        self._threads.acquire()
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        return True

    def release(self) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN)
        self._threads.release()


def _live(there: socket.socket, others: Sequence[socket.socket], block: SharedBlock) -> NoReturn:
    """Be a child until the parent is done with it, and never return into the parent's program."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
        for other in others:
            other.close()
        if there.recv(1, socket.MSG_PEEK):  # nothing: the parent, which holds the only other end, is gone
            _work(there, block)
        code = 0
    except BaseException:  # noqa: BLE001 - what ends here is said, and ends here
        traceback.print_exc()
    finally:
        os._exit(code)


def _work(there: socket.socket, block: SharedBlock) -> None:
    from multiprocessing.connection import Connection  # noqa: PLC0415

    connection = Connection(there.detach())
    plan = connection.recv()
    limiter = Limiter()
    limiter.share(block, join=True)
    serve(connection, plan, limiter)
