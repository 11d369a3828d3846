"""The head of an object: from and to the headers of the S3 family."""

from __future__ import annotations

import re
from binascii import Error as NotBase64
from binascii import a2b_base64, b2a_base64
from functools import lru_cache

from mypy_extensions import mypyc_attr

from oms_adapters.dialects.profile import S3Profile
from oms_adapters.dialects.times import parse_http_date
from oms_engine.model import (
    ArchiveState,
    Attributes,
    ObjectHead,
    Span,
    WriteOptions,
    Written,
    WrittenPart,
    strong_etag,
)
from oms_engine.store import Reply

_TOTAL = re.compile(r"bytes ([0-9]+)-([0-9]+)/([0-9]+|\*)")


_Text = str | None


@lru_cache(maxsize=1024)  # the objects of a bucket have few different ones
def _system(
    kind: _Text, encoding: _Text, caching: _Text, disposition: _Text, language: _Text, expires: _Text
) -> Attributes:
    return Attributes(kind, encoding, caching, disposition, language, expires)


@mypyc_attr(allow_interpreted_subclasses=True)
class HeadReader:
    """Reads one dialect's reply headers; the names are put together once."""

    def __init__(self, profile: S3Profile) -> None:
        prefix = profile.header_prefix
        self._profile = profile
        self._meta = f"{prefix}meta-"
        self._withheld = f"{prefix}missing-meta"
        self._class = f"{prefix}storage-class"
        self._restore = f"{prefix}restore"
        self._archive_status = f"{prefix}archive-status"
        self._tier = f"{prefix}storage-tier"
        self._forced = f"{prefix}force-download"
        self._type = f"{prefix}object-type"
        self._version = f"{prefix}version-id"
        self._sse = f"{prefix}server-side-encryption"
        self._customer = f"{prefix}server-side-encryption-customer-algorithm"
        self._kms_words = frozenset({"aws:kms", "aws:kms:dsse", profile.kms_value.lower()})
        self._crc64 = profile.crc64_header or ""
        self._md5_when = profile.md5_when
        self._etag_is_md5 = profile.capabilities.etag_is_md5
        self._part_etag_is_md5 = profile.capabilities.part_etag_is_md5

    def head(self, key: str, headers: dict[str, str]) -> ObjectHead:
        """Return the object that the headers of a HEAD or GET state."""
        get = headers.get
        word = get(self._class, "")
        etag = stated_etag(get("etag", ""))
        encryption = self.encryption(headers)
        return ObjectHead(
            key,
            whole_size(headers),
            etag,
            parse_http_date(get("last-modified", "")),
            self._attributes(headers),
            word,
            self._archive(word, headers),
            self.crc64(headers),
            encryption,
            self._md5(etag, encryption) if self._etag_is_md5 and self.is_whole(headers) else None,
        )

    def is_whole(self, headers: dict[str, str]) -> bool:
        """Whether an object came in one write, as far as its type says.

        The ETag of one that was appended to is that of the last piece, or none of an MD5:
        https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0088.html,
        https://www.tencentcloud.com/document/product/436/7741, https://help.aliyun.com/en/oss/user-guide/0026-00000017
        """
        kind = headers.get(self._type)
        return kind is None or kind.lower() == "normal"

    def written(self, headers: dict[str, str], *, etag: str | None = None, single: bool = True) -> Written:
        """Return what the reply to a write states; ``single`` when the object came in one request."""
        if etag is None:
            text = headers.get("etag", "")
            etag = text[1:-1] if len(text) == 34 and text[0] == text[33] == '"' else strong_etag(text)
        encryption = self.encryption(headers)
        md5 = self._md5(etag, encryption) if single and self._etag_is_md5 else None
        version = headers.get(self._version, "")
        return Written(etag, md5, self.crc64(headers), parse_http_date(headers.get("date", "")), encryption, version)

    def part(self, number: int, size: int, headers: dict[str, str]) -> WrittenPart:
        """Return what the reply to a part states."""
        etag = strong_etag(headers.get("etag", ""))
        md5 = self._md5(etag, self.encryption(headers)) if self._part_etag_is_md5 else None
        return WrittenPart(number, etag, size, md5, self.crc64(headers))

    def encryption(self, headers: dict[str, str]) -> str | None:
        """Return ``kms``, ``aes256``, the vendor's word, or None for a store that states nothing."""
        word = headers.get(self._sse)
        if word is None:
            return "customer" if self._customer in headers else None
        word = word.lower()
        return "kms" if word in self._kms_words else word

    def crc64(self, headers: dict[str, str]) -> int | None:
        """Return the whole object's CRC-64/XZ where the store states one."""
        text = headers.get(self._crc64, "")
        return int(text) if text.isascii() and text.isdigit() else None

    def _md5(self, etag: str, encryption: str | None) -> bytes | None:
        etag = etag.removeprefix("W/")
        if len(etag) != 32 or encryption not in self._md5_when:
            return None
        try:
            md5 = bytes.fromhex(etag)
        except ValueError:
            return None
        return md5 if len(md5) == 16 else None  # fromhex passes over blanks

    def _archive(self, word: str, headers: dict[str, str]) -> ArchiveState:
        state = headers.get(self._restore)
        if state is not None and 'ongoing-request="true"' in state:
            return ArchiveState.RESTORING
        if self._archive_status in headers or headers.get(self._tier) in self._profile.archived_tiers:
            return ArchiveState.ARCHIVED  # in a tier it sinks into again: an earlier restore says nothing
        if state is None and self._profile.capabilities.is_archived_class(word):
            return ArchiveState.ARCHIVED
        return ArchiveState.READABLE

    def _attributes(self, headers: dict[str, str]) -> Attributes:
        meta, cut = self._meta, len(self._meta)
        user = {name[cut:]: value for name, value in headers.items() if name.startswith(meta)}
        get = headers.get
        kind, encoding, caching = get("content-type"), stored_coding(get("content-encoding")), get("cache-control")
        disposition, language, expires = get("content-disposition"), get("content-language"), get("expires")
        forced = self._forced in headers and headers[self._forced].lower() == "true"
        if user or forced or self._withheld in headers:
            withheld = withheld_entries(headers.get(self._withheld))
            if forced and disposition == "attachment":
                disposition = None
            return Attributes(kind, encoding, caching, disposition, language, expires, user, withheld, forced)
        return _system(kind, encoding, caching, disposition, language, expires)


