"""Where a coordinator looks for a cut: the search ends with the run."""

from types import SimpleNamespace

import pytest

from oms_engine.coordinator import Coordinator, _Lease
from oms_engine.ledger import Segment
from oms_engine.model import key_before

KEYS = [f"beginning/{number:05}" for number in range(1000)]


class Answers:
    """A wire over sorted keys that counts its answers and ends the run at one of them."""

    def __init__(self, stop_at):
        self.session = None
        self.stop_at = stop_at
        self.count = 0

    async def call(self, after):
        self.count += 1
        if self.count == self.stop_at:
            self.session.stopping = True
        first = next((key for key in KEYS if key_before(after, key)), None)
        return SimpleNamespace(objects=[SimpleNamespace(key=first)] if first else [], next_start=None)


async def look(stop_at):
    """Look for a cut; return whether there is one, how many answers it took, and where it was made."""
    made = []

    async def lower(number, at, commit):
        made.append(at)
        return True

    slot = SimpleNamespace(heads=lambda: {1: KEYS[0]}, lower=lower)
    wire = Answers(stop_at)
    source = SimpleNamespace(
        capabilities=SimpleNamespace(list_start_anywhere=True),
        list_page=lambda prefix, *, start_after, limit: start_after,
    )
    coordinator = object.__new__(Coordinator)
    coordinator.session = wire.session = SimpleNamespace(stopping=False, source=source, wire=wire)
    coordinator._proofs = SimpleNamespace(needed=False)
    found = await coordinator._cut(_Lease(slot, Segment(1, "", "", None)))
    return found, wire.count, made


async def test_a_cut_is_found():
    """In a run that goes on, a dozen answers lead to a cut between the keys."""
    found, count, (at,) = await look(0)
    assert found
    assert count > 5
    assert KEYS[0] < at < KEYS[-1]


@pytest.mark.parametrize("stop_at", [1, 3, 5])
async def test_a_pause_ends_the_search(stop_at):
    """Once the run is to pause, no further question is asked and nothing is cut."""
    assert await look(stop_at) == (False, stop_at, [])
