"""A process that runs one migration, to be killed: ``python driver.py plan.pickle``. Prints its result as JSON.

Exit codes are those of the command: 0 succeeded, 1 objects failed, 3 the task failed, 130 paused by SIGINT.
"""

from __future__ import annotations

import asyncio
import functools
import json
import pickle
import signal
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import uvloop

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.migration import Migration
from oms_engine.session import EngineSettings
from oms_engine.task import MigrationSpec, Result, TaskState
from oms_worker.processes import ProcessSlots
from oms_worker.sqlite_ledger import SqliteLedger


@dataclass(frozen=True)
class DriverPlan:
    """What the process is to do."""

    spec: MigrationSpec
    source: StoreConfig
    destination: StoreConfig
    settings: EngineSettings
    state: str


async def drive(plan: DriverPlan, ledger: SqliteLedger) -> Result:
    """Run the migration; SIGINT pauses it."""
    migration = Migration(
        plan.spec,
        source=functools.partial(open_store, plan.source),
        destination=functools.partial(open_store, plan.destination),
        ledger=ledger,
        settings=plan.settings,
        helpers=ProcessSlots() if plan.settings.processes > 1 else None,
    )
    asyncio.get_running_loop().add_signal_handler(signal.SIGINT, migration.pause)
    print("ready", flush=True)
    return await migration.run()


def most_memory() -> int:
    """Return the most memory this process had, in bytes (what getrusage tells includes the parent's at the fork)."""
    status = Path("/proc/self/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def main() -> int:
    """Run the plan given by its file."""
    plan = pickle.loads(Path(sys.argv[1]).read_bytes())
    ledger = SqliteLedger(plan.state)
    try:
        result = uvloop.run(drive(plan, ledger))
    finally:
        ledger.close()
    print(json.dumps({"result": asdict(result), "max_rss": most_memory()}), flush=True)
    if result.state is TaskState.PAUSED:
        return 130
    return 0 if result.state is TaskState.SUCCEEDED else 1 if result.complete else 3


if __name__ == "__main__":
    # The plan was pickled by the name under which the test imported this file.
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    sys.exit(main())
