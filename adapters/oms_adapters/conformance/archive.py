"""Archived objects: they say so, are refused, and are restored."""

from __future__ import annotations

from oms_adapters.conformance.case import case
from oms_adapters.conformance.harness import Harness
from oms_engine.errors import Archived
from oms_engine.model import ArchiveState, Restore, RestoreTier, StorageClass
from oms_engine.store import Capabilities


def _restores(capabilities: Capabilities) -> bool:
    return capabilities.restore


def _put_archived(harness: Harness, folder: str) -> dict[str, str]:
    """Store an object in each of OMS's archive classes; return those whose class the vendor does not read at once."""
    kept = {}
    for word in (StorageClass.ARCHIVE, StorageClass.DEEP_ARCHIVE):
        if word not in harness.store.capabilities.storage_classes:
            continue
        key = f"{harness.prefix}archive/{folder}/{word}"
        harness.put(key, b"cold", storage_class=word)
        vendor = harness.head(key).storage_class
        if harness.store.capabilities.is_archived_class(vendor):  # Azure's Cold, for one, is not
            kept[key] = vendor
    return kept


@case(_restores)
def check_archived_is_refused(harness: Harness) -> None:
    """An object of an archived class is stated as archived, and a read of it is refused as such."""
    archived = _put_archived(harness, "refused")
    assert archived, "no class is archived, though the store is said to restore"
    for key, word in archived.items():
        assert harness.head(key).archive is ArchiveState.ARCHIVED
        assert harness.perform(harness.store.list_page(key)).objects[0].storage_class
        try:
            harness.fetch(harness.store.read(key))
        except Archived:
            continue
        raise AssertionError(f"the bytes of an object in {word} were given out")


@case(_restores)
def check_restore(harness: Harness) -> None:
    """A restore is accepted, a repeated one is no error, and once it ended the object is readable."""
    key = next(iter(_put_archived(harness, "restore")))
    word = harness.head(key).storage_class
    call = harness.store.restore(key, days=2, tier=RestoreTier.EXPEDITED, storage_class=word)
    assert harness.perform(call) is Restore.REQUESTED
    assert harness.perform(call) in {Restore.IN_PROGRESS, Restore.READABLE}
    if harness.finish_restores is None:
        assert harness.head(key).archive is not ArchiveState.ARCHIVED
        return
    harness.finish_restores()
    assert harness.head(key).archive is ArchiveState.READABLE
    assert harness.body(key) == b"cold"
    assert harness.perform(call) is Restore.READABLE


@case(_restores)
def check_restore_of_readable(harness: Harness) -> None:
    """Restoring an object that is not archived is no error: it is readable."""
    key = f"{harness.prefix}archive/plain"
    harness.put(key, b"warm")
    call = harness.store.restore(key, days=1, tier=RestoreTier.STANDARD)
    assert harness.perform(call) is Restore.READABLE
