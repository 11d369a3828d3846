"""Google Cloud Storage: the XML API over the shared operations, the OAuth token endpoint, and HMAC keys.

Assertions are verified by google-auth's own code. An account's ``secret_key`` is the PEM of its private key, except
where HMAC keys are used (``GOOG...``). The JSON API is in ``google_json``. https://cloud.google.com/storage/docs/apis
"""

from __future__ import annotations

import gzip
import json
import re
import secrets
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import fastcrc
from cryptography.hazmat.primitives import serialization
from google.auth import jwt

from oms_adapters.sandbox import buckets, objects, uploads
from oms_adapters.sandbox.blob import Blob
from oms_adapters.sandbox.context import Context
from oms_adapters.sandbox.core import Object, Stored
from oms_adapters.sandbox.dialect import Account, Accounts, Dialect
from oms_adapters.sandbox.google_json import JSON_OPERATIONS, json_reply, parse_json_request, render_json_error
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.reply import Reply
from oms_adapters.sandbox.request import Incoming, parse_request
from oms_adapters.sandbox.s3 import S3
from oms_adapters.sandbox.xmltext import http_time

_decode: Any = jwt.decode

TOKEN_SECONDS = 3600
AUDIENCE = "https://oauth2.googleapis.com/token"

CLASSES = frozenset({"STANDARD", "NEARLINE", "COLDLINE", "ARCHIVE"})


def generation_of(item: Object) -> str:
    """Return an object's generation; Google's are, like these, the microsecond of the write."""
    return str(int(item.mtime * 1_000_000))


def hash_of(item: Object) -> str:
    """Return ``x-goog-hash``; an object made of parts has no MD5.

    https://cloud.google.com/storage/docs/hashes-etags
    """
    crc = crc32c_of(item.blob)
    return crc if "-" in item.etag else f"{crc},md5={b64encode(item.blob.md5()).decode()}"


def crc32c_of(blob: Blob) -> str:
    """Return the CRC32C of bytes as ``x-goog-hash`` has it."""
    checksum = 0
    for piece in blob.pieces:
        checksum = fastcrc.crc32.iscsi(piece, checksum)
    return f"crc32c={b64encode(checksum.to_bytes(4, 'big')).decode()}"


def generation_headers(item: Object) -> list[tuple[str, str]]:
    """Return generation, hashes, stored length and coding."""
    return [
        ("x-goog-generation", generation_of(item)),
        ("x-goog-metageneration", "1"),
        ("x-goog-hash", hash_of(item)),
        ("x-goog-stored-content-length", str(item.blob.size)),
        ("x-goog-stored-content-encoding", item.stored.headers.get("content-encoding", "identity")),
    ]


def get_object(context: Context) -> Reply:
    """Read an object; one of Content-Encoding gzip is unpacked unless the client takes gzip."""
    check_generation(context)
    return serve_transcoded(context, default_caching(context, objects.get_object(context)))


def head_object(context: Context) -> Reply:
    """State an object."""
    check_generation(context)
    return default_caching(context, objects.head_object(context))


def put_object(context: Context) -> Reply:
    """Store an object and state its generation."""
    if any(char in context.incoming.key for char in b"\r\n"):
        raise Refusal("InvalidArgument", "Object names cannot contain line breaks.")
    reply = objects.put_object(context)
    reply.headers += generation_headers(context.bucket().get(context.incoming.key))
    return reply


def upload_part(context: Context) -> Reply:
    """Store a part and state its hashes."""
    reply = uploads.upload_part(context)
    md5 = b64encode(context.body.md5()).decode()
    reply.headers.append(("x-goog-hash", f"{crc32c_of(context.body)},md5={md5}"))
    return reply


def complete_upload(context: Context) -> Reply:
    """Join the parts and state the generation."""
    reply = uploads.complete_upload(context)
    reply.headers += generation_headers(context.bucket().get(context.incoming.key))
    return reply


def check_generation(context: Context) -> None:
    """Hold ``x-goog-if-generation-match`` (XML) or ``ifGenerationMatch`` (JSON) against the object.

    Raises:
        Refusal: PreconditionFailed, NoSuchKey.
    """
    wanted = context.header("if-generation-match") or context.incoming.text_query("ifGenerationMatch")
    if wanted and generation_of(context.bucket().get(context.incoming.key)) != wanted:
        raise Refusal("PreconditionFailed")


def default_caching(context: Context, reply: Reply) -> Reply:
    """State the Cache-Control and Expires that Google makes up for private objects stored without one."""
    if not any(name == "cache-control" for name, _ in reply.headers):
        reply.headers += [("cache-control", "private, max-age=0"), ("expires", http_time(context.now))]
    return reply


def serve_transcoded(context: Context, reply: Reply) -> Reply:
    """Unpack what is stored packed: https://cloud.google.com/storage/docs/transcoding."""
    packed = ("content-encoding", "gzip") in reply.headers
    if not packed or "gzip" in context.incoming.headers.get("accept-encoding", ""):
        return reply
    plain = gzip.decompress(reply.blob.whole())
    headers = [(name, value) for name, value in reply.headers if name not in {"content-encoding", "content-range"}]
    return Reply(200, headers, Blob([plain]), 0, len(plain))


