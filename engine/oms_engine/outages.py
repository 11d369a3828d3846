"""Whose trouble it is: the store's, one object's, or a permission's.

A store that does not answer is waited for, once for all who meet it; an object that alone fails is failed by name; a
permission that every object lacks ends the task. An end of the task needs evidence about the store, never about
neighbours: what the listing answers, how objects far away fare. See ``elsewhere.py`` for the latter and ``persist.py``
for one object's part in it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

from oms_engine.elsewhere import read_elsewhere
from oms_engine.errors import Retry, Stopped, StoreError, Throttled
from oms_engine.model import Outcome
from oms_engine.verdicts import denied_error, outage_error, task_error

if TYPE_CHECKING:
    from oms_engine.session import Session
    from oms_engine.store import Call

T = TypeVar("T")

LOOK_SECONDS = 1.0
"""How long an answer to "is the store there?" holds."""
FIRST_PAUSE = 0.5
LONGEST_PAUSE = 15.0
"""Time between two looks at a store that does not answer: grows from the one to the other."""
NATURAL_SECONDS = 1.0
"""How long others under way are watched before objects far away are tried."""
LONE_SECONDS = 60.0
"""How long an object is tried when nothing else is left that could say whose trouble it is."""
DENIED_IN_A_ROW = 20
"""So many objects refused for want of a permission, and none moved, raise the question whether all of them are."""

scouting: ContextVar[bool] = ContextVar("scouting", default=False)
"""Whether this object is being tried to learn how others fare: it asks no such question itself."""


class Outages:
    """What one process knows of the stores' health. Owned by one event loop."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._shared: dict[tuple[str, bool], tuple[float, asyncio.Future[Any]]] = {}
        self._denied = 0

    # -- a store that does not answer -------------------------------------------------------------------------------

    async def settle(self, error: StoreError, *, source: bool) -> bool:
        """Return once the store answers: False at once, True after a wait that all share.

        Raises:
            TaskError: it does not within the task's patience, or its answer is that nothing can be moved.
            Stopped: the run pauses.
        """
        away = await self.away(source=source)
        if away is None or scouting.get():
            return False
        await self.wait_out(error, source=source, probe=lambda: self._ask(source))
        return True

    async def wait_out(
        self, error: StoreError, *, source: bool, probe: Callable[[], Awaitable[StoreError | None]]
    ) -> None:
        """Wait until ``probe`` meets no error any more; who comes while others wait waits with them.

        Raises:
            TaskError, Stopped: as :meth:`settle`.
        """
        await self._share("wait", source, lambda: self._wait(error, source, probe), holds=0.0)

    async def _wait(self, error: StoreError, source: bool, probe: Callable[[], Awaitable[StoreError | None]]) -> None:
        session, patience = self._session, self._session.settings.patience
        began, since, pause = time.monotonic(), session.clock_text(), FIRST_PAUSE
        try:
            while (left := patience - (time.monotonic() - began)) > 0:
                session.live.waiting_for = waiting_text(error, since, source=source)
                if not await session.wire.rest(min(pause, left)):
                    raise Stopped("paused while a store did not answer")
                pause = min(LONGEST_PAUSE, pause * 1.5)
                last = await probe()
                if last is None:
                    return
                error = last
        finally:
            session.live.waiting_for = ""
        raise outage_error(error, source=source, since=since, patience=patience)

    async def away(self, *, source: bool) -> StoreError | None:
        """Return what a store that does not answer now says instead; None when it answers.

        Raises:
            TaskError: its answer is that nothing can be moved.
        """
        return await self._share("ask", source, lambda: self._ask(source), holds=LOOK_SECONDS)

    async def _ask(self, source: bool) -> StoreError | None:
        """Ask a store for the first key of what the task covers; None when it answers, whatever it says of that key.

        Raises:
            TaskError: no object can be moved, the answer says.
        """
        session = self._session
        store = session.source if source else session.destination
        if not store.capabilities.lists:
            return None
        try:
            await session.wire.call(store.list_page(session.probe_prefix(source=source), limit=1), final=StoreError)
        except StoreError as error:
            fatal = task_error(error, source=source)
            if fatal is not None:
                raise fatal from error
            return None if error.retry is Retry.NEVER else error
        return None

    # -- how others fare --------------------------------------------------------------------------------------------

    async def others(self, *, source: bool) -> bool | None:
        """Whether other objects can be moved now: those under way, else some far away; None when none are known.

        Raises:
            Stopped: the run pauses.
            TaskError: no object can be moved, as it turns out.
        """
        return await self._share("others", source, lambda: self._others(source), holds=LOOK_SECONDS)

    async def _others(self, source: bool) -> bool | None:
        session = self._session
        seen = session.answered
        for _ in range(4):
            if not await session.wire.rest(NATURAL_SECONDS / 4):
                raise Stopped("paused while another object was looked at")
            if session.answered != seen:
                return True
        scouted = await session.scout() if session.scout is not None else None
        if scouted or session.answered != seen:
            return True
        if source:
            read = await read_elsewhere(session)
            return scouted if read is None else read
        return scouted

    async def others_or_error(self, error: StoreError, *, source: bool) -> StoreError | None:
        """Return None once others fare well, else the error that all of them meet: a probe for :meth:`wait_out`."""
        away = await self._ask(source)
        if away is not None:
            return away
        return None if await self.others(source=source) is not False else error

    # -- permissions ------------------------------------------------------------------------------------------------

    async def count_denied(self, error: StoreError, *, source: bool) -> None:
        """Note an object that failed because a permission lacks; when that holds for all, it ends the task.

        Raises:
            TaskError: nothing could be moved, nor could objects far away; millions of failed ones would say no more.
        """
        if scouting.get() or self._session.live.outcomes[Outcome.MIGRATED]:
            return
        self._denied += 1
        if self._denied < DENIED_IN_A_ROW:
            return
        if await self.others(source=source):
            self._denied = 0
            return
        raise denied_error(error, source=source)

    async def _share(self, what: str, source: bool, work: Callable[[], Awaitable[T]], *, holds: float) -> T:
        """Do a piece of work once for all who ask at the same time; its outcome serves ``holds`` seconds longer."""
        began, future = self._shared.get((what, source), (0.0, None))
        if future is None or (future.done() and time.monotonic() - began > holds):
            future = asyncio.ensure_future(work())
            future.add_done_callback(lambda done: self._ended(what, source, done))
            self._shared[what, source] = time.monotonic(), future
        outcome: T = await asyncio.shield(future)
        return outcome

    def _ended(self, what: str, source: bool, future: asyncio.Future[Any]) -> None:
        """Have an outcome hold from its end on; look at it, as nobody may be left to take it."""
        self._shared[what, source] = time.monotonic(), future
        if not future.cancelled():
            future.exception()


