"""What a test, or the demo, holds in its hands: one cloud, its buckets, its faults, seen without HTTP."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from oms_adapters.sandbox.dialect import Account
from oms_adapters.sandbox.faults import Fault
from oms_adapters.sandbox.host import PutItem, SandboxObject, SandboxUpload
from oms_adapters.sandbox.service import LogEntry
from oms_engine.model import Credentials, Secret
from oms_engine.store import Endpoint

Command = Callable[..., Any]


class BucketView:
    """One bucket, inspected directly."""

    def __init__(self, command: Command, name: str) -> None:
        self._command = command
        self.name = name

    def put(
        self,
        key: str,
        body: bytes = b"",
        *,
        headers: Mapping[str, str] | None = None,
        user: Mapping[str, str] | None = None,
        storage_class: str = "STANDARD",
        mtime: float | None = None,
        etag: str = "md5",
        kms: bool = False,
        crc64: bool = False,
    ) -> None:
        """Place an object; see :func:`put_item` for the arguments."""
        item = put_item(
            key, body, headers=headers, user=user, storage_class=storage_class, mtime=mtime, etag=etag, kms=kms,
            crc64=crc64,
        )  # fmt: skip
        self._command("put", self.name, [item])

    def put_many(self, items: Iterable[PutItem | tuple[str, bytes]]) -> None:
        """Place many objects at once: :func:`put_item` values, or plain (key, body) pairs."""
        self._command("put", self.name, [item if isinstance(item, PutItem) else put_item(*item) for item in items])

    def get(self, key: str) -> bytes:
        """Return an object's bytes.

        Raises:
            Refusal: NoSuchKey.
        """
        return bytes(self._command("get", self.name, key))

    def delete(self, key: str) -> None:
        """Remove an object; a missing one is no error."""
        self._command("delete", self.name, key)

    def keys(self) -> list[str]:
        """Return all keys, ascending by UTF-8 bytes."""
        keys: list[str] = self._command("keys", self.name)
        return keys

    def objects(self) -> list[SandboxObject]:
        """Return all objects without their bytes, ascending by UTF-8 bytes of their keys."""
        found: list[SandboxObject] = self._command("objects", self.name)
        return found

    def object(self, key: str) -> SandboxObject:
        """Return one object without its bytes.

        Raises:
            Refusal: NoSuchKey.
        """
        found: SandboxObject = self._command("object", self.name, key)
        return found

    def uploads(self) -> list[SandboxUpload]:
        """Return the multipart uploads in flight."""
        found: list[SandboxUpload] = self._command("uploads", self.name)
        return found

    def make_file_system(self) -> None:
        """Make the bucket a parallel file system."""
        self._command("make_file_system", self.name)

    def keep_versions(self, how: str = "enabled", *, locked: bool = False) -> None:
        """Keep versions from now on: ``enabled`` or ``suspended``; ``locked``: none of them may be deleted (WORM)."""
        self._command("keep_versions", self.name, how, locked)

    def versions(self, key: str) -> list[bytes | None]:
        """Return the bytes of a key's versions, the oldest first; None is a delete marker."""
        found: list[bytes | None] = self._command("versions", self.name, key)
        return found

    def set_mtime(self, key: str, mtime: float) -> None:
        """Set when an object was last modified, in seconds since the epoch."""
        self._command("set_mtime", self.name, key, mtime)


class Faults:
    """The faults of one cloud."""

    def __init__(self, command: Command) -> None:
        self._command = command

    def add(self, fault: Fault) -> int:
        """Arm a fault and return its number for :meth:`hits`. The first fault that strikes a request wins."""
        return int(self._command("add_fault", fault))

    def hits(self, number: int) -> int:
        """Return how often a fault has struck."""
        return int(self._command("fault_hits", number))

    def clear(self) -> None:
        """Disarm all."""
        self._command("clear_faults")


class Setting:
    """A knob of the cloud as an attribute: see :class:`oms_adapters.sandbox.context.Settings`."""

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = name

    def __get__(self, cloud: Cloud, _owner: type | None = None) -> Any:
        return cloud.command("setting", self._name)

    def __set__(self, cloud: Cloud, value: Any) -> None:
        cloud.command("set", self._name, value)


