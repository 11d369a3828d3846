"""Runs a plan: in this thread (the command line) or in a thread of its own (Python callers), always on uvloop."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from oms_engine.bandwidth import BandwidthPolicy
from oms_engine.task import Progress, Result
from oms_worker.openfiles import raise_open_files
from openoms.plan import Plan
from openoms.settings import Settings

if TYPE_CHECKING:
    from oms_engine.migration import Migration as EngineMigration
    from oms_worker.forked import Nursery

STOP_SECONDS = 3.0
"""After the second Ctrl-C: time to close connections before the process simply ends. The state survives either way."""


def run_here(
    plan: Plan,
    settings: Settings,
    *,
    on_progress: Callable[[Progress], None] | None = None,
    on_interrupt: Callable[[int], None] | None = None,
    children: Nursery | None = None,
) -> Result:
    """Run in this, the main, thread; Ctrl-C and SIGTERM pause, a second one stops at once.

    ``children`` are processes that wait for work.

    Raises:
        ConfigError, TaskError, RepositoryError: as the engine does.
        KeyboardInterrupt: it was stopped at once.
    """
    import uvloop  # noqa: PLC0415

    from openoms.compose import open_migration  # noqa: PLC0415 - the engine and adapters load only when something runs

    raise_open_files()  # a program's own affair; a library, as Background is one, leaves it to its host
    with open_migration(plan, settings, on_progress, children=children) as (migration, _):
        try:
            return uvloop.run(_run_interruptibly(migration, on_interrupt))
        except asyncio.CancelledError:
            raise KeyboardInterrupt from None
        finally:
            if children is not None:
                children.dismiss()


async def _run_interruptibly(migration: EngineMigration, on_interrupt: Callable[[int], None] | None) -> Result:
    loop = asyncio.get_running_loop()
    task = asyncio.ensure_future(migration.run())
    count = 0

    def interrupt() -> None:
        nonlocal count
        count += 1
        if on_interrupt is not None:
            on_interrupt(count)
        if count == 1:
            migration.pause()
            return
        task.cancel()
        loop.call_later(STOP_SECONDS if count == 2 else 0, os._exit, 130)

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupt)
    return await task


class Background:
    """One run of a plan in a thread of its own."""

    def __init__(self, plan: Plan, settings: Settings, on_progress: Callable[[Progress], None] | None = None) -> None:
        self._plan = plan
        self._settings = settings
        self._on_progress = on_progress
        self._engine: EngineMigration | None = None
        self._pause_wanted = False
        self._policy: BandwidthPolicy | None = None
        self._lock = threading.Lock()
        self.progress: Progress | None = None
        self.result: Future[Result] = Future()
        self._thread = threading.Thread(target=self._run, name="openoms", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self.result.set_running_or_notify_cancel()
        self._thread.start()

    def pause(self) -> None:
        """Ask the run to pause; it does so also when it has not quite started."""
        with self._lock:
            self._pause_wanted = True
            if self._engine is not None:
                self._engine.pause()

    def set_bandwidth(self, policy: BandwidthPolicy) -> None:
        """Change the rate of the run."""
        with self._lock:
            self._policy = policy
            if self._engine is not None:
                self._engine.set_bandwidth(policy)

    def _run(self) -> None:
        import uvloop  # noqa: PLC0415

        from openoms.compose import open_migration  # noqa: PLC0415

        try:
            with open_migration(self._plan, self._settings, self._show) as (migration, _):
                self._attach(migration)
                result = uvloop.run(migration.run())
                self._detach()
        except BaseException as error:  # noqa: BLE001 - whatever ended the thread belongs to whoever waits for it
            self._detach()
            self.result.set_exception(error)
        else:
            self.result.set_result(result)

    def _attach(self, migration: EngineMigration) -> None:
        with self._lock:
            self._engine = migration
            if self._policy is not None:
                migration.set_bandwidth(self._policy)
            if self._pause_wanted:
                migration.pause()

    def _detach(self) -> None:
        with self._lock:
            self._engine = None

    def _show(self, progress: Progress) -> None:
        self.progress = progress
        if self._on_progress is None:
            return
        try:
            self._on_progress(progress)
        except Exception:
            # A display must not end a migration; nor may it fail without a word.
            logging.getLogger("openoms").exception("on_progress failed and is not called any more")
            self._on_progress = None
