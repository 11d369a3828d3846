"""Bandwidth windows: what is accepted and which rate holds when."""

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.bandwidth import (
    MAX_RATE,
    MIN_RATE,
    BandwidthPolicy,
    Window,
    next_change,
    parse_policy,
    parse_rate,
    parse_window,
    rate_at,
)
from oms_engine.errors import ConfigError

MIB = 1024**2


def at(text, zone="UTC"):
    """Return the instant of a local time."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("08:00-18:00=50M", Window(480, 1080, 50 * MIB)),
        ("8:00-18:00=50MB", Window(480, 1080, 50 * MIB)),
        ("00:00-23:59=1048576", Window(0, 1439, MIB)),
        ("12:00-12:00=2048k", Window(720, 720, 2 * MIB)),
        (" 01:02-03:04=1.5MiB/s ", Window(62, 184, 3 * MIB // 2)),
        ("00:00-00:01=0.1G", Window(0, 1, 107374182)),
    ],
)
def test_windows_are_read(text, window):
    """Times are minutes, K, M and G are powers of 1024, bare numbers byte/s."""
    assert parse_window(text) == window


@pytest.mark.parametrize(
    ("windows", "code"),
    [
        (["24:00-24:00=50M"], "OMS.0087"),
        (["08:60-09:00=50M"], "OMS.0087"),
        (["8-9=50M"], "OMS.0087"),
        (["-1:00-09:00=50M"], "OMS.0087"),
        (["22:00-06:00=50M"], "OMS.0087"),
        (["08:00-09:00=1048575"], "OMS.0084"),
        (["08:00-09:00=209715201"], "OMS.0084"),
        (["08:00-09:00=0"], "OMS.0084"),
        (["08:00-09:00=fast"], "OMS.0084"),
        (["08:00-09:00=-5M"], "OMS.0084"),
        (["08:00-09:00=nan"], "OMS.0084"),
        (["08:00-09:01=2M", "09:00-10:00=2M"], "OMS.0085"),
        (["08:00-12:00=2M", "09:00-10:00=2M"], "OMS.0085"),
        (["08:00-08:00=2M", "08:00-10:00=2M"], "OMS.0085"),
        (["08:00-10:00=2M", "08:00-10:00=2M"], "OMS.0085"),
        ([f"0{h}:00-0{h}:30=2M" for h in range(6)], "OMS.0083"),
        (["nonsense"], None),
        ([""], None),
    ],
)
def test_bad_windows_are_refused_with_oms_codes(windows, code):
    """Each rule of OMS has its code, and the sentence names the remedy."""
    with pytest.raises(ConfigError) as caught:
        parse_policy(windows)
    assert caught.value.code == code
    assert ": " in str(caught.value)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "/etc/localtime", "America", "a\0b"])
def test_unknown_zones_are_refused(zone):
    """A zone that the database does not know is a configuration error."""
    with pytest.raises(ConfigError, match="time zone"):
        BandwidthPolicy.checked((), zone)


def test_five_adjacent_windows_are_accepted():
    """Windows that share one minute pass, as the service accepts them; the minute belongs to the later one."""
    policy = parse_policy([f"{h}:00-{h + 1}:00={h}M" for h in (14, 10, 11, 12, 13)])
    assert [w.start for w in policy.windows] == [600, 660, 720, 780, 840]
    assert rate_at(policy, at("2026-01-01T12:00:00")) == 12 * MIB


@given(st.lists(st.tuples(st.integers(0, 1439), st.integers(0, 1439)), max_size=5))
def test_overlap_is_judged_as_a_set_of_minutes_judges_it(pairs):
    """Windows are accepted exactly when each pair shares at most one minute, an end that is another's beginning."""
    windows = [Window(min(p), max(p), MIN_RATE) for p in pairs]

    def clash(a, b):
        shared = set(range(a.start, a.end + 1)) & set(range(b.start, b.end + 1))
        return bool(shared) and not (len(shared) == 1 and a.start != b.start and shared & {a.end} & {b.start})

    ordered = sorted(windows)
    clashes = any(clash(a, b) for i, a in enumerate(ordered) for b in ordered[i + 1 :])
    if not clashes:
        assert BandwidthPolicy.checked(windows).windows == tuple(ordered)
        return
    with pytest.raises(ConfigError) as caught:
        BandwidthPolicy.checked(windows)
    assert caught.value.code == "OMS.0085"