class Cloud:
    """One loopback cloud."""

    latency = Setting()
    max_requests_per_second = Setting()
    clock_skew = Setting()
    restore_seconds = Setting()
    min_part_size = Setting()
    crc64 = Setting()
    crc64_joins = Setting()
    bound = Setting()
    domains = Setting()
    list_lag = Setting()
    list_order = Setting()
    list_starts = Setting()
    list_page = Setting()
    list_holes = Setting()
    fold = Setting()
    hierarchical = Setting()
    newest_version = Setting()
    region = Setting()

    def __init__(self, name: str, endpoint: Endpoint, account: Account, command: Callable[..., Any]) -> None:
        self.name = name
        self.endpoint = endpoint
        self.url = f"{endpoint.scheme}://{endpoint.netloc}"
        self.access_key = account.access_key
        self.secret_key = account.secret_key
        self._call = command
        self.faults = Faults(self.command)

    @property
    def credentials(self) -> Credentials:
        """The cloud's own permanent access key."""
        return Credentials(self.access_key, Secret(self.secret_key))

    def command(self, name: str, *arguments: Any) -> Any:
        """Run an inspection command in the cloud's event loop."""
        return self._call(self.name, name, *arguments)

    def create_bucket(
        self,
        name: str,
        *,
        default_kms: bool = False,
        default_encryption: str | None = None,
        requester_pays: bool = False,
    ) -> BucketView:
        """Create an empty bucket, replacing one of that name."""
        encryption = "kms" if default_kms else default_encryption
        self.command("create_bucket", name, encryption, requester_pays)
        return BucketView(self.command, name)

    def bucket(self, name: str) -> BucketView:
        """Return a view of a bucket; whether it exists shows at its first use."""
        return BucketView(self.command, name)

    def buckets(self) -> list[str]:
        """Return the names of all buckets."""
        names: list[str] = self.command("buckets")
        return names

    def add_credentials(
        self, access_key: str, secret_key: str, *, token: str | None = None, deny: Iterable[str] = ()
    ) -> Credentials:
        """Let a further access key in; with ``token`` it is a temporary one and must come with it.

        ``deny`` names operations that are refused to it with AccessDenied, by S3's names: ``{"PutObject"}``.
        """
        self.command("add_account", access_key, secret_key, token, frozenset(deny))
        return Credentials(access_key, Secret(secret_key), Secret(token) if token else None)

    @property
    def log(self) -> list[LogEntry]:
        """The requests seen so far, oldest first."""
        entries: list[LogEntry] = self.command("log")
        return entries

    def clear_log(self) -> None:
        """Forget the requests seen so far."""
        self.command("clear_log")

    def __repr__(self) -> str:
        return f"Cloud({self.name}, {self.url})"


def put_item(
    key: str,
    body: bytes = b"",
    *,
    headers: Mapping[str, str] | None = None,
    user: Mapping[str, str] | None = None,
    storage_class: str = "STANDARD",
    mtime: float | None = None,
    etag: str = "md5",
    kms: bool = False,
    crc64: bool = False,
) -> PutItem:
    """Describe an object to be placed without HTTP.

    ``headers`` are system headers by lower-case name (``content-type``, ...), ``user`` is user metadata without prefix,
    ``storage_class`` the vendor's word, ``mtime`` seconds since the epoch (None: now by the cloud's clock). ``etag`` is
    its style: ``md5``, ``opaque``, ``opaque-1`` (as if of one part), ``form`` (as by a browser's form, where the
    vendor's ETags then are no MD5s), ``multipart:N`` or ``appended:N`` (as if uploaded in parts, or appended in
    pieces, of N bytes). ``crc64`` keeps a CRC-64.
    """
    return PutItem(key, body, headers or {}, user or {}, storage_class, mtime, etag, kms, crc64)


def md5_hex(data: bytes) -> str:
    """Return the MD5 of bytes as a listing's ETag has it."""
    return hashlib.md5(data, usedforsecurity=False).hexdigest()
