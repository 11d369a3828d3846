"""The clouds as data: their schemes, where their credentials are usually found, what their restores allow.

Adapters know how to speak to a cloud; this table knows how a user names it and hands over its keys. A cloud of another
package, registered under the entry point ``openoms.adapters``, is found too: by the scheme and ``cloud_type`` of its
adapter, with credentials from ``OPENOMS_*`` variables or a profile.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

from oms_engine.frozen import dataclass


@dataclass(frozen=True, slots=True)
class KeyVariables:
    """Environment variables that together are one credential; an empty name is one that the vendor does not have."""

    access: str = ""
    secret: str = ""
    token: str = ""
    connection_string: str = ""
    """Azure's: account, key and endpoint in one text."""
    json_auth_file: str = ""
    """Google's: path of a service account's key file."""

    def __str__(self) -> str:
        """Name the variables that a message asks for."""
        whole = self.connection_string or self.json_auth_file
        return whole or f"{self.access} and {self.secret}"


@dataclass(frozen=True, slots=True)
class Cloud:
    """One cloud, as its users know it."""

    scheme: str
    cloud_type: str
    """OMS's word."""
    title: str
    keys: tuple[KeyVariables, ...] = ()
    """The vendor's own variables, in the order in which they are looked for."""
    regions: tuple[str, ...] = ()
    """Variables that name a region."""
    endpoints: tuple[str, ...] = ()
    """Variables that name an endpoint."""
    source: str = ""
    """The vendor's page on these variables."""
    destination: bool = False
    """Whether it can be migrated to: OBS, and whatever speaks S3's protocol."""
    archives: bool = True
    """Whether it has classes whose objects must be restored before they are read."""
    restore_days: int = 365
    """For how many days a restored copy can be asked for; a year where the vendor states no limit."""
    needs_region: bool = True
    """Whether its endpoint depends on the region."""
    lone_secrets: bool = False
    """Whether a token (an OAuth access token, a SAS) or a secret (a key file's text) is a credential by itself."""


