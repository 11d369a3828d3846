"""What the source states, beside size and time, that tells its object from the one at the destination."""

from __future__ import annotations

from typing import NamedTuple

from oms_engine.claims import md5_of
from oms_engine.etags import other_md5
from oms_engine.model import ListedObject, ObjectHead, OverwriteMode
from oms_engine.plan import ThereObject, is_kms
from oms_engine.session import Session
from oms_engine.verify import joined_etag


class Evidence(NamedTuple):
    """What is known of a source object."""

    crc64: int | None = None
    md5: bytes | None = None
    other_bytes: bool = False
    """The object at the destination has other bytes: its ETag, or the source's, is that of an upload of one part."""


NOTHING = Evidence()


async def source_evidence(session: Session, listed: ListedObject, there: ThereObject) -> Evidence:
    """Ask the source for what tells its object from the one at the destination, where there is any reason to."""
    stated = _stated(there.md5, there.etag, encrypted=bool(there.encrypted))
    by_md5 = session.by_md5 and other_md5(listed.etag, stated)
    if session.overwrite is not OverwriteMode.CRC64 and not by_md5:
        return NOTHING
    head = await session.wire.call(session.source.head(listed.key))
    known = Evidence(head.crc64, head.md5)
    if not by_md5 or (head.md5 is not None and there.md5 is not None):
        return known
    ours = _stated(head.md5, head.etag, encrypted=is_kms(head.encryption))
    if not other_md5(ours, stated):
        return known
    return known._replace(other_bytes=head.md5 is not None or await _holds(session, listed, head, stated))


def _stated(md5: bytes | None, etag: str, *, encrypted: bool) -> str:
    """Return the ETag that may be held against another one; empty where it is not made from MD5s."""
    if md5 is not None:
        return md5.hex()
    return etag if len(etag) == 34 and not encrypted else ""


async def _holds(session: Session, listed: ListedObject, head: ObjectHead, stated: str) -> bool:
    """Whether the ETag of the source's upload of one part is made from the MD5 of its bytes, so that it is evidence.

    Some stores make it otherwise. The first object that asks is read for it, once in a run; later ones trust what it
    showed: else all such objects would be copied by every run.
    """
    learned = session.learned
    async with learned.composites_turn:
        if not learned.sound_composites and not learned.odd_composites:
            md5 = await md5_of(session, listed)
            learned.sound_composites = joined_etag([md5]) == head.etag.lower()
            learned.odd_composites = not learned.sound_composites and not other_md5(md5.hex(), stated)
    return not learned.odd_composites
