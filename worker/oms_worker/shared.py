"""One run of a question for all who ask it meanwhile: many strangers cost as much as one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """A question whose answer is that of the run under way, or of a new one."""

    def __init__(self, ask: Callable[[], Awaitable[T]]) -> None:
        self._ask = ask
        self._run: asyncio.Future[T] | None = None

    async def __call__(self) -> T:
        """Return the answer; whoever gives up waiting does not end it for the others."""
        if self._run is None or self._run.done():
            self._run = asyncio.ensure_future(self._ask())
            self._run.add_done_callback(_heard)
        return await asyncio.shield(self._run)


def _heard(run: asyncio.Future[T]) -> None:
    if not run.cancelled():
        run.exception()  # everyone who asked may be gone
