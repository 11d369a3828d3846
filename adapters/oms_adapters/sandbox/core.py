"""The object core that all loopback clouds share: buckets, objects, uploads and listings in memory.

It knows no HTTP and no dialect. Keys are bytes. Nothing here is thread-safe: one event loop owns a core.
"""

from __future__ import annotations

import hashlib
import secrets
from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from dataclasses import field, replace
from itertools import pairwise
from typing import NamedTuple

from oms_adapters.sandbox.blob import Blob
from oms_adapters.sandbox.refusal import Refusal
from oms_engine.frozen import dataclass

DAY = 86_400.0


@dataclass(frozen=True, slots=True)
class Stored:
    """Everything that is stored with an object, or fixed for it when its upload begins, beside its bytes."""

    headers: Mapping[str, str] = field(default_factory=dict)
    """System headers by lower-case name, as latin-1 text."""
    user: Mapping[str, str] = field(default_factory=dict)
    """User metadata by lower-case name without the vendor's prefix."""
    storage_class: str = "STANDARD"
    encryption: str | None = None
    """``kms``, ``AES256`` or None."""
    kms_key: str | None = None
    keep_crc64: bool = False
    etag_style: str = "md5"
    """How its ETag is made: see :func:`plain_etag` and :func:`joined_etag`."""


@dataclass(frozen=True, slots=True)
class Object:
    """One stored object."""

    blob: Blob
    etag: str
    mtime: float
    stored: Stored
    crc64: int | None = None
    version: str = ""
    """Its id in a bucket that keeps versions, or kept them."""
    kind: str = ""
    """``appendable``: it grew by AppendObject; ``form``: it came through a browser's form; empty: anything else."""
    restored_from: float | None = None
    """When a restore that was asked for ends, by the cloud's clock; None when none was asked for."""
    restored_until: float = 0.0

    def restoring(self, now: float) -> bool:
        """Whether a restore runs."""
        return self.restored_from is not None and now < self.restored_from

    def restored(self, now: float) -> bool:
        """Whether a restored copy can be read."""
        return self.restored_from is not None and self.restored_from <= now < self.restored_until


class Part(NamedTuple):
    """One stored part of an upload."""

    blob: Blob
    etag: str
    mtime: float
    announced: bool = False
    """It came with its CRC-64."""


@dataclass(slots=True)
class Upload:
    """A multipart upload in flight."""

    upload_id: str
    key: bytes
    stored: Stored
    started: float
    parts: dict[int, Part] = field(default_factory=dict)

    def add_part(self, number: int, blob: Blob, *, now: float, announced: bool = False) -> Part:
        """Store a part, replacing an earlier one of its number."""
        part = Part(blob, plain_etag(blob, self.stored), now, announced)
        self.parts[number] = part
        return part


class Listing(NamedTuple):
    """One page: ``entries`` hold an object, or None where the name is a common prefix."""

    entries: list[tuple[bytes, Object | None]]
    truncated: bool
    leads_to: bytes = b""
    """Where a page without entries goes on; else behind the last entry."""

    @property
    def place(self) -> bytes:
        """Where the next page goes on; empty on the last one."""
        if not self.truncated:
            return b""
        return self.leads_to or self.entries[-1][0]


def plain_etag(blob: Blob, stored: Stored) -> str:
    """Return the ETag of a blob stored in one write: its MD5, unless KMS encrypts it or the cloud has a way of its own.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_Object.html
    """
    if stored.etag_style == "own":
        return hashlib.md5(b"own" + blob.md5(), usedforsecurity=False).hexdigest()
    return secrets.token_hex(16) if stored.encryption == "kms" else blob.md5().hex()


def joined_etag(parts: list[Part], style: str = "md5") -> str:
    """Return the ETag of a multipart object: MD5 of the parts' MD5s, a dash, their number.

    Styles of other clouds: ``own`` and ``own-joined`` look like a plain MD5 and are none.
    """
    digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False).hexdigest()
    return f"{digest}-{len(parts)}" if style == "md5" else digest


