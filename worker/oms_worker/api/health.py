"""``/healthz``: the process lives. ``/readyz``: it can serve, its database answers."""

from __future__ import annotations

from fastapi import APIRouter, Response

from oms_worker.api.bodies import REFUSALS
from oms_worker.api.context import Services
from oms_worker.api.replies import json_reply
from oms_worker.errors import Busy

router = APIRouter(tags=["Operation"])

OPEN = {"security": list[str]()}


@router.get("/healthz", summary="Whether the process lives", openapi_extra=OPEN)
async def healthz() -> Response:
    """Answer."""
    return json_reply({"status": "ok"})


@router.get("/readyz", summary="Whether calls can be served", responses={503: REFUSALS[503]}, openapi_extra=OPEN)
async def readyz(services: Services) -> Response:
    """Answer 503 while calls cannot be served."""
    if not await services.ready():
        raise Busy("OMS.2004", "The service is not ready.")
    return json_reply({"status": "ready"})
