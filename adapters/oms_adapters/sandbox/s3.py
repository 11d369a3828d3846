"""Amazon S3's dialect, its signatures verified by botocore's own signing code."""

from __future__ import annotations

import hmac
from datetime import UTC, datetime
from email.header import Header
from typing import Any

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials

from oms_adapters.sandbox.core import Stored
from oms_adapters.sandbox.dialect import Account, Accounts, Dialect, parse_days_and_tier
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.request import Incoming

MAX_SKEW = 15 * 60  # seconds, https://docs.aws.amazon.com/AmazonS3/latest/API/RESTAuthentication.html
ALGORITHM = "AWS4-HMAC-SHA256"


class S3(Dialect):
    """https://docs.aws.amazon.com/AmazonS3/latest/API/."""

    name = "s3"
    prefix = "x-amz-"
    server = "AmazonS3"
    xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_PutObject.html
    classes = frozenset(
        {"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER",
         "DEEP_ARCHIVE", "GLACIER_IR"}
    )  # fmt: skip
    archived = frozenset({"GLACIER", "DEEP_ARCHIVE"})
    min_part = 5 * 1024 * 1024  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
    max_user_metadata = 2048  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
    list_v2 = True
    next_marker_always = False  # https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListObjects.html
    list_milliseconds = False
    bucket_region_header = "x-amz-bucket-region"

    def authenticate(self, incoming: Incoming, accounts: Accounts, now: float) -> str | None:
        """Verify a Signature Version 4 in the Authorization header."""
        return verify_v4(incoming, accounts, now)

    def parse_encryption(self, headers: dict[str, str]) -> tuple[str | None, str | None]:
        """Read x-amz-server-side-encryption."""
        word = headers.get("x-amz-server-side-encryption")
        if word is None or word == "AES256":
            return word, None
        if word not in {"aws:kms", "aws:kms:dsse"}:
            raise Refusal("InvalidArgument", "The encryption method specified is not supported")
        return "kms", headers.get("x-amz-server-side-encryption-aws-kms-key-id", "arn:aws:kms:sandbox:key/default")

    def render_encryption(self, stored: Stored) -> list[tuple[str, str]]:
        """State x-amz-server-side-encryption."""
        if stored.encryption is None:
            return []
        word = "aws:kms" if stored.encryption == "kms" else stored.encryption
        key = [("x-amz-server-side-encryption-aws-kms-key-id", stored.kms_key)] if stored.kms_key else []
        return [("x-amz-server-side-encryption", word), *key]

    def render_user(self, user: dict[str, str]) -> list[tuple[str, str]]:
        """Return user metadata; values outside ASCII as RFC 2047 words, as S3's REST API does.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/UsingMetadata.html
        """
        return [(f"x-amz-meta-{name}", value if value.isascii() else _word(value)) for name, value in user.items()]

    def render_location(self, region: str) -> tuple[str, str]:
        """Return the location, which is empty for us-east-1.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetBucketLocation.html
        """
        return "LocationConstraint", "" if region == "us-east-1" else region

    def parse_restore(self, body: bytes, storage_class: str) -> tuple[int, str]:
        """Read a RestoreRequest; DEEP_ARCHIVE has no Expedited tier.

        https://docs.aws.amazon.com/AmazonS3/latest/API/API_RestoreObject.html
        """
        days, tier = parse_days_and_tier(body, "GlacierJobParameters")
        if tier not in {"Expedited", "Standard", "Bulk"}:
            raise Refusal("MalformedXML")
        if storage_class == "DEEP_ARCHIVE" and tier == "Expedited":
            raise Refusal("InvalidArgument", "Retrieval option is not supported by this storage class")
        return days, tier


class _Recomputed(S3SigV4Auth):  # type: ignore[misc]
    """botocore's signer over exactly the headers the client signed."""

    signed: frozenset[str] = frozenset()

    def headers_to_sign(self, request: Any) -> HTTPHeaders:
        """Return the signed headers as received."""
        chosen = HTTPHeaders()
        for name, value in request.headers.items():
            if name.lower() in self.signed:
                chosen[name.lower()] = value
        return chosen


