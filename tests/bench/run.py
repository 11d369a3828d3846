"""How fast: openoms beside rclone on the same machine, in the same run, against the same server.

    .venv/bin/python tests/bench/run.py [--reps 5] [--only NAME ...] [--seaweed-objects 100000] [--save]

Runs are interleaved, figures are medians, the peer is rclone at the best of its default and its tuned flags. A run is a
fresh process and includes all a migration does: listing, ledger, records, checks. Every copy is held byte by byte
against its source afterwards (on SeaweedFS, a real store, by the MD5s that it lists). A second table holds each cloud's
own protocol against S3's. Exit code 1 when a requirement is missed.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).parents[1]))
sys.path.insert(0, str(Path(__file__).parent))

from contenders import FAR_256, FAR_512, LARGE, NOTHING, NOTHING_TUNED, OURS, SMALL, Contender, rclone
from dialects import DialectLine, measure_dialects, render_dialects
from history import measure_history
from measure import Run, held_rate, run
from report import Line, render_machine, render_table
from server import Server
from service import measure_events, measure_service
from weed import WeedServer

MB = 1_000_000
RSS_LIMIT_MB = 150
RATE = 20 * 1024 * 1024
"""Bytes per second asked for with ``20M``."""
RATE_TOLERANCE = 0.03


@dataclass(frozen=True)
class Load:
    """One row of the table: a bucket to copy, who copies it, and what is required of us."""

    name: str
    title: str
    objects: int
    size: int
    required: float
    peers: tuple[Contender, ...]
    in_bytes: bool = False
    """The figure is MB/s instead of objects/s."""
    latency_ms: int = 0
    prefilled: bool = False
    """The destination holds everything already."""
    beside: tuple[Contender, ...] = ()
    """Measured too, for the notes; decides nothing."""
    cpu_required: float = 0.0
    """Also report CPU seconds per 1,000 objects, at most this part of the peer's."""

    def rate(self, seconds: float) -> float:
        """Return the row's figure for a wall time."""
        return self.objects * (self.size / MB if self.in_bytes else 1) / seconds

    @property
    def unit(self) -> str:
        """The figure's unit."""
        return "MB/s" if self.in_bytes else "objects/s"


DEFAULT = rclone("default", [])
TUNED = rclone("tuned", SMALL)
ONE = replace(OURS, name="openoms --processes 1", flags=("--processes", "1"))
LOADS = (
    Load("small", "20,000 x 8 KB", 20_000, 8192, 3.0, (DEFAULT, TUNED), beside=(ONE,), cpu_required=0.4),
    Load(
        "latency", "the same, 20 ms added latency", 20_000, 8192, 1.5,
        (rclone("256 transfers", FAR_256), rclone("512 transfers", FAR_512)), latency_ms=20,
    ),
    Load("mid", "200 x 4 MB", 200, 4 * 1024**2, 1.0, (DEFAULT, TUNED), in_bytes=True),
    Load("large", "2 x 1 GB, checksummed", 2, 1024**3, 1.3, (DEFAULT, rclone("large", LARGE)), in_bytes=True),
    Load(
        "nothing", "100,000 objects, nothing to do", 100_000, 100, 2.0,
        (rclone("--checksum", NOTHING), rclone("--checksum, 64 checkers", NOTHING_TUNED)), prefilled=True,
    ),
)  # fmt: skip
SEAWEED = Load("seaweed", "1 KB each, SeaweedFS to SeaweedFS", 100_000, 1024, 1.0, (DEFAULT, TUNED))
SEAWEED_REPS = 3
"""At most: the store takes a minute or two for each."""


def measure_seaweed(server: Server, objects: int, reps: int) -> list[Line]:
    """Copy on a real store, which is most of what is measured."""
    load = replace(SEAWEED, title=f"{objects:,} x {SEAWEED.title}", objects=objects)
    with WeedServer(server) as weed:
        return measure_load(weed, load, min(reps, SEAWEED_REPS))


def measure_load(server: Server | WeedServer, load: Load, reps: int) -> list[Line]:
    """Run every contender ``reps`` times, in turns."""
    server.clear("dst")
    server.clear("src")
    server.fill("src", load.objects, load.size)
    run(OURS, server, load.objects)  # not counted: the server's memory is fresh, which costs whoever comes first
    server.delay(load.latency_ms)
    runs: dict[Contender, list[Run]] = {contender: [] for contender in (*load.peers, OURS, *load.beside)}
    for rep in range(reps):
        for contender, done in runs.items():
            if not load.prefilled:
                server.clear("dst")
            done.append(run(contender, server, load.objects))
            say(f"  {load.name} {rep + 1}/{reps} {contender.name}: {done[-1].seconds:.2f} s")
    server.delay(0)
    return load_lines(load, runs)


