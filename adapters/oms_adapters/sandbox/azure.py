"""Azure Blob Storage's dialect: its signatures, made anew by azure-storage-blob's own code, its headers and errors.

The operations are in ``azure_blobs``. https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-rest-api
"""

from __future__ import annotations

import hmac
import re
from email.utils import parsedate_to_datetime
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

from azure.core.pipeline.transport import HttpRequest
from azure.storage.blob import generate_account_sas, generate_container_sas
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy

from oms_adapters.sandbox.azure_blobs import OPERATIONS, Blocks
from oms_adapters.sandbox.core import Stored
from oms_adapters.sandbox.dialect import Account, Accounts, Dialect
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.request import Incoming
from oms_adapters.sandbox.xmltext import document, iso_time, tag

_POLICY: Any = SharedKeyCredentialPolicy

MAX_SKEW = 15 * 60  # seconds, https://learn.microsoft.com/en-us/rest/api/storageservices/authorize-with-shared-key

_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

_RIGHTS = {"GetObject": "r", "HeadObject": "r", "ListParts": "r", "ListObjects": "l", "ListBuckets": "l",
           "DeleteObject": "d"}  # fmt: skip
"""Operation -> letter of a SAS that allows it; the others write."""


class Azure(Dialect):
    """One storage account, whose name stands in the path, as behind an IP address."""

    name = "azure"
    prefix = "x-ms-"
    server = "Windows-Azure-Blob/1.0 Microsoft-HTTPAPI/2.0"
    xmlns = ""
    # https://learn.microsoft.com/en-us/azure/storage/blobs/access-tiers-overview
    classes = frozenset({"Hot", "Cool", "Cold", "Archive"})
    archived = frozenset({"Archive"})
    min_part = 0
    max_user_metadata = 8192
    list_v2 = False
    list_order = "utf16"  # https://github.com/blobfile/blobfile/pull/238; Azurite does so too
    next_marker_always = True
    list_milliseconds = False
    bucket_region_header = "x-ms-region"
    default_type = "application/octet-stream"
    operations = OPERATIONS
    # https://learn.microsoft.com/en-us/rest/api/storageservices/blob-service-error-codes
    codes = {  # noqa: RUF012 - declared a ClassVar by the base
        "AccessDenied": ("NoAuthenticationInformation", 401),
        "BadDigest": ("Md5Mismatch", 400),
        "BucketAlreadyOwnedByYou": ("ContainerAlreadyExists", 409),
        "InvalidAccessKeyId": ("AuthenticationFailed", 403),
        "InvalidDigest": ("InvalidMd5", 400),
        "InvalidObjectState": ("BlobArchived", 409),
        "InvalidPart": ("InvalidBlockList", 400),
        "InvalidStorageClass": ("InvalidHeaderValue", 400),
        "KeyTooLongError": ("InvalidUri", 400),
        "MalformedXML": ("InvalidXmlDocument", 400),
        "NoSuchBucket": ("ContainerNotFound", 404),
        "NoSuchKey": ("BlobNotFound", 404),
        "PreconditionFailed": ("ConditionNotMet", 412),
        "NotModified": ("ConditionNotMet", 304),
        "RequestTimeTooSkewed": ("AuthenticationFailed", 403),
        "SignatureDoesNotMatch": ("AuthenticationFailed", 403),
        "SlowDown": ("ServerBusy", 503),
    }

    def __init__(self) -> None:
        self.blocks: Blocks = {}

    def parse_request(
        self, method: str, target: str, headers: list[tuple[str, str]], domains: tuple[str, ...]
    ) -> Incoming:
        """Take a request apart: ``/account/container/blob?comp=...&restype=...``."""
        del domains
        path, _, raw = target.partition("?")
        query: dict[str, str | None] = {
            name: values[0] for name, values in parse_qs(raw, keep_blank_values=True, errors="surrogateescape").items()
        }
        incoming = Incoming(method, path, raw, dict(headers), query=query)
        _, _, rest = path.removeprefix("/").partition("/")
        container, _, blob = rest.partition("/")
        incoming.bucket, incoming.key = unquote_to_bytes(container).decode(), unquote_to_bytes(blob)
        incoming.operation = _operation(incoming)
        return incoming

    def authenticate(self, incoming: Incoming, accounts: Accounts, now: float) -> str | None:
        """Verify a Shared Key or a shared access signature."""
        name = incoming.path.split("/")[1]
        if name not in accounts:
            raise Refusal("InvalidAccessKeyId")
        if "sig" in incoming.query:
            _verify_sas(incoming, accounts[name], now)
            return None
        given = incoming.headers.get("authorization")
        if given is None:
            raise Refusal("AccessDenied")
        if abs(_time(incoming.headers.get("x-ms-date", "")) - now) > MAX_SKEW:
            raise Refusal("RequestTimeTooSkewed")
        if not hmac.compare_digest(given, _recompute(incoming, accounts[name])):
            raise Refusal("SignatureDoesNotMatch")
        return None

    def parse_encryption(self, headers: dict[str, str]) -> tuple[str | None, str | None]:
        """Return nothing: the service encrypts everything, and says so of nothing."""
        del headers
        return None, None

    def render_encryption(self, stored: Stored) -> list[tuple[str, str]]:
        """State that it is encrypted, as all is."""
        del stored
        return [("x-ms-server-encrypted", "true")]

    def parse_restore(self, body: bytes, storage_class: str) -> tuple[int, str]:
        """Refuse: rehydration is a change of tier."""
        del body, storage_class
        raise Refusal("NotImplemented")

    def parse_class(self, word: str) -> str:
        """Return the tier."""
        if word not in self.classes:
            raise Refusal("InvalidStorageClass")
        return word

    def render_class(self, storage_class: str) -> str:
        """Return the tier; what was placed without one is hot."""
        return "Hot" if storage_class == "STANDARD" else storage_class

    def parse_user(self, headers: dict[str, str]) -> dict[str, str]:
        """Return user metadata, whose names must be C# identifiers and whose values ASCII."""
        user = super().parse_user(headers)
        if any(not _IDENTIFIER.fullmatch(name) or not value.isascii() for name, value in user.items()):
            raise Refusal("InvalidMetadata", "The metadata specified is invalid.")
        return user

    def translate(self, refusal: Refusal) -> Refusal:
        """Return the refusal in Azure's words; its code stands in a header too."""
        said = super().translate(refusal)
        headers = (*said.headers, ("x-ms-error-code", said.code))
        return Refusal(said.code, said.message, status=said.status, headers=headers)

    def render_error(self, refusal: Refusal, resource: str, request_id: str) -> bytes:
        """Return the error document; the message's further lines are the request's id and time."""
        del resource
        text = f"{refusal.message}\nRequestId:{request_id}\nTime:2026-01-01T00:00:00.0000000Z"
        return document("Error", "", [tag("Code", refusal.code), tag("Message", text)])


