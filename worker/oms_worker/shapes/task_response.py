"""What the API tells about a task: *Querying a migration task*, from a row of the database.

https://support.huaweicloud.com/intl/en-us/api-oms/ShowTask.html. Where documents and the service differ:

* ``error_reason`` is null, not ``""``, when there is none: so the service answers, and typed clients expect an object;
* ``migrate_since`` is told in seconds, as it was given: Terraform's provider reads back what it wrote;
* ``group_id`` is ``""`` for a task of no group; ``enable_kms``, which newer pages dropped, is still told.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

from pydantic import Field

from oms_worker.figures import LEAST_LEFT_MS
from oms_worker.shapes.base import Shape
from oms_worker.shapes.words import DEFAULT_CLOUD_TYPE

SUCCEEDED: Final = 5
"""``status`` of a task whose progress is 1."""
MIGRATING: Final = 2
"""``status`` of a task that runs, which takes some time yet."""


class ErrorReason(Shape):
    """Why a task or group failed."""

    error_code: str | None = None
    error_msg: str | None = None


class FailedObjectRecord(Shape):
    """Where the failed list lies; all null when nothing failed."""

    result: bool | None = None
    """Whether the failed objects can be migrated again by themselves."""
    list_file_key: str | None = None
    error_code: str | None = None


class ListFileShape(Shape):
    """``list_file``."""

    list_file_key: str
    obs_bucket: str
    list_file_num: str | None = None


class SourceNodeShape(Shape):
    """``src_node``, without credentials."""

    bucket: str | None = None
    cloud_type: str
    region: str | None = None
    app_id: str | None = None
    object_key: list[str] | None = None
    list_file: ListFileShape | None = None


class DestinationNodeShape(Shape):
    """``dst_node``, without credentials."""

    bucket: str
    region: str
    save_prefix: str | None = None
    cloud_type: str | None = None
    """Only where it is not Huawei Cloud: OMS has no other destination."""


class WindowShape(Shape):
    """One rule of ``bandwidth_policy``."""

    start: str
    end: str
    max_bandwidth: int


class SmnInfo(Shape):
    """What became of the notification."""

    notify_result: bool | None = None
    notify_error_message: str | None = None
    topic_name: str | None = None


class SourceCdnShape(Shape):
    """``source_cdn``, without its key."""

    domain: str
    protocol: str
    authentication_type: str


class TaskShape(Shape):
    """A task. Sizes in bytes, times in milliseconds, ``start_time`` since the epoch, ``migrate_since`` in seconds."""

    id: int
    name: str
    status: int
    task_type: str
    group_type: str
    group_id: str
    src_node: SourceNodeShape
    dst_node: DestinationNodeShape
    description: str
    start_time: int
    total_time: int
    left_time: int
    progress: float = Field(ge=0, le=1)
    migrate_speed: int
    is_query_over: bool
    total_num: int
    successful_num: int
    failed_num: int
    skipped_num: int
    total_size: int
    complete_size: int
    real_size: int
    migrate_since: int
    enable_failed_object_recording: bool
    enable_kms: bool
    enable_metadata_migration: bool
    enable_restore: bool
    enable_requester_pays: bool
    object_overwrite_mode: str
    consistency_check: str
    dst_storage_policy: str
    task_priority: str
    obs_system: str
    bandwidth_policy: list[WindowShape]
    source_cdn: SourceCdnShape | None
    smn_info: SmnInfo | None
    error_reason: ErrorReason | None
    failed_object_record: FailedObjectRecord
    success_record_error_reason: str | None
    skip_record_error_reason: str | None


class TaskList(Shape):
    """A page of tasks; ``count`` counts all that match."""

    tasks: list[TaskShape]
    count: int


class TaskCreated(Shape):
    """The answer to *create*."""

    id: int
    task_name: str


class Failure(Protocol):
    """Why something failed, as a row states it."""

    @property
    def error_code(self) -> str | None:
        """OMS's code, None when it did not."""

    @property
    def error_msg(self) -> str | None:
        """A sentence."""


