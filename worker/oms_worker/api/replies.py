"""Replies: JSON as clients of OMS expect it, and every exception as ``{"error_code", "error_msg"}``."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from oms_worker.errors import Answer, ApiError, answer_of
from oms_worker.shapes.v1 import code_of_v1

JSON_TYPE = "application/json;charset=UTF-8"

_CODE_OF_PARAMETER = {
    "task_id": "OMS.0054",
    "status": "OMS.0052",
    "state": "OMS.0052",
    "start": "OMS.0051",
    "limit": "OMS.0051",
    "offset": "OMS.0051",
}
"""Parameters of path and query whose errors have a code of their own; the others are OMS.1003."""


def json_reply(content: Any, status: int = 200) -> Response:
    """Return a JSON reply."""
    body = json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode("utf-8", "replace")
    return Response(body, status, media_type=JSON_TYPE)


def done() -> Response:
    """Return the reply of an operation that tells nothing."""
    return Response(status_code=200, media_type=JSON_TYPE)


def error_reply(answer: Answer) -> Response:
    """Return the reply of a call that is refused."""
    return json_reply({"error_code": answer.error_code, "error_msg": answer.error_msg}, answer.http_status)


def refusal(error: BaseException) -> Response:
    """Return the reply that an exception becomes."""
    return error_reply(answer_of(error))


def answer_at(scope: Scope, error: BaseException) -> Response:
    """Answer an exception in the codes of the version that was called, and note the code for the audit trail."""
    answer = answer_of(error)
    if scope["path"].startswith("/v1/"):
        answer = answer._replace(error_code=code_of_v1(answer.error_code))
    scope["error_code"] = answer.error_code
    return error_reply(answer)


async def on_error(request: Request, error: Exception) -> Response:
    """Answer an error raised on purpose."""
    return answer_at(request.scope, error)


async def on_http_error(request: Request, error: Exception) -> Response:
    """Answer a path or method that there is not."""
    wrong_method = isinstance(error, HTTPException) and error.status_code == 405
    told = ApiError("OMS.0005", http_status=405) if wrong_method else ApiError("APIGW.0101", http_status=404)
    reply = await on_error(request, told)
    reply.headers.update(getattr(error, "headers", None) or {})
    return reply


async def on_invalid(request: Request, error: Exception) -> Response:
    """Answer a parameter of path or query that is wrong."""
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": ("", ""), "msg": ""}
    name = str(first["loc"][-1])
    code = "OMS.1004" if first.get("type") == "missing" else _CODE_OF_PARAMETER.get(name, "OMS.1003")
    return await on_error(request, ApiError(code, f"{name}: {_said(request, name, first)}.", http_status=400))


def _said(request: Request, name: str, first: Any) -> str:
    """Return what is wrong; of a state, which numbers the call takes."""
    route = request.scope.get("route")
    for field in getattr(getattr(route, "dependant", None), "query_params", ()):
        if field.alias == name and _CODE_OF_PARAMETER.get(name) == "OMS.0052":
            limits = {type(item).__name__: item for item in field.field_info.metadata}
            if {"Ge", "Le"} <= set(limits):
                return f"Enter a whole number from {limits['Ge'].ge} to {limits['Le'].le}"
    return str(first["msg"])
