"""MD5s that a source states and does not vouch for: anybody may have stored them, and nobody checked them since.

Azure keeps the Content-MD5 of whoever wrote the blob, and never validates it:
https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-properties
"""

from __future__ import annotations

from hashlib import md5

from oms_engine.ends import Copied
from oms_engine.errors import StoreError
from oms_engine.looking import exactly, look
from oms_engine.model import ListedObject
from oms_engine.session import Session
from oms_engine.verify import MD5, SIZE_ONLY, Verdict
from oms_engine.versions import difference

STALE = "the source's Content-MD5 is not that of its bytes, which were read twice alike"


async def settle_claim(session: Session, listed: ListedObject, copied: Copied) -> tuple[Copied, Verdict | None]:
    """Hold the bytes that were read against the MD5 that the source claims; also return what is wrong with the copy.

    ==============================  ======================  ==========================================================
    our MD5 of the whole            the claim may be stale  the claim must hold
    ==============================  ======================  ==========================================================
    equal                           proves the read         proves the read
    another                         a second read decides:  the copy is taken back
                                    the same bytes again,
                                    the claim is stale
    unknown (moved in parts)        says nothing            a second read is held against it
    ==============================  ======================  ==========================================================
    """
    head, ours = copied.head, copied.digests.md5
    claimed, strict = head.claimed_md5, session.source.capabilities.claimed_md5_holds
    if claimed is None or (ours is None and not strict):
        return copied, None
    if ours == claimed:
        return copied._replace(head=head._replace(md5=claimed)), None
    if ours is None or not strict:
        again = await md5_of(session, listed)
        if ours is None and again == claimed:
            return copied, None
        if ours is not None and again == ours:
            return copied._replace(head=head._replace(md5=ours), note=STALE), None
        if ours is not None:
            return copied, Verdict(MD5, ok=False, detail="two reads of the source gave different bytes")
    detail = "the Content-MD5 that the source states is not that of its bytes (--source-option md5=warn: copy it)"
    return copied, Verdict(MD5, ok=False, detail=detail)


async def settle_silence(session: Session, listed: ListedObject, copied: Copied) -> tuple[Copied, Verdict | None]:
    """Ask the source what it states of an object that it served without an ETag, though it has one.

    Else an error page of the same size, or another version, would pass. Where HEAD states no ETag either, or may not be
    asked, nothing is known and nothing speaks against the copy.
    """
    try:
        stated = await look(session, listed.key)
    except StoreError:
        return copied, None
    other = difference(listed, stated) or difference(copied.head, stated)
    if other:
        return copied, Verdict(SIZE_ONLY, ok=False, detail=f"another version of the object was served: {other}")
    head = copied.head._replace(
        etag=stated.etag, md5=stated.md5, crc64=stated.crc64 or copied.head.crc64, encryption=stated.encryption
    )
    return copied._replace(head=head), None


async def md5_of(session: Session, listed: ListedObject) -> bytes:
    """Read an object only to hash it."""
    digest = md5(usedforsecurity=False)
    async with session.wire.stream(session.source.read(listed.key, if_match=listed.etag or None)) as (_, chunks):
        async for chunk in exactly(chunks, listed.size):
            await session.limiter.pace(len(chunk))
            digest.update(chunk)
    return digest.digest()
