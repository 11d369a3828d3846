"""``GET /`` and ``GET /{version}``: https://support.huaweicloud.com/intl/en-us/api-oms/ListApiVersions.html."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from oms_worker.api.replies import json_reply
from oms_worker.errors import Missing
from oms_worker.shapes.versions import VersionList, VersionShape

router = APIRouter(tags=["Versions"])

UPDATED = {"v1": "2020-01-01T12:00:00Z", "v2": "2020-04-01T12:00:00Z"}
OPEN = {"security": list[str]()}
STATUS = {"v1": "SUPPORTED", "v2": "CURRENT"}


def version_of(name: str, base: str) -> dict[str, Any]:
    """Return one version as the API tells it."""
    links = [{"rel": "self", "href": f"{base}/{name}/"}]
    return {"id": name, "links": links, "status": STATUS[name], "updated": UPDATED[name]}


@router.get(
    "/", summary="List the versions of the API", responses={200: {"model": VersionList}}, openapi_extra={"security": []}
)
async def versions(request: Request) -> Response:
    """Return every version."""
    base = str(request.base_url).rstrip("/")
    return json_reply({"versions": [version_of(name, base) for name in UPDATED]})


@router.get(
    "/{version}",
    summary="Show a version of the API",
    responses={200: {"model": VersionShape}},
    openapi_extra={"security": []},
)
async def version(request: Request, version: Annotated[str, Path(min_length=1, max_length=10)]) -> Response:
    """Return one version."""
    if version not in UPDATED:
        raise Missing("OMS.1009")
    return json_reply(version_of(version, str(request.base_url).rstrip("/")))
