"""The consistency check of a copied object: what the source states, what we read, what the destination states. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

from oms_engine.digest import Digests
from oms_engine.model import ConsistencyCheck, ListedObject, ObjectHead, Written
from oms_engine.plan import is_kms

MD5 = "md5"
CRC64 = "crc64"
SIZE_LAST_MODIFIED = "size_last_modified"
NO_CHECK = "no_check"


class Verdict(NamedTuple):
    """How a copy was held against its source, and how it came out."""

    method: str
    """``md5``, ``crc64``, ``size_last_modified`` or ``no_check``: the success list shows it."""
    ok: bool
    detail: str
    """The result in words: ``equal``, or what differs."""
    needs_head: bool = False
    """Not decided yet: HEAD the copy and ask again with its head."""


def verify(
    source: ObjectHead,
    digests: Digests,
    stored: Written | ObjectHead,
    check: ConsistencyCheck,
    *,
    kms: bool = False,
    listed: ListedObject | None = None,
    head_states_crc64: bool = False,
) -> Verdict:
    """Judge a copy. ``stored`` is the reply to the write or, after ``needs_head``, the head of the copy: then finally.

    Always, whatever ``check`` says: as many bytes were read as the source states, and no checksum that either side
    states differs from ours or from the other side's. With ``kms`` the copy must be stated to lie under KMS.

    Then the strongest proof names the method: the MD5 of both sides, the CRC64 of both sides (first with
    ``check=crc64``), else size and time: the copy is not older than its source, in whole seconds, as HTTP dates have
    it. ``no_check`` asks for nothing more where the source states no size.
    ``head_states_crc64`` says that the destination keeps CRC64s: with ``check=crc64`` a HEAD is then asked for when the
    write's reply does not state it.

    Rules: ``consistency_check``, https://support.huaweicloud.com/intl/en-us/api-oms/ListSyncTasks.html
    """
    stated = listed.size if source.size is None and listed is not None else source.size
    fault = _damage(source, digests, stored, stated) or _unencrypted(stored, kms)
    if fault is not None:
        return fault
    by_crc64 = check is ConsistencyCheck.CRC64
    proof = _proof(source, stored, crc64_first=by_crc64)
    if by_crc64 and proof != CRC64 and head_states_crc64 and source.crc64 is not None and isinstance(stored, Written):
        return Verdict(CRC64, ok=False, detail="CRC64 not stated yet", needs_head=True)
    if proof is not None:
        return Verdict(proof, ok=True, detail="equal")
    if check is ConsistencyCheck.NO_CHECK and stated is None:
        return Verdict(NO_CHECK, ok=True, detail="not checked")
    return _by_time(source, stored)


def _unencrypted(stored: Written | ObjectHead, kms: bool) -> Verdict | None:
    """Return the verdict on a copy that is to lie under KMS and is not stated to."""
    if not kms or is_kms(stored.encryption):
        return None
    if isinstance(stored, Written):
        return Verdict(SIZE_LAST_MODIFIED, ok=False, detail="encryption not stated yet", needs_head=True)
    return Verdict(SIZE_LAST_MODIFIED, ok=False, detail="KMS status error: the copy is not under KMS")


def _damage(source: ObjectHead, digests: Digests, stored: Written | ObjectHead, stated: int | None) -> Verdict | None:
    """Return the verdict on a copy that is certainly not its source, None when nothing speaks against it."""
    size = digests.size
    if stated is not None and stated != size:
        return Verdict(SIZE_LAST_MODIFIED, ok=False, detail=f"the source states {stated} bytes, {size} were read")
    if isinstance(stored, ObjectHead) and stored.size is not None and stored.size != size:
        detail = f"the destination holds {stored.size} bytes of {size}"
        return Verdict(SIZE_LAST_MODIFIED, ok=False, detail=detail)
    by_crc64 = _differ(CRC64, source.crc64, digests.crc64, stored.crc64)
    return by_crc64 or _differ(MD5, source.md5, digests.md5, stored.md5)


def _differ(method: str, source: object, ours: object, stored: object) -> Verdict | None:
    reference = source if ours is None else ours
    if source is not None and source != reference:
        return Verdict(method, ok=False, detail=f"the bytes read do not have the {method} the source states")
    if stored is not None and reference is not None and stored != reference:
        return Verdict(method, ok=False, detail=f"the destination states another {method}")
    return None


def _proof(source: ObjectHead, stored: Written | ObjectHead, *, crc64_first: bool) -> str | None:
    """Return the checksum that both sides state; :func:`_damage` has found it equal."""
    by_md5 = source.md5 is not None and stored.md5 is not None
    by_crc64 = source.crc64 is not None and stored.crc64 is not None
    if by_crc64 and (crc64_first or not by_md5):
        return CRC64
    return MD5 if by_md5 else None


def _by_time(source: ObjectHead, stored: Written | ObjectHead) -> Verdict:
    if stored.last_modified <= 0:
        if isinstance(stored, Written):
            return Verdict(SIZE_LAST_MODIFIED, ok=False, detail="time not stated yet", needs_head=True)
        return Verdict(SIZE_LAST_MODIFIED, ok=False, detail="the destination states no time")
    late = math.floor(source.last_modified) - math.floor(stored.last_modified)
    if late > 0:
        detail = f"the copy is {late} s older than its source: are the clocks of both sides right?"
        return Verdict(SIZE_LAST_MODIFIED, ok=False, detail=detail)
    return Verdict(SIZE_LAST_MODIFIED, ok=True, detail="equal")
