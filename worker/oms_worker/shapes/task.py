"""Requests about tasks: create, start, bandwidth, batch update; and what of them is secret."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from oms_engine.errors import ConfigError
from oms_engine.model import Secret
from oms_worker.shapes.base import Body
from oms_worker.shapes.nodes import (
    AccessKey,
    AuthFile,
    CdnKey,
    ConnectionString,
    Crypto,
    DestinationNode,
    KeyId,
    Long,
    Node,
    SecretKey,
    SecurityToken,
    SmnConfig,
    SourceCdn,
    SourceNode,
    Windows,
)
from oms_worker.shapes.words import (
    CHECK_ALIASES,
    CONSISTENCY_CHECKS,
    CRC64_CLOUDS,
    DEFAULT_CLOUD_TYPE,
    DESTINATION_INVALID,
    FORBIDDEN_IN_DESCRIPTION,
    MISSING,
    OVERWRITE_MODES,
    PRIORITIES,
    SOURCE_INVALID,
    STORAGE_POLICIES,
    TASK_TYPES,
    choice,
    described,
    text,
)

Check = Annotated[str, choice(*CONSISTENCY_CHECKS, aliases=CHECK_ALIASES)]
Priority = Annotated[str, choice(*PRIORITIES)]
Storage = Annotated[str, choice(*STORAGE_POLICIES)]

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


class CreateTask(Body):
    """*Creating a migration task*: https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html."""

    model_config = ConfigDict(json_schema_extra={"examples": [CREATE_EXAMPLE]})

    src_node: SourceNode
    dst_node: DestinationNode
    task_type: Annotated[str, choice(*TASK_TYPES)] | None = None
    enable_kms: bool | None = None
    description: Annotated[str, described(FORBIDDEN_IN_DESCRIPTION)] | None = None
    migrate_since: Long | None = None
    bandwidth_policy: Windows | None = None
    source_cdn: SourceCdn | None = None
    smn_config: SmnConfig | None = None
    enable_metadata_migration: bool | None = None
    enable_restore: bool | None = None
    enable_failed_object_recording: bool | None = None
    object_overwrite_mode: Annotated[str, choice(*OVERWRITE_MODES)] | None = None
    dst_storage_policy: Storage | None = None
    consistency_check: Check | None = None
    enable_requester_pays: bool | None = None
    task_priority: Priority | None = None

    @property
    def kind(self) -> str:
        """``task_type`` with its default."""
        return self.task_type or "object"

    @property
    def cloud(self) -> str:
        """``src_node.cloud_type`` with its default, which for URL lists is the only one there is."""
        return self.src_node.cloud_type or ("URLSource" if self.kind == "url_list" else DEFAULT_CLOUD_TYPE)


def check_task(body: CreateTask) -> None:
    """Refuse a body whose fields do not fit together, or that lacks what only some tasks need.

    Raises:
        ConfigError: OMS.1004 a field is missing, OMS.0057 and OMS.0058 a node is wrong, OMS.1003, OMS.1032.
    """
    if (body.kind == "url_list") != (body.cloud == "URLSource"):
        raise ConfigError("src_node.cloud_type URLSource and task_type url_list belong together.", code=SOURCE_INVALID)
    check_scope(body.kind, body.src_node)
    if body.kind != "url_list":
        check_source(body.src_node, body.cloud)
    check_destination(body.dst_node)
    check_rules(body.cloud, body.object_overwrite_mode, body.consistency_check)
    if body.source_cdn is not None:
        check_cdn(body.source_cdn)


def check_scope(kind: str, node: SourceNode) -> None:
    """Refuse a task that does not say which objects."""
    if kind.lower() in {"list", "url_list"}:
        if node.list_file is None:
            raise ConfigError(f"src_node.list_file is missing; task_type {kind} needs it.", code=MISSING)
    elif not node.object_key:
        raise ConfigError('src_node.object_key is missing; write [""] for the whole bucket.', code=MISSING)


def _need(node: Node, prefix: str, *names: str) -> None:
    for name in names:
        if not getattr(node, name):
            raise ConfigError(f"{prefix}.{name} is missing.", code=MISSING)


def check_source(node: SourceNode, cloud: str) -> None:
    """Refuse a source without what its cloud needs."""
    _need(node, "src_node", "region", "bucket")
    if cloud == "Google" and node.json_auth_file:
        return
    if cloud == "Azure" and node.connection_string:
        return
    _need(node, "src_node", "ak", "sk")
    if cloud == "Tencent":
        _need(node, "src_node", "app_id")
    refuse_encrypted(node, "src_node", SOURCE_INVALID)


def check_destination(node: DestinationNode) -> None:
    """Refuse a destination without place or keys."""
    _need(node, "dst_node", "region", "bucket", "ak", "sk")
    refuse_encrypted(node, "dst_node", DESTINATION_INVALID)


def refuse_encrypted(node: Node, name: str, code: str) -> None:
    """Refuse credentials that were encrypted with a cloud's KMS, which is not at hand here."""
    if node.crypto_type == "KMS":
        raise ConfigError(f"{name}.crypto_type: credentials encrypted with KMS cannot be opened here.", code=code)


