"""Requests about tasks: create, start, bandwidth, batch update."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Final

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from oms_worker.shapes.base import Body
from oms_worker.shapes.create import CreateBody
from oms_worker.shapes.credentials import Keys
from oms_worker.shapes.nodes import Long, SecurityToken, Windows
from oms_worker.shapes.words import PRIORITIES, TASK_TYPES, choice, text

Priority = Annotated[str, choice(*PRIORITIES)]

CREATE_EXAMPLE: Final[dict[str, Any]] = {
    "task_type": "prefix",
    "src_node": {
        "cloud_type": "AWS",
        "region": "eu-west-1",
        "bucket": "photos",
        "ak": "source-access-key",
        "sk": "source-secret-key",
        "object_key": [""],
    },
    "dst_node": {
        "region": "cn-north-4",
        "bucket": "photos-copy",
        "ak": "destination-access-key",
        "sk": "destination-secret-key",
    },
    "description": "all photos",
    "bandwidth_policy": [{"start": "08:00", "end": "18:00", "max_bandwidth": 52428800}],
}


RULES_EXAMPLE: Final[list[Any]] = [{"start": "00:00", "end": "23:59", "max_bandwidth": 50_000_000}]
START_EXAMPLE: Final[dict[str, Any]] = {
    "src_ak": "source-access-key",
    "src_sk": "source-secret-key",
    "dst_ak": "destination-access-key",
    "dst_sk": "destination-secret-key",
    "migrate_failed_object": False,
}


class CreateTask(CreateBody):
    """*Creating a migration task*: https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html."""

    model_config = ConfigDict(json_schema_extra={"examples": [CREATE_EXAMPLE]})

    DEFAULT_KIND: ClassVar[str] = "object"
    URL_LIST: ClassVar[str] = "url_list"

    task_type: Annotated[str, choice(*TASK_TYPES)] | None = None
    task_priority: Priority | None = None


class StartTask(Keys):
    """*Starting a migration task*: https://support.huaweicloud.com/intl/en-us/api-oms/StartTask.html."""

    model_config = ConfigDict(json_schema_extra={"examples": [START_EXAMPLE]})

    src_security_token: SecurityToken | None = None
    dst_security_token: SecurityToken | None = None
    migrate_failed_object: bool | None = None


class UpdateBandwidth(Body):
    """The whole set of rules anew; an empty one lifts the limits."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"bandwidth_policy": RULES_EXAMPLE}]})

    bandwidth_policy: Windows


class BatchUpdate(Body):
    """*Updating tasks in batches*: https://support.huaweicloud.com/intl/en-us/api-oms/BatchUpdateTasks.html."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"ids": [191297407830872], "bandwidth_policy": RULES_EXAMPLE, "task_priority": "HIGH"}]
        }
    )

    group_id: Annotated[str, text(36, 1)] | None = None
    ids: Annotated[list[Long], Field(max_length=20)] | None = None
    bandwidth_policy: Windows
    task_priority: Priority | None = None

    @model_validator(mode="after")
    def _one_of(self) -> BatchUpdate:
        if (self.group_id is None) == (not self.ids):
            raise PydanticCustomError("OMS.1003", "give either group_id or ids")
        return self
