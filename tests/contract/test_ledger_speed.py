"""What a report may cost: the coordinator commits one per thousand objects or some seconds, for every runner."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from contract.ledgers import open_run, report
from oms_engine.ledger import Segment
from oms_worker.sqlite_ledger import SqliteLedger

pytestmark = pytest.mark.bench


def seconds(work: Callable[[], object]) -> float:
    """Time one call."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


@pytest.mark.parametrize("what", ["migrated", "failed", "waiting"])
def test_a_report_of_a_thousand_objects(tmp_path: Path, what: str) -> None:
    """A thousand record lines cost at most 3 ms; failed or parked objects, which are rows too, at most 20 ms."""
    ledger = SqliteLedger(tmp_path / "state.db")
    open_run(ledger)
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
    print(f"{what}: median {median(took) * 1e3:.2f} ms, worst {max(took) * 1e3:.2f} ms")
    assert median(took) <= (0.003 if what == "migrated" else 0.020)
    ledger.close()


def test_five_hundred_reports_a_second(tmp_path: Path) -> None:
    """Small reports are committed at 500 per second and more."""
    ledger = SqliteLedger(tmp_path / "state.db")
    open_run(ledger)
    ledger.add_segments([Segment(0)])
    ledger.claim()
    reports = [report(1, 1, before=ledger.totals())]
    for number in range(2000):
        reports.append(report(1, 1, str(number), migrated=(str(number),), before=reports[-1].counters))
    rate = len(reports) / seconds(lambda: [ledger.checkpoint(told) for told in reports])
    print(f"{rate:.0f} reports/s")
    assert rate >= 500
    ledger.close()


def test_looking_at_twenty_thousand_segments(tmp_path: Path) -> None:
    """Progress is read several times a second: totals of 20,000 segments within 50 ms, a claim within 2 ms."""
    ledger = SqliteLedger(tmp_path / "state.db")
    open_run(ledger)
    ledger.add_segments([Segment(0) for _ in range(20_000)])
    claims = median(seconds(ledger.claim) for _ in range(200))
    looks = median(seconds(ledger.totals) for _ in range(9))
    print(f"claim {claims * 1e3:.3f} ms, totals {looks * 1e3:.2f} ms")
    assert claims <= 0.002
    assert looks <= 0.05
    ledger.close()
