"""Our own IAM v3 subset: tokens by password or by a pair of keys, temporary keys, and the caller's project.

https://support.huaweicloud.com/intl/en-us/api-iam/iam_30_0001.html and iam_06_0001.html. The official SDK asks for
the project by the region's name when it is given none.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from oms_engine.model import Secret
from oms_worker.api.bodies import REFUSALS, reading, stated
from oms_worker.api.context import Known, Services
from oms_worker.api.replies import json_reply
from oms_worker.db.users import ProjectRow
from oms_worker.errors import Unauthorized
from oms_worker.services.users import IssuedToken, UserService
from oms_worker.shapes.iam import ProjectList, TemporaryKeyRequest, TemporaryKeyShape, TokenPart, TokenRequest

router = APIRouter(tags=["IAM"], responses=REFUSALS)


@router.post("/v3/auth/tokens", status_code=201, summary="Obtain a token, valid for 24 hours",
             openapi_extra={**stated(TokenRequest), "security": []})  # fmt: skip
async def issue_token(
    request: Request, services: Services, body: Annotated[TokenRequest, Depends(reading(TokenRequest))]
) -> Response:
    """Return the token in ``X-Subject-Token``."""
    name, address = _name_of(body), request.client.host if request.client else ""
    request.scope["login"] = name
    with services.attempts.one(name, address):
        issued = await _issue(services.users, body)
    reply = json_reply({"token": _told(issued, body.auth.identity.methods[0])}, 201)
    reply.headers["X-Subject-Token"] = issued.token.reveal()
    return reply


def _name_of(body: TokenRequest) -> str:
    """Return who wants to log in: a user's name, or an access key."""
    identity = body.auth.identity
    if identity.methods[0] == "hw_ak_sk" and identity.hw_ak_sk is not None:
        return str(identity.hw_ak_sk.access.key.get_secret_value())
    return identity.password.user.name if identity.password is not None else ""


async def _issue(users: UserService, body: TokenRequest) -> IssuedToken:
    identity = body.auth.identity
    if identity.methods[0] == "hw_ak_sk" and identity.hw_ak_sk is not None:
        access, secret = identity.hw_ak_sk.access.key, identity.hw_ak_sk.secret.key
        return await users.issue_token_for_key(
            access.get_secret_value(), Secret(secret.get_secret_value()), project=body.project
        )
    assert identity.password is not None  # the shape has seen to it
    password = Secret(identity.password.given.get_secret_value())
    return await users.issue_token(identity.password.user.name, password, project=body.project)


@router.post("/v3.0/OS-CREDENTIAL/securitytokens", status_code=201,
             summary="Obtain a temporary key, valid for 15 minutes to 24 hours",
             responses={201: {"model": TemporaryKeyShape}}, openapi_extra=stated(TemporaryKeyRequest))  # fmt: skip
async def issue_temporary_key(
    request: Request, services: Services, body: Annotated[TemporaryKeyRequest, Depends(reading(TemporaryKeyRequest))]
) -> Response:
    """Return it for the token of the body, or for who calls."""
    asked = body.auth.identity.token or TokenPart()
    caller = request.scope.get("caller")
    if asked.id is not None:
        caller = await services.users.caller_of_token(Secret(asked.id.get_secret_value()))
    if caller is None:
        raise Unauthorized("OMS.0068", "Send X-Auth-Token, sign the request, or give auth.identity.token.id.")
    key = await services.users.issue_temporary_key(caller, float(asked.duration_seconds))
    told = {"access": key.access_key, "secret": key.secret_key.reveal(), "securitytoken": key.token.reveal()}
    return json_reply({"credential": {**told, "expires_at": _instant(key.expires_at)}}, 201)


def _told(issued: IssuedToken, method: str) -> dict[str, Any]:
    user, domain = issued.user, {"id": issued.user.project.domain_id, "name": issued.user.project.name}
    return {
        "expires_at": _instant(issued.expires_at),
        "issued_at": _instant(issued.issued_at),
        "methods": [method],
        "catalog": [],
        "roles": [{"id": "0", "name": user.role}],
        "project": {"id": user.project.id, "name": user.project.name, "domain": domain},
        "user": {"id": user.id, "name": user.name, "domain": domain, "password_expires_at": ""},
    }


def _instant(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@router.get("/v3/projects", summary="List the caller's projects", responses={200: {"model": ProjectList}})
async def projects(
    request: Request, services: Services, caller: Known, name: Annotated[str | None, Query(max_length=64)] = None
) -> Response:
    """Return the caller's project; it goes by its own name and by the region's."""
    base = str(request.base_url).rstrip("/")
    names = {None, services.settings.region}
    found = [row for row in await services.users.projects(caller) if name in {*names, row.name}]
    told = [_project(row, name or row.name, base) for row in found]
    return json_reply({"projects": told, "links": {"self": f"{base}/v3/projects", "next": None, "previous": None}})


def _project(row: ProjectRow, name: str, base: str) -> dict[str, Any]:
    return {
        "id": row.id,
        "name": name,
        "domain_id": row.domain_id,
        "parent_id": row.domain_id,
        "is_domain": False,
        "enabled": True,
        "description": "",
        "links": {"self": f"{base}/v3/projects/{row.id}"},
    }