def test_both_ends_are_inclusive():
    """The limit holds from the first second of the first minute to the last second of the last, and not outside."""
    policy = parse_policy(["08:00-18:00=50M"], "Asia/Shanghai")
    day = "2026-03-04T"
    moments = ["07:59:59", "08:00:00", "18:00:59", "18:01:00"]
    assert [rate_at(policy, at(day + m, "Asia/Shanghai")) for m in moments] == [None, 50 * MIB, 50 * MIB, None]


def test_next_change_steps_through_a_day():
    """From one change to the next, a day's windows are walked in order and come round."""
    policy = parse_policy(["08:00-09:59=5M", "10:00-10:00=6M"])
    moment, seen = at("2026-01-01T00:00:00"), []
    for _ in range(4):
        moment = next_change(policy, moment)
        seen.append((datetime.fromtimestamp(moment, UTC).strftime("%d %H:%M:%S"), rate_at(policy, moment)))
    assert seen == [
        ("01 08:00:00", 5 * MIB),
        ("01 10:00:00", 6 * MIB),
        ("01 10:01:00", None),
        ("02 08:00:00", 5 * MIB),
    ]


@pytest.mark.parametrize("windows", [[], ["00:00-23:59=9M"]])
def test_a_constant_policy_never_changes(windows):
    """No windows, or one over the whole day: no change to wait for."""
    assert next_change(parse_policy(windows), 1e9) == math.inf


def test_a_window_that_summer_time_drops_is_awaited_until_the_next_day():
    """02:00-02:30 does not exist on the day the clock goes forward: the rate next changes a day later."""
    policy = parse_policy(["02:00-02:30=5M"], "Europe/Berlin")
    after_saturdays = at("2026-03-28T02:31:00", "Europe/Berlin")
    assert next_change(policy, after_saturdays) == at("2026-03-30T02:00:00", "Europe/Berlin")


def test_a_window_that_winter_time_repeats_holds_twice():
    """On the day the clock goes back, 02:00-02:30 comes twice."""
    policy = parse_policy(["02:00-02:30=5M"], "Europe/Berlin")
    first = next_change(policy, at("2026-10-25T00:00:00", "Europe/Berlin"))
    end = next_change(policy, first)
    again = next_change(policy, end)
    assert (end - first, again - first) == (31 * 60, 3600)


windows_of_one = st.tuples(st.integers(0, 1439), st.integers(0, 1439), st.integers(MIN_RATE, MAX_RATE)).map(
    lambda t: Window(min(t[:2]), max(t[:2]), t[2])
)


@given(
    windows_of_one,
    st.floats(0, 4e9),
    st.sampled_from(["UTC", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe"]),
    st.floats(0, 1, exclude_max=True),
)
def test_the_rate_holds_until_the_next_change(window, instant, zone, part):
    """Anywhere between now and the next change the rate is the same; at the change it is another."""
    policy = BandwidthPolicy.checked([window], zone)
    change = next_change(policy, instant)
    if change == math.inf:
        assert rate_at(policy, instant + part * 86400) == rate_at(policy, instant)
        return
    assert change > instant
    assert rate_at(policy, change) != rate_at(policy, instant)
    between = instant + (change - instant) * part
    if between < change:
        assert rate_at(policy, between) == rate_at(policy, instant)


@given(st.integers(0, 10**12))
def test_plain_bytes_are_kept_exactly(rate):
    """A rate in byte/s is the number itself."""
    assert parse_rate(str(rate)) == rate
