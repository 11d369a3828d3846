"""Alibaba Cloud OSS in its own protocol (``cloud_type`` Aliyun, ``oss://``): ``x-oss-`` headers, OSS signatures."""

from __future__ import annotations

from dataclasses import replace

from oms_adapters.config import StoreConfig, check_bucket, fits_host, is_address, known_extra, parse_endpoint
from oms_adapters.control import Account
from oms_adapters.dialects.accounts import S3Account
from oms_adapters.dialects.oss import CODES, SENTENCES, OssDialect
from oms_adapters.dialects.profile import ClassTable, S3Profile
from oms_adapters.regions.aliyun import (
    SHAPE,
    endpoint_of,
    is_aliyun_host,
    names_shared_in,
    plain_region,
    region_of_host,
)
from oms_adapters.signing.oss import OssV1, OssV4
from oms_adapters.signing.sigv4 import anonymous
from oms_engine.errors import ConfigError
from oms_engine.model import KeyOrder, RestoreTier, StorageClass
from oms_engine.store import GIB, KIB, BucketStore, Capabilities, Endpoint, Signer

CLASSES = ClassTable(
    words={
        "Standard": StorageClass.STANDARD,
        "IA": StorageClass.IA,
        "Archive": StorageClass.ARCHIVE,
        "ColdArchive": StorageClass.DEEP_ARCHIVE,
        "DeepColdArchive": StorageClass.DEEP_ARCHIVE,
    },
    archived=frozenset({"Archive", "ColdArchive", "DeepColdArchive"}),
)
"""https://www.alibabacloud.com/help/en/oss/user-guide/overview-53

A bucket with real-time access of Archive objects lets them be read without a restore; HEAD does not tell, so they are
restored all the same.
"""

PROFILE = S3Profile(
    cloud_type="Aliyun",
    scheme="oss",
    header_prefix="x-oss-",
    list_version=2,  # https://www.alibabacloud.com/help/en/oss/developer-reference/listobjectsv2
    capabilities=Capabilities(
        order=KeyOrder.UTF8,  # https://help.aliyun.com/en/oss/developer-reference/listobjectsv2
        # https://help.aliyun.com/en/oss/user-guide/limits
        states_crc64=True,
        min_part_size=100 * KIB,
        max_part_size=5 * GIB,
        max_parts=10_000,
        max_single_write=5 * GIB,
        max_object_size=10_000 * 5 * GIB,  # 48.8 TB
        max_key_bytes=1023,
        max_user_metadata_bytes=8 * KIB,  # https://www.alibabacloud.com/help/en/oss/developer-reference/putobject
        class_of=CLASSES.class_of,
        is_archived_class=CLASSES.is_archived,
        names_shared_in=names_shared_in,
    ),
    class_words={
        StorageClass.STANDARD: "Standard",
        StorageClass.IA: "IA",
        StorageClass.ARCHIVE: "Archive",
        StorageClass.DEEP_ARCHIVE: "ColdArchive",
    },
    kms_value="KMS",  # https://www.alibabacloud.com/help/en/oss/user-guide/server-side-encryption-8
    restore_element="JobParameters",  # https://www.alibabacloud.com/help/en/oss/developer-reference/restoreobject
    tier_words={RestoreTier.EXPEDITED: "Expedited", RestoreTier.STANDARD: "Standard", RestoreTier.BULK: "Bulk"},
    # It is computed by OSS and stated, not compared with one that is sent:
    # https://alibabacloud.com/help/en/oss/use-cases/check-data-transmission-integrity-by-using-crc-64
    crc64_header="x-oss-hash-crc64ecma",
    crc64_sent=False,
    codes=CODES,
    sentences=SENTENCES,
)

EXTRA: dict[str, type] = {"signature": str, "list_version": str, "cname": bool, "etag_is_md5": bool}
"""``signature`` "v4" (as long as the region is known) or "v1"; ``list_version`` "1" for private clouds without
ListObjectsV2; ``cname`` True when the endpoint is a domain bound to the bucket, which new accounts need in the Chinese
mainland (https://www.alibabacloud.com/help/en/oss/user-guide/regions-and-endpoints); ``etag_is_md5`` False for private
clouds whose ETags look like MD5 sums and are none."""

HOME = "cn-hangzhou"
"""Where control operations go that name no region: any region lists all buckets of the account."""


