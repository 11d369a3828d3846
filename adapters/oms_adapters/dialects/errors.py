"""Errors of the S3 family: one table from vendor code to our class, then the HTTP status where a reply has no code.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and
https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0115.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from oms_adapters.dialects.profile import S3Profile
from oms_adapters.dialects.xml import find_text, parse_xml
from oms_engine.errors import (
    AccessDenied,
    Archived,
    BadCredentials,
    BucketNotFound,
    ConditionFailed,
    DigestRefused,
    InvalidRequest,
    NotFound,
    Redirected,
    StoreError,
    Throttled,
    TimedOut,
    Unavailable,
    UnexpectedReply,
    Unsupported,
    UploadGone,
)
from oms_engine.store import Reply

CLOCK = "the clock of this machine differs from the store's by more than 15 minutes; set it (NTP) and start again"

WRONG_REGION = "AuthorizationHeaderMalformed"
"""Besides nonsense, what AWS says to a request that was signed for another region; then it names the right one."""

SPECIAL = {
    "RequestTimeTooSkewed": CLOCK,
    WRONG_REGION: "the request was signed for another region than the bucket's; give its region",
    "InvalidAccessKeyId": "the store does not know the access key; check it, and that it belongs to this cloud",
    "SignatureDoesNotMatch": "the secret key does not belong to the access key",
    "ExpiredToken": "the security token has expired; get new temporary credentials",
    "InArrearOrInsufficientBalance": "the account is in arrears; top it up",
}
"""Codes whose remedy differs from that of their class."""

SENTENCES: dict[type[StoreError], str] = {
    NotFound: "the object does not exist",
    BucketNotFound: "the bucket does not exist; check its name, and the region or endpoint",
    AccessDenied: "the credentials lack the permission for this call; check the policies of user and bucket",
    BadCredentials: "the store does not accept the credentials; check access key, secret key and token",
    ConditionFailed: "the object changed since it was listed",
    Archived: "the object is archived; it must be restored before it is read",
    Unsupported: "the store does not offer this call",
    InvalidRequest: "the store refuses the request as it stands",
    DigestRefused: "the store received other bytes than were announced",
    UploadGone: "the multipart upload is unknown to the store",
    Redirected: "the bucket is reached through another endpoint; give its region or endpoint",
    Throttled: "the store asks for fewer requests",
    Unavailable: "the store failed inside",
    TimedOut: "the store waited too long for the request",
    UnexpectedReply: "the reply is not what the protocol says",
}

CODES: dict[str, type[StoreError]] = {
    "NoSuchKey": NotFound,
    "NoSuchVersion": NotFound,
    "NotFound": NotFound,
    "NoSuchBucket": BucketNotFound,
    "InvalidBucketName": BucketNotFound,
    "InvalidBucketState": InvalidRequest,
    "AccessDenied": AccessDenied,
    "AccessForbidden": AccessDenied,
    "AccountProblem": AccessDenied,
    "AllAccessDisabled": AccessDenied,
    "FrozenUserId": AccessDenied,
    "InArrearOrInsufficientBalance": AccessDenied,
    "InsufficientStorageSpace": InvalidRequest,
    "KMS.DisabledException": AccessDenied,
    "NotSignedUp": AccessDenied,
    "DeregisterUserId": BadCredentials,
    "AuthorizationHeaderMalformed": BadCredentials,
    "AuthorizationQueryParametersError": BadCredentials,
    "ExpiredToken": BadCredentials,
    "InvalidAccessKeyId": BadCredentials,
    "InvalidSecurity": BadCredentials,
    "InvalidToken": BadCredentials,
    "MissingSecurityHeader": BadCredentials,
    "RequestExpired": BadCredentials,
    "RequestTimeTooSkewed": BadCredentials,
    "SignatureDoesNotMatch": BadCredentials,
    "TokenRefreshRequired": BadCredentials,
    "UnsupportedSignature": BadCredentials,
    "VirtualHostDomainRequired": BadCredentials,
    "PreconditionFailed": ConditionFailed,
    "ConditionalRequestConflict": Unavailable,
    "OperationAborted": Unavailable,
    "InvalidObjectState": Archived,
    "MethodNotAllowed": Unsupported,
    "NotImplemented": Unsupported,
    "BadDigest": DigestRefused,
    "XAmzContentSHA256Mismatch": DigestRefused,
    "XAmzContentChecksumMismatch": DigestRefused,
    "IncompleteBody": DigestRefused,
    "InvalidDigest": InvalidRequest,
    "InvalidPart": InvalidRequest,
    "InvalidPartOrder": InvalidRequest,
    "EntityTooSmall": InvalidRequest,
    "EntityTooLarge": InvalidRequest,
    "KeyTooLong": InvalidRequest,
    "KeyTooLongError": InvalidRequest,
    "MetadataTooLarge": InvalidRequest,
    "InvalidArgument": InvalidRequest,
    "InvalidRange": InvalidRequest,
    "InvalidRequest": InvalidRequest,
    "InvalidStorageClass": InvalidRequest,
    "InvalidURI": InvalidRequest,
    "BadRequest": InvalidRequest,
    "MalformedXML": InvalidRequest,
    "NoSuchUpload": UploadGone,
    "PermanentRedirect": Redirected,
    "Redirect": Redirected,
    "TemporaryRedirect": Redirected,
    "IllegalLocationConstraintException": Redirected,
    "SlowDown": Throttled,
    "ServiceUnavailable": Throttled,
    "Throttling": Throttled,
    "ThrottlingException": Throttled,
    "RequestLimitExceeded": Throttled,
    "BandwidthLimitExceeded": Throttled,
    "TooManyRequests": Throttled,
    "ExceededTrafficLimit": Throttled,
    "QosRateLimitExceeded": Throttled,
    "GlacierExpeditedRetrievalNotAvailable": Throttled,
    "InternalError": Unavailable,
    "RequestTimeout": TimedOut,
}

_STATUSES: dict[int, type[StoreError]] = {
    301: Redirected,
    302: Redirected,
    307: Redirected,
    308: Redirected,
    400: InvalidRequest,
    401: BadCredentials,
    403: AccessDenied,
    404: NotFound,
    405: Unsupported,
    408: TimedOut,
    409: InvalidRequest,
    411: InvalidRequest,
    412: ConditionFailed,
    413: InvalidRequest,
    416: InvalidRequest,
    429: Throttled,
    501: Unsupported,
    503: Throttled,
}

BUCKET_CALLS = frozenset({"list_page", "list_uploads"})
"""Calls that name no object: an empty 404 means the bucket."""

UPLOAD_CALLS = frozenset({"write_part", "complete_upload", "list_parts", "abort_upload"})
"""Calls to an upload: Ceph 16 answers ListParts of an aborted one with NoSuchKey, others with an empty 404."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, for the error that names it."""

    store: str
    operation: str
    key: str | None
    url: str
    """Scheme and host, then the path: what a redirect that states only a host is completed with."""


