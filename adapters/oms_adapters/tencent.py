"""Tencent COS in its own protocol (``cloud_type`` Tencent, ``cos://``): ``x-cos-`` headers, COS signature.

A bucket's real name is ``<name>-<app_id>``, and it is reached only as a host of its own, never in the path. A bucket
behind an endpoint on this machine (``http://127.0.0.1:9000``) is reached as ``<name>-<app_id>.localhost``.
"""

from __future__ import annotations

import re
from typing import Any

from oms_adapters.config import StoreConfig, check_bucket, fits_host, is_address, known_extra, parse_endpoint
from oms_adapters.control import BucketSummary, need, speaking
from oms_adapters.dialects.profile import ClassTable, S3Profile
from oms_adapters.dialects.s3 import S3Dialect
from oms_adapters.dialects.times import parse_iso_time
from oms_adapters.regions.tencent import REGIONS, SHAPE, endpoint_of, region_of_host
from oms_adapters.signing.cos import CosSignature
from oms_adapters.signing.sigv4 import anonymous
from oms_engine.errors import (
    AccessDenied,
    BadCredentials,
    BucketNotFound,
    ConfigError,
    DigestRefused,
    InvalidRequest,
    NotFound,
    StoreError,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
)
from oms_engine.model import RestoreTier, StorageClass
from oms_engine.store import GIB, KIB, MIB, BucketStore, Capabilities, Endpoint

CLASSES = ClassTable(
    words={
        "STANDARD": StorageClass.STANDARD,
        "MAZ_STANDARD": StorageClass.STANDARD,
        "INTELLIGENT_TIERING": StorageClass.STANDARD,
        "MAZ_INTELLIGENT_TIERING": StorageClass.STANDARD,
        "STANDARD_IA": StorageClass.IA,
        "MAZ_STANDARD_IA": StorageClass.IA,
        "ARCHIVE": StorageClass.ARCHIVE,
        "MAZ_ARCHIVE": StorageClass.ARCHIVE,
        "DEEP_ARCHIVE": StorageClass.DEEP_ARCHIVE,
        "MAZ_DEEP_ARCHIVE": StorageClass.DEEP_ARCHIVE,
    },
    archived=frozenset({"ARCHIVE", "MAZ_ARCHIVE", "DEEP_ARCHIVE", "MAZ_DEEP_ARCHIVE"}),
)
"""https://www.tencentcloud.com/document/product/436/30925"""

CODES: dict[str, type[StoreError]] = {
    # Bucket and account
    "BucketAccelerateNotEnabled": BucketNotFound,
    "BucketNameTooLong": BucketNotFound,
    "InvalidRegionName": BucketNotFound,
    "UserCnameInvalid": BucketNotFound,
    "DomainAuditFailed": AccessDenied,
    "NoProcessAuthority": AccessDenied,
    "PaymentRequired": AccessDenied,
    "UnavailableForLegalReasons": AccessDenied,
    "UserNotSourceBucketOwner": AccessDenied,
    "KmsKeyDisabled": AccessDenied,
    "KmsKeyNotExist": AccessDenied,
    # Signature
    "Request has expired": BadCredentials,
    "RequestIsExpired": BadCredentials,
    # Object
    "NoSuchResource": NotFound,
    "BadRquest": InvalidRequest,
    "InvalidObjectName": InvalidRequest,
    "InvalidUploadStatus": InvalidRequest,
    "MissingRequestBodyError": InvalidRequest,
    "MissingContentLength": InvalidRequest,
    "NotSupportedStorageClass": InvalidRequest,
    "ObjectLocked": InvalidRequest,
    "PathConflict": InvalidRequest,
    "SsecDecryptHeaderInvalid": InvalidRequest,
    "SSEContentNotSupported": InvalidRequest,
    "SSEHeaderNotAllowed": InvalidRequest,
    "XMLSizeLimit": InvalidRequest,
    "ActionAccelerateNotSupported": Unsupported,
    "RestoreNonArchiveObject": InvalidRequest,
    "UploadIdNotSupported": Unsupported,
    # Transfer
    "EntitySizeNotMatch": DigestRefused,
    "InvalidSHA1Digest": DigestRefused,
    "UnexpectedContent": DigestRefused,
    "UserNetworkTooSlow": TimedOut,
    "UploadConflict": Unavailable,
    "KmsInternalException": Unavailable,
    "KmsException": Unavailable,
    "KmsFreqControl": Throttled,
}
"""Beyond the S3 family's own: https://www.tencentcloud.com/document/product/436/7730 (the misspelt one is theirs)"""

