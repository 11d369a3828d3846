"""Tencent COS's dialect, its signatures verified by cos-python-sdk-v5's own signing code."""

from __future__ import annotations

import hmac
from types import FunctionType, SimpleNamespace
from typing import Any, NamedTuple
from urllib.parse import quote

from oms_adapters.control import need
from oms_adapters.sandbox.core import Object, Stored
from oms_adapters.sandbox.dialect import Account, Accounts, Dialect, parse_days_and_tier
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.request import Incoming
from oms_adapters.sandbox.s3 import check_token, known_account
from oms_adapters.sandbox.xmltext import tag

cos_auth = need("qcloud_cos.cos_auth", "tencent")
CosConfig = need("qcloud_cos", "tencent").CosConfig

MAX_KEY = 850  # bytes, https://www.tencentcloud.com/document/product/436/13324
SIGNED_EARLIER = 60  # seconds the SDK dates its signatures back


class Cos(Dialect):
    """https://www.tencentcloud.com/document/product/436/7751."""

    name = "cos"
    prefix = "x-cos-"
    server = "tencent-cos"  # https://www.tencentcloud.com/document/product/436/7729
    xmlns = ""
    # https://www.tencentcloud.com/document/product/436/33417
    classes = frozenset(
        {"STANDARD", "STANDARD_IA", "INTELLIGENT_TIERING", "ARCHIVE", "DEEP_ARCHIVE", "MAZ_STANDARD",
         "MAZ_STANDARD_IA", "MAZ_INTELLIGENT_TIERING", "MAZ_ARCHIVE"}
    )  # fmt: skip
    archived = frozenset({"ARCHIVE", "DEEP_ARCHIVE", "MAZ_ARCHIVE"})
    min_part = 1024 * 1024  # https://www.tencentcloud.com/document/product/436/7750
    max_user_metadata = 2048  # https://www.tencentcloud.com/document/product/436/7749
    list_v2 = False
    next_marker_always = True  # https://www.tencentcloud.com/document/product/436/30614
    list_milliseconds = False
    bucket_region_header = "x-cos-bucket-region"
    crc64_word = "hash-crc64ecma"
    crc64_policy = "always"  # https://www.tencentcloud.com/document/product/436/34078
    default_type = "application/octet-stream"
    # https://www.tencentcloud.com/document/product/436/30614: percent-encoded; the SDK takes a plus for a plus
    space_is_plus = False
    titled_headers = True  # qcloud_cos/cos_client.py looks up ETag in this case
    restore_refused = "RestoreNonArchiveObject"
    domains = ("cos.ap-guangzhou.myqcloud.com",)
    # https://www.tencentcloud.com/document/product/436/7730
    codes = {  # noqa: RUF012 - declared a ClassVar by the base
        "InvalidStorageClass": ("NotSupportedStorageClass", 400),
        "InvalidToken": ("InvalidAccessKeyId", 403),
        "KeyTooLongError": ("KeyTooLong", 400),
        "XAmzContentSHA256Mismatch": ("BadDigest", 400),
    }

    def authenticate(self, incoming: Incoming, accounts: Accounts, now: float) -> str | None:
        """Verify ``Authorization: q-sign-algorithm=sha1&...``.

        https://www.tencentcloud.com/document/product/436/7778
        """
        fields = _authorization(incoming.headers.get("authorization", ""))
        account = known_account(accounts, fields.access_key)
        check_token(account, incoming.headers.get("x-cos-security-token"))
        if not fields.first <= now <= fields.last:
            raise Refusal("RequestTimeTooSkewed")
        # The SDK signs the name without the port when it is its own choice (list_buckets at an address).
        host = incoming.headers.get("host", "")
        candidates = [_recompute(incoming, account, fields, name) for name in (host, host.rpartition(":")[0])]
        if not any(hmac.compare_digest(candidate, fields.signature) for candidate in candidates):
            raise Refusal("SignatureDoesNotMatch")
        return None

    def parse_stored(self, incoming: Incoming, default_encryption: str | None) -> Stored:
        """Return what a write's headers fix, refusing a key that is too long for COS."""
        if len(incoming.key) > MAX_KEY:
            raise Refusal("KeyTooLongError")
        return super().parse_stored(incoming, default_encryption)

    def parse_encryption(self, headers: dict[str, str]) -> tuple[str | None, str | None]:
        """Read x-cos-server-side-encryption: https://www.tencentcloud.com/document/product/436/7728."""
        word = headers.get("x-cos-server-side-encryption")
        if word is None or word == "AES256":
            return word, None
        if word != "cos/kms":
            raise Refusal("InvalidArgument", "The encryption method specified is not supported")
        return "kms", headers.get("x-cos-server-side-encryption-cos-kms-key-id", "sandbox-default")

    def render_encryption(self, stored: Stored) -> list[tuple[str, str]]:
        """State x-cos-server-side-encryption."""
        if stored.encryption is None:
            return []
        word = "cos/kms" if stored.encryption == "kms" else stored.encryption
        key = [("x-cos-server-side-encryption-cos-kms-key-id", stored.kms_key)] if stored.kms_key else []
        return [("x-cos-server-side-encryption", word), *key]

    def render_bucket(self, region: str) -> str:
        """State the bucket's region: https://www.tencentcloud.com/document/product/436/8291."""
        return tag("Location", region)

    def object_type(self, item: Object) -> str:
        """Return normal or appendable: https://www.tencentcloud.com/document/product/436/7741."""
        return "appendable" if item.kind == "appendable" else "normal"

    def parse_restore(self, body: bytes, storage_class: str) -> tuple[int, str]:
        """Read a RestoreRequest; DEEP_ARCHIVE has no Expedited tier.

        https://www.tencentcloud.com/document/product/436/12633
        """
        days, tier = parse_days_and_tier(body, "CASJobParameters")
        if tier not in {"Expedited", "Standard", "Bulk"}:
            raise Refusal("MalformedXML")
        if storage_class == "DEEP_ARCHIVE" and tier == "Expedited":
            raise Refusal("InvalidArgument", "Retrieval option is not supported by this storage class")
        return days, tier


