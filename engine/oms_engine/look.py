"""The closing look: once objects were written, the destination itself is asked whether each stands there as written.

It is the net under whatever a reply can hide: writes that were acknowledged and not stored, keys that the store folds
into one, parts that were lost, and what others did meanwhile. One LIST serves a batch of up to 1,000 objects; what the
listing lacks or states otherwise is asked for by HEAD, and what HEAD denies too once more after a pause, since stores
may be late. What HEAD alone states is asked for otherwise (``inquiry.py``).

===========================================  ==============================================
listing, or else HEAD, states                then
===========================================  ==============================================
size and ETag of the write                   seen
size of the write, ETag not stated           seen
same size, another ETag (listing)            HEAD decides: some listings have other ETags
another size or ETag (HEAD), after a pause   failed: CHECK_DST_OBJ_CHANGED_FAILURE
nothing, after a pause                       failed: CHECK_DST_OBJ_MISSING_FAILURE
HEAD states it, the listing lacks it         seen where its first byte can be read, else failed; failed
                                             where the store takes the key for another (``folding.py``)
not permitted to list and HEAD               migrated, and not counted as seen
===========================================  ==============================================
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

from oms_engine.aliases import common_name, is_alias, learn
from oms_engine.batch import End, Stored
from oms_engine.ends import ObjectJob, failed, refused
from oms_engine.errors import AccessDenied, NotFound, ObjectError, Retry, StoreError, TaskError
from oms_engine.folding import folded, is_folded, may_fold, odd_keys
from oms_engine.inquiry import (
    Said,
    ask_again,
    ask_all,
    ask_otherwise,
    key_of,
    listed_each,
    same_etag,
    stands,
)
from oms_engine.ledger import Doubt
from oms_engine.listing import asking
from oms_engine.model import ListedObject, ObjectHead, Outcome, key_before, key_bytes
from oms_engine.refusals import store_failed
from oms_engine.session import Session
from oms_engine.sight import CHANGED, MISSING
from oms_engine.there import just_before
from oms_engine.transfer import transfer

SPARSE = 16
"""A page of the destination's listing with less than one in so many objects of the batch: the rest is asked singly."""
ROOM = 16
"""Objects of others that a page has room for."""
SUSPECTS = 32
"""Plain keys of a batch, that HEAD states and the listing lacks, of which it is asked whether they are aliases."""


class Looked(NamedTuple):
    """What the closing look of a batch found."""

    seen: list[End]
    unseen: list[End]
    """Nobody may look: taken as the write stated them."""
    failed: list[tuple[End, End]]
    """Ends that do not hold, each with the end that takes its place."""


