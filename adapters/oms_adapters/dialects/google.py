"""Google Cloud Storage: its XML API, which is of the S3 family, and its JSON API for what that one states better.

https://cloud.google.com/storage/docs/xml-api/overview

- Listings are JSON: they state the generation and the storage class of each object, which XML's do not.
- Reads, heads and writes are XML: one reply holds the bytes and everything stored with them; a JSON download has no
  custom metadata.
- An object's ETag is its *generation* here: both APIs state it (their ETags differ), it names these very bytes, and
  a read is pinned to it. https://cloud.google.com/storage/docs/metadata#generation-number
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar

from oms_adapters.dialects.codes import CODES, SENTENCES, STATUSES
from oms_adapters.dialects.heads import HeadReader, stored_coding, whole_size
from oms_adapters.dialects.paging import make_page
from oms_adapters.dialects.profile import S3Profile
from oms_adapters.dialects.s3 import S3Dialect
from oms_adapters.dialects.times import parse_http_date, parse_listed_time
from oms_adapters.dialects.xml import refuse_web_page
from oms_adapters.signing.google import AccessToken
from oms_adapters.signing.quoting import Query, quote_value
from oms_engine.errors import (
    AccessDenied,
    AccountRefused,
    BadCredentials,
    BucketNotFound,
    ConditionFailed,
    InvalidRequest,
    NotFound,
    Redirected,
    StoreError,
    Throttled,
    Unavailable,
    UnexpectedReply,
    Unsupported,
)
from oms_engine.model import ArchiveState, Attributes, ListedObject, ListPage, ObjectHead, Span, Written, WrittenPart
from oms_engine.store import Call, Endpoint, Reply, Request, Signer

T = TypeVar("T")

FIELDS = "nextPageToken,items(name,size,updated,generation,storageClass)"

PRIVATE_DEFAULT = "private, max-age=0"
"""Cache-Control of replies about objects that are stored without one; together with an Expires that is the reply's
Date. https://cloud.google.com/storage/docs/metadata#cache-control"""

REASONS: dict[str, type[StoreError]] = {
    "accountDisabled": AccountRefused,
    "authError": BadCredentials,
    "authenticationRequiredRequesterPays": BadCredentials,
    "backendError": Unavailable,
    "conditionNotMet": ConditionFailed,
    "countryBlocked": AccessDenied,
    "dailyLimitExceeded": Throttled,
    "expired": BadCredentials,
    "forbidden": AccessDenied,
    "insufficientPermissions": AccessDenied,
    "internalError": Unavailable,
    "invalid": InvalidRequest,
    "invalidArgument": InvalidRequest,
    "keyInvalid": BadCredentials,
    "methodNotAllowed": Unsupported,
    "notFound": NotFound,
    "notImplemented": Unsupported,
    "quotaExceeded": Throttled,
    "rateLimitExceeded": Throttled,
    "required": BadCredentials,
    "sslRequired": AccessDenied,
    "userProjectAccessDenied": AccessDenied,
    "userProjectInconsistent": InvalidRequest,
    "userProjectInvalid": InvalidRequest,
    "userProjectMissing": InvalidRequest,
    "userRateLimitExceeded": Throttled,
}
"""Reasons of the JSON API: https://cloud.google.com/storage/docs/json_api/v1/status-codes"""


class GoogleHeads(HeadReader):
    """Reads the XML API's reply headers: https://cloud.google.com/storage/docs/xml-api/reference-headers."""

    def head(self, key: str, headers: dict[str, str]) -> ObjectHead:
        """Return the object that the headers of a HEAD or GET state."""
        get = headers.get
        stored = get("x-goog-stored-content-length", "")
        return ObjectHead(
            key,
            int(stored) if stored.isascii() and stored.isdigit() else whole_size(headers),
            get("x-goog-generation", ""),
            parse_http_date(get("last-modified", "")),
            self._attributes(headers),
            get("x-goog-storage-class", ""),
            ArchiveState.READABLE,
            None,
            self.encryption(headers),
            stated_md5(headers),
        )

    def _attributes(self, headers: dict[str, str]) -> Attributes:
        get = headers.get
        coding, caching = get("x-goog-stored-content-encoding"), get("cache-control")
        return Attributes(
            get("content-type"),
            stored_coding(get("content-encoding") or (None if coding == "identity" else coding)),
            None if caching == PRIVATE_DEFAULT else caching,
            get("content-disposition"),
            get("content-language"),
            None,  # Expires is never stored: each reply makes one up from Cache-Control
            {name[12:]: value for name, value in headers.items() if name.startswith("x-goog-meta-")},
        )

    def written(self, headers: dict[str, str], *, etag: str | None = None, single: bool = True) -> Written:
        """Return what the reply to a write states; the generation is missing where the caller must ask HEAD."""
        del etag
        stated = super().written(headers, etag=headers.get("x-goog-generation", ""), single=False)
        return stated._replace(md5=stated_md5(headers) if single else None)

    def part(self, number: int, size: int, headers: dict[str, str]) -> WrittenPart:
        """Return what the reply to a part states."""
        return super().part(number, size, headers)._replace(md5=stated_md5(headers))

    def encryption(self, headers: dict[str, str]) -> str | None:
        """Return ``kms`` or ``customer`` for keys that are not Google's own."""
        if "x-goog-encryption-kms-key-name" in headers:
            return "kms"
        return "customer" if "x-goog-encryption-algorithm" in headers else None


