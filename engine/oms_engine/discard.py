"""Deleting a task: its multipart uploads in flight are aborted, so that no half-stored parts are paid for."""

from __future__ import annotations

from oms_engine.errors import StoreError
from oms_engine.ledger import Ledger
from oms_engine.store import MultipartStore
from oms_engine.wire import Wire


async def discard_uploads(ledger: Ledger, destination: MultipartStore, wire: Wire) -> tuple[int, list[StoreError]]:
    """Abort every upload the ledger remembers; return how many are gone, and the errors of those that are not.

    What could not be aborted stays remembered, so that it can be tried again.
    """
    gone = 0
    errors: list[StoreError] = []
    for upload in ledger.uploads():
        try:
            await wire.call(destination.abort_upload(upload.key, upload.upload_id))
        except StoreError as error:
            errors.append(error)
        else:
            ledger.forget_upload(upload.key)
            gone += 1
    return gone, errors