_PLAIN = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
_NAMED = {
    ("PUT", "block"): "UploadPart",
    ("PUT", "blocklist"): "CompleteMultipartUpload",
    ("GET", "blocklist"): "ListParts",
    ("PUT", "tier"): "RestoreObject",
}
_CONTAINER = {
    ("GET", "list"): "ListObjects",
    ("GET", ""): "HeadBucket",
    ("HEAD", ""): "HeadBucket",
    ("PUT", ""): "CreateBucket",
}


def _operation(incoming: Incoming) -> str:
    asked = (incoming.method, incoming.text_query("comp"))
    if not incoming.bucket:
        operation = "ListBuckets" if asked == ("GET", "list") else None
    elif incoming.text_query("restype") == "container":
        operation = _CONTAINER.get(asked)
    else:
        operation = _NAMED.get(asked) if asked[1] else _PLAIN.get(asked[0])
    if operation is None:
        raise Refusal("UnsupportedQueryParameter")
    return operation


def _time(text: str) -> float:
    try:
        return parsedate_to_datetime(text).timestamp()
    except ValueError:
        raise Refusal("InvalidHeaderValue") from None


def _recompute(incoming: Incoming, account: Account) -> str:
    """Return the Authorization header that the SDK gives the request."""
    url = f"http://sandbox{incoming.path}" + (f"?{incoming.raw_query}" if incoming.raw_query else "")
    headers = {name: value for name, value in incoming.headers.items() if name != "authorization"}
    request: Any = SimpleNamespace(
        http_request=HttpRequest(incoming.method, url, headers), context=SimpleNamespace(transport=None)
    )
    _POLICY(account.access_key, account.secret_key).on_request(request)
    return str(request.http_request.headers["Authorization"])


def _verify_sas(incoming: Incoming, account: Account, now: float) -> None:
    """Sign the token's own claims again, then hold the request against them.

    https://learn.microsoft.com/en-us/rest/api/storageservices/create-account-sas
    """
    get = incoming.text_query
    common: dict[str, Any] = {
        name: get(short) or None for name, short in (("start", "st"), ("protocol", "spr"), ("ip", "sip"))
    }
    try:
        if get("ss"):
            text = generate_account_sas(
                account.access_key, account.secret_key, get("srt"), get("sp"), get("se"), services=get("ss"), **common
            )
        else:
            text = generate_container_sas(
                account.access_key,
                incoming.bucket,
                account.secret_key,
                permission=get("sp"),
                expiry=get("se"),
                **common,
            )
    except ValueError:
        raise Refusal("SignatureDoesNotMatch") from None
    if not hmac.compare_digest(parse_qs(text)["sig"][0], get("sig")):
        raise Refusal("SignatureDoesNotMatch")
    if parse_qs(text)["se"][0] < f"{iso_time(now)[:19]}Z":
        raise Refusal("SignatureDoesNotMatch", "Signature not valid in the specified time frame")
    if not set(get("sp")) & set(_RIGHTS.get(incoming.operation, "wc")):
        raise Refusal("AuthorizationPermissionMismatch", status=403)
