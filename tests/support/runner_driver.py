"""A process that runs the tasks of a database, without the API: ``python runner_driver.py place.json``.

SIGTERM shuts it down gracefully. The place names data directory, database and the endpoints of the clouds.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from dataclasses import dataclass
from pathlib import Path

from oms_adapters.config import StoreConfig
from oms_engine.model import Credentials, TaskType
from oms_engine.task import MigrationSpec, Scope
from oms_worker.db.engine import open_database
from oms_worker.db.migrations import upgrade
from oms_worker.node import take_identity
from oms_worker.runner import Runner
from oms_worker.running import RunPlan
from oms_worker.secrets import load_ring
from oms_worker.settings import load_service_settings
from openoms.serve import open_ledgers


@dataclass(frozen=True)
class Planner:
    """The least that makes a plan of a create body."""

    endpoints: dict

    def __call__(self, task, secrets, keys):
        source, destination = task.request["src_node"], task.request["dst_node"]
        scope = Scope(TaskType(task.request.get("task_type", "prefix")), tuple(source.get("object_key", [""])))
        spec = MigrationSpec(f"s3://{source['bucket']}", f"obs://{destination['bucket']}", scope=scope)
        return RunPlan(
            spec,
            self._config("src_node", source["cloud_type"], source["bucket"], secrets),
            self._config("dst_node", "HuaweiCloud", destination["bucket"], secrets),
        )

    def _config(self, node, cloud, bucket, secrets):
        where = self.endpoints[cloud]
        credentials = Credentials(secrets[f"{node}.ak"].reveal(), secrets[f"{node}.sk"])
        return StoreConfig(
            cloud, bucket, endpoint=where["url"], region=where["region"], addressing="path", credentials=credentials
        )


async def run(place):
    """Run tasks until SIGTERM."""
    settings = load_service_settings(None, **place["settings"])
    database = open_database(settings.database_url)
    await upgrade(database)
    identity = take_identity(settings.data_dir, alone=database.on_sqlite)
    runner = Runner(
        database,
        load_ring(settings.key_path, create=True),
        settings,
        Planner(place["endpoints"]),
        node_id=identity.id,
        ledgers=open_ledgers(settings),
    )
    await runner.start()
    stopped = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopped.set)
    while not runner.hosts.ready:
        await asyncio.sleep(0.01)
    print("ready", json.dumps(runner.hosts.pids), flush=True)
    await stopped.wait()
    await runner.stop()
    await database.close()
    identity.close()


if __name__ == "__main__":
    asyncio.run(run(json.loads(Path(sys.argv[1]).read_text())))
