"""One object's journey, top to bottom: look, decide, read, write, prove, record.

It ends in exactly one :class:`~oms_engine.batch.End`: migrated, skipped, failed, or parked (large objects under way,
archived ones being restored). Only what stops the whole task leaves as an exception.
"""

from __future__ import annotations

from typing import NamedTuple

from oms_engine.batch import End
from oms_engine.digest import Digests
from oms_engine.errors import (
    Archived,
    ChecksumMismatch,
    ConditionFailed,
    DigestRefused,
    NotFound,
    ObjectError,
    Retry,
    SourceChanged,
    StoreError,
)
from oms_engine.ledger import Failure, Parked, ParkKind
from oms_engine.model import ListedObject, ObjectHead, Outcome, OverwriteMode, Written
from oms_engine.multipart import move_in_parts
from oms_engine.plan import (
    Action,
    Decision,
    PartPlan,
    ThereObject,
    decide,
    decide_scope,
    destination_key,
    part_plan,
    there_object,
)
from oms_engine.records import failed_line, skip_line, success_line
from oms_engine.session import Session, task_error, write_options
from oms_engine.store import Call
from oms_engine.verify import Verdict, verify

ATTEMPTS = 2
"""Journeys of one object: the second starts from a fresh look at the source."""

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


class Copied(NamedTuple):
    """Bytes that arrived, not yet proved."""

    head: ObjectHead
    written: Written
    digests: Digests


async def transfer(session: Session, job: ObjectJob) -> End:
    """Bring one object to its end.

    Raises:
        TaskError: no object can be moved any more.
        Stopped: the run pauses before this object was done.
    """
    for attempt in range(1, ATTEMPTS + 1):
        last = attempt == ATTEMPTS
        try:
            end = await _journey(session, job)
        except ConditionFailed as error:
            if last:
                return failed(session, job, SourceChanged(f"the object was replaced while it was read, twice: {error}"))
        except (ChecksumMismatch, DigestRefused) as error:
            if last:
                return failed(session, job, error)
        except StoreError as error:
            return _store_failed(session, job, error)
        except ObjectError as error:
            return failed(session, job, error)
        else:
            session.count_answer()
            return end
        job = job._replace(listed=None, there=None, there_known=False)
    raise AssertionError("unreachable")


async def _journey(session: Session, job: ObjectJob) -> End:  # noqa: PLR0911  (one return per end)
    spec = session.spec
    # 1. what is it, and is it in scope?
    listed = job.listed or await _look_up(session, job.key)
    decision = decide_scope(listed, spec.migrate_since)
    if decision is not None:
        return skipped(session, listed, decision.reason)
    key = destination_key(
        listed.key, spec.strip_prefix, spec.save_prefix, max_bytes=session.destination.capabilities.max_key_bytes
    )
    # 2. does it have to move?
    decision, there = await _decision(session, job, listed, key)
    if decision.action is Action.SKIP:
        if job.resumed and there is not None and is_ours(session, there):
            return copied_before(session, listed, "")
        return skipped(session, listed, decision.reason)
    if spec.dry_run:
        return End(Outcome.MIGRATED, f"would be copied: {decision.reason}", listed.size)
    # 3. can it move now, and at once?
    if spec.restore and job.parked is not ParkKind.ARCHIVED and _archived(session, listed):
        return parked(session, listed, ParkKind.ARCHIVED)
    plan = _plan(session, listed)
    if not plan.single and job.parked is None:
        return parked(session, listed, ParkKind.LARGE)
    # 4. move it
    try:
        copied = await _move(session, listed, key, plan)
    except Archived:
        if spec.restore and job.parked is not ParkKind.ARCHIVED:
            return parked(session, listed, ParkKind.ARCHIVED)
        raise
    # 5. prove it, or take it back
    verdict = await _prove(session, listed, key, copied)
    return migrated(session, listed, copied, verdict)


async def _look_up(session: Session, key: str) -> ListedObject:
    head = await session.wire.call(session.source.head(key))
    return ListedObject(key, head.size or 0, head.last_modified, head.etag, head.storage_class)


def _archived(session: Session, listed: ListedObject) -> bool:
    return session.source.capabilities.is_archived_class(listed.storage_class)


async def _decision(
    session: Session, job: ObjectJob, listed: ListedObject, key: str
) -> tuple[Decision, ListedObject | ThereObject | None]:
    """Decide from the listings where they suffice, else from HEADs; also return what is there."""
    rule = session.overwrite
    want_kms = session.spec.kms
    if job.there_known or rule is OverwriteMode.FULL_OVERWRITE:
        decision = decide(listed, job.there, rule, want_kms=want_kms)
        if decision.action is not Action.NEEDS_HEAD:
            return decision, job.there
    try:
        there = there_object(await session.wire.call(session.destination.head(key)))
    except NotFound:
        return decide(listed, None, rule), None
    crc64 = None
    if rule is OverwriteMode.CRC64 and there.size == listed.size:
        crc64 = (await session.wire.call(session.source.head(listed.key))).crc64
    return decide(listed, there, rule, source_crc64=crc64, want_kms=want_kms), there


def _plan(session: Session, listed: ListedObject, content_type: str | None = None) -> PartPlan:
    source, destination = session.source.capabilities, session.destination.capabilities
    return part_plan(listed.size, source, destination, content_type=content_type)


