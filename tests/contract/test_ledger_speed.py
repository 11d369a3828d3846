"""What a report may cost: the coordinator commits one per thousand objects or some seconds, for every runner."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median

import pytest

from contract.ledgers import BOXES, open_run, report
from oms_engine.ledger import Ledger, Segment

pytestmark = pytest.mark.bench

ROWS_MS = {"sqlite": 20, "postgresql": 60}
"""Failed and parked objects are rows: PostgreSQL checks each against its task."""
LINES_MS = {"sqlite": 3, "postgresql": 10}


@pytest.fixture(params=[kind for kind in BOXES if kind != "memory"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each ledger that lasts."""
    return str(request.param)


@pytest.fixture
def ledger(kind: str, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with a leased segment."""
    opened = BOXES[kind](tmp_path, failure_cap=1_000_000).open()
    open_run(opened)
    yield opened
    opened.close()


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@pytest.mark.parametrize("what", ["migrated", "failed", "waiting"])
def test_a_report_of_a_thousand_objects(ledger: Ledger, kind: str, what: str) -> None:
    """A thousand record lines cost a few milliseconds; failed or parked objects, which are rows too, tens of them."""
    ledger.add_segments([Segment(0)])
    ledger.claim()
    took, before = [], ledger.totals()
    for start in range(0, 50_000, 1000):
        keys = tuple(
            f"some/prefix/of/usual/length/{n:09}.parquet,1234567,2026-01-01T00:00:00Z,etag"
            for n in range(start, start + 1000)
        )
        told = report(1, 1, keys[-1], **{what: keys}, before=before)
        took.append(seconds(lambda told=told: ledger.checkpoint(told)))
        before = told.counters
    print(f"{kind}, {what}: median {median(took) * 1e3:.2f} ms, worst {max(took) * 1e3:.2f} ms")
    assert median(took) <= (LINES_MS if what == "migrated" else ROWS_MS)[kind] / 1000


def test_small_reports_a_second(ledger: Ledger, kind: str) -> None:
    """Small reports are committed at 500 per second and more in a file, at 150 in PostgreSQL, which answers each."""
    ledger.add_segments([Segment(0)])
    ledger.claim()
    reports = [report(1, 1, before=ledger.totals())]
    for number in range(2000):
        reports.append(report(1, 1, str(number), migrated=(str(number),), before=reports[-1].counters))
    rate = len(reports) / seconds(lambda: [ledger.checkpoint(told) for told in reports])
    print(f"{kind}: {rate:.0f} reports/s")
    assert rate >= {"sqlite": 500, "postgresql": 150}[kind]


def test_looking_at_many_segments(ledger: Ledger, kind: str) -> None:
    """Progress is read several times a second: totals of 20,000 segments within 50 ms, a claim within milliseconds."""
    ledger.add_segments([Segment(0) for _ in range(20_000)])
    claims = median(seconds(ledger.claim) for _ in range(200))
    looks = median(seconds(ledger.totals) for _ in range(9))
    print(f"{kind}: claim {claims * 1e3:.3f} ms, totals {looks * 1e3:.2f} ms")
    assert claims <= {"sqlite": 0.002, "postgresql": 0.01}[kind]
    assert looks <= 0.05
