"""Alibaba Cloud OSS's dialect of the S3 protocol: what differs in calls and replies, and its error table.

Codes: https://www.alibabacloud.com/help/en/oss/user-guide/http-403-error-code and its sister pages on 400, 404, 409,
https://www.alibabacloud.com/help/en/oss/user-guide/http-status-code-409 and
https://help.aliyun.com/en/oss/user-guide/http-status-code-503.
"""

from __future__ import annotations

import binascii
from base64 import b64decode
from typing import Any

from oms_adapters.dialects.codes import SENTENCES as SENTENCES_OF_CLASS
from oms_adapters.dialects.heads import HeadReader, content_md5
from oms_adapters.dialects.s3 import S3Dialect
from oms_adapters.dialects.xml import find_text, parse_xml
from oms_engine.errors import (
    AccessDenied,
    AccountRefused,
    Archived,
    BadCredentials,
    ConditionFailed,
    DigestRefused,
    InvalidRequest,
    NotFound,
    Redirected,
    StoreError,
    Throttled,
    UnexpectedReply,
    Unsupported,
)
from oms_engine.model import ObjectHead, Restore, RestoreTier, Span
from oms_engine.store import Call, Reply

ARREARS = "the account is in arrears, so OSS refuses all calls; top it up"
DISABLED = "the account or bucket is disabled, for arrears or for security; ask Alibaba Cloud's support"

CODES: dict[str, type[StoreError]] = {
    "AbnormalBucketOwnerStatus": AccountRefused,
    "AccessKeyIdAndSecurityTokenNotMatch": BadCredentials,
    "ActiveRequestLimitExceeded": Throttled,
    "ArchiveRestoreFileStale": Archived,
    "BucketDisable": AccountRefused,
    "BucketNotBelongTo": AccessDenied,
    "CnameDenied": AccessDenied,
    "CpuLimitExceeded": Throttled,
    "DownloadTrafficRateLimitExceeded": Throttled,
    "FileAlreadyExists": ConditionFailed,
    "FileImmutable": AccessDenied,
    "FilePartNotExist": InvalidRequest,
    "InDebt": AccountRefused,
    "InDebtOverdue": AccountRefused,
    # The digest of other bytes, too: https://www.alibabacloud.com/help/doc-detail/149709.htm
    "InvalidDigest": DigestRefused,
    "InvalidEncryptionAlgorithmError": InvalidRequest,
    "InvalidObjectName": InvalidRequest,
    "InvalidSecurityToken": BadCredentials,
    "InvalidTargetType": InvalidRequest,
    "KeyDisabled": AccessDenied,
    "KeyPendingDeletion": AccessDenied,
    "MetaOperationQpsLimitExceeded": Throttled,
    "NonStandardHostForbidden": InvalidRequest,
    "OperationNotSupported": Unsupported,
    "QpsLimitExceeded": Throttled,
    "SecondLevelDomainForbidden": InvalidRequest,
    "SecurityTokenExpired": BadCredentials,  # https://help.aliyun.com/en/oss/user-guide/0002-00000007
    "SymlinkTargetNotExist": NotFound,
    "TotalQpsLimitExceeded": Throttled,
    "UbsmsInvalidBid": AccessDenied,
    "UploadTrafficRateLimitExceeded": Throttled,
    "UserDisable": AccountRefused,
}
"""OSS's codes beyond S3's, or with another meaning."""

SENTENCES = {
    "AbnormalBucketOwnerStatus": "the account that owns the bucket is disabled or in arrears",
    "AccessKeyIdAndSecurityTokenNotMatch": "the security token belongs to another access key",
    "BucketDisable": DISABLED,
    "InDebt": ARREARS,
    "InDebtOverdue": ARREARS,
    "InvalidObjectName": "OSS takes keys of 1 to 1023 bytes of UTF-8 that do not begin with / or \\",
    "InvalidSecurityToken": "the security token is not valid or has expired; get new temporary credentials",
    "KeyDisabled": "the KMS key that encrypts the object is disabled",
    "KeyPendingDeletion": "the KMS key that encrypts the object is about to be deleted",
    "NonStandardHostForbidden": "the endpoint is none of OSS; check it",
    "SecondLevelDomainForbidden": "OSS wants the bucket in the host name; do not use path addressing",
    "SecurityTokenExpired": "the security token has expired; get new temporary credentials",
    "SymlinkTargetNotExist": "the object is a symbolic link whose target does not exist",
    "UbsmsInvalidBid": "the account has not activated KMS, which encrypts the object",
    "UserDisable": DISABLED,
}

