"""Stores that take several keys for one: gateways to file systems make ``d/x`` of ``d//x``, ``lead`` of ``/lead``.

Such a key is read where it was never listed, and writing it replaces the object of another key, which may have been
compared already. So a key that is no plain path is asked for before it is written, and once one of its kind is there
without being listed, all of that kind are failed by name. A store that keeps one of a kind apart is asked no more.

==============  ==================  =========================================
HEAD            the listing         then
==============  ==================  =========================================
not found       any                 written, and looked for afterwards
found           has the key         the store keeps this kind of key
found           lacks the key       another name of the file answers too: the store folds it, failed
==============  ==================  =========================================
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence

from oms_engine.errors import NotFound, ObjectError, StoreError, UnexpectedReply
from oms_engine.model import key_before
from oms_engine.session import Session
from oms_engine.split import GREATEST

FOLDED = "CHECK_DST_OBJ_CHANGED_FAILURE"

_ODD = re.compile(r"^/|(?<=/)/|(?:(?<=/)|^)\.(?:\.?)(?=/|$)|\\")
"""What a path of a file cannot hold: a slash that leads or follows another, a dot or dot-dot segment, a backslash."""


def may_fold(key: str) -> bool:
    """Whether a key is no plain path of a file. Pure; nearly free for those that are."""
    return ("//" in key or "/." in key or key[:1] in "/." or "\\" in key) and _ODD.search(key) is not None


def odd_keys(keys: Sequence[str]) -> set[str]:
    """Return the keys that are no plain paths of files. Pure; one look at all of them where none is."""
    text = "\n".join(("", *keys))
    if "//" in text or "/." in text or "\\" in text or "\n/" in text or "\n." in text:
        return set(filter(may_fold, keys))
    return set()


def first_mark(key: str) -> tuple[str, int]:
    """Return what makes a key no plain path, and where it begins. Pure."""
    found = _ODD.search(key)
    assert found is not None
    return f"leading {found[0]}" if found.start() == 0 else found[0], found.start()


async def refuse_folded(session: Session, key: str) -> None:
    """Refuse to write a key that the destination takes for another one.

    Raises:
        ObjectError: it does.
    """
    if await is_folded(session, key):
        raise folded(key)


async def is_folded(session: Session, key: str) -> bool:
    """Whether the destination takes a key for another one; False while no key of its kind is there to be asked for."""
    kind, _ = first_mark(key)
    folds = session.sight.folds
    if kind not in folds and session.sight.may_list:
        try:
            await session.wire.call(session.destination.head(key))
            listed = await _is_listed(session, key)
            if not listed:  # some listings are late
                await asyncio.sleep(session.settings.look_again_seconds)
                listed = await _is_listed(session, key)
            folds[kind] = not listed and await _answers_elsewhere(session, key)
        except StoreError:  # nothing there, or nobody may ask: the write's own checks decide
            return False
    return folds.get(kind, False)


def spelled_otherwise(key: str) -> str:
    """Return a name of the same file that nobody is likely to have written. Pure."""
    kind, mark = first_mark(key)
    if kind.endswith("\\"):
        return f"{key[:mark]}/{key[mark + 1 :]}"
    return f"{key[:mark]}{'////' if kind.endswith('/') else './././'}{key[mark:]}"


async def _answers_elsewhere(session: Session, key: str) -> bool:
    """Whether something answers under another name of the same file; else a listing is only very late."""
    try:
        await session.wire.call(session.destination.head(spelled_otherwise(key)))
    except NotFound:
        return False
    return True  # whatever it states: another writer may have replaced the object in between


async def _is_listed(session: Session, key: str) -> bool:
    """Look for a key from the last plain one before it: asked with the key itself, such a store echoes its words."""
    _, mark = first_mark(key)
    folder = key[: key.rfind("/", 0, mark) + 1]
    after = key[:mark] + chr(ord(key[mark]) - 1) + GREATEST
    while True:
        try:
            page = await session.wire.call(session.destination.list_page(folder, start_after=after, limit=1000))
        except UnexpectedReply:  # keys outside the prefix
            return False
        if any(entry.key == key for entry in page.objects):
            return True
        if page.next_start is None or not key_before(page.next_start, key) or not key_before(after, page.next_start):
            return False
        after = page.next_start


def folded(key: str) -> ObjectError:
    """Return the error of a key that is there without being listed."""
    return ObjectError(
        f"the destination takes {key!r} for another key, whose object it holds: give the object another name, or"
        " choose a destination that keeps keys as they are",
        code=FOLDED,
    )
