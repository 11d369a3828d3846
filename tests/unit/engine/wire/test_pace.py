"""The pace, driven by a simulated store and clock."""

import heapq
import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine.pace import Pace, PaceSettings


class Clock:
    """A clock the test turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def run(pace: Pace, clock: Clock, *, seconds: float, round_trip: float, most_per_second: float, jitter=lambda: 1.0):
    """Keep ``pace.limit`` requests in flight at a store with a round trip and a rate; return the replies counted."""
    end = clock.now + seconds
    flights: list[tuple[float, float]] = []
    free_at = clock.now
    count = 0
    while clock.now < end:
        while len(flights) < pace.limit:
            free_at = max(free_at, clock.now) + 1 / most_per_second * jitter()
            heapq.heappush(flights, (max(free_at, clock.now + round_trip), clock.now))
        done, started = heapq.heappop(flights)
        clock.now = max(clock.now, done)
        pace.ok(clock.now - started)
        count += 1
    return count


def test_long_round_trips_reach_the_maximum_within_a_second():
    """At 20 ms and no other limit, 512 objects are in flight before a second has passed."""
    clock = Clock()
    pace = Pace(clock=clock)
    run(pace, clock, seconds=1.0, round_trip=0.02, most_per_second=1e6)
    assert pace.limit == 512


def test_two_legs_of_a_long_round_trip_reach_the_maximum_too():
    """With a GET and a PUT of 20 ms each, so half of the objects at each endpoint, 512 is still reached in a second."""
    clock = Clock()
    pace = Pace(clock=clock)
    run(pace, clock, seconds=1.0, round_trip=0.04, most_per_second=1e6)
    assert pace.limit == 512


@settings(max_examples=20)
@given(st.integers(0, 10**6))
def test_a_busy_machine_keeps_few_in_flight(seed):
    """Where throughput does not depend on the number in flight (loopback), it stays near its start."""
    clock = Clock()
    pace = Pace(clock=clock)
    noise = random.Random(seed)
    run(pace, clock, seconds=2, round_trip=0.0002, most_per_second=20_000, jitter=lambda: noise.uniform(0.5, 1.5))
    assert 32 <= pace.limit <= 80


def test_slow_down_halves_once_per_window_and_holds():
    """A burst of SlowDown halves once; requests wait for the longest Retry-After; the next window halves again."""
    clock = Clock()
    pace = Pace(clock=clock)
    pace.limit = 256
    for _ in range(100):
        pace.slow_down(2.0)
    pace.slow_down(1.0)
    assert pace.limit == 128
    assert pace.not_before == clock.now + 2.0
    clock.now += 3.0
    pace.slow_down()
    assert pace.limit == 64
    assert pace.not_before == clock.now + PaceSettings().hold_seconds


def test_after_slow_down_growth_is_additive():
    """The limit grows by a constant step per window after a complaint, never by doubling."""
    clock = Clock()
    pace = Pace(clock=clock)
    pace.limit = 256
    pace.slow_down(0.0)
    limits = [pace.limit]
    for _ in range(20):
        run(pace, clock, seconds=0.05, round_trip=0.02, most_per_second=1e6)
        limits.append(pace.limit)
    steps = {b - a for a, b in itertools.pairwise(limits)}
    assert steps <= {0, 4, 8}
    assert limits[-1] > 128
    assert pace.phase == "recovering"


def test_a_settled_pace_finds_new_room():
    """When the store becomes faster, gentle probing finds it within half a minute."""
    clock = Clock()
    pace = Pace(clock=clock)
    run(pace, clock, seconds=2, round_trip=0.02, most_per_second=2_000)
    before = pace.limit
    assert before < 200
    run(pace, clock, seconds=30, round_trip=0.02, most_per_second=20_000)
    assert pace.limit >= 2 * before


def test_a_probe_that_does_not_pay_is_taken_back():
    """At a store with a fixed rate the limit does not creep."""
    clock = Clock()
    pace = Pace(clock=clock)
    run(pace, clock, seconds=2, round_trip=0.02, most_per_second=3_000)
    before = pace.limit
    run(pace, clock, seconds=60, round_trip=0.02, most_per_second=3_000)
    assert pace.limit <= before * 1.21 + 1


EVENTS = st.lists(
    st.tuples(st.sampled_from(["ok", "slow"]), st.floats(0, 5), st.none() | st.floats(-1, 1e9)), max_size=300
)


@given(EVENTS)
def test_the_limit_stays_within_its_bounds(events):
    """Whatever happens in whatever order, the limit stays within 1 and 512 and the hold within its maximum."""
    clock = Clock()
    pace = Pace(PaceSettings(start=4), clock=clock)
    for kind, seconds, after in events:
        clock.now += seconds
        if kind == "ok":
            for _ in range(9):
                pace.ok(seconds)
        else:
            pace.slow_down(after)
        assert 1 <= pace.limit <= 512
        assert pace.not_before <= clock.now + 60


@pytest.mark.parametrize("seconds", [0.0, 1e-9])
def test_a_clock_that_stands_still_is_survived(seconds):
    """Replies at one instant never divide by zero or grow the limit."""
    clock = Clock()
    pace = Pace(clock=clock)
    for _ in range(1000):
        pace.ok(seconds)
    assert pace.limit == 32