def load_lines(load: Load, runs: dict[Contender, list[Run]]) -> list[Line]:
    """Turn runs into the row's line, and the CPU line where one is asked for."""
    rates = {contender: load.rate(median(it.seconds for it in done)) for contender, done in runs.items()}
    best = max(load.peers, key=rates.__getitem__)
    ratio = rates[OURS] / rates[best]
    notes = tuple(describe(load, contender, done) for contender, done in runs.items())
    lines = [
        Line(
            load.title, f"{rates[OURS]:,.0f} {load.unit}", f"{rates[best]:,.0f} ({best.name})", f"{ratio:.2f}",
            f">= {load.required:g}", ratio >= load.required, notes,
        )
    ]  # fmt: skip
    if load.cpu_required:
        cpu = {contender: median(it.cpu for it in done) * 1000 / load.objects for contender, done in runs.items()}
        thrifty = min(load.peers, key=cpu.__getitem__)
        part = cpu[OURS] / cpu[thrifty]
        lines.append(
            Line(
                "CPU seconds per 1,000 of them", f"{cpu[OURS]:.3f} s", f"{cpu[thrifty]:.3f} ({thrifty.name})", f"{part:.2f}",
                f"<= {load.cpu_required:g}", part <= load.cpu_required,
            )
        )  # fmt: skip
    return lines


def describe(load: Load, contender: Contender, done: list[Run]) -> str:
    """Return one contender's figures: median and range of the wall time, CPU, memory."""
    times = [it.seconds for it in done]
    return (
        f"{load.name:8} {contender.name:31} {median(times):7.2f} s ({min(times):.2f}-{max(times):.2f})"
        f"  {load.rate(median(times)):>8,.0f} {load.unit:9}  cpu {median(it.cpu for it in done):6.2f} s"
        f"  rss {max(it.rss for it in done):4.0f} MB"
    )


def measure_memory(server: Server, objects: int = 1_000_000) -> list[Line]:
    """Copy, then list again, a million keys of one flat prefix; only our memory counts."""
    server.clear("src")
    server.clear("dst")
    server.fill("src", objects, 0)
    lines = []
    for title in (f"{objects:,} empty objects copied", f"{objects:,} keys, nothing to do"):
        done = run(OURS, server, objects)
        say(f"  memory {title}: {done.seconds:.1f} s, {done.rss:.0f} MB")
        note = f"{'memory':8} {title:39} {done.seconds:7.2f} s  {objects / done.seconds:>8,.0f} objects/s  rss {done.rss:4.0f} MB"
        lines.append(
            Line(
                f"{title}, peak RSS",
                f"{done.rss:.0f} MB",
                "-",
                "-",
                f"<= {RSS_LIMIT_MB} MB",
                done.rss <= RSS_LIMIT_MB,
                (note,),
            )
        )
    server.clear("src")
    server.clear("dst")
    return lines


def measure_bandwidth(server: Server) -> list[Line]:
    """Hold a rate for 10 s, with small objects and with streamed ones; bytes are counted where they arrive."""
    lines = []
    limited = replace(OURS, flags=("--bandwidth", "00:00-23:59=20M"))
    for title, objects, size in (("256 KB objects", 1500, 256 * 1024), ("16 MB parts", 1, 384 * 1024**2)):
        server.clear("src")
        server.clear("dst")
        server.fill("src", objects, size)
        rate = held_rate(limited, server)
        off = rate / RATE - 1
        say(f"  bandwidth {title}: {rate / 1024**2:.2f} MiB/s")
        lines.append(
            Line(
                f"20 MiB/s held over 10 s, {title}", f"{rate / 1024**2:.2f} MiB/s", "-", f"{off:+.1%}",
                f"within {RATE_TOLERANCE:.0%}", abs(off) <= RATE_TOLERANCE,
            )
        )  # fmt: skip
    server.clear("src")
    server.clear("dst")
    return lines


def say(text: str) -> None:
    """Say how far it is."""
    print(text, file=sys.stderr, flush=True)


def main() -> int:
    """Run what was asked for and print the table."""
    names = [
        *(load.name for load in LOADS),
        SEAWEED.name,
        "dialects",
        "bandwidth",
        "memory",
        "service",
        "events",
        "history",
    ]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reps", type=int, default=5, help="runs per contender (default 5)")
    parser.add_argument("--only", action="append", choices=names, help="this row only; repeatable")
    parser.add_argument(
        "--seaweed-objects", type=int, default=SEAWEED.objects, help="objects of that row (default 100000)"
    )
    parser.add_argument("--save", action="store_true", help="keep the table as results/<date>.txt")
    chosen = parser.parse_args()
    wanted = chosen.only or names
    lines: list[Line] = []
    dialects: list[DialectLine] = []
    with Server() as server:
        for load in LOADS:
            if load.name in wanted:
                lines += measure_load(server, load, chosen.reps)
        if SEAWEED.name in wanted:
            lines += measure_seaweed(server, chosen.seaweed_objects, chosen.reps)
        if "dialects" in wanted:
            dialects = measure_dialects(server, chosen.reps)
        if "bandwidth" in wanted:
            lines += measure_bandwidth(server)
        if "memory" in wanted:
            lines += measure_memory(server)
        if "service" in wanted:
            lines += measure_service(server)
        if "events" in wanted:
            lines += measure_events(server)
        if "history" in wanted:
            lines += measure_history(server, chosen.reps)
    today = dt.datetime.now(dt.UTC).date()
    text = f"{today}, median of {chosen.reps} interleaved runs\n{render_machine()}\n"
    if lines:
        text += f"\n{render_table(lines)}\n"
    if dialects:
        text += f"\n{render_dialects(dialects)}\n"
    print(text)
    if chosen.save:
        results = Path(__file__).parent / "results"
        results.mkdir(exist_ok=True)
        (results / f"{today}.txt").write_text(text)
    return 0 if all(line.met for line in (*lines, *dialects)) else 1


if __name__ == "__main__":
    sys.exit(main())
