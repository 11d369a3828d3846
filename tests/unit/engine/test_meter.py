"""What eyes see of a run: counts that always balance, and rates."""

from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine.batch import End
from oms_engine.meter import Meter
from oms_engine.model import Outcome
from oms_engine.session import Live
from oms_engine.task import Counters, TaskState
from oms_engine.wire import WireStats

ACTIONS = st.sampled_from(["list", *Outcome, "park", "settle"])


@given(actions=st.lists(ACTIONS, max_size=40), parked=st.integers(0, 5), done=st.integers(0, 5))
@settings(deadline=None)
def test_progress_balances_whatever_happened(actions, parked, done):
    """Progress adds what this process did to what the ledger held at its start, parked objects of before included."""
    base = Counters(listed=parked + done, migrated=done, waiting=parked)
    meter, live, waiting, lot, listed, migrated = Meter(base), Live(), 0, parked, parked + done, done
    for action in actions:
        if action == "list":
            live.listed += 1
            listed, waiting = listed + 1, waiting + 1
        elif action == "settle" and lot:
            live.outcomes[Outcome.MIGRATED] += 1
            live.parked -= 1
            lot, migrated = lot - 1, migrated + 1
        elif action == "park" and waiting:
            live.count(End(None, "large", 1))
            lot, waiting = lot + 1, waiting - 1
        elif isinstance(action, Outcome) and waiting:
            live.count(End(action, "", 1))
            waiting, migrated = waiting - 1, migrated + (action is Outcome.MIGRATED)
    counters = meter.progress(TaskState.RUNNING, [live], [WireStats()], listing_done=False).counters
    assert counters.balanced
    assert counters.listed == listed
    assert counters.waiting == waiting + lot
    assert counters.migrated == migrated


def test_rates_follow_what_moves():
    """The rate of a steady stream is that stream; it falls to nothing when the stream ends."""
    import oms_engine.meter as module

    now = 100.0
    real, module.time.monotonic = module.time.monotonic, lambda: now
    try:
        meter, live = Meter(), Live()
        for _ in range(20):
            now += 0.5
            live.transferred += 500
            meter.look([live])
        assert 900 < meter.progress(TaskState.RUNNING, [live], [], listing_done=False).bytes_per_second < 1100
        for _ in range(40):
            now += 0.5
            meter.look([live])
        assert meter.progress(TaskState.RUNNING, [live], [], listing_done=True).bytes_per_second < 10
    finally:
        module.time.monotonic = real
