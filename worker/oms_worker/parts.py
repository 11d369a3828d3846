"""Sub-tasks: which part of their group's or sync task's scope they cover, as their row states it. Pure.

``task.range`` holds one of::

    {"ranges": [[prefix, lo, hi], …], "objects": n, "bytes": n}                        PREFIX; hi null is open
    {"list_key": …, "first_line": n, "lines": n, "offset": n, "length": n, "etag": …}  LIST and URL_LIST
    {"keys": n}                                                                        sync tasks: see ``task_keys``

Keys are URL-encoded, so that every key passes through every database's JSON.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from oms_engine.model import Secret, TaskType
from oms_engine.records import decode_key, encode_key
from oms_engine.task import KeyRange, ListSlice, MigrationSpec, Scope
from oms_worker.db.tasks import TaskRow
from oms_worker.running import Planner, RunPlan

NOTHING_THERE = "TRF.0012"


class PartPlanner:
    """A planner that narrows what another one plans down to a sub-task's part."""

    def __init__(self, planner: Planner) -> None:
        self._planner = planner

    def __call__(self, task: TaskRow, secrets: Mapping[str, Secret], keys: Sequence[str]) -> RunPlan:
        """Plan a task.

        Raises:
            ConfigError: as the other one.
        """
        plan = self._planner(task, secrets, keys)
        return replace(plan, spec=narrowed(plan.spec, task, keys))


def narrowed(spec: MigrationSpec, task: TaskRow, keys: Sequence[str]) -> MigrationSpec:
    """Return a specification narrowed down to a sub-task's part; a task of its own stays as it is."""
    if task.sync_task_id:
        scope = Scope(TaskType.OBJECT, tuple(decode_key(key) for key in keys), exact=True)
        return replace(spec, scope=scope, record_root=f"oms/sync_task/{task.sync_task_id}")
    if not task.group_id or task.range is None:
        return spec
    return replace(spec, scope=part_of(spec.scope, task.range), record_root=f"oms/task_group/{task.group_id}")


def part_of(scope: Scope, part: Mapping[str, Any]) -> Scope:
    """Return the part of a group's scope."""
    if "ranges" in part:
        return Scope(TaskType.PREFIX, ranges=tuple(_range(item) for item in part["ranges"]))
    lines = ListSlice(part["first_line"], part["offset"], part["length"], part.get("etag", ""))
    return replace(scope, list_key=part["list_key"], list_slice=lines)


def render_ranges(ranges: Sequence[KeyRange], objects: int, size: int) -> dict[str, Any]:
    """Return key ranges as a row states them."""
    return {"ranges": [_rendered(item) for item in ranges], "objects": objects, "bytes": size}


def _rendered(item: KeyRange) -> list[str | None]:
    return [encode_key(item.prefix), encode_key(item.lo), None if item.hi is None else encode_key(item.hi)]


def _range(item: Sequence[Any]) -> KeyRange:
    prefix, lo, hi = item
    return KeyRange(decode_key(prefix), decode_key(lo), None if hi is None else decode_key(hi))