def stated_etag(text: str) -> str:
    """Return an ETag without its quotes; a weak one keeps its ``W/``, since no If-Match can name it."""
    return f"W/{strong_etag(text)}" if text.startswith("W/") else text.strip('"')


def content_md5(headers: dict[str, str]) -> bytes | None:
    """Return the MD5 that Content-MD5 states of a whole object; beside a range it would be the range's."""
    text = headers.get("content-md5")
    if text is None or "content-range" in headers:
        return None
    try:
        digest = a2b_base64(text, strict_mode=True)
    except NotBase64:
        return None
    return digest if len(digest) == 16 else None


def stored_coding(text: _Text) -> _Text:
    """Return Content-Encoding without ``aws-chunked``, which frames an upload and is no coding of what is stored.

    Stores that keep it hand it on with the object: https://github.com/boto/boto3/issues/4564
    """
    if text is None or "aws-chunked" not in text.lower():
        return text
    kept = [coding for coding in map(str.strip, text.split(",")) if coding.lower() not in {"aws-chunked", ""}]
    return ",".join(kept) or None


def withheld_entries(text: _Text) -> int:
    """Return how many entries of user metadata a store says it holds and cannot return in a header.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_GetObject.html (``x-amz-missing-meta``)
    """
    if text is None:
        return 0
    return int(text) if text.isascii() and text.isdigit() else 1


def whole_size(headers: dict[str, str]) -> int | None:
    """Return the size of the whole object: from Content-Range of a ranged reply, else Content-Length.

    A range of an object whose size the server does not state (``bytes 0-9/*``) leaves it open.
    """
    if ranged := headers.get("content-range"):
        found = _TOTAL.fullmatch(ranged)
        return int(found[3]) if found and found[3] != "*" else None
    length = headers.get("content-length", "")
    return int(length) if length.isascii() and length.isdigit() else None


def stated_span(headers: dict[str, str]) -> tuple[int, int] | None:
    """Return the first and last byte that Content-Range states, or None without one."""
    found = _TOTAL.fullmatch(headers.get("content-range", ""))
    return (int(found[1]), int(found[2])) if found else None


def range_fault(span: Span, reply: Reply) -> str | None:
    """Return why a reply does not hold the range asked for; None when it does, clipped at the object's end.

    `rclone serve s3` answers 200, with Content-Range; without one the body is the whole object, or nobody knows what.
    """
    stated, size = stated_span(reply.headers), whole_size(reply.headers)
    if stated is None:
        if reply.status != 206 and size is not None and span.first == 0 and size <= span.last + 1:
            return None
        return "the store does not read ranges: it states no Content-Range"
    end = span.last if size is None else min(span.last, size - 1)
    if stated != (span.first, end):
        return f"the store does not read ranges as asked: bytes {stated[0]}-{stated[1]} came"
    return None


def render_attributes(attributes: Attributes, prefix: str) -> dict[str, str]:
    """Return the headers that store attributes unchanged; what is absent stays absent."""
    pairs = (
        ("content-type", attributes.content_type),
        ("content-encoding", attributes.content_encoding),
        ("cache-control", attributes.cache_control),
        ("content-disposition", attributes.content_disposition),
        ("content-language", attributes.content_language),
        ("expires", attributes.expires),
    )
    headers = {name: value for name, value in pairs if value is not None}
    for name, value in attributes.user.items():
        headers[f"{prefix}meta-{name}"] = value
    return headers


def render_options(options: WriteOptions, profile: S3Profile) -> dict[str, str]:
    """Return the headers that fix attributes, storage class and encryption of a new object."""
    headers = render_attributes(options.attributes, profile.header_prefix)
    if options.storage_class is not None:
        headers[f"{profile.header_prefix}storage-class"] = profile.class_words[options.storage_class]
    if options.kms:
        headers[f"{profile.header_prefix}server-side-encryption"] = profile.kms_value
    return headers


def render_md5(digest: bytes) -> str:
    """Return a digest as Content-MD5 has it."""
    return b2a_base64(digest, newline=False).decode()
