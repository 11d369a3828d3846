"""The token bucket: never more than the rate, hardly ever less."""

import asyncio
import multiprocessing
import pickle
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.limiter import BURST_SECONDS, Limiter

SECOND = 1_000_000_000


class Clock:
    def __init__(self):
        self.now = 5 * SECOND

    def __call__(self):
        return self.now

    def advance(self, seconds):
        self.now += round(seconds * SECOND)


steps = st.lists(
    st.one_of(st.tuples(st.just("take"), st.integers(0, 5_000_000)), st.tuples(st.just("pass"), st.floats(0, 5))),
    max_size=60,
)


@given(st.integers(1_048_576, 209_715_200), steps)
def test_no_window_of_time_grants_more_than_rate_and_burst(rate, script):
    """Between any two grants, bytes are at most rate x time plus one burst (or one take, if greater)."""
    clock = Clock()
    limiter = Limiter(rate, clock=clock)
    grants = []
    for kind, value in script:
        if kind == "take":
            grants.append((clock.now / SECOND + limiter.take(value), value))
        else:
            clock.advance(value)
    grants.sort()
    slack = max([rate * BURST_SECONDS, *(size for _, size in grants)]) + len(grants) + 2
    for first in range(len(grants)):
        total = 0
        for last in range(first, len(grants)):
            total += grants[last][1]
            assert total <= rate * (grants[last][0] - grants[first][0]) + slack


@given(
    st.integers(1_048_576, 209_715_200),
    st.lists(st.integers(1, 262_144), min_size=200, max_size=400),
    st.lists(st.floats(0, 0.02), min_size=1, max_size=5),
)
def test_a_saturated_caller_gets_its_rate(rate, sizes, lateness):
    """A caller that always wants more, and wakes up to 20 ms late, gets 97 % of the rate and no more than 103 % of ten seconds."""
    clock = Clock()
    limiter = Limiter(rate, clock=clock)
    start, moved, n = clock.now, 0, 0
    while clock.now - start < 10 * SECOND:
        size = max(sizes[n % len(sizes)], rate // 50)
        wait = limiter.take(size)
        clock.advance(wait + (lateness[n % len(lateness)] if wait else 0))
        moved += size
        n += 1
    seconds = (clock.now - start) / SECOND
    assert 0.97 * rate * seconds <= moved <= 1.03 * rate * seconds


def test_unlimited_never_waits():
    """Without a rate every take is granted at once."""
    limiter = Limiter()
    assert limiter.rate is None
    assert [limiter.take(10**12) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_debt_is_served_at_the_new_rate():
    """Ten seconds owed at 1 MB/s are one second at 10 MB/s, and what was owed is forgiven when the limit is lifted."""
    clock = Clock()
    limiter = Limiter(1_000_000, clock=clock)
    assert limiter.take(10_000_000) == pytest.approx(10, rel=1e-6)
    limiter.set_rate(10_000_000)
    assert limiter.take(0) == pytest.approx(1, rel=1e-6)
    limiter.set_rate(500_000)
    assert limiter.take(0) == pytest.approx(20, rel=1e-6)
    limiter.set_rate(None)
    assert limiter.take(10**9) == 0.0
    limiter.set_rate(1_000_000)
    assert limiter.take(1_000_000) <= 1.0


@given(st.lists(st.tuples(st.integers(1, 200_000_000), st.floats(0, 2)), min_size=1, max_size=10))
def test_changing_the_rate_grants_no_bytes_beyond_the_rates(changes):
    """Over any sequence of rates, what is granted to a saturated caller is the sum of rate x time plus bursts."""
    clock = Clock()
    limiter = Limiter(1_000_000, clock=clock)
    allowed, granted = 100_000.0, 0
    for rate, seconds in changes:
        limiter.set_rate(rate)
        allowed += rate * seconds + rate * BURST_SECONDS
        end = clock.now + round(seconds * SECOND)
        size = max(1, rate // 20)
        for _ in range(100):
            wait = limiter.take(size)
            if clock.now + wait * SECOND > end:
                break
            clock.advance(wait)
            granted += size
        clock.now = max(clock.now, end)
    assert granted <= allowed + len(changes) * 2 + 1_000_000


async def test_a_sleeper_follows_a_change_of_the_rate():
    """Whoever waits for minutes under a low rate is let go soon after the limit is lifted."""
    limiter = Limiter(1_048_576)
    waiter = asyncio.create_task(limiter.pace(600 * 1_048_576))
    await asyncio.sleep(0.05)
    assert not waiter.done()
    limiter.set_rate(None)
    await asyncio.wait_for(waiter, 5)


def test_threads_share_one_bucket():
    """Several threads together get the rate, not each."""
    limiter = Limiter(10_000_000)

    def work():
        for _ in range(10):
            limiter.pace_blocking(100_000)

    threads = [threading.Thread(target=work) for _ in range(4)]
    start = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # 4 MB at 10 MB/s, less the burst of 0.1 s.
    assert time.monotonic() - start >= 0.29


def test_spawned_processes_share_one_bucket():
    """A take in a spawned process counts in this one, and a rate set there holds here."""
    limiter = Limiter(1_000_000, shared=True)
    context = multiprocessing.get_context("spawn")
    for target, argument in ((limiter.take, 600_000_000), (limiter.set_rate, 2_000_000)):
        process = context.Process(target=target, args=(argument,))
        process.start()
        process.join(60)
        assert process.exitcode == 0
    assert limiter.rate == 2_000_000
    assert 200 < limiter.take(0) <= 300


def test_a_lock_left_by_a_dead_process_is_taken_over():
    """When its holder died inside, the bucket goes on after a second, and at once from then on."""
    limiter = Limiter(1_000_000, shared=True)
    limiter._lock.acquire()
    start = time.monotonic()
    limiter.take(1)
    assert time.monotonic() - start < 5
    start = time.monotonic()
    limiter.take(1)
    assert time.monotonic() - start < 0.5


def test_an_unshared_bucket_is_not_sent_to_processes():
    """Only a shared bucket can be handed over; another refuses instead of silently becoming two."""
    with pytest.raises(TypeError):
        pickle.dumps(Limiter(1))


def test_negative_rates_are_refused():
    """A negative rate is a mistake of the caller."""
    with pytest.raises(ValueError, match="negative"):
        Limiter(-1)
