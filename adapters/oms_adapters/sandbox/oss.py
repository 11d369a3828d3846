"""Alibaba Cloud OSS's dialect, its signatures verified by oss2's own signing code."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from oms_adapters.control import need
from oms_adapters.sandbox.conditions import Range, parse_range
from oms_adapters.sandbox.core import Object, Stored
from oms_adapters.sandbox.dialect import Account, Accounts, Dialect, parse_days_and_tier
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.request import Incoming
from oms_adapters.sandbox.s3 import check_skew, check_token, known_account
from oms_adapters.sandbox.xmltext import tag

oss2_auth = need("oss2.auth", "aliyun")
SdkRequest = need("oss2.http", "aliyun").Request
StaticCredentials = need("oss2.credentials", "aliyun").StaticCredentialsProvider

MAX_KEY = 1023  # bytes, https://alibabacloud.com/help/en/oss/support/http-400-status-code
V4 = re.compile(
    r"OSS4-HMAC-SHA256 Credential=([^/,]+)/(\d{8})/([^/,]+)/oss/aliyun_v4_request,\s*"
    r"(?:AdditionalHeaders=([^,]*),\s*)?Signature=([0-9a-f]{64})(?:,\s*AdditionalHeaders=([^,]*))?"
)


class Oss(Dialect):
    """https://www.alibabacloud.com/help/en/oss/developer-reference/list-of-operations-by-function."""

    name = "oss"
    prefix = "x-oss-"
    server = "AliyunOSS"
    xmlns = ""
    # The core's word for Standard is STANDARD: https://www.alibabacloud.com/help/en/oss/user-guide/overview-53
    classes = frozenset({"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"})
    archived = frozenset({"Archive", "ColdArchive", "DeepColdArchive"})
    min_part = 100 * 1024  # https://help.aliyun.com/en/oss/user-guide/limits
    max_user_metadata = 8192  # https://www.alibabacloud.com/help/tc/oss/user-guide/0011-00000002
    list_v2 = True
    next_marker_always = True
    list_milliseconds = False
    bucket_region_header = "x-oss-bucket-region"
    # https://alibabacloud.com/help/en/oss/use-cases/check-data-transmission-integrity-by-using-crc-64
    crc64_word = "hash-crc64ecma"
    crc64_policy = "always"
    default_type = "application/octet-stream"
    states_standard = True
    takes_empty_token = True  # oss2 sends one
    space_is_plus = False  # oss2 reads no + as a space (``xml_utils.py``)
    restore_refused = "OperationNotSupported"
    domains = ("oss-cn-hangzhou.aliyuncs.com",)
    # https://www.alibabacloud.com/help/en/oss/user-guide/http-403-error-code and its sisters
    codes = {  # noqa: RUF012 - declared a ClassVar by the base
        "BadDigest": ("InvalidDigest", 400),
        "InvalidToken": ("InvalidSecurityToken", 403),
        "KeyTooLongError": ("InvalidObjectName", 400),
        "InvalidStorageClass": ("InvalidArgument", 400),
        "MetadataTooLarge": ("InvalidArgument", 400),
        "SlowDown": ("TotalQpsLimitExceeded", 503),
        "TooManyRequests": ("QpsLimitExceeded", 429),
    }

    def authenticate(self, incoming: Incoming, accounts: Accounts, now: float) -> str | None:
        """Verify a signature of version 4 or 1.

        https://www.alibabacloud.com/help/en/oss/developer-reference/recommend-to-use-signature-version-4
        """
        given = _parse_authorization(incoming.headers)
        account = known_account(accounts, given.access_key)
        check_token(account, incoming.headers.get("x-oss-security-token"))
        check_skew(given.when, now)
        if not hmac.compare_digest(_recompute(incoming, account, given).encode(), given.signature.encode("latin-1")):
            raise Refusal("SignatureDoesNotMatch")
        return None

    def parse_stored(self, incoming: Incoming, default_encryption: str | None) -> Stored:
        """Return what a write's headers fix, refusing a key that OSS does not take.

        https://alibabacloud.com/help/en/oss/support/http-400-status-code
        """
        if len(incoming.key) > MAX_KEY or incoming.key.startswith((b"/", b"\\")):
            raise Refusal("InvalidObjectName", "The specified object is not valid.")
        return super().parse_stored(incoming, default_encryption)

    def parse_class(self, word: str) -> str:
        """Return the core's word."""
        return "STANDARD" if super().parse_class(word) == "Standard" else word

    def render_class(self, storage_class: str) -> str:
        """Return OSS's word."""
        return "Standard" if storage_class == "STANDARD" else storage_class

    def parse_encryption(self, headers: dict[str, str]) -> tuple[str | None, str | None]:
        """Read x-oss-server-side-encryption: https://www.alibabacloud.com/help/en/oss/developer-reference/putobject."""
        word = headers.get("x-oss-server-side-encryption")
        if word is None or word == "AES256":
            return word, None
        if word != "KMS":
            raise Refusal("InvalidEncryptionAlgorithmError", "The encryption algorithm specified is not valid")
        return "kms", headers.get("x-oss-server-side-encryption-key-id")

    def render_encryption(self, stored: Stored) -> list[tuple[str, str]]:
        """State x-oss-server-side-encryption."""
        if stored.encryption is None:
            return []
        word = "KMS" if stored.encryption == "kms" else stored.encryption
        key = [("x-oss-server-side-encryption-key-id", stored.kms_key)] if stored.kms_key else []
        return [("x-oss-server-side-encryption", word), *key]

    def parse_restore(self, body: bytes, storage_class: str) -> tuple[int, str]:
        """Read a RestoreRequest; Archive knows no tiers and at most 7 days, an empty body asks for one.

        https://www.alibabacloud.com/help/en/oss/support/0016-00000714,
        https://www.alibabacloud.com/help/en/oss/user-guide/restore-objects-for-access
        """
        if not body:
            return 1, "Standard"
        days, tier = parse_days_and_tier(body, "JobParameters")
        if storage_class == "Archive":
            if b"<JobParameters>" in body or days > 7:
                raise Refusal("MalformedXML")
        elif days > 365 or tier not in {"Expedited", "Standard", "Bulk"}:
            raise Refusal("MalformedXML")
        elif storage_class == "DeepColdArchive" and tier == "Bulk":
            raise Refusal("InvalidArgument", "The restore tier is not supported by this storage class")
        return days, tier

    def parse_range(self, headers: dict[str, str], size: int) -> Range | None:
        """Return the range; one that does not lie inside the object is ignored unless the standard is asked for.

        https://help.aliyun.com/en/oss/developer-reference/scope-download-using-oss-sdk-for-php-v2
        """
        if headers.get("x-oss-range-behavior") == "standard":
            return parse_range(headers.get("range"), size)
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", headers.get("range", "").strip())
        if found is None or any(int(end) >= size + (not found[1]) for end in found.groups() if end):
            return None
        return parse_range(headers.get("range"), size)

    def render_stored(self, item: Object, *, with_crc64: bool) -> list[tuple[str, str]]:
        """State the MD5 of what came whole: https://help.aliyun.com/en/oss/developer-reference/headobject."""
        headers = super().render_stored(item, with_crc64=with_crc64)
        whole = item.etag == item.blob.md5().hex()
        return [*headers, ("content-md5", b64encode(item.blob.md5()).decode())] if whole else headers

    def object_type(self, item: Object) -> str:
        """Return the type, which every object has."""
        return _type_of(item)

    def render_listed(self, item: Object) -> str:
        """State the object's type between its ETag and its size."""
        return tag("Type", _type_of(item))

    def render_bucket(self, region: str) -> str:
        """State region, endpoints and class of a bucket.

        https://www.alibabacloud.com/help/en/oss/developer-reference/listbuckets
        """
        host = f"oss-{region}"
        pairs = [("Location", host), ("Region", region), ("ExtranetEndpoint", f"{host}.aliyuncs.com"),
                 ("IntranetEndpoint", f"{host}-internal.aliyuncs.com"), ("StorageClass", "Standard")]  # fmt: skip
        return "".join(tag(name, text) for name, text in pairs)

    def render_location(self, region: str) -> tuple[str, str]:
        """Return the region by OSS's own name.

        https://www.alibabacloud.com/help/en/oss/developer-reference/getbucketlocation
        """
        return "LocationConstraint", f"oss-{region}"

    def render_head_error(self, document: bytes) -> list[tuple[str, str]]:
        """State the error of a HEAD, which has no body, in a header, where oss2 looks for it (``exceptions.py``)."""
        return [("x-oss-err", b64encode(document).decode())]


