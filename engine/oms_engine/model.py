"""The nouns of a migration: frozen values, no behaviour beyond their own meaning.

Keys are ``str`` holding the exact bytes of the store: UTF-8, and ``surrogateescape`` where a store returns bytes that
are not UTF-8. They are never normalised, stripped or joined by a path library. Times are seconds since the epoch, UTC.
Sizes are bytes.
"""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import Final, NamedTuple

from oms_engine.frozen import dataclass

UNKNOWN_TIME: Final = 0.0
"""The time of an object whose store states none that can be read. No object is of 1970, so nothing true is lost."""


class Secret:
    """A value that must never be printed: it renders as ``***`` everywhere.

    Call :meth:`reveal` at the one place that signs with it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the plain value."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, its secret and, for temporary credentials, the security token."""

    access_key: str
    secret_key: Secret
    token: Secret | None = None


class StorageClass(StrEnum):
    """OMS's words for the storage classes of OBS (``dst_storage_policy``); adapters map vendors' words to them."""

    STANDARD = "STANDARD"
    IA = "IA"
    ARCHIVE = "ARCHIVE"
    DEEP_ARCHIVE = "DEEP_ARCHIVE"


class StoragePolicy(StrEnum):
    """``dst_storage_policy``: one fixed class, or the source's class mapped."""

    STANDARD = "STANDARD"
    IA = "IA"
    ARCHIVE = "ARCHIVE"
    DEEP_ARCHIVE = "DEEP_ARCHIVE"
    SRC_STORAGE_MAPPING = "SRC_STORAGE_MAPPING"


class OverwriteMode(StrEnum):
    """``object_overwrite_mode``: when an object that exists at the destination is written again."""

    NO_OVERWRITE = "NO_OVERWRITE"
    SIZE_LAST_MODIFIED = "SIZE_LAST_MODIFIED_COMPARISON_OVERWRITE"
    CRC64 = "CRC64_COMPARISON_OVERWRITE"
    FULL_OVERWRITE = "FULL_OVERWRITE"


class ConsistencyCheck(StrEnum):
    """``consistency_check``: how a copied object is held against its source."""

    SIZE_LAST_MODIFIED = "size_last_modified"
    CRC64 = "crc64"
    NO_CHECK = "no_check"


class TaskType(StrEnum):
    """``task_type``: what the object keys of a task mean."""

    OBJECT = "object"
    PREFIX = "prefix"
    LIST = "list"
    URL_LIST = "url_list"


class MetadataForm(StrEnum):
    """How a store takes characters outside ASCII in headers; see :func:`oms_engine.metadata.plan_value`."""

    PERCENT = "percent"
    """Chinese percent-encoded, as OBS's SDKs read and write it; nothing else."""
    WORDS = "words"
    """As encoded words (RFC 2047), in user metadata: S3 decodes them before it stores, and encodes what it returns."""
    UTF8 = "utf8"
    """As the bytes of their UTF-8."""


class InvalidMetadata(StrEnum):
    """What becomes of metadata that the destination cannot hold."""

    FAIL = "fail"
    DROP = "drop"
    ENCODE = "encode"


class ArchiveState(StrEnum):
    """Whether the bytes of an object can be read now."""

    READABLE = "readable"
    ARCHIVED = "archived"
    RESTORING = "restoring"


class RestoreTier(StrEnum):
    """Speed of a restore. Adapters map it to the vendor's word."""

    EXPEDITED = "expedited"
    STANDARD = "standard"
    BULK = "bulk"


class ListedObject(NamedTuple):
    """One object as a listing states it (a tuple because millions of them are made)."""

    key: str
    size: int
    last_modified: float
    """``UNKNOWN_TIME`` where the store states none."""
    etag: str
    """Without quotes; opaque: an MD5 only where the store's capabilities say so and it has no ``-``."""
    storage_class: str
    """The vendor's word, empty when the listing does not state it."""


@dataclass(frozen=True, slots=True)
class Attributes:
    """What travels with an object beside its bytes.

    Values are the header values as the store holds them, as latin-1 text of their bytes; user metadata names are lower
    case and without the vendor's prefix.
    """

    content_type: str | None = None
    content_encoding: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_language: str | None = None
    expires: str | None = None
    user: dict[str, str] = field(default_factory=dict)
    withheld: int = 0
    """Entries of user metadata that the store holds and cannot return in a header (``x-amz-missing-meta``)."""
    forced_download: bool = False
    """The store put ``attachment`` in the place of the object's own Content-Disposition, which only HEAD states."""