def check_rules(cloud: str, overwrite: str | None, check: str | None) -> None:
    """Refuse comparisons that the source cannot answer."""
    if overwrite == "CRC64_COMPARISON_OVERWRITE" and cloud not in CRC64_CLOUDS:
        raise ConfigError(f"object_overwrite_mode {overwrite} is only for {_listed()}.", code="OMS.1003")
    if check == "crc64" and cloud not in CRC64_CLOUDS:
        raise ConfigError(f"consistency_check crc64 is only for {_listed()}.", code="OMS.1003")
    if check == "no_check" and cloud != "URLSource":
        raise ConfigError("consistency_check no_check is only for URLSource.", code="OMS.1003")


def _listed() -> str:
    return ", ".join(sorted(CRC64_CLOUDS))


_KEYLESS = frozenset({"NONE", "QINIU_PRIVATE_AUTHENTICATION", "KSYUN_PRIVATE_AUTHENTICATION"})
"""Signed with nothing, or with the source's own keys."""


def check_cdn(cdn: SourceCdn, *, with_key: bool = True) -> None:
    """Refuse a domain that is none (OMS.0081), and an authentication without its key (OMS.1032)."""
    if any(char in cdn.domain for char in "/?#@\\ \t\r\n") or not cdn.domain.isprintable():
        raise ConfigError("source_cdn.domain must be a host name, with a port where needed.", code="OMS.0081")
    if with_key and cdn.authentication_type not in _KEYLESS and not cdn.authentication_key:
        raise ConfigError("source_cdn.authentication_key is missing.", code="OMS.1032")


class Keys(Body):
    """Credentials as *start* and *retry* take them."""

    src_ak: AccessKey | None = None
    src_sk: SecretKey | None = None
    connection_string: ConnectionString | None = None
    json_auth_file: AuthFile | None = None
    dst_ak: AccessKey | None = None
    dst_sk: SecretKey | None = None
    src_crypto_type: Crypto | None = None
    src_kms_key_id: KeyId | None = None
    dst_crypto_type: Crypto | None = None
    dst_kms_key_id: KeyId | None = None
    source_cdn_authentication_key: CdnKey | None = None
    source_cdn_crypto_type: Crypto | None = None
    source_cdn_kms_key_id: KeyId | None = None

    @model_validator(mode="after")
    def _plain(self) -> Keys:
        if "KMS" in {self.src_crypto_type, self.dst_crypto_type, self.source_cdn_crypto_type}:
            raise PydanticCustomError("OMS.1003", "credentials encrypted with KMS cannot be opened here")
        return self

    def secrets(self) -> dict[str, Secret]:
        """Return what must be sealed, named as :func:`secrets_of` does."""
        return {
            path: Secret(value.get_secret_value())
            for name, path in _PATHS.items()
            if (value := getattr(self, name, None))
        }


