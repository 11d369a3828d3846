"""What the engine asks of a cloud: described calls, never sockets.

An adapter's method returns a :class:`Call`: a request, how to sign it, and how to read its reply. Nothing has happened
yet; the wire performs it, as often as it takes, signing anew each time. So an adapter is pure and testable with bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

from oms_engine.frozen import dataclass
from oms_engine.model import (
    KeyOrder,
    ListPage,
    MetadataForm,
    ObjectHead,
    PartsPage,
    Restore,
    RestoreTier,
    Span,
    StorageClass,
    UploadsPage,
    WriteOptions,
    Written,
    WrittenPart,
)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

GIB = 1024**3
MIB = 1024**2
KIB = 1024


class Endpoint(NamedTuple):
    """Where a request goes."""

    scheme: str
    """``http`` or ``https``."""
    host: str
    port: int
    public: bool = False
    """Connected to on the public internet only: the host comes out of a list that somebody else may have written."""

    @property
    def netloc(self) -> str:
        """Return the Host header: the port only where it is not the scheme's own."""
        default = 443 if self.scheme == "https" else 80
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == default else f"{host}:{self.port}"


class Request(NamedTuple):
    """An HTTP request before it is signed."""

    method: str
    endpoint: Endpoint
    path: str
    """Percent-encoded byte by byte, starts with ``/``; sent exactly as it stands."""
    query: tuple[tuple[str, str | None], ...]
    """Decoded pairs in the order they are sent; None sends the bare name (``?uploads``)."""
    headers: dict[str, str]
    """Without Host and Content-Length, which the wire adds (Host from the endpoint). Values are latin-1 text."""
    body: bytes = b""
    body_size: int | None = None
    """Length of a body that is streamed beside the request; None when ``body`` is the whole body."""
    raw_query: str | None = None
    """The query string as it is sent, instead of ``query``: of a URL that must not be written anew."""


class Reply(NamedTuple):
    """An HTTP reply. Header names are lower case; repeated headers are joined with ``, ``."""

    status: int
    headers: dict[str, str]
    body: bytes
    """Empty for the head of a streamed reply."""


Signer = Callable[[Request, float], Request]
"""(request, seconds since the epoch) -> the same request with its signature headers. Pure."""


class Renewable(Protocol):
    """What signs calls for a while and must then be fetched anew: an access token.

    The wire looks at it before it signs: the fetching is a described call like any other, performed once for all who
    wait. Shared by threads; one instance per account, compared by identity.
    """

    def due(self, now: float) -> bool:
        """Whether it should be fetched before a call is signed at ``now``: missing, or near its end."""
        ...

    def usable(self, now: float) -> bool:
        """Whether it still signs at ``now``, so that a failed renewal does no harm yet."""
        ...

    def renewal(self) -> Call[None]:
        """Return the call that fetches it; reading its reply keeps what was fetched.

        Raises:
            ConfigError: what would sign that call is no key.
        """
        ...


class Call(NamedTuple, Generic[T]):
    """A described call: nothing has happened yet. A tuple because two are made for every object.

    ``read`` turns a reply into the value, or raises a ``StoreError`` that carries its retry verdict. For the head of a
    streamed 2xx reply it is given an empty body.
    """

    request: Request
    sign: Signer
    read: Callable[[Reply], T]
    store: str
    """Label for errors, e.g. ``s3://bucket``."""
    operation: str
    renewable: Renewable | None = None
    """What ``sign`` signs with, where that expires; None: signing needs nothing but the clock."""
    trail: list[Request] | None = None
    """A list, empty at first: redirects are followed to any host, and the wire notes them here. None: a redirect only
    names another endpoint of the same store."""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a store can do, and its limits. Quirks are data here, with the vendor's page beside each in the adapter."""

    list_start_anywhere: bool = True
    """``start_after`` may be any key, existing or not, so a listing can be split and resumed."""
    order: KeyOrder = KeyOrder.UNKNOWN
    """In which order keys are listed."""
    lists: bool = True
    """False: the store holds only what somebody names, as the web does; nothing can be listed."""
    list_limit: int = 1000
    etag_is_md5: bool = True
    """A 32-digit ETag without ``-`` of an object stored in one write, without KMS, is the MD5 of its bytes."""
    part_etag_is_md5: bool = True
    claimed_md5_holds: bool = False
    """An object whose bytes do not have the MD5 that is claimed for it (``ObjectHead.claimed_md5``) is refused."""
    states_crc64: bool = False
    takes_crc64: bool = False
    """A write, a part and the join of parts may announce their CRC-64, and must where one is to be kept."""
    multipart: bool = True
    min_part_size: int = 5 * MIB
    max_part_size: int = 5 * GIB
    max_parts: int = 10_000
    max_single_write: int = 5 * GIB
    max_object_size: int = 5 * 1024 * GIB
    max_key_bytes: int = 1024
    restore: bool = True
    requester_pays: bool = True
    kms: bool = True
    max_user_metadata_bytes: int = 2048
    metadata_form: MetadataForm = MetadataForm.UTF8
    """How it takes characters outside ASCII."""
    class_of: Callable[[str], StorageClass] = field(default=lambda _word: StorageClass.STANDARD)
    """The vendor's word -> OMS's word; unknown words are STANDARD."""
    is_archived_class: Callable[[str], bool] = field(default=lambda _word: False)
    """Whether objects of this vendor class need a restore before they are read."""
    names_shared_in: Callable[[str], str] = field(default=lambda _host: "")
    """A host of the vendor -> its hosts among which a bucket's name is given once; empty: another host's own names."""
    storage_classes: frozenset[StorageClass] = frozenset(StorageClass)
    """OMS's classes that a write may ask for."""


