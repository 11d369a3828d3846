"""Slots in processes of their own: one event loop and one interpreter lock more each.

A child runs segments and parked objects exactly as the parent does and sends its reports through a pipe; the parent
alone commits them. Every report waits for the parent's acknowledgement, so nothing piles up. Secrets travel only in the
opened stores' configuration through the process's start-up pipe; they are in no argument list and no environment.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from oms_engine.errors import TaskError
from oms_engine.keysource import KeySource
from oms_engine.ledger import Checkpoint, Parked, Segment, Settlement, Upload
from oms_engine.limiter import Limiter
from oms_engine.model import WrittenPart
from oms_engine.parked import Later
from oms_engine.segment import Crew
from oms_engine.session import EngineSettings, Live, Session, Stopped, StoreOpener, UploadMemory
from oms_engine.slots import LocalSlot, Slot, SlotPlan, WorkerLost
from oms_engine.task import MigrationSpec
from oms_engine.wire import Wire, WireStats

LIVE_SECONDS = 0.25
"""How often a child tells how it stands."""
EXIT_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class _ChildPlan:
    spec: MigrationSpec
    source: StoreOpener
    destination: StoreOpener
    settings: EngineSettings
    run_started: float


class ProcessSlots:
    """Makes ``settings.processes - 1`` slots in child processes, beside the one of this process.

    A child is started when it is first needed: a small migration never has one.
    """

    @asynccontextmanager
    async def open(self, plan: SlotPlan) -> AsyncIterator[Sequence[Slot]]:
        """Make the slots; children that were started are stopped and waited for at the end."""
        slots = [ProcessSlot(plan) for _ in range(plan.settings.processes - 1)]
        try:
            yield slots
        finally:
            for slot in slots:
                slot.say("close")
            await asyncio.gather(*(asyncio.to_thread(slot.join) for slot in slots))


class ProcessSlot:
    """A child process, seen from the parent's event loop."""

    def __init__(self, plan: SlotPlan) -> None:
        self.live = Live()
        self.stats = WireStats()
        self._uploads = plan.uploads
        self._loop = asyncio.get_running_loop()
        self._heads: dict[int, str] = {}
        self._starving = False
        self._lost = False
        self._numbers = count(1)
        self._reports: dict[int, asyncio.Queue[Checkpoint | Exception | None]] = {}
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._commits: dict[int, Callable[[], None]] = {}
        self._rpcs: set[asyncio.Task[None]] = set()
        self._plan = plan
        self._connection: Connection | None = None
        self._process: BaseProcess | None = None
        self._reader: threading.Thread | None = None
        self._ready = False

    # ---- what the coordinator asks --------------------------------------------------------------------------------

    def warm(self) -> None:
        """Start the process, unless that was done."""
        if self._process is None and not self._lost:
            self._connection, self._process = _start(self._plan)
            self._reader = threading.Thread(
                target=self._read, args=(self._connection,), name="slot-reader", daemon=True
            )
            self._reader.start()

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
        self.say("run", segment)
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
        answer: Settlement | Later = await self._ask(next(self._numbers), "revisit", entry, resumed)
        return answer

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


def _start(plan: SlotPlan) -> tuple[Connection, BaseProcess]:
    plan.limiter.share()
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    child = _ChildPlan(plan.spec, plan.source, plan.destination, plan.settings, plan.run_started)
    process = context.Process(target=serve, args=(there, child, plan.limiter), name="openoms-slot", daemon=True)
    with _main_left_alone():
        process.start()
    there.close()
    return here, process


# ---- the child ----------------------------------------------------------------------------------------------------


def serve(connection: Connection, plan: _ChildPlan, limiter: Limiter) -> None:
    """Be a slot until the pipe closes."""
    import uvloop  # noqa: PLC0415 - only children of a process that may run another loop

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it tells its children to stop
    with suppress(KeyboardInterrupt):
        uvloop.run(_Child(connection, plan, limiter).run())


