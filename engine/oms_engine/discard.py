"""Forgetting a task: every upload it may have left open is aborted, so that no half-stored parts are paid for."""

from __future__ import annotations

from oms_engine.errors import BucketNotFound, StoreError
from oms_engine.frozen import dataclass
from oms_engine.ledger import Ledger
from oms_engine.marker import Marker, note_folder
from oms_engine.store import BucketStore
from oms_engine.uploads import close_uploads
from oms_engine.wire import Wire


@dataclass(frozen=True, slots=True)
class Left:
    """What a task that is forgotten had left."""

    aborted: int
    """Uploads that are gone now."""
    notes: int
    """Notes of lost states that told of some."""
    errors: list[StoreError]
    """Of what could not be aborted, or looked for; that is remembered still."""


async def discard_uploads(
    ledger: Ledger, store: BucketStore, wire: Wire, *, identity: str, number: int, prefix: str = ""
) -> Left:
    """Abort every upload that the ledger, or a note at the destination, remembers of a task.

    What could not be aborted stays in the ledger, so that it can be tried again. ``number`` is the ledger's own, whose
    note goes when nothing is open any more.
    """
    marker, errors = Marker(ledger, store, wire, folder=note_folder(identity), number=number), []
    try:
        notes = await marker.others(prefix=prefix)
    except BucketNotFound:
        notes = []
    except StoreError as error:
        notes, errors = [], [error]
    closed = await close_uploads(ledger, store, wire, notes)
    if not ledger.orphans():
        await marker.close()
    return Left(closed.aborted, len(notes), [*closed.errors, *errors])
