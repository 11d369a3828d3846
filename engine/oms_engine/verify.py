"""The consistency check of a copied object: what the source states, what we read, what the destination states. Pure."""

from __future__ import annotations

import math
from hashlib import md5
from typing import NamedTuple

from oms_engine.digest import Digests
from oms_engine.model import ConsistencyCheck, ListedObject, ObjectHead, Written
from oms_engine.plan import is_kms

MD5 = "md5"
CRC64 = "crc64"
SIZE_ONLY = "size only"
NO_CHECK = "no_check"


class Verdict(NamedTuple):
    """How a copy was held against its source, and how it came out."""

    method: str
    """``md5``, ``crc64``, ``size only`` or ``no_check``: the success list shows it."""
    ok: bool
    detail: str
    """The result in words: ``equal``, or what differs."""
    needs_head: bool = False
    """Not decided yet: HEAD the copy and ask again with its head."""
    doubts_etag: str = ""
    """``source`` or ``destination``: the side whose ETag, taken for an MD5, is what speaks against the copy."""


class Sent(NamedTuple):
    """What is known of a write beside the reply to it."""

    with_md5: bool = False
    """The MD5 of the bytes went with them (Content-MD5): a store that accepts the write has verified it."""
    in_parts: bool = False
    """Joined from parts: the reply proves less than that to a single write, so the copy is always looked at."""
    joined: str = ""
    """The ETag of the joined parts, where the destination makes it from their MD5s; else empty."""
    read: str = ""
    """The composite ETag that the bytes read would have, cut as the source's are; else empty."""
    unlisted: bool = False
    """No listing of the destination shows the copy later: what its reply leaves open is asked for at once."""


SENT_AT_ONCE = Sent()


def verify(
    source: ObjectHead,
    digests: Digests,
    stored: Written | ObjectHead,
    check: ConsistencyCheck,
    sent: Sent = SENT_AT_ONCE,
    *,
    kms: bool = False,
    listed: ListedObject | None = None,
    head_states_crc64: bool = False,
) -> Verdict:
    """Judge a copy. ``stored`` is the reply to the write or, after ``needs_head``, the head of the copy: then finally.

    Always, whatever ``check`` says: as many bytes were read as the source states, and no checksum that either side
    states differs from ours or from the other side's. With ``kms`` the copy must be stated to lie under KMS.

    ==========================================  ==============================================================
    the reply to the write states               then
    ==========================================  ==============================================================
    neither ETag nor checksum                   a HEAD: a success that states nothing stored nothing
    that it joined parts                        a HEAD: size, and what else is stated
    a checksum equal to ours                    nothing more is asked
    an ETag that means nothing to us            a HEAD where no listing of the destination shows the copy later
    no CRC64, with ``check=crc64``              a HEAD where the destination keeps them (``head_states_crc64``)
    ==========================================  ==============================================================

    The method names what proves both that the bytes were read as the source has them, and that they are stored as they
    were read: their MD5 or their CRC64 (first with ``check=crc64``). Where either is open, it is ``size only``, and
    unless ``no_check`` was asked for the copy must not be older than its source, in whole seconds, as HTTP dates have
    it. ``no_check`` asks for nothing more where the source states no size.

    Rules: ``consistency_check``, https://support.huaweicloud.com/intl/en-us/api-oms/ListSyncTasks.html
    """
    stated = listed.size if source.size is None and listed is not None else source.size
    ours = digests.md5
    fault = _damage(source, digests, ours, stored, stated) or _unencrypted(stored, kms)
    if fault is not None:
        return fault
    by_crc64 = check is ConsistencyCheck.CRC64
    proof = _proof(source, ours, stored, sent, crc64_first=by_crc64)
    if isinstance(stored, Written):
        unstated = by_crc64 and proof != CRC64 and head_states_crc64 and source.crc64 is not None
        if unstated or sent.in_parts or not _acknowledged(stored, sent):
            return Verdict(proof or SIZE_ONLY, ok=False, detail="not stated yet", needs_head=True)
    elif stored.size is None and not proof:
        return Verdict(SIZE_ONLY, ok=False, detail="the destination states no size")
    if not proof and check is not ConsistencyCheck.NO_CHECK:
        return _by_time(source, stored, kept=_is_kept(stored, sent))
    if not proof and stated is None:
        return Verdict(NO_CHECK, ok=True, detail="not checked")
    return Verdict(proof or SIZE_ONLY, ok=True, detail="equal")


def joined_etag(md5s: list[bytes]) -> str:
    """Return the ETag of parts that were joined: the MD5 of their MD5s and their number.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
    """
    return f"{md5(b''.join(md5s), usedforsecurity=False).hexdigest()}-{len(md5s)}"