def grant_token(context: Context) -> Reply:
    """Exchange an assertion for an access token.

    https://developers.google.com/identity/protocols/oauth2/service-account#httprest
    """
    dialect = context.dialect
    assert isinstance(dialect, Google)
    form = parse_qs(context.body.whole().decode())
    with refused_grants():
        (assertion,) = form["assertion"]
        email = str(_decode(assertion, verify=False)["iss"])
        account = context.state.accounts[email]
        claims = _decode(assertion, certs=_public_pem(account), audience=AUDIENCE)
        if abs(float(claims["iat"]) - context.now) > 300 or "devstorage" not in claims["scope"]:
            raise ValueError
        token = f"ya29.{secrets.token_urlsafe(32)}"
        dialect.tokens[token] = (email, context.now + TOKEN_SECONDS)
        return json_reply({"access_token": token, "expires_in": TOKEN_SECONDS, "token_type": "Bearer"})
    return json_reply({"error": "invalid_grant", "error_description": "Invalid JWT Signature."}, 400)


@contextmanager
def refused_grants() -> Iterator[None]:
    """Go on behind the block when the assertion is not what it should be."""
    try:
        yield
    except (KeyError, ValueError):
        return


def _public_pem(account: Account) -> bytes:
    key = serialization.load_pem_private_key(account.secret_key.encode(), None)
    return key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_file(url: str, email: str, private_key: str, *, project: str = "sandbox-project") -> str:
    """Return the text of a service account's key file whose tokens the cloud at ``url`` grants."""
    info: dict[str, Any] = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": "sandbox",
        "private_key": private_key,
        "client_email": email,
        "client_id": re.sub(r"\D", "", email),
        "token_uri": f"{url}/token",
    }
    return json.dumps(info)


class GoogleInterop(S3):
    """S3's protocol over the same objects: https://cloud.google.com/storage/docs/interoperability."""

    name = "google"
    classes = CLASSES
    archived = frozenset()
    operations = {  # noqa: RUF012 - declared a ClassVar by the base
        "GetObject": lambda context: serve_transcoded(context, objects.get_object(context)),
        "ListObjectsV2": buckets.list_objects,
    }


class Google(Dialect):
    """https://cloud.google.com/storage/docs/xml-api/overview."""

    name = "google"
    prefix = "x-goog-"
    server = "UploadServer"
    xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"
    classes = CLASSES
    archived = frozenset()
    min_part = 5 * 1024 * 1024  # https://cloud.google.com/storage/quotas
    max_user_metadata = 8192
    list_v2 = True
    next_marker_always = True
    list_milliseconds = True
    bucket_region_header = "x-goog-bucket-region"
    default_type = "application/octet-stream"
    states_standard = True
    unsigned = frozenset({"Token"})

    operations = {  # noqa: RUF012 - declared a ClassVar by the base
        **JSON_OPERATIONS,
        "Token": grant_token,
        "GetObject": get_object,
        "HeadObject": head_object,
        "PutObject": put_object,
        "UploadPart": upload_part,
        "CompleteMultipartUpload": complete_upload,
    }

    def __init__(self) -> None:
        self.tokens: dict[str, tuple[str, float]] = {}
        """Access token -> (account, end)."""
        self._interop = GoogleInterop()

    def parse_request(
        self, method: str, target: str, headers: list[tuple[str, str]], domains: tuple[str, ...]
    ) -> Incoming:
        """Take a request of either API, or to the token endpoint, apart."""
        path, _, query = target.partition("?")
        if path == "/token" and method == "POST":
            return Incoming(method, path, query, dict(headers), operation="Token")
        return parse_json_request(method, target, headers) or parse_request(method, target, headers, domains)

    def for_request(self, incoming: Incoming) -> Dialect:
        """Return S3's dialect for a request signed with HMAC keys."""
        return self._interop if incoming.headers.get("authorization", "").startswith("AWS4") else self

    def authenticate(self, incoming: Incoming, accounts: Accounts, now: float) -> str | None:
        """Look the access token up that the token endpoint granted."""
        kind, _, token = incoming.headers.get("authorization", "").partition(" ")
        if kind != "Bearer":
            raise Refusal("AuthenticationRequired", "Authentication required.", status=401)
        email, end = self.tokens.get(token, ("", 0.0))
        if email not in accounts or now >= end:
            raise Refusal("AuthenticationRequired", "Invalid Credentials", status=401)
        return None

    def pays(self, incoming: Incoming) -> bool:
        """Whether a project is named that pays: https://cloud.google.com/storage/docs/requester-pays."""
        return "x-goog-user-project" in incoming.headers or "userProject" in incoming.query

    def parse_encryption(self, headers: dict[str, str]) -> tuple[str | None, str | None]:
        """Read x-goog-encryption-kms-key-name."""
        key = headers.get("x-goog-encryption-kms-key-name")
        return ("kms", key) if key else (None, None)

    def render_encryption(self, stored: Stored) -> list[tuple[str, str]]:
        """State x-goog-encryption-kms-key-name."""
        return [("x-goog-encryption-kms-key-name", stored.kms_key or "")] if stored.encryption == "kms" else []

    def parse_restore(self, body: bytes, storage_class: str) -> tuple[int, str]:
        """Refuse: no class needs a restore."""
        del body, storage_class
        raise Refusal("NotImplemented")

    def render_error(self, refusal: Refusal, resource: str, request_id: str) -> bytes:
        """Return the error document of the API that was asked."""
        if resource.startswith(("/storage/v1/", "/upload/", "/download/")):
            return render_json_error(refusal)
        return super().render_error(refusal, resource, request_id)

    def render_stored(self, item: Object, *, with_crc64: bool) -> list[tuple[str, str]]:
        """Return what is stored with an object; Expires is no metadata here.

        https://cloud.google.com/storage/docs/xml-api/reference-headers
        """
        given = super().render_stored(item, with_crc64=with_crc64)
        headers = [(name, value) for name, value in given if name != "expires"]
        return headers + generation_headers(item)
