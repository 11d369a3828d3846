"""What proves two objects of one size equal, or different: listings, heads, notes of a migration. Pure."""

from __future__ import annotations

import re
from hashlib import md5
from typing import NamedTuple

from oms_engine.checking.model import Mark, Method
from oms_engine.model import ListedObject, ObjectHead
from oms_engine.store import Capabilities
from oms_engine.verify import CRC64, MD5

_OF_PARTS = re.compile(r"[0-9a-fA-F]{32}-[0-9]{1,5}", re.ASCII)
_MD5 = re.compile(r"[0-9a-fA-F]{32}", re.ASCII)
_ONE_PART = "-1"

PROOFS = frozenset({MD5, CRC64})
"""Check methods of a success list that prove the bytes; the others compared size and time, or nothing."""


class Note(NamedTuple):
    """What a success list says about one object when it was migrated."""

    at: float
    """Seconds since 1970."""
    size: int
    source_etag: str
    destination_etag: str
    method: str
    equal: bool
    """Whether the check's result was ``equal``."""


class Finding(NamedTuple):
    """What is known about the bytes of two objects of one size."""

    mark: Mark
    """``SAME``, ``DIFFERENT`` or ``UNPROVED``."""
    method: Method | None = None
    phrase: str = ""


UNPROVED = Finding(Mark.UNPROVED)


def looks_like_md5(etag: str, capabilities: Capabilities) -> bool:
    """Whether a listed ETag may be an MD5: 32 hexadecimal digits in a store whose plain ETags are."""
    return capabilities.etag_is_md5 and _MD5.fullmatch(etag) is not None


def same_by_listing(
    source: ListedObject, destination: ListedObject, ours: Capabilities, theirs: Capabilities
) -> Method | None:
    """Return by what two listings prove two objects of one size equal, None when they do not.

    ==============================  ===================================  =========
    source                          destination                          equal by
    ==============================  ===================================  =========
    an MD5                          the same, whatever its case          MD5
    no bytes                        no bytes                             EMPTY
    an ETag of parts                the same                             ETAG
    an MD5                          ``-1``, and MD5(the MD5) before it   ETAG
    ``-1``                          its only part's MD5                  ETAG
    anything else                                                        None
    ==============================  ===================================  =========
    """
    here, there = source.etag, destination.etag
    our_md5, their_md5 = looks_like_md5(here, ours), looks_like_md5(there, theirs)
    if our_md5 and their_md5 and here.lower() == there.lower():  # OSS writes its MD5s in capitals
        return Method.MD5
    if not source.size and not destination.size:
        return Method.EMPTY
    if here == there and _OF_PARTS.fullmatch(here):
        return Method.ETAG
    if (our_md5 and is_only_part(here, there)) or (their_md5 and is_only_part(there, here)):
        return Method.ETAG
    return None


def is_only_part(part_md5: str, etag: str) -> bool:
    """Whether an ETag is that of an upload of this one part: the MD5 of the part's MD5, and ``-1``.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
    """
    return etag.lower() == md5(bytes.fromhex(part_md5), usedforsecurity=False).hexdigest() + _ONE_PART


def by_heads(ours: ObjectHead, theirs: ObjectHead) -> Finding:
    """Return what two heads of one size prove.

    A CRC-64 that both state decides alone: it outweighs an ETag that only looks like an MD5. Then the MD5s, then the
    MD5 of an object against the ETag of an upload of one part. ETags of several parts that are unlike prove nothing:
    their borders may be unlike.
    """
    if ours.crc64 is not None and theirs.crc64 is not None:
        return _by_checksum(Method.CRC64, str(ours.crc64), str(theirs.crc64))
    if ours.claimed_md5 is not None and ours.claimed_md5 == theirs.md5:
        return Finding(Mark.SAME, Method.MD5)  # one that differs is no evidence: nobody vouches for it
    if ours.md5 is not None and theirs.md5 is not None:
        return _by_checksum(Method.MD5, ours.md5.hex(), theirs.md5.hex())
    if ours.etag == theirs.etag and _OF_PARTS.fullmatch(ours.etag):
        return Finding(Mark.SAME, Method.ETAG)
    for plain, other in ((ours, theirs), (theirs, ours)):
        if plain.md5 is not None and is_only_part(plain.md5.hex(), other.etag):
            return Finding(Mark.SAME, Method.ETAG)
    return UNPROVED


def _by_checksum(method: Method, here: str, there: str) -> Finding:
    if here == there:
        return Finding(Mark.SAME, method)
    return Finding(Mark.DIFFERENT, None, f"{method.value} {here} here, {there} there")


def by_notes(source: ListedObject, destination: ListedObject, notes: list[Note]) -> Finding:
    """Return what the success lists prove about two objects of one size.

    ==================  =======================  ==========================  =========================================
    source ETag now     destination ETag now     the note's method           finding
    ==================  =======================  ==========================  =========================================
    as noted            as noted                 a proof, result ``equal``   SAME: neither changed since it was proved
    as noted            as noted                 no proof                    UNPROVED, with the reason
    another             as noted                 any                         DIFFERENT: the source changed since
    as noted            another                  any                         DIFFERENT: the destination changed since
    another             another                  any                         UNPROVED: the note is of other objects
    ==================  =======================  ==========================  =========================================

    Of several notes the first row that any of them reaches holds; of the same row the newest. A note without one of
    the ETags, or of another size, is none.
    """
    best, newest = UNPROVED, (9, 0.0)
    for note in notes:
        if not note.source_etag or not note.destination_etag or note.size != source.size:
            continue
        row, finding = _by_note(source.etag, destination.etag, note)
        if (row, -note.at) < newest:
            best, newest = finding, (row, -note.at)
    return best


def _by_note(here: str, there: str, note: Note) -> tuple[int, Finding]:
    """Return the row of the table that a note reaches, and its finding."""
    if (here, there) == (note.source_etag, note.destination_etag):
        if note.equal and note.method in PROOFS:
            return 1, Finding(Mark.SAME, Method.NOTED)
        return 2, Finding(Mark.UNPROVED, None, "its migration compared the size only too")
    if there == note.destination_etag:
        phrase = f"the source was written anew since it was migrated: ETag {note.source_etag} then, {here} now"
        return 3, Finding(Mark.DIFFERENT, None, phrase)
    if here == note.source_etag:
        phrase = f"the destination was written anew since: ETag {note.destination_etag} when migrated, {there} now"
        return 4, Finding(Mark.DIFFERENT, None, phrase)
    return 5, UNPROVED
