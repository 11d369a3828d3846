"""Requests about buckets: https://support.huaweicloud.com/intl/en-us/api-oms/ShowBucketList.html and its neighbours."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import ConfigDict, Field

from oms_engine.errors import ConfigError
from oms_engine.model import Credentials, Secret
from oms_worker.shapes.base import Body, Shape
from oms_worker.shapes.nodes import AccessKey, AuthFile, ConnectionString, SecretKey, SecurityToken, SourceCdn
from oms_worker.shapes.words import CLOUD_TYPES, DEFAULT_CLOUD_TYPE, MISSING, SOURCE_INVALID, choice, text

BucketCloud = Annotated[str, choice(*CLOUD_TYPES, "HEC", code=SOURCE_INVALID)]
BucketName = Annotated[str, text(255, 1)]
"""OMS says 100 characters; buckets of some clouds have longer names."""
Region = Annotated[str, text(100)]
ListedKey = Annotated[str, text(2048)]


def _example(example: dict[str, Any]) -> ConfigDict:
    return ConfigDict(json_schema_extra={"examples": [example]})


class Account(Body):
    """Whose buckets."""

    cloud_type: BucketCloud = DEFAULT_CLOUD_TYPE
    ak: AccessKey | None = None
    sk: SecretKey | None = None
    security_token: SecurityToken | None = None
    json_auth_file: AuthFile | None = None
    connection_string: ConnectionString | None = None
    app_id: Annotated[str, text(255)] | None = None

    def credentials(self) -> Credentials:
        """Return the credentials as the adapters take them.

        Raises:
            ConfigError: OMS.1004 they are not whole; OMS.0057 a URL source has no buckets.
        """
        if self.cloud_type == "URLSource":
            raise ConfigError("URLSource has no buckets.", code=SOURCE_INVALID)
        whole = self.json_auth_file or self.connection_string
        if whole:
            return Credentials("", Secret(whole.get_secret_value()))
        if not self.ak or not self.sk:
            raise ConfigError("ak and sk are missing.", code=MISSING)
        token = Secret(self.security_token.get_secret_value()) if self.security_token else None
        return Credentials(self.ak.get_secret_value(), Secret(self.sk.get_secret_value()), token)


class ListBuckets(Account):
    """*Listing buckets*."""

    model_config = _example({"cloud_type": "AWS", "ak": "access-key", "sk": "secret-key"})


class BucketRegion(Account):
    """*Querying the region of a bucket*."""

    model_config = _example({"cloud_type": "AWS", "ak": "access-key", "sk": "secret-key", "bucket_name": "photos"})

    bucket_name: BucketName


class ListObjects(Account):
    """*Listing objects in a bucket*."""

    model_config = _example(
        {
            "cloud_type": "AWS",
            "ak": "access-key",
            "sk": "secret-key",
            "bucket_name": "photos",
            "data_center": "eu-west-1",
            "file_path": "2025/",
            "page_size": 100,
            "behind_filename": "",
        }
    )

    bucket_name: BucketName
    data_center: Region
    file_path: Annotated[str, text(1023)]
    page_size: Annotated[int, Field(ge=0, le=100)]
    behind_filename: Annotated[str, text(1024)]

    @property
    def folder(self) -> str:
        """The prefix of the folder; the root is ``""`` or ``/``.

        Raises:
            ConfigError: OMS.1003 it does not end in a slash.
        """
        if self.file_path in {"", "/"}:
            return ""
        if not self.file_path.endswith("/"):
            raise ConfigError("file_path must end with a slash.", code="OMS.1003")
        return self.file_path


class CheckPrefix(Account):
    """*Checking whether a source bucket has objects with a specified prefix*."""

    model_config = _example(
        {
            "cloud_type": "AWS",
            "ak": "access-key",
            "sk": "secret-key",
            "bucket_name": "photos",
            "data_center": "eu-west-1",
            "file_name": "2025/",
        }
    )

    bucket_name: BucketName
    data_center: Region
    file_name: Annotated[str, text(1024)]


class PrefixKeys(Body):
    """Objects by name."""

    keys: Annotated[list[ListedKey], Field(max_length=100)]


class CheckCdn(Account):
    """*Querying the CDN information of a bucket*."""

    model_config = _example(
        {
            "cloud_type": "Aliyun",
            "ak": "access-key",
            "sk": "secret-key",
            "bucket": "photos",
            "region": "cn-hangzhou",
            "source_cdn": {
                "domain": "cdn.example.com",
                "protocol": "https",
                "authentication_type": "ALIYUN_OSS_A",
                "authentication_key": "cdn-key",
            },
        }
    )

    bucket: BucketName
    region: Region
    prefix: PrefixKeys | None = None
    source_cdn: SourceCdn


class CheckUrlList(Body):
    """*Checking the format of a URL list file*; the keys are the destination's."""

    model_config = _example(
        {
            "obs_bucket": "lists",
            "list_file_key": "urls.txt",
            "ak": "access-key",
            "sk": "secret-key",
            "region": "cn-north-4",
        }
    )

    obs_bucket: BucketName
    list_file_key: Annotated[str, text(1024, 1)]
    ak: AccessKey
    sk: SecretKey
    region: Region


class RecordShape(Shape):
    """An object, or a folder (size ``--``)."""

    name: str
    size: str


class ObjectPage(Shape):
    """A page of a folder."""

    next_page: bool
    next_marker: str | None
    records: list[RecordShape]


class RegionShape(Shape):
    """The region of a bucket."""

    id: str
    name: str
    support: bool


class PrefixShape(Shape):
    """Whether anything starts so."""

    exist: bool


class CheckedKeyShape(Shape):
    """An object that was tried through a CDN."""

    key: str
    is_etag_matching: bool
    is_object_existing: bool


class CdnShape(Shape):
    """What a CDN serves."""

    is_same_cloud_type: bool
    is_download_available: bool
    checked_keys: list[CheckedKeyShape]


class RegionInfo(Shape):
    """A region of a cloud."""

    cloud_type: str
    value: str
    description: str


class CloudRegions(Shape):
    """The regions of a cloud."""

    service_name: str
    region_list: list[RegionInfo]


def render_size(size: int | None) -> str:
    """Return a size as people read it: ``73.59 MB``; ``--`` for a folder."""
    if size is None:
        return "--"
    value, unit = float(size), "B"
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if value < 1024 or unit == "TB":
            break
        value /= 1024
    return f"{size} B" if unit == "B" else f"{value:.2f} {unit}"
