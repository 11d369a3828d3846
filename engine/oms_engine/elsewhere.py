"""Objects far from each other, to learn whether what fails here fails everywhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from oms_engine.errors import AccessDenied, RangeIgnored, Retry, StoreError
from oms_engine.model import ListedObject
from oms_engine.split import GREATEST, find_split
from oms_engine.store import first_bytes

if TYPE_CHECKING:
    from oms_engine.session import Session

FOLDERS = 12
"""Folders looked into, at most."""
CUTS = 3


async def read_elsewhere(session: Session) -> bool | None:
    """Whether one byte of some object of the source can be read, whichever it is; None when none is found.

    ==============================================  ===================
    what objects far from each other answer         then
    ==============================================  ===================
    one is read, or is there but not like that      True
    all are refused, or meet trouble                False
    nothing can be listed, or all are archived      None
    ==============================================  ===================
    """
    verdict: bool | None = None
    for prefix in session.source_prefixes():
        try:
            async for entry in spread(session, prefix):
                answer = await _readable(session, entry)
                if answer:
                    return True
                verdict = verdict if answer is None else False
        except StoreError:
            continue
    return verdict


async def _readable(session: Session, entry: ListedObject) -> bool | None:
    source = session.source
    call = source.read(entry.key, span=first_bytes(entry.size))
    try:
        await session.wire.call(call, final=StoreError)
    except RangeIgnored:
        return True
    except StoreError as error:
        return False if isinstance(error, AccessDenied) or error.retry is not Retry.NEVER else None
    return True


async def spread(session: Session, prefix: str) -> AsyncIterator[ListedObject]:
    """Yield objects under a prefix that are far from each other: the first of each folder, then cuts in between."""
    source = session.source
    if not source.capabilities.lists or not source.capabilities.list_start_anywhere:
        return
    first: dict[str, ListedObject] = {}

    async def after(key: str) -> ListedObject | None:
        call = source.list_page(prefix, start_after=key, limit=1)
        page = await session.wire.call(call, final=StoreError)
        return page.objects[0] if page.objects else None

    async def probe(key: str) -> str | None:
        entry = await after(key)
        return None if entry is None else entry.key

    entry = await after("")
    while entry is not None and len(first) < FOLDERS:
        first[entry.key] = entry
        yield entry
        entry = await after(behind(entry.key, prefix))
    at: str | None = ""
    for _ in range(CUTS):
        at = await find_split(probe, at or "", prefix)
        entry = None if at is None else await after(at)
        if at is None or entry is None:
            return
        if entry.key not in first:
            yield entry


def behind(key: str, prefix: str) -> str:
    """Return a position behind all keys of the folder that a key lies in, just below a prefix; or behind the key."""
    folder, slash, _ = key[len(prefix) :].partition("/")
    return f"{prefix}{folder}{slash}{GREATEST}" if slash else key
