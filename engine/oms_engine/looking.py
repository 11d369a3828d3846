"""How a source object is looked at where one plain call does not tell: by HEAD, by a ranged GET, asked otherwise."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

from oms_engine.errors import AccessDenied, ConditionFailed, OtherSize, RangeIgnored, StoreError, Unsupported
from oms_engine.model import ListedObject, ObjectHead, Span, same_etag
from oms_engine.session import Session
from oms_engine.store import Call

FIRST_BYTE = Span(0, 0)
"""Of an object whose size nobody states; else see :func:`oms_engine.store.first_bytes`."""


class Transformed(ConditionFailed):
    """The source serves other bytes than it stores: it unpacks them, or something before it does."""

    code = "GET_SRC_OBJ_FAILURE"


async def look(session: Session, key: str) -> ObjectHead:
    """Return what the source states of an object.

    A URL may allow GET alone (a signature covers one method), so one that refuses HEAD is asked for its first byte.

    Raises:
        StoreError: what the source answers to HEAD; or to GET, where that is another refusal.
    """
    try:
        return await session.wire.call(session.source.head(key))
    except (AccessDenied, Unsupported) as refused:
        if session.source.capabilities.lists:
            raise
        try:
            return await _look_by_get(session, key)
        except (AccessDenied, Unsupported):
            raise refused from None


async def _look_by_get(session: Session, key: str) -> ObjectHead:
    try:
        return await _head_of(session, session.source.read(key, span=FIRST_BYTE))
    except RangeIgnored:
        return await _head_of(session, session.source.read(key))


async def _head_of(session: Session, call: Call[ObjectHead]) -> ObjectHead:
    async with session.wire.stream(call) as (head, _body):
        return head


async def with_stored_disposition(session: Session, head: ObjectHead) -> ObjectHead:
    """Return a head with the Content-Disposition that is stored, where the reply's own was forced on the download."""
    if not (head.attributes.forced_download and session.spec.metadata):
        return head
    stored = (await session.wire.call(session.source.head(head.key))).attributes.content_disposition
    return head._replace(
        attributes=replace(head.attributes, content_disposition=stored, forced_download=False),
    )


def as_stored(call: Call[ObjectHead]) -> Call[ObjectHead]:
    """Return a read that takes gzip: stores that unpack what is stored packed then send it as it is.

    https://developers.cloudflare.com/r2/objects/ (R2), https://cloud.google.com/storage/docs/transcoding
    """
    headers = {**call.request.headers, "accept-encoding": "gzip"}
    return call._replace(request=call.request._replace(headers=headers))


def is_packed(head: ObjectHead) -> bool:
    """Whether the object is stored packed, so that a store may unpack it unless gzip is taken."""
    return "gzip" in (head.attributes.content_encoding or "").lower()


async def exactly(chunks: AsyncIterator[bytes], size: int | None) -> AsyncIterator[bytes]:
    """Pass a body on that has ``size`` bytes, where that is known.

    Raises:
        OtherSize: it has more, or ends before.
    """
    got = 0
    async for chunk in chunks:
        got += len(chunk)
        if size is not None and got > size:
            raise OtherSize(f"more than the {size} bytes come that were asked for")
        yield chunk
    if size is not None and got < size:
        raise OtherSize(f"{got} bytes come instead of {size}")


def unpacked(session: Session, listed: ListedObject, what: str) -> Transformed:
    """Return the failure of an object that came changed though it was asked for as it is stored."""
    return Transformed(
        f"{what}: the source, or a proxy before it, unpacks or changes what is stored ({listed.size} bytes); read it "
        "from an endpoint that serves the stored bytes",
        store=session.source.label,
        operation="read",
        key=listed.key,
    )


def other_size(session: Session, listed: ListedObject, size: int | None, head: ObjectHead | None = None) -> StoreError:
    """Return why an object was read with another size than it is listed with.

    Under the ETag it is listed with, it was not replaced: its bytes are changed on their way out.
    """
    if head is not None and listed.etag and head.etag and same_etag(listed.etag, head.etag):
        return unpacked(session, listed, f"{size} bytes came under the ETag of the listing")
    text = f"the object was listed with {listed.size} bytes and read with {size}"
    return ConditionFailed(text, store=session.source.label, operation="read", key=listed.key)
