"""An object whose store did not answer: tried again until it is moved, or until it is clear whose trouble it is."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from functools import partial
from typing import TypeVar

from oms_engine.errors import ConnectionBroken, OmsError, Stopped, StoreError, Throttled, TimedOut, Unavailable
from oms_engine.outages import LONE_SECONDS
from oms_engine.session import Session
from oms_engine.wire import briefly

T = TypeVar("T")

PAUSE = 1.0
"""Time between two tries of an object that nothing can be held against."""


class Unanswered(OmsError):
    """A store did not answer a call for an object, in all its attempts; whose trouble that is stays open."""

    def __init__(self, error: StoreError, *, source: bool) -> None:
        super().__init__(str(error))
        self.error = error
        self.source = source


def out_of_service(error: StoreError) -> bool:
    """Whether an error is what a store that is away answers, or does not; an error inside a 2xx reply is not."""
    return isinstance(error, Throttled | Unavailable | ConnectionBroken | TimedOut) and not 200 <= error.status < 300


async def persist(session: Session, trouble: Unanswered, again: Callable[[], Awaitable[T]]) -> T | Unanswered:
    """Try an object ``again`` until it has its end; return the last trouble when it is the object's own.

    ======================  ======================  ==================================================================
    its store, asked        other objects now       then
    ======================  ======================  ==================================================================
    does not answer         -                       wait until it does, then again
    answers                 are moved, or can be    once more, briefly; the object's own trouble, if the store answers
                                                    even then
    answers                 meet the same trouble   wait until they do not, then again
    answers                 there are none left     again, for a minute; then the object's own trouble
    answers                 (the reply was odd)     the object's own trouble: an odd reply is no sign of being away
    ======================  ======================  ==================================================================

    Raises:
        TaskError: the store stayed away for the task's patience.
        Stopped: the run pauses.
    """
    began, tries, outages = time.monotonic(), 0, session.outages
    while True:
        error, source = trouble.error, trouble.source
        waited = await outages.settle(error, source=source)
        if not waited and not out_of_service(error):
            return trouble
        others = None if waited else await outages.others(source=source)
        if others is False:
            await outages.wait_out(error, source=source, probe=partial(outages.others_or_error, error, source=source))
        elif others is None and not waited and tries:
            if time.monotonic() - began >= min(LONE_SECONDS, session.settings.patience):
                return trouble
            if not await session.wire.rest(PAUSE):
                raise Stopped("paused while a store did not answer")
        try:
            with briefly() if others else nullcontext():
                return await again()
        except Unanswered as still:
            trouble = still
        tries += 1
        if others and await outages.away(source=trouble.source) is None:
            return trouble
