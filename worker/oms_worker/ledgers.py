"""The ledgers of a service's tasks: how a task host opens one, and where the end of a task is written down.

An end is written down before, or with, the closing of the ledger's run. So a kill between the two, or before the
service has heard of the end, makes the task neither run again nor lose its counters: the same end is told again.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Protocol

from oms_engine.frozen import dataclass
from oms_engine.ledger import Ledger
from oms_engine.task import Counters, Result, TaskState
from oms_worker.kept_ledgers import LEFT
from oms_worker.sqlite_ledger import SqliteLedger


class Ledgers(Protocol):
    """Opens ledgers, in whichever process: picklable."""

    def open(self, task_id: int, generation: int) -> Ledger:
        """Open the ledger of a task for the claim of this generation.

        Raises:
            LedgerInUse: another process has it open; it may let go soon.
            LedgerLost: the claim does not hold any more, or the database does not answer.
            RepositoryError: it is damaged, or the disk is full.
        """
        ...

    def conclude(self, ledger: Ledger, task_id: int, run: int, result: Result) -> None:
        """Write down the end that the task's ``run`` came to, and close the run of its ledger.

        Raises:
            RepositoryError: neither can be written.
        """
        ...

    def end_of(self, ledger: Ledger, task_id: int, run: int) -> Result | None:
        """Return the end that this ``run`` of the task came to, None when it has not come to one."""
        ...


@dataclass(frozen=True, slots=True)
class FileLedgers:
    """A SQLite file per task in a folder of this host, ends in files beside them."""

    folder: Path

    def open(self, task_id: int, generation: int) -> SqliteLedger:
        """Open the file of a task; its lock fences others off, not the generation."""
        del generation
        return SqliteLedger(self.folder / f"{task_id}.db")

    def conclude(self, ledger: Ledger, task_id: int, run: int, result: Result) -> None:
        """Write the end into a file, whole and durably, then close the run."""
        path = self.folder / f"{task_id}.end"
        fresh = path.with_suffix(".end-new")
        with fresh.open("w", encoding="utf-8") as file:
            json.dump({"run": run, "result": asdict(result), LEFT: is_left(ledger, result)}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        ledger.finish_run(succeeded=succeeded(result))

    def end_of(self, ledger: Ledger, task_id: int, run: int) -> Result | None:
        """Read the end from its file."""
        del ledger
        try:
            known = json.loads((self.folder / f"{task_id}.end").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return parse_result(known["result"]) if known.get("run") == run else None


def is_left(ledger: Ledger, result: Result) -> bool:
    """Whether a ledger holds what somebody needs after its task's end: uploads, damaged copies, lists, failures."""
    return bool(
        not succeeded(result) or result.record_errors or ledger.uploads() or ledger.orphans() or ledger.doubts()
    )


def succeeded(result: Result) -> bool:
    """Whether a run is closed as succeeded."""
    return result.complete and result.state is TaskState.SUCCEEDED


def parse_result(known: dict[str, Any]) -> Result:
    """Return the result that was written as the dictionary of its fields, by this version or another."""
    names = {item.name for item in fields(Result)}
    values = {name: value for name, value in known.items() if name in names}
    values |= {"state": TaskState(values["state"]), "counters": Counters(**values["counters"])}
    return Result(**values)