class ObjectHead(NamedTuple):
    """One object as HEAD, or the head of a GET, states it (a tuple because one is made per object)."""

    key: str
    size: int | None
    """Size of the whole object, also when a range was read; None when the store does not state it."""
    etag: str
    last_modified: float
    attributes: Attributes
    storage_class: str = ""
    archive: ArchiveState = ArchiveState.READABLE
    crc64: int | None = None
    """CRC-64/XZ of the whole object, where the store keeps one."""
    encryption: str | None = None
    """``kms``, ``aes256`` or the vendor's word; None when stored unencrypted."""
    md5: bytes | None = None
    """MD5 of the whole object, when the store's statement is known to be one (plain ETag, no KMS, no multipart)."""
    claimed_md5: bytes | None = None
    """What the store states as the MD5 and does not vouch for: it may be stale, or somebody's mistake."""


class Span(NamedTuple):
    """A byte range, both ends inclusive, as HTTP's Range has it."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """Number of bytes in the range."""
        return self.last - self.first + 1


class WriteOptions(NamedTuple):
    """How an object is stored at the destination."""

    attributes: Attributes = Attributes()
    storage_class: StorageClass | None = None
    """None leaves it to the bucket's default."""
    kms: bool = False
    md5: bytes | None = None
    """MD5 of the body when known beforehand: sent as Content-MD5, so the store refuses damaged bytes."""
    crc64: int | None = None
    """CRC-64/XZ of the body when known beforehand: sent to stores that keep one (OBS keeps it only when it is sent)."""


class Written(NamedTuple):
    """What a store says about an object it has just stored."""

    etag: str
    md5: bytes | None
    """MD5 the store computed of the body, when its ETag is one."""
    crc64: int | None
    last_modified: float
    """The store's clock at the write (its Date header): the object's own time is never later."""
    encryption: str | None
    version: str = ""
    """The id of what was written, in a bucket that keeps versions; else empty."""


class WrittenPart(NamedTuple):
    """What a store says about a part it has just stored."""

    number: int
    etag: str
    size: int
    md5: bytes | None = None
    crc64: int | None = None


class KeyOrder(StrEnum):
    """In which order a store lists its keys."""

    UTF8 = "utf8"
    """By their UTF-8 bytes, as the vendor documents and keeps it: a listing may begin at any key."""
    UTF16 = "utf16"
    """By UTF-16 code units: other than by bytes only where U+E000 to U+FFFF meet characters beyond U+FFFF."""
    PATH = "path"
    """Folder by folder: ``a/b`` before ``a-1``, as file systems and hierarchical name spaces list."""
    UNORDERED = "unordered"
    UNKNOWN = "unknown"
    """Nobody vouches for it: taken for byte order, and held against it as long as a run lasts."""


class ListPage(NamedTuple):
    """One page of a listing, as the store gives it; more follow when ``next_start`` is not None."""

    objects: list[ListedObject]
    next_start: str | None
    """The last key, for ``start_after``; where the page holds no object, what the page itself started after."""
    token: str | None = None
    """What the store gave to go on with; it leads to the next page whatever order the keys have."""


class PartsPage(NamedTuple):
    """One page of the parts an upload holds."""

    parts: list[WrittenPart]
    next_number: int | None


class OpenUpload(NamedTuple):
    """An upload in parts that was neither completed nor aborted, as the store lists it."""

    key: str
    upload_id: str
    initiated: float | None
    """When it was opened, by the store's clock; None where the store does not state it."""


class UploadsPage(NamedTuple):
    """One page of the open uploads of a bucket."""

    uploads: list[OpenUpload]
    next: tuple[str, str] | None
    """Key and id after which the next page starts, None when nothing follows."""
    now: float | None = None
    """The store's clock as it answered, where it states it."""


class Restore(StrEnum):
    """The answer to a restore request."""

    REQUESTED = "requested"
    IN_PROGRESS = "in_progress"
    READABLE = "readable"


class Outcome(StrEnum):
    """The one end of an object."""

    MIGRATED = "migrated"
    SKIPPED = "skipped"
    FAILED = "failed"


def strong_etag(text: str) -> str:
    """Return an ETag without quotes and without the ``W/`` of a weak one.

    Fronts that may change how a reply is coded (nginx, CDNs) weaken the ETags that pass; what they state is the same.
    """
    return text.strip().removeprefix("W/").strip('"')


def same_etag(one: str, other: str) -> bool:
    """Whether two ETags name one version, by weak comparison: https://www.rfc-editor.org/rfc/rfc9110#section-8.8.3.2."""
    return one == other or strong_etag(one) == strong_etag(other)


def key_bytes(key: str) -> bytes:
    """Return the exact bytes of a key."""
    return key.encode("utf-8", "surrogateescape")


def key_before(a: str, b: str) -> bool:
    """Whether ``a`` sorts before ``b`` by UTF-8 bytes.

    Code point order equals UTF-8 byte order, so plain comparison serves unless bytes outside UTF-8 came in.
    """
    if a.isascii() or b.isascii():
        return a < b
    return key_bytes(a) < key_bytes(b)