class _Authorization(NamedTuple):
    """The fields of an Authorization header."""

    access_key: str
    first: int
    last: int
    headers: frozenset[str]
    parameters: frozenset[str]
    signature: str


def _authorization(text: str) -> _Authorization:
    if not text:
        raise Refusal("AccessDenied")
    fields = dict(item.partition("=")[::2] for item in text.split("&"))
    try:
        first, last = map(int, fields["q-sign-time"].split(";"))
        if fields["q-sign-algorithm"] != "sha1" or fields["q-key-time"] != fields["q-sign-time"]:
            raise Refusal("InvalidArgument", "The signature's algorithm or times are not supported")
        headers, parameters = (frozenset(fields[name].split(";")) for name in ("q-header-list", "q-url-param-list"))
        return _Authorization(fields["q-ak"], first, last, headers, parameters, fields["q-signature"])
    except (KeyError, ValueError):
        raise Refusal("AccessDenied", "The authorization header is malformed") from None


def _recompute(incoming: Incoming, account: Account, fields: _Authorization, host: str) -> str:
    """Return the signature the SDK computes of what was received, over the names and times the client signed."""
    try:
        key = incoming.key.decode("utf-8")
    except UnicodeDecodeError:
        raise Refusal("InvalidURI") from None
    config = CosConfig(Region="sandbox", SecretId=account.access_key, SecretKey=account.secret_key)
    query = {name: value or "" for name, value in incoming.query.items() if _quoted(name) in fields.parameters}
    expire = fields.last - fields.first - SIGNED_EARLIER
    signer = cos_auth.CosS3Auth(config, None, query, expire=expire)
    signer._path = f"/{key}"  # noqa: SLF001 - given a key it would drop a leading slash
    received = {**incoming.headers, "host": host}
    headers = {name: _utf8(value) for name, value in received.items() if _quoted(name) in fields.headers}
    request = SimpleNamespace(method=incoming.method, url="http://sandbox/", headers=headers)
    signed = _signing_at(fields.first + SIGNED_EARLIER)(signer, request).headers["Authorization"]
    return str(signed).rpartition("&q-signature=")[2]


def _signing_at(second: int) -> Any:
    """Return the SDK's own signing function with a clock that stands still."""
    clock = SimpleNamespace(time=lambda: second)
    return FunctionType(cos_auth.CosS3Auth.__call__.__code__, {**vars(cos_auth), "time": clock})


def _quoted(name: str) -> str:
    return quote(name, "-_.~").lower()


def _utf8(value: str) -> str:
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value
