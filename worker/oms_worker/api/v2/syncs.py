"""``/v2/{project_id}/sync-tasks``: https://support.huaweicloud.com/intl/en-us/api-oms/CreateSyncTask.html and next."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from oms_worker.api.bodies import REFUSALS, reading, stated
from oms_worker.api.context import Member, Services
from oms_worker.api.replies import done, json_reply
from oms_worker.api.v2.common import Limit, Offset, extra, judge
from oms_worker.db.syncs import SyncFilter
from oms_worker.errors import Refused
from oms_worker.scheduler import DAY
from oms_worker.services.syncs import DATA_TYPES, NewSync, SyncService
from oms_worker.shapes.sync import (
    CreateSync,
    StartSync,
    SyncCreated,
    SyncDetailShape,
    SyncEvents,
    SyncList,
    SyncStatistics,
    check_sync,
    check_sync_start,
    request_of,
    sync_detail,
    sync_response,
)
from oms_worker.states import Sync

router = APIRouter(prefix="/v2/{project_id}/sync-tasks", tags=["Sync tasks"], responses=REFUSALS)

MAX_MS = 9_223_372_036_854_775_807

SyncId = Annotated[str, Path(min_length=1, max_length=255, examples=["d18befdd-eb82-41f3-8019-bbb593d74a3e"])]
Instant = Annotated[int, Query(ge=0, le=MAX_MS, description="Milliseconds since the epoch.")]


Syncs = Annotated[SyncService, Depends(extra("syncs"))]


@router.post("", summary="Create a sync task, which starts by itself", responses={200: {"model": SyncCreated}},
             openapi_extra=stated(CreateSync))  # fmt: skip
async def create(
    services: Services, syncs: Syncs, caller: Member, body: Annotated[CreateSync, Depends(reading(CreateSync))]
) -> Response:
    """Check the body and keep it without its secrets."""
    caller.require("oms:synctask:create")
    check_sync(body)
    request, secrets = request_of(body), body.secrets()
    judge(services, request, secrets)
    return json_reply({"sync_task_id": (await syncs.create(caller, NewSync(request, secrets))).id})


@router.get("", summary="List sync tasks, newest first", responses={200: {"model": SyncList}})
async def find(
    syncs: Syncs, caller: Member, limit: Limit = 10, offset: Offset = 0, status: Sync | None = None
) -> Response:
    """Return a page of the project's sync tasks."""
    wanted = SyncFilter(caller.project_id, status.value if status else None, offset, limit)
    page = await syncs.list(caller, wanted)
    return json_reply({"tasks": [sync_response(row) for row in page.tasks], "count": page.count})


@router.get("/{sync_task_id}", summary="Show a sync task with the sums of a month",
            responses={200: {"model": SyncDetailShape}})  # fmt: skip
async def show(syncs: Syncs, caller: Member, sync_task_id: SyncId, query_time: Instant | None = None) -> Response:
    """Return a sync task with the sums of the month that holds ``query_time``."""
    row, month = await syncs.show(caller, sync_task_id, None if query_time is None else query_time / 1000)
    return json_reply(sync_detail(row, month))


@router.delete("/{sync_task_id}", summary="Delete a stopped sync task")
async def delete(syncs: Syncs, caller: Member, sync_task_id: SyncId) -> Response:
    """Delete it with the events that wait; the copied objects stay."""
    await syncs.delete(caller, sync_task_id)
    return done()


@router.post("/{sync_task_id}/start", summary="Start a stopped sync task", openapi_extra=stated(StartSync))
async def start(
    syncs: Syncs, caller: Member, sync_task_id: SyncId, body: Annotated[StartSync, Depends(reading(StartSync))]
) -> Response:
    """Let it go on, with credentials given anew."""
    row, _ = await syncs.show(caller, sync_task_id)
    check_sync_start(body, row.request)
    await syncs.start(caller, sync_task_id, body.secrets())
    return done()


@router.post("/{sync_task_id}/stop", summary="Stop a sync task")
async def stop(syncs: Syncs, caller: Member, sync_task_id: SyncId) -> Response:
    """Refuse further events; those that wait stay."""
    await syncs.stop(caller, sync_task_id)
    return done()


@router.post("/{sync_task_id}/events", summary="Have objects copied", openapi_extra=stated(SyncEvents))
async def add_events(
    syncs: Syncs, caller: Member, sync_task_id: SyncId, body: Annotated[SyncEvents, Depends(reading(SyncEvents))]
) -> Response:
    """Queue the objects; they are copied soon, whatever happens to the service meanwhile."""
    await syncs.add_events(caller, sync_task_id, body.decoded())
    return done()


@router.get("/{sync_task_id}/statistics", summary="What a sync task did over time",
            responses={200: {"model": SyncStatistics}})  # fmt: skip
async def statistics(
    services: Services,
    syncs: Syncs,
    caller: Member,
    sync_task_id: SyncId,
    data_type: Annotated[str, Query(max_length=255, description=f"Of {', '.join(DATA_TYPES)}; separated by commas.")],
    start_time: Instant | None = None,
    end_time: Instant | None = None,
) -> Response:
    """Return values per five minutes, for more than a day per hour; intervals without any are left out.

    Without times, as the reference's example asks, those of the last day.
    """
    end = services.clock() if end_time is None else end_time / 1000
    start = end - DAY if start_time is None else start_time / 1000
    found = await syncs.statistics(caller, sync_task_id, _data_types(data_type), start, end)
    series = [
        {
            "data_type": name,
            "data": [{"time_stamp": point.at * 1000, "statistic_num": point.value} for point in points],
        }
        for name, points in found.series.items()
    ]
    return json_reply({"sync_task_id": sync_task_id, "statistic_time_type": found.interval, "statistic_datas": series})


def _data_types(given: str) -> list[str]:
    names = list(dict.fromkeys(name.strip().upper() for name in given.split(",")))
    if not set(names) <= set(DATA_TYPES):
        raise Refused("OMS.1003", f"data_type must be of {', '.join(DATA_TYPES)}.")
    return names
