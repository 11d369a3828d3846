"""A listing in memory behind the engine's own calls: pages as a store gives them, performed without sockets."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from oms_engine.model import ListedObject, ListPage, key_bytes
from oms_engine.store import Call, Capabilities, Endpoint, Reply, Request


def listed(key: str, *, size: int = 0, last_modified: float = 0.0) -> ListedObject:
    """Return one line of a listing."""
    return ListedObject(key, size, last_modified, f"etag-{key}", "")


@dataclass
class MemoryStore:
    """Keys that can only be listed."""

    keys: list[str]
    limit: int = 1000
    label: str = "memory://keys"
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Of keys that are not empty, in bytes."""
    asked: list[str] = field(default_factory=list)
    """Where the pages that were asked for began."""

    def __post_init__(self) -> None:
        self.endpoint = Endpoint("http", "memory", 80)
        self.capabilities = Capabilities(list_limit=self.limit)
        self._sorted = sorted({key_bytes(key): key for key in self.keys}.items())
        self._bytes = [raw for raw, _ in self._sorted]

    def list_page(self, prefix: str, *, start_after: str = "", limit: int = 1000) -> Call[ListPage]:
        """List as a store does: by bytes, strictly after ``start_after``."""

        def read(_reply: Reply) -> ListPage:
            self.asked.append(start_after)
            begin = key_bytes(prefix)
            at = bisect_left(self._bytes, begin)
            if start_after:
                at = max(at, bisect_right(self._bytes, key_bytes(start_after)))
            found = []
            while at < len(self._bytes) and self._bytes[at].startswith(begin):
                if len(found) == limit:
                    return ListPage(found, found[-1].key)
                key = self._sorted[at][1]
                found.append(listed(key, size=self.sizes.get(key, 0)))
                at += 1
            return ListPage(found, None)

        request = Request("GET", self.endpoint, "/", (), {})
        return Call(request, lambda request, _now: request, read, self.label, "list_page")


class Performer:
    """Performs calls at once, or after some turns of the event loop."""

    def __init__(self, seed: int | None = None) -> None:
        self._dice = random.Random(seed) if seed is not None else None

    async def call(self, call: Call[ListPage]) -> ListPage:
        """Perform a call."""
        for _ in range(self._dice.randrange(4) if self._dice else 0):
            await asyncio.sleep(0)
        return call.read(Reply(200, {}, b""))
