"""How the bytes of one object move: held whole, streamed through a thread, in parts, or once through from its start."""

from __future__ import annotations

from hashlib import md5

from oms_engine.cuts import cut_as_source
from oms_engine.digest import Digests
from oms_engine.ends import Copied
from oms_engine.errors import ChecksumMismatch, DigestRefused, OtherSize, RangeIgnored, Retry, StoreError
from oms_engine.looking import as_stored, look, other_size, unpacked, with_stored_disposition
from oms_engine.model import Attributes, ListedObject, ObjectHead, Written
from oms_engine.multipart import move_in_parts, move_unknown
from oms_engine.plan import PartPlan, part_plan
from oms_engine.session import Session, write_options
from oms_engine.store import MIB, Call
from oms_engine.verify import Sent
from oms_engine.versions import UNKNOWN, refuse_other
from oms_engine.wire import ReplyTooLarge

SENT_WITH_MD5 = Sent(with_md5=True)
"""A small object's MD5 always goes with it."""

HELD_AT_MOST = 64 * MIB
"""The largest object held in memory for its MD5; few are larger and written at once."""

STREAM_ATTEMPTS = 3
"""Reads of an object that can only be read from its beginning."""

AT_ONCE = PartPlan(0, 0, 1)
"""The plan of every object small enough to be held whole."""


def plan_of(session: Session, listed: ListedObject, content_type: str | None = None) -> PartPlan:
    """Return how an object is written: at once, or in which parts.

    Raises:
        ObjectError: the destination cannot hold an object of its size.
    """
    source, destination = session.source.capabilities, session.destination.capabilities
    size = None if listed.size == UNKNOWN else listed.size
    plan = part_plan(size, source, destination, content_type=content_type)
    return plan if plan.single else cut_as_source(plan, listed.etag, source, destination)


async def move(session: Session, listed: ListedObject, key: str, plan: PartPlan) -> Copied:
    """Move an object as planned; what arrived is not yet proved.

    Raises:
        ConditionFailed: the source is not what was listed.
        ObjectError: the destination cannot hold the object's metadata.
    """
    session.live.under_way.begin(listed.key, listed.size)
    if plan.size is None:
        return await _move_once_through(session, listed, key, plan)
    if not plan.single:
        head = await look(session, listed.key)
        refuse_other(listed, head, store=session.source.label)
        if head.size != listed.size:
            raise other_size(session, listed, head.size)
        plan = plan_of(session, listed, head.attributes.content_type)
        if not plan.single and head.etag:
            try:
                head = head._replace(storage_class=listed.storage_class or head.storage_class)
                return await move_in_parts(session, listed, key, head, plan)
            except RangeIgnored:
                pass
        if not plan.single:  # nothing tells whether two reads are of one version, or the server reads no ranges
            return await _move_once_through(session, listed, key, plan)
        return await _move_streamed(session, listed, key)
    if listed.size <= session.whole_bytes:
        return await move_whole(session, listed, key)
    return await _move_streamed(session, listed, key)


async def _move_once_through(session: Session, listed: ListedObject, key: str, plan: PartPlan) -> Copied:
    """Move an object by one read from its first byte to its last; a connection that breaks costs all of it."""
    stored = False
    for attempt in range(1, STREAM_ATTEMPTS + 1):
        read = await _read_call(session, listed)
        try:
            return await move_unknown(session, listed, key, as_stored(read) if stored else read, plan)
        except OtherSize as error:
            if stored or attempt == STREAM_ATTEMPTS:
                raise unpacked(session, listed, str(error)) from None
            stored = True
        except StoreError as error:
            if attempt == STREAM_ATTEMPTS or error.retry is Retry.NEVER or session.stopping:
                raise
    raise AssertionError("unreachable")


async def _read_call(session: Session, listed: ListedObject) -> Call[ObjectHead]:
    """Return the read of a whole object; of one behind a CDN, held against what the bucket states of it now."""
    if session.fronted is None:
        return session.source.read(listed.key, if_match=listed.etag or None)
    stated = await session.wire.call(session.source.head(listed.key))
    refuse_other(listed, stated, store=session.source.label)
    if stated.size != listed.size:
        raise other_size(session, listed, stated.size)
    return session.fronted.read_stated(stated)


