"""The table ``[endpoints.CLOUD]``: where a cloud's region is reached, what its store speaks, and what it cannot do.

::

    [endpoints.HuaweiCloud]
    my-region = "https://obs.my-region.example.com"      # an endpoint alone: a private OBS

    [endpoints.HuaweiCloud.rack-7]                       # an S3-compatible store as a destination
    endpoint        = "https://minio.rack-7.example.com"
    dialect         = "s3"
    storage_classes = ["STANDARD"]
    kms             = false

Every endpoint is opened once while the settings are read, which sends nothing, so that an unknown cloud, scheme,
dialect or option is refused at start.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import Field, field_validator

from oms_adapters.config import StoreConfig, parse_endpoint
from oms_adapters.registry import adapter_for, open_store
from oms_engine.errors import ConfigError
from oms_engine.model import Credentials, Secret, StorageClass
from oms_engine.store import Capabilities
from oms_worker.destinations import narrowed
from oms_worker.setting_base import Part

DIALECTS: Final[Mapping[str, str]] = {"obs": "HuaweiCloud", "s3": "AWS"}
"""What a destination can speak -> the cloud type whose adapter speaks it."""
ALIASES: Final[Mapping[str, str]] = {"hec": "HuaweiCloud"}
"""HEC is Huawei Cloud's own word for itself: https://support.huaweicloud.com/intl/en-us/api-oms/ShowBucketList.html"""

_NOBODY = Credentials("account", Secret("QUFBQUFBQUE="))
"""Azure names its account in them; Google's are judged by their form, so it gets none."""
_BUCKET = "openoms-1250000000"
"""A name that every cloud takes, with an APPID at its end as COS wants one."""


class EndpointSettings(Part):
    """How a region of a cloud is reached, and what the store there speaks and can do."""

    endpoint: Annotated[str, Field(min_length=1)]
    """``https://host[:port]``; a bare host means https."""
    dialect: Literal["obs", "s3"] | None = None
    """The protocol of the store: ``obs`` or ``s3``; default: that of the cloud."""
    region: str | None = None
    """What S3 requests are signed for; default: the region's name in the settings."""
    addressing: Literal["path", "virtual"] | None = None
    """Where the bucket's name stands, in the path or in the host; default: what the cloud recommends."""
    storage_classes: tuple[StorageClass, ...] | None = None
    """The classes that the store keeps: STANDARD, IA, ARCHIVE, DEEP_ARCHIVE; default: all that its dialect has. A task
    that asks for another one (``dst_storage_policy``) is refused."""
    metadata: bool = True
    """False: the store keeps no user metadata; a task with ``enable_metadata_migration`` is refused."""
    kms: bool | None = None
    """False: the store cannot encrypt with KMS; a task with ``enable_kms`` is refused. Default: as its dialect can."""
    crc64: bool | None = None
    """False: the store states no CRC-64; a task that compares or checks by CRC-64 is refused. Default: as its
    dialect."""
    extra: dict[str, str | bool] = Field(default_factory=dict)
    """Options of the dialect's adapter, such as ``etag_is_md5 = false``: those of ``--destination-option``."""

    @field_validator("dialect", mode="before")
    @classmethod
    def _known_dialect(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.lower() not in DIALECTS:
            raise ValueError(f"unknown dialect {value!r}; known: {', '.join(DIALECTS)}")
        return value.lower()

    @field_validator("endpoint")
    @classmethod
    def _known_scheme(cls, value: str) -> str:
        try:
            parse_endpoint(value)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return value

    def place(self, config: StoreConfig) -> StoreConfig:
        """Return a bucket of this region as it is reached and spoken to."""
        return replace(
            config,
            cloud_type=DIALECTS.get(self.dialect or "", config.cloud_type),
            endpoint=self.endpoint,
            region=self.region or config.region,
            addressing=self.addressing,
            extra={**self.extra, **config.extra},
        )

    def narrow(self, capabilities: Capabilities) -> Capabilities:
        """Return what the store here can do of what its dialect can."""
        return narrowed(
            capabilities,
            storage_classes=self.storage_classes,
            metadata=self.metadata,
            kms=self.kms,
            crc64=self.crc64,
        )


Endpoints = dict[str, dict[str, EndpointSettings]]
"""Cloud type -> region -> how it is reached."""


def cloud_named(word: str) -> str:
    """Return a cloud's type by its type or scheme, in any case of letters.

    Raises:
        ConfigError: unknown; the message names those known.
    """
    return adapter_for(ALIASES.get(word.lower(), word)).cloud_type


def spelled_out(endpoints: Any) -> Any:
    """Take ``region = "https://…"`` for a table with that endpoint, and a cloud's name in any spelling.

    Raises:
        ValueError: an unknown cloud, or one that is named twice.
    """
    if not isinstance(endpoints, dict):
        return endpoints
    made: dict[str, Any] = {}
    for word, regions in endpoints.items():
        try:
            cloud = cloud_named(word)
        except ConfigError as error:
            raise ValueError(f"[endpoints.{word}]: {error}") from None
        if cloud in made:
            raise ValueError(f"[endpoints.{word}]: {cloud} is named twice")
        made[cloud] = _regions(regions)
    return made


def _regions(regions: Any) -> Any:
    if not isinstance(regions, dict):
        return regions
    return {name: {"endpoint": value} if isinstance(value, str) else value for name, value in regions.items()}


def check_endpoints(endpoints: Endpoints) -> Endpoints:
    """Open a bucket at each endpoint, which sends nothing.

    Raises:
        ValueError: names the setting and what is wrong with it.
    """
    for cloud, regions in endpoints.items():
        for region, place in regions.items():
            try:
                _try(cloud, region, place)
            except ConfigError as error:
                raise ValueError(f"[endpoints.{cloud}.{region}]: {error}") from None
    return endpoints


def _try(cloud: str, region: str, place: EndpointSettings) -> None:
    if cloud == "URLSource":
        raise ConfigError("a URL list names whole URLs; no endpoint stands for them, remove the table")
    keys = None if cloud == "Google" else _NOBODY
    store = open_store(place.place(StoreConfig(cloud, _BUCKET, region=region, credentials=keys)))
    missing = set(place.storage_classes or ()) - store.capabilities.storage_classes
    if missing:
        raise ConfigError(f"storage_classes: {', '.join(sorted(missing))} cannot be asked for in this dialect")
