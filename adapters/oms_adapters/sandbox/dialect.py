"""What differs between the clouds, as one object per cloud: header names, words, limits, signature, XML quirks."""

from __future__ import annotations

import base64
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from oms_adapters.sandbox.conditions import Range, parse_range
from oms_adapters.sandbox.core import Listing, Object, Stored
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.request import Incoming, parse_request
from oms_adapters.sandbox.xmltext import document, escape, iso_time, parse, replaced, tag, text_of, url_encoded
from oms_engine.frozen import dataclass

SYSTEM_HEADERS = (
    "content-type", "content-encoding", "cache-control", "content-disposition", "content-language", "expires",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Account:
    """One access key a cloud knows."""

    access_key: str
    secret_key: str
    token: str | None = None
    deny: frozenset[str] = frozenset()
    """Operations that are refused to it, by S3's names (``PutObject``)."""

    def __repr__(self) -> str:
        return f"Account({self.access_key})"


Accounts = dict[str, Account]


class Dialect(ABC):
    """The face of one cloud over the shared core."""

    name: ClassVar[str]
    prefix: ClassVar[str]
    """Of the vendor's headers: ``x-amz-``."""
    server: ClassVar[str]
    xmlns: ClassVar[str]
    classes: ClassVar[frozenset[str]]
    archived: ClassVar[frozenset[str]]
    """Classes whose bytes need a restore before they are read."""
    min_part: ClassVar[int]
    max_user_metadata: ClassVar[int]
    list_v2: ClassVar[bool]
    list_order: ClassVar[str] = "utf8"
    """The order of listings, of ``orders.RANKS``."""
    list_url_encode: ClassVar[bool] = True
    """Whether listings heed ``encoding-type=url``."""
    list_replaces: ClassVar[bool] = False
    """Whether U+FFFD stands in listings for what XML cannot hold, as Go's encoding/xml writes it."""
    next_marker_encoded: ClassVar[bool] = True
    """Whether ``encoding-type=url`` concerns NextMarker too."""
    etag_style: ClassVar[str] = "md5"
    """See :class:`oms_adapters.sandbox.core.Stored`."""
    next_marker_always: ClassVar[bool]
    """NextMarker in every truncated page, or only where a delimiter was given."""
    list_milliseconds: ClassVar[bool]
    bucket_region_header: ClassVar[str]
    crc64_word: ClassVar[str] = "checksum-crc64ecma"
    """Name, after the prefix, of the header that states a CRC-64/XZ."""
    crc64_policy: ClassVar[str] = "sent"
    """When the cloud keeps a CRC-64: see :class:`oms_adapters.sandbox.context.Settings`."""
    default_type: ClassVar[str] = "binary/octet-stream"
    """Content-Type stated for an object stored without one."""
    states_standard: ClassVar[bool] = False
    """Whether replies state the storage class STANDARD too."""
    takes_empty_token: ClassVar[bool] = False
    """Whether ``continuation-token=`` means the start of the listing, as if it were missing."""
    space_is_plus: ClassVar[bool] = True
    """Whether ``encoding-type=url`` writes a space as ``+``, as forms do, or as ``%20``."""
    titled_headers: ClassVar[bool] = False
    """Whether replies write ``Content-Type`` and ``ETag``: there are SDKs that look them up in exactly that case."""
    restore_refused: ClassVar[str] = "InvalidObjectState"
    """What a restore of an object that is not archived is refused with."""
    domains: ClassVar[tuple[str, ...]] = ()
    """The cloud's own suffixes of virtual-hosted requests, beside those of the settings."""
    codes: ClassVar[Mapping[str, tuple[str, int]]] = {}
    """A code of :mod:`oms_adapters.sandbox.refusal` -> this vendor's (code, status) for the same, where they differ."""

    operations: ClassVar[Mapping[str, Callable[[Any], Any]]] = {}
    """Operations of this cloud alone, and those it does otherwise than the others: name -> (Context) -> Reply."""
    unsigned: ClassVar[frozenset[str]] = frozenset({"GetApiVersion"})
    """Operations that are answered without a signature."""

    def parse_request(
        self, method: str, target: str, headers: list[tuple[str, str]], domains: tuple[str, ...]
    ) -> Incoming:
        """Take a request apart.

        Raises:
            Refusal: InvalidURI, NotImplemented, MethodNotAllowed.
        """
        return parse_request(method, target, headers, domains)

    def pays(self, incoming: Incoming) -> bool:
        """Whether the requester agrees to pay."""
        return incoming.headers.get(self.prefix + "request-payer") == "requester"

    def for_request(self, incoming: Incoming) -> Dialect:
        """Return the dialect a request is written in, where a cloud speaks several."""
        del incoming
        return self

    @abstractmethod
    def authenticate(self, incoming: Incoming, accounts: Accounts, now: float) -> str | None:
        """Verify the signature with the vendor's own code and return the payload hash it covers, if any.

        Raises:
            Refusal: AccessDenied, InvalidAccessKeyId, SignatureDoesNotMatch, RequestTimeTooSkewed, InvalidToken.
        """

    @abstractmethod
    def parse_encryption(self, headers: dict[str, str]) -> tuple[str | None, str | None]:
        """Return (``kms``, ``AES256`` or None; key id or None) as the headers ask for it."""

    @abstractmethod
    def render_encryption(self, stored: Stored) -> list[tuple[str, str]]:
        """Return the headers that state an object's encryption."""

    @abstractmethod
    def parse_restore(self, body: bytes, storage_class: str) -> tuple[int, str]:
        """Return days and tier (``Standard`` when not stated) of a restore request."""

    def parse_stored(self, incoming: Incoming, default_encryption: str | None) -> Stored:
        """Return what a write's headers fix for the object.

        Raises:
            Refusal: InvalidStorageClass, MetadataTooLarge.
        """
        headers = incoming.headers
        word = headers.get(self.prefix + "storage-class")
        storage_class = self.parse_class(word) if word is not None else "STANDARD"
        encryption, kms_key = self.parse_encryption(headers)
        return Stored(
            headers=_system_headers(headers),
            user=self.parse_user(headers),
            storage_class=storage_class,
            encryption=encryption or default_encryption,
            kms_key=kms_key,
            keep_crc64=self.prefix + self.crc64_word in headers,
            etag_style=self.etag_style,
        )

    def parse_class(self, word: str) -> str:
        """Return the class the core keeps for a word of the wire.

        Raises:
            Refusal: InvalidStorageClass.
        """
        if word not in self.classes:
            raise Refusal("InvalidStorageClass")
        return word

    def render_class(self, storage_class: str) -> str:
        """Return the word of the wire for a class the core keeps."""
        return storage_class

    def parse_user(self, headers: dict[str, str]) -> dict[str, str]:
        """Return user metadata.

        Raises:
            Refusal: MetadataTooLarge.
        """
        prefix = self.prefix + "meta-"
        user = {name[len(prefix) :]: value for name, value in headers.items() if name.startswith(prefix)}
        if sum(len(name) + len(value) for name, value in user.items()) > self.max_user_metadata:
            raise Refusal("MetadataTooLarge")
        return user

    def render_user(self, user: dict[str, str]) -> list[tuple[str, str]]:
        """Return the headers of user metadata."""
        return [(f"{self.prefix}meta-{name}", value) for name, value in user.items()]

    def render_stored(self, item: Object, *, with_crc64: bool) -> list[tuple[str, str]]:
        """Return the headers that state what is stored with an object, class and encryption included."""
        stored = item.stored
        headers = [*stored.headers.items(), *self.render_user(dict(stored.user)), *self.render_encryption(stored)]
        if "content-type" not in stored.headers:
            headers.append(("content-type", self.default_type))
        if stored.storage_class != "STANDARD" or self.states_standard:
            headers.append((self.prefix + "storage-class", self.render_class(stored.storage_class)))
        headers += [(self.prefix + "object-type", word)] if (word := self.object_type(item)) else []
        if with_crc64 and item.crc64 is not None:
            headers.append((self.prefix + self.crc64_word, str(item.crc64)))
        return headers

    def object_type(self, item: Object) -> str:
        """Return the type of an object as replies to HEAD and GET state it; empty: they state none."""
        del item
        return ""

    def render_list(self, incoming: Incoming, listing: Listing, after: str) -> bytes:
        """Return a page of a listing, version 1 or 2."""
        return _ListDocument(self, incoming, listing, after).render()

    def render_list_time(self, when: float) -> str:
        """Return a time as the vendor's listings state it."""
        return iso_time(when, milliseconds=self.list_milliseconds)

    def render_listed(self, item: Object) -> str:
        """Return what the vendor's listings hold of an object between its ETag and its size."""
        del item
        return ""

    def render_bucket(self, region: str) -> str:
        """Return what the vendor's list of buckets holds of a bucket beside name and time."""
        del region
        return ""

    def render_location(self, region: str) -> tuple[str, str]:
        """Return the root element and its text that state a bucket's region."""
        return "LocationConstraint", region

    def parse_range(self, headers: dict[str, str], size: int) -> Range | None:
        """Return the range of a read, None for the whole object.

        Raises:
            Refusal: InvalidRange.
        """
        return parse_range(headers.get("range"), size)

    def render_head_error(self, document: bytes) -> list[tuple[str, str]]:
        """Return headers that state the error of a HEAD, whose document is not sent."""
        del document
        return []

    def translate(self, refusal: Refusal) -> Refusal:
        """Return the refusal in the vendor's own words."""
        if refusal.code not in self.codes:
            return refusal
        code, status = self.codes[refusal.code]
        return Refusal(code, refusal.message, status=status, headers=refusal.headers)

    def render_error(self, refusal: Refusal, resource: str, request_id: str) -> bytes:
        """Return the error document."""
        parts = [tag("Code", refusal.code), tag("Message", refusal.message), tag("Resource", resource)]
        return document("Error", "", [*parts, tag("RequestId", request_id), tag("HostId", "sandbox")])


class _ListDocument:
    """One ListBucketResult."""

    def __init__(self, dialect: Dialect, incoming: Incoming, listing: Listing, after: str) -> None:
        self._dialect, self._incoming, self._listing, self._after = dialect, incoming, listing, after
        self._v2 = incoming.operation == "ListObjectsV2"
        self._url = incoming.query.get("encoding-type") == "url" and dialect.list_url_encode

    def render(self) -> bytes:
        parts = self._head()
        folders = []
        for key, item in self._listing.entries:
            name = self._name(text_of(key))
            if item is None:
                folders.append(f"<CommonPrefixes><Prefix>{name}</Prefix></CommonPrefixes>")
            else:
                parts.append(self._contents(name, item))
        return document("ListBucketResult", self._dialect.xmlns, parts + folders)

    def _name(self, text: str) -> str:
        if not self._url:
            return escape(replaced(text) if self._dialect.list_replaces else text)
        encoded = url_encoded(text)
        return encoded if self._dialect.space_is_plus else encoded.replace("+", "%20")

    def _head(self) -> list[str]:
        query, last = self._incoming.text_query, self._last()
        delimiter = query("delimiter")
        parts = [tag("Name", self._incoming.bucket), f"<Prefix>{self._name(query('prefix'))}</Prefix>"]
        parts += self._position_v2(last) if self._v2 else self._position_v1(last, delimiter)
        parts.append(tag("MaxKeys", query("max-keys", "1000")))
        if delimiter:
            parts.append(f"<Delimiter>{self._name(delimiter)}</Delimiter>")
        if self._url:
            parts.append(tag("EncodingType", "url"))
        parts.append(tag("IsTruncated", "true" if self._listing.truncated else "false"))
        return parts

    def _last(self) -> str:
        return text_of(self._listing.place)

    def _position_v1(self, last: str, delimiter: str) -> list[str]:
        parts = [f"<Marker>{self._name(self._after)}</Marker>"]
        if self._listing.truncated and (delimiter or self._dialect.next_marker_always or self._listing.leads_to):
            name = self._name(last) if self._dialect.next_marker_encoded else escape(last)
            parts.append(f"<NextMarker>{name}</NextMarker>")
        return parts

    def _position_v2(self, last: str) -> list[str]:
        query = self._incoming.text_query
        parts = [tag("KeyCount", len(self._listing.entries))]
        if query("start-after"):
            parts.append(f"<StartAfter>{self._name(query('start-after'))}</StartAfter>")
        if query("continuation-token"):
            parts.append(tag("ContinuationToken", query("continuation-token")))
        if self._listing.truncated:
            parts.append(tag("NextContinuationToken", render_token(last)))
        return parts

    def _contents(self, name: str, item: Object) -> str:
        when = self._dialect.render_list_time(item.mtime)
        word = self._dialect.render_class(item.stored.storage_class)
        return (
            f"<Contents><Key>{name}</Key><LastModified>{when}</LastModified><ETag>&quot;{item.etag}&quot;</ETag>"
            f"{self._dialect.render_listed(item)}<Size>{item.blob.size}</Size><StorageClass>{word}</StorageClass></Contents>"
        )


def render_token(last: str) -> str:
    """Return an opaque continuation token for the page after ``last``."""
    return base64.b64encode(b"\x01" + last.encode("utf-8", "surrogateescape")).decode("ascii")


def parse_token(token: str) -> bytes:
    """Return the key a continuation token stands for.

    Raises:
        Refusal: InvalidArgument.
    """
    try:
        return base64.b64decode(token, validate=True)[1:]
    except ValueError:
        raise Refusal("InvalidArgument", "The continuation token provided is incorrect") from None


def parse_days_and_tier(body: bytes, job: str) -> tuple[int, str]:
    """Return days and tier of a RestoreRequest whose tier is inside the element ``job``.

    Raises:
        Refusal: MalformedXML.
    """
    root = parse(body, "RestoreRequest")
    days = root.findtext("Days", "").strip()
    if not re.fullmatch(r"[1-9]\d{0,8}", days):
        raise Refusal("MalformedXML")
    return int(days), root.findtext(f"{job}/Tier", root.findtext("Tier", "Standard")).strip()


def _system_headers(headers: dict[str, str]) -> dict[str, str]:
    kept = {name: headers[name] for name in SYSTEM_HEADERS if headers.get(name)}
    if "content-encoding" in kept:
        # aws-chunked is the framing of the upload, not an encoding of the object:
        # https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html
        codings = [word.strip() for word in kept["content-encoding"].split(",")]
        kept["content-encoding"] = ",".join(word for word in codings if word != "aws-chunked")
    return {name: value for name, value in kept.items() if value}
