"""Errors of the S3 family: one table from vendor code to our class, then the HTTP status where a reply has no code.

Sources: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html and
https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0115.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

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

SPECIAL = {
    "RequestTimeTooSkewed": CLOCK,
    "AuthorizationHeaderMalformed": "the request was signed for another region than the bucket's; give its region",
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


def _code_of(reply: Reply, prefix: str) -> tuple[str, str, str, str]:
    """Return (code, message, request id, endpoint) as far as the reply states them."""
    request_id = reply.headers.get(f"{prefix}request-id", "")
    if not reply.body.lstrip().startswith(b"<"):
        return "", "", request_id, ""
    try:
        root = parse_xml(reply.body)
    except UnexpectedReply:
        return "", "", request_id, ""
    request_id = request_id or find_text(root, "RequestId") or find_text(root, "RequestID")
    return find_text(root, "Code"), find_text(root, "Message"), request_id, find_text(root, "Endpoint")


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


def _location(reply: Reply, endpoint: str, asked: Asked) -> str:
    """Return the URL a redirect names: Location, else the Endpoint element with the path that was asked for."""
    if location := reply.headers.get("location"):
        return location
    scheme, _, rest = asked.url.partition("://")
    host, slash, path = rest.partition("/")
    bucket = asked.store.rpartition("/")[2]
    # A path-style request is answered with the virtual host's name, which must not name the bucket twice.
    if endpoint.startswith(f"{bucket}.") and not host.startswith(f"{bucket}."):
        endpoint = endpoint.removeprefix(f"{bucket}.")
    return f"{scheme}://{endpoint}{slash}{path}" if endpoint else ""


def error_of(
    reply: Reply, asked: Asked, prefix: str, own: Mapping[str, type[StoreError]], *, status: int | None = None
) -> StoreError:
    """Return the error a reply means. ``status`` replaces the reply's where an error stands inside a 200."""
    code, message, request_id, endpoint = _code_of(reply, prefix)
    status = status or reply.status
    kind = _class_of(code, status, asked.operation, own)
    text = SPECIAL.get(code) or SENTENCES[kind]
    if message:
        text = f"{text} ({message.strip()})"
    details = {
        "store": asked.store,
        "operation": asked.operation,
        "key": asked.key,
        "status": reply.status,
        "vendor_code": code,
        "request_id": request_id,
        "retry_after": _seconds(reply.headers.get("retry-after")),
    }
    if kind is Redirected:
        location = _location(reply, endpoint, asked)
        region = reply.headers.get(f"{prefix}bucket-region", "")
        hint = f"; the bucket is in region {region}" if region else ""
        return Redirected(f"{text}{hint}", location=location, **details)
    return kind(text, **details)  # type: ignore[arg-type]
