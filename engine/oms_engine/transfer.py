"""One object's journey, top to bottom: look, decide, read, write, prove, record.

It ends in exactly one :class:`~oms_engine.batch.End`: migrated, skipped, failed, or parked (large objects under way,
archived ones being restored). Only what stops the whole task leaves as an exception.
"""

from __future__ import annotations

from oms_engine.aliases import refuse_alias
from oms_engine.batch import End
from oms_engine.claims import settle_claim, settle_silence
from oms_engine.ends import (
    ObjectJob,
    copied_before,
    failed,
    is_ours,
    migrated,
    parked,
    skipped,
)
from oms_engine.errors import (
    AccessDenied,
    Archived,
    ChecksumMismatch,
    ConditionFailed,
    DigestRefused,
    InvalidRequest,
    NotFound,
    ObjectError,
    SourceChanged,
    StoreError,
    UploadGone,
)
from oms_engine.evidence import NOTHING, source_evidence
from oms_engine.folding import may_fold, refuse_folded
from oms_engine.keeping import is_telling, see_kept
from oms_engine.ledger import ParkKind
from oms_engine.looking import look, other_size
from oms_engine.model import ConsistencyCheck, ListedObject, Outcome, OverwriteMode, same_etag
from oms_engine.moving import AT_ONCE, move, move_whole, plan_of
from oms_engine.places import names_object
from oms_engine.plan import (
    COPY_DOUBT,
    NEEDS_HEAD_MD5,
    SKIP_NOT_OLDER,
    Action,
    Decision,
    ThereObject,
    decide,
    decide_scope,
    destination_key,
    in_doubt,
    there_object,
)
from oms_engine.proving import Before, judge, prove, refuse_odd_etags
from oms_engine.refusals import store_failed
from oms_engine.session import Session
from oms_engine.urlkeys import parse_entry
from oms_engine.verify import SIZE_ONLY
from oms_engine.versions import UNKNOWN

ATTEMPTS = 2
"""Journeys of one object: the second starts from a fresh look at the source."""


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
                code = getattr(error, "code", None)
                changed = SourceChanged(f"the object was replaced while it was read, twice: {error}")
                return failed(session, job, error if code else changed)
        except (ChecksumMismatch, DigestRefused) as error:
            if last:
                return failed(session, job, error, code=getattr(error, "code", ChecksumMismatch.code))
        except StoreError as error:
            if last or not isinstance(error, UploadGone):
                return await store_failed(session, job, error)
        except ObjectError as error:
            return failed(session, job, error)
        else:
            session.answered += end.outcome is Outcome.MIGRATED
            return end
        job = job._replace(anew=True, there=None, there_known=False, decided=False)
    raise AssertionError("unreachable")


async def _journey(session: Session, job: ObjectJob) -> End:  # noqa: C901, PLR0912  (all of it, top to bottom)
    spec = session.spec
    # 1. what is it?
    listed = job.listed if job.listed and not job.anew else await _look_up(session, job.key, job.listed)
    # 2. is it in scope, and does it have to move?
    before: Before = job.there
    if not job.decided:
        end, before = await _decided(session, job, listed)
        if end is not None:
            return end
    key = _destination_key(session, listed)
    if session.same_bucket and key == listed.key:
        raise _itself(key)
    # 3. can it move now, and at once?
    if spec.restore and job.parked is not ParkKind.ARCHIVED and _archived(session, listed):
        return parked(session, listed, ParkKind.ARCHIVED)
    plan = AT_ONCE if 0 <= listed.size <= session.whole_bytes else plan_of(session, listed)
    if not plan.single and job.parked is None and plan.size is not None:
        return parked(session, listed, ParkKind.LARGE)
    # 4. move it
    try:
        if session.sight.varies or may_fold(key):
            await _refuse_alias(session, key)
        copied = await (move_whole(session, listed, key) if plan is AT_ONCE else move(session, listed, key, plan))
    except Archived:
        if spec.restore and job.parked is not ParkKind.ARCHIVED:
            return parked(session, listed, ParkKind.ARCHIVED)
        raise
    if session.learned.kept_unseen and is_telling(session, listed, copied.head):
        await see_kept(session, listed, key, copied)
    # 5. prove it, or take it back
    fault = None
    if not copied.head.etag and listed.etag:
        copied, fault = await settle_silence(session, listed, copied)
    if copied.head.claimed_md5 is not None:
        copied, fault = await settle_claim(session, listed, copied)
    verdict = fault or judge(
        session, copied, copied.written, unlisted=not (job.there_known or session.settings.closing_look)
    )
    if not verdict.ok:
        verdict = await prove(session, key, copied, verdict, before)
    if verdict.method == SIZE_ONLY or copied.sent.in_parts or copied.head.md5 is None:
        await refuse_odd_etags(session, key, copied, verdict)
    if session.uploads.doubts and key in session.uploads.doubts:
        await session.uploads.forget_doubt(key)
    listed = listed if plan.size is not None else listed._replace(size=copied.digests.size)
    return migrated(session, listed, key, copied, verdict)


