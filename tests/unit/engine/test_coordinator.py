"""The coordinator's leases."""

import asyncio

from oms_engine import coordinator as module
from oms_engine.coordinator import Coordinator


async def test_the_end_of_the_last_lease_is_noticed_during_a_search_for_a_cut(monkeypatch):
    """An idle lease that looks for something to cut while the last other one ends does not sleep afterwards."""
    monkeypatch.setattr(module, "IDLE_SECONDS", 1000)
    coordinator = Coordinator.__new__(Coordinator)
    coordinator._changed = asyncio.Event()
    coordinator._leases = {1: object()}
    coordinator.session = type("S", (), {"stopping": False})()
    coordinator._ledger = type("L", (), {"claim": staticmethod(lambda: None)})()

    async def cut(_slot):
        coordinator._leases.clear()
        coordinator._tell_change()
        return False

    coordinator._cut_for = cut
    slot = type("Slot", (), {"ready": staticmethod(lambda: True)})()
    async with asyncio.timeout(20):
        await coordinator._lease_all(slot, None, first=True)
