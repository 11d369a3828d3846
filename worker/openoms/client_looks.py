"""One look at a task, task group or sync task, read from the service's JSON: state, numbers, exit code. Pure.

A field that is missing, or of another type than expected, is nothing: a later service may tell more, or less.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from oms_engine.frozen import dataclass
from oms_worker.states import Group, Sync, Task
from openoms.client_tables import Cell, render_percent, visible
from openoms.clouds import URL_SOURCE, cloud_of_type
from openoms.report import SOME_OBJECTS_FAILED, ExitCode
from openoms.units import render_bytes, render_count, render_duration, render_rate

Told = Mapping[str, Any]

RETRYING = 6
"""Newer services say so of a task whose failed objects are tried again: states.py."""

TASK_WORDS = {**{int(state): state.name.lower() for state in Task}, RETRYING: "retrying"}
GROUP_WORDS = {int(state): state.name.lower().replace("_", " ") for state in Group}
SYNC_WORDS = {state.value: state.value.lower() for state in Sync}

STYLES = {
    "succeeded": "green", "completed": "green", "failed": "red", "creation failed": "red", "paused": "yellow",
    "pausing": "yellow", "stopped": "yellow", "migrating": "cyan", "monitoring": "cyan", "creating": "cyan",
    "retrying": "cyan", "synchronizing": "cyan",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """How far something is. Sizes in bytes, times in seconds; None where the service does not tell."""

    title: str
    state: str
    ended: bool
    """Nothing changes any more until somebody starts it again."""
    exit_code: ExitCode
    """What a shell sees when it has ended."""
    total: int = 0
    migrated: int = 0
    skipped: int = 0
    failed: int = 0
    total_size: int = 0
    complete_size: int = 0
    speed: int = 0
    fraction: float | None = None
    seconds: float = 0.0
    seconds_left: float | None = None
    listed: bool = True
    """Whether ``total`` is final."""
    error_code: str | None = None
    error_msg: str | None = None

    @property
    def done(self) -> int:
        """Objects that have their end."""
        return self.migrated + self.skipped + self.failed


def number(told: Told, name: str) -> int:
    """Return a number of the reply, 0 for none."""
    value = told.get(name)
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0


def word(told: Told, name: str) -> str:
    """Return a text of the reply, nothing for none."""
    value = told.get(name)
    return "" if value is None else str(value)


def part(told: Told, name: str) -> Told:
    """Return an object within the reply, an empty one for none."""
    value = told.get(name)
    return value if isinstance(value, Mapping) else {}


def items_of(told: Told, name: str) -> list[Told]:
    """Return the objects in a list of the reply."""
    found = told.get(name)
    return [item for item in found if isinstance(item, Mapping)] if isinstance(found, list) else []


def status_of(told: Told) -> int | str | None:
    """Return the state as the service tells it."""
    value = told.get("status")
    return value if isinstance(value, int | str) else None


def state_word(words: Mapping[Any, str], status: object) -> str:
    """Return a state in words; one that is not known is told as it came."""
    return words.get(status) or f"status {status}"


def state_cell(state: str) -> Cell:
    """Return a state in its colour."""
    return Cell(state, STYLES.get(state, ""))


def place(cloud_type: str, bucket: str, folder: str = "") -> str:
    """Return a bucket as the command line names it: ``s3://photos/folder``."""
    cloud = cloud_of_type(cloud_type) if cloud_type and cloud_type.lower() != URL_SOURCE.lower() else None
    return f"{cloud.scheme if cloud else cloud_type.lower()}://{bucket}{f'/{folder}' if folder else ''}"


def route(told: Told) -> tuple[str, str]:
    """Return where a task or group copies from and to."""
    source, destination = part(told, "src_node"), part(told, "dst_node")
    cloud, listing = word(source, "cloud_type"), part(source, "list_file")
    begin = place(cloud, word(source, "bucket"))
    if cloud.lower() == URL_SOURCE.lower():
        begin = f"URLs of {place('HuaweiCloud', word(listing, 'obs_bucket'), word(listing, 'list_file_key'))}"
    written = word(destination, "cloud_type") or "HuaweiCloud"
    return begin, place(written, word(destination, "bucket"), word(destination, "save_prefix"))


