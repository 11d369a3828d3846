"""The scheduler: quotas, priorities, ageing, expiry; on generated queues."""

from collections import Counter
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_worker.scheduler import DAY, Limits, Room, decide, rank, share

NOW = 1_790_000_000.0
HOUR = 3600.0


@dataclass(frozen=True)
class Waits:
    id: int
    project_id: str = "p"
    priority: str = "MEDIUM"
    group_type: str = "NORMAL_TASK"
    queued_at: float = NOW
    group_id: str = ""


queues = st.lists(
    st.builds(
        Waits,
        id=st.integers(0, 10**15 - 1),
        project_id=st.sampled_from("pqr"),
        priority=st.sampled_from(["HIGH", "MEDIUM", "LOW"]),
        group_type=st.sampled_from(["NORMAL_TASK", "GROUP_TASK", "SYNC_TASK"]),
        queued_at=st.floats(NOW - 40 * DAY, NOW + 60),
        group_id=st.sampled_from(["", "g", "h"]),
    ),
    max_size=40,
    unique_by=lambda task: task.id,
)
limits = st.builds(
    Limits, free=st.integers(0, 10), running_per_project=st.integers(0, 5), running_per_group=st.integers(0, 3)
)
running = st.dictionaries(st.sampled_from("pqr"), st.integers(0, 6))
grouped = st.dictionaries(st.sampled_from("gh"), st.integers(0, 4))


@given(queues, running, limits, grouped)
def test_quotas_and_room_hold(queue, busy, limit, in_groups):
    """No project and no group runs more than it may, no node more than it has room for, and no task starts twice."""
    chosen = decide(queue, busy, limit, NOW, running_in_groups=in_groups)
    assert len(chosen.start) <= limit.free
    assert len(set(chosen.start)) == len(chosen.start)
    started = Counter(task.project_id for task in queue if task.id in set(chosen.start))
    if limit.running_per_project:
        for project, number in started.items():
            assert busy.get(project, 0) + number <= limit.running_per_project
    members = Counter(task.group_id for task in queue if task.id in set(chosen.start) and task.group_id)
    if limit.running_per_group:
        for group, number in members.items():
            assert in_groups.get(group, 0) + number <= limit.running_per_group


@given(queues, running, limits, grouped)
def test_nothing_idles(queue, busy, limit, in_groups):
    """While there is room and quota, nothing waits: a task is left only for its project's or group's limit, or room."""
    chosen = decide(queue, busy, limit, NOW, running_in_groups=in_groups)
    if len(chosen.start) == limit.free:
        return
    started = Counter(task.project_id for task in queue if task.id in set(chosen.start))
    members = Counter(task.group_id for task in queue if task.id in set(chosen.start))
    for task in queue:
        if task.id not in chosen.start + chosen.expire:
            project, group = limit.running_per_project, limit.running_per_group if task.group_id else 0
            full = project and busy.get(task.project_id, 0) + started[task.project_id] >= project
            assert full or (group and in_groups.get(task.group_id, 0) + members[task.group_id] >= group)


@given(queues, running, limits)
def test_no_overtaking_within_a_project(queue, busy, limit):
    """Of one project, what starts ranks before what goes on waiting; no group holds anything back here."""
    limit = replace(limit, running_per_group=0)
    chosen = decide(queue, busy, limit, NOW)
    for project in "pqr":
        ours = [task for task in queue if task.project_id == project and task.id not in chosen.expire]
        key = {task.id: rank(task, limit.ageing_seconds, NOW) for task in ours}
        first = [key[task.id] for task in ours if task.id in chosen.start]
        rest = [key[task.id] for task in ours if task.id not in chosen.start]
        assert not first or not rest or max(first) < min(rest)


@given(queues)
def test_thirty_days(queue):
    """Exactly the tasks that have waited for more than 30 days expire, and none of them starts."""
    chosen = decide(queue, {}, Limits(free=1000, running_per_project=0), NOW)
    assert set(chosen.expire) == {task.id for task in queue if NOW - task.queued_at > 30 * DAY}
    assert set(chosen.start) | set(chosen.expire) == {task.id for task in queue}
    assert not set(chosen.start) & set(chosen.expire)


