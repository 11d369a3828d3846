"""Whether a process that left its mark somewhere still runs: what ``/proc`` says (proc(5)); elsewhere nobody knows."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

_DEAD = frozenset({"Z", "X"})


def mark_of_this_process() -> str:
    """Return what tells this process from every other one, empty where the system does not say."""
    place, started = _place(), _started(os.getpid())
    return f"{place} {os.getpid()} {started}" if place and started else ""


def has_ended(mark: str) -> bool | None:
    """Whether the process of this mark has ended; None when it ran elsewhere, or nobody knows."""
    place, _, process = mark.rpartition(" ")[0].rpartition(" ")
    if not place or place != _place() or not process.isdecimal():
        return None
    return _started(int(process)) != mark.rpartition(" ")[2]


@cache
def _place() -> str:
    """Return this boot of this machine and this space of process ids, which containers have of their own."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(process: int) -> str:
    """Return when a running process was started, in ticks since the boot; empty when there is none."""
    try:
        state, *fields = Path(f"/proc/{process}/stat").read_bytes().rpartition(b")")[2].decode("ascii").split()
    except (OSError, ValueError):
        return ""
    return "" if state in _DEAD else fields[18]
