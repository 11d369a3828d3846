"""Requests about sync tasks, and what the API tells about one.

https://support.huaweicloud.com/intl/en-us/api-oms/CreateSyncTask.html,
https://support.huaweicloud.com/intl/en-us/api-oms/CreateSyncEvents.html,
https://support.huaweicloud.com/intl/en-us/api-oms/ShowSyncTask.html. Where documents and the service differ:

* ``monthly_failure_object`` is what clients read; some tables call it ``monthly_failed_object``;
* up to 100 keys are taken at once, as the schema says, not 10, as the text does;
* keys are URL-encoded as forms are: ``+`` is a space, ``%2B`` a plus;
* ``enable_kms``, which newer pages dropped, is still taken and told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, Field, SecretStr
from pydantic_core import PydanticCustomError

from oms_engine.errors import ConfigError
from oms_engine.model import Secret, key_bytes
from oms_engine.records import decode_key
from oms_worker.shapes.base import Body, Shape
from oms_worker.shapes.create import Check, Storage, check_cdn
from oms_worker.shapes.nodes import AccessKey, CdnKey, Crypto, KeyId, Name, SecretKey, SourceCdn
from oms_worker.shapes.task_response import SourceCdnShape, milliseconds, source_cdn
from oms_worker.shapes.words import (
    CLOUD_TYPES,
    CRC64_CLOUDS,
    DEFAULT_CLOUD_TYPE,
    MISSING,
    SOURCE_INVALID,
    choice,
    described,
    text,
)

FORBIDDEN_IN_DESCRIPTION = "<>()\"'&"
CLOUDS: Final = tuple(cloud for cloud in CLOUD_TYPES if cloud not in {"Google", "URLSource"})
MAX_KEY_BYTES: Final = 1024
MAX_KEYS: Final = 100

Place = Annotated[str, text(1024, 1)]

CREATE_EXAMPLE: Final[dict[str, Any]] = {
    "src_cloud_type": "Aliyun",
    "src_region": "cn-beijing",
    "src_bucket": "photos",
    "src_ak": "source-access-key",
    "src_sk": "source-secret-key",
    "dst_region": "cn-north-4",
    "dst_bucket": "photos-copy",
    "dst_ak": "destination-access-key",
    "dst_sk": "destination-secret-key",
    "description": "photos as they come",
}


class _Keys(Body):
    """Credentials: all four are needed."""

    src_ak: AccessKey
    src_sk: SecretKey
    dst_ak: AccessKey
    dst_sk: SecretKey
    src_crypto_type: Crypto | None = None
    src_kms_key_id: KeyId | None = None
    dst_crypto_type: Crypto | None = None
    dst_kms_key_id: KeyId | None = None
    source_cdn_crypto_type: Crypto | None = None
    source_cdn_kms_key_id: KeyId | None = None

    def secrets(self) -> dict[str, Secret]:
        """Return what must be sealed, named as a task's body names it."""
        found = {
            "src_node.ak": self.src_ak,
            "src_node.sk": self.src_sk,
            "dst_node.ak": self.dst_ak,
            "dst_node.sk": self.dst_sk,
        }
        return {path: Secret(value.get_secret_value()) for path, value in found.items()}

    def _with_cdn_key(self, key: SecretStr | None) -> dict[str, Secret]:
        found = _Keys.secrets(self)
        return {**found, "source_cdn.authentication_key": Secret(key.get_secret_value())} if key else found


class CreateSync(_Keys):
    """*Creating a synchronization task*."""

    model_config = ConfigDict(json_schema_extra={"examples": [CREATE_EXAMPLE]})

    src_cloud_type: Annotated[str, choice(*CLOUDS, code=SOURCE_INVALID)] = DEFAULT_CLOUD_TYPE
    src_region: Name
    src_bucket: Place
    dst_region: Name
    dst_bucket: Place
    description: Annotated[str, described(FORBIDDEN_IN_DESCRIPTION)] | None = None
    enable_metadata_migration: bool | None = None
    enable_kms: bool | None = None
    enable_restore: bool | None = None
    dst_storage_policy: Storage | None = None
    app_id: Annotated[str, text(255)] | None = None
    source_cdn: SourceCdn | None = None
    consistency_check: Check | None = None

    def secrets(self) -> dict[str, Secret]:
        """Return what must be sealed, the CDN's key too."""
        return self._with_cdn_key(self.source_cdn.authentication_key if self.source_cdn else None)