class _Given(NamedTuple):
    """What an Authorization header says."""

    version: int
    access_key: str
    signature: str
    when: float
    region: str = ""
    additional: tuple[str, ...] = ()
    """Headers signed beside the usual ones."""


def _type_of(item: Object) -> str:
    """Return the object's type: an ETag that is no MD5 in an unencrypted object is that of an appended one."""
    if item.kind:
        return "Normal" if item.kind == "form" else "Appendable"
    if "-" in item.etag:
        return "Multipart"
    kms = item.stored.encryption == "kms"
    return "Normal" if kms or item.etag == item.blob.md5().hex() else "Appendable"


def _parse_authorization(headers: dict[str, str]) -> _Given:
    text = headers.get("authorization", "")
    if found := V4.fullmatch(text):
        stamp = headers.get("x-oss-date", "")
        if headers.get("x-oss-content-sha256") != "UNSIGNED-PAYLOAD" or not stamp.startswith(found[2]):
            raise Refusal("InvalidArgument", "Invalid x-oss-content-sha256 or x-oss-date header.")
        additional = tuple(filter(None, (found[4] or found[6] or "").split(";")))
        return _Given(4, found[1], found[5], _stamp_time(stamp), found[3], additional)
    word, _, rest = text.partition(" ")
    access_key, colon, signature = rest.strip().rpartition(":")
    if word != "OSS" or not colon:
        raise Refusal("AccessDenied")
    return _Given(1, access_key, signature, _date_time(headers.get("x-oss-date") or headers.get("date", "")))


