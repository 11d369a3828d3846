"""A listing in memory behind the engine's own calls: pages as stores give them, performed without sockets."""

from __future__ import annotations

import asyncio
import random
from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from oms_engine.model import KeyOrder, ListedObject, ListPage, key_bytes
from oms_engine.store import Call, Capabilities, Endpoint, Reply, Request


def listed(key: str, *, size: int = 0, last_modified: float = 0.0) -> ListedObject:
    """Return one line of a listing."""
    return ListedObject(key, size, last_modified, f"etag-{key}", "")


def _shuffled(key: str) -> Any:
    return random.Random(key).random(), key_bytes(key)


ORDERS: dict[str, Callable[[str], Any]] = {
    "utf8": key_bytes,
    "utf16": lambda key: key.encode("utf-16-be", "surrogatepass"),
    "path": lambda key: [part.encode("utf-8", "surrogateescape") for part in key.split("/")],
    "shuffled": _shuffled,
}
"""Sort keys of the orders that stores list in."""


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
    order: str = "utf8"
    """The order it lists in, of ``ORDERS``."""
    declared: KeyOrder = KeyOrder.UTF8
    """The order it is said to list in."""
    starts: str = "order"
    """What ``start_after`` does: ``order`` starts behind that place of its own order, ``bytes`` leaves out the keys
    up to that one by bytes, ``ignored`` starts at the beginning."""
    tokens: bool = False
    """Whether pages carry a token."""
    empty_pages: bool = False
    """Whether a page without objects but with a token comes between any two."""

    def __post_init__(self) -> None:
        self.endpoint = Endpoint("http", "memory", 80)
        self.capabilities = Capabilities(list_limit=self.limit, order=self.declared)
        self.cloud_type = "Memory"
        self.bucket = "keys"
        self._rank = ORDERS[self.order]
        self._sorted = sorted(set(self.keys), key=self._rank)
        self._ranks = [self._rank(key) for key in self._sorted]

    def _first(self, start_after: str) -> int:
        return bisect_right(self._ranks, self._rank(start_after)) if start_after and self.starts == "order" else 0

    def list_page(
        self, prefix: str, *, start_after: str = "", limit: int = 1000, token: str | None = None
    ) -> Call[ListPage]:
        """List as a store of this kind does."""

        def read(_reply: Reply) -> ListPage:
            self.asked.append(start_after)
            at, empty = (int(text) for text in token.split()) if token else (self._first(start_after), 0)
            if self.empty_pages and not empty:
                return ListPage([], start_after, f"{at} 1")
            found: list[ListedObject] = []
            while at < len(self._sorted):
                key = self._sorted[at]
                inside = key.startswith(prefix) and (
                    token is not None or self.starts != "bytes" or key_bytes(key) > key_bytes(start_after)
                )
                if inside and len(found) == limit:
                    return ListPage(found, found[-1].key, f"{at} 0" if self.tokens or self.empty_pages else None)
                if inside:
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
