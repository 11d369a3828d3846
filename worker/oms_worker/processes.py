"""Slots in processes of their own: one event loop and one interpreter lock more each.

A child runs segments and parked objects exactly as the parent does and sends its reports through a pipe; the parent
alone commits them. Every report waits for the parent's acknowledgement, so nothing piles up. Secrets travel only in the
opened stores' configuration through the process's start-up pipe; they are in no argument list and no environment.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any, Protocol

from oms_engine.errors import Stopped, TaskError
from oms_engine.keysource import KeySource
from oms_engine.ledger import Checkpoint, Parked, Segment, Settlement
from oms_engine.parked import Later
from oms_engine.session import Live
from oms_engine.slots import Slot, SlotPlan, WorkerLost
from oms_engine.wire import WireStats
from oms_worker.slot_process import ChildPlan, serve

EXIT_SECONDS = 5.0


if TYPE_CHECKING:
    from multiprocessing.connection import Connection


class Child(Protocol):
    """A process, as :mod:`multiprocessing` has them."""

    def join(self, timeout: float | None = None) -> None:
        """Wait for its end."""
        ...

    def is_alive(self) -> bool:
        """Whether it has not ended."""
        ...

    def kill(self) -> None:
        """End it now."""
        ...


Started = tuple["Connection", Child]
"""This end of a child's pipe, and the child."""


class ProcessSlots:
    """Makes ``settings.processes - 1`` slots in child processes, beside the one of this process.

    A child is started when it is first needed: a small migration never has one. ``start`` starts one in another way
    than by spawning it, or says None.
    """

    def __init__(self, start: Callable[[SlotPlan], Started | None] | None = None) -> None:
        self._start = start

    @asynccontextmanager
    async def open(self, plan: SlotPlan) -> AsyncIterator[Sequence[Slot]]:
        """Make the slots; children that were started are stopped and waited for at the end."""
        slots = [ProcessSlot(plan, self._start) for _ in range(plan.settings.processes - 1)]
        try:
            yield slots
        finally:
            for slot in slots:
                slot.say("close")
            await asyncio.gather(*(asyncio.to_thread(slot.join) for slot in slots if slot.started))


