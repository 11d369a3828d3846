"""What a destination must be able to do for a task, judged before the task is kept. Pure.

=============================  ==========================  ========
the task asks for              the destination must        refused
=============================  ==========================  ========
``enable_kms``                 encrypt with KMS            S3M.0069
``dst_storage_policy``         keep that class             OMS.1003
its SRC_STORAGE_MAPPING        keep every class            OMS.1003
``enable_metadata_migration``  keep user metadata          OMS.1003
CRC-64 compared or checked     state a CRC-64              OMS.1003
=============================  ==========================  ========

OMS writes to OBS alone, so it has no code for most of this: each of the two parameters is valid by itself, their
combination is not, which is a constraint. S3M.0069 is the first version's code; the second has none of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace

from oms_engine.errors import ConfigError
from oms_engine.model import ConsistencyCheck, OverwriteMode, StorageClass, StoragePolicy
from oms_engine.store import Capabilities
from oms_engine.task import MigrationSpec

CONSTRAINT = "OMS.1003"
NO_KMS = "S3M.0069"


def refuse_incapable(spec: MigrationSpec, capabilities: Capabilities, where: str) -> None:
    """Refuse a task that asks for what its destination cannot do.

    Raises:
        ConfigError: S3M.0069 or OMS.1003; it names the field, the destination and the way out.
    """
    for code, sentence in faults(spec, capabilities):
        raise ConfigError(f"{sentence.format(where=where)}.", code=code)


def narrowed(
    capabilities: Capabilities,
    *,
    storage_classes: Collection[StorageClass] | None,
    metadata: bool | None,
    kms: bool | None,
    crc64: bool | None,
) -> Capabilities:
    """Return what a store can do of what its dialect can, by the words of the settings; None says nothing."""
    classes = capabilities.storage_classes
    return replace(
        capabilities,
        storage_classes=classes if storage_classes is None else classes & frozenset(storage_classes),
        max_user_metadata_bytes=0 if metadata is False else capabilities.max_user_metadata_bytes,
        kms=capabilities.kms and kms is not False,
        states_crc64=capabilities.states_crc64 and crc64 is not False,
    )


def faults(spec: MigrationSpec, capabilities: Capabilities) -> Iterator[tuple[str, str]]:
    """Yield code and sentence of everything that the destination cannot do."""
    if spec.kms and not capabilities.kms:
        yield NO_KMS, "enable_kms: {where} cannot encrypt with KMS; leave it out"
    if (classes := missing_classes(spec.storage, capabilities.storage_classes)) and spec.storage is not None:
        kept = ", ".join(sorted(capabilities.storage_classes))
        yield CONSTRAINT, f"dst_storage_policy {spec.storage}: {{where}} does not keep {classes}; it keeps {kept}"
    if spec.metadata and not capabilities.max_user_metadata_bytes:
        yield CONSTRAINT, "enable_metadata_migration: {where} keeps no user metadata; leave it out"
    if not capabilities.states_crc64:
        if spec.overwrite is OverwriteMode.CRC64:
            yield CONSTRAINT, f"object_overwrite_mode {spec.overwrite}: {{where}} states no CRC-64; choose another one"
        if spec.check is ConsistencyCheck.CRC64:
            yield CONSTRAINT, "consistency_check crc64: {where} states no CRC-64; bytes are hashed on the way anyway"


def missing_classes(policy: StoragePolicy | None, kept: frozenset[StorageClass]) -> str:
    """Return the classes that a policy may ask for and a destination does not keep, for a message; empty: none."""
    if policy is None:
        return ""
    wanted = set(StorageClass) if policy is StoragePolicy.SRC_STORAGE_MAPPING else {StorageClass(policy.value)}
    return ", ".join(sorted(wanted - kept))