class _Child:
    """The child's side of the pipe."""

    def __init__(self, connection: Connection, plan: _ChildPlan, limiter: Limiter) -> None:
        self._connection = connection
        self._plan = plan
        self._limiter = limiter
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._acks: dict[int, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closed = asyncio.Event()
        plan = self._plan
        async with Wire(plan.settings.wire, limiter=self._limiter) as wire:
            session = Session(
                plan.spec,
                source=plan.source(),
                destination=plan.destination(),
                wire=wire,
                limiter=self._limiter,
                settings=plan.settings,
                uploads=_RemoteUploads(self),
                run_started=plan.run_started,
            )
            session.share(plan.settings.processes)
            crew = Crew(session)
            self._slot = LocalSlot(crew)
            threading.Thread(target=self._read, name="parent-reader", daemon=True).start()
            teller = self._spawn(self._tell())
            await self._closed.wait()
            teller.cancel()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await crew.close()

    def _read(self) -> None:
        with suppress(EOFError, OSError, RuntimeError):
            while True:
                message = self._connection.recv()
                self._loop.call_soon_threadsafe(self._heard, *message)
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._closed.set)

    def _heard(self, word: str, *values: Any) -> None:
        getattr(self, f"_on_{word}")(*values)

    def _spawn(self, work: Any) -> asyncio.Task[None]:
        task: asyncio.Task[None] = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def say(self, *message: Any) -> None:
        with suppress(OSError, ValueError):
            self._connection.send(message)

    def _on_run(self, segment: Segment) -> None:
        self._spawn(self._run(segment))

    async def _run(self, segment: Segment) -> None:
        failure: tuple[str, str] | None = None
        acknowledged = self._acks[segment.id] = asyncio.Event()
        try:
            async for checkpoint in self._slot.run(segment, None):
                acknowledged.clear()
                self.say("report", segment.id, checkpoint)
                await acknowledged.wait()
        except TaskError as error:
            failure = (error.code, str(error))
        except Exception as error:  # noqa: BLE001 - the parent must hear of it, whatever it is
            failure = ("TRF.0001", f"{type(error).__name__}: {error}")
        del self._acks[segment.id]
        self.say("ended", segment.id, failure)

    def _on_ack(self, segment: int) -> None:
        if segment in self._acks:
            self._acks[segment].set()

    def _on_lower(self, number: int, segment: int, at: str) -> None:
        run = self._slot.running(segment)
        self.say("answer", number, run is not None and run.lower(at), None)

    def _on_revisit(self, number: int, entry: Parked, resumed: bool) -> None:
        self._spawn(self._revisit(number, entry, resumed))

    async def _revisit(self, number: int, entry: Parked, resumed: bool) -> None:
        try:
            value = await self._slot.revisit(entry, resumed=resumed)
        except Stopped as error:
            self.say("answer", number, None, ("stopped", str(error)))
        except TaskError as error:
            self.say("answer", number, None, (error.code, str(error)))
        except Exception as error:  # noqa: BLE001 - the parent must hear of it, whatever it is
            self.say("answer", number, None, ("TRF.0001", f"{type(error).__name__}: {error}"))
        else:
            self.say("answer", number, value, None)

    def _on_stop(self) -> None:
        self._slot.stop()

    def _on_close(self) -> None:
        self._closed.set()

    def _on_answer(self, number: int, value: Any, failure: tuple[str, str] | None) -> None:
        answer = self._answers.pop(number, None)
        if answer is None or answer.done():
            return
        if failure is None:
            answer.set_result(value)
        else:
            answer.set_exception(TaskError(*failure))

    async def ask(self, method: str, *arguments: Any) -> Any:
        number = next(self._numbers)
        answer = self._answers[number] = self._loop.create_future()
        self.say("rpc", number, method, arguments)
        return await answer

    async def _tell(self) -> None:
        while True:
            slot = self._slot
            self.say("live", slot.live, slot.stats, slot.heads(), slot.starving())
            await asyncio.sleep(LIVE_SECONDS)


class _RemoteUploads(UploadMemory):
    """The ledger's memory of uploads, through the pipe."""

    def __init__(self, child: _Child) -> None:
        self._child = child

    async def upload(self, key: str) -> tuple[Upload, list[WrittenPart]] | None:
        found: tuple[Upload, list[WrittenPart]] | None = await self._child.ask("upload", key)
        return found

    async def save_upload(self, upload: Upload) -> None:
        await self._child.ask("save_upload", upload)

    async def save_part(self, key: str, part: WrittenPart) -> None:
        await self._child.ask("save_part", key, part)

    async def forget_upload(self, key: str) -> None:
        await self._child.ask("forget_upload", key)
