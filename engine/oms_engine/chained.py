"""The proof of a large object by the MD5 that its source states of the whole, its parts being read side by side."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from oms_engine.digest import Digests
from oms_engine.md5 import Md5
from oms_engine.model import ObjectHead, Span
from oms_engine.session import Session
from oms_engine.store import MIB
from oms_engine.whole import PartMd5, WholeMd5

LARGEST = 256 * MIB
"""Objects up to this size are hashed whole: 1.5 s of a core per GB, which one large object would wait for."""


def is_proof(session: Session, head: ObjectHead) -> bool:
    """Whether an MD5 of the whole is stated and worth its price: no CRC-64 proves the same."""
    by_crc64 = head.crc64 is not None and session.destination.capabilities.states_crc64
    stated = (head.md5 or head.claimed_md5) is not None and head.size is not None and head.size <= LARGEST
    return stated and not by_crc64 and not session.learned.odd_wholes


class Chain:
    """The MD5 of one object while its parts move. Parts must begin in their order. Owned by one event loop."""

    def __init__(self, session: Session) -> None:
        self._gate = session.learned.chained
        self._learned = session.learned
        self._whole = WholeMd5()
        self._held: dict[int, int] = {}
        """Where parts end that were begun -> their size."""

    async def begin(self, span: Span) -> None:
        """Wait until the bytes of a part may be kept."""
        await self._gate.acquire(span.size)
        self._held[span.last + 1] = span.size

    def hasher(self, span: Span) -> Callable[[], Md5]:
        """Return what makes the MD5 of a part, once for each attempt."""
        return lambda: PartMd5(self._whole, span.first, span.last + 1)

    async def ended(self) -> None:
        """Note that a part has arrived."""
        if self._whole.behind:
            await asyncio.to_thread(self._whole.catch_up)
        for end in [end for end in self._held if end <= self._whole.reached]:
            self._gate.release(self._held.pop(end))

    def close(self) -> None:
        """Keep nothing any more."""
        for size in self._held.values():
            self._gate.release(size)
        self._held.clear()

    async def prove(self, head: ObjectHead, digests: Digests) -> ObjectHead:
        """Have the digests of the whole state its MD5; return the head without one that proves to be none.

        Some stores state ETags that look like MD5s of objects they joined from parts. Where a second read gives the
        same bytes, the ETag is of that kind, unless those of other objects proved them.
        """
        await asyncio.to_thread(self._whole.catch_up)
        if self._whole.reached != digests.size:
            return head
        digests.hash_by(self._whole.md5)
        ours, learned = self._whole.md5.digest(), self._learned
        if head.md5 is None or head.md5 == ours:
            learned.sound_wholes |= head.md5 is not None
            return head
        if learned.read_before.get(head.key) != ours.hex():
            learned.read_before[head.key] = ours.hex()
            return head
        learned.odd_wholes = not learned.sound_wholes
        return head._replace(md5=None) if learned.odd_wholes else head
