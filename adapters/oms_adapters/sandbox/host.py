"""The clouds of one sandbox and their sockets; every command that inspects them runs in their event loop."""

from __future__ import annotations

import asyncio
import functools
import ssl
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib import import_module
from typing import Any, NamedTuple

from oms_adapters.sandbox.blob import Blob
from oms_adapters.sandbox.context import Settings, State
from oms_adapters.sandbox.core import Bucket, Stored
from oms_adapters.sandbox.dialect import SYSTEM_HEADERS, Account, Dialect
from oms_adapters.sandbox.faults import Fault
from oms_adapters.sandbox.http import serve_connection
from oms_adapters.sandbox.service import LogEntry, Service
from oms_adapters.sandbox.stream import Stream
from oms_adapters.sandbox.xmltext import text_of

DIALECTS: dict[str, tuple[str, str]] = {
    "s3": ("oms_adapters.sandbox.s3:S3", "us-east-1"),
    "obs": ("oms_adapters.sandbox.obs:Obs", "cn-north-4"),
    "oss": ("oms_adapters.sandbox.oss:Oss", "cn-hangzhou"),
    "azure": ("oms_adapters.sandbox.azure:Azure", "westeurope"),
    "google": ("oms_adapters.sandbox.google:Google", "europe-west3"),
    "cos": ("oms_adapters.sandbox.cos:Cos", "ap-guangzhou"),
    "qingstor": ("oms_adapters.sandbox.vendors:QingStor", "pek3b"),
    "ks3": ("oms_adapters.sandbox.vendors:Ks3", "BEIJING"),
    "bos": ("oms_adapters.sandbox.vendors:Bos", "bj"),
    "kodo": ("oms_adapters.sandbox.vendors:Kodo", "cn-east-1"),
    "us3": ("oms_adapters.sandbox.vendors:Us3", "cn-bj"),
}
"""Cloud name -> (module:class, region it is in). A module, and with it the vendor's SDK, is imported on opening."""

BACKLOG = 1024


class SandboxObject(NamedTuple):
    """One stored object as direct inspection shows it."""

    key: str
    size: int
    etag: str
    """Without quotes."""
    mtime: float
    headers: dict[str, str]
    """System headers by lower-case name."""
    user: dict[str, str]
    """User metadata by lower-case name without prefix."""
    storage_class: str
    encryption: str | None
    kms_key: str | None
    crc64: int | None
    restored_from: float | None
    restored_until: float


class SandboxUpload(NamedTuple):
    """One multipart upload in flight."""

    key: str
    upload_id: str
    parts: dict[int, tuple[str, int]]
    """Number -> (ETag, size)."""


class PutItem(NamedTuple):
    """One object to be placed without HTTP; see :meth:`BucketView.put`."""

    key: str
    body: bytes
    headers: Mapping[str, str]
    user: Mapping[str, str]
    storage_class: str
    mtime: float | None
    etag: str
    """``md5``, ``opaque``, ``opaque-1``, ``form``, ``multipart:N`` (parts of N bytes) or ``appended:N`` (in pieces)."""
    kms: bool
    crc64: bool


class Plan(NamedTuple):
    """Which clouds to open, and how."""

    accounts: dict[str, Account]
    """By cloud name."""
    ports: dict[str, int]
    """0 or missing: a free one."""
    certificate: tuple[str, str] | None = None
    """Paths of a PEM certificate chain and its key: the clouds speak https."""


