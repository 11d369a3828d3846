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

    encoding = "utf-8"

    def isatty(self):
        """Say so."""
        return True


class Narrow(Terminal):
    """A terminal that knows ASCII only."""

    encoding = "ascii"


@given(PROGRESS, st.text(max_size=40), st.sampled_from([12, 40, 63, 64, 84, 200]))
def test_a_terminal_without_unicode_is_shown_ascii_at_any_width(progress, title, width):
    """No character that it lacks, and none of its escapes for our own signs, whatever the numbers and the title."""
    stream = Narrow()
    console = Console(file=stream, width=width, color_system=None)
    console.print(LiveDisplay(stream, SPEC, title).look(progress, width))
    drawn = stream.getvalue()
    assert drawn.isascii()
    for sign in ("\\xb7", "\\u2026"):
        assert sign not in drawn or sign in title.encode("ascii", "backslashreplace").decode()


@given(PROGRESS, st.integers(30, 63))
def test_a_narrow_terminal_is_told_every_count_in_whole_words(progress, width):
    """Where the table's headings would be cut, running text says the same."""
    stream = Terminal()
    console = Console(file=stream, width=width, color_system=None)
    console.print(LiveDisplay(stream, SPEC, "s3://a/ -> obs://b/").look(progress, width))
    told = " ".join(stream.getvalue().split())
    assert f"migrated {progress.counters.migrated:,}," in told
    assert f"failed {progress.counters.failed:,}," in told


def test_a_dumb_terminal_is_given_lines(monkeypatch):
    """It cannot redraw a panel, and must not be left without a word until the end."""
    monkeypatch.setenv("TERM", "dumb")
    assert type(open_display(Terminal(), SPEC, "t", quiet=False)) is PlainDisplay


@given(PROGRESS, st.text(max_size=40))
def test_the_panel_shows_every_count_of_any_look_in_a_frame_of_one_width(progress, title):
    """Whatever the numbers and the title (markup included), the panel is drawn."""
    stream = io.StringIO()
    Console(file=stream, width=100, color_system=None).print(render_panel(progress, SPEC, title))
    text = stream.getvalue()
    counters = progress.counters
    for count in (counters.listed, counters.migrated, counters.skipped, counters.failed, counters.waiting):
        assert f"{count:,}" in text or "".join(text.split()).count(",") >= 3  # a long one is folded, never cut
    assert "…" not in text.replace(title, "")
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


def test_the_display_suits_the_stream(monkeypatch):
    """A panel on a terminal, lines elsewhere, nothing when quiet."""
    monkeypatch.setenv("TERM", "xterm")
    assert isinstance(open_display(Terminal(), SPEC, "t", quiet=False), LiveDisplay)
    assert type(open_display(io.StringIO(), SPEC, "t", quiet=False)) is PlainDisplay
    assert type(open_display(Terminal(), SPEC, "t", quiet=True)) is SilentDisplay


def test_a_sentence_is_heard_on_every_display(monkeypatch):
    """``say`` prints above the panel, between the lines, and when quiet too."""
    monkeypatch.setenv("TERM", "xterm")
    for stream, quiet in ((Terminal(), False), (io.StringIO(), False), (io.StringIO(), True)):
        with open_display(stream, SPEC, "t", quiet=quiet) as display:
            display.show(Progress(TaskState.RUNNING, Counters()))
            display.say("[pausing] now")
        assert "[pausing] now" in stream.getvalue()
