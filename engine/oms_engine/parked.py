"""Objects that left their segment: large ones to be moved in parts, archived ones to be restored first."""

from __future__ import annotations

from typing import NamedTuple

from oms_engine.batch import End, reason_text
from oms_engine.ends import ObjectJob, failed
from oms_engine.errors import StoreError
from oms_engine.ledger import Parked, ParkKind, RecordLine, Settlement
from oms_engine.model import ListedObject
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
    policy = session.spec.restore
    if entry.kind is ParkKind.ARCHIVED and policy is not None:
        try:
            readable = await thaw(session, entry, policy)
        except StoreError as error:
            return _settle(entry, failed(session, job, error, code="RESTORE_SRC_ARCHIVE_OBJ_FAILURE"))
        if not readable:
            return Later(entry.key, session.now() + policy.poll_seconds)
    end = await transfer(session, job)
    if end.outcome is None and policy is not None:  # archived behind a class that does not say so
        readable = await thaw(session, entry, policy)
        return Later(entry.key, session.now() + (0 if readable else policy.poll_seconds))
    return _settle(entry, end)


def _settle(entry: Parked, end: End) -> Settlement:
    assert end.outcome is not None
    return Settlement(
        key=entry.key,
        outcome=end.outcome,
        size=entry.size,
        reason=reason_text(end.outcome, end.reason),
        record=RecordLine(end.outcome, end.record),
        failure=end.failure,
    )