ONE_TIER = "Archive"
"""The class that knows no tiers (naming one is MalformedXML) and at most seven days; every restore takes a minute.

https://www.alibabacloud.com/help/en/oss/support/0016-00000714,
https://www.alibabacloud.com/help/en/oss/user-guide/restore-objects-for-access
"""
ARCHIVE_DAYS = 7
COLD_DAYS = 365
NO_BULK = "DeepColdArchive"


class OssHeadReader(HeadReader):
    """Reads OSS's reply headers."""

    def head(self, key: str, headers: dict[str, str]) -> ObjectHead:
        """Return the object; its MD5 is what Content-MD5 states, and the ETag of none but PutObject is one.

        An object of type Normal may have come through PostObject, whose ETags have 32 digits too:
        https://help.aliyun.com/en/oss/developer-reference/headobject (Content-MD5, x-oss-object-type),
        https://help.aliyun.com/en/oss/developer-reference/postobject (ETag). Without Content-MD5 the CRC-64 proves the
        bytes; where neither is stated the ETag is a claim that is held against them.
        """
        found = super().head(key, headers)
        if headers.get("x-oss-object-type") == "Symlink":  # its CRC-64 is the link's own, its Content-MD5 the target's
            return found._replace(md5=content_md5(headers), crc64=None)
        if found.md5 is None:
            return found
        stated = content_md5(headers)
        if stated is not None or found.crc64 is not None:
            return found._replace(md5=stated)
        return found._replace(md5=None, claimed_md5=found.md5)


class OssDialect(S3Dialect):
    """One opened bucket of OSS."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._reader = OssHeadReader(self._profile)

    def read(self, key: str, *, span: Span | None = None, if_match: str | None = None) -> Call[ObjectHead]:
        """See :meth:`oms_engine.store.Store.read`.

        Without ``x-oss-range-behavior: standard`` a range that ends behind the object is answered with all of it:
        https://help.aliyun.com/en/oss/developer-reference/scope-download-using-oss-sdk-for-php-v2
        """
        call = super().read(key, span=span, if_match=if_match)
        if span is not None:
            call.request.headers["x-oss-range-behavior"] = "standard"
        return call

    def _restore_terms(self, days: int, tier: RestoreTier, storage_class: str) -> str:
        if storage_class == ONE_TIER:
            return f"<Days>{min(days, ARCHIVE_DAYS)}</Days>"
        if storage_class == NO_BULK and tier is RestoreTier.BULK:
            tier = RestoreTier.STANDARD
        if tier is RestoreTier.STANDARD:  # what an absent tier means, and right for every class
            return f"<Days>{min(days, COLD_DAYS)}</Days>"
        return super()._restore_terms(min(days, COLD_DAYS), tier, storage_class)

    def _read_restore(self, key: str, reply: Reply) -> Restore:
        try:
            return super()._read_restore(key, reply)
        except Unsupported as error:
            # Standard and IA objects: https://www.alibabacloud.com/help/en/oss/user-guide/0016-00000702
            if error.vendor_code == "OperationNotSupported":
                return Restore.READABLE
            raise

    def _error(self, reply: Reply, operation: str, key: str | None) -> StoreError:
        reply = with_stated_error(reply)
        error = super()._error(reply, operation, key)
        host = _stated_endpoint(reply)
        if not host or reply.headers.get("location") or not isinstance(error, (AccessDenied, Redirected)):
            return error
        return self._elsewhere(error, host)

    def _elsewhere(self, error: StoreError, host: str) -> StoreError:
        """Return the redirect to the region's host that an error names, the bucket in front as it stands now.

        OSS says so with AccessDenied, also with PermanentRedirect:
        https://www.alibabacloud.com/help/en/oss/user-guide/http-403-error-code
        """
        if not self._root and not host.startswith(f"{self.bucket}."):
            host = f"{self.bucket}.{host}"
        if host == self.endpoint.host:
            return error
        return Redirected(
            f"{SENTENCES_OF_CLASS[Redirected]}: {host}",
            location=f"{self.endpoint.scheme}://{host}{self._path(error.key)}",
            store=error.store,
            operation=error.operation,
            key=error.key,
            status=error.status,
            vendor_code=error.vendor_code,
            request_id=error.request_id,
        )


def with_stated_error(reply: Reply) -> Reply:
    """Return the reply with the error document that a HEAD, which has no body, carries in its header x-oss-err.

    The vendor's SDK reads it so (``oss2/exceptions.py``).
    """
    stated = reply.headers.get("x-oss-err")
    if reply.body or stated is None:
        return reply
    try:
        return reply._replace(body=b64decode(stated, validate=True))
    except binascii.Error:
        return reply


def _stated_endpoint(reply: Reply) -> str:
    if b"<Endpoint>" not in reply.body:
        return ""
    try:
        return find_text(parse_xml(reply.body), "Endpoint").strip()
    except UnexpectedReply:
        return ""
