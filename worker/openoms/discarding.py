"""``openoms discard``: forgets a migration and aborts its uploads in flight, which else are paid for and never end.

What was migrated stays at the destination, and so do the lists.
"""

from __future__ import annotations

import shutil
from dataclasses import field
from pathlib import Path
from typing import cast

from oms_adapters.registry import open_store
from oms_engine.discard import discard_uploads
from oms_engine.errors import BucketNotFound, StoreError
from oms_engine.frozen import dataclass
from oms_engine.ledger import Ledger
from oms_engine.scope import identity_of, rules_of
from oms_engine.store import MultipartStore
from oms_engine.wire import Wire
from oms_worker.sqlite_ledger import SqliteLedger
from openoms.compose import state_path, wire_settings
from openoms.plan import Plan
from openoms.settings import Settings


@dataclass(frozen=True, slots=True)
class Discarded:
    """What a discard came to."""

    state: Path
    found: bool
    """Whether anything was remembered."""
    aborted: int = 0
    errors: list[StoreError] = field(default_factory=list)
    """Of uploads that could not be aborted; the state is kept then."""


def discard(plan: Plan, settings: Settings) -> Discarded:
    """Abort the uploads in flight of a migration and remove its state.

    Raises:
        ConfigError: the state is of another migration, or in use.
        RepositoryError: it cannot be read.
    """
    state = state_path(plan, settings)
    if not state.exists():
        return Discarded(state, found=False)
    ledger = SqliteLedger(state)
    try:
        aborted, errors = _abort(plan, settings, ledger)
        if not errors:
            _remove(state)  # under its lock
    finally:
        ledger.close()
    return Discarded(state, found=True, aborted=aborted, errors=errors)


def _abort(plan: Plan, settings: Settings, ledger: Ledger) -> tuple[int, list[StoreError]]:
    import uvloop  # noqa: PLC0415

    source = open_store(plan.source.store_config(requester_pays=plan.requester_pays))
    destination = open_store(plan.destination.store_config())
    identity = identity_of(plan.spec, source, destination)
    ledger.open_run(identity=identity, rules=rules_of(plan.spec), name="", retry_failed=False)

    async def abort() -> tuple[int, list[StoreError]]:
        async with Wire(wire_settings(plan.run, [plan.destination], settings.proxies())) as wire:
            return await discard_uploads(ledger, cast("MultipartStore", destination), wire)

    aborted, errors = uvloop.run(abort()) if ledger.uploads() else (0, [])
    return aborted, [error for error in errors if not isinstance(error, BucketNotFound)]  # its uploads went with it


def _remove(state: Path) -> None:
    """Remove the files of a state but its lock: a second process may have that open."""
    for suffix in ("-wal", "-shm", ""):
        state.with_name(state.name + suffix).unlink(missing_ok=True)
    shutil.rmtree(state.with_name(f"{state.name}.records"), ignore_errors=True)


def discarded_lines(done: Discarded) -> list[str]:
    """Return what a discard came to, as sentences."""
    if not done.found:
        return [f"nothing is remembered of this migration ({done.state} does not exist)."]
    if done.errors:
        return [f"{len(done.errors)} uploads could not be aborted; run the same command again. {done.errors[0]}"]
    uploads = "1 upload in flight was" if done.aborted == 1 else f"{done.aborted} uploads in flight were"
    return [f"forgotten; {uploads} aborted. What was migrated stays where it is."]