class TaskFacts(Failure, Protocol):
    """A task as the database states it; the columns of the table ``task``."""

    # Read-only, so that a frozen row is one.
    @property
    def id(self) -> int: ...  # noqa: D102
    @property
    def name(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> int: ...  # noqa: D102
    @property
    def group_type(self) -> str: ...  # noqa: D102
    @property
    def group_id(self) -> str: ...  # noqa: D102
    @property
    def request(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def priority(self) -> str: ...  # noqa: D102
    @property
    def bandwidth_policy(self) -> Sequence[Mapping[str, Any]]: ...  # noqa: D102
    @property
    def started_at(self) -> float | None: ...  # noqa: D102
    @property
    def progress(self) -> float: ...  # noqa: D102
    @property
    def left_time_ms(self) -> int: ...  # noqa: D102
    @property
    def is_query_over(self) -> bool: ...  # noqa: D102
    @property
    def records(self) -> Mapping[str, str] | None: ...  # noqa: D102
    @property
    def record_errors(self) -> Mapping[str, str] | None: ...  # noqa: D102
    @property
    def smn_info(self) -> Mapping[str, Any] | None: ...  # noqa: D102
    def total_time_ms(self, now: float) -> int: ...  # noqa: D102


_COUNTED: Final = (
    "total_num", "successful_num", "failed_num", "skipped_num", "total_size", "complete_size", "real_size",
    "migrate_speed",
)  # fmt: skip


def task_response(task: TaskFacts, now: float) -> dict[str, Any]:
    """Return a task as the API tells it; ``now`` is seconds since the epoch."""
    request = task.request
    return {
        "id": task.id,
        "name": task.name,
        "status": task.status,
        "task_type": request.get("task_type", "object"),
        "group_type": task.group_type,
        "group_id": task.group_id or "",
        "src_node": source_node(request["src_node"]),
        "dst_node": destination_node(request["dst_node"]),
        "start_time": milliseconds(task.started_at),
        "total_time": task.total_time_ms(now),
        "left_time": max(LEAST_LEFT_MS, task.left_time_ms) if task.status == MIGRATING else task.left_time_ms,
        "progress": 1.0 if task.status == SUCCEEDED else min(max(task.progress, 0.0), 1.0),
        "is_query_over": bool(task.is_query_over),
        **{name: getattr(task, name) for name in _COUNTED},
        **rules(request),
        "task_priority": task.priority,
        "bandwidth_policy": list(task.bandwidth_policy or ()),
        "smn_info": task.smn_info,
        "error_reason": error_reason(task),
        **_records(task),
    }


def milliseconds(seconds: float | None) -> int:
    """Return an instant as OMS writes it; 0 for one that has not come."""
    return int((seconds or 0) * 1000)


def rules(request: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that tasks and groups tell alike, with OMS's defaults."""
    return {
        "description": request.get("description", ""),
        "migrate_since": request.get("migrate_since", 0),
        "enable_failed_object_recording": request.get("enable_failed_object_recording", True),
        "enable_kms": request.get("enable_kms", False),
        "enable_metadata_migration": request.get("enable_metadata_migration", False),
        "enable_restore": request.get("enable_restore", False),
        "enable_requester_pays": request.get("enable_requester_pays", False),
        "object_overwrite_mode": request.get("object_overwrite_mode", "SIZE_LAST_MODIFIED_COMPARISON_OVERWRITE"),
        "consistency_check": request.get("consistency_check", "size_last_modified"),
        "dst_storage_policy": request.get("dst_storage_policy", "STANDARD"),
        "obs_system": "BUCKET",
        "source_cdn": source_cdn(request.get("source_cdn")),
    }


def source_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``src_node``."""
    return {
        "bucket": node.get("bucket", ""),
        "cloud_type": node.get("cloud_type", DEFAULT_CLOUD_TYPE),
        "region": node.get("region", ""),
        "app_id": node.get("app_id", ""),
        "object_key": node.get("object_key"),
        "list_file": node.get("list_file"),
    }


def destination_node(node: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``dst_node``."""
    return {
        "bucket": node.get("bucket", ""),
        "region": node.get("region", ""),
        "save_prefix": node.get("save_prefix", ""),
        **({"cloud_type": node["cloud_type"]} if node.get("cloud_type") else {}),
    }


def source_cdn(cdn: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Return ``source_cdn``, without its key."""
    if cdn is None:
        return None
    return {
        "domain": cdn["domain"],
        "protocol": cdn["protocol"],
        "authentication_type": cdn.get("authentication_type", "NONE"),
    }


def error_reason(failed: Failure) -> dict[str, str] | None:
    """Return why it failed, None when it did not."""
    if not failed.error_code:
        return None
    return {"error_code": failed.error_code, "error_msg": (failed.error_msg or "")[:1024]}


def _records(task: TaskFacts) -> dict[str, Any]:
    records, errors = task.records or {}, task.record_errors or {}
    return {
        "failed_object_record": failed_record(records.get("failed"), errors.get("failed")),
        "success_record_error_reason": errors.get("success"),
        "skip_record_error_reason": errors.get("skip"),
    }


def failed_record(folder: str | None, error: str | None) -> dict[str, Any]:
    """Return ``failed_object_record``: the list can be used again unless it could not be written."""
    written = True if folder else None
    return {"result": False if error else written, "list_file_key": folder, "error_code": error}
