"""``openoms discard``: forgets a migration and aborts its uploads in flight, which else are paid for and never end.

What was migrated stays at the destination, and so do the lists.
"""

from __future__ import annotations

import shutil
from dataclasses import field
from pathlib import Path

from oms_adapters.registry import open_store
from oms_engine.discard import Left, discard_uploads
from oms_engine.errors import StoreError
from oms_engine.frozen import dataclass
from oms_engine.ledger import Ledger
from oms_engine.memory_ledger import MemoryLedger
from oms_engine.scope import identity_of, rules_of
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
    """Abort the uploads that a migration left open and remove its state; a lost one is made up for by its note.

    Raises:
        ConfigError: the state is of another migration, or in use.
        RepositoryError: it cannot be read.
    """
    state = state_path(plan, settings)
    found = state.exists()
    ledger = SqliteLedger(state) if found else MemoryLedger(lists=False)
    try:
        left = _abort(plan, settings, ledger)
        if found and not left.errors:
            _remove(state)  # under its lock
    finally:
        ledger.close()
    return Discarded(state, found=found or left.notes > 0, aborted=left.aborted, errors=left.errors)


def _abort(plan: Plan, settings: Settings, ledger: Ledger) -> Left:
    import uvloop  # noqa: PLC0415

    source = open_store(plan.source.store_config(requester_pays=plan.requester_pays))
    destination = open_store(plan.destination.store_config())
    identity = identity_of(plan.spec, source, destination)
    run = ledger.open_run(identity=identity, rules=rules_of(plan.spec), name="", retry_failed=False)

    async def abort() -> Left:
        async with Wire(wire_settings(plan.run, [plan.destination], settings.proxies())) as wire:
            return await discard_uploads(
                ledger, destination, wire, identity=identity, number=run.task_id, prefix=plan.spec.save_prefix
            )

    return uvloop.run(abort())


def _remove(state: Path) -> None:
    """Remove the files of a state but its lock: a second process may have that open."""
    for suffix in ("-wal", "-shm", ""):
        state.with_name(state.name + suffix).unlink(missing_ok=True)
    shutil.rmtree(state.with_name(f"{state.name}.records"), ignore_errors=True)


def discarded_lines(done: Discarded) -> list[str]:
    """Return what a discard came to, as sentences."""
    if not done.found and not done.errors:
        return [f"nothing is remembered of this migration ({done.state} does not exist)."]
    if done.errors:
        return [f"{len(done.errors)} uploads could not be aborted; run the same command again. {done.errors[0]}"]
    uploads = "1 upload in flight was" if done.aborted == 1 else f"{done.aborted} uploads in flight were"
    return [f"forgotten; {uploads} aborted. What was migrated stays where it is."]