def first_bytes(size: int) -> Span | None:
    """Return what to read of an object to see whether it is served: two bytes, as a range of one need not be known.

    None: all of it, as an empty object has no range. https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0083.html
    """
    return Span(0, min(1, size - 1)) if size > 0 else None


@runtime_checkable
class Store(Protocol):
    """One opened bucket, spoken in one dialect. Stateless: calls may be made from any thread and process."""

    label: str
    """``scheme://bucket``, for errors and records."""
    cloud_type: str
    bucket: str
    endpoint: Endpoint
    capabilities: Capabilities

    def list_page(
        self, prefix: str, *, start_after: str = "", limit: int = 1000, token: str | None = None
    ) -> Call[ListPage]:
        """List at most ``limit`` current objects whose keys start with ``prefix`` and sort after ``start_after``.

        ``token`` is the one of the page before, whose ``next_start`` is ``start_after`` then; it is given only where
        that page had one.

        Owes:
            - keys in the order the store lists them, byte-exact, without delimiter or folding; whoever needs them
              in the order of their bytes looks whether they are;
            - sizes, times, ETags and classes as the store states them;
            - ``next_start`` is None exactly when nothing follows.

        Raises:
            BucketNotFound, AccessDenied, BadCredentials and the transient errors.
        """
        ...

    def head(self, key: str) -> Call[ObjectHead]:
        """State one object.

        Raises:
            NotFound: also where HEAD's empty 404 cannot say more.
        """
        ...

    def read(self, key: str, *, span: Span | None = None, if_match: str | None = None) -> Call[ObjectHead]:
        """Read an object, or a range of it; the value is its head, the bytes are the reply's body.

        A range of one byte is an object's last: some stores know no other.

        Owes:
            - the stored bytes: never decoded, whatever Content-Encoding says (``Accept-Encoding: identity`` is sent);
            - with ``if_match`` (an ETag without quotes) the object of that ETag or ``ConditionFailed``.

        Raises:
            Archived: the object must be restored first.
        """
        ...

    def write(self, key: str, *, size: int, options: WriteOptions, body: bytes | None = None) -> Call[Written]:
        """Store an object of exactly ``size`` bytes, at once; ``body`` None means the wire streams it.

        Owes:
            - attributes and user metadata unchanged;
            - ``Content-MD5`` when ``options.md5`` is given.
        """
        ...

    def delete(self, key: str, *, version: str = "") -> Call[None]:
        """Delete an object, or the one version of it that ``Written.version`` names; a missing one is no error.

        Without the version a bucket that keeps versions only adds a delete marker, which hides the older ones too.
        """
        ...


@runtime_checkable
class MultipartStore(Store, Protocol):
    """A store that takes objects in parts. Requires ``capabilities.multipart``."""

    def start_upload(self, key: str, *, options: WriteOptions) -> Call[str]:
        """Open an upload; the value is its id. Attributes, class and encryption are fixed here."""
        ...

    def write_part(
        self,
        key: str,
        upload_id: str,
        number: int,
        *,
        size: int,
        body: bytes | None = None,
        md5: bytes | None = None,
        crc64: int | None = None,
    ) -> Call[WrittenPart]:
        """Store part ``number`` (1-based), replacing an earlier one of that number."""
        ...

    def complete_upload(
        self, key: str, upload_id: str, parts: list[WrittenPart], *, announced: bool = True
    ) -> Call[Written]:
        """Join the parts, which ascend by number; ``announced``: with the CRC-64 of the whole, where stores take one.

        Raises:
            UploadGone: also when an earlier, unanswered completion succeeded; the caller looks at the object.
            Unavailable: also for an error inside a 200 reply (S3 does that).
        """
        ...

    def abort_upload(self, key: str, upload_id: str) -> Call[None]:
        """Drop an upload and its parts; a missing one is no error."""
        ...

    def list_parts(self, key: str, upload_id: str, *, after: int = 0) -> Call[PartsPage]:
        """List stored parts by number, those greater than ``after``."""
        ...

    def list_uploads(self, prefix: str, *, after: tuple[str, str] | None = None) -> Call[UploadsPage]:
        """List open uploads whose keys start with ``prefix``, a page; ``after`` is ``next`` of the page before."""
        ...


@runtime_checkable
class ArchiveStore(Store, Protocol):
    """A store with archived classes. Requires ``capabilities.restore``."""

    def restore(self, key: str, *, days: int, tier: RestoreTier, storage_class: str = "") -> Call[Restore]:
        """Ask for an archived object to become readable for ``days``.

        ``storage_class`` is the vendor's word where it is known: some classes know no tiers, or fewer days.

        Owes: a repeated request is no error: IN_PROGRESS or READABLE.
        """
        ...


@runtime_checkable
class FrontedStore(Store, Protocol):
    """A bucket whose bytes are read through something in front of it, a CDN; all else is asked of the bucket."""

    read_endpoint: Endpoint
    """Where the bytes come from."""

    def read_stated(self, stated: ObjectHead, *, span: Span | None = None) -> Call[ObjectHead]:
        """Read the object, or a range of it, that the bucket states; the value is ``stated`` itself.

        Owes: what is served is held against size, time and, where it can be compared, ETag.

        Raises:
            ConditionFailed: another version is served.
            AccessDenied: the CDN refuses.
        """
        ...


@runtime_checkable
class TypedStore(Store, Protocol):
    """A store some of whose buckets are file systems, and say so."""

    def file_system(self) -> Call[bool] | None:
        """Ask whether the bucket is a file system, which takes neither classes nor KMS; None: no bucket is."""
        ...


class BucketStore(MultipartStore, ArchiveStore, Protocol):
    """All of it: what an object store's adapter usually is."""


AnyCall = Call[Any]

LONG_OPERATIONS = frozenset({"complete_upload"})
"""Calls whose work takes a store minutes for a large object."""
