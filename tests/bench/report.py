"""The table, and what is said around it."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path

from contenders import rclone_version


@dataclass(frozen=True)
class Line:
    """One line of the table: ours beside the peer's best, or ours beside a limit."""

    work: str
    ours: str
    peer: str
    ratio: str
    required: str
    met: bool
    notes: tuple[str, ...] = field(default=())
    """Every contender's median and range."""


HEADINGS = ("work", "openoms", "rclone, its best", "ours ÷ rclone", "required", "")


def render_table(lines: Iterable[Line]) -> str:
    """Return the table in aligned columns, and below it every contender's figures."""
    lines = list(lines)
    rows = [
        HEADINGS,
        *((it.work, it.ours, it.peer, it.ratio, it.required, "ok" if it.met else "MISSED") for it in lines),
    ]
    notes = [note for line in lines for note in line.notes]
    return "\n".join([*align(rows), "", *notes])


def align(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows in aligned columns, a rule below the first."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    table = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    table.insert(1, "  ".join("-" * width for width in widths).rstrip())
    return table


def render_machine() -> str:
    """Say what kind of machine this is and which versions ran; no names, no paths."""
    model = "unknown processor"
    for line in Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else ():
        if line.startswith("model name"):
            model = line.partition(":")[2].strip()
            break
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} CPUs ({model}), {memory:.0f} GiB, {platform.system()} {platform.release().split('-')[0]}, "
        f"Python {platform.python_version()}, uvloop {version('uvloop')}, openoms {version('openoms')}, {rclone_version()}"
    )
