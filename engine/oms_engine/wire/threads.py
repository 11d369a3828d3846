"""Threads that run errands for an event loop.

:class:`concurrent.futures.ThreadPoolExecutor` behind ``run_in_executor`` does the same by two futures, a lock and a
condition per errand, and has its caller wait for the start of every thread: a third of what a body of a few megabytes
costs the interpreter.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Generic, TypeVar

R = TypeVar("R")


class Errand(Generic[R]):
    """Work for one thread. Made by the event loop that waits for its ``outcome``."""

    __slots__ = ("_done", "_loop", "_turn", "_work", "outcome")

    def __init__(self, work: Callable[[], R]) -> None:
        self._work = work
        self._loop = asyncio.get_running_loop()
        self._turn = [True]
        self._done = False
        self.outcome: asyncio.Future[R] = self._loop.create_future()
        """What the work returned or raised."""

    def run(self) -> None:
        """Do the work, in a thread."""
        if not self.withdraw():
            return
        value: R | None = None
        failure: BaseException | None = None
        try:
            value = self._work()
        except BaseException as error:  # noqa: BLE001 - whatever it is belongs to whoever waits
            failure = error
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            self._loop.call_soon_threadsafe(self._settle, value, failure)

    async def ended(self) -> None:
        """Wait, after ``outcome`` was cancelled, until no thread works on it; one that has not begun never will."""
        if self.withdraw() or self._done:
            return
        self.outcome = self._loop.create_future()
        with suppress(Exception):
            await self.outcome

    def withdraw(self) -> bool:
        """Whether the work was still to be begun; from now on nobody else begins it. Atomic, for any thread."""
        try:
            return self._turn.pop()
        except IndexError:
            return False

    def _settle(self, value: R | None, failure: BaseException | None) -> None:
        self._done = True
        if self.outcome.done():
            return
        if failure is None:
            self.outcome.set_result(value)  # type: ignore[arg-type]
        else:
            self.outcome.set_exception(failure)


class Threads:
    """Up to ``most`` threads, each started when it is needed: the first by who submits, others by the one before."""

    def __init__(self, most: int, name: str) -> None:
        self._most = self._wanted = most
        self._name = name
        self._lock = threading.Lock()
        self._errands: SimpleQueue[Errand[object] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._queued = 0
        self._free = 0
        """Threads that wait for an errand."""
        self._starting = False
        self._closed = False

    def submit(self, errand: Errand[R], *, at_once: int | None = None) -> None:
        """Have an errand run as soon as a thread is free; from now on ``at_once`` are run at the same time.

        Raises:
            RuntimeError: there is none and none can be started, or the threads were told to end.
        """
        with self._lock:
            if self._closed:
                raise RuntimeError("the threads were told to end")
            if at_once is not None:
                self._wanted = max(1, min(at_once, self._most))
            self._queued += 1
            self._errands.put(errand)  # type: ignore[arg-type]
            another = self._another()
        if not self._start(another):
            errand.withdraw()
            raise RuntimeError("the system lets no thread be started")

    def close(self) -> None:
        """Let every thread end after the errands that are queued, and wait for it."""
        with self._lock:
            self._closed = True
        while self._starting:  # by a thread that took an errand just now; none after it
            time.sleep(0.001)
        for _ in self._threads:
            self._errands.put(None)
        for thread in self._threads:
            thread.join()

    @property
    def idle(self) -> bool:
        """Whether no errand is queued or under way: then to close takes no time."""
        with self._lock:
            return not self._queued and not self._starting and self._free == len(self._threads)

    def _another(self) -> threading.Thread | None:
        """Return a thread to be started, when errands wait for one. Called with the lock."""
        if self._closed or self._starting or self._queued <= self._free or len(self._threads) >= self._wanted:
            return None
        self._starting = True
        thread = threading.Thread(target=self._run, name=f"{self._name}-{len(self._threads)}", daemon=True)
        self._threads.append(thread)
        return thread

    def _start(self, thread: threading.Thread | None) -> bool:
        """Start a thread, if one is wanted; where the system allows none, tell whether there are others."""
        if thread is None:
            return True
        try:
            thread.start()
        except RuntimeError:
            with self._lock:
                self._starting = False
                self._threads.remove(thread)
                return bool(self._threads)
        return True

    def _run(self) -> None:
        with self._lock:
            self._starting = False
            self._free += 1
        while (errand := self._errands.get()) is not None:
            with self._lock:
                self._queued -= 1
                self._free -= 1
                another = self._another()
            self._start(another)
            errand.run()
            del errand  # what it holds must not wait for the next one
            with self._lock:
                if len(self._threads) > self._wanted and not self._closed:
                    self._threads.remove(threading.current_thread())
                    return
                self._free += 1