_PATHS: Final = {
    "src_ak": "src_node.ak",
    "src_sk": "src_node.sk",
    "src_security_token": "src_node.security_token",
    "connection_string": "src_node.connection_string",
    "json_auth_file": "src_node.json_auth_file",
    "dst_ak": "dst_node.ak",
    "dst_sk": "dst_node.sk",
    "dst_security_token": "dst_node.security_token",
    "source_cdn_authentication_key": "source_cdn.authentication_key",
}


class StartTask(Keys):
    """*Starting a migration task*: https://support.huaweicloud.com/intl/en-us/api-oms/StartTask.html."""

    model_config = ConfigDict(json_schema_extra={"examples": [START_EXAMPLE]})

    src_security_token: SecurityToken | None = None
    dst_security_token: SecurityToken | None = None
    migrate_failed_object: bool | None = None


def check_start(body: StartTask, request: Mapping[str, Any]) -> None:
    """Refuse a start without the keys that the task needs: they were wiped when it stopped.

    Raises:
        ConfigError: OMS.1004, OMS.1032.
    """
    node, needed = request["src_node"], ["dst_ak", "dst_sk"]
    cloud = node.get("cloud_type")
    alone = (cloud == "Google" and body.json_auth_file) or (cloud == "Azure" and body.connection_string)
    if cloud != "URLSource" and not alone:
        needed += ["src_ak", "src_sk"]
    for name in needed:
        if not getattr(body, name):
            raise ConfigError(f"{name} is missing: keys are not kept while a task stands still.", code=MISSING)
    cdn = request.get("source_cdn") or {}
    if cdn.get("authentication_type", "NONE") not in _KEYLESS and not body.source_cdn_authentication_key:
        raise ConfigError("source_cdn_authentication_key is missing.", code="OMS.1032")


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


_SECRET_OF_NODE: Final = frozenset({"ak", "sk", "security_token", "json_auth_file", "connection_string"})
_SECRET: Final = {
    "src_node": _SECRET_OF_NODE,
    "dst_node": _SECRET_OF_NODE,
    "source_cdn": frozenset({"authentication_key"}),
}
_HOW_ENCRYPTED: Final = frozenset({"crypto_type", "kms_key_id"})

DEFAULTS: Final[Mapping[str, Any]] = MappingProxyType(
    {
        "task_type": "object",
        "enable_kms": False,
        "description": "",
        "migrate_since": 0,
        "enable_metadata_migration": False,
        "enable_restore": False,
        "enable_failed_object_recording": True,
        "object_overwrite_mode": "SIZE_LAST_MODIFIED_COMPARISON_OVERWRITE",
        "dst_storage_policy": "STANDARD",
        "consistency_check": "size_last_modified",
        "enable_requester_pays": False,
        "task_priority": "MEDIUM",
        "bandwidth_policy": [],
    }
)
"""What an absent field means: https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html."""


def public_part(body: CreateTask) -> dict[str, Any]:
    """Return a create body as it is stored: defaults filled in, without any secret and without absent fields."""
    hidden: dict[str, Any] = {name: fields | _HOW_ENCRYPTED for name, fields in _SECRET.items()}
    given = body.model_dump(mode="json", exclude_none=True, exclude=hidden)
    given["src_node"]["cloud_type"] = body.cloud
    return {**DEFAULTS, **given}


def secrets_of(body: BaseModel) -> dict[str, Secret]:
    """Return the secrets of a create body by their paths in it, e.g. ``src_node.sk``."""
    found: dict[str, Secret] = {}
    for part, names in _SECRET.items():
        inner = getattr(body, part, None)
        for name in sorted(names):
            value = getattr(inner, name, None)
            if value:
                found[f"{part}.{name}"] = Secret(value.get_secret_value())
    return found