class Bucket:
    """Objects and uploads under one name."""

    def __init__(
        self, name: str, *, created: float, default_encryption: str | None = None, requester_pays: bool = False
    ) -> None:
        self.name = name
        self.created = created
        self.default_encryption = default_encryption
        self.requester_pays = requester_pays
        self.versioning = ""
        """``enabled``, ``suspended``, or empty: no versions are kept."""
        self.file_system = False
        """A parallel file system: folders are entries of their own; no classes, no encryption, no versions."""
        self.locked = False
        """Versions are protected by WORM: none may be deleted, delete markers may."""
        self.objects: dict[bytes, Object] = {}
        self.versions: dict[bytes, dict[str, Object | None]] = {}
        """Of each key by id, the newest last; None is a delete marker."""
        self.uploads: dict[str, Upload] = {}
        self.cached: dict[bytes, Object] = {}
        """What HEAD states, whether it is stored or not."""
        self._keys: list[bytes] = []
        self._late: list[bytes] = []

    def sorted_keys(self) -> list[bytes]:
        """Return all keys, ascending by bytes; the list belongs to the bucket."""
        if self._late:
            self._keys.extend(self._late)
            self._keys.sort()
            self._late.clear()
        return self._keys

    def get(self, key: bytes) -> Object:
        """Return an object.

        Raises:
            Refusal: NoSuchKey.
        """
        try:
            return self.objects[key]
        except KeyError:
            raise Refusal("NoSuchKey") from None

    def put(self, key: bytes, item: Object) -> Object:
        """Store an object, replacing the one of that key, and return it as it is stored."""
        if self.versioning:
            item = replace(item, version=self._new_version())
            self._remember(key, item.version, item)
        self._show(key, item)
        return item

    def _show(self, key: bytes, item: Object) -> None:
        if key not in self.objects:
            in_order = not self._late and (not self._keys or self._keys[-1] < key)
            (self._keys if in_order else self._late).append(key)
        self.objects[key] = item

    def _new_version(self) -> str:
        return secrets.token_hex(16) if self.versioning == "enabled" else "null"

    def _remember(self, key: bytes, version: str, item: Object | None) -> None:
        held = self.versions.setdefault(key, {})
        held.pop(version, None)
        held[version] = item

    def write(self, key: bytes, blob: Blob, stored: Stored, *, mtime: float, opaque: bool = False) -> Object:
        """Store bytes as one write and return the object; ``opaque`` gives it an ETag that is no MD5."""
        crc64 = blob.crc64() if stored.keep_crc64 else None
        etag = secrets.token_hex(16) if opaque else plain_etag(blob, stored)
        return self.put(key, Object(blob, etag, mtime, stored, crc64))

    def append(self, key: bytes, piece: Blob, stored: Stored, *, position: int, mtime: float) -> Object:
        """Add a piece to an appendable object, or begin one; its ETag is the MD5 of the last piece.

        https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0088.html

        Raises:
            Refusal: ObjectNotAppendable, PositionNotEqualToLength.
        """
        before = self.objects.get(key)
        if before is not None and before.kind != "appendable":
            raise Refusal("ObjectNotAppendable")
        if position != (0 if before is None else before.blob.size):
            raise Refusal("PositionNotEqualToLength")
        blob = piece if before is None else Blob.joined((before.blob, piece))
        stored = stored if before is None else before.stored
        crc64 = blob.crc64() if stored.keep_crc64 else None
        return self.put(key, Object(blob, plain_etag(piece, stored), mtime, stored, crc64, kind="appendable"))

    def touch(self, key: bytes, mtime: float) -> None:
        """Set an object's modification time."""
        self.objects[key] = replace(self.get(key), mtime=mtime)

    def delete(self, key: bytes) -> bool:
        """Remove an object; False when there was none. Where versions are kept, a delete marker hides it."""
        if self.versioning:
            self._remember(key, self._new_version(), None)
        return self._hide(key)

    def delete_version(self, key: bytes, version: str) -> bool:
        """Remove one version for good, so that the one before it is the current one; True for a delete marker.

        https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0085.html

        Raises:
            Refusal: AccessDenied, under WORM.
        """
        held = self.versions.get(key, {})
        if self.locked and held.get(version) is not None:
            raise Refusal("AccessDenied", "The version is protected by WORM")
        gone = held.pop(version, self)
        newest = held[list(held)[-1]] if held else None
        if newest is None:
            self._hide(key)
        else:
            self._show(key, newest)
        return gone is None

    def _hide(self, key: bytes) -> bool:
        if self.objects.pop(key, None) is None:
            return False
        keys = self.sorted_keys()
        del keys[bisect_left(keys, key)]
        return True

    def page(self, prefix: bytes, after: bytes, limit: int, delimiter: bytes = b"") -> Listing:
        """List at most ``limit`` keys or common prefixes that start with ``prefix`` and sort after ``after``.

        A common prefix that is ``after`` itself, or holds it, is not given again.
        """
        keys = self.sorted_keys()
        at = max(bisect_right(keys, after), bisect_left(keys, prefix))
        entries: list[tuple[bytes, Object | None]] = []
        while at < len(keys) and keys[at].startswith(prefix):
            key = keys[at]
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                folder = key[: cut + len(delimiter)]
                at = _past(keys, folder)
                if folder <= after:
                    continue
                entry: tuple[bytes, Object | None] = (folder, None)
            else:
                at += 1
                entry = (key, self.objects[key])
            if len(entries) == limit:
                return Listing(entries, truncated=limit > 0)
            entries.append(entry)
        return Listing(entries, truncated=False)

    def start(self, key: bytes, stored: Stored, *, now: float) -> Upload:
        """Open a multipart upload."""
        upload = Upload(secrets.token_urlsafe(24), key, stored, now)
        self.uploads[upload.upload_id] = upload
        return upload

    def upload(self, key: bytes, upload_id: str) -> Upload:
        """Return an upload in flight.

        Raises:
            Refusal: NoSuchUpload, also for the id of another key.
        """
        upload = self.uploads.get(upload_id)
        if upload is None or upload.key != key:
            raise Refusal("NoSuchUpload")
        return upload

    def complete(
        self, upload: Upload, wanted: list[tuple[int, str]], *, smallest: int, now: float, crc64: str | None = None
    ) -> Object:
        """Join the wanted (number, ETag) parts of an upload into its object and end the upload.

        ``crc64`` is the decimal CRC-64 the client announces for the whole object.

        Raises:
            Refusal: InvalidPartOrder, InvalidPart, EntityTooSmall (all but the last need ``smallest`` bytes),
                MalformedXML when no part is wanted, InvalidCRC64 for a wrong ``crc64``.
        """
        parts = _chosen(upload, wanted)
        if any(part.blob.size < smallest for part in parts[:-1]):
            raise Refusal("EntityTooSmall")
        blob = Blob.joined(part.blob for part in parts)
        kms = upload.stored.encryption == "kms"
        etag = f"{secrets.token_hex(16)}-{len(parts)}" if kms else joined_etag(parts, upload.stored.etag_style)
        computed = blob.crc64() if upload.stored.keep_crc64 or crc64 is not None else None
        if crc64 is not None and str(computed) != crc64:
            raise Refusal("InvalidCRC64")
        item = self.put(upload.key, Object(blob, etag, now, upload.stored, computed))
        del self.uploads[upload.upload_id]
        return item

    def restore(self, key: bytes, *, ready: float, until: float) -> None:
        """Note a restore that ends at ``ready`` and whose copy lives until ``until``."""
        self.objects[key] = replace(self.objects[key], restored_from=ready, restored_until=until)


class Core:
    """All buckets of one cloud."""

    def __init__(self) -> None:
        self.buckets: dict[str, Bucket] = {}

    def bucket(self, name: str) -> Bucket:
        """Return a bucket.

        Raises:
            Refusal: NoSuchBucket.
        """
        try:
            return self.buckets[name]
        except KeyError:
            raise Refusal("NoSuchBucket") from None


def _chosen(upload: Upload, wanted: list[tuple[int, str]]) -> list[Part]:
    numbers = [number for number, _ in wanted]
    if not numbers:
        raise Refusal("MalformedXML")
    if any(a >= b for a, b in pairwise(numbers)):
        raise Refusal("InvalidPartOrder")
    parts = [upload.parts.get(number) for number in numbers]
    found = [part for part, (_, etag) in zip(parts, wanted, strict=True) if part is not None and part.etag == etag]
    if len(found) != len(wanted):
        raise Refusal("InvalidPart")
    return found


def _past(keys: list[bytes], folder: bytes) -> int:
    """Return the index of the first key after all that start with ``folder``."""
    last = folder.rstrip(b"\xff")
    return bisect_left(keys, last[:-1] + bytes([last[-1] + 1])) if last else len(keys)
