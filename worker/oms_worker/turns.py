"""Work that is done in turns: every second or so, and sooner when somebody knows of something to do."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress

from oms_engine.errors import RepositoryError

log = logging.getLogger(__name__)


class Turns:
    """Takes turns until it is stopped. An error costs a turn, never the loop; ``what`` names the work in the log."""

    def __init__(self, what: str, turn: Callable[[], Awaitable[object]], *, seconds: float = 1.0) -> None:
        self._what = what
        self._turn = turn
        self._seconds = seconds
        self._woken = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name=self._what)

    def wake(self) -> None:
        """Take a turn now; from the event loop."""
        self._woken.set()

    async def stop(self) -> None:
        """End at once, also in the middle of a turn."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            self._woken.clear()
            try:
                await self._turn()
            except RepositoryError as error:
                log.warning("%s wait for the database: %s", self._what, error)
            except Exception:
                log.exception("a turn of the %s failed", self._what)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), self._seconds)
