"""The note at the destination of which uploads a task has open: the memory that is left when the state is lost.

One small object beside the record lists, ``oms/task/open_uploads/<task>/<ledger>.json``, written before an upload is
opened and once its id is known, deleted when a run has closed all. It is no truth of its own: it is read only when
another state of the same task meets it, and only once its process has ended.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from hashlib import blake2b
from typing import NamedTuple

from oms_engine.errors import NotFound, Retry, StoreError
from oms_engine.ledger import Ledger, Orphan
from oms_engine.liveness import has_ended, mark_of_this_process
from oms_engine.model import Attributes, ListedObject, WriteOptions
from oms_engine.store import MIB, BucketStore
from oms_engine.wire import Wire

FOLDER = "oms/task/open_uploads/"
BEAT_SECONDS = 300.0
"""How often the note is written anew while uploads are open, so that others see that somebody works."""
SILENT_SECONDS = 1800.0
"""A note that was not written anew for so long is that of a run which has ended, on whichever machine."""
LONGEST = 16 * MIB


class Note(NamedTuple):
    """A note of a process that has ended."""

    key: str
    orphans: list[Orphan]


def note_folder(identity: str) -> str:
    """Return where the notes of a task lie, whichever state it has."""
    return f"{FOLDER}{blake2b(identity.encode('utf-8', 'surrogatepass'), digest_size=12).hexdigest()}/"


def open_of(ledger: Ledger) -> list[Orphan]:
    """Return all that a ledger remembers of uploads that may be open."""
    return [Orphan(upload.key, upload.upload_id) for upload in ledger.uploads()] + ledger.orphans()


def render_note(orphans: Iterable[Orphan], mark: str) -> bytes:
    """Write a note."""
    return json.dumps({"version": 1, "process": mark, "uploads": [list(orphan) for orphan in orphans]}).encode()


def parse_note(body: bytes) -> tuple[str, list[Orphan]] | None:
    """Read a note: the mark of its process, and the uploads; None when it is none."""
    try:
        note = json.loads(body)
        rows = [(str(key), str(number), float(since), str(known)) for key, number, since, known in note["uploads"]]
        return str(note["process"]), [Orphan(*row) for row in rows]
    except (ValueError, TypeError, KeyError, AttributeError):
        return None


def is_abandoned(mark: str, silent: float) -> bool:
    """Whether the run of a note, not written anew for ``silent`` seconds, has ended: one that lives writes it."""
    return has_ended(mark) is True or silent >= SILENT_SECONDS


class Marker:
    """The note of one ledger. What cannot be written is done without: it is of use only when the state is lost."""

    def __init__(self, ledger: Ledger, store: BucketStore, wire: Wire, *, folder: str, number: int) -> None:
        self.folder = folder
        self.key = f"{folder}{number}.json"
        self._ledger, self._store, self._wire = ledger, store, wire
        self._mark = mark_of_this_process()
        self._refused = False
        self._written = bool(open_of(ledger))
        """Whether a note may lie there."""
        self._turn = asyncio.Lock()
        self._next: asyncio.Future[None] | None = None
        self._beat: asyncio.Task[None] | None = None
        self._closed = False

    async def write(self) -> None:
        """Write what the ledger holds now; all who ask while a note is under way share the next one."""
        if self._refused:
            return
        if self._next is None:
            self._next = asyncio.ensure_future(self._write())
        self._beat = self._beat or asyncio.ensure_future(self._go_on())
        await asyncio.shield(self._next)

    async def _write(self) -> None:
        async with self._turn:
            self._next = None
            if not self._closed:
                await self._put()

    async def _put(self) -> None:
        body = render_note(open_of(self._ledger), self._mark)
        options = WriteOptions(attributes=Attributes(content_type="application/json"))
        self._written = True
        try:
            await self._wire.call(self._store.write(self.key, size=len(body), options=options, body=body))
        except StoreError as error:
            self._refused = error.retry is Retry.NEVER

    async def _go_on(self) -> None:
        while not self._refused:
            await asyncio.sleep(BEAT_SECONDS)
            await self.write()

    async def others(self, *, prefix: str) -> list[Note]:
        """Return the notes of this task's processes that have ended, and see whether ours lies there.

        Raises:
            StoreError: they cannot be listed.
        """
        items = await listed(self._store, self._wire, self.folder)
        self._written = self._written or any(item.key == self.key for item in items)
        return await abandoned(self._store, self._wire, [item for item in items if item.key != self.key], prefix)

    def stop(self) -> None:
        """Write no more."""
        self._closed = True
        if self._beat is not None:
            self._beat.cancel()

    async def close(self) -> None:
        """Leave the note as the ledger stands: none where nothing is open."""
        self.stop()
        async with self._turn:
            if not self._written or self._refused:
                return
            if open_of(self._ledger):
                await self._put()
                return
            with suppress(StoreError):
                await self._wire.call(self._store.delete(self.key))


async def abandoned(store: BucketStore, wire: Wire, items: Iterable[ListedObject], prefix: str) -> list[Note]:
    """Return those of these notes whose processes have ended.

    Whoever may write to the bucket may write a note: uploads outside the task's ``prefix`` are none of ours.

    Raises:
        StoreError: one cannot be read.
    """
    found: list[Note] = []
    for item in items:
        try:
            _, body = await wire.fetch(store.read(item.key), limit=LONGEST)
        except NotFound:
            continue
        note = parse_note(body)
        if note is not None and is_abandoned(note[0], time.time() - item.last_modified):
            found.append(Note(item.key, [orphan for orphan in note[1] if orphan.key.startswith(prefix)]))
    return found


async def listed(store: BucketStore, wire: Wire, folder: str) -> Sequence[ListedObject]:
    """List the notes of a task.

    Raises:
        StoreError: they cannot be listed.
    """
    items: list[ListedObject] = []
    after = ""
    while True:
        page = await wire.call(store.list_page(folder, start_after=after))
        items += page.objects
        if page.next_start is None:
            return items
        after = page.next_start