async def _move(session: Session, listed: ListedObject, key: str, plan: PartPlan) -> Copied:
    if not plan.single:
        head = await session.wire.call(session.source.head(listed.key))
        if (listed.etag and head.etag != listed.etag) or head.size != listed.size:
            raise _other_size(session, listed, head.size)
        plan = _plan(session, listed, head.attributes.content_type)
        if not plan.single:
            return Copied(*await move_in_parts(session, listed, key, head, plan))
        return await _move_streamed(session, listed, key)
    if listed.size <= session.settings.small_object_bytes:
        return await _move_whole(session, listed, key)
    return await _move_streamed(session, listed, key)


async def _move_whole(session: Session, listed: ListedObject, key: str) -> Copied:
    """Move a small object through memory on the event loop: one GET, one PUT."""
    size = listed.size
    await session.memory.acquire(size)
    try:
        if session.limiter.rate:
            await session.limiter.pace(size)
        call = session.source.read(listed.key, if_match=listed.etag or None)
        head, body = await session.wire.fetch(call, limit=2 * session.settings.small_object_bytes)
        if len(body) != size:
            raise _other_size(session, listed, len(body))
        digests = Digests(md5=head.md5 is None)
        digests.update(body)
        options = write_options(session, head, md5=head.md5 or digests.md5)
        written = await session.wire.call(session.destination.write(key, size=size, options=options, body=body))
        session.live.transferred += size
        return Copied(head, written, digests)
    finally:
        session.memory.release(size)


async def _move_streamed(session: Session, listed: ListedObject, key: str) -> Copied:
    """Move a middling object through a thread: one GET streamed into one PUT."""

    def write_call(head: ObjectHead) -> Call[Written]:
        if head.size != listed.size:
            raise _other_size(session, listed, head.size)
        options = write_options(session, head, md5=head.md5)
        return session.destination.write(key, size=listed.size, options=options)

    read = session.source.read(listed.key, if_match=listed.etag or None)
    relayed = await session.relay(read, write_call, size=listed.size, md5=True)
    return Copied(relayed.head, relayed.written, relayed.digests)


def _other_size(session: Session, listed: ListedObject, size: int | None) -> ConditionFailed:
    message = f"the object was listed with {listed.size} bytes and read with {size}"
    return ConditionFailed(message, store=session.source.label, operation="read", key=listed.key)


async def _prove(session: Session, listed: ListedObject, key: str, copied: Copied) -> Verdict:
    """Hold what arrived against what was read and stated; take it back when they differ.

    Raises:
        ChecksumMismatch: they differ; the object is deleted again.
    """
    mode = session.spec.check
    kms = session.spec.kms
    crc64 = session.destination.capabilities.states_crc64
    verdict = verify(copied.head, copied.digests, copied.written, mode, kms=kms, head_states_crc64=crc64)
    if verdict.needs_head:
        there = await session.wire.call(session.destination.head(key))
        verdict = verify(copied.head, copied.digests, there, mode, kms=kms)
    if verdict.ok:
        return verdict
    await session.wire.call(session.destination.delete(key))
    raise ChecksumMismatch(f"{verdict.method}: {verdict.detail}; the copy of {listed.key!r} was deleted again")


# The ends. Every journey leaves through one of these.


def migrated(session: Session, listed: ListedObject, copied: Copied, verdict: Verdict) -> End:
    """End an object that lies at the destination, proved."""
    line = success_line(
        session.clock_text(),
        listed.key,
        listed.size,
        copied.head.etag,
        copied.written.etag,
        copied.digests.crc64,
        verdict.method,
        verdict.detail,
    )
    return End(Outcome.MIGRATED, "", listed.size, line)


def skipped(session: Session, listed: ListedObject, reason: str) -> End:
    """End an object that need not move."""
    return End(Outcome.SKIPPED, reason, listed.size, skip_line(session.clock_text(), listed.key, listed.size, reason))


def copied_before(session: Session, listed: ListedObject, etag: str) -> End:
    """End an object that the interrupted process of this run had copied before its report was committed."""
    line = success_line(
        session.clock_text(), listed.key, listed.size, listed.etag, etag, None, "size_last_modified", COPIED_BEFORE
    )
    return End(Outcome.MIGRATED, COPIED_BEFORE, listed.size, line)


def is_ours(session: Session, there: ListedObject | ThereObject) -> bool:
    """Whether an equal object at the destination was written since this interrupted run began, hence by it."""
    return there.last_modified + CLOCK_SLACK >= session.run_started


def parked(session: Session, listed: ListedObject, kind: ParkKind) -> End:
    """Take an object out of its batch until its time comes."""
    entry = Parked(
        listed.key, kind, listed.size, listed.etag, listed.last_modified, listed.storage_class, session.now()
    )
    return End(None, kind.value, listed.size, parked=entry)


def failed(session: Session, job: ObjectJob, error: ObjectError | StoreError, *, code: str | None = None) -> End:
    """End an object that could not be moved, with the reason in the failed list."""
    size = job.listed.size if job.listed else 0
    code = code or getattr(error, "code", "") or "MIGRATE_OBJ_FAILURE"
    message = str(error)
    line = failed_line(code, session.clock_text(), job.key, message)
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


def _store_failed(session: Session, job: ObjectJob, error: StoreError) -> End:
    """End an object because a store refused a call; or the task, when every other object would fail the same way."""
    at_source = error.store == session.source.label
    fatal = task_error(error, source=at_source)
    if fatal is not None:
        raise fatal from error
    if error.retry is not Retry.NEVER:
        session.count_transient(error)
    if isinstance(error, Archived):
        return failed(session, job, error, code="MIGRATE_SRC_ARCHIVE_OBJ_FAILURE")
    side = "SRC" if at_source else "DST"
    return failed(
        session, job, error, code=_FAILURE_CODES.get(error.operation, "MIGRATE_{side}_OBJ_FAILURE").format(side=side)
    )
