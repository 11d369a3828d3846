"""Stores that take plain keys for one which differ in case or Unicode form, and what such a key has overwritten.

Whether a store does is asked once for each of the two, of an object that lies there. ``folding.py`` is about paths.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable

from oms_engine.batch import Stored
from oms_engine.errors import StoreError
from oms_engine.folding import folded
from oms_engine.model import ListedObject, ObjectHead
from oms_engine.session import Session


def _other_case(key: str) -> str:
    return key.swapcase() if key.isascii() else key


def _other_form(key: str) -> str:
    if key.isascii():  # it has one form
        return key
    composed = unicodedata.normalize("NFC", key)
    return unicodedata.normalize("NFD", key) if composed == key else composed


VARIANTS: dict[str, Callable[[str], str]] = {"case": _other_case, "form": _other_form}


def common_name(key: str) -> str:
    """Return what all keys that some store may take for this one have in common."""
    steps = [step for step in key.replace("\\", "/").split("/") if step not in {"", "."}]
    return unicodedata.normalize("NFC", "/".join(steps)).casefold()


def other_names(key: str) -> list[str]:
    """Return the key in another case and in another form, where these are others."""
    return [other for variant in VARIANTS.values() if (other := variant(key)) != key]


async def learn(session: Session, known: Iterable[ListedObject | Stored | None]) -> None:
    """Ask once, of objects that lie at the destination, whether it takes keys for one that differ in case or form."""
    sight = session.sight
    for kind, variant in VARIANTS.items():
        if kind in sight.asked:
            continue
        item = next((item for item in known if item is not None and variant(item.key) != item.key), None)
        if item is not None:
            sight.asked.add(kind)
            other = await _head(session, variant(item.key))
            sight.varies = sight.varies or (other is not None and other.etag == item.etag)


async def learn_at_start(session: Session) -> None:
    """Ask it of what lies at the destination before keys are written that no listing is held beside."""
    try:
        call = session.destination.list_page(session.spec.save_prefix, limit=50)
        await learn(session, (await session.wire.call(call)).objects)
    except StoreError:
        return  # it may not be listed


async def refuse_alias(session: Session, key: str, *, absent: bool) -> None:
    """Refuse a key that the store would put over the object of another: it is there, and no listing shows it.

    Raises:
        ObjectError: the store takes it for another.
    """
    there = await _head(session, key)
    if there is not None and (absent or not await _is_listed(session, key)) and await is_alias(session, key, there):
        raise folded(key)


async def is_alias(session: Session, key: str, there: ObjectHead) -> bool:
    """Whether an object answers under a name in another case or form as well."""
    for name in other_names(key):
        other = await _head(session, name)
        if other is not None and other[:4] == there._replace(key=other.key)[:4]:
            return True
    return False


async def _head(session: Session, key: str) -> ObjectHead | None:
    try:
        return await session.wire.call(session.destination.head(key))
    except StoreError:
        return None


async def _is_listed(session: Session, key: str) -> bool:
    if not session.sight.may_list:
        return True
    try:
        page = await session.wire.call(session.destination.list_page(key, limit=1))
    except StoreError:
        return True
    return any(entry.key == key for entry in page.objects)