def _acknowledged(stored: Written, sent: Sent) -> bool:
    """Whether the reply to a write of one piece leaves nothing open that only a HEAD could tell."""
    if stored.md5 is not None or stored.crc64 is not None:
        return True
    return stored.etag != "" and not sent.unlisted


def _unencrypted(stored: Written | ObjectHead, kms: bool) -> Verdict | None:
    """Return the verdict on a copy that is to lie under KMS and is not stated to."""
    if not kms or is_kms(stored.encryption):
        return None
    if isinstance(stored, Written):
        return Verdict(SIZE_ONLY, ok=False, detail="encryption not stated yet", needs_head=True)
    return Verdict(SIZE_ONLY, ok=False, detail="KMS status error: the copy is not under KMS")


def _damage(
    source: ObjectHead, digests: Digests, ours: bytes | None, stored: Written | ObjectHead, stated: int | None
) -> Verdict | None:
    """Return the verdict on a copy that is certainly not its source, None when nothing speaks against it."""
    size = digests.size
    if stated is not None and stated != size:
        return Verdict(SIZE_ONLY, ok=False, detail=f"the source states {stated} bytes, {size} were read")
    if isinstance(stored, ObjectHead) and stored.size is not None and stored.size != size:
        return Verdict(SIZE_ONLY, ok=False, detail=f"the destination holds {stored.size} bytes of {size}")
    return _differ(CRC64, source.crc64, digests.crc64, stored.crc64) or _differ(MD5, source.md5, ours, stored.md5)


def _differ(method: str, source: object, ours: object, stored: object) -> Verdict | None:
    reference = source if ours is None else ours
    if source is not None and source != reference:
        detail, side = f"the bytes read do not have the {method} the source states", "source"
    elif stored is not None and reference is not None and stored != reference:
        detail, side = f"the destination states another {method}", "destination"
    else:
        return None
    return Verdict(method, ok=False, detail=detail, doubts_etag=side if method == MD5 else "")


def _proof(
    source: ObjectHead, ours: bytes | None, stored: Written | ObjectHead, sent: Sent, *, crc64_first: bool
) -> str:
    """Return what proves both halves of a copy, empty when one is open; :func:`_damage` has found nothing different."""
    kept_crc64, kept_md5 = stored.crc64 is not None, _is_md5_kept(stored, sent)
    if not (kept_crc64 or kept_md5):
        return ""
    read_crc64 = source.crc64 is not None
    read_md5 = source.md5 is not None and (ours is not None or stored.md5 is not None or sent.with_md5)
    if not (read_md5 or read_crc64):
        read_md5 = _is_composite_of(source.etag, ours, sent)
    if read_crc64 and kept_crc64 and (crc64_first or not (read_md5 and kept_md5)):
        return CRC64
    return MD5 if read_md5 else CRC64 if read_crc64 else ""


def _is_md5_kept(stored: Written | ObjectHead, sent: Sent) -> bool:
    return stored.md5 is not None or sent.with_md5 or (sent.joined != "" and stored.etag.lower() == sent.joined)


def _is_kept(stored: Written | ObjectHead, sent: Sent) -> bool:
    """Whether the destination has verified the bytes that it stored."""
    return stored.crc64 is not None or _is_md5_kept(stored, sent)


def _is_composite_of(etag: str, ours: bytes | None, sent: Sent) -> bool:
    """Whether a composite ETag is that of the bytes read: of one part (``-1``) it is the MD5 of their MD5."""
    if sent.read:
        return etag.lower() == sent.read
    return ours is not None and etag.endswith("-1") and etag.lower() == joined_etag([ours])


def _by_time(source: ObjectHead, stored: Written | ObjectHead, *, kept: bool) -> Verdict:
    """Judge by times, where both are known; they say nothing of bytes that the destination has verified (``kept``)."""
    if not stored.last_modified:
        if isinstance(stored, Written):
            return Verdict(SIZE_ONLY, ok=False, detail="time not stated yet", needs_head=True)
        return Verdict(SIZE_ONLY, ok=True, detail="equal; the destination states no time")
    late = math.floor(source.last_modified) - math.floor(stored.last_modified)
    if late <= 0:
        return Verdict(SIZE_ONLY, ok=True, detail="equal")
    if kept:
        return Verdict(SIZE_ONLY, ok=True, detail=f"equal; the source's time is {late} s ahead")
    detail = f"the copy is {late} s older than its source: are the clocks of both sides right?"
    return Verdict(SIZE_ONLY, ok=False, detail=detail)
