"""Tencent COS's dialect as data: classes, limits, error codes, and the one call that is more than words."""

from __future__ import annotations

from oms_adapters.dialects.profile import ClassTable, S3Profile
from oms_adapters.dialects.s3 import S3Dialect
from oms_engine.errors import (
    AccessDenied,
    AccountRefused,
    BadCredentials,
    BucketNotFound,
    DigestRefused,
    InvalidRequest,
    NotFound,
    StoreError,
    Throttled,
    TimedOut,
    Unavailable,
    Unsupported,
)
from oms_engine.model import KeyOrder, RestoreTier, StorageClass
from oms_engine.store import GIB, KIB, MIB, Capabilities

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
        "COLD": StorageClass.ARCHIVE,
        "MAZ_COLD": StorageClass.ARCHIVE,
        "DEEP_ARCHIVE": StorageClass.DEEP_ARCHIVE,
        "MAZ_DEEP_ARCHIVE": StorageClass.DEEP_ARCHIVE,
    },
    archived=frozenset({"ARCHIVE", "MAZ_ARCHIVE", "DEEP_ARCHIVE", "MAZ_DEEP_ARCHIVE"}),
)
"""https://www.tencentcloud.com/document/product/436/33417; the newest words are those of the vendor's own tool,
https://github.com/tencentyun/coscli, and Java SDK"""

CODES: dict[str, type[StoreError]] = {
    # Bucket and account
    "BucketAccelerateNotEnabled": BucketNotFound,
    "BucketNameTooLong": BucketNotFound,
    "InvalidRegionName": BucketNotFound,
    "UserCnameInvalid": BucketNotFound,
    "DomainAuditFailed": AccessDenied,
    "NoProcessAuthority": AccessDenied,
    "PaymentRequired": AccountRefused,
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
        order=KeyOrder.UTF8,  # https://www.tencentcloud.com/document/product/436/30614
        # https://www.tencentcloud.com/document/product/436/14518
        states_crc64=True,
        min_part_size=1 * MIB,
        max_part_size=5 * GIB,
        max_parts=10_000,
        max_single_write=5 * GIB,
        max_object_size=10_000 * 5 * GIB,
        max_key_bytes=850,  # https://www.tencentcloud.com/document/product/436/13324
        requester_pays=False,  # not among the bucket's features: https://www.tencentcloud.com/document/product/436/8291
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
    # Both restore to the standard tier, for good: https://www.tencentcloud.com/document/product/436/12633
    undated_classes=frozenset({"INTELLIGENT_TIERING", "MAZ_INTELLIGENT_TIERING"}),
    # https://www.tencentcloud.com/document/product/436/7745 (x-cos-storage-tier)
    archived_tiers=frozenset({"ARCHIVE", "DEEP_ARCHIVE"}),
    tier_words={RestoreTier.EXPEDITED: "Expedited", RestoreTier.STANDARD: "Standard", RestoreTier.BULK: "Bulk"},
    # Any encryption makes it another digest: https://www.tencentcloud.com/document/product/436/7729
    md5_when=frozenset({None}),
    crc64_header="x-cos-hash-crc64ecma",
    crc64_sent=False,  # COS computes it: https://www.tencentcloud.com/document/product/436/34078
    codes=CODES,
    sentences=SENTENCES,
)


class CosDialect(S3Dialect):
    """COS where it differs from the S3 family by more than words."""

    def _restore_terms(self, days: int, tier: RestoreTier, storage_class: str) -> str:
        # DEEP_ARCHIVE has no Expedited: https://www.tencentcloud.com/document/product/436/12633
        deep = CLASSES.class_of(storage_class) is StorageClass.DEEP_ARCHIVE
        if deep and tier is RestoreTier.EXPEDITED:
            tier = RestoreTier.STANDARD
        return super()._restore_terms(days, tier, storage_class)
