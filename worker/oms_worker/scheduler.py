"""Which waiting tasks start now, and which have waited too long. Pure: the runner carries the decisions out.

Sub-tasks of sync tasks go first, as in the service. Then priority, where waiting lifts a task: after ``ageing_seconds``
a LOW task ranks like a MEDIUM one that has just come, after twice that like a HIGH one. Equals go by time of arrival.
A project's quota holds for all its tasks together, on all nodes; so does the limit of a task group for its sub-tasks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from oms_engine.frozen import dataclass

DAY = 86_400.0
EXPIRED = "TRF.0003"
"""https://support.huaweicloud.com/intl/en-us/api-oms/ErrorCode.html: the task waited for too long."""

RANK: Mapping[str, int] = {"HIGH": 0, "MEDIUM": 1, "LOW": 2}
SYNC_TASK = "SYNC_TASK"


class Candidate(Protocol):
    """A waiting task."""

    @property
    def id(self) -> int:
        """Its number."""

    @property
    def project_id(self) -> str:
        """Whose quota it takes from."""

    @property
    def priority(self) -> str:
        """HIGH, MEDIUM or LOW."""

    @property
    def group_type(self) -> str:
        """NORMAL_TASK, GROUP_TASK or SYNC_TASK."""

    @property
    def group_id(self) -> str:
        """Its task group; empty when it has none."""

    @property
    def queued_at(self) -> float:
        """When it became waiting, seconds since the epoch."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may run and wait. ``free`` is room on this node; a limit of 0 is none."""

    free: int
    running_per_project: int = 5
    running_per_group: int = 0
    ageing_seconds: float = 3600.0
    expiry_seconds: float = 30 * DAY


@dataclass(frozen=True, slots=True)
class Room:
    """How many tasks a node may run at once, and how many it runs."""

    capacity: int
    running: int = 0

    @property
    def free(self) -> int:
        """How many more it may take."""
        return max(0, self.capacity - self.running)


def share(startable: int, rooms: Mapping[str, Room], me: str) -> int:
    """Return how many of the tasks that may start this node takes, the first ones.

    Each goes in turn to the node that runs the least of what it may; where nodes are alike, to the one that asks.

    =========  ==============================  ===========================================
    startable  running of capacity: me, other  mine
    =========  ==============================  ===========================================
    16         0 of 200, none                  16
    16         0 of 200, 0 of 200              8
    1          3 of 200, 3 of 200              1: alike, and this node is the one that asks
    1          3 of 200, 2 of 200              0: the other has more room
    6          0 of 200, 0 of 100              4: twice the capacity, twice the tasks
    5          2 of 2, any                     0: no room
    =========  ==============================  ===========================================
    """
    running = {name: room.running for name, room in rooms.items()}
    mine = 0
    for _ in range(startable):
        open_to = [name for name, room in rooms.items() if running[name] < room.capacity]
        if not open_to:
            break
        chosen = min(open_to, key=lambda name: ((running[name] + 1) / rooms[name].capacity, name != me, name))
        running[chosen] += 1
        mine += chosen == me
    return mine


@dataclass(frozen=True, slots=True)
class Decision:
    """Task ids, in the order in which they start."""

    start: tuple[int, ...] = ()
    expire: tuple[int, ...] = ()


def decide(
    waiting: Iterable[Candidate],
    running: Mapping[str, int],
    limits: Limits,
    now: float,
    *,
    running_in_groups: Mapping[str, int] | None = None,
) -> Decision:
    """Choose among waiting tasks; ``running`` is the number of running tasks per project, on all nodes.

    ``running_in_groups`` is the same per task group.
    """
    expired: list[int] = []
    alive: list[Candidate] = []
    for task in waiting:
        if now - task.queued_at > limits.expiry_seconds:
            expired.append(task.id)
        else:
            alive.append(task)
    taken, in_groups = dict(running), dict(running_in_groups or {})
    start: list[int] = []
    for task in sorted(alive, key=lambda task: rank(task, limits.ageing_seconds, now)):
        if len(start) >= limits.free:
            break
        if _full(taken, task.project_id, limits.running_per_project):
            continue
        if task.group_id and _full(in_groups, task.group_id, limits.running_per_group):
            continue
        taken[task.project_id] = taken.get(task.project_id, 0) + 1
        in_groups[task.group_id] = in_groups.get(task.group_id, 0) + 1
        start.append(task.id)
    return Decision(tuple(start), tuple(expired))


def _full(taken: Mapping[str, int], name: str, limit: int) -> bool:
    return bool(limit) and taken.get(name, 0) >= limit


def rank(task: Candidate, ageing_seconds: float, now: float) -> tuple[bool, float, float, int]:
    """Return a task's place: the lowest starts first. A clock that was set back does not push it behind newer ones."""
    waited = max(0.0, now - task.queued_at)
    return (
        task.group_type != SYNC_TASK,
        RANK.get(task.priority, RANK["MEDIUM"]) - waited / ageing_seconds,
        task.queued_at,
        task.id,
    )