class ProcessSlot:
    """A child process, seen from the parent's event loop."""

    def __init__(self, plan: SlotPlan, start: Callable[[SlotPlan], Started | None] | None = None) -> None:
        self._start = start
        self.live = Live()
        self.stats = WireStats()
        self._uploads = plan.uploads
        self._loop = asyncio.get_running_loop()
        self._heads: dict[int, str] = {}
        self._starving = False
        self._held = False
        self._lost = False
        self._numbers = count(1)
        self._reports: dict[int, asyncio.Queue[Checkpoint | Exception | None]] = {}
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._commits: dict[int, Callable[[], None]] = {}
        self._rpcs: set[asyncio.Task[None]] = set()
        self._plan = plan
        self._connection: Connection | None = None
        self._process: Child | None = None
        self._reader: threading.Thread | None = None
        self._ready = False

    @property
    def started(self) -> bool:
        """Whether there is a process."""
        return self._process is not None

    # ---- what the coordinator asks --------------------------------------------------------------------------------

    def warm(self) -> None:
        """Start the process, unless that was done."""
        if self._process is None and not self._lost:
            started = self._start(self._plan) if self._start else None
            self._connection, self._process = started or _spawn(self._plan)
            self._ready = started is not None
            self._reader = threading.Thread(
                target=self._read, args=(self._connection,), name="slot-reader", daemon=True
            )
            self._reader.start()
            if self._held:
                self.say("hold", True)

    def ready(self) -> bool:
        """Whether the process has come up."""
        return self._ready and not self._lost

    def heads(self) -> dict[int, str]:
        """Return the last keys listed, as of the child's last word."""
        return dict(self._heads)

    def starving(self) -> bool:
        """Whether the child's movers wait for work."""
        return self._starving

    async def run(self, segment: Segment, keys: KeySource | None) -> AsyncIterator[Checkpoint]:
        """Run a leased segment in the child; key sources stay in the parent, whose slot is asked first."""
        if keys is not None:
            raise TaskError("TRF.0001", "a key list cannot be run in another process")
        self.warm()
        if self._lost:
            raise WorkerLost("a worker process was lost")
        queue: asyncio.Queue[Checkpoint | Exception | None] = asyncio.Queue()
        self._reports[segment.id] = queue
        self.say("run", segment, dict(self._uploads.doubts))
        try:
            while (report := await queue.get()) is not None:
                if isinstance(report, Exception):
                    raise report
                yield report
                self.say("ack", segment.id)
        finally:
            del self._reports[segment.id]
            self._heads.pop(segment.id, None)

    async def lower(self, segment: int, at: str, commit: Callable[[], None]) -> bool:
        """Take the rest off a running segment."""
        number = next(self._numbers)
        self._commits[number] = commit
        lowered = await self._ask(number, "lower", segment, at)
        return bool(lowered)

    async def revisit(self, entry: Parked, *, resumed: bool) -> Settlement | Later:
        """Bring a parked object on, in the child."""
        answer: Settlement | Later = await self._ask(
            next(self._numbers), "revisit", entry, resumed, dict(self._uploads.doubts)
        )
        return answer

    def hold(self, held: bool) -> None:
        """Have the child's listings wait or go on."""
        if held is not self._held:
            self._held = held
            self.say("hold", held)

    def stop(self) -> None:
        """Begin nothing new."""
        self.say("stop")

    # ---- the pipe -----------------------------------------------------------------------------------------------

    def say(self, *message: Any) -> None:
        """Send a message; a dead child hears nothing, its reader tells of the loss."""
        if self._connection is None:
            return
        with suppress(OSError, ValueError):
            self._connection.send(message)

    async def _ask(self, number: int, word: str, *arguments: Any) -> Any:
        self.warm()
        if self._lost:
            raise WorkerLost("a worker process was lost")
        answer = self._answers[number] = self._loop.create_future()
        self.say(word, number, *arguments)
        try:
            return await answer
        finally:
            del self._answers[number]
            self._commits.pop(number, None)

    def _read(self, connection: Connection) -> None:
        """Pass the child's messages to the event loop, until it is gone. In a thread."""
        with suppress(EOFError, OSError, RuntimeError):
            while True:
                message = connection.recv()
                self._loop.call_soon_threadsafe(self._heard, *message)
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._gone)

    def _heard(self, word: str, *values: Any) -> None:
        getattr(self, f"_on_{word}")(*values)

    def _on_report(self, segment: int, checkpoint: Checkpoint) -> None:
        if segment in self._reports:
            self._reports[segment].put_nowait(checkpoint)

    def _on_ended(self, segment: int, failure: tuple[str, str] | None) -> None:
        if segment in self._reports:
            self._reports[segment].put_nowait(None if failure is None else _error(failure))

    def _on_answer(self, number: int, value: Any, failure: tuple[str, str] | None) -> None:
        commit = self._commits.pop(number, None)
        if commit is not None and value:
            commit()
        answer = self._answers.get(number)
        if answer is None or answer.done():
            return
        if failure is None:
            answer.set_result(value)
        else:
            answer.set_exception(_error(failure))

    def _on_live(self, live: Live, stats: WireStats, heads: dict[int, str], starving: bool) -> None:
        self.live, self.stats, self._heads, self._starving = live, stats, heads, starving
        self._ready = True

    def _on_rpc(self, number: int, method: str, arguments: tuple[Any, ...]) -> None:
        task = self._loop.create_task(self._serve(number, method, arguments))
        self._rpcs.add(task)
        task.add_done_callback(self._rpcs.discard)

    async def _serve(self, number: int, method: str, arguments: tuple[Any, ...]) -> None:
        try:
            value = await getattr(self._uploads, method)(*arguments)
        except Exception as error:  # noqa: BLE001 - whatever it is, the child must hear that it was not remembered
            self.say("answer", number, None, ("TRF.0001", f"the ledger failed: {error}"))
        else:
            self.say("answer", number, value, None)

    def _gone(self) -> None:
        self._lost = True
        self.live = replace(self.live)
        lost = WorkerLost("a worker process was lost; its work goes on elsewhere")
        for queue in self._reports.values():
            queue.put_nowait(lost)
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(lost)

    def join(self) -> None:
        """Wait for the child to end, where one was started; it is killed when it takes too long."""
        if self._process is None or self._connection is None or self._reader is None:
            return
        self._process.join(EXIT_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._connection.close()
        self._reader.join(EXIT_SECONDS)


def _error(failure: tuple[str, str]) -> Exception:
    code, message = failure
    return Stopped(message) if code == "stopped" else TaskError(code, message)


@contextmanager
def _main_left_alone() -> Iterator[None]:
    """Start children that do not run the caller's main module again, as ``spawn`` would have them.

    They need nothing of it: without this a script that migrates would need a guard, and every child its imports.
    https://docs.python.org/3/library/multiprocessing.html#the-spawn-and-forkserver-start-methods
    """
    main = sys.modules["__main__"]
    kept: dict[str, Any] = {name: main.__dict__[name] for name in ("__file__", "__spec__") if name in main.__dict__}
    main.__dict__.pop("__file__", None)
    main.__spec__ = None
    try:
        yield
    finally:
        main.__dict__.update(kept)


def child_plan(plan: SlotPlan) -> ChildPlan:
    """Return what a child is told; it finds the ledger and the limiter elsewhere."""
    return ChildPlan(plan.spec, plan.source, plan.destination, plan.settings, plan.run_started)


def _spawn(plan: SlotPlan) -> Started:
    import multiprocessing  # noqa: PLC0415 - 10 ms, and most runs need no other process

    plan.limiter.share()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    arguments = (there, child_plan(plan), plan.limiter)
    process = context.Process(target=serve, args=arguments, name="openoms-slot", daemon=True)
    with _main_left_alone():
        process.start()
    there.close()
    return here, process