class Host:
    """All clouds of a sandbox, by name."""

    def __init__(self) -> None:
        self.services: dict[str, Service] = {}
        self.ports: dict[str, int] = {}
        self._servers: list[asyncio.Server] = []

    async def start(self, plan: Plan) -> None:
        """Open the clouds of the plan."""
        tls = _tls_context(plan.certificate)
        for name, account in plan.accounts.items():
            target, region = DIALECTS[name]
            dialect = open_dialect(target)
            settings = Settings(region, min_part_size=dialect.min_part, crc64=dialect.crc64_policy)
            settings.domains += dialect.domains
            service = Service(State(dialect, settings))
            service.add_account(account)
            self.services[name] = service
            serve = functools.partial(serve_connection, handler=service.handle)
            server = await asyncio.get_running_loop().create_server(
                functools.partial(Stream, serve), "127.0.0.1", plan.ports.get(name, 0), backlog=BACKLOG, ssl=tls
            )
            self._servers.append(server)
            self.ports[name] = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all sockets and wait for nobody."""
        for server in self._servers:
            server.close()
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)

    def command(self, cloud: str, name: str, *arguments: Any) -> Any:
        """Run one inspection command: the function ``do_<name>`` of this module."""
        return _COMMANDS[name](self.services[cloud], *arguments)


def open_dialect(target: str) -> Dialect:
    """Return the face that a target of ``DIALECTS`` names."""
    module, _, name = target.partition(":")
    dialect = getattr(import_module(module), name)()
    assert isinstance(dialect, Dialect)
    return dialect


def _tls_context(certificate: tuple[str, str] | None) -> ssl.SSLContext | None:
    if certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def _bucket(service: Service, name: str) -> Bucket:
    return service.state.core.bucket(name)


def do_create_bucket(service: Service, name: str, encryption: str | None, requester_pays: bool) -> None:
    """Create a bucket; one of that name is replaced."""
    service.state.core.buckets[name] = Bucket(
        name, created=service.now(), default_encryption=encryption, requester_pays=requester_pays
    )


def do_put(service: Service, bucket_name: str, items: list[PutItem]) -> None:
    """Place objects without HTTP."""
    bucket = _bucket(service, bucket_name)
    for item in items:
        _put(service, bucket, item)


def _put(service: Service, bucket: Bucket, item: PutItem) -> None:
    stored = Stored(
        headers={name: value for name, value in item.headers.items() if name in {*SYSTEM_HEADERS, "content-md5"}},
        user=dict(item.user),
        storage_class=item.storage_class,
        encryption="kms" if item.kms else bucket.default_encryption,
        kms_key="sandbox:key/default" if item.kms else None,
        keep_crc64=item.crc64 or service.state.settings.crc64 == "always",
        etag_style=service.state.dialect.etag_style,
    )
    key, now = item.key.encode("utf-8", "surrogateescape"), service.now()
    when = now if item.mtime is None else item.mtime
    if item.etag.startswith("multipart:"):
        _put_parts(bucket, key, item.body, stored, int(item.etag.partition(":")[2]), when)
    elif item.etag.startswith("appended:"):
        for at, piece in _cut(item.body, int(item.etag.partition(":")[2])):
            bucket.append(key, piece, stored, position=at, mtime=when)
    else:
        opaque = item.etag in {"opaque", "opaque-1", "form"}
        written = bucket.write(key, Blob([item.body]), stored, mtime=when, opaque=opaque)
        if item.etag == "form":
            bucket.put(key, replace(written, kind="form"))
        if item.etag == "opaque-1":
            bucket.put(key, replace(written, etag=f"{written.etag}-1"))


def _put_parts(bucket: Bucket, key: bytes, body: bytes, stored: Stored, part_size: int, when: float) -> None:
    upload = bucket.start(key, stored, now=when)
    blobs = _cut(body, part_size)
    wanted = [(number, upload.add_part(number, blob, now=when).etag) for number, (_, blob) in enumerate(blobs, 1)]
    bucket.complete(upload, wanted, smallest=0, now=when)


def _cut(body: bytes, size: int) -> list[tuple[int, Blob]]:
    return [(at, Blob([body[at : at + size]])) for at in range(0, max(len(body), 1), size)]


def do_make_file_system(service: Service, bucket: str) -> None:
    """Make a bucket a parallel file system."""
    _bucket(service, bucket).file_system = True


def do_keep_versions(service: Service, bucket: str, how: str, locked: bool) -> None:
    """Keep a bucket's versions from now on; what is stored already becomes its null version."""
    kept = _bucket(service, bucket)
    kept.versioning, kept.locked = how, locked
    for key, item in kept.objects.items():
        kept.versions.setdefault(key, {"null": item})


