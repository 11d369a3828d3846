"""Uploads that nobody goes on with: which of a bucket's open uploads are ours, and their end.

An upload of ours is known by its id, and then it is aborted by it. Only a request to open one that went unanswered
leaves an upload whose id nobody heard. It is looked for by its key, and told from those of others by its time, by what
was open before, and by having no parts: nobody can have sent any.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Iterable
from typing import NamedTuple

from oms_engine.errors import BucketNotFound, Retry, StoreError, Throttled, UploadGone
from oms_engine.ledger import Orphan
from oms_engine.model import OpenUpload
from oms_engine.store import Call, MultipartStore, Reply, Request
from oms_engine.wire import Wire

CLOCK_SLACK = 3.0
"""Seconds by which a time of the store may be wrong: both the clock we set by it and the time it states are rounded."""

OPENING_SECONDS = 3600.0
"""A request to open an upload takes no longer than this, all its repetitions included."""

AT_ONCE = 16


class Cleared(NamedTuple):
    """What came of orphans that were looked after."""

    gone: list[Orphan]
    """Those of which nothing is left."""
    aborted: int
    """How many uploads that were."""
    errors: list[StoreError]
    """Of those that are still there."""


class Watched:
    """A call whose answers are counted: what a lost reply may have done is only known of one that was answered."""

    __slots__ = ("_call", "call", "unanswered")

    def __init__(self, call: Call[str]) -> None:
        self._call = call
        self.unanswered = 0
        """How many of its repetitions may have opened an upload that nobody heard of."""
        self.call = call._replace(sign=self._sign, read=self._read)

    def _sign(self, request: Request, now: float) -> Request:
        signed = self._call.sign(request, now)
        self.unanswered += 1
        return signed

    def _read(self, reply: Reply) -> str:
        try:
            upload_id = self._call.read(reply)
        except StoreError as error:
            if error.retry is Retry.NEVER or isinstance(error, Throttled):
                self.unanswered -= 1  # refused: nothing was opened
            raise
        self.unanswered -= 1
        return upload_id


def may_be_ours(upload: OpenUpload, orphan: Orphan, ours: Collection[str] = ()) -> bool:
    """Whether an open upload may be the one that an unanswered request opened.

    =============================================  =====
    of another key                                 no
    of an id that we know (``ours``)               no
    open before the request                        no
    opened before the request, or an hour after    no
    opened in between, or when is not stated       yes
    =============================================  =====
    """
    if upload.key != orphan.key or upload.upload_id in ours or upload.upload_id in orphan.known.split("\n"):
        return False
    if upload.initiated is None:
        return True
    return orphan.since - CLOCK_SLACK <= upload.initiated <= orphan.since + OPENING_SECONDS


async def open_uploads(wire: Wire, store: MultipartStore, prefix: str) -> AsyncIterator[list[OpenUpload]]:
    """List the open uploads under a prefix, page by page."""
    after: tuple[str, str] | None = None
    while True:
        page = await wire.call(store.list_uploads(prefix, after=after))
        yield page.uploads
        if page.next is None:
            return
        after = page.next


async def clear_orphans(
    orphans: Iterable[Orphan], store: MultipartStore, wire: Wire, *, ours: Collection[str] = ()
) -> Cleared:
    """Abort what orphans left in a bucket; of a bucket that is gone nothing is left. ``ours`` are left alone."""
    gate = asyncio.Semaphore(AT_ONCE)
    cleared = Cleared([], 0, [])
    numbers: list[int] = []

    async def clear(orphan: Orphan) -> None:
        async with gate:
            try:
                numbers.append(await _clear(orphan, store, wire, ours))
            except BucketNotFound:
                pass
            except StoreError as error:
                cleared.errors.append(error)
                return
            cleared.gone.append(orphan)

    await asyncio.gather(*(clear(orphan) for orphan in orphans))
    return cleared._replace(aborted=sum(numbers))


async def _clear(orphan: Orphan, store: MultipartStore, wire: Wire, ours: Collection[str]) -> int:
    if orphan.upload_id:
        await wire.call(store.abort_upload(orphan.key, orphan.upload_id))
        return 1
    found = 0
    async for page in open_uploads(wire, store, orphan.key):
        for upload in page:
            if may_be_ours(upload, orphan, ours) and await _is_empty(upload, store, wire):
                await wire.call(store.abort_upload(upload.key, upload.upload_id))
                found += 1
    return found


async def _is_empty(upload: OpenUpload, store: MultipartStore, wire: Wire) -> bool:
    try:
        return not (await wire.call(store.list_parts(upload.key, upload.upload_id))).parts
    except UploadGone:
        return False