def verify_v4(incoming: Incoming, accounts: Accounts, now: float) -> str:
    """Verify an AWS4-HMAC-SHA256 Authorization header and return the payload hash it covers.

    Raises:
        Refusal: as :meth:`Dialect.authenticate`, and AuthorizationHeaderMalformed.
    """
    headers = incoming.headers
    fields = _authorization(headers.get("authorization", ""))
    access_key, date, region, service, _ = (fields["Credential"].split("/") + [""] * 5)[:5]
    account = known_account(accounts, access_key)
    check_token(account, headers.get("x-amz-security-token"))
    stamp = headers.get("x-amz-date", "")
    check_skew(_parse_stamp(stamp), now)
    if not stamp.startswith(date) or service != "s3":
        raise Refusal("AuthorizationHeaderMalformed")
    payload_hash = headers.get("x-amz-content-sha256")
    if payload_hash is None:
        raise Refusal("InvalidRequest", "Missing required header for this request: x-amz-content-sha256")
    if not hmac.compare_digest(
        _recompute(incoming, account, region, stamp, fields["SignedHeaders"]), fields["Signature"]
    ):
        raise Refusal("SignatureDoesNotMatch")
    return payload_hash


def known_account(accounts: Accounts, access_key: str) -> Account:
    """Return an account.

    Raises:
        Refusal: InvalidAccessKeyId.
    """
    if access_key not in accounts:
        raise Refusal("InvalidAccessKeyId")
    return accounts[access_key]


def check_token(account: Account, token: str | None) -> None:
    """Hold a security token against the account's; a permanent key must come without one.

    Raises:
        Refusal: InvalidToken, InvalidAccessKeyId when a temporary key comes without its token.
    """
    if account.token is not None and token is None:
        raise Refusal("InvalidAccessKeyId")
    if account.token != token:
        raise Refusal("InvalidToken")


def check_skew(stamp: float, now: float) -> None:
    """Refuse a request signed too long before or after ``now``.

    Raises:
        Refusal: RequestTimeTooSkewed.
    """
    if abs(stamp - now) > MAX_SKEW:
        raise Refusal("RequestTimeTooSkewed")


def _authorization(header: str) -> dict[str, str]:
    if not header:
        raise Refusal("AccessDenied")
    algorithm, _, rest = header.partition(" ")
    fields = dict(item.strip().partition("=")[::2] for item in rest.split(","))
    if algorithm != ALGORITHM or not {"Credential", "SignedHeaders", "Signature"} <= fields.keys():
        raise Refusal("AuthorizationHeaderMalformed")
    if "host" not in fields["SignedHeaders"].split(";"):
        raise Refusal("AccessDenied", "There were headers present in the request which were not signed")
    return fields


def _parse_stamp(stamp: str) -> float:
    try:
        return datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError:
        raise Refusal("AccessDenied", "AWS authentication requires a valid Date or x-amz-date header") from None


def _recompute(incoming: Incoming, account: Account, region: str, stamp: str, signed: str) -> str:
    signer = _Recomputed(Credentials(account.access_key, account.secret_key), "s3", region)
    signer.signed = frozenset(signed.split(";"))
    unsigned = [name for name in incoming.headers if name.startswith("x-amz-") and name not in signer.signed]
    if unsigned:
        raise Refusal("AccessDenied", "There were headers present in the request which were not signed")
    url = f"http://sandbox{incoming.path}?{incoming.raw_query}"
    request = AWSRequest(method=incoming.method, url=url, headers={k: _utf8(v) for k, v in incoming.headers.items()})
    request.context["timestamp"] = stamp
    return str(signer.signature(signer.string_to_sign(request, signer.canonical_request(request)), request))


def _utf8(value: str) -> str:
    """Return a latin-1 header value as the text whose UTF-8 bytes were received, where they are UTF-8."""
    if value.isascii():
        return value
    try:
        return value.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        return value


def _word(value: str) -> str:
    return Header(_utf8(value), "utf-8", maxlinelen=10_000).encode()
