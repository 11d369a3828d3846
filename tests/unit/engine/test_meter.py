"""What eyes see of a run: counts that always balance, and rates."""

from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine.batch import End
from oms_engine.meter import Meter
from oms_engine.model import Outcome
from oms_engine.session import Live
from oms_engine.task import Counters, TaskState
from oms_engine.underway import UnderWay
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


SIZES = st.lists(st.tuples(st.integers(0, 1000), st.sampled_from(["waits", "moves", "ended"])), max_size=8)


@given(new=SIZES, parked=SIZES, done=st.integers(0, 10**6))
@settings(deadline=None)
def test_the_bytes_of_all_that_was_listed_are_known_before_anything_ends(new, parked, done):
    """Listed bytes are those of every object listed, parked ones of before counted once, whatever of them has ended."""
    base = Counters(listed=len(parked) + 1, migrated=1, waiting=len(parked),
                    listed_bytes=done + sum(size for size, _ in parked), migrated_bytes=done)  # fmt: skip
    meter, live = Meter(base), Live()
    live.listed, live.listed_bytes = len(new), sum(size for size, _ in new)
    moved = 0
    for number, (size, state) in enumerate(new + parked):
        if state == "moves":
            live.under_way.begin(str(number), size)
            flow = live.under_way.open(str(number))
            flow.passed += size // 2
            moved += size // 2
        elif state == "ended":
            live.count(End(Outcome.MIGRATED, "", size))
    progress = meter.progress(TaskState.RUNNING, [live], [WireStats()], listing_done=True)
    assert progress.counters.listed_bytes == base.listed_bytes + live.listed_bytes
    assert progress.under_way_bytes == moved


def test_named_keys_count_once_their_size_is_known():
    """Of keys that are named, no size is known when they are listed: what moves and what ended is counted."""
    meter, live = Meter(), Live()
    live.listed = 3
    live.under_way.begin("a", 100)
    live.count(End(Outcome.MIGRATED, "", 50))
    live.listed_bytes += 50
    assert meter.progress(TaskState.RUNNING, [live], [], listing_done=False).counters.listed_bytes == 150


def test_bytes_under_way():
    """What failed is taken back, what arrived stays, an object never has more than its size, and an end clears it."""
    under_way = UnderWay()
    under_way.begin("a", 100)
    flow = under_way.open("a")
    flow.passed = 60
    assert (under_way.moved, under_way.size) == (60, 100)
    flow.restart()
    flow.passed = 70
    under_way.keep("a", 40)
    assert under_way.moved == 100
    under_way.close("a", flow)
    assert under_way.moved == 40
    under_way.begin("a", 100)
    assert under_way.moved == 0
    under_way.begin("b", -1)
    under_way.open("b").passed = 30
    assert (under_way.moved, under_way.size) == (30, 130)
    under_way.end("a")
    under_way.end("b")
    under_way.end("b")
    under_way.keep("b", 1)
    assert (under_way.moved, under_way.objects) == (0, {})


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
