"""Listings that start *at* a key and go on by an opaque marker (Azure, Google), made to start *after* any key.

A page's ``next_start`` is a key where that suffices. Where the store gave a marker, it is a *position*: the last key,
two NULs and the marker. It sorts directly behind that key, so the engine compares it like a key; and a run that is
resumed from a plain key needs no marker at all.
"""

from __future__ import annotations

import re
from operator import lt
from typing import NamedTuple

from oms_engine.errors import UnexpectedReply
from oms_engine.model import ListedObject, ListPage, key_before, key_bytes

_POSITION = re.compile(r"(.*)\0\0([0-9]{8})\0(.*)\0\0(.+)", re.DOTALL)


class Position(NamedTuple):
    """Where a page starts: after ``key``; by ``marker`` where the page before it gave one."""

    key: str
    marker: str = ""
    step: int = 0
    """How many pages without objects have followed this key: it keeps positions ascending over them."""
    last: str = ""
    """The last key those pages held, all of them before ``key``; empty where they held none."""


def parse_position(start_after: str) -> Position:
    """Return the position that a page's ``next_start``, or any key, names."""
    found = _POSITION.fullmatch(start_after)
    return Position(found[1], found[4], int(found[2]), found[3]) if found else Position(start_after)


def render_position(position: Position) -> str:
    """Return what names a position to ``start_after``."""
    return f"{position.key}\0\0{position.step:08}\0{position.last}\0\0{position.marker}"


def make_page(
    objects: list[ListedObject], position: Position, *, prefix: str, limit: int, marker: str, by_key: bool
) -> ListPage:
    """Return the page that starts at a position, from what the store listed; ``marker`` is empty on its last page.

    Objects up to the position's key are dropped: a store that starts at a key gives that key once more, one that
    cannot start anywhere gives all before it. ``by_key`` goes on from the last key rather than by the marker.

    Raises:
        UnexpectedReply: keys do not ascend by their bytes, within the page or from the page before, or leave the
            prefix.
    """
    _check(objects, prefix, _floor(position))
    first = 0
    if position.key:
        while first < len(objects) and not key_before(position.key, objects[first].key):
            first += 1
    kept = objects[first : first + limit]
    if first + limit < len(objects):
        return ListPage(kept, kept[-1].key)
    if not marker:
        return ListPage(kept, None)
    if kept and by_key:
        return ListPage(kept, kept[-1].key)
    if kept:
        return ListPage(kept, render_position(Position(kept[-1].key, marker)))
    last = objects[-1].key if objects else position.last
    return ListPage(kept, render_position(Position(position.key, marker, position.step + 1, last)))


def _floor(position: Position) -> str:
    """Return a key that the page before held, empty where there was none: all that follows sorts after it."""
    if not position.marker:
        return ""
    return position.last if position.step else position.key


def _check(objects: list[ListedObject], prefix: str, floor: str) -> None:
    keys = [floor, *(entry[0] for entry in objects)] if floor else [entry[0] for entry in objects]
    ascend = all(map(lt, keys, keys[1:]))
    if not all(map(str.isascii, keys)):
        raw = [key_bytes(key) for key in keys]
        ascend = all(map(lt, raw, raw[1:]))
    if not ascend:
        raise UnexpectedReply(
            "the keys of the listing do not ascend by their UTF-8 bytes, so it can be neither compared nor resumed; "
            "migrate these objects by an object list"
        )
    if objects and not (objects[0].key.startswith(prefix) and objects[-1].key.startswith(prefix)):
        raise UnexpectedReply("the listing holds keys outside the prefix it was asked for")
