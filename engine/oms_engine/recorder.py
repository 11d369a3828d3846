"""Puts the record lists into the destination bucket while the task runs. One that cannot be written fails no task."""

from __future__ import annotations

import asyncio
import os
from hashlib import md5

from oms_engine.errors import Retry, StoreError
from oms_engine.ledger import Ledger
from oms_engine.model import Attributes, Outcome, WriteOptions
from oms_engine.records import record_folder, record_word
from oms_engine.session import Session
from oms_engine.task import Counters

FLUSH_SECONDS = 5.0
SMALL_FILE = 256 * 1024
STORE_FAILED = "OMS.0304"
"""Failed to store the list: OMS API Reference 7.2."""


class Recorder:
    """The record lists of one run on their way to the bucket."""

    def __init__(self, session: Session, ledger: Ledger) -> None:
        self._session = session
        self._ledger = ledger
        self.errors: dict[str, str] = {}
        """``success`` / ``skip`` / ``failed`` -> OMS's code, where a list could not be written."""

    def folders(self, counters: Counters) -> dict[str, str]:
        """Return ``success`` / ``skip`` / ``failed`` -> folder in the destination bucket, where the run has lists.

        Asked of the counters, as earlier processes of the run have written lists too.
        """
        spec = self._session.spec
        ended = {
            Outcome.MIGRATED: counters.migrated,
            Outcome.SKIPPED: counters.skipped,
            Outcome.FAILED: counters.failed if spec.record_failed else 0,
        }
        return {
            record_word(outcome): record_folder(spec.name, outcome, spec.record_root)
            for outcome, count in ended.items()
            if count and not spec.dry_run
        }

    async def keep_flushing(self) -> None:
        """Upload full lists now and then, until cancelled."""
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            await self.flush(everything=False)

    async def flush(self, *, everything: bool) -> None:
        """Upload the lists that are full, or all."""
        if self._session.spec.dry_run:
            return
        limit = self._session.settings.record_file_bytes
        for outcome, name, path in self._ledger.records_ready(everything=everything, limit_bytes=limit):
            if outcome is Outcome.FAILED and not self._session.spec.record_failed:
                self._ledger.record_uploaded(outcome, name)
                continue
            kind = record_word(outcome)
            folder = record_folder(self._session.spec.name, outcome, self._session.spec.record_root)
            try:
                await self._upload(f"{folder}{name}.{kind}_list.txt", path)
            except StoreError as error:
                self.errors[kind] = STORE_FAILED
                if error.retry is not Retry.NEVER:
                    return  # the store does not answer: the others wait for the next time, too
            except OSError:
                self.errors[kind] = STORE_FAILED
            else:
                self.errors.pop(kind, None)
                self._ledger.record_uploaded(outcome, name)

    async def _upload(self, key: str, path: str) -> None:
        # A small file is read sooner than a thread is started.
        small = os.stat(path).st_size <= SMALL_FILE  # noqa: PTH116 - paths are text as in the ledger's protocol
        body = _read(path) if small else await asyncio.to_thread(_read, path)
        # Buckets with Object Lock take nothing without it.
        digest = md5(body, usedforsecurity=False).digest()
        options = WriteOptions(attributes=Attributes(content_type="text/plain"), md5=digest)
        call = self._session.destination.write(key, size=len(body), options=options, body=body)
        await self._session.wire.call(call)


def _read(path: str) -> bytes:
    with open(path, "rb") as file:  # noqa: PTH123 - as above
        return file.read()
