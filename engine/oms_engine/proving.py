"""The last step of an object's journey: prove the copy, or take it back."""

from __future__ import annotations

import asyncio
import math
import re

from oms_engine.ends import Copied
from oms_engine.errors import AccessDenied, ChecksumMismatch, NotFound, StoreError
from oms_engine.ledger import Doubt
from oms_engine.model import ConsistencyCheck, ListedObject, ObjectHead, Written, same_etag
from oms_engine.plan import ThereObject, is_kms
from oms_engine.session import Session
from oms_engine.sight import CHANGED, MISSING
from oms_engine.verify import MD5, SIZE_ONLY, Verdict, joined_etag, verify

_COMPOSITE = re.compile(r"[0-9a-fA-F]{32}-[0-9]{1,5}", re.ASCII)

Before = ListedObject | ThereObject | None
"""What lay at the destination before the copy, as far as anybody looked."""


def judge(session: Session, copied: Copied, stored: Written | ObjectHead, *, unlisted: bool) -> Verdict:
    """Hold what arrived against what was read and stated."""
    spec = session.spec
    sent = copied.sent._replace(unlisted=True) if unlisted else copied.sent
    crc64 = session.destination.capabilities.states_crc64
    return verify(copied.head, copied.digests, stored, spec.check, sent, kms=spec.kms, head_states_crc64=crc64)


async def prove(session: Session, key: str, copied: Copied, verdict: Verdict, before: Before) -> Verdict:
    """Ask the destination what it holds, where its reply left that open; take the copy back when it differs.

    Raises:
        ChecksumMismatch: they differ, and the copy was taken back; or nothing is stored.
    """
    if verdict.needs_head:
        verdict = await _look(session, key, copied, before)
    if not verdict.ok:
        await _take_back(session, key, verdict, copied.written)
    return verdict


async def _look(session: Session, key: str, copied: Copied, before: Before) -> Verdict:
    """Return the verdict on what the destination states of the copy when it is asked."""
    written = copied.written
    hollow = not written.etag and written.md5 is None and written.crc64 is None
    try:
        there = await stated(session, key)
    except AccessDenied:
        if hollow:
            raise
        # A key that may only write: the acknowledgement is all there will ever be.
        acknowledged = copied.sent.joined != "" and same_etag(written.etag.lower(), copied.sent.joined)
        detail = "acknowledged; the key may not look at the copy"
        return Verdict(MD5 if acknowledged else SIZE_ONLY, ok=True, detail=detail)
    if hollow:  # nobody has acknowledged the bytes, so nobody has verified what went with them
        copied = copied._replace(sent=copied.sent._replace(with_md5=False))
    verdict = judge(session, copied, there, unlisted=True)
    if (verdict.ok and verdict.method != SIZE_ONLY) or same_etag(written.etag, there.etag):
        return verdict
    if not hollow and there.etag:
        await session.uploads.save_doubt(Doubt(key, there.etag))  # by size and time it would pass for a copy
        raise _changed(key, there, written)
    if _is_old(there, before):
        raise _not_stored(key)
    return verdict


async def stated(session: Session, key: str) -> ObjectHead:
    """HEAD the copy.

    Raises:
        ChecksumMismatch: it is not there, nor a moment later.
    """
    for wait in (session.settings.look_again_seconds, 0.0):
        try:
            return await session.wire.call(session.destination.head(key))
        except NotFound:
            await asyncio.sleep(wait)
    raise _not_stored(key)


def _not_stored(key: str) -> ChecksumMismatch:
    message = f"the destination answered with success, but has not stored the copy {key!r}"
    return ChecksumMismatch(message, code=MISSING)


def _changed(key: str, there: ObjectHead, written: Written) -> ChecksumMismatch:
    message = (
        f"the destination holds another object under {key!r} than was written (ETag {there.etag}; written: "
        f"{written.etag}): somebody changed it since, or the store lost the write; run the same again"
    )
    return ChecksumMismatch(message, code=CHANGED)


def _is_old(there: ObjectHead, before: Before) -> bool:
    """Whether what lies at the destination is still the object from before the copy."""
    if before is None or not before.etag or not same_etag(before.etag, there.etag):
        return False
    return math.floor(before.last_modified) == math.floor(there.last_modified)