def stated_md5(headers: dict[str, str]) -> bytes | None:
    """Return the MD5 of ``x-goog-hash: crc32c=...,md5=...``; composite objects have none."""
    stated = headers.get("x-goog-hash", "")
    at = stated.find("md5=")
    if at < 0:
        return None
    try:
        digest = b64decode(stated[at + 4 :].partition(",")[0], validate=True)
    except ValueError:
        return None
    return digest if len(digest) == 16 else None


class InteropHeads(HeadReader):
    """Reads replies to S3's protocol: they carry Google's headers as well, and what each reply makes up.

    An object in parts has an ETag that is no MD5; where its MD5 is known, ``x-goog-hash`` states it.
    """

    def head(self, key: str, headers: dict[str, str]) -> ObjectHead:
        """Return the object that the headers of a HEAD or GET state."""
        head = super().head(key, headers)
        digest = stated_md5(headers) if head.encryption is None else None
        return head if digest is None else head._replace(md5=digest)

    def _attributes(self, headers: dict[str, str]) -> Attributes:
        found = super()._attributes(headers)
        caching = None if found.cache_control == PRIVATE_DEFAULT else found.cache_control
        return replace(found, cache_control=caching, expires=None)


class GoogleDialect(S3Dialect):
    """One opened bucket. ``token`` is renewed by the wire where a service account signs."""

    def __init__(
        self,
        profile: S3Profile,
        *,
        bucket: str,
        endpoint: Endpoint,
        signer: Signer,
        token: AccessToken | None,
        payer: str,
    ) -> None:
        super().__init__(profile, bucket=bucket, endpoint=endpoint, path_style=True, signer=signer)
        self._token = token
        self._reader = GoogleHeads(profile)
        # https://cloud.google.com/storage/docs/requester-pays
        payment = {"x-goog-user-project": payer} if payer else {}
        self._writing = payment
        self._listing = {"accept-encoding": "identity", **payment}
        # Without it Google unpacks objects of Content-Encoding gzip: https://cloud.google.com/storage/docs/transcoding
        self._reading = {"accept-encoding": "gzip", **payment}

    def list_page(
        self, prefix: str, *, start_after: str = "", limit: int = 1000, token: str | None = None
    ) -> Call[ListPage]:
        """See :meth:`oms_engine.store.Store.list_page`."""
        most = self.capabilities.list_limit
        # A listing starts at startOffset, so the key it starts after comes once more.
        asked = min(limit + 1 if start_after and token is None else limit, most)
        query: list[tuple[str, str | None]] = [
            ("maxResults", str(asked)),
            ("projection", "noAcl"),
            ("prettyPrint", "false"),
            ("fields", FIELDS),
        ]
        query += [
            (name, value)
            for name, value in (
                ("prefix", prefix),
                ("startOffset", start_after if token is None else ""),
                ("pageToken", token),
            )
            if value
        ]
        path = f"/storage/v1/b/{quote_value(self.bucket)}/o"
        request = Request("GET", self.endpoint, path, tuple(query), self._listing)
        read = partial(self._read_page, prefix, start_after, min(limit, most))
        return Call(request, self._sign, read, self.label, "list_page", self._token)

    def _read_page(self, prefix: str, start_after: str, limit: int, reply: Reply) -> ListPage:
        if reply.status != 200:
            raise json_error(reply, store=self.label, operation="list_page")
        try:
            refuse_web_page(reply.body)
            page = json.loads(reply.body)
            if "error" in page:  # a front end that answers 200 before it knows
                raise json_error(reply._replace(status=500), store=self.label, operation="list_page")
            objects = [_listed(item) for item in page.get("items", ())]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise self._unexpected("list_page", "", reply, "the reply is no listing") from None
        token = str(page.get("nextPageToken") or "")
        return make_page(objects, start_after, prefix=prefix, limit=limit, token=token, by_bytes=True)

    def read(self, key: str, *, span: Span | None = None, if_match: str | None = None) -> Call[ObjectHead]:
        """See :meth:`oms_engine.store.Store.read`; ``if_match`` is a generation."""
        headers = self._reading.copy()
        if span is not None:
            headers["range"] = f"bytes={span.first}-{span.last}"
        if if_match is not None:
            headers["x-goog-if-generation-match"] = if_match
        return self._call("read", "GET", key, partial(self._read_object, key, span), headers=headers)

    def _call(
        self,
        operation: str,
        method: str,
        key: str | None,
        read: Callable[[Reply], T],
        *,
        query: Query = (),
        headers: dict[str, str],
        body: bytes | None = b"",
        size: int = 0,
    ) -> Call[T]:
        request = Request(method, self.endpoint, self._path(key), query, headers, body or b"")
        if body is None:
            request = request._replace(body_size=size)
        return Call(request, self._sign, read, self.label, operation, self._token)

    def _path(self, key: str | None) -> str:
        # Slashes of a name are encoded too, as the vendor's SDK does: nothing on the way takes `..` for a folder.
        # https://cloud.google.com/storage/docs/request-endpoints#encoding
        return f"{self._root}/" if key is None else f"{self._root}/{quote_value(key)}"