class StartSync(_Keys):
    """*Starting a synchronization task*: https://support.huaweicloud.com/intl/en-us/api-oms/StartSyncTask.html."""

    source_cdn_authentication_key: CdnKey | None = None

    def secrets(self) -> dict[str, Secret]:
        """Return what must be sealed, the CDN's key too."""
        return self._with_cdn_key(self.source_cdn_authentication_key)


class SyncEvents(Body):
    """*Creating a synchronization event*."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"object_keys": ["test%2F001.txt", "test%2F002.txt"]}]})

    object_keys: Annotated[list[Annotated[str, text(16_384, 1)]], Field(min_length=1, max_length=MAX_KEYS)]

    def decoded(self) -> list[bytes]:
        """Return the keys' own bytes.

        Raises:
            ConfigError: OMS.1003 a key is longer than any object's.
        """
        keys = [key_bytes(decode_key(key)) for key in self.object_keys]
        if max(map(len, keys)) > MAX_KEY_BYTES:
            raise ConfigError(f"object_keys: a key has at most {MAX_KEY_BYTES} bytes.", code="OMS.1003")
        return keys


def check_sync(body: CreateSync) -> None:
    """Refuse a body whose fields do not fit together.

    Raises:
        ConfigError: OMS.1004, OMS.1003, OMS.1032, OMS.0081.
    """
    _refuse_empty(body)
    if body.src_cloud_type == "Tencent" and not body.app_id:
        raise ConfigError("app_id is missing; src_cloud_type Tencent needs it.", code=MISSING)
    if body.consistency_check == "crc64" and body.src_cloud_type not in CRC64_CLOUDS:
        raise ConfigError(f"consistency_check crc64 is only for {', '.join(sorted(CRC64_CLOUDS))}.", code="OMS.1003")
    if body.consistency_check == "no_check" and body.source_cdn is None:
        raise ConfigError("consistency_check transmission is only for sources read over HTTP.", code="OMS.1003")
    if body.source_cdn is not None:
        check_cdn(body.source_cdn)
    check_plain(body)


def _refuse_empty(body: _Keys) -> None:
    for name, value in body.secrets().items():
        if not value.reveal():
            raise ConfigError(f"{name.replace('_node.', '_')} is empty.", code=MISSING)


def check_plain(body: BaseModel) -> None:
    """Refuse credentials that were encrypted with a cloud's KMS, which is not at hand here.

    Raises:
        ConfigError: OMS.1003.
    """
    cdn = getattr(body, "source_cdn", None)
    words = [getattr(body, f"{side}_crypto_type", None) for side in ("src", "dst", "source_cdn")]
    if "KMS" in {*words, getattr(cdn, "crypto_type", None)}:
        raise ConfigError("credentials encrypted with KMS cannot be opened here.", code="OMS.1003")


def check_sync_start(body: StartSync, request: Mapping[str, Any]) -> None:
    """Refuse a start with an empty key, or without the CDN's where one is needed.

    Raises:
        ConfigError: OMS.1004, OMS.1032, OMS.1003.
    """
    _refuse_empty(body)
    check_plain(body)
    cdn = request.get("source_cdn")
    if cdn is not None and not body.source_cdn_authentication_key:
        try:
            check_cdn(SourceCdn.model_validate(cdn))
        except PydanticCustomError:  # pragma: no cover - it was valid when it was stored
            raise ConfigError("source_cdn is damaged.", code="OMS.0081") from None


def request_of(body: CreateSync) -> dict[str, Any]:
    """Return what the sub-tasks of a sync task are asked for, as a task's create body without any secret."""
    node = {"cloud_type": body.src_cloud_type, "region": body.src_region, "bucket": body.src_bucket}
    stored: dict[str, Any] = {
        "task_type": "object",
        "src_node": {**node, **({"app_id": body.app_id} if body.app_id else {})},
        "dst_node": {"region": body.dst_region, "bucket": body.dst_bucket},
        "description": body.description or "",
        "enable_metadata_migration": bool(body.enable_metadata_migration),
        "enable_kms": bool(body.enable_kms),
        "enable_restore": bool(body.enable_restore),
        "consistency_check": body.consistency_check or "size_last_modified",
    }
    if body.dst_storage_policy:
        stored["dst_storage_policy"] = body.dst_storage_policy
    if body.source_cdn is not None:
        stored["source_cdn"] = source_cdn(body.source_cdn.model_dump())
    return stored


