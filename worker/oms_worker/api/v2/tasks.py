"""``/v2/{project_id}/tasks``: https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html and its neighbours."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Response

from oms_worker.api.bodies import REFUSALS, reading, stated
from oms_worker.api.context import Member, Services
from oms_worker.api.replies import done, json_reply
from oms_worker.api.v2.common import Limit, Offset, StopCall, judge
from oms_worker.db.tasks import TaskFilter
from oms_worker.errors import Refused
from oms_worker.services import tasks as service
from oms_worker.shapes.create import check_create, count_lists, public_part
from oms_worker.shapes.credentials import check_secrets, secrets_of
from oms_worker.shapes.task import BatchUpdate, CreateTask, StartTask, UpdateBandwidth
from oms_worker.shapes.task_response import TaskCreated, TaskList, TaskShape, task_response
from oms_worker.shapes.words import FORBIDDEN_IN_DESCRIPTION

router = APIRouter(prefix="/v2/{project_id}/tasks", tags=["Tasks"], responses=REFUSALS)

MAX_TASK_ID = 9_999_999_999_999_999
"""https://support.huaweicloud.com/intl/en-us/api-oms/ShowTask.html"""

TaskId = Annotated[int, Path(ge=0, le=MAX_TASK_ID, examples=[191297407830872])]


@router.post("", summary="Create a task, which starts by itself", responses={200: {"model": TaskCreated}},
             openapi_extra=stated(CreateTask))  # fmt: skip
async def create(
    services: Services, caller: Member, body: Annotated[CreateTask, Depends(reading(CreateTask))]
) -> Response:
    """Check the body, keep it without its secrets, and queue the task."""
    caller.require("oms:task:create")
    check_create(body)
    request, secrets = public_part(body), secrets_of(body)
    count_lists(request, await services.buckets.precheck(caller, judge(services, request, secrets)))
    made = await services.tasks.create(
        caller,
        service.NewTask(
            request=request,
            source_bucket=body.src_node.bucket or "",
            destination_bucket=body.dst_node.bucket or "",
            secrets=secrets,
            bandwidth_policy=request["bandwidth_policy"],
            priority=request["task_priority"],
        ),
    )
    return json_reply({"id": made.id, "task_name": made.name})


@router.get("", summary="List tasks, newest first", responses={200: {"model": TaskList}})
async def find(
    services: Services,
    caller: Member,
    limit: Limit = 10,
    offset: Offset = 0,
    status: Annotated[int | None, Query(ge=1, le=7)] = None,
    group_id: Annotated[str | None, Query(min_length=1, max_length=100)] = None,
    task_name: Annotated[str | None, Query(max_length=255, description="A part of the name, in any case.")] = None,
) -> Response:
    """Return a page of the project's tasks."""
    name = check_name_part(task_name or "")
    wanted = TaskFilter(
        caller.project_id,
        group_id=group_id,
        statuses=() if status is None else (status,),
        name_part=name,
        offset=offset,
        limit=limit,
    )
    page, now = await services.tasks.list(caller, wanted), services.clock()
    return json_reply({"tasks": [task_response(task, now) for task in page.tasks], "count": page.count})


def check_name_part(part: str) -> str:
    """Refuse special characters in the filter ``task_name``.

    Raises:
        Refused: OMS.1003.
    """
    if any(char in FORBIDDEN_IN_DESCRIPTION for char in part) or not part.isprintable():
        raise Refused("OMS.1003", f"task_name must not contain any of {FORBIDDEN_IN_DESCRIPTION}")
    return part


@router.post("/batch-update", summary="Change bandwidth and priority of several tasks",
             openapi_extra=stated(BatchUpdate))  # fmt: skip
async def batch_update(
    services: Services, caller: Member, body: Annotated[BatchUpdate, Depends(reading(BatchUpdate))]
) -> Response:
    """Change all or none."""
    change = service.BatchUpdate(
        [window.model_dump() for window in body.bandwidth_policy],
        ids=body.ids or (),
        group_id=body.group_id or "",
        priority=body.task_priority,
    )
    await services.tasks.batch_update(caller, change)
    return done()


@router.get("/{task_id}", summary="Show a task", responses={200: {"model": TaskShape}})
async def show(services: Services, caller: Member, task_id: TaskId) -> Response:
    """Return a task as it stands."""
    return json_reply(task_response(await services.tasks.show(caller, task_id), services.clock()))


@router.delete("/{task_id}", summary="Delete a task that does not run")
async def delete(services: Services, caller: Member, task_id: TaskId) -> Response:
    """Delete it with its credentials; the migrated objects stay."""
    await services.tasks.delete(caller, task_id)
    return done()


@router.post("/{task_id}/start", summary="Start a paused or failed task", openapi_extra=stated(StartTask))
async def start(
    services: Services, caller: Member, task_id: TaskId, body: Annotated[StartTask, Depends(reading(StartTask))]
) -> Response:
    """Queue it again, with credentials given anew."""
    caller.require("oms:task:update")
    task = await services.tasks.show(caller, task_id)
    secrets = body.secrets()
    check_secrets(secrets, task.request)
    await services.tasks.start(caller, task_id, service.StartTask(secrets, bool(body.migrate_failed_object)))
    return done()


@router.post("/{task_id}/stop", summary="Pause a running task")
async def stop(services: Services, caller: Member, task_id: TaskId, call: StopCall) -> Response:
    """Begin to pause it: 7 at once, 3 within seconds."""
    await services.tasks.stop(caller, task_id, call)
    return done()


@router.put("/{task_id}/bandwidth-policy", summary="Change the bandwidth rules of a task",
            openapi_extra=stated(UpdateBandwidth))  # fmt: skip
async def set_bandwidth(
    services: Services,
    caller: Member,
    task_id: TaskId,
    body: Annotated[UpdateBandwidth, Depends(reading(UpdateBandwidth))],
) -> Response:
    """Set the rules, which hold at once when it runs."""
    await services.tasks.set_bandwidth(caller, task_id, [window.model_dump() for window in body.bandwidth_policy])
    return done()