async def refuse_odd_etags(session: Session, key: str, copied: Copied, verdict: Verdict) -> None:
    """Have an object moved once more where the composite ETag of a side is not that of the bytes.

    Both sides are looked at before it is moved again, as that happens once.

    Raises:
        ChecksumMismatch: the copy was taken back.
    """
    if copied.head.md5 is None and verdict.method == MD5:
        session.learned.sound_composites = True  # nothing else but the source's composite ETag proves the read
    stored = _other_join(session, key, copied)
    read = _other_read(session, copied) if verdict.method == SIZE_ONLY else ""
    if stored or read:
        await _take_back(session, key, Verdict(MD5, ok=False, detail=stored or read), copied.written)


def _other_read(session: Session, copied: Copied) -> str:
    """Return what is wrong with an object whose composite ETag is not that of the bytes read, though cut alike.

    A bit may have flipped on the way. Where a second read gives the same bytes, the ETags of this source mean something
    else, unless those of other objects proved them: then nothing proves the bytes, and no other object is read twice
    for it. Of several parts the cut is guessed, so a second mismatch proves nothing; of one part there is no cut.
    """
    head, whole = copied.head, copied.digests.md5
    ours = copied.sent.read or ("" if whole is None else joined_etag([whole]))
    plain = session.source.capabilities.part_etag_is_md5 and not is_kms(head.encryption)
    alike = ours != "" and _COMPOSITE.fullmatch(head.etag) and ours.partition("-")[2] == head.etag.partition("-")[2]
    learned = session.learned
    if not plain or not alike or learned.odd_composites:
        return ""
    if ours == head.etag.lower():
        return ""
    if learned.read_before.get(head.key) == ours and not (learned.sound_composites and ours.endswith("-1")):
        learned.odd_composites = not learned.sound_composites
        return ""
    learned.read_before[head.key] = ours
    return "the bytes read do not have the composite ETag the source states"


def _other_join(session: Session, key: str, copied: Copied) -> str:
    """Return what is wrong with an upload whose ETag is not that of its parts, though the parts' own are their MD5s.

    A part may have been damaged or lost after it was acknowledged. Where a second upload has none of its parts' either,
    the joined ETags of this destination mean something else, unless those of other objects proved them.
    """
    joined, etag, learned = copied.sent.joined, copied.written.etag.lower(), session.learned
    if not joined or not _COMPOSITE.fullmatch(etag) or learned.odd_joins or is_kms(copied.written.encryption):
        return ""
    if joined == etag:
        learned.sound_joins = True
        return ""
    if key in learned.joined_again and not learned.sound_joins:
        learned.odd_joins = True
        return ""
    learned.joined_again.add(key)
    return f"the destination states the ETag {etag} for parts that make {joined}"


async def _take_back(session: Session, key: str, verdict: Verdict, written: Written) -> None:
    """Delete a copy that differs.

    Raises:
        ChecksumMismatch: always; it says what differs.
    """
    fault = f"{verdict.method}: {verdict.detail}{_remedy(session, verdict)}"
    if session.spec.check is ConsistencyCheck.NO_CHECK:
        await session.uploads.save_doubt(Doubt(key, written.etag))
        raise ChecksumMismatch(f"{fault}; a damaged copy is still there: no_check deletes nothing")
    error = await delete_copy(session, key, written)
    if error is not None:
        which = f" (the bucket keeps versions; the copy is {written.version})" if written.version else ""
        raise ChecksumMismatch(f"{fault}; a damaged copy is still there{which}, as it cannot be deleted: {error}")
    raise ChecksumMismatch(f"{fault}; the copy {key!r} was deleted again")


async def delete_copy(session: Session, key: str, written: Written) -> StoreError | None:
    """Delete a copy that must not count, or its version; return why it is still there, None once it is gone.

    That it is in doubt is noted before, so that no later run takes it for good. Where versions are kept, only its own
    is deleted: the one before it is the current one again. A delete without the version would leave the bad one, and
    hide the good one.
    """
    await session.uploads.save_doubt(Doubt(key, written.etag))
    try:
        await session.wire.call(session.destination.delete(key, version=written.version))
    except StoreError as error:
        return error
    await session.uploads.forget_doubt(key)
    return None


def _remedy(session: Session, verdict: Verdict) -> str:
    side = verdict.doubts_etag
    store = session.source if side == "source" else session.destination
    if not side or not store.capabilities.etag_is_md5:
        return ""
    return f" (if the ETags of this {side} are no MD5s, say so: --{side}-option etag_is_md5=false)"