def waiting_text(error: StoreError, since: str, *, source: bool) -> str:
    """Return what the run waits for, for eyes."""
    side = "source" if source else "destination"
    what = "asks for fewer requests" if isinstance(error, Throttled) else "does not answer"
    return f"the {side} {what} since {since}: {error}"


class PatientWire:
    """Performs calls of listings: where the store does not answer, it waits as all others do, and asks again."""

    def __init__(self, session: Session, *, source: bool) -> None:
        self._session = session
        self._source = source

    async def call(self, call: Call[T], *, final: type[StoreError] | None = None) -> T:
        """Perform a call.

        Raises:
            StoreError: as :meth:`Wire.call`; one that may pass only after the task's patience.
            TaskError, Stopped: as :meth:`Outages.settle`.
        """
        session, began = self._session, 0.0
        while True:
            try:
                return await session.wire.call(call, final=final)
            except StoreError as error:
                if error.retry is Retry.NEVER or (final is not None and isinstance(error, final)):
                    raise
                if session.stopping:
                    raise Stopped("paused while listing") from None
                began = began or time.monotonic()
                if time.monotonic() - began >= session.settings.patience:
                    raise
                await session.outages.settle(error, source=self._source)
            if not await session.wire.rest(FIRST_PAUSE):
                raise Stopped("paused while listing")
