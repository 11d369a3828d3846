"""What the bodies of *create a task* and *create a task group* have in common: fields, checks, defaults."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Final

from oms_engine.errors import ConfigError
from oms_worker.shapes.base import Body
from oms_worker.shapes.credentials import HIDDEN, KEYLESS, NO_CDN_KEY
from oms_worker.shapes.nodes import DestinationNode, Instant, Node, SmnConfig, SourceCdn, SourceNode, Windows
from oms_worker.shapes.words import (
    CHECK_ALIASES,
    CONSISTENCY_CHECKS,
    CRC64_CLOUDS,
    DEFAULT_CLOUD_TYPE,
    DESTINATION_INVALID,
    FORBIDDEN_IN_DESCRIPTION,
    MISSING,
    OVERWRITE_MODES,
    SOURCE_INVALID,
    STORAGE_POLICIES,
    choice,
    described,
)

Check = Annotated[str, choice(*CONSISTENCY_CHECKS, aliases=CHECK_ALIASES)]
Storage = Annotated[str, choice(*STORAGE_POLICIES)]


class CreateBody(Body):
    """What is to be migrated, where to, and how."""

    DEFAULT_KIND: ClassVar[str]
    URL_LIST: ClassVar[str]

    src_node: SourceNode
    dst_node: DestinationNode
    task_type: str | None = None
    enable_kms: bool | None = None
    description: Annotated[str, described(FORBIDDEN_IN_DESCRIPTION)] | None = None
    migrate_since: Instant | None = None
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

    @property
    def kind(self) -> str:
        """``task_type`` with its default."""
        return self.task_type or self.DEFAULT_KIND

    @property
    def cloud(self) -> str:
        """``src_node.cloud_type`` with its default, which for URL lists is the only one there is."""
        return self.src_node.cloud_type or ("URLSource" if self.kind == self.URL_LIST else DEFAULT_CLOUD_TYPE)


def check_create(body: CreateBody) -> None:
    """Refuse a body whose fields do not fit together, or that lacks what only some tasks need.

    Raises:
        ConfigError: OMS.1004 a field is missing, OMS.0057 and OMS.0058 a node is wrong, OMS.1003, OMS.1032.
    """
    urls = body.kind == body.URL_LIST
    if urls != (body.cloud == "URLSource"):
        message = f"src_node.cloud_type URLSource and task_type {body.URL_LIST} belong together."
        raise ConfigError(message, code=SOURCE_INVALID)
    check_scope(body.kind, body.src_node)
    if not urls:
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


def check_cdn(cdn: SourceCdn, *, with_key: bool = True) -> None:
    """Refuse a domain that is none (OMS.0081), and an authentication without its key (OMS.1032)."""
    if any(char in cdn.domain for char in "/?#@\\ \t\r\n") or not cdn.domain.isprintable():
        raise ConfigError("source_cdn.domain must be a host name, with a port where needed.", code="OMS.0081")
    if with_key and cdn.authentication_type not in KEYLESS and not cdn.authentication_key:
        raise ConfigError("source_cdn.authentication_key is missing.", code=NO_CDN_KEY)


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


def public_part(body: CreateBody) -> dict[str, Any]:
    """Return a create body as it is stored: defaults filled in, without any secret and without absent fields."""
    given = body.model_dump(mode="json", exclude_none=True, exclude={name: set(HIDDEN[name]) for name in HIDDEN})
    given["src_node"]["cloud_type"] = body.cloud
    if given["dst_node"].get("cloud_type") in {"HEC", "HuaweiCloud"}:  # the default
        del given["dst_node"]["cloud_type"]
    return {**DEFAULTS, **given}


def count_lists(request: dict[str, Any], files: int | None) -> None:
    """State ``list_file_num``, a text in OMS, where the body does not and the number of list files is known."""
    if files is not None:
        request["src_node"]["list_file"].setdefault("list_file_num", str(files))
