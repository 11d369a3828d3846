"""The memory of multipart uploads: what is in flight, what is to be aborted; at a run's end nothing stays open.

What is about to be opened is written down first, here and at the destination; so a lost reply, a kill, a lost state or
a refused abort leave nothing that is not found again.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import field
from typing import NamedTuple

from oms_engine.errors import StoreError
from oms_engine.frozen import dataclass
from oms_engine.inflight import CLOCKS_APART, LedgerUploads
from oms_engine.ledger import Ledger, Orphan, Upload
from oms_engine.marker import Marker, Note, open_of
from oms_engine.orphans import Cleared, clear_orphans
from oms_engine.store import BucketStore
from oms_engine.wire import Wire

LOOK_SECONDS = 60.0
"""How long a look at what is open holds, where the store does not state when uploads were opened."""

PAGES_LOOKED_AT = 20
"""Pages of open uploads that are read before the first of ours is opened."""


class _Look(NamedTuple):
    """What was open at the destination before we opened anything."""

    ids: dict[str, list[str]]
    ahead: float | None
    """Seconds by which the store's clock is ahead of ours; None where it states none."""
    lasting: bool
    """Whether uploads are listed with their times, so that later ones are told from ours by them."""


class UploadBook(LedgerUploads):
    """The memory of one run, which also writes the note at the destination, and sees to the end of what is left."""

    def __init__(
        self, ledger: Ledger, store: BucketStore, wire: Wire, *, folder: str, number: int, first: bool, prefix: str = ""
    ) -> None:
        super().__init__(ledger)
        self._store, self._wire, self._prefix = store, wire, prefix
        self._marker = Marker(ledger, store, wire, folder=folder, number=number)
        self._used = first or bool(open_of(ledger))
        """Whether notes may lie there: a new state may have taken a lost one's place, an old one have met a kill."""
        self._looked_at = 0.0
        self._look: asyncio.Future[_Look] | None = None

    async def begin_upload(self, key: str) -> Orphan:
        """Remember that an upload is about to be opened, here and at the destination."""
        self._used = True
        look = await self._look_around()
        since = time.time() + (-CLOCKS_APART if look.ahead is None else look.ahead)
        request = Orphan(key, since=since, known="\n".join(look.ids.get(key, ())))
        self._ledger.save_orphan(request)
        await self._marker.write()
        return request

    async def save_upload(self, upload: Upload) -> None:
        """Remember an upload, here and at the destination, before it holds anything that is paid for."""
        await super().save_upload(upload)
        await self._marker.write()

    async def _look_around(self) -> _Look:
        """Return what was open before; all who ask share one look."""
        if self._look is None or (time.monotonic() - self._looked_at > LOOK_SECONDS and not (await self._look).lasting):
            self._looked_at = time.monotonic()
            self._look = asyncio.ensure_future(self._list_open())
        return await asyncio.shield(self._look)

    async def _list_open(self) -> _Look:
        ids: dict[str, list[str]] = {}
        ahead, after, stated = None, None, False
        for _ in range(PAGES_LOOKED_AT):
            sent = time.time()
            try:
                page = await self._wire.call(self._store.list_uploads(self._prefix, after=after))
            except StoreError:
                return _Look(ids, ahead, lasting=True)  # it will not be listed at the end either
            if page.now is not None:
                ahead = page.now - (sent + time.time()) / 2
            for upload in page.uploads:
                ids.setdefault(upload.key, []).append(upload.upload_id)
            stated = bool(page.uploads) and all(upload.initiated is not None for upload in page.uploads)
            if page.next is None:
                break
            after = page.next
        return _Look(ids, ahead, lasting=stated and ahead is not None)

    async def lost_notes(self, *, over: bool) -> list[Note]:
        """Return what processes of this task have left whose state was lost; of use when a run is over."""
        if self._used and over:
            with suppress(StoreError):
                return await self._marker.others(prefix=self._prefix)
        return []

    async def finish(self, notes: list[Note]) -> int:
        """End what nobody goes on with, after every object has its end; return how many uploads stay open."""
        await close_uploads(self._ledger, self._store, self._wire, notes)
        return len(self._ledger.orphans())

    def stop(self) -> None:
        """Write no more at the destination."""
        self._marker.stop()

    async def close(self) -> None:
        """Leave a true note behind."""
        await self._marker.close()


@dataclass(frozen=True, slots=True)
class Closed:
    """What came of closing uploads."""

    aborted: int
    errors: list[StoreError] = field(default_factory=list)


async def close_uploads(
    ledger: Ledger, store: BucketStore, wire: Wire, notes: list[Note], *, ours: Collection[str] = ()
) -> Closed:
    """Abort everything that a ledger and abandoned notes remember; what could not be aborted stays in the ledger."""
    for upload in ledger.uploads():
        ledger.orphan_upload(upload.key)
    for note in notes:
        for orphan in note.orphans:
            ledger.save_orphan(orphan)
    cleared: Cleared = await clear_orphans(ledger.orphans(), store, wire, ours=ours)
    for orphan in cleared.gone:
        ledger.forget_orphan(orphan)
    left = {orphan[:3] for orphan in ledger.orphans()}
    for note in notes:
        if left.isdisjoint(orphan[:3] for orphan in note.orphans):
            with suppress(StoreError):
                await wire.call(store.delete(note.key))
    return Closed(cleared.aborted, cleared.errors)