def do_versions(service: Service, bucket: str, key: str) -> list[bytes | None]:
    """Return the bytes of a key's versions, None for a delete marker."""
    held = _bucket(service, bucket).versions.get(key.encode("utf-8", "surrogateescape"), {})
    return [None if item is None else item.blob.whole() for item in held.values()]


def do_get(service: Service, bucket: str, key: str) -> bytes:
    """Return an object's bytes."""
    return _bucket(service, bucket).get(key.encode("utf-8", "surrogateescape")).blob.whole()


def do_delete(service: Service, bucket: str, key: str) -> None:
    """Remove an object."""
    _bucket(service, bucket).delete(key.encode("utf-8", "surrogateescape"))


def do_keys(service: Service, bucket: str) -> list[str]:
    """Return all keys, ascending by bytes."""
    return [text_of(key) for key in _bucket(service, bucket).sorted_keys()]


def do_objects(service: Service, name: str) -> list[SandboxObject]:
    """Return all objects, ascending by bytes of their keys, without their bodies."""
    bucket = _bucket(service, name)
    return [_shown(key, bucket) for key in bucket.sorted_keys()]


def do_object(service: Service, bucket: str, key: str) -> SandboxObject:
    """Return one object without its body."""
    return _shown(key.encode("utf-8", "surrogateescape"), _bucket(service, bucket))


def _shown(key: bytes, bucket: Bucket) -> SandboxObject:
    item = bucket.get(key)
    stored = item.stored
    return SandboxObject(
        text_of(key), item.blob.size, item.etag, item.mtime, dict(stored.headers), dict(stored.user),
        stored.storage_class, stored.encryption, stored.kms_key, item.crc64, item.restored_from, item.restored_until,
    )  # fmt: skip


def do_uploads(service: Service, bucket: str) -> list[SandboxUpload]:
    """Return the uploads in flight."""
    return [
        SandboxUpload(
            text_of(upload.key),
            upload.upload_id,
            {number: (part.etag, part.blob.size) for number, part in sorted(upload.parts.items())},
        )
        for upload in _bucket(service, bucket).uploads.values()
    ]


def do_buckets(service: Service) -> list[str]:
    """Return the names of all buckets."""
    return sorted(service.state.core.buckets)


def do_log(service: Service) -> list[LogEntry]:
    """Return the requests seen so far."""
    return list(service.log)


def do_clear_log(service: Service) -> None:
    """Forget the requests seen so far."""
    service.log.clear()


def do_add_fault(service: Service, fault: Fault) -> int:
    """Arm a fault."""
    return service.faults.add(fault)


def do_fault_hits(service: Service, number: int) -> int:
    """Return how often a fault has struck."""
    return service.faults.hits(number)


def do_clear_faults(service: Service) -> None:
    """Disarm all faults."""
    service.faults.clear()


def do_setting(service: Service, name: str) -> Any:
    """Return a knob's value."""
    return getattr(service.state.settings, name)


def do_set(service: Service, name: str, value: Any) -> None:
    """Turn a knob."""
    setattr(service.state.settings, name, value)


def do_add_account(
    service: Service, access_key: str, secret_key: str, token: str | None, deny: frozenset[str] = frozenset()
) -> None:
    """Let a further access key in."""
    service.add_account(Account(access_key, secret_key, token, deny))


def do_set_mtime(service: Service, bucket: str, key: str, mtime: float) -> None:
    """Set when an object was last modified."""
    _bucket(service, bucket).touch(key.encode("utf-8", "surrogateescape"), mtime)


_COMMANDS: dict[str, Callable[..., Any]] = {
    name[3:]: function for name, function in globals().copy().items() if name.startswith("do_")
}
