"""The inside of a task host: a child process that runs many migrations on one event loop.

Everything it needs comes through the pipe: specifications, and store configurations with their secrets, which stand in
no argument list, no environment and no file. It says how its tasks stand every second and when one has ended. When its
parent goes, it goes at once: its ledgers are made for that.
"""

from __future__ import annotations

import asyncio
import functools
import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any, cast

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.bandwidth import BandwidthPolicy
from oms_engine.errors import ConfigError, OmsError, TaskError
from oms_engine.frozen import dataclass
from oms_engine.ledger import Ledger, RunInfo
from oms_engine.migration import Migration
from oms_engine.session import EngineSettings
from oms_engine.task import Counters, MigrationSpec, Result, TaskState
from oms_worker.figures import Look
from oms_worker.ledgers import Ledgers
from oms_worker.scan import Scanner, count_quietly
from oms_worker.sql_database import LedgerLost
from oms_worker.sqlite_file import LedgerInUse

log = logging.getLogger(__name__)

TELL_SECONDS = 1.0
PAUSE_SECONDS = 3.0
"""A task that has not paused by itself within this time is cut off; its ledger knows where to go on."""
CANCELS, CANCEL_SECONDS = 3, 0.3
LOCKED_SECONDS = 15.0
"""How long a ledger that is still open elsewhere is waited for: its last process is just going."""

INTERNAL = "TRF.0001"
NOTHING_THERE = "TRF.0012"


@dataclass(frozen=True, slots=True)
class HostTask:
    """A task as a host runs it."""

    id: int
    generation: int
    run: int
    """The ``run`` of its row: an end that was written down counts only for the same one."""
    spec: MigrationSpec
    source: StoreConfig
    destination: StoreConfig
    listing: StoreConfig | None
    """The bucket of its list file."""
    settings: EngineSettings
    ledgers: Ledgers
    count_ahead: bool = True


@dataclass(frozen=True, slots=True)
class Ended:
    """How a task came to its end in a host."""

    id: int
    generation: int
    result: Result


def serve(connection: Connection) -> None:
    """Be a task host until the pipe closes."""
    import uvloop  # noqa: PLC0415 - only children need it

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the parent says when and how to stop
    uvloop.run(Host(connection).serve())


class Host:
    """The tasks of one child process."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._running: dict[int, Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def serve(self) -> None:
        """Do what the parent says until it says close, or is gone."""
        self._loop = asyncio.get_running_loop()
        self._closed = asyncio.Event()
        threading.Thread(target=self._read, name="parent-reader", daemon=True).start()
        teller = asyncio.ensure_future(self._tell())
        self._say("ready")
        await self._closed.wait()
        teller.cancel()
        for running in self._running.values():
            running.cut()
        await asyncio.wait(self._tasks, timeout=PAUSE_SECONDS) if self._tasks else None

    def _read(self) -> None:
        """Pass the parent's messages to the event loop; without a parent there is nothing left to do."""
        with suppress(EOFError, OSError):
            while True:
                word, *values = self._connection.recv()
                self._loop.call_soon_threadsafe(getattr(self, f"_on_{word}"), *values)
        os._exit(1)

    def _say(self, *message: Any) -> None:
        with suppress(OSError, ValueError):
            self._connection.send(message)

    def _on_start(self, task: HostTask) -> None:
        running = self._running[task.id] = Running(task)
        work = self._loop.create_task(self._run(running))
        self._tasks.add(work)
        work.add_done_callback(self._tasks.discard)

    def _on_pause(self, task_id: int) -> None:
        if task_id in self._running:
            self._running[task_id].pause()

    def _on_cut(self, task_id: int) -> None:
        if task_id in self._running:
            self._running[task_id].cut()

    def _on_bandwidth(self, task_id: int, policy: BandwidthPolicy) -> None:
        if task_id in self._running:
            self._running[task_id].set_bandwidth(policy)

    def _on_close(self) -> None:
        self._closed.set()

    async def _run(self, running: Running) -> None:
        task = running.task
        try:
            result = await running.run()
        except Exception as error:
            log.exception("task %s ended unexpectedly", task.id)
            result = _failed(INTERNAL, f"the migration ended unexpectedly ({type(error).__name__}); see the log")
        del self._running[task.id]
        self._say("ended", Ended(task.id, task.generation, result))

    async def _tell(self) -> None:
        while True:
            await asyncio.sleep(TELL_SECONDS)
            looks = {(running.task.id, running.task.generation): running.look() for running in self._running.values()}
            self._say("looks", {key: look for key, look in looks.items() if look is not None})


