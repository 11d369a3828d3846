"""One line of the log for every transition of a task, a task group or a sync task, with the request that caused it."""

from __future__ import annotations

import logging
from contextvars import ContextVar

log = logging.getLogger("openoms.journal")

REQUEST_ID: ContextVar[str] = ContextVar("REQUEST_ID", default="")
"""The request that is being served; empty where nobody called, as in the runner."""


def note(subject: str, before: int | str, after: int | str, cause: str) -> None:
    """Write a line; ``subject`` is ``task:<id>``, ``group:<uuid>`` or ``sync:<uuid>``, the cause holds no secret."""
    kind, _, number = subject.partition(":")
    told = cause.encode("unicode_escape").decode("ascii").replace('"', "'")
    request = REQUEST_ID.get() or "-"
    log.info('%s=%s before=%s after=%s request=%s cause="%s"', kind, number, before or "-", after, request, told)
