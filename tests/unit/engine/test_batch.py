"""The window of a segment against a model: the marker is a low-water mark, the counters cover exactly what lies below."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine.batch import End, Window, reason_text, split_reasons
from oms_engine.ledger import Parked, ParkKind, Segment
from oms_engine.model import Outcome
from oms_engine.task import Counters

ENDS = st.sampled_from([*Outcome, None])


def end_of(number, outcome):
    """Return the end of the object of that number; its size is the number."""
    if outcome is None:
        parked = Parked(f"{number:04}", ParkKind.LARGE, number, "", 0.0, "", 0.0)
        return End(None, "large", number, parked=parked)
    return End(outcome, f"why {number % 2}", number, record=f"{number}\n")


@given(
    batches=st.lists(st.lists(ENDS, min_size=1, max_size=5), max_size=8),
    order=st.randoms(use_true_random=False),
    report=st.integers(1, 4),
    before=st.integers(0, 3),
)
@settings(max_examples=300, deadline=None)
def test_reports_cover_exactly_the_ended_front(batches, order, report, before):
    """However objects end, a report's counters, records and marker are those of the batches that ended from the front."""
    known = Counters(listed=before, skipped=before)
    window = Window(
        Segment(7, epoch=3, marker="start", counters=known, reasons={"skipped: old": before} if before else {})
    )
    opened, queue, number = [], [], 0
    for outcomes in batches:
        batch = window.open(f"{len(opened):04}")
        batch.pending = len(outcomes)
        opened.append((batch, [(number + at, outcome) for at, outcome in enumerate(outcomes)]))
        queue += [(batch, number + at, outcome) for at, outcome in enumerate(outcomes)]
        number += len(outcomes)
    order.shuffle(queue)
    records, parked = [], []
    for step, (batch, index, outcome) in enumerate(queue):
        batch.add(end_of(index, outcome))
        batch.pending -= 1
        if step % report == 0 and (told := window.checkpoint(done=False)):
            records += told.records
            parked += told.parked
            check(told, opened, records, parked, before)
    last = window.checkpoint(done=True)
    assert last is not None
    assert last.done
    assert window.empty
    check(last, opened, records + list(last.records), parked + list(last.parked), before)
    assert last.marker == (f"{len(opened) - 1:04}" if opened else "start")


def check(told, opened, records, parked, before):
    """Hold a report against the batches up to its marker."""
    below = [
        pair for batch, pairs in opened if batch.marker <= told.marker and told.marker != "start" for pair in pairs
    ]
    if told.marker != "start":
        assert all(not batch.pending for batch, _ in opened if batch.marker <= told.marker)
    times = Counter(outcome for _, outcome in below)
    assert (told.segment, told.epoch) == (7, 3)
    assert told.counters.balanced
    assert told.counters == Counters(
        listed=len(below) + before,
        migrated=times[Outcome.MIGRATED],
        skipped=times[Outcome.SKIPPED] + before,
        failed=times[Outcome.FAILED],
        waiting=times[None],
        listed_bytes=sum(index for index, _ in below),
        migrated_bytes=sum(index for index, outcome in below if outcome is Outcome.MIGRATED),
        skipped_bytes=sum(index for index, outcome in below if outcome is Outcome.SKIPPED),
        failed_bytes=sum(index for index, outcome in below if outcome is Outcome.FAILED),
    )
    lines = [(told.outcome, line) for told in records for line in told.line.splitlines(keepends=True)]
    assert sorted(lines) == sorted((outcome, f"{index}\n") for index, outcome in below if outcome)
    assert sorted(item.key for item in parked) == sorted(f"{index:04}" for index, outcome in below if outcome is None)
    reasons = Counter(reason_text(outcome, f"why {index % 2}") for index, outcome in below if outcome)
    assert told.reasons == {**reasons, **({"skipped: old": before} if before else {})}


def test_nothing_new_is_not_reported():
    """A window without ended batches has nothing to say, until the segment is done."""
    window = Window(Segment(1, epoch=1))
    assert window.checkpoint(done=False) is None
    batch = window.open("a")
    batch.pending = 1
    assert window.checkpoint(done=False) is None
    assert window.checkpoint(done=True) is None
    assert window.pending == 1


def test_many_skips_count_as_single_ones_would():
    """The nothing-to-do path ends in the same report as object by object."""
    one, many = Window(Segment(1, epoch=1)), Window(Segment(1, epoch=1))
    single, bulk = one.open("z"), many.open("z")
    for number in range(10):
        single.add(End(Outcome.SKIPPED, "same", number, f"{number}\n"))
    bulk.add_skipped("same", [f"{number}\n" for number in range(10)], sum(range(10)))
    assert one.checkpoint(done=True) == many.checkpoint(done=True)


def test_what_proved_the_objects_is_kept_beside_the_reasons():
    """Methods other than the MD5 are counted per segment, and told apart from reasons; the MD5 is what is left."""
    window = Window(Segment(1))
    batch = window.open("z")
    for proof in ("", "", "", "crc64", "size only", "size only"):
        batch.add(End(Outcome.MIGRATED, "", 5, proof=proof))
    batch.add(End(Outcome.SKIPPED, "same", 5))
    report = window.checkpoint(done=True)
    reasons, proved = split_reasons(report.reasons, report.counters.migrated)
    assert reasons == {"migrated": 6, "skipped: same": 1}
    assert proved == {"md5": 3, "crc64": 1, "size only": 2}