class Running:
    """One task in this process."""

    def __init__(self, task: HostTask) -> None:
        self.task = task
        self._migration: Migration | None = None
        self._policy: BandwidthPolicy | None = None
        self._work: asyncio.Future[Result] | None = None
        self._pausing = False
        self._cut = False
        self._scanner: Scanner | None = None

    def pause(self) -> None:
        """Finish or park what is under way; what takes too long is cut off."""
        self._pausing = True
        if self._migration is not None:
            self._migration.pause()
        asyncio.get_running_loop().call_later(PAUSE_SECONDS, self.cut)

    def cut(self) -> None:
        """End at once, as a crash would."""
        self._cut = True
        self._cancel(CANCELS)

    def _cancel(self, times: int) -> None:
        """Cancel the migration, and again: at the first time it would still wait for the answers under way."""
        if self._work is not None and not self._work.done() and times:
            self._work.cancel()
            asyncio.get_running_loop().call_later(CANCEL_SECONDS, self._cancel, times - 1)

    def set_bandwidth(self, policy: BandwidthPolicy) -> None:
        """Change the windows, now or as soon as it runs."""
        self._policy = policy
        if self._migration is not None:
            self._migration.set_bandwidth(policy)

    def look(self) -> Look | None:
        """Return how it stands; None before its counters are known."""
        progress = self._migration.progress if self._migration is not None else None
        if progress is None or progress.state is TaskState.WAITING:
            return None
        return Look(progress, self._scanner.scan if self._scanner else None)

    async def run(self) -> Result:
        """Run the task to its end, or tell the end that it came to before."""
        try:
            return await self._run()
        except (LedgerInUse, LedgerLost) as error:  # given back: another may have it, or the database is away
            log.warning("task %s goes on later: %s", self.task.id, error)
            return Result(TaskState.PAUSED, Counters(), 0.0)
        except OmsError as error:
            return _failed(_code(error), str(error))

    async def _run(self) -> Result:
        task = self.task
        ledger = await self._open_ledger()
        try:
            known = task.ledgers.end_of(ledger, task.id, task.run)
            if known is not None:
                return known
            held = HeldLedger(ledger)
            result = end_of_part(task.spec, await self._migrate(held))
            # A run that failed before its end is closed too: the next start tries the failed objects again.
            if result.complete or (result.state is TaskState.FAILED and result.counters.failed and held.opened):
                task.ledgers.conclude(ledger, task.id, task.run, result)
            return result
        finally:
            ledger.close()

    async def _open_ledger(self) -> Ledger:
        deadline = time.monotonic() + LOCKED_SECONDS
        while True:
            try:
                return self.task.ledgers.open(self.task.id, self.task.generation)
            except LedgerInUse:
                if time.monotonic() > deadline or self._cut:
                    raise
            await asyncio.sleep(0.2)

    async def _migrate(self, ledger: HeldLedger) -> Result:
        task = self.task
        source = functools.partial(open_store, task.source)
        migration = self._migration = Migration(
            task.spec,
            source=source,
            destination=functools.partial(open_store, task.destination),
            ledger=cast("Ledger", ledger),
            list_store=functools.partial(open_store, task.listing) if task.listing is not None else None,
            settings=task.settings,
        )
        if self._policy is not None:
            migration.set_bandwidth(self._policy)
        if self._pausing:
            migration.pause()
        counting = self._count_ahead(source)
        self._work = asyncio.ensure_future(migration.run())
        try:
            return await self._ended(ledger)
        finally:
            if counting is not None:
                counting.cancel()
            self._migration = None

    def _count_ahead(self, source: Callable[[], Any]) -> asyncio.Future[None] | None:
        if not self.task.count_ahead or self.task.spec.dry_run or self.task.spec.retry_failed:
            return None
        with suppress(OmsError):
            scanner = Scanner(self.task.spec, source, replace(self.task.settings.wire, max_connections=2))
            if scanner.possible:
                self._scanner = scanner
                return asyncio.ensure_future(count_quietly(scanner))
        return None

    async def _ended(self, ledger: HeldLedger) -> Result:
        assert self._work is not None
        if self._cut:
            self._work.cancel()
        try:
            return await self._work
        except asyncio.CancelledError:
            if not self._cut:
                raise
            totals = ledger.totals() if ledger.opened else Counters()
            return Result(TaskState.PAUSED, totals, 0.0)
        except LedgerLost:
            raise
        except OmsError as error:
            return _failed(_code(error), str(error), ledger.totals() if ledger.opened else None)


class HeldLedger:
    """A ledger whose run is closed only with the end that is written down."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.opened = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._ledger, name)

    def open_run(self, **words: Any) -> RunInfo:
        """Open the run."""
        info = self._ledger.open_run(**words)
        self.opened = True
        return info

    def finish_run(self, *, succeeded: bool) -> None:
        """Leave the run open: what it came to is not written down yet."""


def _failed(code: str, message: str, counters: Counters | None = None) -> Result:
    return Result(TaskState.FAILED, counters or Counters(), 0.0, error_code=code, error_message=message)


def _code(error: OmsError) -> str:
    code = error.code if isinstance(error, (ConfigError, TaskError)) else None
    return code or INTERNAL


# ---- ends -----------------------------------------------------------------------------------------------------------


def end_of_part(spec: MigrationSpec, result: Result) -> Result:
    """Return what the end of a run means: a part of a group that is empty by now has succeeded with 0 objects.

    Of a task of its own the same is a failure, since a mistyped prefix would look migrated; whether a group as a whole
    has met anything is judged by the group.
    """
    cut = bool(spec.scope.ranges) or spec.scope.list_slice is not None
    if not cut or not result.complete or result.error_code != NOTHING_THERE:
        return result
    return replace(result, state=TaskState.SUCCEEDED, error_code=None, error_message=None)