async def _decided(session: Session, job: ObjectJob, listed: ListedObject) -> tuple[End | None, Before]:
    """Return the end of an object that is out of scope, is at the destination already, or would only be copied.

    Else None; and beside it what lies at the destination, as far as that was asked.
    """
    spec = session.spec
    out = decide_scope(listed, spec.migrate_since)
    if out is not None:
        return skipped(session, listed, out.reason), None
    key = _destination_key(session, listed)
    if not session.source.capabilities.lists:
        _refuse_page(session, listed, key)
    decision, there = await _decision(session, job, listed, key)
    if in_doubt(there, session.uploads.doubts.get(key), session.overwrite):
        decision = COPY_DOUBT
    if decision.action is Action.SKIP:
        await _own(session, job, key)
        if job.resumed and there is not None and is_ours(session, listed, there):
            return copied_before(session, listed, ""), there
        return skipped(session, listed, decision.reason), there
    if spec.dry_run:
        return End(Outcome.MIGRATED, f"would be copied: {decision.reason}", max(0, listed.size)), there
    return None, there


async def _own(session: Session, job: ObjectJob, key: str) -> None:
    """See that what a HEAD found is the key's own object.

    Raises:
        ObjectError: the destination takes the key for another.
    """
    if job.there is None and (session.sight.varies or may_fold(key)):
        await _refuse_alias(session, key)


async def _refuse_alias(session: Session, key: str) -> None:
    """Refuse a key that the destination takes for another.

    Raises:
        ObjectError: it does.
    """
    if may_fold(key):
        await refuse_folded(session, key)
    else:
        await refuse_alias(session, key, absent=False)


def _itself(key: str) -> ObjectError:
    message = f"the copy {key!r} would overwrite the object it is made from: give another bucket or destination prefix"
    return ObjectError(message, code="DST_OBJ_IS_SRC_OBJ_FAILURE")


def _destination_key(session: Session, listed: ListedObject) -> str:
    spec = session.spec
    most = session.destination.capabilities.max_key_bytes
    return destination_key(session.name_of(listed.key), spec.strip_prefix, spec.save_prefix, max_bytes=most)


async def _look_up(session: Session, key: str, before: ListedObject | None) -> ListedObject:
    """Return what a HEAD states of an object: of another size than ``before`` it must have another ETag as well.

    Raises:
        ConditionFailed: it has the same, so the source serves other bytes than it stores.
    """
    head = await look(session, key)
    size = UNKNOWN if head.size is None else head.size
    same = before is not None and before.etag != "" and same_etag(before.etag, head.etag)
    if before is not None and same and size != before.size and UNKNOWN not in {size, before.size}:
        raise other_size(session, before, size, head)
    return ListedObject(key, size, head.last_modified, head.etag, head.storage_class)


def _refuse_page(session: Session, listed: ListedObject, key: str) -> None:
    """Refuse what the web names and cannot be copied as asked: a page of unknown size, the copy's own address.

    Raises:
        ObjectError: it needs ``no_check``, or another name.
    """
    if listed.size == UNKNOWN and session.spec.check is not ConsistencyCheck.NO_CHECK:
        message = "the server states no Content-Length, so the copy cannot be checked: migrate it with no_check"
        raise ObjectError(message, code="CHECK_SRC_OBJ_SIZE_FAILURE")
    if names_object(parse_entry(listed.key)[1], session.destination, key):
        message = "the URL is that of the object it would be stored as: name it differently, or leave it out"
        raise ObjectError(message, code="GET_SRC_URL_INVALID_FAILURE")


def _archived(session: Session, listed: ListedObject) -> bool:
    return session.source.capabilities.is_archived_class(listed.storage_class)


async def _decision(
    session: Session, job: ObjectJob, listed: ListedObject, key: str
) -> tuple[Decision, ListedObject | ThereObject | None]:
    """Decide from the listings where they suffice, else from HEADs; also return what is there."""
    rule = session.overwrite
    want_kms = session.spec.kms
    listings_suffice = job.there_known or rule is OverwriteMode.FULL_OVERWRITE
    decision = decide(listed, job.there, rule, want_kms=want_kms, by_md5=session.by_md5)
    if listings_suffice and decision.action is not Action.NEEDS_HEAD:
        return decision, job.there
    try:
        there = there_object(await session.wire.call(session.destination.head(key)))
    except NotFound:
        return decide(listed, None, rule), None
    except (AccessDenied, InvalidRequest):
        if not (listings_suffice and decision is NEEDS_HEAD_MD5):
            raise
        return SKIP_NOT_OLDER, job.there  # what may not be asked is no evidence: size and time decide, as listed
    known = NOTHING
    if there.size == listed.size and rule is not OverwriteMode.NO_OVERWRITE:
        known = await source_evidence(session, listed, there)
    return decide(
        listed,
        there,
        rule,
        source_crc64=known.crc64,
        want_kms=want_kms,
        source_md5=known.md5,
        other_bytes=known.other_bytes,
    ), there
