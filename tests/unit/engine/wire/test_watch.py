"""The least rate as a pure state machine."""

from hypothesis import given
from hypothesis import strategies as st

from oms_engine.wire.watch import Watch

STEPS = st.lists(st.tuples(st.floats(0, 30), st.integers(0, 100_000)), max_size=60)


@given(STEPS)
def test_only_waits_of_a_window_are_too_slow(steps):
    """A verdict falls only after a whole window of waiting, and only below the rate over it."""
    watch = Watch(1000.0, 60.0)
    waited, moved = 0.0, 0
    for seconds, size in steps:
        waited, moved = waited + seconds, moved + size
        slow = watch.too_slow(seconds, size)
        assert slow == (waited >= 60.0 and moved < 1000.0 * waited)
        if waited >= 60.0:
            waited, moved = 0.0, 0


@given(STEPS)
def test_a_rate_of_nothing_is_always_reached(steps):
    """0 switches the watch off."""
    watch = Watch(0.0, 60.0)
    assert not any(watch.too_slow(seconds, size) for seconds, size in steps)


def test_a_byte_every_five_seconds_is_too_slow_after_a_minute():
    """A body that trickles ends after the first window."""
    watch = Watch(1024.0, 60.0)
    assert [watch.too_slow(5.0, 1) for _ in range(12)] == [False] * 11 + [True]