async def move_whole(session: Session, listed: ListedObject, key: str) -> Copied:
    """Move a small object through memory on the event loop: one GET, one PUT."""
    size = listed.size
    if not session.memory.take(size):
        await session.memory.acquire(size)
    try:
        if session.limiter.rate:
            await session.limiter.pace(size)
        call = (
            session.source.read(listed.key, if_match=listed.etag or None)
            if session.fronted is None  # most: no coroutine for them
            else await _read_call(session, listed)
        )
        try:
            head, body = await session.wire.fetch(call, limit=2 * session.settings.small_object_bytes)
        except ReplyTooLarge:
            head, body = await _fetch_as_stored(session, listed, call)
        if len(body) != size:
            head, body = await _fetch_as_stored(session, listed, call)
        if head.etag != listed.etag:
            refuse_other(listed, head, store=session.source.label)
        if head.attributes.forced_download:
            head = await with_stored_disposition(session, head)
        digests = Digests(md5=head.md5 is None)
        digests.update(body)
        options = write_options(
            session, head, listed_class=listed.storage_class, md5=head.md5 or digests.md5, crc64=digests.crc64
        )
        write = session.destination.write(key, size=size, options=options, body=body)
        try:
            written = await session.wire.call(write, final=DigestRefused)
        except DigestRefused:
            # The source's MD5 is sent with the write, so nobody computes one as long as all is well.
            if head.md5 is not None and md5(body, usedforsecurity=False).digest() != head.md5:
                raise ChecksumMismatch("the object arrived damaged from the source") from None
            raise
        session.live.transferred += size
        return Copied(head, written, digests, SENT_WITH_MD5)
    finally:
        session.memory.release(size)


async def _fetch_as_stored(session: Session, listed: ListedObject, call: Call[ObjectHead]) -> tuple[ObjectHead, bytes]:
    """Read an object that came with another size once more, so that it is not unpacked on its way.

    Raises:
        ConditionFailed: it has another size all the same.
    """
    head, body = await session.wire.fetch(as_stored(call), limit=2 * session.settings.small_object_bytes)
    if len(body) != listed.size:
        raise other_size(session, listed, len(body), head)
    return head, body


async def _move_streamed(session: Session, listed: ListedObject, key: str) -> Copied:
    """Move a middling object through a thread: one GET streamed into one PUT."""
    read = await _read_call(session, listed)
    try:
        return await _stream(session, listed, key, read)
    except OtherSize:
        try:
            return await _stream(session, listed, key, as_stored(read))
        except OtherSize as error:
            raise unpacked(session, listed, str(error)) from None


async def _stream(session: Session, listed: ListedObject, key: str, read: Call[ObjectHead]) -> Copied:
    """Stream one read into one write.

    Its MD5 goes with it, so that the store verifies what it keeps. Where the source states none the body is held until
    its own is known. Where the source does, and the destination proves it by its ETag too, ours would be a third
    opinion at the price of the whole relay.
    """
    proved = session.destination.capabilities.etag_is_md5 and not session.spec.kms
    stored: Attributes | None = None
    """As HEAD states them, where the reply to GET hides some."""

    def write_call(head: ObjectHead, digests: Digests) -> Call[Written]:
        if head.size not in {None, listed.size}:
            raise other_size(session, listed, head.size, head)
        refuse_other(listed, head, store=session.source.label)
        if proved and head.md5 is not None:
            digests.drop_md5()
        if head.attributes.forced_download and session.spec.metadata:
            if stored is None:
                raise _Hidden
            head = head._replace(attributes=stored)
        held = hold(head)
        md5, crc64 = (digests.md5, digests.crc64) if held else (head.md5, head.crc64)
        options = write_options(session, head, listed_class=listed.storage_class, md5=md5, crc64=crc64)
        return session.destination.write(key, size=listed.size, options=options)

    def hold(head: ObjectHead) -> bool:
        return head.md5 is None and listed.size <= HELD_AT_MOST

    if session.hides_disposition:
        stored = (await session.wire.call(session.source.head(listed.key))).attributes
    try:
        relayed = await session.relay(read, write_call, key=listed.key, size=listed.size, md5=True, hold=hold)
    except _Hidden:
        session.hides_disposition = True
        stored = (await session.wire.call(session.source.head(listed.key))).attributes
        relayed = await session.relay(read, write_call, key=listed.key, size=listed.size, md5=True, hold=hold)
    session.live.under_way.keep(listed.key, listed.size)
    sent = Sent(with_md5=relayed.head.md5 is not None or hold(relayed.head))
    return Copied(relayed.head, relayed.written, relayed.digests, sent)


class _Hidden(Exception):
    """The reply hides what is stored beside the bytes: HEAD must be asked first."""
