"""What a store's refusal of a call means for its object, and for the task."""

from __future__ import annotations

from oms_engine.batch import End
from oms_engine.ends import ObjectJob, is_at_source, refused
from oms_engine.errors import AccessDenied, Retry, Stopped, StoreError
from oms_engine.persist import Unanswered
from oms_engine.session import Session
from oms_engine.verdicts import task_error


async def store_failed(session: Session, job: ObjectJob, error: StoreError) -> End:
    """End an object because a store refused a call; or the task, when every other object would fail the same way.

    Raises:
        TaskError: the store refuses the credentials or every object, or its bucket is gone.
        Unanswered: the store may be away; whose trouble it is must be found out.
        Stopped: the same, while the run pauses.
    """
    at_source = is_at_source(session, error)
    fatal = task_error(error, source=at_source)
    if fatal is not None:
        raise fatal from error
    if error.retry is not Retry.NEVER:
        if session.stopping:
            raise Stopped("paused while a store did not answer") from error
        if not at_source or session.source.capabilities.lists:  # each URL is a server of its own
            raise Unanswered(error, source=at_source) from error
    elif error.operation == "head":
        # The reply to a HEAD has no body to tell a missing object from a missing bucket, or a wrong key from a
        # forbidden object: the store is asked for something else.
        await session.outages.settle(error, source=at_source)
    if isinstance(error, AccessDenied):
        await session.outages.count_denied(error, source=at_source)
    return refused(session, job, error)