class Listing:
    """The destination's listing of one segment, as far as closing looks read it.

    Where a listing cannot start anywhere, it goes on by the tokens that earlier pages gave.
    """

    def __init__(self, session: Session, prefix: str) -> None:
        self._session = session
        self._prefix = prefix
        self._anywhere = session.destination.capabilities.list_start_anywhere
        self._positions: list[tuple[str, str | None]] = [("", None)]
        """Ends of earlier pages, each with its token."""
        self._turn = asyncio.Lock()

    async def find(self, keys: Sequence[str]) -> tuple[dict[str, ListedObject], str | None]:
        """Return what is listed of ``keys``, which ascend, and up to which key that is the whole truth (None: all)."""
        if self._anywhere:
            return await self._pages(keys, just_before(keys[0]), None)
        async with self._turn:
            at = bisect_left(self._positions, key_bytes(keys[0]), key=lambda position: key_bytes(position[0]))
            return await self._pages(keys, *self._positions[max(0, at - 1)])

    async def _pages(
        self, keys: Sequence[str], after: str, token: str | None
    ) -> tuple[dict[str, ListedObject], str | None]:
        session = self._session
        wanted, last = set(keys), keys[-1]
        found: dict[str, ListedObject] = {}
        limit = min(session.destination.capabilities.list_limit, len(keys) + len(keys) // 8 + ROOM)
        while True:
            page = await session.patient(source=False).call(
                asking(session.destination, self._prefix, after, token, limit)
            )
            hits = {entry.key: entry for entry in page.objects if entry.key in wanted}
            found.update(hits)
            reached = page.next_start
            if reached is None or not key_before(reached, last):
                return found, None
            if not key_before(after, reached) or (self._anywhere and len(hits) * SPARSE < len(page.objects)):
                return found, reached
            after, token = self._onward(keys, reached, page.token)

    def _onward(self, keys: Sequence[str], reached: str, token: str | None) -> tuple[str, str | None]:
        """Return where the next page starts: before the next key asked for, when that is a jump."""
        if not self._anywhere:
            self._positions.append((reached, token))
            return reached, token
        following = just_before(keys[bisect_left(keys, key_bytes(reached), key=key_bytes)])
        return (following, None) if key_before(reached, following) else (reached, token)


async def look(session: Session, ends: Sequence[End], listing: Listing | None) -> Looked:
    """Ask the destination for the objects of these ends, each of which says what was ``stored``.

    Raises:
        TaskError: the destination does not answer.
        Stopped: the run pauses before it was known.
    """
    sight = session.sight
    if sight.blind:
        return Looked([], list(ends), [])
    left = list(ends)
    odd = {key for key in odd_keys([*map(key_of, left)]) if await is_folded(session, key)}
    listed = set[str]()
    if listing is None or not sight.may_list or len(left) == 1:
        beyond = set(map(key_of, left))
    else:
        (left, listed, beyond), _ = await asyncio.gather(
            _look_by_listing(session, left, listing, odd), learn(session, [end.stored for end in ends])
        )
    if left and sight.may_list:
        left, others = await _look_alone(session, left, beyond - odd)
        listed |= others
    answers = await _ask_for(session, left, listed | odd)
    unseen: list[End] = []
    unlisted: list[tuple[End, ObjectHead]] = []
    lost: list[tuple[End, End]] = []
    for end in left:
        said, listless = answers[key_of(end)]
        if said is None or (isinstance(said, AccessDenied) and not sight.may_head):
            unseen.append(end)
        elif (fault := _judge(session, end, said) or (folded(key_of(end)) if key_of(end) in odd else None)) is not None:
            if listless or isinstance(said, ObjectHead | ListedObject):  # by size and time it would pass for a copy
                held = end.stored if isinstance(said, StoreError) else said
                await session.uploads.save_doubt(Doubt(key_of(end), held.etag if held else ""))
            lost.append((end, await _failed(session, end, fault)))
        elif listless and isinstance(said, ObjectHead):
            unlisted.append((end, said))
    aliases = await _aliases(session, unlisted)
    lost = await _mend(session, lost, listed - odd, aliases, odd) + aliases
    sight.blind = bool(unseen) and not sight.may_list and not sight.may_head
    gone = {id(end) for end in unseen} | {id(end) for end, _ in lost}
    seen = [end for end in ends if id(end) not in gone] if gone else list(ends)
    sight.recent.append([end.stored for end in seen if end.stored])
    return Looked(seen, unseen, lost)


async def _aliases(session: Session, unlisted: list[tuple[End, ObjectHead]]) -> list[tuple[End, End]]:
    """Return the ends of plain keys that HEAD states and the listing lacks because the store takes them for others.

    Some are asked for, until it is clear that its listing is late.
    """
    suspects = [] if session.sight.late else [item for item in unlisted if not may_fold(key_of(item[0]))][:SUSPECTS]
    answers = await asyncio.gather(*(_is_alias(session, end, there) for end, there in suspects))
    found = [end for (end, _), alias in zip(suspects, answers, strict=True) if alias]
    session.sight.varies |= bool(found)
    session.sight.late |= bool(suspects) and not found
    return [(end, await _failed(session, end, folded(key_of(end)))) for end in found]


async def _is_alias(session: Session, end: End, there: ObjectHead) -> bool:
    async with session.sight.heads:
        return await is_alias(session, key_of(end), there)


async def _mend(
    session: Session, lost: list[tuple[End, End]], listed: set[str], aliases: list[tuple[End, End]], odd: set[str]
) -> list[tuple[End, End]]:
    """Copy anew what keys that the store takes for others have overwritten; return the ends of what was lost."""
    written = odd | {key_of(end) for end, _ in aliases}
    names = set(map(common_name, written))
    mended = []
    for end, instead in lost:
        victim = key_of(end) in listed and key_of(end) not in written and common_name(key_of(end)) in names
        mended.append((end, await _copy_anew(session, end) if victim else instead))
    if names:
        for stored in [stored for batch in session.sight.recent for stored in batch]:
            if stored.key not in written and common_name(stored.key) in names:
                await _restore(session, stored)
    return mended


async def _restore(session: Session, stored: Stored) -> None:
    """Copy an object anew whose end was reported already.

    Raises:
        TaskError: it cannot be.
    """
    end = await _copy_anew(session, End(Outcome.MIGRATED, "", 0, stored=stored))
    if not end.seen:
        raise TaskError(
            "TRF.0001",
            f"the object {stored.key!r} was overwritten under another name that the destination takes for its own, and"
            f" could not be copied anew: run the same again. {end.record}",
        )


async def _copy_anew(session: Session, lost: End) -> End:
    """Copy an object once more and see that it stands."""
    assert lost.stored is not None
    end = await transfer(session, ObjectJob(lost.stored.source, decided=True))
    if end.stored is None:
        return end
    [said] = await ask_all(session, [end])
    fault = _judge(session, end, said)
    return end._replace(stored=None, seen=True) if fault is None else await _failed(session, end, fault)


async def _look_by_listing(
    session: Session, ends: list[End], listing: Listing, odd: set[str]
) -> tuple[list[End], set[str], set[str]]:
    """Return the ends that the listing does not confirm, the keys it states, and those it was not asked for.

    Of ``odd`` keys it may echo the question.
    """
    keys = sorted(map(key_of, ends))
    if not all(map(str.isascii, keys)):
        keys.sort(key=key_bytes)
    try:
        found, reached = await listing.find(keys)
    except AccessDenied:
        session.sight.may_list = False
        return ends, set(), set()
    beyond = set() if reached is None else {key for key in keys if key_before(reached, key)}
    left = [end for end in ends if not stands(end, found) or (odd and key_of(end) in odd)]
    return left, set(found), beyond


async def _look_alone(session: Session, left: list[End], keys: set[str]) -> tuple[list[End], set[str]]:
    """Ask the listing for each of these keys alone; return the ends that are left, and the keys it states."""
    there = await listed_each(session, [end for end in left if key_of(end) in keys])
    found = {entry.key: entry for entry in there if entry is not None}
    return [end for end in left if not stands(end, found) or key_of(end) not in keys], set(found)


async def _ask_for(session: Session, left: list[End], listed: set[str]) -> dict[str, tuple[Said | None, bool]]:
    """Ask for objects by HEAD, once more where that finds none, otherwise where the listing lacks what it states.

    Beside each answer stands whether it is of the last kind.
    """
    heads = await ask_all(session, left)
    again: list[End] = []
    doubtful: list[tuple[End, ObjectHead]] = []
    for end, said in zip(left, heads, strict=True):
        if _judge(session, end, said) is not None:
            again.append(end)
        elif session.sight.may_list and isinstance(said, ObjectHead) and key_of(end) not in listed:
            doubtful.append((end, said))
    answers: dict[str, tuple[Said | None, bool]] = {
        key_of(end): (said, False) for end, said in zip(left, heads, strict=True)
    }
    answers |= {key_of(end): (said, False) for end, said in zip(again, await ask_again(session, again), strict=True)}
    return answers | {key: (said, True) for key, said in (await ask_otherwise(session, doubtful)).items()}


def _judge(session: Session, end: End, said: Said) -> ObjectError | StoreError | None:
    """Return what is wrong with an object, None when it stands as it was written. See the table above."""
    stored = end.stored
    assert stored is not None
    if isinstance(said, NotFound) or (isinstance(said, AccessDenied) and session.sight.may_head):
        return ObjectError(
            f"the destination acknowledged the write of {stored.key!r} but does not hold it: somebody deleted it"
            " since, or the store lost it; run the same again",
            code=MISSING,
        )
    if isinstance(said, StoreError):
        return None if isinstance(said, AccessDenied) else said
    if said.size in {None, end.size} and same_etag(said.etag, stored.etag):
        return None
    return ObjectError(
        f"the destination holds another object under {stored.key!r} than this run wrote ({said.size} bytes, ETag"
        f" {said.etag}; written: {end.size} bytes, ETag {stored.etag}): somebody changed it since, or the store takes"
        " several keys for one; run the same again",
        code=CHANGED,
    )


async def _failed(session: Session, end: End, fault: ObjectError | StoreError) -> End:
    stored = end.stored
    assert stored is not None
    job = ObjectJob(stored.source, ListedObject(stored.source, end.size, 0.0, "", ""))
    if isinstance(fault, StoreError) and fault.retry is not Retry.NEVER:  # a HEAD that fails though its store answers
        await session.outages.settle(fault, source=False)
        return refused(session, job, fault)
    if isinstance(fault, StoreError):
        return await store_failed(session, job, fault)
    return failed(session, job, fault)


__all__ = ["CHANGED", "MISSING", "Listing", "Looked", "Stored", "look", "same_etag"]
