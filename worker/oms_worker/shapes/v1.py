"""The first version of the API, in words of the second: bodies are translated, then judged by the same shapes.

https://support.huaweicloud.com/intl/en-us/api-oms/oms_api_0020.html, out of date and still called. What it leaves open:

* ``dst_node.object_key`` names a folder: ``targetkey`` stores below ``targetkey/``; ``/`` and ``""`` are the root;
* ``src_node.object_key`` is a text or ``{"path": "", "keys": […]}``; no keys, ``/`` and ``""`` are the whole bucket;
* ``max_bandwidth`` goes to 10 GB/s here, to 200 MB/s in the second version, which states what was set here as it is;
* ``thread_num`` is checked and told again; how many requests run at once is measured, not chosen.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import AfterValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from oms_engine.errors import ConfigError
from oms_worker.shapes.base import Body, judge
from oms_worker.shapes.nodes import AccessKey, CdnKey, Instant, ListFile, SecretKey, SourceCdn, Text
from oms_worker.shapes.task import CreateTask, StartTask
from oms_worker.shapes.task_response import TaskFacts, task_response
from oms_worker.shapes.words import described, text

SOURCE_INVALID, THREAD_NUMBER, XSS = "S3M.0055", "S3M.0059", "S3M.0014"
MIN_RATE, MAX_RATE_V1 = 5 * 1024**2, 10 * 1024**3
THREADS: Final = 50
HUAWEI_CLOUD: Final = frozenset({"", "obs", "huawei cloud"})
"""What documents of the first version call the destination beside HEC: in an example, and as the default."""
_MARKUP = re.compile(r"<\s*[A-Za-z/!?]|javascript:", re.IGNORECASE)


def _no_markup(value: str) -> str:
    if _MARKUP.search(value):
        raise PydanticCustomError(XSS, "must not hold markup")
    return value


Plain = Annotated[str, text(1024), AfterValidator(_no_markup)]


def _threads(value: int) -> int:
    if not 0 <= value <= THREADS:
        raise PydanticCustomError(THREAD_NUMBER, "must be from 0 to 50")
    return value


def _rate(value: int) -> int:
    if not MIN_RATE <= value <= MAX_RATE_V1:
        raise PydanticCustomError("OMS.0084", "must be from 5 MB/s to 10 GB/s")
    return value


class Keys(Body):
    """``object_key`` of several objects."""

    path: str | None = None
    keys: Annotated[list[Text], Field(max_length=500)]


class Source(Body):
    """``src_node``."""

    region: Plain | None = None
    ak: AccessKey | None = None
    sk: SecretKey | None = None
    list_file: ListFile | None = None
    object_key: Text | Keys | None = None
    bucket: Plain | None = None
    app_id: Plain | None = None
    cloud_type: Plain | None = None


class Destination(Body):
    """``dst_node``."""

    region: Plain
    ak: AccessKey
    sk: SecretKey
    object_key: Text
    bucket: Plain
    cloud_type: Plain | None = None


class Smn(Body):
    """``smnInfo``."""

    topicUrn: Plain  # noqa: N815 - the API's own spelling
    triggerConditions: Annotated[list[str], Field(min_length=1, max_length=2)]  # noqa: N815
    language: str | None = None


class Rule(Body):
    """One rule of ``bandwidth_policy``."""

    start: str
    end: str
    max_bandwidth: Annotated[int, AfterValidator(_rate)]


class CreateV1(Body):
    """*Creating a migration task*, first version."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "src_node": {"region": "eu-west-1", "ak": "source-access-key", "sk": "source-secret-key",
                                 "object_key": {"path": "", "keys": ["a.txt"]}, "bucket": "photos",
                                 "cloud_type": "AWS"},
                    "dst_node": {"region": "cn-north-4", "ak": "destination-access-key",
                                 "sk": "destination-secret-key", "object_key": "/", "bucket": "photos-copy"},
                    "enableKMS": False,
                    "thread_num": 50,
                    "task_type": "object",
                }
            ]
        }
    )  # fmt: skip

    src_node: Source
    dst_node: Destination
    enableKMS: bool  # noqa: N815
    thread_num: Annotated[int, AfterValidator(_threads)]
    description: Annotated[str, described("<>()'\"&")] | None = None
    smnInfo: Smn | None = None  # noqa: N815
    migrate_since: Instant | None = None
    source_cdn: SourceCdn | None = None
    auto_restore: bool | None = None
    bandwidth_policy: list[Rule] | None = None
    task_type: str | None = None
    enable_failed_object_recording: bool | None = None

    def translated(self) -> CreateTask:
        """Return the body of the second version.

        Raises:
            ConfigError: as its shape says, and S3M.0055 an object_key that is none.
        """
        document = {
            "src_node": self._source(),
            "dst_node": self._destination(),
            "enable_kms": self.enableKMS,
            "description": self.description,
            "migrate_since": self.migrate_since,
            "source_cdn": _plain(self.source_cdn),
            "enable_restore": self.auto_restore,
            "task_type": self.task_type,
            "enable_failed_object_recording": self.enable_failed_object_recording,
            "smn_config": self._smn(),
        }
        return judge(CreateTask, {name: value for name, value in document.items() if value is not None})

    def _source(self) -> dict[str, Any]:
        node = _plain(self.src_node) or {}
        node.pop("object_key", None)
        if not node.get("cloud_type"):
            node.pop("cloud_type", None)
        if self.task_type not in {"list", "url_list"}:
            node["object_key"] = _keys(self.src_node.object_key)
        return node

    def _destination(self) -> dict[str, Any]:
        node = _plain(self.dst_node) or {}
        if (node.get("cloud_type") or "").lower() in HUAWEI_CLOUD:
            node.pop("cloud_type", None)
        folder = node.pop("object_key").strip("/")
        return {**node, "save_prefix": f"{folder}/" if folder else ""}

    def _smn(self) -> dict[str, Any] | None:
        if self.smnInfo is None:
            return None
        words = {"FAIL": "FAILURE"}
        conditions = [words.get(word, word) for word in self.smnInfo.triggerConditions]
        told = {"topic_urn": self.smnInfo.topicUrn, "trigger_conditions": conditions}
        return {**told, "language": self.smnInfo.language} if self.smnInfo.language else told


