"""What every ledger owes its caller, wherever it keeps its memory."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.ledgers import BOXES, LedgerBox, failure, open_run, parked, report, settlement, take_lists
from oms_engine.errors import ConfigError, RepositoryError
from oms_engine.ledger import Doubt, Ledger, Orphan, ParkKind, Segment, SegmentState, Upload
from oms_engine.memory_ledger import MemoryLedger
from oms_engine.model import Outcome, WrittenPart, key_bytes
from oms_engine.task import Counters
from oms_worker.postgres_ledger import PostgresLedger
from oms_worker.sqlite_ledger import SqliteLedger

CAP = 5
KEYS = ["a", "a//b", "ü", "dir/", "\udcff", "\n", "\x00x", "😀", "\ufffd"]


@pytest.fixture(params=BOXES)
def box(request: pytest.FixtureRequest, tmp_path: Path) -> LedgerBox:
    """What survives a process, of each kind of ledger."""
    return BOXES[request.param](tmp_path, failure_cap=CAP)


@pytest.fixture
def ledger(box: LedgerBox) -> Ledger:
    """A ledger in its first run."""
    opened = box.open()
    open_run(opened)
    return opened


def begin(ledger: Ledger) -> Segment:
    """Add the whole bucket as one segment and lease it."""
    ledger.add_segments([Segment(0)])
    segment = ledger.claim()
    assert segment is not None
    return segment


def finish_with_failures(ledger: Ledger, *keys: str, done: bool = True) -> None:
    """Go through a run in which these keys fail; without ``done`` it ends early."""
    segment = begin(ledger)
    assert ledger.checkpoint(report(segment.id, segment.epoch, "z", failed=keys, done=done))
    ledger.finish_run(succeeded=False)


@pytest.mark.parametrize("kind", [SqliteLedger, PostgresLedger, MemoryLedger])
def test_every_ledger_has_the_protocol(kind: type) -> None:
    """Each method takes exactly what the protocol says, by the same names and defaults."""
    methods = {name: call for name, call in vars(Ledger).items() if inspect.isfunction(call) and name[0] != "_"}
    assert len(methods) > 20
    for name, call in methods.items():
        assert inspect.signature(getattr(kind, name)) == inspect.signature(call), name


# ---- runs


def test_first_run_starts_from_zero(box: LedgerBox) -> None:
    """The first run is number 1, not resumed, balanced and empty, with a task id of at most 15 digits."""
    ledger = box.open()
    info = open_run(ledger, name="n")
    assert (info.run, info.resumed, info.name, info.interrupted_at) == (1, False, "n", None)
    assert 0 < info.task_id <= 999_999_999_999_999
    assert ledger.totals() == Counters()
    assert (ledger.segments(), ledger.reasons(), ledger.next_due(), ledger.claim()) == ([], {}, None, None)


def test_an_unfinished_run_goes_on(box: LedgerBox) -> None:
    """After a crash the same rules resume the run: same number, id, name and counters; leases are free, epochs go on."""
    ledger = box.open()
    first = open_run(ledger, name="n")
    segment = begin(ledger)
    told = report(segment.id, 1, "m", migrated=("k",), skipped=("l",))
    assert ledger.checkpoint(told)
    box.crash()
    ledger = box.open()
    again = open_run(ledger)
    assert again.resumed
    assert (again.run, again.task_id, again.name, again.started_at) == (1, first.task_id, "n", first.started_at)
    assert again.interrupted_at is not None
    assert again.interrupted_at >= first.started_at
    assert ledger.totals() == told.counters
    claimed = ledger.claim()
    assert claimed is not None
    assert (claimed.epoch, claimed.marker, claimed.counters) == (2, "m", told.counters)
    assert claimed.reasons == told.reasons


@pytest.mark.parametrize("finished", [True, False])
def test_other_rules_or_a_finished_run_begin_anew(box: LedgerBox, finished: bool) -> None:
    """The next run counts from zero and has no segment, parked object, reason or list of the last one."""
    ledger = box.open()
    first = open_run(ledger)
    segment = begin(ledger)
    assert ledger.checkpoint(report(segment.id, 1, "m", migrated=("k",), waiting=("w",)))
    if finished:
        ledger.finish_run(succeeded=True)
    box.crash()
    ledger = box.open()
    second = open_run(ledger, rules="r" if finished else "other")
    assert (second.run, second.resumed, second.task_id) == (2, False, first.task_id)
    assert ledger.totals() == Counters()
    assert (ledger.segments(), ledger.parked_count(), ledger.reasons()) == ([], 0, {})
    assert ledger.records_ready(everything=True, limit_bytes=0) == []
    assert not ledger.settle(settlement("w"))


def test_segments_of_a_new_run_have_new_ids(box: LedgerBox) -> None:
    """A report that an earlier run left behind never meets a segment of this one."""
    ledger = box.open()
    open_run(ledger)
    old = begin(ledger)
    ledger.finish_run(succeeded=True)
    open_run(ledger)
    new = begin(ledger)
    assert new.id > old.id
    assert not ledger.checkpoint(report(old.id, old.epoch, "z", migrated=("k",)))


def test_a_name_given_on_resuming_is_the_name(box: LedgerBox) -> None:
    """The given name wins and is remembered; without one the remembered name stays."""
    open_run(box.open(), name="one")
    assert open_run(box.open(), name="two").name == "two"
    assert open_run(box.open()).name == "two"


def test_a_ledger_of_another_task_is_refused(box: LedgerBox) -> None:
    """The refusal names both tasks and the remedy, and leaves the ledger as it was."""
    open_run(box.open(), identity="s3://a>obs://b")
    with pytest.raises(ConfigError, match=r"s3://a>obs://b.*s3://c>obs://d.*--state.*remove"):
        open_run(box.open(), identity="s3://c>obs://d")
    assert open_run(box.open(), identity="s3://a>obs://b").resumed


def test_another_dialect_is_no_other_task(box):
    """The same buckets at the same hosts are the same task, whatever their stores are spoken to in; keys are not."""
    identity = "s3://a at h:1 to obs://b at i:2, object ['x://y']"
    open_run(box.open(), identity=identity)
    with pytest.raises(ConfigError):
        open_run(box.open(), identity=identity.replace("x://", ""))
    assert open_run(box.open(), identity=identity.replace("obs", "s3")).resumed


# ---- retrying what failed


def test_a_retry_goes_through_the_failures_of_the_last_run(box: LedgerBox) -> None:
    """They are kept until the retry ends, while objects that fail again are failures of the new run."""
    ledger = box.open()
    open_run(ledger)
    finish_with_failures(ledger, "a", "b", "c")
    assert ledger.retry_source() == []
    info = open_run(ledger, retry=True)
    assert (info.run, info.resumed) == (2, False)
    assert [item.key for item in ledger.retry_source()] == ["a", "b", "c"]
    assert [item.key for item in ledger.retry_source(after="a", limit=1)] == ["b"]
    segment = begin(ledger)
    assert ledger.checkpoint(report(segment.id, 1, "2", migrated=("a",), failed=("b",)))
    assert [item.key for item in ledger.failures()] == ["b"]
    box.crash()
    ledger = box.open()
    assert open_run(ledger, retry=True).resumed
    assert [item.key for item in ledger.retry_source()] == ["a", "b", "c"]
    segment = ledger.claim()
    assert segment
    assert ledger.checkpoint(report(segment.id, 2, "3", skipped=("c",), before=segment.counters, done=True))
    ledger.finish_run(succeeded=False)
    open_run(ledger, retry=True)
    assert [item.key for item in ledger.retry_source()] == ["b"]


def test_a_retry_that_ended_early_hands_its_source_on(box: LedgerBox) -> None:
    """Objects the retry did not reach are still retried by the next one."""
    ledger = box.open()
    open_run(ledger)
    finish_with_failures(ledger, "a", "b")
    open_run(ledger, retry=True)
    finish_with_failures(ledger, "a", done=False)
    assert open_run(ledger, retry=True).run == 3
    assert [item.key for item in ledger.retry_source()] == ["a", "b"]


def test_nothing_to_retry_is_said(box: LedgerBox) -> None:
    """OMS.1027 without a run, and after one without failures; the unfinished run stays resumable."""
    ledger = box.open()
    with pytest.raises(ConfigError) as caught:
        open_run(ledger, retry=True)
    assert caught.value.code == "OMS.1027"
    open_run(ledger)
    with pytest.raises(ConfigError) as caught:
        open_run(ledger, retry=True)
    assert caught.value.code == "OMS.1027"
    assert open_run(ledger).resumed


def test_a_whole_run_after_a_retry_begins_anew(box: LedgerBox) -> None:
    """An unfinished retry is not resumed as a run of the whole scope, nor the other way round."""
    ledger = box.open()
    open_run(ledger)
    finish_with_failures(ledger, "a")
    open_run(ledger, retry=True)
    whole = open_run(ledger)
    assert (whole.run, whole.resumed, ledger.retry_source()) == (3, False, [])


def test_failures_beyond_the_cap_are_counted_and_flagged(ledger: Ledger) -> None:
    """The rows stop at the cap, the counters do not; a retry that would miss some is refused with OMS.0308."""
    segment = begin(ledger)
    keys = tuple(f"k{number}" for number in range(CAP))
    assert ledger.checkpoint(report(segment.id, 1, "k", failed=keys))
    assert not ledger.failures_overflowed()
    assert ledger.checkpoint(
        report(segment.id, 1, "z", failed=("y", "z"), before=ledger.totals(), done=True),
    )
    assert ledger.failures_overflowed()
    assert [item.key for item in ledger.failures()] == list(keys)
    assert ledger.totals().failed == CAP + 2
    assert take_lists(ledger)[Outcome.FAILED] == [*keys, "y", "z"]
    ledger.finish_run(succeeded=False)
    with pytest.raises(ConfigError) as caught:
        open_run(ledger, retry=True)
    assert caught.value.code == "OMS.0308"


def test_failures_come_back_whole_and_in_byte_order(ledger: Ledger) -> None:
    """Every key and message is kept byte by byte; pages of any size join to the list ordered by UTF-8 bytes."""
    segment = begin(ledger)
    for start in (0, 3):
        keys = tuple(KEYS[start : start + 3] if start == 0 else KEYS[3:5])
        assert ledger.checkpoint(report(segment.id, 1, "m", failed=keys, before=ledger.totals()))
    expected = sorted((failure(key) for key in KEYS[:5]), key=lambda item: key_bytes(item.key))
    assert ledger.failures() == expected
    paged, after = [], ""
    while page := ledger.failures(after=after, limit=2):
        paged += page
        after = page[-1].key
    assert paged == expected


# ---- segments


def test_segments_are_leased_one_by_one(ledger: Ledger) -> None:
    """Each claim leases another segment with its epoch raised, until none waits."""
    added = ledger.add_segments([Segment(99, prefix="p", lo="\udcff", hi="ü\x00", list_offset=7), Segment(99)])
    assert len({segment.id for segment in added}) == 2
    assert ledger.segments() == added
    first, second = ledger.claim(), ledger.claim()
    assert first
    assert second
    assert (first.prefix, first.lo, first.hi, first.list_offset) == ("p", "\udcff", "ü\x00", 7)
    assert [(s.id, s.epoch, s.state) for s in (first, second)] == [(s.id, 1, SegmentState.LEASED) for s in added]
    assert ledger.claim() is None
    ledger.release_all()
    again = ledger.claim()
    assert again
    assert (again.id, again.epoch) == (added[0].id, 2)


def test_one_lease_is_released(ledger: Ledger) -> None:
    """Only the lease that is named goes; under an earlier epoch, or of a segment at its end, nothing happens."""
    ledger.add_segments([Segment(0), Segment(0)])
    one, two = ledger.claim(), ledger.claim()
    assert one
    assert two
    ledger.release(one.id, 0)
    ledger.release(one.id + 9, 1)
    assert ledger.claim() is None
    ledger.release(one.id, 1)
    assert not ledger.checkpoint(report(one.id, 1, "k", migrated=("a",)))
    again = ledger.claim()
    assert again
    assert (again.id, again.epoch) == (one.id, 2)
    ledger.release(one.id, 1)
    assert ledger.claim() is None
    assert ledger.checkpoint(report(two.id, 1, "k", done=True))
    ledger.release(two.id, 1)
    assert ledger.claim() is None


def test_a_late_report_changes_nothing(ledger: Ledger) -> None:
    """A report under an earlier epoch, of a released lease or of an unknown segment is answered False."""
    segment = begin(ledger)
    late = report(segment.id, 1, "k", migrated=("a",), failed=("b",), waiting=("c",), done=True)
    ledger.release_all()
    assert not ledger.checkpoint(late)
    ledger.claim()
    assert not ledger.checkpoint(late)
    assert not ledger.checkpoint(report(segment.id, 3, "k", migrated=("a",)))
    assert not ledger.checkpoint(report(segment.id + 1, 1, "k", migrated=("a",)))
    assert ledger.totals() == Counters()
    assert (ledger.failures(), ledger.parked_count(), ledger.reasons()) == ([], 0, {})
    assert ledger.records_ready(everything=True, limit_bytes=0) == []


def test_a_repeated_report_changes_nothing(ledger: Ledger) -> None:
    """Its lines stand in the lists once, whether it was the last report, an earlier one or the final one."""
    segment = begin(ledger)
    one = report(segment.id, 1, "b", migrated=("a",), waiting=("b",))
    two = report(segment.id, 1, "d", skipped=("c",), failed=("d",), before=one.counters, done=True)
    for told in (one, one, two, one, two):
        assert ledger.checkpoint(told)
    assert ledger.totals() == two.counters
    assert ledger.segments()[0].state is SegmentState.DONE
    assert ledger.segments()[0].marker == "d"
    assert ledger.reasons() == two.reasons
    assert take_lists(ledger) == {Outcome.MIGRATED: ["a"], Outcome.SKIPPED: ["c"], Outcome.FAILED: ["d"]}


def test_a_marker_moves_without_news(ledger: Ledger) -> None:
    """A report that only moves the marker, or only says done, is kept."""
    segment = begin(ledger)
    assert ledger.checkpoint(report(segment.id, 1, "m"))
    assert ledger.segments()[0].marker == "m"
    assert ledger.checkpoint(report(segment.id, 1, "n", done=True))
    assert (ledger.segments()[0].marker, ledger.segments()[0].state) == ("n", SegmentState.DONE)
    assert ledger.claim() is None


def test_an_older_report_of_the_same_lease_changes_nothing(ledger: Ledger) -> None:
    """Counters and marker do not go back, and a segment that is done does not open again."""
    segment = begin(ledger)
    one = report(segment.id, 1, "a", migrated=("a",))
    two = report(segment.id, 1, "b", migrated=("b",), before=one.counters)
    final = report(segment.id, 1, "c", before=two.counters, done=True)
    for told in (one, two):
        assert ledger.checkpoint(told)
    before = ledger.segments()
    assert ledger.checkpoint(one)
    assert ledger.segments() == before
    assert ledger.checkpoint(final)
    before = ledger.segments()
    for told in (one, two):
        assert ledger.checkpoint(told)
    assert ledger.segments() == before
    assert take_lists(ledger)[Outcome.MIGRATED] == ["a", "b"]


@pytest.mark.parametrize(
    "counters",
    [Counters(listed=2, migrated=1), Counters(migrated=1, skipped=-1), Counters(listed=1, waiting=1)],
    ids=["object without an end", "ends moved", "waits but is not parked"],
)
def test_a_report_that_does_not_balance_is_refused(ledger: Ledger, counters: Counters) -> None:
    """An object without exactly one end is an error at once, and nothing of the report stays."""
    segment = begin(ledger)
    with pytest.raises(RepositoryError, match=f"Segment {segment.id}"):
        ledger.checkpoint(report(segment.id, 1, before=counters))
    assert ledger.totals() == Counters()


def test_a_split_cuts_only_what_was_not_reported(ledger: Ledger) -> None:
    """Beyond lo and marker, below hi, under the current lease: then both halves together are the whole."""
    ledger.add_segments([Segment(0, prefix="p", lo="b", hi="x")])
    whole = ledger.claim()
    assert whole
    assert ledger.checkpoint(report(whole.id, 1, "f", migrated=("f",)))
    for epoch, at in ((1, "a"), (1, "b"), (1, "f"), (1, "x"), (1, "y"), (0, "m"), (2, "m")):
        assert ledger.split(whole.id, epoch, at) is None, (epoch, at)
    assert ledger.split(whole.id + 7, 1, "m") is None
    tail = ledger.split(whole.id, 1, "m")
    assert tail
    assert (tail.prefix, tail.lo, tail.hi, tail.marker, tail.epoch) == ("p", "m", "x", "", 0)
    assert (tail.state, tail.counters, tail.reasons) == (SegmentState.TODO, Counters(), {})
    assert [(s.lo, s.hi) for s in ledger.segments()] == [("b", "m"), ("m", "x")]
    assert ledger.segments()[0].counters.migrated == 1
    assert ledger.claim() == ledger.segments()[1]
    ledger.release_all()
    assert ledger.split(whole.id, 1, "g") is None


def test_an_open_ended_segment_can_be_split_by_bytes(ledger: Ledger) -> None:
    """Keys compare as UTF-8 bytes: U+FFFD sorts before U+1F600, a stray byte FF after both."""
    ledger.add_segments([Segment(0, lo="\ufffd")])
    whole = ledger.claim()
    assert whole
    assert ledger.split(whole.id, 1, "\ufffc") is None
    assert ledger.split(whole.id, 1, "\udcff") is not None
    assert ledger.split(whole.id, 1, "😀") is not None


# ---- parked objects


def test_parked_objects_come_when_due(ledger: Ledger) -> None:
    """Earliest first, then by key, of one kind when asked, and they stay parked until settled."""
    segment = begin(ledger)
    items = (parked("late", 50.0), parked("b", 10.0), parked("a", 10.0, ParkKind.ARCHIVED), parked("\udcff", 5.5))
    counters = Counters(listed=4, waiting=4)
    told = report(segment.id, 1, "z", before=counters)
    assert ledger.checkpoint(type(told)(segment.id, 1, "z", counters, parked=items))
    assert ledger.next_due() == 5.5
    assert ledger.due(10.0, 10) == ledger.due(10.0, 10) == [items[3], items[2], items[1]]
    assert ledger.due(10.0, 1) == [items[3]]
    assert ledger.due(99.0, 9, ParkKind.ARCHIVED) == [items[2]]
    ledger.postpone("\udcff", 60.0)
    ledger.postpone("nobody", 1.0)
    assert ledger.next_due() == 10.0
    assert ledger.due(99.0, 10)[-1] == items[3]._replace(due=60.0, attempts=1)
    assert ledger.parked_count() == ledger.totals().waiting == 4


def test_a_parked_object_is_settled_once(ledger: Ledger) -> None:
    """Its row goes and its counter, reason, line and failure come together; a second time changes nothing."""
    segment = begin(ledger)
    assert ledger.checkpoint(report(segment.id, 1, "z", waiting=("m", "s", "f"), done=True))
    ends = {"m": Outcome.MIGRATED, "s": Outcome.SKIPPED, "f": Outcome.FAILED}
    for settled, (key, outcome) in enumerate(ends.items(), 1):
        assert ledger.settle(settlement(key, outcome))
        assert not ledger.settle(settlement(key, outcome))
        assert ledger.totals().balanced
        assert ledger.totals().waiting == ledger.parked_count() == 3 - settled
    assert ledger.totals() == Counters(3, 1, 1, 1, 0, 3, 7, 7, 7)
    assert ledger.reasons() == report(0, 0).reasons | {f"{outcome}: settled": 1 for outcome in Outcome}
    assert [item.key for item in ledger.failures()] == ["f"]
    assert take_lists(ledger) == {outcome: [key] for key, outcome in ends.items()}


def test_an_object_parked_twice_is_refused(ledger: Ledger) -> None:
    """Its one end would leave the other listing without one, so the report is refused whole."""
    segment = begin(ledger)
    told = report(segment.id, 1, "a", waiting=("a",))
    assert ledger.checkpoint(told)
    with pytest.raises(RepositoryError, match="'a' is parked already"):
        ledger.checkpoint(report(segment.id, 1, "b", migrated=("b",), waiting=("a",), before=told.counters))
    assert ledger.totals() == told.counters


# ---- uploads in flight


def test_uploads_outlive_runs_until_forgotten(box: LedgerBox) -> None:
    """One upload per destination key with its parts by number; they survive a crash and the next run."""
    ledger = box.open()
    open_run(ledger)
    upload = Upload("k\udcff", "id-ü", "etag", 5 * 1024**4, 64 * 1024**2)
    other = Upload("a", "id2", "e", 1, 1)
    two = WrittenPart(2, "e2", 5, b"\x00" * 16, 2**64 - 1)
    for save in (upload, other):
        ledger.save_upload(save)
    ledger.save_part(upload.key, two._replace(md5=None))
    ledger.save_part(upload.key, two)
    ledger.save_part(upload.key, WrittenPart(1, "e1", 5, None, 0))
    ledger.save_part("nobody", two)
    box.crash()
    ledger = box.open()
    open_run(ledger, rules="other")
    assert ledger.uploads() == [other, upload]
    assert ledger.upload(upload.key) == upload
    assert ledger.parts(upload.key) == [WrittenPart(1, "e1", 5, None, 0), two]
    assert (ledger.parts("a"), ledger.parts("nobody"), ledger.upload("nobody")) == ([], [], None)
    ledger.save_upload(upload._replace(upload_id="new"))
    assert ledger.parts(upload.key) == []
    assert ledger.orphans() == [Orphan(upload.key, upload.upload_id)]
    ledger.forget_upload(upload.key)
    ledger.forget_upload(upload.key)
    assert (ledger.upload(upload.key), ledger.uploads()) == (None, [other])


def test_orphans_outlive_runs_until_forgotten(box: LedgerBox) -> None:
    """Uploads that are to be aborted, and requests that may have opened one, survive a crash and the next run."""
    ledger = box.open()
    open_run(ledger)
    key = "k\udcff\n"
    requests = [Orphan(key, since=float(at), known="id-ü\nother") for at in (1, 2)]
    for request in (*requests, requests[0], requests[0]._replace(known="changes nothing")):
        ledger.save_orphan(request)
    ledger.save_upload(Upload(key, "id", "etag", 5, 5))
    ledger.save_part(key, WrittenPart(1, "e", 5, None, 0))
    ledger.orphan_upload(key)
    ledger.orphan_upload(key)
    ledger.save_upload(Upload("a", "id", "etag", 5, 5))
    ledger.orphan_upload("a")
    box.crash()
    ledger = box.open()
    open_run(ledger, rules="other")
    assert (ledger.uploads(), ledger.parts(key)) == ([], [])
    assert ledger.orphans() == [Orphan("a", "id"), *requests, Orphan(key, "id")]
    ledger.forget_orphan(requests[0])
    ledger.forget_orphan(requests[0])
    ledger.forget_orphan(Orphan("a", "another"))
    ledger.forget_orphan(Orphan(key, "id"))
    assert ledger.orphans() == [Orphan("a", "id"), requests[1]]


# ---- damaged copies


def test_doubts_outlive_runs_until_forgotten(box: LedgerBox) -> None:
    """One doubt per destination key; they survive a crash and the next run, and a later one replaces the first."""
    ledger = box.open()
    open_run(ledger)
    assert ledger.doubts() == []
    for doubt in (Doubt("k\udcff", "e1"), Doubt("a", ""), Doubt("k\udcff", "e2")):
        ledger.save_doubt(doubt)
    box.crash()
    ledger = box.open()
    open_run(ledger, rules="other")
    assert ledger.doubts() == [Doubt("a", ""), Doubt("k\udcff", "e2")]
    ledger.forget_doubt("k\udcff")
    ledger.forget_doubt("nobody")
    assert ledger.doubts() == [Doubt("a", "")]


# ---- record lists


def test_lists_rotate_at_their_limit(box: LedgerBox) -> None:
    """Lists of at least the limit are closed under unique, ascending, remembered names; others go on growing."""
    ledger = box.open()
    open_run(ledger)
    segment = begin(ledger)
    assert ledger.checkpoint(report(segment.id, 1, "b", migrated=("aaaa",), skipped=("b",)))
    ((outcome, name, path),) = ledger.records_ready(everything=False, limit_bytes=5)
    assert (outcome, Path(path).read_bytes()) == (Outcome.MIGRATED, b"aaaa\n")
    assert len(name) == 17
    assert name.isdecimal()
    assert ledger.checkpoint(report(segment.id, 1, "d", migrated=("c",), before=ledger.totals()))
    box.crash()
    ledger = box.open()
    open_run(ledger)
    ready = ledger.records_ready(everything=True, limit_bytes=0)
    assert ready[0][:2] == (outcome, name), "the closed list keeps its name, so an upload overwrites its first try"
    names = [item[1] for item in ready]
    assert names == sorted(set(names))
    assert [(item[0], Path(item[2]).read_bytes()) for item in ready] == [
        (Outcome.MIGRATED, b"aaaa\n"),
        (Outcome.SKIPPED, b"b\n"),
        (Outcome.MIGRATED, b"c\n"),
    ]
    ledger.record_uploaded(*ready[0][:2])
    ledger.record_uploaded(*ready[0][:2])
    assert ledger.records_ready(everything=False, limit_bytes=99) == ready[1:]
    assert not Path(ready[0][2]).exists()


def test_an_open_list_cannot_be_dropped(ledger: Ledger) -> None:
    """Only a list that was handed out is dropped: lines written since would go with it."""
    segment = begin(ledger)
    assert ledger.checkpoint(report(segment.id, 1, "b", migrated=("a",)))
    ((outcome, name, _),) = ledger.records_ready(everything=True, limit_bytes=0)
    ledger.record_uploaded(outcome, "20000101000000000")
    ledger.record_uploaded(Outcome.SKIPPED, name)
    assert take_lists(ledger)[Outcome.MIGRATED] == ["a"]


def test_a_dry_run_keeps_no_lists() -> None:
    """Without lists everything is counted and nothing is written."""
    ledger = MemoryLedger(lists=False)
    open_run(ledger)
    segment = begin(ledger)
    assert ledger.checkpoint(report(segment.id, 1, "b", migrated=("a",), failed=("b",)))
    assert ledger.records_ready(everything=True, limit_bytes=0) == []
    assert (ledger.totals().listed, len(ledger.failures())) == (2, 1)


def test_lists_in_memory_go_with_the_run() -> None:
    """A finished run leaves nothing in the temporary directory."""
    ledger = MemoryLedger()
    open_run(ledger)
    segment = begin(ledger)
    assert ledger.checkpoint(report(segment.id, 1, "b", migrated=("a",), done=True))
    ((_, _, path),) = ledger.records_ready(everything=True, limit_bytes=0)
    ledger.finish_run(succeeded=True)
    ledger.close()
    assert not Path(path).parent.exists()


@given(st.lists(st.binary(min_size=1, max_size=8).map(lambda raw: raw.decode("utf-8", "surrogateescape")), unique=True))
@pytest.mark.parametrize("kind", BOXES)
def test_any_bytes_are_a_key(tmp_path_factory: pytest.TempPathFactory, kind: str, keys: list[str]) -> None:
    """Parked keys of any bytes come back unchanged and can be settled."""
    ledger = BOXES[kind](tmp_path_factory.mktemp("ledger"), failure_cap=CAP).open()
    open_run(ledger)
    segment = begin(ledger)
    assert ledger.checkpoint(report(segment.id, 1, keys[-1] if keys else "", waiting=tuple(keys)))
    assert [item.key for item in ledger.due(1.0, 1000)] == sorted(keys, key=key_bytes)
    assert all(ledger.settle(settlement(key)) for key in keys)
    assert ledger.totals().migrated == len(keys)
    ledger.close()
