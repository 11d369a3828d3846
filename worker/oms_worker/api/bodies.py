"""Bodies of requests: read strictly by the shapes, and stated in the OpenAPI document."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict
from pydantic.json_schema import models_json_schema

from oms_worker.api.context import context_of
from oms_worker.shapes.base import Ignored, read_body

log = logging.getLogger(__name__)

MOST_NAMES = 10
"""Of unknown fields, in one line of the log."""
LARGE_BODY = 256 * 1024
"""Parsing a larger one would hold up other requests: it is done in a thread, one at a time, as each takes memory."""
_PARSING = ThreadPoolExecutor(1, "openoms-bodies")

B = TypeVar("B", bound=BaseModel)

MISSING_AS_404 = ("group_id", "sync_task_id", "version")
"""What a path may name; of tasks OMS answers 400 and OMS.1009."""

_MODELS: dict[str, type[BaseModel]] = {}
_REFERENCE = "#/components/schemas/{model}"


def reading(model: type[B]) -> Callable[[Request], Awaitable[B]]:
    """Return the dependency that reads a body of this shape."""

    async def read(request: Request) -> B:
        body = await request.body()
        ignored = None if context_of(request).settings.unknown_fields == "refuse" else warning_for(request)
        if len(body) > LARGE_BODY:
            reader = partial(read_body, model, body, ignored=ignored)
            return await asyncio.get_running_loop().run_in_executor(_PARSING, reader)
        return read_body(model, body, ignored=ignored)

    return read


def warning_for(request: Request) -> Ignored:
    """Return what writes the names of ignored fields into the log, never their values."""
    call = f"{request.method} {request.url.path}"

    def warn(names: Sequence[str]) -> None:
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        log.warning("%s: unknown fields are ignored: %s%s", call, ", ".join(names[:MOST_NAMES]), more)

    return warn


def stated(model: type[BaseModel]) -> dict[str, Any]:
    """Return ``openapi_extra`` of a route that reads this shape."""
    _MODELS[model.__name__] = model
    content = {"application/json": {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}
    return {"requestBody": {"required": True, "content": content}}


class ErrorShape(BaseModel):
    """Every refusal."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"error_code": "OMS.1004", "error_msg": "Some required parameters are missing."}]
        }
    )

    error_code: str
    error_msg: str


_MODELS[ErrorShape.__name__] = ErrorShape


def _told(description: str) -> dict[str, Any]:
    """Describe a refusal by reference: a model here would be made into a field for each status of each route."""
    schema = {"$ref": _REFERENCE.format(model=ErrorShape.__name__)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


REFUSALS: dict[int | str, dict[str, Any]] = {
    400: _told("The request, or the state of what it names, does not allow it."),
    401: _told("No token or signature, or a wrong one."),
    403: _told("The caller's role or project does not allow it."),
    503: _told("Busy; try again later."),
}


def document(app: FastAPI, version: str) -> dict[str, Any]:
    """Return the OpenAPI document, made once."""
    if app.openapi_schema is None:
        made = get_openapi(title="OpenOMS", version=version, summary=_SUMMARY, routes=app.routes)
        _, shapes = models_json_schema([(model, "validation") for model in _MODELS.values()], ref_template=_REFERENCE)
        _state_refusals(made)
        components = made.setdefault("components", {})
        components.setdefault("schemas", {}).update(shapes.get("$defs", {}))
        components["securitySchemes"] = _SCHEMES
        made["security"] = [{"token": []}, {"signature": []}]
        app.openapi_schema = made
    return app.openapi_schema


def _state_refusals(made: dict[str, Any]) -> None:
    """Leave out the framework's 422, which is never sent; state the 404 of what a path names and may not exist."""
    for path, operations in made["paths"].items():
        for operation in operations.values():
            operation["responses"].pop("422", None)
            if any(f"{{{name}}}" in path for name in MISSING_AS_404):
                operation["responses"]["404"] = _told("What the path names does not exist.")
    for name in ("HTTPValidationError", "ValidationError"):
        made.get("components", {}).get("schemas", {}).pop(name, None)


_SUMMARY = "The API of Huawei Cloud's Object Storage Migration Service, self-hosted."
_SCHEMES = {
    "token": {"type": "apiKey", "in": "header", "name": "X-Auth-Token"},
    "signature": {
        "type": "apiKey",
        "in": "header",
        "name": "Authorization",
        "description": "SDK-HMAC-SHA256 over the request, as the official SDKs sign it.",
    },
}
