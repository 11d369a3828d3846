"""Access tokens that expire: fetched before a call is signed, once for all who wait."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from oms_engine.errors import StoreError
from oms_engine.store import AnyCall, Call, Renewable

Perform = Callable[[Call[None]], Awaitable[object]]


class Renewals:
    """The renewals under way on one wire. Owned by its event loop.

    ``perform`` makes one attempt at a call: the retries are those of the calls that need what is fetched.
    """

    def __init__(self, perform: Perform) -> None:
        self._perform = perform
        self._loop = asyncio.get_running_loop()
        self._tasks: dict[Renewable, asyncio.Task[None]] = {}

    async def renew(self, renewable: Renewable) -> None:
        """Fetch anew, or wait for whoever does so already.

        Raises:
            StoreError: of the fetching call, and what there was is of no use any more; the call that needs it names
                it.
        """
        task = self._tasks.get(renewable)
        if task is None:
            task = self._loop.create_task(self._renew(renewable))
            self._tasks[renewable] = task
            task.add_done_callback(lambda _: self._tasks.pop(renewable))
        await asyncio.shield(task)

    def renew_from_thread(self, renewable: Renewable) -> None:
        """Do the same for a thread, which waits while the event loop performs it."""
        asyncio.run_coroutine_threadsafe(self.renew(renewable), self._loop).result()

    async def _renew(self, renewable: Renewable) -> None:
        try:
            await self._perform(renewable.renewal())
        except StoreError:
            if not renewable.usable(time.time()):
                raise


def is_due(call: AnyCall) -> Renewable | None:
    """Return what must be fetched before a call can be signed now, None when it can."""
    renewable = call.renewable
    return renewable if renewable is not None and renewable.due(time.time()) else None