def _recompute(incoming: Incoming, account: Account, given: _Given) -> str:
    """Return the signature that the SDK gives the request as it was received."""
    credentials = StaticCredentials(account.access_key, account.secret_key).get_credentials()
    params = {name: value or "" for name, value in incoming.query.items()}
    headers = {name: _utf8(value) for name, value in incoming.headers.items()}
    request = SdkRequest(incoming.method, "http://sandbox/", params=params, headers=headers, region=given.region,
                         product="oss")  # fmt: skip
    try:
        key = incoming.key.decode("utf-8")
        if given.version == 1:
            signer = oss2_auth.ProviderAuth(None)
            return str(signer._ProviderAuth__make_signature(request, incoming.bucket, key, credentials))  # noqa: SLF001
        signer, stamp = oss2_auth.ProviderAuthV4(None), incoming.headers["x-oss-date"]
        additional = list(given.additional) or None
        sign = signer._ProviderAuthV4__make_signature  # noqa: SLF001 - the SDK's own code is the point
        return str(sign(request, incoming.bucket, key, additional, credentials, stamp))
    except UnicodeError:
        raise Refusal("InvalidObjectName") from None


def _stamp_time(stamp: str) -> float:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refusal("InvalidArgument", "Invalid x-oss-date header.") from None


def _date_time(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        raise Refusal("AccessDenied", "OSS authentication requires a valid Date.") from None


def _utf8(value: str) -> str:
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value
