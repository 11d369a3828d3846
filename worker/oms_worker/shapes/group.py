"""Requests about task groups, and what the API tells about one.

https://support.huaweicloud.com/intl/en-us/api-oms/CreateTaskGroup.html,
https://support.huaweicloud.com/intl/en-us/api-oms/ShowTaskGroup.html. As the service answers: the source's cloud type
is in upper case, ``smn_config`` tells what became of the notification, ``migrate_since`` is in seconds, and an absent
reason is null. The numbers of sub-tasks, which published answers have as null, are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Protocol

from pydantic import ConfigDict, Field

from oms_worker.shapes.base import Shape
from oms_worker.shapes.create import DEFAULTS, CreateBody, public_part
from oms_worker.shapes.credentials import Keys
from oms_worker.shapes.task_response import (
    DestinationNodeShape,
    ErrorReason,
    FailedObjectRecord,
    ListFileShape,
    SmnInfo,
    SourceCdnShape,
    WindowShape,
    destination_node,
    error_reason,
    failed_record,
    milliseconds,
    rules,
    source_node,
)
from oms_worker.shapes.words import GROUP_TASK_TYPES, choice, text

CREATE_EXAMPLE: Final[dict[str, Any]] = {
    "task_type": "PREFIX",
    "src_node": {
        "cloud_type": "AWS",
        "region": "eu-west-1",
        "bucket": "photos",
        "ak": "source-access-key",
        "sk": "source-secret-key",
        "object_key": ["2024/", "2025/"],
    },
    "dst_node": {
        "region": "cn-north-4",
        "bucket": "photos-copy",
        "ak": "destination-access-key",
        "sk": "destination-secret-key",
    },
    "enable_kms": False,
    "description": "two years of photos",
}


KEYS_EXAMPLE: Final[dict[str, Any]] = {
    "src_ak": "source-access-key",
    "src_sk": "source-secret-key",
    "dst_ak": "destination-access-key",
    "dst_sk": "destination-secret-key",
}


class CreateGroup(CreateBody):
    """*Creating a migration task group*."""

    model_config = ConfigDict(json_schema_extra={"examples": [CREATE_EXAMPLE]})

    DEFAULT_KIND: ClassVar[str] = "PREFIX"
    URL_LIST: ClassVar[str] = "URL_LIST"

    task_type: Annotated[str, choice(*GROUP_TASK_TYPES)] | None = None


def stored_part(body: CreateGroup) -> dict[str, Any]:
    """Return a create body as it is stored, without any secret: ``task_type`` in the spelling of its sub-tasks."""
    stored = public_part(body)
    stored["task_type"] = body.kind.lower()
    return stored


class StartGroup(Keys):
    """*Resuming a migration task group*: credentials anew."""

    model_config = ConfigDict(json_schema_extra={"examples": [KEYS_EXAMPLE]})


class RetryGroup(Keys):
    """*Restarting a migration task group*: credentials only where they have changed or are not kept any more."""

    model_config = ConfigDict(json_schema_extra={"examples": [{**KEYS_EXAMPLE, "migrate_failed_object": True}]})

    migrate_failed_object: bool | None = None


class GroupSourceShape(Shape):
    """``src_node`` of a group, without credentials."""

    bucket: str | None = None
    cloud_type: str
    region: str | None = None
    app_id: str | None = None
    object_key: list[str] | None = None
    list_file: ListFileShape | None = None


class GroupShape(Shape):
    """A task group. Sizes in bytes, times in milliseconds, ``migrate_since`` in seconds; null where OMS has null."""

    group_id: str
    status: int
    error_reason: ErrorReason | None
    src_node: GroupSourceShape
    description: str
    dst_node: DestinationNodeShape
    enable_metadata_migration: bool
    enable_failed_object_recording: bool
    enable_restore: bool
    enable_kms: bool
    task_type: str
    bandwidth_policy: list[WindowShape]
    smn_config: SmnInfo | None
    source_cdn: SourceCdnShape | None
    migrate_since: int
    migrate_speed: int
    total_time: int
    start_time: int
    total_task_num: int
    create_task_num: int
    failed_task_num: int
    complete_task_num: int
    paused_task_num: int
    executing_task_num: int
    waiting_task_num: int
    total_num: int
    create_complete_num: int
    success_num: int
    fail_num: int
    skip_num: int
    total_size: int
    create_complete_size: int
    complete_size: int
    failed_object_record: FailedObjectRecord
    object_overwrite_mode: str
    dst_storage_policy: str
    consistency_check: str
    obs_system: str
    enable_requester_pays: bool


class GroupList(Shape):
    """A page of groups; ``count`` counts all that match."""

    taskgroups: list[GroupShape]
    count: int


class GroupCreated(Shape):
    """The answer to *create*."""

    group_id: Annotated[str, text(100), Field(examples=["9dd98a5e-7ea3-4d80-abff-4c23914313e4"])]


class GroupFacts(Protocol):
    """A group as the database states it; the columns of the table ``task_group``."""

    # Read-only, so that a frozen row is one.
    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> int: ...  # noqa: D102
    @property
    def request(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def bandwidth_policy(self) -> Any: ...  # noqa: D102
    @property
    def started_at(self) -> float | None: ...  # noqa: D102
    @property
    def ended_at(self) -> float | None: ...  # noqa: D102
    @property
    def smn_info(self) -> Mapping[str, Any] | None: ...  # noqa: D102
    @property
    def error_code(self) -> str | None: ...  # noqa: D102
    @property
    def error_msg(self) -> str | None: ...  # noqa: D102


class GroupSums(Protocol):
    """The sums over the sub-tasks, which are created as they are cut."""

    @property
    def tasks(self) -> int: ...  # noqa: D102
    @property
    def waiting_tasks(self) -> int: ...  # noqa: D102
    @property
    def running_tasks(self) -> int: ...  # noqa: D102
    @property
    def paused_tasks(self) -> int: ...  # noqa: D102
    @property
    def failed_tasks(self) -> int: ...  # noqa: D102
    @property
    def succeeded_tasks(self) -> int: ...  # noqa: D102
    @property
    def total_num(self) -> int: ...  # noqa: D102
    @property
    def successful_num(self) -> int: ...  # noqa: D102
    @property
    def failed_num(self) -> int: ...  # noqa: D102
    @property
    def skipped_num(self) -> int: ...  # noqa: D102
    @property
    def total_size(self) -> int: ...  # noqa: D102
    @property
    def complete_size(self) -> int: ...  # noqa: D102
    @property
    def migrate_speed(self) -> int: ...  # noqa: D102


def group_response(group: GroupFacts, sums: GroupSums, now: float) -> dict[str, Any]:
    """Return a group as the API tells it; ``now`` is seconds since the epoch."""
    request = group.request
    node = source_node(request["src_node"])
    ended = group.ended_at if group.ended_at is not None else now
    recording = sums.failed_num and request.get("enable_failed_object_recording", True)
    folder = f"oms/task_group/{group.id}/failed_object_lists/" if recording else None
    return {
        "group_id": group.id,
        "status": group.status,
        "error_reason": error_reason(group),
        "src_node": {**node, "cloud_type": node["cloud_type"].upper(), "app_id": node.get("app_id", "")},
        "dst_node": destination_node(request["dst_node"]),
        **rules({**DEFAULTS, **request}),
        "task_type": request.get("task_type", "prefix").upper(),
        "bandwidth_policy": list(group.bandwidth_policy or ()),
        "smn_config": group.smn_info,
        "migrate_speed": sums.migrate_speed,
        "total_time": 0 if group.started_at is None else max(0, round((ended - group.started_at) * 1000)),
        "start_time": milliseconds(group.started_at),
        "total_task_num": sums.tasks,
        "create_task_num": sums.tasks,
        "failed_task_num": sums.failed_tasks,
        "complete_task_num": sums.succeeded_tasks,
        "paused_task_num": sums.paused_tasks,
        "executing_task_num": sums.running_tasks,
        "waiting_task_num": sums.waiting_tasks,
        "total_num": sums.total_num,
        "create_complete_num": sums.total_num,
        "create_complete_size": sums.total_size,
        "success_num": sums.successful_num,
        "fail_num": sums.failed_num,
        "skip_num": sums.skipped_num,
        "total_size": sums.total_size,
        "complete_size": sums.complete_size,
        "failed_object_record": failed_record(folder, None),
    }
