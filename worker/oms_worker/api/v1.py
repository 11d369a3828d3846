"""``/v1``: the first version of the API, over the same services. Its codes are ``S3M.*``.

https://support.huaweicloud.com/intl/en-us/api-oms/oms_api_0020.html
"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from oms_engine.errors import ConfigError
from oms_worker.api.bodies import REFUSALS, reading, stated
from oms_worker.api.context import Known, Member, Services
from oms_worker.api.replies import done, json_reply
from oms_worker.api.v2.tasks import TaskId
from oms_worker.db.tasks import TaskFilter
from oms_worker.errors import Forbidden
from oms_worker.notify import check_topic
from oms_worker.services import tasks as service
from oms_worker.shapes.create import check_create, count_lists, public_part
from oms_worker.shapes.credentials import check_secrets, secrets_of
from oms_worker.shapes.v1 import STATES, ChangeV1, CreateV1, task_response_v1, translated_rules

router = APIRouter(prefix="/v1", tags=["Version 1"], responses=REFUSALS)

VERSION = "/{project_id}/objectstorage/version"
TASKS = "/{project_id}/objectstorage/task"
OPERATIONS = ("start", "stop", "change_bandwidthpolicy")


@router.get(VERSION, summary="Show the versions")
async def version(request: Request, caller: Member) -> Response:
    """Return them in the first version's form."""
    caller.require("oms:version:get")
    links = [{"href": f"{str(request.base_url).rstrip('/')}/v1/", "rel": "self"}]
    common = {"links": links, "min_version": "", "updated": "2016-12-09T00:00:00Z", "version": ""}
    found = [("v1.0", "SUPPORTED"), ("v2.0", "CURRENT")]
    return json_reply({"versions": [{"id": name, **common, "status": status} for name, status in found]})


@router.post(TASKS, summary="Create a task", openapi_extra=stated(CreateV1))
async def create(services: Services, caller: Member, body: Annotated[CreateV1, Depends(reading(CreateV1))]) -> Response:
    """Translate the body, then as in the second version."""
    caller.require("oms:task:create")
    task = body.translated()
    _check_kind(task.kind, body)
    check_create(task)
    rules = translated_rules(body.bandwidth_policy or [])
    service.check_policy(rules, services.settings.zone)
    request = {**public_part(task), "thread_num": body.thread_num, "bandwidth_policy": rules}
    secrets = secrets_of(task)
    check_topic(services.settings, request.get("smn_config"))
    count_lists(request, await services.buckets.precheck(caller, services.planner.judge(request, secrets)))
    new = service.NewTask(
        request=request,
        source_bucket=task.src_node.bucket or "",
        destination_bucket=task.dst_node.bucket or "",
        secrets=secrets,
        bandwidth_policy=request["bandwidth_policy"],
    )
    made = await services.tasks.create(caller, new)
    return json_reply({"id": made.id, "task_name": made.name})


def _check_kind(kind: str, body: CreateV1) -> None:
    """Refuse a task type whose input is missing.

    Raises:
        ConfigError: S3M.0088.
    """
    wants_list = kind in {"list", "url_list"}
    if wants_list != (body.src_node.list_file is not None) or (not wants_list and body.src_node.object_key is None):
        wanted = "list_file" if wants_list else "object_key"
        raise ConfigError(f"task_type {kind} goes with src_node.{wanted}.", code="S3M.0088")


@router.get(TASKS, summary="List tasks, or count them")
async def find(
    services: Services,
    caller: Member,
    start: Annotated[int, Query(ge=0, le=2_147_483_647)] = 0,
    limit: Annotated[int, Query(ge=1, le=100)] = 10,
    state: Annotated[int | None, Query(ge=0, le=5)] = None,
    totalcount: Annotated[str | None, Query(pattern="^(true|false)$")] = None,
) -> Response:
    """Return a page, or with ``totalcount=true`` the number alone."""
    statuses = () if state is None else STATES[state]
    page = await services.tasks.list(
        caller, TaskFilter(caller.project_id, None, None, statuses, offset=start, limit=limit)
    )
    if totalcount == "true":
        return json_reply({"taskcount": page.count})
    now = services.clock()
    return json_reply([task_response_v1(task, now) for task in page.tasks])


@router.get(f"{TASKS}/{{task_id}}", summary="Show a task")
async def show(services: Services, caller: Member, task_id: TaskId) -> Response:
    """Return it as it stands."""
    return json_reply(task_response_v1(await services.tasks.show(caller, task_id), services.clock()))


@router.delete(f"{TASKS}/{{task_id}}", summary="Delete a task that does not run")
async def delete(services: Services, caller: Member, task_id: TaskId) -> Response:
    """Delete it."""
    await services.tasks.delete(caller, task_id)
    return done()


@router.put(f"{TASKS}/{{task_id}}", summary="Start or stop a task, or change its bandwidth rules",
            openapi_extra=stated(ChangeV1))  # fmt: skip
async def change(
    services: Services, caller: Member, task_id: TaskId, body: Annotated[ChangeV1, Depends(reading(ChangeV1))]
) -> Response:
    """Do what ``operation`` says."""
    caller.require("oms:task:update")
    match body.operation:
        case "start":
            begin = body.translated()
            check_secrets(begin.secrets(), (await services.tasks.show(caller, task_id)).request)
            start = service.StartTask(begin.secrets(), bool(begin.migrate_failed_object))
            await services.tasks.start(caller, task_id, start)
        case "stop":
            await services.tasks.stop(caller, task_id)
        case "change_bandwidthpolicy":
            await services.tasks.set_bandwidth(caller, task_id, translated_rules(body.bandwidth_policy or []))
        case _:
            raise ConfigError(f"operation must be one of {', '.join(OPERATIONS)}.", code="S3M.0064")
    return done()


@router.get("/{domain_id}/objectstorage/quotas", summary="Show how many tasks run at once")
async def quotas(services: Services, caller: Known, domain_id: Annotated[str, Path(max_length=1024)]) -> Response:
    """Return the quota of the caller's account."""
    caller.require("oms:quota:get")
    own = {project.domain_id for project in await services.users.projects(caller)}
    if domain_id not in {*own, caller.project_id}:
        raise Forbidden("OMS.0206")
    resource = {"type": "MaxParallelTaskNum", "quota": services.settings.quotas.running_tasks}
    return json_reply({"quotas": {"resource": resource}})