_CLOCK = "the signature's time is over; this machine's clock is probably wrong: set it (NTP) and start again"

SENTENCES = {
    "BucketAccelerateNotEnabled": "global acceleration is not switched on for this bucket; use its region's endpoint",
    "InvalidRegionName": "COS does not know the region; check it",
    "PaymentRequired": "the account is in arrears or the bucket is not for sale here; settle it with Tencent Cloud",
    "Request has expired": _CLOCK,
    "RequestIsExpired": _CLOCK,
    "UnavailableForLegalReasons": "Tencent Cloud has blocked this object or account; only its owner can appeal",
    "UserCnameInvalid": "the host names no bucket of COS; check bucket, app_id, region and endpoint",
    "UserNetworkTooSlow": "the network is too slow for COS to wait for the rest of the request",
    "NoSuchBucket": "the bucket does not exist; check its name, its app_id and the region or endpoint",
}
"""What the user is told where the sentence of the code's class would not help."""

PROFILE = S3Profile(
    cloud_type="Tencent",
    scheme="cos",
    header_prefix="x-cos-",
    list_version=1,  # https://www.tencentcloud.com/document/product/436/30614: marker only
    capabilities=Capabilities(
        # https://www.tencentcloud.com/document/product/436/14518
        states_crc64=True,
        min_part_size=1 * MIB,
        max_part_size=5 * GIB,
        max_parts=10_000,
        max_single_write=5 * GIB,
        max_object_size=10_000 * 5 * GIB,
        max_key_bytes=850,  # https://www.tencentcloud.com/document/product/436/13324
        requester_pays=True,  # https://www.tencentcloud.com/document/product/436/37633
        max_user_metadata_bytes=2 * KIB,
        class_of=CLASSES.class_of,
        is_archived_class=CLASSES.is_archived,
    ),
    class_words={
        StorageClass.STANDARD: "STANDARD",
        StorageClass.IA: "STANDARD_IA",
        StorageClass.ARCHIVE: "ARCHIVE",
        StorageClass.DEEP_ARCHIVE: "DEEP_ARCHIVE",
    },
    kms_value="cos/kms",  # https://www.tencentcloud.com/document/product/436/7728
    restore_element="CASJobParameters",  # https://www.tencentcloud.com/document/product/436/12633
    tier_words={RestoreTier.EXPEDITED: "Expedited", RestoreTier.STANDARD: "Standard", RestoreTier.BULK: "Bulk"},
    # Any encryption makes it another digest: https://www.tencentcloud.com/document/product/436/7729
    md5_when=frozenset({None}),
    crc64_header="x-cos-hash-crc64ecma",
    crc64_sent=False,  # COS computes it: https://www.tencentcloud.com/document/product/436/34078
    codes=CODES,
    sentences=SENTENCES,
)

EXTRA: dict[str, type] = {"app_id": str}
"""``app_id``: the account's APPID, which ends the real name of each of its buckets."""

_APP_ID = re.compile(r"[0-9]{5,12}")
_FULL_NAME = re.compile(r".+-[0-9]{8,12}")
"""A name with its APPID. The oldest APPIDs have eight digits; a year or a counter at the end is none."""


class CosDialect(S3Dialect):
    """COS where it differs from the S3 family by more than words."""

    def _restore_terms(self, days: int, tier: RestoreTier, storage_class: str) -> str:
        # DEEP_ARCHIVE has no Expedited: https://www.tencentcloud.com/document/product/436/12633
        deep = CLASSES.class_of(storage_class) is StorageClass.DEEP_ARCHIVE
        if deep and tier is RestoreTier.EXPEDITED:
            tier = RestoreTier.STANDARD
        return super()._restore_terms(days, tier, storage_class)


def real_name(config: StoreConfig) -> str:
    """Return a bucket's name as COS knows it: ``<name>-<app_id>``.

    Raises:
        ConfigError: the APPID is missing or none.
    """
    app_id = str(known_extra(config, EXTRA).get("app_id", ""))
    if app_id and not _APP_ID.fullmatch(app_id):
        raise ConfigError(f"app_id {app_id!r} is no APPID: digits only, as the account page of Tencent Cloud shows it")
    if app_id:
        return config.bucket if config.bucket.endswith(f"-{app_id}") else f"{config.bucket}-{app_id}"
    if not _FULL_NAME.fullmatch(config.bucket):
        raise ConfigError(
            f"cos://{config.bucket} lacks its APPID: give app_id, or the full name, e.g. {config.bucket}-1250000000"
        )
    return config.bucket


