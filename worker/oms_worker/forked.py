"""Child processes of the command line, forked from a process that has every module loaded.

A forked child takes work at once; a spawned one (:mod:`oms_worker.processes`) first spends 0.15 s of a core on its
interpreter and imports, which a run of two seconds feels. Forking is safe only in a process with one thread, and cheap
only in one that holds little. So the command line forks a nursery first of all, before it has loaded anything; that
process loads the modules on another core while this one does, and forks a child whenever one is asked for. A run that
needs none has lost 5 ms by it, and 0.08 s of the other core.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import mmap
import os
import select
import signal
import socket
import sys
import threading
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from oms_worker.fast_exit import flush_output

if TYPE_CHECKING:  # this module loads before anything else does
    from oms_engine.limiter import SharedBlock
    from oms_engine.slots import SlotPlan
    from oms_worker.processes import Started

_MODULES = ("uvloop", "oms_worker.slot_process", "oms_adapters.registry", "oms_adapters.bucketstore")
_LONGEST = 64 * 1024
_FORK_SECONDS = 10.0
"""How long a child may be waited for; it takes milliseconds, and at the very start until the modules are loaded."""


class Nursery:
    """A process that forks children. Make it while this process has one thread; on Linux only.

    Raises:
        OSError: this system lets no process be forked or watched.
    """

    def __init__(self) -> None:
        self._block: SharedBlock = _ForkedLock(), memoryview(mmap.mmap(-1, 4 * 8)).cast("q")
        self._children = False
        here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        flush_output()  # else the child would deliver it too
        pid = os.fork()
        if pid == 0:
            here.close()
            _nurse(there, self._block)
        there.close()
        here.settimeout(_FORK_SECONDS)
        self._here = here
        self._nurse = _Forked(pid)

    def start(self, plan: SlotPlan) -> Started | None:
        """Have a child forked and give it its plan; None when the nursery is lost: then children are spawned."""
        from multiprocessing.connection import Connection  # noqa: PLC0415 - 5 ms, and most runs need no child

        from oms_worker.processes import child_plan  # noqa: PLC0415

        mine, childs = socket.socketpair()
        with childs:
            pid = self._fork(childs)
        if pid is None and not self._children:
            mine.close()
            return None
        connection = Connection(mine.detach())
        if pid is None:  # the limiter lies in memory that no spawned child could share: one that is lost already
            return connection, self._nurse
        self._children = True
        child = _Forked(pid)
        plan.limiter.share(self._block)
        with suppress(OSError):  # it was killed: who reads from it finds out
            connection.send(child_plan(plan))
        return connection, child

    def _fork(self, childs: socket.socket) -> int | None:
        """Have a child forked; None when the nursery is gone, or does not answer and must not do so later."""
        modules = " ".join(name for name in sys.modules if name.startswith("oms_adapters."))
        with suppress(OSError):
            socket.send_fds(self._here, [modules.encode()[:_LONGEST]], [childs.fileno()])
            if pid := self._here.recv(16):
                return int(pid)
        self._here.close()
        return None

    def dismiss(self) -> None:
        """Ask for no further child. It ends while its parent still has things to do: :meth:`close` need not wait."""
        self._here.close()
        if not self._children:
            self._nurse.kill()

    def close(self) -> None:
        """End the nursery; its children must have ended, or end by themselves."""
        self._here.close()
        if self._children:
            self._nurse.join(_FORK_SECONDS)
        self._nurse.kill()  # it may still be loading
        self._nurse.join()


nursery: Nursery | None = None
"""This process's, when it was made for one that runs alone: the command line."""


class _Forked:
    """A forked child, as :class:`oms_worker.processes.ProcessSlot` asks of it."""

    def __init__(self, pid: int) -> None:
        # Nobody waits for a child before the end, so its number is its own.
        self._handle = os.pidfd_open(pid)
        self._watch = select.poll()  # select takes no descriptor above 1,023
        self._watch.register(self._handle, select.POLLIN)
        self._ended = False

    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return not self._has_ended(0)

    def join(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most ``timeout`` seconds."""
        self._has_ended(timeout)

    def kill(self) -> None:
        """End it now."""
        if self.is_alive():
            signal.pidfd_send_signal(self._handle, signal.SIGKILL)

    def _has_ended(self, timeout: float | None) -> bool:
        if not self._ended and self._watch.poll(None if timeout is None else timeout * 1000):
            self._ended = True
            with suppress(ChildProcessError):  # the nursery's, which waits for it itself
                os.waitid(os.P_PIDFD, self._handle, os.WEXITED)
            os.close(self._handle)
        return self._ended


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


def _nurse(there: socket.socket, block: SharedBlock) -> NoReturn:
    """Be the nursery until the parent closes its end, and never return into the parent's program."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's
        for name in _MODULES:
            importlib.import_module(name)
        gc.freeze()  # what lies in memory now is shared with the children, as long as nobody writes to it
        while True:
            modules, handles, _, _ = socket.recv_fds(there, _LONGEST, 1)
            if not handles:  # the parent, which holds the only other end, is gone or done
                break
            for name in modules.decode().split():
                importlib.import_module(name)
            flush_output()
            pid = os.fork()
            if pid == 0:
                there.close()
                _work(handles[0], block)
                break
            os.close(handles[0])
            there.send(str(pid).encode())
        code = 0
    except BaseException:  # noqa: BLE001 - what ends here is said, and ends here
        traceback.print_exc()
    finally:
        with suppress(ChildProcessError):
            while True:  # children end with their parent's end of their pipe; their CPU counts as the command's
                os.wait()
        flush_output()
        os._exit(code)


def _work(handle: int, block: SharedBlock) -> None:
    from multiprocessing.connection import Connection  # noqa: PLC0415

    from oms_engine.limiter import Limiter  # noqa: PLC0415
    from oms_worker.slot_process import serve  # noqa: PLC0415

    connection = Connection(handle)
    plan = connection.recv()
    limiter = Limiter()
    limiter.share(block, join=True)
    serve(connection, plan, limiter)