def _tuned(config: StoreConfig) -> S3Profile:
    extra = known_extra(config, EXTRA)
    profile = PROFILE
    if str(extra.get("list_version", "2")) == "1":
        profile = replace(profile, list_version=1)
    if extra.get("etag_is_md5", True) is False:
        plain = replace(profile.capabilities, etag_is_md5=False, part_etag_is_md5=False)
        profile = replace(profile, capabilities=plain)
    return profile


def _version(config: StoreConfig, region: str | None) -> str:
    """Return the signature's version: 4 needs the region.

    Raises:
        ConfigError: no such version, or 4 without region.
    """
    asked = str(config.extra.get("signature", "v4" if region else "v1"))
    if asked not in {"v1", "v4"}:
        raise ConfigError(f"option 'signature' for Aliyun is v1 or v4, not {asked!r}")
    if asked == "v4" and not region:
        raise ConfigError(f"signature v4 needs the region of oss://{config.bucket}, e.g. cn-hangzhou")
    return asked


def _signer(config: StoreConfig, region: str | None, bucket: str | None) -> Signer:
    version = _version(config, region)
    if config.credentials is None:
        return anonymous
    if version == "v1":
        return OssV1(config.credentials, bucket)
    return OssV4(config.credentials, region or "", bucket, region_of=region_of_host)


class AliyunAdapter:
    """Opens OSS buckets and lists them; see :class:`oms_adapters.registry.Adapter`."""

    cloud_type = "Aliyun"
    scheme = "oss"

    def endpoint_for(self, region: str) -> str:
        """Return the public endpoint URL of a region.

        Raises:
            ConfigError: not the name of a region.
        """
        name = plain_region(region)
        if not SHAPE.fullmatch(name):
            raise ConfigError(
                f"{region!r} is no region of Alibaba Cloud; write one like cn-hangzhou "
                "(an -internal endpoint is given as endpoint, https://oss-cn-hangzhou-internal.aliyuncs.com)"
            )
        return endpoint_of(name)

    def open(self, config: StoreConfig) -> BucketStore:
        """Return the bucket as a store; nothing is sent."""
        check_bucket(config.bucket)
        profile = _tuned(config)
        endpoint, region = self.place(config)
        path_style = self._path_style(config, endpoint)
        if not path_style and not config.extra.get("cname"):
            endpoint = endpoint._replace(host=f"{config.bucket}.{endpoint.host}")
        return OssDialect(
            profile,
            bucket=config.bucket,
            endpoint=endpoint,
            path_style=path_style,
            signer=_signer(config, region, None if path_style else config.bucket),
            payer=config.requester_pays,
        )

    def place(self, config: StoreConfig) -> tuple[Endpoint, str | None]:
        """Return the endpoint, without the bucket, and the region, None where neither configuration nor host tell it.

        Raises:
            ConfigError: neither endpoint nor region is given.
        """
        region = plain_region(config.region) if config.region else None
        if config.endpoint is not None:
            endpoint = parse_endpoint(config.endpoint)
            return endpoint, region or region_of_host(endpoint.host)
        if region is None:
            raise ConfigError(f"oss://{config.bucket} needs its region (e.g. cn-hangzhou) or an endpoint URL")
        return parse_endpoint(self.endpoint_for(region)), region

    def _path_style(self, config: StoreConfig, endpoint: Endpoint) -> bool:
        where = f"oss://{config.bucket}"
        if config.extra.get("cname"):
            if config.addressing == "path":
                raise ConfigError(f"a domain bound to the bucket takes no path addressing; leave it out for {where}")
            return False
        if is_address(endpoint.host):
            if config.addressing == "virtual":
                raise ConfigError(f"{endpoint.host} takes no bucket in front; use path addressing for {where}")
            return True
        if not fits_host(config.bucket) and is_aliyun_host(endpoint.host):
            raise ConfigError(
                f"{config.bucket!r} cannot be a bucket of OSS: 3 to 63 lower-case letters, digits and hyphens, "
                "beginning and ending with a letter or digit"
            )
        return config.addressing == "path" or not fits_host(config.bucket)

    def account(self, config: StoreConfig) -> Account:
        """Return the account; see :class:`oms_adapters.control.Account`. Without a place Hangzhou is asked.

        Raises:
            ConfigError: bad endpoint, region or bucket.
        """
        somewhere = config if config.endpoint or config.region else replace(config, region=HOME)
        endpoint, region = self.place(somewhere)
        return S3Account(
            _tuned(config),
            service=endpoint,
            signer=_signer(somewhere, region, None),
            store=self.open(somewhere) if config.bucket else None,
            region_of=plain_region,
        )


ADAPTER = AliyunAdapter()