CLOUDS: tuple[Cloud, ...] = (
    Cloud(
        scheme="s3",
        cloud_type="AWS",
        title="AWS S3 and compatible stores",
        keys=(KeyVariables("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),),
        regions=("AWS_REGION", "AWS_DEFAULT_REGION"),
        # https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html
        endpoints=("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"),
        source="https://docs.aws.amazon.com/cli/latest/userguide/cli-configure-envvars.html",
        destination=True,
    ),
    Cloud(
        scheme="obs",
        cloud_type="HuaweiCloud",
        title="Huawei Cloud OBS",
        keys=(KeyVariables("OBS_ACCESS_KEY_ID", "OBS_SECRET_ACCESS_KEY", "OBS_SECURITY_TOKEN"),),
        source="https://support.huaweicloud.com/intl/en-us/sdk-python-devg-obs/obs_22_0501.html",
        destination=True,
        restore_days=30,  # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0087.html
    ),
    Cloud(
        scheme="oss",
        cloud_type="Aliyun",
        title="Alibaba Cloud OSS",
        keys=(
            KeyVariables("OSS_ACCESS_KEY_ID", "OSS_ACCESS_KEY_SECRET", "OSS_SESSION_TOKEN"),
            # https://pypi.org/project/alibabacloud-credentials/
            KeyVariables(
                "ALIBABA_CLOUD_ACCESS_KEY_ID", "ALIBABA_CLOUD_ACCESS_KEY_SECRET", "ALIBABA_CLOUD_SECURITY_TOKEN"
            ),
        ),
        regions=("OSS_REGION",),
        endpoints=("OSS_ENDPOINT",),
        source="https://help.aliyun.com/en/oss/developer-reference/configure-ossutil",
        # Archive 7, the colder ones 365: https://www.alibabacloud.com/help/en/oss/developer-reference/restoreobject
        restore_days=365,
    ),
    Cloud(
        scheme="cos",
        cloud_type="Tencent",
        title="Tencent Cloud COS",
        keys=(
            KeyVariables("COS_SECRET_ID", "COS_SECRET_KEY"),  # https://www.tencentcloud.com/document/product/436/12269
            # https://registry.terraform.io/providers/tencentcloudstack/tencentcloud/latest/docs
            KeyVariables("TENCENTCLOUD_SECRET_ID", "TENCENTCLOUD_SECRET_KEY", "TENCENTCLOUD_SECURITY_TOKEN"),
        ),
        regions=("COS_REGION", "TENCENTCLOUD_REGION"),
        source="https://www.tencentcloud.com/document/product/614/74215",
    ),
    Cloud(
        scheme="az",
        cloud_type="Azure",
        title="Azure Blob Storage",
        keys=(
            KeyVariables(connection_string="AZURE_STORAGE_CONNECTION_STRING"),
            KeyVariables("AZURE_STORAGE_ACCOUNT", "AZURE_STORAGE_KEY", "AZURE_STORAGE_SAS_TOKEN"),
        ),
        source="https://learn.microsoft.com/en-us/azure/storage/blobs/authorize-data-operations-cli",
        needs_region=False,
        lone_secrets=True,
    ),
    Cloud(
        scheme="gs",
        cloud_type="Google",
        title="Google Cloud Storage",
        keys=(KeyVariables(json_auth_file="GOOGLE_APPLICATION_CREDENTIALS"),),
        source="https://cloud.google.com/docs/authentication/application-default-credentials",
        archives=False,  # every class is read at once
        needs_region=False,
        lone_secrets=True,
    ),
    Cloud(
        scheme="qingstor",
        cloud_type="QingCloud",
        title="QingStor",
        keys=(KeyVariables("QINGSTOR_ACCESS_KEY_ID", "QINGSTOR_SECRET_ACCESS_KEY"),),
        source="https://github.com/qingstor/qingstor-sdk-java/blob/master/src/main/java/com/qingstor/sdk/config/EnvContext.java",
        archives=False,
    ),
    Cloud(
        scheme="ks3",
        cloud_type="KingsoftCloud",
        title="Kingsoft Cloud KS3",
        keys=(KeyVariables("KSYUN_ACCESS_KEY", "KSYUN_SECRET_KEY"),),
        source="https://registry.terraform.io/providers/kingsoftcloud/ksyun/latest/docs",
        restore_days=7,  # https://docs.ksyun.com/documents/42474
    ),
    Cloud(
        scheme="bos",
        cloud_type="Baidu",
        title="Baidu BOS",
        keys=(KeyVariables("BCE_ACCESS_KEY_ID", "BCE_SECRET_ACCESS_KEY"),),
        source="https://cloud.baidu.com/doc/BOS/s/pm5p8jya8",
    ),
    Cloud(
        scheme="kodo",
        cloud_type="Qiniu",
        title="Qiniu Kodo",
        keys=(KeyVariables("QINIU_ACCESS_KEY", "QINIU_SECRET_KEY"),),
        regions=("QINIU_REGION_NAME",),
        endpoints=("QINIU_ENDPOINT_URL",),
        source="https://github.com/qiniu/qiniu-mcp-server/blob/main/.env.example",
        restore_days=7,  # https://developer.qiniu.com/kodo/6380/restore-archive
    ),
    Cloud(
        scheme="us3",
        cloud_type="UCloud",
        title="UCloud US3",
        keys=(KeyVariables("UCLOUD_PUBLIC_KEY", "UCLOUD_PRIVATE_KEY"),),
        source="https://pkg.go.dev/github.com/ucloud/ucloud-developer-examples",
    ),
)
"""Every bucket cloud of OMS. What ``source`` does not cite stands beside its line."""

HUAWEI = "HuaweiCloud"
"""The cloud of destinations that say no other."""

URL_SOURCE = "URLSource"
"""OMS's word for plain web servers, which are no buckets: only URL lists name them."""

WEB = Cloud("urls", URL_SOURCE, "web servers", archives=False, needs_region=False)
"""What a URL list names; nobody names it by a scheme."""

_BY_SCHEME = {cloud.scheme: cloud for cloud in CLOUDS}
_BY_TYPE = {cloud.cloud_type.lower(): cloud for cloud in CLOUDS}

_REGION_TABLES = {
    "AWS": "aws",
    "HuaweiCloud": "huaweicloud",
    "Aliyun": "aliyun",
    "Tencent": "tencent",
    "Azure": "azure",
    "Google": "google",
}


@cache
def others() -> tuple[Cloud, ...]:
    """Return the clouds of other packages; imports every adapter, so it is asked only when the table does not know."""
    from oms_adapters.registry import known_adapters  # noqa: PLC0415

    return tuple(
        Cloud(adapter.scheme, cloud_type, cloud_type, needs_region=False)
        for cloud_type, adapter in known_adapters().items()
        if cloud_type.lower() not in _BY_TYPE and adapter.scheme not in _BY_SCHEME and cloud_type != URL_SOURCE
    )


def every_cloud() -> tuple[Cloud, ...]:
    """Return the table, and the clouds of other packages behind it."""
    return (*CLOUDS, *others())


def cloud_of_scheme(scheme: str) -> Cloud | None:
    """Return the cloud of a URL's scheme, None for one that nobody knows."""
    return _BY_SCHEME.get(scheme) or next((cloud for cloud in others() if cloud.scheme == scheme), None)


def cloud_of_type(cloud_type: str) -> Cloud | None:
    """Return the cloud OMS calls so, in any case of letters; None for one that nobody knows."""
    wanted = cloud_type.lower()
    return _BY_TYPE.get(wanted) or next((cloud for cloud in others() if cloud.cloud_type.lower() == wanted), None)


def known_regions(cloud_type: str) -> tuple[str, ...]:
    """Return the regions of a cloud that the shipped tables know; empty for a cloud of another package."""
    if cloud_type in _REGION_TABLES:
        table = import_module(f"oms_adapters.regions.{_REGION_TABLES[cloud_type]}")
        return (*table.REGIONS, *getattr(table, "MULTI_REGIONS", ()))
    from oms_adapters.presets import shipped_presets  # noqa: PLC0415 - reads a file; few runs need it

    presets = shipped_presets().values()
    return next((tuple(preset.regions) for preset in presets if preset.cloud_type == cloud_type), ())
