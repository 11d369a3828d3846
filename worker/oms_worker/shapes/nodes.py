"""The parts that several requests share: nodes, list file, CDN, notifications, bandwidth rules.

https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html, with the fields of newer releases of the official
SDK (``connection_string``, ``crypto_type``, ``kms_key_id``). Nothing here asks for credentials: ``openoms run`` takes
missing ones from its environment; the API asks in ``task.check_task``.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, SecretStr
from pydantic_core import PydanticCustomError

from oms_engine.bandwidth import BandwidthPolicy, Window, parse_time
from oms_engine.errors import ConfigError
from oms_worker.shapes.base import Body
from oms_worker.shapes.words import (
    CDN_AUTHENTICATIONS,
    CLOUD_TYPES,
    CRYPTO_TYPES,
    DESTINATION_CLOUDS,
    DESTINATION_INVALID,
    LANGUAGES,
    SOURCE_INVALID,
    TRIGGERS,
    choice,
    secret,
    text,
)

MAX_LONG = 2**63 - 1
Long = Annotated[int, Field(ge=0, le=MAX_LONG)]
LATEST_INSTANT = 253_402_300_799
"""The end of the year 9999: a later instant is milliseconds given for seconds, which would leave every object out."""


def _in_seconds(value: int) -> int:
    if value > LATEST_INSTANT:
        message = "is out of its limits: it is in seconds since 1970, not in milliseconds"
        raise PydanticCustomError("OMS.1003", message)
    return value


Instant = Annotated[int, Field(ge=0, le=MAX_LONG), AfterValidator(_in_seconds)]
"""Seconds since the epoch."""
Text = Annotated[str, text(1024)]
Name = Annotated[str, text(100)]
Crypto = Annotated[str, choice(*CRYPTO_TYPES)]
KeyId = Annotated[str, text(36)]
AccessKey = Annotated[SecretStr, secret(100)]
SecretKey = Annotated[SecretStr, secret(100)]
SecurityToken = Annotated[SecretStr, secret(16_384)]
AuthFile = Annotated[SecretStr, secret(65_535)]
ConnectionString = Annotated[SecretStr, secret(2048)]
CdnKey = Annotated[SecretStr, secret(2048)]
"""OMS says 255 characters; the SAS tokens of Azure are longer."""
DestinationCloud = Annotated[str, choice(*DESTINATION_CLOUDS, code=DESTINATION_INVALID)]
SourceCloud = Annotated[str, choice(*CLOUD_TYPES, code=SOURCE_INVALID)]


class ListFile(Body):
    """``list_file``: where the list of objects or URLs lies, read with the destination's credentials."""

    list_file_key: Annotated[str, text(1024, 1)]
    obs_bucket: Annotated[str, text(1024, 1)]
    list_file_num: Annotated[str, text(65_535)] | None = None


class Node(Body):
    """What both nodes of a task share."""

    region: Name | None = None
    ak: AccessKey | None = None
    sk: SecretKey | None = None
    security_token: SecurityToken | None = None
    bucket: Text | None = None
    crypto_type: Crypto | None = None
    kms_key_id: KeyId | None = None


class SourceNode(Node):
    """``src_node``."""

    cloud_type: SourceCloud | None = None
    json_auth_file: AuthFile | None = None
    connection_string: ConnectionString | None = None
    app_id: Annotated[str, text(255)] | None = None
    object_key: Annotated[list[Text], Field(max_length=500)] | None = None
    list_file: ListFile | None = None


class DestinationNode(Node):
    """``dst_node``. OMS's groups say in ``cloud_type`` that it is Huawei Cloud; AWS stands for S3's protocol."""

    cloud_type: DestinationCloud | None = None
    save_prefix: Text | None = None


class BandwidthWindow(Body):
    """One rule of ``bandwidth_policy``: both minutes inclusive, byte/s."""

    start: Annotated[str, text(5), Field(examples=["00:00"])]
    end: Annotated[str, text(5), Field(examples=["23:59"])]
    max_bandwidth: Annotated[int, Field(examples=[50_000_000])]


def _checked(windows: list[BandwidthWindow]) -> list[BandwidthWindow]:
    try:
        bandwidth(windows)
    except ConfigError as error:
        code: Any = error.code
        raise PydanticCustomError(code, "{reason}", {"reason": str(error)}) from None
    return windows


Windows = Annotated[list[BandwidthWindow], AfterValidator(_checked)]
"""At most five rules that do not overlap (OMS.0083, 0084, 0085, 0087)."""


def bandwidth(windows: list[BandwidthWindow] | None, zone: str = "UTC") -> BandwidthPolicy:
    """Return the engine's policy of these rules.

    Raises:
        ConfigError: OMS.0083, 0084, 0085 or 0087.
    """
    parsed = [Window(parse_time(rule.start), parse_time(rule.end), rule.max_bandwidth) for rule in windows or ()]
    return BandwidthPolicy.checked(parsed, zone)


def _http(protocol: str) -> str:
    if protocol.lower() not in {"http", "https"}:
        raise PydanticCustomError("OMS.0081", "must be http or https")
    return protocol


class SourceCdn(Body):
    """``source_cdn``: the bytes come from this domain, all else from the bucket."""

    domain: Annotated[str, text(1024, 1)]
    protocol: Annotated[str, text(5), AfterValidator(_http)]
    """In any case, and echoed as it was given."""
    authentication_type: Annotated[str, choice(*CDN_AUTHENTICATIONS)] = "NONE"
    authentication_key: CdnKey | None = None
    crypto_type: Crypto | None = None
    kms_key_id: KeyId | None = None


class SmnConfig(Body):
    """``smn_config``: whom to tell about the end of a task."""

    topic_urn: Annotated[str, text(1024, 1)]
    trigger_conditions: Annotated[list[Annotated[str, choice(*TRIGGERS)]], Field(min_length=1, max_length=2)]
    language: Annotated[str, choice(*LANGUAGES)] = "en-us"
    message_template_name: Annotated[str, text(255)] | None = None