class InteropDialect(S3Dialect):
    """A bucket reached with HMAC keys: S3's protocol to the letter, SigV4 and ``x-amz-`` headers.

    https://cloud.google.com/storage/docs/interoperability
    """

    def __init__(self, profile: S3Profile, *, bucket: str, endpoint: Endpoint, signer: Signer) -> None:
        super().__init__(profile, bucket=bucket, endpoint=endpoint, path_style=True, signer=signer)
        self._reader = InteropHeads(profile)
        self._reading = {"accept-encoding": "gzip"}


def _listed(item: dict[str, Any]) -> ListedObject:
    when = parse_listed_time(item.get("updated", ""))
    return ListedObject(item["name"], int(item["size"]), when, item["generation"], item.get("storageClass", ""))


def json_error(reply: Reply, *, store: str, operation: str) -> StoreError:
    """Return the error that a reply of the JSON API means."""
    reason, message = _stated(reply.body)
    kind = REASONS.get(reason) or CODES.get(reason)
    if kind is None:
        kind = STATUSES.get(reply.status) or (Unavailable if reply.status >= 500 else UnexpectedReply)
    # The JSON API never redirects: something before it does.
    kind = {NotFound: BucketNotFound, Redirected: UnexpectedReply}.get(kind, kind)
    text = GOOGLE_SENTENCES.get(reason) or SENTENCES[kind]
    return kind(
        f"{text} ({message})" if message else text,
        store=store,
        operation=operation,
        status=reply.status,
        vendor_code=reason,
        request_id=reply.headers.get("x-guploader-uploadid", ""),
    )


_REFUSED = "the access token is not accepted: it has expired or was revoked, or its account was deleted or disabled"

GOOGLE_SENTENCES = {
    "authError": _REFUSED,
    "AuthenticationRequired": _REFUSED,
    "expired": _REFUSED,
    "ExpiredToken": _REFUSED,
    "required": "the bucket is not public; give a service account's json_auth_file",
    "userProjectMissing": "the bucket's requester pays: set requester_pays and the project that pays (user_project)",
    "UserProjectMissing": "the bucket's requester pays: set requester_pays and the project that pays (user_project)",
    "userProjectAccessDenied": "the account may not bill the project: grant it serviceusage.services.use there",
    "UserProjectAccessDenied": "the account may not bill the project: grant it serviceusage.services.use there",
    "accountDisabled": "the account is disabled or unpaid; mend its billing in the Google Cloud console",
    "AccountProblem": "the account is disabled or unpaid; mend its billing in the Google Cloud console",
}
"""Codes of either API whose remedy differs from that of their class."""


def _stated(body: bytes) -> tuple[str, str]:
    """Return reason and message of a JSON error, empty where it states none."""
    try:
        error = json.loads(body)["error"]
        reasons = [str(item.get("reason", "")) for item in error.get("errors", ())]
        return (reasons[0] if reasons else ""), str(error.get("message", ""))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return "", ""