def _plain(body: Body | None) -> dict[str, Any] | None:
    """Return a body with its secrets as text, for translation only."""
    if body is None:
        return None
    found = body.model_dump(exclude_none=True)
    return {n: v.get_secret_value() if hasattr(v, "get_secret_value") else v for n, v in found.items()}


def _keys(given: str | Keys | None) -> list[str]:
    if isinstance(given, Keys):
        if given.path:
            raise ConfigError('src_node.object_key.path must be "".', code=SOURCE_INVALID)
        found = given.keys
    else:
        found = [given or ""]
    return [""] if not found or found == ["/"] else list(found)


def translated_rules(rules: list[Rule]) -> list[dict[str, Any]]:
    """Return rules as they are stored; the second version's shape does not judge them, as its rates end earlier."""
    return [{"start": rule.start, "end": rule.end, "max_bandwidth": rule.max_bandwidth} for rule in rules]


class ChangeV1(Body):
    """Body of the one PUT: ``operation`` is start, stop or change_bandwidthpolicy."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"operation": "stop"}]})

    operation: str
    source_ak: AccessKey | None = None
    source_sk: SecretKey | None = None
    target_ak: AccessKey | None = None
    target_sk: SecretKey | None = None
    source_cdn_authentication_key: CdnKey | None = None
    migration_failed_object: bool | None = None
    bandwidth_policy: list[Rule] | None = None

    def translated(self) -> StartTask:
        """Return the start of the second version."""
        return StartTask(
            src_ak=self.source_ak,
            src_sk=self.source_sk,
            dst_ak=self.target_ak,
            dst_sk=self.target_sk,
            source_cdn_authentication_key=self.source_cdn_authentication_key,
            migrate_failed_object=self.migration_failed_object,
        )


STATES: Final[Mapping[int, tuple[int, ...]]] = {0: (0,), 1: (1,), 2: (2, 6, 7), 3: (3,), 4: (4,), 5: (5,)}
"""``state`` -> the statuses of the second version; a task that is being paused still migrates."""
_STATE_OF = {status: state for state, statuses in STATES.items() for status in statuses}


def task_response_v1(task: TaskFacts, now: float) -> dict[str, Any]:
    """Return a task as the first version tells it."""
    told, request = task_response(task, now), task.request
    source, destination = told["src_node"], told["dst_node"]
    found = {
        "id": told["id"],
        "name": told["name"],
        "src_node": {
            "region": source["region"],
            "bucket": source["bucket"],
            "object_key": source["object_key"],
            "list_file": source["list_file"] or "",
            "cloud_type": source["cloud_type"],
        },
        "dst_node": {
            "region": destination["region"],
            "bucket": destination["bucket"],
            "object_key": destination["save_prefix"] or "/",
            "cloud_type": request["dst_node"].get("cloud_type", "HEC"),
        },
        "thread_num": request.get("thread_num", THREADS),
        "status": _STATE_OF.get(told["status"], told["status"]),
        "enableKMS": told["enable_kms"],
        "error_reason": told["error_reason"] or "",
        "success_num": told["successful_num"],
        "fail_num": told["failed_num"],
        "skip_num": told["skipped_num"],
        "auto_restore": told["enable_restore"],
        "failed_object_record": _record(told["failed_object_record"]),
        **{name: told[name] for name in _SAME},
    }
    return {**found, "smnInfo": _smn_info(told["smn_info"])} if told["smn_info"] else found


_SAME: Final = (
    "progress", "migrate_speed", "description", "total_size", "real_size", "complete_size", "start_time", "left_time",
    "total_time", "total_num", "is_query_over", "migrate_since", "task_type", "source_cdn", "bandwidth_policy",
    "enable_failed_object_recording",
)  # fmt: skip


def _record(record: Mapping[str, Any]) -> str:
    """Return ``failed_object_record``, which is JSON in a text."""
    told = {"result": bool(record["result"]), "list_file_key": record["list_file_key"] or ""}
    return json.dumps({**told, "errorCode": record["error_code"] or ""})


def _smn_info(info: Mapping[str, Any]) -> dict[str, Any]:
    names = {"notifyResult": "notify_result", "notifyErrorMessage": "notify_error_message", "topicName": "topic_name"}
    return {ours: info.get(theirs) for ours, theirs in names.items()}


_SAME_NUMBER: Final = frozenset(
    {1, 2, 4, 5, 14, *range(51, 71), *range(72, 89), *range(151, 164), 167, 168, 169, 256, 307, 308}
)
_OTHERS: Final[Mapping[str, str]] = {
    "OMS.0077": "S3M.0076",  # too many wait
    "OMS.1021": "S3M.0075",  # too many in a day
    "OMS.1002": "S3M.0061",
    "OMS.1003": "S3M.0001",
    "OMS.1004": "S3M.0064",
    "OMS.1006": "S3M.0067",
    "OMS.1009": "S3M.0053",
    "OMS.1027": "S3M.0167",
    "OMS.1032": "S3M.0081",
    "OMS.0205": "S3M.0072",
    "OMS.0206": "S3M.0072",
}


def code_of_v1(code: str) -> str:
    """Return the first version's code for one of the second; codes it has none for stay as they are."""
    if code in _OTHERS:
        return _OTHERS[code]
    family, _, number = code.partition(".")
    return f"S3M.{number}" if family == "OMS" and number.isdigit() and int(number) in _SAME_NUMBER else code
