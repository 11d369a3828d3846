"""How a running migration looks."""

from __future__ import annotations

import io
import re

from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from oms_engine.task import Counters, MigrationSpec, Progress, TaskState
from openoms.display import LiveDisplay, PlainDisplay, SilentDisplay, open_display, render_panel

SPEC = MigrationSpec("s3://a", "obs://b")
COUNT = st.integers(0, 10**13)
PROGRESS = st.builds(
    Progress,
    state=st.just(TaskState.RUNNING),
    counters=st.builds(Counters, *[COUNT] * 9),
    listing_done=st.booleans(),
    transferred_bytes=COUNT,
    bytes_per_second=st.floats(0, 1e12),
    objects_per_second=st.floats(0, 1e7),
    seconds=st.floats(0, 1e8),
    connections=st.integers(0, 9999),
    retries=COUNT,
    throttled=COUNT,
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self):
        """Say so."""
        return True


@given(PROGRESS, st.text(max_size=40))
def test_the_panel_shows_every_count_of_any_look_in_a_frame_of_one_width(progress, title):
    """Whatever the numbers and the title (markup included), the panel is drawn."""
    stream = io.StringIO()
    Console(file=stream, width=100, color_system=None).print(render_panel(progress, SPEC, title))
    text = stream.getvalue()
    counters = progress.counters
    for count in (counters.listed, counters.migrated, counters.skipped, counters.failed, counters.waiting):
        assert f"{count:,}" in text or "…" in text
    assert text.count("│") >= 8


def test_on_a_pipe_lines_come_now_and_then_and_whole():
    """One line per interval, none in between."""
    stream = io.StringIO()
    look = Progress(TaskState.RUNNING, Counters(listed=5, migrated=3))
    with PlainDisplay(stream, SPEC, every=3600) as display:
        for _ in range(5):
            display.show(look)
    assert stream.getvalue() == ""
    with PlainDisplay(stream, SPEC, every=0) as display:
        display.show(look)
        display.show(look)
    assert len(re.findall(r"^listed 5…, migrated 3, .*$", stream.getvalue(), re.MULTILINE)) == 2


def test_the_display_suits_the_stream():
    """A panel on a terminal, lines elsewhere, nothing when quiet."""
    assert isinstance(open_display(Terminal(), SPEC, "t", quiet=False), LiveDisplay)
    assert type(open_display(io.StringIO(), SPEC, "t", quiet=False)) is PlainDisplay
    assert type(open_display(Terminal(), SPEC, "t", quiet=True)) is SilentDisplay


def test_a_sentence_is_heard_on_every_display():
    """``say`` prints above the panel, between the lines, and when quiet too."""
    for stream, quiet in ((Terminal(), False), (io.StringIO(), False), (io.StringIO(), True)):
        with open_display(stream, SPEC, "t", quiet=quiet) as display:
            display.show(Progress(TaskState.RUNNING, Counters()))
            display.say("[pausing] now")
        assert "[pausing] now" in stream.getvalue()
