"""Objects that left their segment: large ones to be moved in parts, archived ones to be restored first."""

from __future__ import annotations

from typing import NamedTuple

from oms_engine.batch import End, reason_text
from oms_engine.ends import ObjectJob, failed, refused
from oms_engine.errors import ObjectError, RepositoryError, Stopped, StoreError, TaskError
from oms_engine.ledger import Parked, ParkKind, RecordLine, Settlement
from oms_engine.look import look
from oms_engine.model import ListedObject
from oms_engine.persist import Unanswered, persist
from oms_engine.refusals import store_failed
from oms_engine.restore import thaw
from oms_engine.session import Session
from oms_engine.transfer import transfer


class Later(NamedTuple):
    """Nothing to settle yet: look again at ``due``."""

    key: str
    due: float


async def revisit(session: Session, entry: Parked, *, resumed: bool) -> Settlement | Later:
    """Bring a parked object on: to its end, or to its next date.

    Raises:
        TaskError: no object can be moved any more.
        Stopped: the run pauses; the object stays parked.
    """
    listed = ListedObject(entry.key, entry.size, entry.last_modified, entry.etag, entry.storage_class)
    job = ObjectJob(entry.key, listed, parked=entry.kind, resumed=resumed)
    try:
        try:
            return await _revisit(session, entry, job)
        except Unanswered as trouble:
            result = await persist(session, trouble, lambda: _revisit(session, entry, job))
            return _settle(entry, refused(session, job, result.error)) if isinstance(result, Unanswered) else result
    except (TaskError, Stopped, RepositoryError):
        raise
    except Exception as error:  # noqa: BLE001  (a fault of ours must not be met again and again)
        fault = ObjectError(f"{type(error).__name__}: {error}", code="INTERNAL_FAILURE")
        return _settle(entry, failed(session, job, fault))


async def _revisit(session: Session, entry: Parked, job: ObjectJob) -> Settlement | Later:
    try:
        return await _bring(session, entry, job)
    except StoreError as error:
        return _settle(entry, await store_failed(session, job, error))


async def _bring(session: Session, entry: Parked, job: ObjectJob) -> Settlement | Later:
    policy = session.spec.restore
    if entry.kind is ParkKind.ARCHIVED and policy is not None and not await thaw(session, entry, policy):
        return Later(entry.key, session.now() + policy.poll_seconds)
    end = await transfer(session, job)
    if end.outcome is None and policy is not None:  # archived behind a class that does not say so
        readable = await thaw(session, entry, policy)
        return Later(entry.key, session.now() + (0 if readable else policy.poll_seconds))
    if end.stored is not None and session.settings.closing_look:
        end = await _look(session, end)
    return _settle(entry, end)


async def _look(session: Session, end: End) -> End:
    """See that the destination holds what was written."""
    looked = await look(session, [end], None)
    if looked.failed:
        return looked.failed[0][1]
    return end._replace(seen=bool(looked.seen))


def _settle(entry: Parked, end: End) -> Settlement:
    assert end.outcome is not None
    return Settlement(
        key=entry.key,
        outcome=end.outcome,
        size=entry.size,
        reason=reason_text(end.outcome, end.reason),
        record=RecordLine(end.outcome, end.record),
        failure=end.failure,
        seen=end.seen,
        proof=end.proof,
    )
