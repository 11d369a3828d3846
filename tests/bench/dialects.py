"""What each cloud's own protocol costs beside S3's: the same objects, the same server, ours only, in turns.

Each row differs from the one it is held against in one side only. CPU per object decides, on a busy machine the steady
figure; the rate is shown beside it.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, replace
from statistics import median

from contenders import OURS, Contender
from measure import Run, run
from report import align
from server import Server

OBJECTS = 20_000
SIZE = 8192
LIMIT = 1.15
"""Most CPU that a dialect may cost, in S3's."""


def _between(source: str, destination: str) -> Contender:
    name = f"{source}:// to {destination}://"
    return replace(OURS, name=name, source=source, destination=destination, flags=("--processes", "1"))


S3 = _between("s3", "s3")
S3_TO_OBS = _between("s3", "obs")
BESIDE = {
    S3_TO_OBS: S3,
    _between("obs", "obs"): S3_TO_OBS,
    _between("oss", "obs"): S3_TO_OBS,
    _between("cos", "obs"): S3_TO_OBS,
}
"""What is measured, and what it is held against."""

HEADINGS = ("8 KB objects", "CPU s per 1,000", "S3's", "ratio", "required", "objects/s", "S3's", "ratio", "S3 is", "")
NOTES = """\
CPU decides; objects/s is for information, it follows the machine's other load. One process each (--processes 1).
Every dialect in its own protocol: x-obs-, x-oss-, x-cos- headers, their listings and CRC-64s; OBS's, OSS's V4 and COS's
signatures; OSS and COS with the bucket in the host. The server verifies no signature: the sandbox does, which
tests/conformance runs against. Every copy was held byte by byte against its source.
Azure is checked for correctness only, against Azurite (tests/conformance/test_azurite.py), and is not measured here."""


@dataclass(frozen=True)
class DialectLine:
    """One dialect beside S3."""

    contender: Contender
    base: Contender
    runs: list[Run]
    base_runs: list[Run]

    @property
    def cpu_ratio(self) -> float:
        """The dialect's CPU per object, in that of its base."""
        return _cpu(self.runs) / _cpu(self.base_runs)

    @property
    def met(self) -> bool:
        """Whether the dialect costs at most what is allowed."""
        return self.cpu_ratio <= LIMIT

    def row(self) -> tuple[str, ...]:
        """Return the table's cells."""
        rate, base = OBJECTS / _wall(self.runs), OBJECTS / _wall(self.base_runs)
        return (
            self.contender.name, f"{_cpu(self.runs):.3f}", f"{_cpu(self.base_runs):.3f}", f"{self.cpu_ratio:.2f}",
            f"<= {LIMIT:g}", f"{rate:,.0f}", f"{base:,.0f}", f"{rate / base:.2f}", self.base.name,
            "ok" if self.met else "MISSED",
        )  # fmt: skip


def _cpu(runs: list[Run]) -> float:
    """Return CPU seconds per 1,000 objects."""
    return median(it.cpu for it in runs) * 1000 / OBJECTS


def _wall(runs: list[Run]) -> float:
    return median(it.seconds for it in runs)


def measure_dialects(server: Server, reps: int) -> list[DialectLine]:
    """Run every dialect ``reps`` times, in turns; each run ends with a comparison of all bytes."""
    server.clear("src")
    server.fill("src", OBJECTS, SIZE)
    runs: dict[Contender, list[Run]] = {contender: [] for contender in (S3, *BESIDE)}
    for rep in range(reps):
        for contender, done in list(runs.items())[:: -1 if rep % 2 else 1]:  # there and back: nobody is always first
            server.clear("dst")
            done.append(run(contender, server, OBJECTS))
            told = f"  dialects {rep + 1}/{reps} {contender.name}: {done[-1].seconds:.2f} s, cpu {done[-1].cpu:.2f} s"
            print(told, file=sys.stderr, flush=True)
    server.clear("src")
    server.clear("dst")
    return [DialectLine(contender, base, runs[contender], runs[base]) for contender, base in BESIDE.items()]


def render_dialects(lines: list[DialectLine]) -> str:
    """Return the table, every contender's range, and what was not measured."""
    runs = {line.base: line.base_runs for line in lines} | {line.contender: line.runs for line in lines}
    figures = []
    for contender, done in runs.items():
        cpu, wall = sorted(it.cpu for it in done), sorted(it.seconds for it in done)
        figures.append(
            f"dialects {contender.name:16} {_wall(done):5.2f} s ({wall[0]:.2f}-{wall[-1]:.2f})  "
            f"cpu {median(cpu):5.2f} s ({cpu[0]:.2f}-{cpu[-1]:.2f})  rss {max(it.rss for it in done):4.0f} MB"
        )
    return "\n".join([*align([HEADINGS, *(line.row() for line in lines)]), "", *figures, "", NOTES])
