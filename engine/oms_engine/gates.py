"""What bounds the work under way in one process: movers for objects, a gate for bytes in memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

J = TypeVar("J")


class Gate:
    """At most ``limit()`` units at once; larger requests than the limit pass alone. First come, first served."""

    __slots__ = ("_limit", "_waiting", "used")

    def __init__(self, limit: Callable[[], int]) -> None:
        self._limit = limit
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.used = 0

    def take(self, amount: int = 1) -> bool:
        """Take ``amount`` units if that needs no waiting."""
        if self._waiting or (self.used and self.used + amount > self._limit()):
            return False
        self.used += amount
        return True

    async def acquire(self, amount: int = 1) -> None:
        """Wait for ``amount`` units."""
        if self.take(amount):
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((amount, turn))
        try:
            await turn
        except asyncio.CancelledError:
            granted = turn.done() and not turn.cancelled()
            self.release(amount if granted else 0)  # who waits behind may fit now
            raise

    def release(self, amount: int = 1) -> None:
        """Give ``amount`` units back."""
        self.used -= amount
        while self._waiting:
            wanted, turn = self._waiting[0]
            if not turn.done() and self.used and self.used + wanted > self._limit():
                return
            self._waiting.popleft()
            if not turn.done():
                self.used += wanted
                turn.set_result(None)


class Movers(Generic[J]):
    """Coroutines that take jobs from one queue, as many as ``limit()`` says at the moment.

    ``work`` must not raise: it gives the job its end itself.
    """

    def __init__(self, work: Callable[[J], Awaitable[None]], limit: Callable[[], int]) -> None:
        self._work = work
        self._limit = limit
        self._idle: deque[asyncio.Future[None]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._drained: list[asyncio.Future[None]] = []
        self._low: list[asyncio.Future[None]] = []
        self.queue: deque[J] = deque()
        self.active = 0
        """Movers that hold a job."""

    def submit(self, job: J) -> None:
        """Queue a job."""
        self.queue.append(job)
        limit = self._limit()
        if self.active < limit:
            self._rouse(limit)

    def _rouse(self, limit: int) -> None:
        """Let one more mover look at the queue: one that idles, else a new one."""
        while self._idle:
            sleeper = self._idle.pop()
            if not sleeper.done():
                sleeper.set_result(None)
                return
        if len(self._tasks) < limit:
            task = asyncio.get_running_loop().create_task(self._mover())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _mover(self) -> None:
        queue = self.queue
        while True:
            # A mover that finds the limit lowered idles; one that holds a job is left, since a limit is never 0.
            limit = self._limit()
            while queue and self.active < limit:
                job = queue.popleft()
                self.active += 1
                try:
                    await self._work(job)
                finally:
                    self.active -= 1
                limit = self._limit()
                if queue and self.active + 1 < limit:
                    self._rouse(limit)
                if self._low and len(queue) < limit:
                    self._wake(self._low)
            self._report()
            sleeper: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._idle.append(sleeper)
            await sleeper

    def _report(self) -> None:
        if not self.queue:
            self._wake(self._low)
            if not self.active:
                self._wake(self._drained)

    @staticmethod
    def _wake(waiting: list[asyncio.Future[None]]) -> None:
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
        waiting.clear()

    async def room(self) -> None:
        """Wait until the queue is short again: back-pressure for whoever submits."""
        while len(self.queue) > 2 * self._limit():
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._low.append(waiter)
            await waiter

    async def drain(self) -> None:
        """Wait until no job is queued or under way."""
        while self.queue or self.active:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._drained.append(waiter)
            await waiter

    def take(self, place: int) -> J | None:
        """Take a job out of the line, from some place in it; None when there is none."""
        if not self.queue:
            return None
        job = self.queue[place]
        del self.queue[place]
        return job

    def drop_queue(self) -> list[J]:
        """Take back the jobs nobody has begun."""
        jobs = list(self.queue)
        self.queue.clear()
        self._report()
        return jobs

    async def close(self) -> None:
        """Cancel all movers."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
