"""Whether the destination keeps what is written beside the bytes: user metadata, storage class.

A store that is spoken to in a dialect it does not speak, or that has no such thing, ignores those headers and answers
with success. So the first object of a run that has any is asked for by HEAD before it counts; once one came back as it
was written, no other is asked. Where one did not, the copy is deleted and the task ends.
"""

from __future__ import annotations

from oms_engine.ends import Copied
from oms_engine.errors import AccessDenied, StoreError, TaskError
from oms_engine.metadata import plan_attributes
from oms_engine.model import ListedObject, ObjectHead, StorageClass
from oms_engine.plan import storage_class_for
from oms_engine.proving import delete_copy
from oms_engine.session import Session

NOT_KEPT = "TRF.0061"


def is_telling(session: Session, listed: ListedObject, head: ObjectHead) -> bool:
    """Whether an object shows what the destination keeps: it has user metadata, or a class of its own."""
    spec = session.spec
    return bool(spec.metadata and head.attributes.user) or _class_of(session, listed, head) is not None


def _class_of(session: Session, listed: ListedObject, head: ObjectHead) -> StorageClass | None:
    word = listed.storage_class or head.storage_class
    wanted = storage_class_for(session.spec.storage, word, session.source.capabilities.class_of)
    return None if wanted is StorageClass.STANDARD else wanted


async def see_kept(session: Session, listed: ListedObject, key: str, copied: Copied) -> None:
    """Ask the destination for what lies beside a telling object's bytes; once it is there, ask no more.

    Raises:
        TaskError: the destination does not keep it.
    """
    try:
        there = await session.wire.call(session.destination.head(key))
    except AccessDenied:  # a key that may only write: nobody will ever see it
        session.learned.kept_unseen = False
        return
    except StoreError:
        return  # what is missing altogether the closing look finds
    written = plan_attributes(copied.head.attributes, session.spec.metadata, session.metadata_terms)
    fault = _fault(session, _class_of(session, listed, copied.head), written.user, there)
    if fault:
        await _end(session, key, copied, fault)
    session.learned.kept_unseen = False


def _fault(session: Session, wanted: StorageClass | None, user: object, there: ObjectHead) -> str:
    """Return what the destination does not keep; empty: it keeps all."""
    if user and not there.attributes.user and not there.attributes.withheld:
        return "keeps no user metadata"
    if wanted is not None and session.destination.capabilities.class_of(there.storage_class) is not wanted:
        return f"does not keep the storage class {wanted.value}"
    return ""


async def _end(session: Session, key: str, copied: Copied, fault: str) -> None:
    """Take the copy back, so that no later run takes it for what was asked, and end the task.

    Raises:
        TaskError: always.
    """
    error = await delete_copy(session, key, copied.written)
    left = f"the copy is still there, as it cannot be deleted ({error})" if error else "the copy is deleted again"
    raise TaskError(
        NOT_KEPT,
        f"{session.destination.label} {fault}: {key!r} was written with it and came back without; {left}. A store that "
        'speaks S3\'s protocol is named s3://, or dialect = "s3" in the settings; else leave the option out',
    )
