"""Listings from the beginning that prove a source's order, wherever a run begins elsewhere on its word alone.

A listing that starts at a key leaves out what the store sorts before it; when that order is not the one of bytes, keys
are never met, and nothing in that listing shows it. So a source whose order nobody vouches for is listed once more,
from the beginning and by its own tokens, beside the run: a LIST per 1000 keys, and nothing but the end waits for it.
"""

from __future__ import annotations

import asyncio

from oms_engine.errors import Stopped, StoreError, TaskError
from oms_engine.ledger import Segment, SegmentState
from oms_engine.listing import list_pages
from oms_engine.model import KeyOrder
from oms_engine.scope import is_listing
from oms_engine.session import Session
from oms_engine.verdicts import attempt_error

AT_ONCE = 4
"""Prefixes that are proved at once."""


class OrderProofs:
    """The proofs of one run, one per prefix."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._listings: dict[str, asyncio.Task[None]] = {}
        self.alarm: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Fails as soon as a proof does."""

    @property
    def needed(self) -> bool:
        """Whether the source's order has to be proved."""
        return self._session.source.capabilities.order is not KeyOrder.UTF8

    def send_for(self, segments: list[Segment]) -> None:
        """Prove the order of every prefix that a segment begins in the middle of.

        Ranges of a larger migration are left out: whoever cut them listed everything before them.
        """
        if not self.needed or self._session.spec.scope.ranges:
            return
        for segment in segments:
            if is_listing(segment) and segment.state is not SegmentState.DONE and (segment.lo or segment.marker):
                self.send(segment.prefix)

    def send(self, prefix: str) -> None:
        """Prove the order of a prefix, unless that is under way."""
        if prefix not in self._listings:
            self._listings[prefix] = asyncio.ensure_future(self._prove(prefix))

    async def _prove(self, prefix: str) -> None:
        session = self._session
        try:
            async with self._gate:
                async for _page in list_pages(session.patient(source=True), session.source, prefix):
                    if session.stopping:
                        return
        except Stopped:
            return
        except StoreError as error:
            self._fail(attempt_error(error, source=True))

    def _fail(self, error: TaskError) -> None:
        if not self.alarm.done():
            self.alarm.set_exception(error)

    async def back(self) -> None:
        """Wait for all proofs.

        Raises:
            TaskError: a prefix is not in order.
        """
        await asyncio.gather(*self._listings.values())
        if self.alarm.done():
            self.alarm.result()

    def close(self) -> None:
        """Give up what is under way."""
        for listing in self._listings.values():
            listing.cancel()
        if self.alarm.done():
            self.alarm.exception()
        else:
            self.alarm.cancel()