class _Stated(NamedTuple):
    """What a reply says about its error, as far as it says anything."""

    code: str = ""
    message: str = ""
    request_id: str = ""
    endpoint: str = ""
    region: str = ""


def _read(reply: Reply, prefix: str) -> _Stated:
    request_id = reply.headers.get(f"{prefix}request-id", "")
    region = reply.headers.get(f"{prefix}bucket-region", "")
    silent = _Stated(request_id=request_id, region=region)
    if not reply.body.lstrip().startswith(b"<"):
        return silent
    try:
        root = parse_xml(reply.body)
    except UnexpectedReply:
        return silent
    return _Stated(
        find_text(root, "Code"),
        find_text(root, "Message").strip(),
        request_id or find_text(root, "RequestId") or find_text(root, "RequestID"),
        find_text(root, "Endpoint"),
        region or find_text(root, "Region"),
    )


def _class_of(code: str, status: int, operation: str, own: Mapping[str, type[StoreError]]) -> type[StoreError]:
    found = own.get(code) or CODES.get(code)
    if found is None:
        found = _STATUSES.get(status) or (Unavailable if status >= 500 else UnexpectedReply)
        if found is NotFound and operation in BUCKET_CALLS:
            found = BucketNotFound
    return UploadGone if found is NotFound and operation in UPLOAD_CALLS else found


def _seconds(text: str | None) -> float | None:
    try:
        return max(0.0, float(text)) if text else None
    except ValueError:
        return None


def _location(reply: Reply, stated: _Stated, asked: Asked, profile: S3Profile) -> str:
    """Return the URL to go to: Location, else the Endpoint element or the region's host with the path asked for."""
    if location := reply.headers.get("location"):
        return location
    scheme, _, rest = asked.url.partition("://")
    host, slash, path = rest.partition("/")
    bucket, endpoint = asked.store.rpartition("/")[2], stated.endpoint
    # A path-style request is answered with the virtual host's name, which must not name the bucket twice.
    if endpoint.startswith(f"{bucket}.") and not host.startswith(f"{bucket}."):
        endpoint = endpoint.removeprefix(f"{bucket}.")
    if not endpoint and stated.region and profile.host_in_region is not None:
        endpoint = profile.host_in_region(host, stated.region) or ""
    return f"{scheme}://{endpoint}{slash}{path}" if endpoint not in {"", host} else ""


def error_of(reply: Reply, asked: Asked, profile: S3Profile, *, status: int | None = None) -> StoreError:
    """Return the error a reply means. ``status`` replaces the reply's where an error stands inside a 200."""
    stated = _read(reply, profile.header_prefix)
    kind = _class_of(stated.code, status or reply.status, asked.operation, profile.codes)
    text = SPECIAL.get(stated.code) or SENTENCES[kind]
    if stated.message:
        text = f"{text} ({stated.message})"
    if stated.region and (kind is Redirected or stated.code == WRONG_REGION):
        text = f"{text}; the bucket is in region {stated.region}"
    details = {
        "store": asked.store,
        "operation": asked.operation,
        "key": asked.key,
        "status": reply.status,
        "vendor_code": stated.code,
        "request_id": stated.request_id,
        "retry_after": _seconds(reply.headers.get("retry-after")),
    }
    location = _location(reply, stated, asked, profile) if kind is Redirected or stated.code == WRONG_REGION else ""
    if kind is Redirected or location:
        return Redirected(text, location=location, **details)
    return kind(text, **details)  # type: ignore[arg-type]
