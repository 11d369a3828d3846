"""Huawei Cloud OBS in its own protocol (``cloud_type`` HuaweiCloud, ``obs://``): ``x-obs-`` headers, OBS signature."""

from __future__ import annotations

from dataclasses import replace

from oms_adapters.bucketstore import s3_bucket
from oms_adapters.config import StoreConfig, check_bucket, fits_host, is_address, known_extra, parse_endpoint
from oms_adapters.control import Account
from oms_adapters.dialects.accounts import S3Account
from oms_adapters.dialects.profile import ClassTable, S3Profile
from oms_adapters.regions.huaweicloud import SHAPE, UNSETTLED, endpoint_of, names_shared_in, region_of_host
from oms_adapters.signing.obs import ObsSignature
from oms_adapters.signing.sigv4 import anonymous
from oms_engine.errors import ConfigError
from oms_engine.model import MetadataForm, RestoreTier, StorageClass
from oms_engine.store import GIB, KIB, BucketStore, Capabilities, Endpoint, Signer

CLASSES = ClassTable(
    words={
        "STANDARD": StorageClass.STANDARD,
        "INTELLIGENT_TIERING": StorageClass.STANDARD,
        "WARM": StorageClass.IA,
        "STANDARD_IA": StorageClass.IA,
        "COLD": StorageClass.ARCHIVE,
        "GLACIER": StorageClass.ARCHIVE,
        "DEEP_ARCHIVE": StorageClass.DEEP_ARCHIVE,
    },
    archived=frozenset({"COLD", "GLACIER", "DEEP_ARCHIVE"}),
)
"""https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0080.html (S3's words mean the same)"""

PROFILE = S3Profile(
    cloud_type="HuaweiCloud",
    scheme="obs",
    header_prefix="x-obs-",
    list_version=1,  # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0022.html: marker only
    capabilities=Capabilities(
        # https://support.huaweicloud.com/intl/en-us/productdesc-obs/obs_03_0360.html
        states_crc64=True,
        # A part too, and the join: https://github.com/huaweicloud/huaweicloud-sdk-java-obs (CRC64_IT.java)
        takes_crc64=True,
        min_part_size=100 * KIB,
        max_part_size=5 * GIB,
        max_parts=10_000,
        max_single_write=5 * GIB,
        max_object_size=10_000 * 5 * GIB,  # 48.8 TB
        metadata_form=MetadataForm.PERCENT,
        max_user_metadata_bytes=8 * KIB,  # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0007.html
        class_of=CLASSES.class_of,
        is_archived_class=CLASSES.is_archived,
        names_shared_in=names_shared_in,
    ),
    class_words={
        StorageClass.STANDARD: "STANDARD",
        StorageClass.IA: "WARM",
        StorageClass.ARCHIVE: "COLD",
        StorageClass.DEEP_ARCHIVE: "DEEP_ARCHIVE",
    },
    kms_value="kms",  # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0106.html
    restore_element="RestoreJob",  # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0087.html: no Bulk
    tier_words={RestoreTier.EXPEDITED: "Expedited", RestoreTier.STANDARD: "Standard", RestoreTier.BULK: "Standard"},
    # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0023.html
    file_system_header="x-obs-fs-file-interface",
    range_ends_later=True,  # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0083.html
    # Any server-side encryption makes it another digest: https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0022.html
    md5_when=frozenset({None}),
    crc64_header="x-obs-checksum-crc64ecma",
)

EXTRA: dict[str, type] = {"etag_is_md5": bool, "cname": bool}
"""``etag_is_md5`` False for private clouds whose ETags look like MD5 sums and are none; ``cname`` True when the
endpoint is a domain bound to the bucket, which downloads of .apk and .ipa files need:
https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0083.html"""


def _tuned(config: StoreConfig) -> S3Profile:
    if known_extra(config, EXTRA).get("etag_is_md5", True):
        return PROFILE
    return replace(PROFILE, capabilities=replace(PROFILE.capabilities, etag_is_md5=False, part_etag_is_md5=False))


class HuaweiCloudAdapter:
    """Opens OBS buckets and lists them; see :class:`oms_adapters.registry.Adapter`."""

    cloud_type = "HuaweiCloud"
    scheme = "obs"

    def endpoint_for(self, region: str) -> str:
        """Return the endpoint URL of a region.

        Raises:
            ConfigError: not the name of a region.
        """
        if region in UNSETTLED:
            raise ConfigError(
                f"{region} belongs to a partner of Huawei Cloud; give its endpoint, https://obs.{region}..."
            )
        if not SHAPE.fullmatch(region):
            raise ConfigError(f"{region!r} is no Huawei Cloud region; write one like cn-north-4, or give an endpoint")
        return endpoint_of(region)

    def open(self, config: StoreConfig) -> BucketStore:
        """Return the bucket as a store; nothing is sent."""
        check_bucket(config.bucket)
        endpoint = self.place(config)
        bound = known_extra(config, EXTRA).get("cname") is True
        path_style = not bound and self._path_style(config, endpoint)
        sign: Signer = anonymous
        if config.credentials is not None:
            # A domain of the bucket's own is signed in the place of its name:
            # https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0010.html
            name = endpoint.host if bound else config.bucket
            sign = ObsSignature(config.credentials, None if path_style else name)
        return s3_bucket(config, _tuned(config), endpoint, path_style=path_style, signer=sign, bound=bound)

    def place(self, config: StoreConfig) -> Endpoint:
        """Return the endpoint, without the bucket.

        Raises:
            ConfigError: neither endpoint nor region is given.
        """
        if config.endpoint is not None:
            return parse_endpoint(config.endpoint)
        if not config.region:
            raise ConfigError(f"obs://{config.bucket} needs its region (e.g. cn-north-4) or an endpoint URL")
        return parse_endpoint(self.endpoint_for(config.region))

    def _path_style(self, config: StoreConfig, endpoint: Endpoint) -> bool:
        if is_address(endpoint.host):
            if config.addressing == "virtual":
                raise ConfigError(
                    f"{endpoint.host} takes no bucket in front; use path addressing for obs://{config.bucket}"
                )
            return True
        return config.addressing == "path" or not fits_host(config.bucket)

    def account(self, config: StoreConfig) -> Account:
        """Return the account; see :class:`oms_adapters.control.Account`.

        Raises:
            ConfigError: bad endpoint, region or bucket.
        """
        endpoint, keys = self.place(config), config.credentials
        region = config.region or region_of_host(endpoint.host) or ""
        return S3Account(
            _tuned(config),
            service=endpoint,
            signer=ObsSignature(keys, None) if keys else anonymous,
            store=self.open(config) if config.bucket else None,
            region_of=lambda word: word or region,
        )


ADAPTER = HuaweiCloudAdapter()
