"""The ends of an object's journey: each renders the record line and the reason of one way out."""

from __future__ import annotations

from typing import NamedTuple

from oms_engine.batch import End, Stored
from oms_engine.digest import Digests
from oms_engine.errors import Archived, ObjectError, StoreError
from oms_engine.etags import other_md5
from oms_engine.ledger import Failure, Parked, ParkKind
from oms_engine.metadata import metadata_notes
from oms_engine.model import InvalidMetadata, ListedObject, ObjectHead, Outcome, Written
from oms_engine.plan import ThereObject
from oms_engine.records import escape_text, failed_line, skip_line, success_line
from oms_engine.session import Session
from oms_engine.verify import MD5, SENT_AT_ONCE, SIZE_ONLY, Sent, Verdict

CLOCK_SLACK = 1.0
"""Seconds by which stores round their times down."""

COPIED_BEFORE = "copied before the interruption"


class ObjectJob(NamedTuple):
    """One source key to bring to its end."""

    key: str
    listed: ListedObject | None = None
    """None: a key from a list, looked up first."""
    there: ListedObject | None = None
    there_known: bool = False
    """Whether ``there`` is what the destination's listing says (None then means: not there)."""
    parked: ParkKind | None = None
    """Why it waited; None on its first journey."""
    resumed: bool = False
    """The run was interrupted before: the object may have been copied by the process that died."""
    decided: bool = False
    """In scope and to be copied, as the listings say."""
    anew: bool = False
    """Its second journey: the source is asked again, as ``listed`` only says what it was."""


class Copied(NamedTuple):
    """Bytes that arrived, not yet proved."""

    head: ObjectHead
    written: Written
    digests: Digests
    sent: Sent = SENT_AT_ONCE
    note: str = ""
    """What the success list shows beside the result of the check."""


def migrated(session: Session, listed: ListedObject, key: str, copied: Copied, verdict: Verdict) -> End:
    """End an object that lies at the destination, proved."""
    spec, notes = session.spec, copied.note
    if spec.invalid_metadata is not InvalidMetadata.FAIL:
        done = metadata_notes(copied.head.attributes, spec.metadata, session.metadata_terms)
        notes = "; ".join(filter(None, (notes, done)))
    line = success_line(
        session.clock_text(),
        session.name_of(listed.key),
        listed.size,
        copied.head.etag,
        copied.written.etag,
        copied.digests.crc64,
        verdict.method,
        f"{verdict.detail}; {escape_text(notes)}" if notes else verdict.detail,
    )
    proof = "" if verdict.method == MD5 else verdict.method
    stored = Stored(listed.key, key, copied.written.etag)
    return End(Outcome.MIGRATED, "", listed.size, line, None, None, stored, False, proof)


def skipped(session: Session, listed: ListedObject, reason: str) -> End:
    """End an object that need not move."""
    size = max(0, listed.size)
    return End(
        Outcome.SKIPPED, reason, size, skip_line(session.clock_text(), session.name_of(listed.key), size, reason)
    )


def copied_before(session: Session, listed: ListedObject, etag: str) -> End:
    """End an object that the interrupted process of this run had copied before its report was committed."""
    equal = session.by_md5 and len(etag) == 32 and etag.lower() == listed.etag.lower()
    line = success_line(
        session.clock_text(),
        session.name_of(listed.key),
        listed.size,
        listed.etag,
        etag,
        None,
        MD5 if equal else SIZE_ONLY,
        COPIED_BEFORE,
    )
    return End(Outcome.MIGRATED, COPIED_BEFORE, listed.size, line, seen=True, proof="" if equal else SIZE_ONLY)


def is_ours(session: Session, listed: ListedObject, there: ListedObject | ThereObject) -> bool:
    """Whether an equal object at the destination was written since this interrupted run began, hence by it.

    Never against evidence that its bytes are others: another size, or another MD5.
    """
    if there.last_modified + CLOCK_SLACK < session.run_started or there.size != listed.size:
        return False
    return not (isinstance(there, ListedObject) and session.by_md5 and other_md5(listed.etag, there.etag))


def parked(session: Session, listed: ListedObject, kind: ParkKind) -> End:
    """Take an object out of its batch until its time comes."""
    entry = Parked(
        listed.key, kind, listed.size, listed.etag, listed.last_modified, listed.storage_class, session.now()
    )
    return End(None, kind.value, listed.size, parked=entry)


def failed(session: Session, job: ObjectJob, error: ObjectError | StoreError, *, code: str | None = None) -> End:
    """End an object that could not be moved, with the reason in the failed list."""
    size = max(0, job.listed.size) if job.listed else 0
    code = code or getattr(error, "code", "") or "MIGRATE_OBJ_FAILURE"
    message = str(error)
    line = failed_line(code, session.clock_text(), session.name_of(job.key), message)
    return End(Outcome.FAILED, code, size, line, Failure(job.key, size, code, message, session.now()))


_FAILURE_CODES = {
    "head": "GET_{side}_OBJ_META_FAILURE",
    "read": "GET_{side}_OBJ_FAILURE",
    "write": "UPLOAD_{side}_OBJ_FAILURE",
    "start_upload": "INIT_{side}_OBJ_MULTIPART_FAILURE",
    "write_part": "UPLOAD_{side}_OBJ_PART_FAILURE",
    "complete_upload": "COMPLETE_{side}_OBJ_MULTIPART_FAILURE",
    "restore": "RESTORE_{side}_ARCHIVE_OBJ_FAILURE",
}


_WRITES = frozenset({"write", "delete", "start_upload", "write_part", "complete_upload", "abort_upload", "list_parts"})


def is_at_source(session: Session, error: StoreError) -> bool:
    """Whether it was the source that failed, also where both sides are one bucket."""
    return error.store == session.source.label and error.operation not in _WRITES


def refused(session: Session, job: ObjectJob, error: StoreError) -> End:
    """End an object as failed by a store's call, with OMS's code for it."""
    if isinstance(error, Archived):
        return failed(session, job, error, code="MIGRATE_SRC_ARCHIVE_OBJ_FAILURE")
    side = "SRC" if is_at_source(session, error) else "DST"
    code = _FAILURE_CODES.get(error.operation, "MIGRATE_{side}_OBJ_FAILURE").format(side=side)
    return failed(session, job, error, code=getattr(error, "code", None) or code)
