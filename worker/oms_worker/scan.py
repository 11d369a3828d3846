"""Counts what a task covers, beside the migration: totals and percent are right long before the last object is met.

It costs one listing of the source more (one request per 1,000 objects), and nothing depends on it: where it fails or
the scope is no key range, the totals grow with the migration instead.
"""

from __future__ import annotations

from contextlib import suppress

from oms_engine.errors import OmsError
from oms_engine.listing import Bounds, list_pages
from oms_engine.scope import KEYS, segments_of
from oms_engine.session import StoreOpener
from oms_engine.task import MigrationSpec
from oms_engine.wire import Wire, WireSettings
from oms_worker.figures import Scan


class Scanner:
    """One count of a task's scope; ``scan`` is how far it is."""

    def __init__(self, spec: MigrationSpec, source: StoreOpener, settings: WireSettings) -> None:
        self._segments = segments_of(spec)
        self._source = source
        self._settings = settings
        self.scan: Scan | None = None

    @property
    def possible(self) -> bool:
        """Whether the scope is made of key ranges alone."""
        return all(segment.list_offset != KEYS for segment in self._segments)

    async def run(self) -> None:
        """Count to the end, or to the first error, which is forgotten together with the count."""
        objects = size = 0
        store = self._source()
        try:
            async with Wire(self._settings) as wire:
                for segment in self._segments:
                    pages = list_pages(wire, store, segment.prefix, start_after=segment.lo, bounds=Bounds(segment.hi))
                    async for page in pages:
                        objects += len(page)
                        size += sum(entry.size for entry in page)
                        self.scan = Scan(objects, size)
        except OmsError:
            self.scan = None
            return
        self.scan = Scan(objects, size, done=True)


async def count_quietly(scanner: Scanner) -> None:
    """Run a scanner whose failure nobody needs to hear of."""
    with suppress(Exception):
        await scanner.run()
