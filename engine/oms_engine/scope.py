"""What a task covers: its segments, its identity, its name."""

from __future__ import annotations

import time
from dataclasses import replace
from hashlib import blake2b
from typing import TYPE_CHECKING

from oms_engine.errors import ConfigError, NotFound, StoreError, TaskError
from oms_engine.keysource import FailedKeys, KeySource, NamedKeys
from oms_engine.ledger import Ledger, RunInfo, Segment
from oms_engine.model import TaskType, key_bytes
from oms_engine.session import StoreOpener
from oms_engine.store import BucketStore
from oms_engine.task import MigrationSpec, Scope
from oms_engine.verdicts import listing_error
from oms_engine.wire import Wire

if TYPE_CHECKING:
    from oms_engine.listkeys import ListKeys, UrlListKeys

KEYS = -1
"""``Segment.list_offset`` of a segment whose keys come one by one instead of from a listing."""

COPY = -2
"""``Segment.list_offset`` of a segment whose keys come from a sorted copy of a listing."""


def is_listing(segment: Segment) -> bool:
    """Whether a segment's keys come from the source's listing as the store gives it."""
    return segment.list_offset not in {KEYS, COPY}


def by_copy(segments: list[Segment]) -> list[Segment]:
    """Return segments whose listings are sorted first."""
    return [replace(segment, list_offset=COPY) if is_listing(segment) else segment for segment in segments]


def segments_of(spec: MigrationSpec) -> list[Segment]:
    """Return the segments a task begins with.

    Prefixes that another one covers are dropped, as are named keys under a named folder, so no key is met twice.
    """
    if spec.retry_failed or spec.scope.task_type in {TaskType.LIST, TaskType.URL_LIST}:
        return [Segment(id=0, list_offset=KEYS)]
    if spec.scope.task_type is TaskType.PREFIX and spec.scope.ranges:
        return [Segment(id=0, prefix=part.prefix, lo=part.lo, hi=part.hi) for part in spec.scope.ranges]
    if spec.scope.task_type is TaskType.PREFIX:
        return [Segment(id=0, prefix=prefix) for prefix in _outermost(spec.scope.keys)]
    folders = _outermost(_folders(spec.scope))
    segments = [Segment(id=0, prefix=folder) for folder in folders]
    if named_keys(spec.scope):
        segments.append(Segment(id=0, list_offset=KEYS))
    return segments


def named_keys(scope: Scope) -> tuple[str, ...]:
    """Return the single objects of a scope of type ``object``, without those under one of its folders."""
    if scope.exact:
        return tuple(key for key in scope.keys if key)
    folders = _folders(scope)
    return tuple(key for key in scope.keys if key and not key.endswith("/") and not key.startswith(folders))


def _folders(scope: Scope) -> tuple[str, ...]:
    return () if scope.exact else tuple(key for key in scope.keys if not key or key.endswith("/"))


def _outermost(prefixes: tuple[str, ...]) -> list[str]:
    kept: list[str] = []
    for prefix in sorted(set(prefixes)):
        if not kept or not prefix.startswith(kept[-1]):
            kept.append(prefix)
    return kept


async def open_keys(
    spec: MigrationSpec, segment: Segment, ledger: Ledger, wire: Wire, list_store: StoreOpener | None
) -> KeySource | None:
    """Return where a segment's keys come from; None when it is listed.

    Raises:
        TaskError: the list file is missing or breaks a rule (TRF codes).
    """
    if segment.list_offset != KEYS:
        return None
    if spec.retry_failed:
        return FailedKeys(ledger)
    if spec.scope.task_type is TaskType.OBJECT:
        return NamedKeys(named_keys(spec.scope))
    keys = _list_keys(spec, wire, list_store)
    await keys.check()
    return keys


def _list_keys(spec: MigrationSpec, wire: Wire, list_store: StoreOpener | None) -> ListKeys | UrlListKeys:
    if list_store is None or spec.scope.list_key is None:
        raise ConfigError("the list file is not given: name its bucket and key")
    from oms_engine.listkeys import ListKeys, UrlListKeys  # noqa: PLC0415 - 4 ms, and few tasks have a list

    kind = UrlListKeys if spec.scope.task_type is TaskType.URL_LIST else ListKeys
    return kind(wire, list_store(), spec.scope.list_key, spec.scope.list_slice)


async def check_list(spec: MigrationSpec, wire: Wire, source: BucketStore, list_store: StoreOpener | None) -> str:
    """Hold a task's list against OMS's rules; the first object of an object list must exist, as OMS asks.

    Returns:
        What tells this list from another one of the same name, for the task's rules: a run counts its lines.

    Raises:
        TaskError: TRF codes of the file; OMS.0089 the first object is missing.
    """
    if spec.scope.task_type not in {TaskType.LIST, TaskType.URL_LIST} or spec.retry_failed:
        return ""
    keys = _list_keys(spec, wire, list_store)
    await keys.check()
    if spec.scope.list_slice is not None:  # who cut the list has looked at its first line
        return f" list={keys.version}"
    first = await keys.first()
    if spec.scope.task_type is TaskType.LIST:
        await _check_first(first, wire, source)
    return f" list={keys.version}"


async def _check_first(first: str, wire: Wire, source: BucketStore) -> None:
    try:
        await wire.call(source.head(first))
    except NotFound as error:
        message = f"the first object of the list, {first!r}, is not in the source bucket: is it the right list?"
        raise TaskError("OMS.0089", message) from error
    except StoreError as error:
        raise listing_error(error, source=True) from error


def identity_of(spec: MigrationSpec, source: BucketStore, destination: BucketStore) -> str:
    """Return what makes a task this task: where from, where to, which objects."""
    scope = spec.scope
    what = f"{scope.task_type.value} {list(scope.keys) if scope.list_key is None else scope.list_key!r}"
    if scope.exact:
        digest = blake2b(b"\0".join(key_bytes(key) for key in scope.keys), digest_size=16)
        what = f"{scope.task_type.value} {len(scope.keys)} keys {digest.hexdigest()}"
    elif scope.ranges:
        what = f"{scope.task_type.value} {[tuple(part) for part in scope.ranges]}"
    elif scope.list_slice is not None:
        what += f" {tuple(scope.list_slice)}"
    return (
        f"{source.label} at {source.endpoint.netloc} to {destination.label} at {destination.endpoint.netloc}"
        f", {what}, prefix {spec.strip_prefix!r} to {spec.save_prefix!r}"
    )


def rules_of(spec: MigrationSpec) -> str:
    """Return what changes the outcome of objects: an unfinished run under other rules is begun anew."""
    storage = spec.storage.value if spec.storage else "default"
    return (
        f"overwrite={spec.overwrite.value} check={spec.check.value} metadata={spec.metadata} kms={spec.kms}"
        f" invalid={spec.invalid_metadata.value}"
        f" storage={storage} since={spec.migrate_since} restore={spec.restore is not None} dry={spec.dry_run}"
    )


def run_name(source: BucketStore, destination: BucketStore, run: RunInfo) -> str:
    """Return OMS's kind of name: ``<source bucket>-<destination bucket>-<yyyyMMddHHmmssSSS>_<run>``."""
    seconds, milliseconds = divmod(int(run.started_at * 1000), 1000)
    stamp = time.strftime("%Y%m%d%H%M%S", time.gmtime(seconds))
    return f"{source.bucket}-{destination.bucket}-{stamp}{milliseconds:03d}_{run.run}"
