"""A body that is read and hashed in a thread, and goes nowhere."""

from __future__ import annotations

from typing import TypeVar

from oms_engine.errors import UnexpectedReply
from oms_engine.model import ObjectHead
from oms_engine.store import Call
from oms_engine.wire.bulk import BulkLane, Cancelled, Relay, Relayed
from oms_engine.wire.settings import Hashing

D = TypeVar("D", bound=Hashing)


class Drain(Relay[None, D]):
    """One attempt at one read: a relay without a destination."""

    def __init__(self, lane: BulkLane, read: Call[ObjectHead], *, digests: D, size: int) -> None:
        super().__init__(lane, read, _nowhere, digests=digests, size=size, on_bytes=None)

    def _run(self) -> Relayed[None, D]:
        head, source = self._open_source()
        buffer = self._lane.buffers.take()
        try:
            for data in source.body(buffer):
                self._digests.update(data)
                self.passed += len(data)
                if self._stopped:
                    raise Cancelled
        finally:
            self._lane.buffers.give_back(buffer)
        if self.passed != self._size:
            raise UnexpectedReply(f"the store sent {self.passed} bytes instead of {self._size}")
        return Relayed(head, None, self._digests, self.passed)


def _nowhere(_head: ObjectHead) -> Call[None]:
    raise AssertionError("a drain writes nothing")
