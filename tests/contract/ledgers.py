"""The ledgers under contract: how a test opens one, crashes it and opens it again. A database adds itself to BOXES."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from oms_engine.ledger import Checkpoint, Failure, Ledger, Parked, ParkKind, RecordLine, RunInfo, Settlement
from oms_engine.memory_ledger import MemoryLedger
from oms_engine.model import Outcome
from oms_engine.task import Counters
from oms_worker.sqlite_ledger import SqliteLedger


class LedgerBox(Protocol):
    """Keeps what survives a process: ``open`` is a new process, ``crash`` takes the last one away without a word."""

    def open(self) -> Ledger: ...

    def crash(self) -> None: ...


class SqliteBox:
    """A crash is a copy of the files as they stand, which is what SIGKILL leaves; torn lines are added to the lists."""

    def __init__(self, directory: Path, *, failure_cap: int) -> None:
        self._root = directory
        self._generation = 0
        self._cap = failure_cap
        self._open: SqliteLedger | None = None

    @property
    def path(self) -> Path:
        return self._root / str(self._generation) / "state.db"

    def open(self) -> SqliteLedger:
        if self._open is not None:
            self._open.close()
        self._open = SqliteLedger(self.path, failure_cap=self._cap)
        return self._open

    def crash(self) -> None:
        before = self.path.parent
        self._generation += 1
        shutil.copytree(before, self.path.parent)
        for spooled in self.path.parent.glob("*.records/*"):
            with spooled.open("ab") as file:
                file.write(b"half a li")
        if self._open is not None:
            self._open.close()
            self._open = None


class MemoryBox:
    """The object itself is what survives."""

    def __init__(self, directory: Path, *, failure_cap: int) -> None:
        self._ledger = MemoryLedger(failure_cap=failure_cap)

    def open(self) -> MemoryLedger:
        return self._ledger

    def crash(self) -> None:
        pass


BOXES: dict[str, Callable[..., LedgerBox]] = {"sqlite": SqliteBox, "memory": MemoryBox}


def open_run(
    ledger: Ledger, *, identity: str = "a>b", rules: str = "r", name: str = "", retry: bool = False
) -> RunInfo:
    """Open a run with the usual words."""
    return ledger.open_run(identity=identity, rules=rules, name=name, retry_failed=retry)


def failure(key: str, at: float = 1.0) -> Failure:
    """Make a failed object."""
    return Failure(key, 10, "SRC_OBJ_CHANGED_FAILURE", f"changed: {key!r}", at)


def parked(key: str, due: float = 0.0, kind: ParkKind = ParkKind.LARGE) -> Parked:
    """Make a parked object."""
    return Parked(key, kind, 7, "etag", 1.5, "GLACIER", due)


def settlement(key: str, outcome: Outcome = Outcome.MIGRATED, size: int = 7) -> Settlement:
    """Make the end of a parked object."""
    failed = failure(key) if outcome is Outcome.FAILED else None
    return Settlement(key, outcome, size, f"{outcome}: settled", RecordLine(outcome, f"{key}\n"), failed)


def report(
    segment: int,
    epoch: int,
    marker: str = "",
    *,
    migrated: tuple[str, ...] = (),
    skipped: tuple[str, ...] = (),
    failed: tuple[str, ...] = (),
    waiting: tuple[str, ...] = (),
    before: Counters | None = None,
    done: bool = False,
) -> Checkpoint:
    """Make a report of these keys, on top of the counters ``before``. Every object has one byte."""
    old = before or Counters()
    keys = (*migrated, *skipped, *failed, *waiting)
    counters = Counters(
        listed=old.listed + len(keys),
        migrated=old.migrated + len(migrated),
        skipped=old.skipped + len(skipped),
        failed=old.failed + len(failed),
        waiting=old.waiting + len(waiting),
        listed_bytes=old.listed_bytes + len(keys),
        migrated_bytes=old.migrated_bytes + len(migrated),
        skipped_bytes=old.skipped_bytes + len(skipped),
        failed_bytes=old.failed_bytes + len(failed),
    )
    ended = ((Outcome.MIGRATED, migrated), (Outcome.SKIPPED, skipped), (Outcome.FAILED, failed))
    return Checkpoint(
        segment,
        epoch,
        marker,
        counters,
        done=done,
        reasons={f"{outcome}: why": getattr(counters, outcome) for outcome, _ in ended},
        records=tuple(RecordLine(outcome, f"{key}\n") for outcome, keys in ended for key in keys),
        failures=tuple(failure(key) for key in failed),
        parked=tuple(parked(key) for key in waiting),
    )


def take_lists(ledger: Ledger, *, limit_bytes: int = 0) -> dict[Outcome, list[str]]:
    """Upload the lists (all, unless a limit is given) and return the keys they hold."""
    keys: dict[Outcome, list[str]] = {outcome: [] for outcome in Outcome}
    for outcome, name, path in ledger.records_ready(everything=not limit_bytes, limit_bytes=limit_bytes):
        keys[outcome] += Path(path).read_bytes().decode("utf-8", "surrogateescape").splitlines()
        ledger.record_uploaded(outcome, name)
    return keys