def order(*tasks):
    """Return the ids in the order in which the tasks start."""
    return decide(tasks, {}, Limits(free=100, running_per_project=0), NOW).start


def test_sync_then_priority_then_arrival():
    """Sync sub-tasks first, then HIGH, MEDIUM, LOW, then by arrival."""
    tasks = (
        Waits(1, priority="LOW"),
        Waits(2),
        Waits(3, queued_at=NOW - 1),
        Waits(4, priority="HIGH"),
        Waits(5, priority="LOW", group_type="SYNC_TASK"),
    )
    assert order(*tasks) == (5, 4, 3, 2, 1)


@pytest.mark.parametrize(("hours", "first"), [(0.9, 2), (1.1, 1)])
def test_waiting_lifts(hours, first):
    """After an hour a LOW task ranks before a MEDIUM one that has just come."""
    assert order(Waits(1, priority="LOW", queued_at=NOW - hours * HOUR), Waits(2))[0] == first


def test_nothing_starves():
    """A LOW task starts at last however many HIGH ones keep coming."""
    low = Waits(0, priority="LOW", queued_at=NOW)
    for turn in range(200):
        fresh = [Waits(1 + turn, priority="HIGH", queued_at=NOW + turn * 60)]
        if decide([low, *fresh], {}, Limits(free=1), NOW + turn * 60).start == (0,):
            return
    raise AssertionError("it never started")


def test_a_clock_set_back():
    """A task that seems to come from the future ranks as one that has just come, and does not expire."""
    future = Waits(1, queued_at=NOW + DAY)
    assert rank(future, HOUR, NOW)[:2] == rank(replace(future, queued_at=NOW), HOUR, NOW)[:2]
    assert order(future) == (1,)


def test_a_group_does_not_fill_a_project():
    """Of a group as many start as it may run at once; a task behind it takes the place that is left."""
    group = [Waits(number, group_id="g", queued_at=NOW - 10 + number) for number in range(5)]
    limit = Limits(free=10, running_per_project=4, running_per_group=2)
    chosen = decide([*group, Waits(9)], {"p": 1}, limit, NOW, running_in_groups={"g": 1})
    assert chosen.start == (0, 9)


rooms = st.dictionaries(
    st.sampled_from("abcde"), st.builds(Room, st.integers(1, 50), st.integers(0, 60)), min_size=1, max_size=5
)


@given(st.integers(0, 120), rooms)
def test_the_shares_of_all_nodes(startable, known):
    """Asked in turn, each under what the others took, nodes take all that fits, none beyond its room, and evenly."""
    left, now = startable, dict(known)
    for _ in range(2):  # one look each is enough, whoever comes first
        for name in known:
            mine = share(left, now, name)
            assert 0 <= mine <= min(left, now[name].free)
            now[name] = Room(now[name].capacity, now[name].running + mine)
            left -= mine
    assert left == max(0, startable - sum(room.free for room in known.values()))
    for giver in known:
        for taker in known:
            if now[giver].running > known[giver].running and now[taker].free:
                after = (now[taker].running + 1) / now[taker].capacity
                assert now[giver].running / now[giver].capacity <= after + 1e-9, "it would have been better off there"


@pytest.mark.parametrize(
    ("startable", "known", "mine"),
    [
        (16, {"me": Room(200)}, 16),
        (16, {"me": Room(200), "other": Room(200)}, 8),
        (1, {"me": Room(200, 3), "other": Room(200, 3)}, 1),
        (1, {"me": Room(200, 3), "other": Room(200, 2)}, 0),
        (6, {"me": Room(200), "other": Room(100)}, 4),
        (5, {"me": Room(2, 2), "other": Room(9)}, 0),
    ],
)
def test_the_share_of_a_node(startable, known, mine):
    """A node takes what goes to it when each task goes to the node that runs the least of what it may."""
    assert share(startable, known, "me") == mine
