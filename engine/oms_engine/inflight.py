"""What movers remember of an object while it moves, wherever the ledger is: here, or behind a pipe."""

from __future__ import annotations

import time
from typing import Protocol

from oms_engine.ledger import Doubt, Ledger, Orphan, Upload
from oms_engine.model import WrittenPart

CLOCKS_APART = 900.0
"""Seconds between our clock and a store's, at most, where it does not state its own: more, and signatures are refused.
https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html (RequestTimeTooSkewed)"""


class UploadMemory(Protocol):
    """Where multipart uploads are remembered: the ledger, near or through a pipe."""

    async def upload(self, key: str) -> tuple[Upload, list[WrittenPart]] | None:
        """Return the upload in flight for a destination key and its proven parts."""
        ...

    async def begin_upload(self, key: str) -> Orphan:
        """Remember that an upload is about to be opened: an orphan until it is answered."""
        ...

    async def save_upload(self, upload: Upload) -> None:
        """Remember an upload before its first part is sent."""
        ...

    async def save_part(self, key: str, part: WrittenPart) -> None:
        """Remember a part whose bytes were proved."""
        ...

    async def forget_upload(self, key: str) -> None:
        """Forget an upload that was completed."""
        ...

    async def orphan_upload(self, key: str) -> None:
        """Go on with an upload no longer: it is to be aborted."""
        ...

    async def forget_orphan(self, orphan: Orphan) -> None:
        """Forget an upload that was aborted, or a request that was answered."""
        ...

    doubts: dict[str, str]
    """Damaged copies at the destination, as far as is known here: key -> ETag. Empty nearly always."""

    async def save_doubt(self, doubt: Doubt) -> None:
        """Remember a damaged copy before it is taken back."""
        ...

    async def forget_doubt(self, key: str) -> None:
        """Forget a damaged copy that is gone or was replaced."""
        ...


class LedgerUploads:
    """The ledger as the memory of uploads, for moves in the ledger's own process."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.doubts = {doubt.key: doubt.etag for doubt in ledger.doubts()}

    async def upload(self, key: str) -> tuple[Upload, list[WrittenPart]] | None:
        """Return the upload in flight for a destination key and its proved parts."""
        upload = self._ledger.upload(key)
        return None if upload is None else (upload, self._ledger.parts(key))

    async def begin_upload(self, key: str) -> Orphan:
        """Remember that an upload is about to be opened."""
        request = Orphan(key, since=time.time() - CLOCKS_APART)
        self._ledger.save_orphan(request)
        return request

    async def save_upload(self, upload: Upload) -> None:
        """Remember an upload."""
        self._ledger.save_upload(upload)

    async def save_part(self, key: str, part: WrittenPart) -> None:
        """Remember a proved part."""
        self._ledger.save_part(key, part)

    async def forget_upload(self, key: str) -> None:
        """Forget an upload."""
        self._ledger.forget_upload(key)

    async def orphan_upload(self, key: str) -> None:
        """Go on with an upload no longer."""
        self._ledger.orphan_upload(key)

    async def forget_orphan(self, orphan: Orphan) -> None:
        """Forget an orphan."""
        self._ledger.forget_orphan(orphan)

    async def save_doubt(self, doubt: Doubt) -> None:
        """Remember a damaged copy."""
        self.doubts[doubt.key] = doubt.etag
        self._ledger.save_doubt(doubt)

    async def forget_doubt(self, key: str) -> None:
        """Forget a damaged copy."""
        self._ledger.forget_doubt(key)
        self.doubts.pop(key, None)
