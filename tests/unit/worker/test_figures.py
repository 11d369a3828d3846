"""The figures of a task: OMS's published responses, and what must hold of any run."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.task import Counters, Progress, Result, TaskState
from oms_worker.figures import Carried, Figures, Look, Scan, average_speed, figures_of, final_figures, forward


@st.composite
def counters(draw):
    """Counters that balance."""
    ends = [(draw(st.integers(0, 10**6)), draw(st.integers(0, 10**15))) for _ in range(4)]
    (migrated, m_bytes), (skipped, s_bytes), (failed, f_bytes), (waiting, w_bytes) = ends
    return Counters(
        migrated + skipped + failed + waiting,
        migrated,
        skipped,
        failed,
        waiting,
        m_bytes + s_bytes + f_bytes + w_bytes,
        m_bytes,
        s_bytes,
        f_bytes,
    )


rates = st.floats(0, 10**10)
looks = st.builds(
    Look,
    progress=st.builds(
        Progress,
        state=st.just(TaskState.RUNNING),
        counters=counters(),
        listing_done=st.booleans(),
        under_way_bytes=st.integers(0, 10**16),
        bytes_per_second=rates,
        objects_per_second=rates,
    ),
    scan=st.none() | st.builds(Scan, st.integers(0, 10**7), st.integers(0, 10**16), st.booleans()),
)
carried = st.builds(
    lambda ended, skipped, failed, done, skipped_bytes, more: Carried(
        ended + skipped + failed, done + skipped_bytes + more, ended, skipped, done + skipped_bytes, skipped_bytes
    ),
    *(st.integers(0, 10**6) for _ in range(6)),
)


@pytest.mark.parametrize(
    ("size", "milliseconds", "speed"),
    [(2_223_728, 31_111, 71_477), (10_240_000, 17_730, 577_552), (0, 0, 0), (5, 0, 0)],
)
def test_published_speeds(size, milliseconds, speed):
    """Speeds of the responses in OMS's documents: bytes per second over the whole time, rounded down."""
    assert average_speed(size, milliseconds) == speed
    ended = Result(TaskState.SUCCEEDED, Counters(1, 1, 0, 0, 0, size, size, 0, 0), 1.0, complete=True)
    assert final_figures(ended, milliseconds, by_objects=False).migrate_speed == speed


def test_published_skip():
    """One skipped object of 1,205 bytes counts in total and complete size, not in the real size, as OMS tells it."""
    ended = Result(TaskState.SUCCEEDED, Counters(1, 0, 1, 0, 0, 1205, 0, 1205, 0), 1.0, complete=True)
    told = final_figures(ended, 1000, by_objects=False)
    assert (told.total_num, told.successful_num, told.skipped_num, told.failed_num) == (1, 0, 1, 0)
    assert (told.total_size, told.complete_size, told.real_size) == (1205, 1205, 0)
    assert (told.progress, told.left_time_ms, told.is_query_over) == (1.0, 0, True)


@given(looks, st.integers(0, 10**10), st.booleans(), carried)
def test_whatever_runs(look, milliseconds, by_objects, before):
    """A running task is never done, has some time left, and its parts never exceed their wholes."""
    told = figures_of(look, milliseconds, by_objects=by_objects, carried=before)
    assert 0 <= told.progress < 1
    assert told.left_time_ms > 0
    assert told.successful_num + told.failed_num + told.skipped_num <= told.total_num
    assert 0 <= told.complete_size <= told.total_size
    assert 0 <= told.real_size <= told.total_size
    assert told.migrate_speed >= 0
    over = look.progress.listing_done or (look.scan is not None and look.scan.done)
    assert told.is_query_over == (over or before != Carried())


figures = st.builds(figures_of, looks, st.integers(0, 10**10), by_objects=st.booleans(), carried=carried)


@given(st.lists(figures, min_size=2, max_size=6))
def test_nothing_runs_backwards(found):
    """Whatever a process counts after another, totals, bytes, ends and progress that are stated never fall."""
    stated = found[0]
    for now in found[1:]:
        before, stated = stated, forward(stated, now)
        for name in ("total_num", "total_size", "complete_size", "progress", "is_query_over", "ended"):
            assert getattr(stated, name) >= getattr(before, name), name
        assert stated.ended <= stated.total_num
        assert stated.complete_size <= stated.total_size
        assert stated.real_size - now.real_size == stated.total_size - now.total_size
        assert (stated.migrate_speed, stated.left_time_ms) == (now.migrate_speed, now.left_time_ms)


@given(figures)
def test_what_has_not_changed_is_stated_again(now):
    """The same counts leave the same figures."""
    assert forward(now, now) == now


