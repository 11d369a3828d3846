"""``/v2/{project_id}/taskgroups``: https://support.huaweicloud.com/intl/en-us/api-oms/CreateTaskGroup.html and next."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from oms_worker.api.bodies import REFUSALS, reading, stated
from oms_worker.api.context import Member, Services
from oms_worker.api.replies import done, json_reply
from oms_worker.api.v2.common import Limit, Offset, StopCall, extra, judge
from oms_worker.db.groups import GroupFilter
from oms_worker.services.groups import GroupService, NewGroup
from oms_worker.shapes.create import check_create
from oms_worker.shapes.credentials import secrets_of
from oms_worker.shapes.group import (
    CreateGroup,
    GroupCreated,
    GroupList,
    GroupShape,
    RetryGroup,
    StartGroup,
    group_response,
    stored_part,
)
from oms_worker.shapes.task import UpdateBandwidth

router = APIRouter(prefix="/v2/{project_id}/taskgroups", tags=["Task groups"], responses=REFUSALS)

GroupId = Annotated[str, Path(min_length=1, max_length=1024, examples=["9dd98a5e-7ea3-4d80-abff-4c23914313e4"])]


Groups = Annotated[GroupService, Depends(extra("groups"))]


@router.post("", summary="Create a task group, which starts by itself", responses={200: {"model": GroupCreated}},
             openapi_extra=stated(CreateGroup))  # fmt: skip
async def create(
    services: Services, groups: Groups, caller: Member, body: Annotated[CreateGroup, Depends(reading(CreateGroup))]
) -> Response:
    """Check the body, keep it without its secrets, and have the group cut into tasks."""
    caller.require("oms:taskgroup:create")
    check_create(body)
    request, secrets = stored_part(body), secrets_of(body)
    await services.buckets.precheck(caller, judge(services, request, secrets), scope=False)
    made = await groups.create(caller, NewGroup(request, secrets, request["bandwidth_policy"]))
    return json_reply({"group_id": made.id})


@router.get("", summary="List task groups, newest first", responses={200: {"model": GroupList}})
async def find(
    services: Services,
    groups: Groups,
    caller: Member,
    limit: Limit = 10,
    offset: Offset = 0,
    status: Annotated[int | None, Query(ge=0, le=9)] = None,
) -> Response:
    """Return a page of the project's groups."""
    wanted = GroupFilter(caller.project_id, () if status is None else (status,), offset, limit)
    page, now = await groups.list(caller, wanted), services.clock()
    told = [group_response(view.row, view.counters, now) for view in page.groups]
    return json_reply({"taskgroups": told, "count": page.count})


@router.get("/{group_id}", summary="Show a task group", responses={200: {"model": GroupShape}})
async def show(services: Services, groups: Groups, caller: Member, group_id: GroupId) -> Response:
    """Return a group with the sums over its tasks."""
    view = await groups.show(caller, group_id)
    return json_reply(group_response(view.row, view.counters, services.clock()))


@router.delete("/{group_id}", summary="Delete a task group with its tasks")
async def delete(groups: Groups, caller: Member, group_id: GroupId) -> Response:
    """Begin to delete it; the migrated objects stay."""
    await groups.delete(caller, group_id)
    return done()


@router.put("/{group_id}/start", summary="Resume a paused task group", openapi_extra=stated(StartGroup))
async def start(
    groups: Groups, caller: Member, group_id: GroupId, body: Annotated[StartGroup, Depends(reading(StartGroup))]
) -> Response:
    """Let it go on where it was, with credentials given anew."""
    await groups.start(caller, group_id, body.secrets())
    return done()


@router.put("/{group_id}/stop", summary="Pause a task group")
async def stop(groups: Groups, caller: Member, group_id: GroupId, call: StopCall) -> Response:
    """Begin to pause it and its tasks: 7 at once, 3 within seconds."""
    await groups.stop(caller, group_id, call)
    return done()


@router.put("/{group_id}/retry", summary="Restart a task group that failed", openapi_extra=stated(RetryGroup))
async def retry(
    groups: Groups, caller: Member, group_id: GroupId, body: Annotated[RetryGroup, Depends(reading(RetryGroup))]
) -> Response:
    """Run its failed tasks again, for all their objects or those alone that failed."""
    await groups.retry(caller, group_id, body.secrets(), only_failed_objects=bool(body.migrate_failed_object))
    return done()


@router.put("/{group_id}/update", summary="Change the bandwidth rules of a task group",
            openapi_extra=stated(UpdateBandwidth))  # fmt: skip
async def update(
    groups: Groups,
    caller: Member,
    group_id: GroupId,
    body: Annotated[UpdateBandwidth, Depends(reading(UpdateBandwidth))],
) -> Response:
    """Set the rules of the group and of each of its tasks."""
    await groups.update(caller, group_id, [window.model_dump() for window in body.bandwidth_policy])
    return done()
