"""Listings as other stores give them: in other orders, deaf to where they shall start, in short pages or empty ones."""

from __future__ import annotations

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from oms_adapters.sandbox.core import Bucket, Listing
from oms_adapters.sandbox.starts import just_before

if TYPE_CHECKING:
    from oms_adapters.sandbox.context import Context

HOLE = b"\0hole"
"""Behind the place an empty page leads to."""

RANKS: dict[str, Callable[[bytes], Any]] = {
    "utf8": lambda key: key,
    "utf16": lambda key: key.decode("utf-8", "surrogateescape").encode("utf-16-be", "surrogatepass"),
    "path": lambda key: key.split(b"/"),
    "shuffled": lambda key: hashlib.blake2b(key).digest(),
}
"""What keys are sorted by. ``path``: folder by folder, as file systems and hierarchical name spaces list."""


def list_page(
    context: Context, bucket: Bucket, *, limit: int, start: bytes = b"", at: bytes = b"", token: bytes | None = None
) -> Listing:
    """Return a page: after the key ``start``, or from the key ``at`` on, or behind the page that gave ``token``."""
    settings, query = context.state.settings, context.incoming.bytes_query
    prefix, delimiter = query("prefix"), query("delimiter")
    limit = min(limit, settings.list_page or limit)
    place = token or start
    if settings.list_holes and not place.endswith(HOLE):
        return Listing([], truncated=True, leads_to=(at or place) + HOLE)
    place = place.removesuffix(HOLE)
    order = settings.list_order or context.dialect.list_order
    if order == "utf8" and settings.list_starts == "order":
        return bucket.page(prefix, max(place, just_before(at)), limit, delimiter)
    rank = RANKS[order]
    keys = sorted((key for key in bucket.objects if key.startswith(prefix)), key=rank)
    if token or settings.list_starts == "order":
        ranks = [rank(key) for key in keys]
        begin = max(bisect_left(ranks, rank(at)) if at else 0, bisect_right(ranks, rank(place)) if place else 0)
        keys = keys[begin:]
    elif settings.list_starts == "bytes":
        keys = [key for key in keys if key > place and key >= at]
    page = keys[:limit]
    return Listing([(key, bucket.objects[key]) for key in page], truncated=len(keys) > limit)