# ---- replies --------------------------------------------------------------------------------------------------------


class SyncShape(Shape):
    """A sync task in a list. Times in milliseconds since the epoch."""

    sync_task_id: str
    src_cloud_type: str
    src_region: str
    src_bucket: str
    create_time: int
    last_start_time: int
    dst_bucket: str
    dst_region: str
    description: str
    status: str
    enable_kms: bool
    enable_metadata_migration: bool
    enable_restore: bool
    app_id: str | None
    source_cdn: SourceCdnShape | None
    object_overwrite_mode: str
    dst_storage_policy: str | None
    consistency_check: str


class SyncDetailShape(SyncShape):
    """A sync task with the sums of a month: objects, and bytes in ``monthly_size``."""

    monthly_acceptance_request: int
    monthly_success_object: int
    monthly_failure_object: int
    monthly_skip_object: int
    monthly_size: int


class SyncList(Shape):
    """A page of sync tasks; ``count`` counts all that match."""

    tasks: list[SyncShape]
    count: int


class SyncCreated(Shape):
    """The answer to *create*."""

    sync_task_id: str


class StatisticPoint(Shape):
    """A value; ``time_stamp`` is where its interval begins, in milliseconds."""

    time_stamp: int
    statistic_num: int


class StatisticSeries(Shape):
    """The values of one type."""

    data_type: str
    data: list[StatisticPoint]


class SyncStatistics(Shape):
    """Values over time."""

    sync_task_id: str
    statistic_time_type: str
    statistic_datas: list[StatisticSeries]


class SyncFacts(Protocol):
    """A sync task as the database states it."""

    @property
    def id(self) -> str: ...  # noqa: D102
    @property
    def status(self) -> str: ...  # noqa: D102
    @property
    def request(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def created_at(self) -> float: ...  # noqa: D102
    @property
    def last_started_at(self) -> float | None: ...  # noqa: D102


class MonthFacts(Protocol):
    """What happened in a month."""

    @property
    def requests(self) -> int: ...  # noqa: D102
    @property
    def success(self) -> int: ...  # noqa: D102
    @property
    def failure(self) -> int: ...  # noqa: D102
    @property
    def skip(self) -> int: ...  # noqa: D102
    @property
    def size(self) -> int: ...  # noqa: D102


def sync_response(sync: SyncFacts) -> dict[str, Any]:
    """Return a sync task as lists tell it."""
    request = sync.request
    source, destination = request["src_node"], request["dst_node"]
    return {
        "sync_task_id": sync.id,
        "src_cloud_type": source["cloud_type"],
        "src_region": source["region"],
        "src_bucket": source["bucket"],
        "create_time": milliseconds(sync.created_at),
        "last_start_time": milliseconds(sync.last_started_at),
        "dst_bucket": destination["bucket"],
        "dst_region": destination["region"],
        "description": request.get("description", ""),
        "status": sync.status,
        "enable_kms": request.get("enable_kms", False),
        "enable_metadata_migration": request.get("enable_metadata_migration", False),
        "enable_restore": request.get("enable_restore", False),
        "app_id": source.get("app_id"),
        "source_cdn": source_cdn(request.get("source_cdn")),
        "object_overwrite_mode": "SIZE_LAST_MODIFIED_COMPARISON_OVERWRITE",
        "dst_storage_policy": request.get("dst_storage_policy"),
        "consistency_check": request.get("consistency_check", "size_last_modified"),
    }


def sync_detail(sync: SyncFacts, month: MonthFacts) -> dict[str, Any]:
    """Return a sync task with the sums of a month."""
    return {
        **sync_response(sync),
        "monthly_acceptance_request": month.requests,
        "monthly_success_object": month.success,
        "monthly_failure_object": month.failure,
        "monthly_skip_object": month.skip,
        "monthly_size": month.size,
    }