def task_look(told: Told) -> Look:
    """Read a task."""
    status, failed = status_of(told), number(told, "failed_num")
    reason = part(told, "error_reason")
    running = status in {Task.MIGRATING, RETRYING}
    progress = told.get("progress")
    return Look(
        title=f"task {word(told, 'id')}",
        state=state_word(TASK_WORDS, status),
        ended=status in {Task.PAUSED, Task.FAILED, Task.SUCCEEDED},
        exit_code=_exit_code(
            word(reason, "error_code") or None, failed, paused=status == Task.PAUSED, well=status == Task.SUCCEEDED
        ),
        total=number(told, "total_num"),
        migrated=number(told, "successful_num"),
        skipped=number(told, "skipped_num"),
        failed=failed,
        total_size=number(told, "total_size"),
        complete_size=number(told, "complete_size"),
        speed=number(told, "migrate_speed") if running else 0,
        fraction=float(progress) if isinstance(progress, int | float) and math.isfinite(progress) else None,
        seconds=number(told, "total_time") / 1000,
        seconds_left=(number(told, "left_time") / 1000 or None) if running else None,
        listed=bool(told.get("is_query_over")),
        error_code=word(reason, "error_code") or None,
        error_msg=word(reason, "error_msg"),
    )


_GROUP_ENDS = frozenset({Group.PAUSED, Group.CREATION_FAILED, Group.FAILED, Group.COMPLETED})


def group_look(told: Told) -> Look:
    """Read a task group, whose progress and time left the service does not tell."""
    status, failed, reason = status_of(told), number(told, "fail_num"), part(told, "error_reason")
    total, size, complete = (number(told, name) for name in ("total_num", "total_size", "complete_size"))
    done = number(told, "success_num") + number(told, "skip_num") + failed
    speed = number(told, "migrate_speed") if status in {Group.CREATING, Group.MONITORING} else 0
    cut = status not in {Group.WAITING, Group.CREATING}
    return Look(
        title=f"task group {word(told, 'group_id')}",
        state=state_word(GROUP_WORDS, status),
        ended=status in _GROUP_ENDS,
        exit_code=_exit_code(
            word(reason, "error_code") or None, failed, paused=status == Group.PAUSED, well=status == Group.COMPLETED
        ),
        total=total,
        migrated=number(told, "success_num"),
        skipped=number(told, "skip_num"),
        failed=failed,
        total_size=size,
        complete_size=complete,
        speed=speed,
        fraction=(1.0 if status == Group.COMPLETED else done / total) if total else None,
        seconds=number(told, "total_time") / 1000,
        seconds_left=max(0, size - complete) / speed if speed and cut else None,
        listed=cut,
        error_code=word(reason, "error_code") or None,
        error_msg=word(reason, "error_msg"),
    )


def sync_look(told: Told) -> Look:
    """Read a sync task, which ends only when somebody stops it; the numbers are those of this month."""
    migrated, skipped, failed = (number(told, f"monthly_{name}_object") for name in ("success", "skip", "failure"))
    return Look(
        title=f"sync task {word(told, 'sync_task_id')}",
        state=state_word(SYNC_WORDS, status_of(told)),
        ended=status_of(told) == Sync.STOPPED,
        exit_code=ExitCode.DONE,
        total=number(told, "monthly_acceptance_request"),
        migrated=migrated,
        skipped=skipped,
        failed=failed,
        complete_size=number(told, "monthly_size"),
    )


def _exit_code(code: str | None, failed: int, *, paused: bool, well: bool) -> ExitCode:
    """Return what ``openoms migrate`` would end with."""
    if paused:
        return ExitCode.INTERRUPTED
    if failed and (well or code in {None, SOME_OBJECTS_FAILED}):
        return ExitCode.OBJECTS_FAILED
    return ExitCode.DONE if well else ExitCode.TASK_FAILED


def look_line(look: Look) -> str:
    """Return one look as one plain line."""
    first = look.state if look.fraction is None else f"{look.state} {render_percent(look.fraction)}"
    return ", ".join([first, objects_of(look), sizes_of(look), *_pace(look)])


def objects_of(look: Look) -> str:
    """Return the balance of the objects."""
    total = f"{render_count(look.total)}{'' if look.listed else '+'}"
    numbers = [("migrated", look.migrated), ("skipped", look.skipped), ("failed", look.failed)]
    return f"{total} objects: " + " ".join(f"{name} {render_count(count)}" for name, count in numbers)


def sizes_of(look: Look) -> str:
    """Return the bytes that are done, of how many."""
    done = render_bytes(look.complete_size)
    return f"{done} of {render_bytes(look.total_size)}" if look.total_size else done


def _pace(look: Look) -> list[str]:
    """Return the rate, the time left while something runs, else the time taken."""
    told = [render_rate(look.speed)] if look.speed else []
    if look.seconds_left is not None and not look.ended:
        return [*told, f"{render_duration(look.seconds_left)} left"]
    return [*told, f"in {render_duration(look.seconds)}"] if look.ended and look.seconds else told


def pace_of(look: Look) -> str:
    """Return the time taken, the rate and the time left, as far as they are known."""
    taken = [render_duration(look.seconds)] if look.seconds and not look.ended else []
    return ", ".join([*taken, *_pace(look)])


def why(look: Look) -> str:
    """Return the reason of a failure, nothing where there is none."""
    return visible(" ".join((look.error_msg or "").split()))