class TencentAdapter:
    """Opens COS buckets and lists them; see :class:`oms_adapters.registry.Adapter`."""

    cloud_type = "Tencent"
    scheme = "cos"

    def endpoint_for(self, region: str) -> str:
        """Return the endpoint URL of a region.

        Raises:
            ConfigError: not the name of a region; the message lists those known.
        """
        if region not in REGIONS and not SHAPE.fullmatch(region):
            raise ConfigError(f"{region!r} is no region of Tencent Cloud; known: {', '.join(REGIONS)}")
        return endpoint_of(region)

    def open(self, config: StoreConfig) -> BucketStore:
        """Return the bucket as a store; nothing is sent."""
        check_bucket(config.bucket)
        bucket = real_name(config)
        if config.addressing == "path" or not fits_host(bucket):
            raise ConfigError(f"cos://{bucket}: COS is reached by host only; lower-case letters, digits and hyphens")
        endpoint = self._in_front(bucket, self.place(config))
        return CosDialect(
            PROFILE,
            bucket=bucket,
            endpoint=endpoint,
            path_style=False,
            signer=anonymous if config.credentials is None else CosSignature(config.credentials),
            payer=config.requester_pays,
        )

    def place(self, config: StoreConfig) -> Endpoint:
        """Return the endpoint, without the bucket.

        Raises:
            ConfigError: neither endpoint nor region is given.
        """
        if config.endpoint is not None:
            return parse_endpoint(config.endpoint)
        if not config.region:
            raise ConfigError(f"cos://{config.bucket} needs its region (e.g. ap-guangzhou) or an endpoint URL")
        return parse_endpoint(self.endpoint_for(config.region))

    def _in_front(self, bucket: str, endpoint: Endpoint) -> Endpoint:
        """Return the endpoint with the bucket in its host."""
        host = "localhost" if endpoint.host in {"127.0.0.1", "::1"} else endpoint.host
        if host.startswith(f"{bucket}."):
            return endpoint
        if is_address(host) and host != "localhost":
            raise ConfigError(f"{host} takes no bucket in front, and COS takes none elsewhere; give a host name")
        return endpoint._replace(host=f"{bucket}.{host}")

    def list_buckets(self, config: StoreConfig) -> list[BucketSummary]:
        """Return the account's buckets, by their real names. Blocks; by cos-python-sdk-v5.

        Raises:
            ConfigError: the SDK is missing, or the store refuses.
        """
        with speaking(config.cloud_type):
            found = self._client(config).list_buckets()
        buckets = (found.get("Buckets") or {}).get("Bucket", [])
        return [BucketSummary(b["Name"], b.get("Location", ""), parse_iso_time(b["CreationDate"])) for b in buckets]

    def bucket_region(self, config: StoreConfig) -> str:
        """Return the region of the bucket. Blocks; by cos-python-sdk-v5.

        Raises:
            ConfigError: the SDK is missing, or the store refuses.
        """
        with speaking(config.cloud_type):
            answer = self._client(config).get_bucket_location(Bucket=real_name(config))
        # Old buckets answer "cos.ap-beijing": https://www.tencentcloud.com/document/product/436/8275
        where = str(answer.get("LocationConstraint") or "").removeprefix("cos.")
        return where or region_of_host(self.place(config).host) or ""

    def _client(self, config: StoreConfig) -> Any:
        cos = need("qcloud_cos", "tencent")
        place, keys = self.place(config), config.credentials
        at: dict[str, Any] = {"Endpoint": place.netloc}
        if is_address(place.host):
            # The SDK connects there, and still names the bucket's own host.
            at = {"Region": config.region or "ap-guangzhou", "IP": place.host, "Port": place.port}
        elif region := region_of_host(place.host):
            at = {"Region": region}
        if config.endpoint is not None and region_of_host(place.host) is None:
            # Else the list of buckets is asked of service.cos.myqcloud.com: GET Service is no regional call.
            at["ServiceDomain"] = place.netloc
        settings = cos.CosConfig(
            **at,
            Scheme=place.scheme,
            SecretId=keys.access_key if keys else None,
            SecretKey=keys.secret_key.reveal() if keys else None,
            Token=keys.token.reveal() if keys and keys.token else None,
            Anonymous=keys is None,
        )
        return cos.CosS3Client(settings)


ADAPTER = TencentAdapter()
