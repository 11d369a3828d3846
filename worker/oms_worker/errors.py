"""Refusals of the service: what an API call answers when it cannot be carried out.

::

    ApiError                 any code of the table, with its own HTTP status
    ├── Refused        400   the request, or the state of its task, does not allow it
    ├── Unauthorized   401   who calls is not known
    ├── Forbidden      403   who calls is known and may not
    ├── Missing        404   a task group or sync task that does not exist (a task: Refused, OMS.1009)
    └── Busy           503   try again later; never 429, whose body the official SDK throws away

One table exception -> (HTTP status, code, sentence) is :func:`answer_of`; the API renders what it returns.
"""

from __future__ import annotations

from typing import NamedTuple

from oms_engine.errors import ConfigError, OmsError, RepositoryError, StoreError, TaskError
from oms_worker.error_codes import CODES
from oms_worker.error_codes_v1 import OUTDATED

INTERNAL = "OMS.1001"
"""Internal service error."""
NO_MATCH = "The access key is unknown, or the signature does not match: check both keys, and what a proxy changes."
"""One sentence for an unknown key and a wrong signature: which access keys exist is not told."""


def sentence_of(code: str) -> str:
    """Return the sentence of a code, a general one for codes that are in no table."""
    if code in CODES:
        return CODES[code][1]
    return OUTDATED.get(code, "The request cannot be carried out.")


class ApiError(OmsError):
    """A call that is refused: ``code`` and ``http_status`` as OMS states them, the text for a person.

    ``detail`` is added to the code's own sentence; it never holds a secret.
    """

    status = 400

    def __init__(self, code: str, detail: str = "", *, http_status: int | None = None) -> None:
        sentence = sentence_of(code)
        super().__init__(f"{sentence} {detail}".strip())
        self.code = code
        self.http_status = http_status if http_status is not None else self._status_of(code)

    def _status_of(self, code: str) -> int:
        status, _ = CODES.get(code, (self.status, ""))
        return status if status >= 400 and self.status == ApiError.status else self.status


class Refused(ApiError):
    """The request as it stands, or the state of what it names, does not allow it."""


class Unauthorized(ApiError):
    """The caller is not known: no signature or token, or a wrong one."""

    status = 401


class Forbidden(ApiError):
    """The caller is known and lacks the permission."""

    status = 403


class Missing(ApiError):
    """A task group or a sync task that does not exist in the caller's project."""

    status = 404


class Busy(ApiError):
    """The service cannot take it now."""

    status = 503


class Answer(NamedTuple):
    """What an exception becomes for the client."""

    http_status: int
    error_code: str
    error_msg: str


def answer_of(error: BaseException) -> Answer:
    """Return what the client is told about an exception; anything unforeseen is internal, and tells nothing."""
    match error:
        case ApiError():
            return Answer(error.http_status, error.code, str(error))
        case ConfigError():
            return Answer(400, error.code or "OMS.0001", str(error))
        case TaskError():
            return Answer(400, error.code, str(error))
        case StoreError():
            return Answer(400, "OMS.0153", str(error))
        case RepositoryError():
            return Answer(503, "OMS.2004", sentence_of("OMS.2004"))
        case _:
            return Answer(500, INTERNAL, sentence_of(INTERNAL))
