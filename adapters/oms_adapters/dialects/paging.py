"""Listings that start *at* a key and go on by an opaque token (Azure, Google), made to start *after* any key."""

from __future__ import annotations

from oms_engine.errors import UnexpectedReply
from oms_engine.model import ListedObject, ListPage, key_before


def make_page(
    objects: list[ListedObject], start_after: str, *, prefix: str, limit: int, token: str, by_bytes: bool = False
) -> ListPage:
    """Return the page after a key, from what the store listed; ``token`` is empty on its last page.

    The key itself, which such a store gives once more, is dropped. One object more than ``limit`` was asked for its
    sake: where the key is gone, that one is left to the next page, which then starts by key.

    ``by_bytes``: the store lists by bytes, so what lies before the key came because the server ignores where it was to
    start. It is dropped.

    Raises:
        UnexpectedReply: keys outside the prefix.
    """
    if objects and not (objects[0].key.startswith(prefix) and objects[-1].key.startswith(prefix)):
        raise UnexpectedReply("the listing holds keys outside the prefix it was asked for")
    if by_bytes and start_after and objects and key_before(objects[0].key, start_after):
        objects = [item for item in objects if key_before(start_after, item.key)]
    first = 1 if objects and objects[0].key == start_after else 0
    kept = objects[first : first + limit]
    if first + limit < len(objects):
        return ListPage(kept, kept[-1].key)
    if not token:
        return ListPage(kept, None)
    return ListPage(kept, kept[-1].key if kept else start_after, token)
