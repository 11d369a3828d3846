"""Errors of Azure Blob Storage: one table from code to our class; the code stands in a header, so HEAD has it too.

https://learn.microsoft.com/en-us/rest/api/storageservices/common-rest-api-error-codes and
https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes
"""

from __future__ import annotations

import re
import time

from oms_adapters.dialects.codes import CLOCK, SENTENCES, STATUSES
from oms_adapters.dialects.times import parse_http_date
from oms_adapters.dialects.xml import find_text, parse_xml
from oms_engine.errors import (
    AccessDenied,
    AccountRefused,
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

CODES: dict[str, type[StoreError]] = {
    "AccountBeingCreated": Unavailable,
    "AccountIsDisabled": AccountRefused,
    "AuthenticationFailed": BadCredentials,
    "AuthorizationFailure": AccessDenied,
    "AuthorizationPermissionMismatch": AccessDenied,
    "AuthorizationProtocolMismatch": AccessDenied,
    "AuthorizationResourceTypeMismatch": AccessDenied,
    "AuthorizationServiceMismatch": AccessDenied,
    "AuthorizationSourceIPMismatch": AccessDenied,
    "BlobAccessTierNotSupportedForAccountType": InvalidRequest,
    "BlobArchived": Archived,
    "BlobBeingRehydrated": Archived,
    "BlobImmutableDueToPolicy": AccessDenied,
    "BlobNotFound": NotFound,
    "BlobUsesCustomerSpecifiedEncryption": AccessDenied,
    "BlockCountExceedsLimit": InvalidRequest,
    "BlockListTooLong": InvalidRequest,
    "ConditionNotMet": ConditionFailed,
    "ContainerBeingDeleted": BucketNotFound,
    "ContainerDisabled": AccessDenied,
    "ContainerNotFound": BucketNotFound,
    "EmptyMetadataKey": InvalidRequest,
    "FeatureVersionMismatch": InvalidRequest,
    "FilesystemNotFound": BucketNotFound,
    "InsufficientAccountPermissions": AccessDenied,
    "InternalError": Unavailable,
    "InvalidAuthenticationInfo": BadCredentials,
    "InvalidBlobOrBlock": InvalidRequest,
    "InvalidBlobTier": InvalidRequest,
    "InvalidBlobType": InvalidRequest,
    "InvalidBlockId": InvalidRequest,
    "InvalidBlockList": InvalidRequest,
    "InvalidHeaderValue": InvalidRequest,
    "InvalidInput": InvalidRequest,
    "InvalidMd5": InvalidRequest,
    "InvalidMetadata": InvalidRequest,
    "InvalidQueryParameterValue": InvalidRequest,
    "InvalidRange": InvalidRequest,
    "InvalidResourceName": InvalidRequest,
    "InvalidUri": InvalidRequest,
    "KeyVaultAccessTokenCannotBeAcquired": AccessDenied,
    "KeyVaultEncryptionKeyNotFound": AccessDenied,
    "KeyVaultVaultNotFound": AccessDenied,
    "LeaseIdMissing": AccessDenied,
    "Md5Mismatch": DigestRefused,
    "Crc64Mismatch": DigestRefused,
    "MetadataTooLarge": InvalidRequest,
    "NoAuthenticationInformation": BadCredentials,
    "OperationTimedOut": TimedOut,
    "OutOfRangeInput": InvalidRequest,
    "OutOfRangeQueryParameterValue": InvalidRequest,
    "PublicAccessNotPermitted": BadCredentials,
    "RequestBodyTooLarge": InvalidRequest,
    "ResourceNotFound": NotFound,
    "ResourceTypeMismatch": InvalidRequest,
    "ServerBusy": Throttled,
    "SubscriptionIsDisabled": AccountRefused,
    "TargetConditionNotMet": ConditionFailed,
    "UnsupportedHeader": Unsupported,
    "UnsupportedHttpVerb": Unsupported,
    "UnsupportedRestVersion": Unsupported,
}

AUTHENTICATION = (
    "the store does not accept the credentials: the account name or key is wrong, or the SAS token is damaged, revoked "
    "or out of its time"
)

SPECIAL = {
    "AuthenticationFailed": AUTHENTICATION,
    "InvalidAuthenticationInfo": AUTHENTICATION,
    "NoAuthenticationInformation": "the container is not public; give an account key or a SAS token",
    "PublicAccessNotPermitted": "the account allows no anonymous access; give an account key or a SAS token",
    "AuthorizationFailure": "the request is not allowed: a network rule of the account, or a right the SAS lacks",
    "AuthorizationPermissionMismatch": "the SAS token lacks the permission for this call (sp=rl reads and lists)",
    "AuthorizationResourceTypeMismatch": "the SAS token does not cover this kind of resource (srt=co is needed)",
    "AuthorizationServiceMismatch": "the SAS token is not for the Blob service (ss=b is needed)",
    "AuthorizationSourceIPMismatch": "the SAS token is limited to other IP addresses (sip=...)",
    "AuthorizationProtocolMismatch": "the SAS token allows https alone (spr=https)",
    "AccountIsDisabled": "the storage account is disabled; see its subscription in the Azure portal",
    "BlobBeingRehydrated": "the blob is being rehydrated and cannot be read yet",
    "InvalidMetadata": "a name of the user metadata is no C# identifier, which Azure demands",
}
"""Codes whose remedy differs from that of their class."""

VERSION_REFUSED = (
    "the service does not know the version of requests: set the option list_start_from=false for Azure Stack Hub and "
    "Azurite, or name the service's own with api_version=YYYY-MM-DD"
)
_VERSION_NAMED = re.compile(rb"x-ms-version|API version", re.IGNORECASE)

BUCKET_CALLS = frozenset({"list_page", "list_uploads", "bucket_region"})
UPLOAD_CALLS = frozenset({"list_parts", "complete_upload"})
SKEW = 900.0  # seconds the service allows


def error_of(reply: Reply, *, store: str, operation: str, key: str | None) -> StoreError:
    """Return the error a reply means. Details that quote signatures or SAS parameters are left out."""
    code = reply.headers.get("x-ms-error-code", "")
    message = ""
    if reply.body:
        found, message = _stated(reply.body)
        code = code or found
    kind = _class_of(code, reply.status, operation)
    text = SPECIAL.get(code) or SENTENCES[kind]
    if code == "InvalidHeaderValue" and _VERSION_NAMED.search(reply.body):
        text = VERSION_REFUSED
    if kind is BadCredentials and _clock_differs(reply):
        text = f"{text}; {CLOCK}"
    if message and kind is not BadCredentials:
        text = f"{text} ({message})"
    return kind(
        text,
        store=store,
        operation=operation,
        key=key,
        status=reply.status,
        vendor_code=code,
        request_id=reply.headers.get("x-ms-request-id", ""),
    )


def _class_of(code: str, status: int, operation: str) -> type[StoreError]:
    found = CODES.get(code)
    if found is None:
        found = STATUSES.get(status) or (Unavailable if status >= 500 else UnexpectedReply)
    if found is Redirected:
        return UnexpectedReply  # the service never redirects: something before it does
    if found is NotFound and operation in BUCKET_CALLS:
        return BucketNotFound
    # A committed or expired upload has no blocks left: its blob, or what the list names, is not there.
    gone = found is NotFound or code == "InvalidBlockList"
    return UploadGone if gone and operation in UPLOAD_CALLS else found


def _stated(body: bytes) -> tuple[str, str]:
    """Return code and message; the message's first line, the others repeat request id and time."""
    try:
        root = parse_xml(body)
    except UnexpectedReply:
        return "", ""
    return find_text(root, "Code"), find_text(root, "Message").strip().partition("\n")[0].strip()


def _clock_differs(reply: Reply) -> bool:
    """Whether this machine's clock is further from the service's than it allows; it has no code of its own for that."""
    stated = parse_http_date(reply.headers.get("date", ""))
    return bool(stated) and abs(stated - time.time()) > SKEW