def test_an_end_that_was_corrected_stands_once():
    """An object that counted as migrated and then failed is among the failed alone; what ended does not fall."""
    before = Figures(total_num=10, successful_num=10)
    told = forward(before, Figures(total_num=10, successful_num=9, failed_num=1))
    assert (told.successful_num, told.failed_num, told.ended) == (9, 1, 10)


def test_a_retry_has_the_totals_of_the_task():
    """A run through 2 failed of 10 objects states 10 from its first look to its end, with what ended before it."""
    before = Carried(10, 1000, 7, 1, 800, 100)
    now = figures_of(running(1, 0, under_way_bytes=50), 1000, by_objects=False, carried=before)
    assert (now.total_num, now.total_size, now.complete_size, now.progress) == (10, 1000, 850, 0.85)
    assert (now.successful_num, now.skipped_num, now.failed_num, now.real_size) == (7, 1, 0, 900)
    ended = Result(TaskState.SUCCEEDED, Counters(2, 2, 0, 0, 0, 200, 200, 0, 0), 1.0, complete=True)
    told = final_figures(ended, 1000, by_objects=False, carried=before)
    assert (told.total_num, told.total_size, told.complete_size, told.real_size) == (10, 1000, 1000, 900)
    assert (told.successful_num, told.skipped_num, told.failed_num, told.progress) == (9, 1, 0, 1.0)


@given(counters(), st.sampled_from([TaskState.SUCCEEDED, TaskState.FAILED, TaskState.PAUSED]), st.booleans())
def test_whatever_ends(counts, state, by_objects):
    """Only what succeeded is 1; sums are those of the counters."""
    told = final_figures(Result(state, counts, 1.0), 1000, by_objects=by_objects)
    assert (told.progress == 1.0) == (state is TaskState.SUCCEEDED)
    assert told.total_size - told.real_size == counts.skipped_bytes
    assert told.complete_size == counts.migrated_bytes + counts.skipped_bytes


def running(listed, migrated, *, size=100, done=True, scan=None, **fields):
    """Look at a task of equal objects."""
    counts = Counters(listed, migrated, 0, 0, listed - migrated, listed * size, migrated * size, 0, 0)
    return Look(Progress(TaskState.RUNNING, counts, listing_done=done, **fields), scan)


def test_percent_while_the_listing_runs():
    """A scan ahead makes the percent right before the migration has listed everything; without it totals grow."""
    told = figures_of(running(1000, 500, done=False, scan=Scan(10_000, 10**6, done=True)), 1000, by_objects=False)
    assert (told.total_num, told.total_size, told.progress, told.is_query_over) == (10_000, 10**6, 0.05, True)
    blind = figures_of(running(1000, 500, done=False), 1000, by_objects=False)
    assert (blind.total_num, blind.is_query_over) == (1000, False)


def test_the_migration_knows_better_than_the_scan():
    """Once the migration has listed everything its own totals hold, whatever a scan saw earlier or later."""
    told = figures_of(running(1000, 500, scan=Scan(10_000, 10**6, done=True)), 1000, by_objects=False)
    assert (told.total_num, told.progress) == (1000, 0.5)


def test_lists_go_by_objects():
    """List tasks count objects, others bytes; where there are no bytes, objects."""
    counts = Counters(10, 5, 0, 0, 5, 1000, 900, 0, 0)
    look = Look(Progress(TaskState.RUNNING, counts, listing_done=True))
    assert figures_of(look, 1, by_objects=True).progress == 0.5
    assert figures_of(look, 1, by_objects=False).progress == 0.9
    empty = Look(Progress(TaskState.RUNNING, Counters(10, 5, 0, 0, 5, 0, 0, 0, 0), listing_done=True))
    assert figures_of(empty, 1, by_objects=False).progress == 0.5


def test_large_objects_move_the_percent():
    """Bytes of an object under way count before it has ended."""
    counts = Counters(1, 0, 0, 0, 1, 1000, 0, 0, 0)
    look = Look(Progress(TaskState.RUNNING, counts, listing_done=True, under_way_bytes=250))
    assert figures_of(look, 1, by_objects=False).progress == 0.25


@pytest.mark.parametrize(
    ("rates", "left"),
    [((1000.0, 10.0), 50_000), ((100_000.0, 1.0), 500_000), ((100.0, 1000.0), 500_000), ((0.0, 0.0), 60_000)],
)
def test_left_time(rates, left):
    """The slower of bytes and objects tells the time left; when nothing moves, the time so far does."""
    look = running(1000, 500, bytes_per_second=rates[0], objects_per_second=rates[1])
    assert figures_of(look, 60_000, by_objects=False).left_time_ms == left
