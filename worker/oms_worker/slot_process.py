"""The child's side of :mod:`oms_worker.processes`: one slot in a process of its own, led through a pipe."""

from __future__ import annotations

import asyncio
import signal
import threading
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Any

from oms_engine.errors import Stopped, TaskError
from oms_engine.frozen import dataclass
from oms_engine.inflight import UploadMemory
from oms_engine.ledger import Doubt, Orphan, Parked, Segment, Upload
from oms_engine.limiter import Limiter
from oms_engine.model import WrittenPart
from oms_engine.session import EngineSettings, Session, StoreOpener
from oms_engine.slots import LocalSlot
from oms_engine.task import MigrationSpec
from oms_engine.wire import Wire
from oms_engine.workforce import Workforce

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

LIVE_SECONDS = 0.25
"""How often a child tells how it stands."""


@dataclass(frozen=True, slots=True)
class ChildPlan:
    """What a child is started with."""

    spec: MigrationSpec
    source: StoreOpener
    destination: StoreOpener
    settings: EngineSettings
    run_started: float


def serve(connection: Connection, plan: ChildPlan, limiter: Limiter) -> None:
    """Be a slot until the pipe closes."""
    import uvloop  # noqa: PLC0415 - only children of a process that may run another loop

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's; it tells its children to stop
    with suppress(KeyboardInterrupt):
        uvloop.run(_Child(connection, plan, limiter).run())


class _Child:
    """The child's side of the pipe."""

    def __init__(self, connection: Connection, plan: ChildPlan, limiter: Limiter) -> None:
        self._connection = connection
        self._plan = plan
        self._limiter = limiter
        self._numbers = count(1)
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._acks: dict[int, asyncio.Event] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._uploads = _RemoteUploads(self)

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
                uploads=self._uploads,
                run_started=plan.run_started,
            )
            session.share(plan.settings.processes)
            workforce = Workforce(session)
            self._slot = LocalSlot(workforce)
            threading.Thread(target=self._read, name="parent-reader", daemon=True).start()
            teller = self._spawn(self._tell())
            await self._closed.wait()
            teller.cancel()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await workforce.close()

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

    def _on_run(self, segment: Segment, doubts: dict[str, str]) -> None:
        self._uploads.doubts.update(doubts)
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

    def _on_revisit(self, number: int, entry: Parked, resumed: bool, doubts: dict[str, str]) -> None:
        self._uploads.doubts.update(doubts)
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

    def _on_hold(self, held: bool) -> None:
        self._slot.hold(held)

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
        self.doubts: dict[str, str] = {}

    async def upload(self, key: str) -> tuple[Upload, list[WrittenPart]] | None:
        found: tuple[Upload, list[WrittenPart]] | None = await self._child.ask("upload", key)
        return found

    async def save_upload(self, upload: Upload) -> None:
        await self._child.ask("save_upload", upload)

    async def begin_upload(self, key: str) -> Orphan:
        request: Orphan = await self._child.ask("begin_upload", key)
        return request

    async def orphan_upload(self, key: str) -> None:
        await self._child.ask("orphan_upload", key)

    async def forget_orphan(self, orphan: Orphan) -> None:
        await self._child.ask("forget_orphan", orphan)

    async def save_part(self, key: str, part: WrittenPart) -> None:
        await self._child.ask("save_part", key, part)

    async def forget_upload(self, key: str) -> None:
        await self._child.ask("forget_upload", key)

    async def save_doubt(self, doubt: Doubt) -> None:
        self.doubts[doubt.key] = doubt.etag
        await self._child.ask("save_doubt", doubt)

    async def forget_doubt(self, key: str) -> None:
        await self._child.ask("forget_doubt", key)
        self.doubts.pop(key, None)
