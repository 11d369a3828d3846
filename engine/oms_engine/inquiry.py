"""How the destination is asked for one object that was written: by its listing, by HEAD, by GET of its first byte.

A HEAD may be answered by a cache for an object that was never stored; a listing is not. So what HEAD states and the
listing lacks is asked for once more:

==========================================  ============================  ===========================
the listing of that key alone, after a      GET of its first byte         then
pause (none where listings are late)
==========================================  ============================  ===========================
states it                                   is not asked                  it stands as the listing says
lacks it                                    serves it, or it is archived  it stands: the listing is late
lacks it                                    not found                     it is not stored
lacks it                                    not permitted                 nobody knows
==========================================  ============================  ===========================
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from oms_engine.batch import End
from oms_engine.errors import AccessDenied, Archived, NotFound, RangeIgnored, Stopped, StoreError
from oms_engine.model import ListedObject, ObjectHead, strong_etag
from oms_engine.session import Session
from oms_engine.store import first_bytes

STOP_SECONDS = 0.1
"""How often a pause looks whether the run stops."""


def key_of(end: End) -> str:
    """Return the key under which an object was written."""
    assert end.stored is not None
    return end.stored.key


def stands(end: End, found: dict[str, ListedObject]) -> bool:
    """Whether a listing states an object as it was written."""
    stored = end.stored
    if stored is None:
        return False
    there = found.get(stored.key)
    if there is None or there.size != end.size:
        return False
    return there.etag == stored.etag or same_etag(there.etag, stored.etag)


def same_etag(one: str, other: str) -> bool:
    """Whether two ETags name the same bytes, quotes, case and weakness apart; one that is not stated speaks not."""
    return not one or not other or strong_etag(one).lower() == strong_etag(other).lower()


Said = ObjectHead | ListedObject | StoreError
"""What HEAD says of a key, or the listing where HEAD is denied."""


async def ask_all(session: Session, ends: Sequence[End]) -> list[Said]:
    """Ask for objects by HEAD; where it is denied, by the listing."""
    said = await asyncio.gather(*(_ask(session, key_of(end)) for end in ends))
    if any(isinstance(answer, ObjectHead) for answer in said):
        session.sight.may_head = True
    return said


async def _ask(session: Session, key: str) -> Said:
    async with session.sight.heads:
        try:
            return await session.patient(source=False).call(session.destination.head(key))
        except AccessDenied as error:
            return await _ask_listing(session, key, error)
        except StoreError as error:
            return error


async def _ask_listing(session: Session, key: str, denied: AccessDenied) -> Said:
    """Ask the listing for one key whose HEAD is denied."""
    if session.sight.may_head or not session.sight.may_list:
        return denied
    try:
        entry = await _entry(session, key)
    except StoreError:
        return denied
    return entry or NotFound("it is not listed", store=denied.store, operation="list_page", key=key)


async def _entry(session: Session, key: str) -> ListedObject | None:
    """Return what the listing states of one key: of those that begin with it, it is the first."""
    page = await session.patient(source=False).call(session.destination.list_page(key, limit=1))
    return page.objects[0] if page.objects and page.objects[0].key == key else None


async def ask_again(session: Session, ends: Sequence[End]) -> list[Said]:
    """Ask once more after a pause: one for all of them.

    Raises:
        Stopped: the run pauses meanwhile.
    """
    if not ends:
        return []
    await pause(session)
    return await ask_all(session, ends)


async def pause(session: Session) -> None:
    """Wait before the destination is asked once more.

    Raises:
        Stopped: the run pauses meanwhile.
    """
    until = time.monotonic() + session.settings.look_again_seconds
    while (left := until - time.monotonic()) > 0:
        if session.stopping:
            raise Stopped("paused before the destination was asked once more")
        await asyncio.sleep(min(left, STOP_SECONDS))


async def listed_each(session: Session, ends: Sequence[End]) -> list[ListedObject | None]:
    """Ask the listing for each key alone; None where it does not show it."""
    return await asyncio.gather(*(_listed_alone(session, end) for end in ends))


async def _listed_alone(session: Session, end: End) -> ListedObject | None:
    async with session.sight.heads:
        try:
            return await _entry(session, key_of(end))
        except AccessDenied:
            session.sight.may_list = False
            return None
        except StoreError:
            return None


async def ask_otherwise(session: Session, doubtful: Sequence[tuple[End, ObjectHead]]) -> dict[str, Said | None]:
    """Ask for objects that HEAD states and the listing lacks, see the table above; None where nobody knows.

    What the listing has by now is left out.

    Raises:
        Stopped: the run pauses meanwhile.
    """
    left = list(doubtful)
    if left and not session.sight.late:
        await pause(session)
        there = await listed_each(session, [end for end, _ in left])
        left = [item for item, entry in zip(left, there, strict=True) if entry is None]
    read = await asyncio.gather(*(_read_first(session, end, head) for end, head in left))
    return {key_of(end): said for (end, _), said in zip(left, read, strict=True)}


async def _read_first(session: Session, end: End, stated: ObjectHead) -> Said | None:
    key = key_of(end)
    read = session.destination.read(key, span=first_bytes(end.size))
    async with session.sight.heads:
        try:
            async with session.wire.stream(read) as (head, body):
                async for _ in body:
                    break
                return head._replace(key=key)
        except (Archived, RangeIgnored):
            return stated  # it is served, though not as asked
        except AccessDenied:
            return None
        except StoreError as error:
            return error
