"""Slots in child processes, led by the parent: what they are told holds in them too."""

from __future__ import annotations

import asyncio
import functools
import time

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.inflight import LedgerUploads
from oms_engine.ledger import Segment
from oms_engine.limiter import Limiter
from oms_engine.memory_ledger import MemoryLedger
from oms_engine.model import Credentials, Secret
from oms_engine.session import EngineSettings
from oms_engine.slots import SlotPlan
from oms_engine.task import MigrationSpec
from oms_worker.processes import ProcessSlots
from support.listing_server import PAGE, ListingServer, key_of

pytestmark = pytest.mark.e2e

KEYS = Credentials("ak", Secret("sk"))
COUNT = 20 * PAGE


def plan_for(server: ListingServer) -> SlotPlan:
    """Return what a child needs to go through the server's listing."""

    def opener(cloud_type: str, bucket: str):
        config = StoreConfig(cloud_type, bucket, endpoint=server.url, region="r", addressing="path", credentials=KEYS)
        return functools.partial(open_store, config)

    return SlotPlan(
        MigrationSpec("s3://src", "obs://dst"),
        opener("AWS", "src"),
        opener("HuaweiCloud", "dst"),
        EngineSettings(processes=2),
        Limiter(),
        time.time(),
        LedgerUploads(MemoryLedger(lists=False)),
    )


async def news(slot, count: int) -> None:
    """Wait until the child has told ``count`` times how it stands."""
    for _ in range(count):
        last = slot.live
        while slot.live is last:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("early", [True, False], ids=["before the child runs", "while it runs"])
async def test_a_held_listing_waits_in_a_child_too_and_goes_on(early):
    """Where too much is parked no process lists on; nothing is passed over when it goes on."""
    with ListingServer(COUNT, latency=0.0 if early else 0.05) as server:
        async with ProcessSlots().open(plan_for(server)) as [slot]:
            listed = 0

            async def work() -> None:
                nonlocal listed
                async for checkpoint in slot.run(Segment(1, epoch=1), None):
                    listed = checkpoint.counters.listed

            if not early:
                slot.warm()
                while not slot.ready():
                    await asyncio.sleep(0.01)
            else:
                slot.hold(True)
            working = asyncio.create_task(work())
            slot.hold(True)
            while not slot.heads():
                await asyncio.sleep(0.01)
            await news(slot, 2)
            held = slot.heads()[1]
            await news(slot, 4)
            assert slot.heads()[1] == held < key_of(COUNT - 1)
            slot.hold(False)
            await working
            assert listed == COUNT
