"""Tables of the client: alignment, what may not reach a terminal, numbers for people."""

from __future__ import annotations

import io
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from openoms.client_tables import (
    NOTHING,
    UNCUT,
    Cell,
    Column,
    pad,
    plain_table,
    render_instant,
    render_percent,
    rich_table,
    say_fields,
    say_table,
    visible,
)

COLUMNS = [Column("id"), Column("size", right=True), Column("from")]
anything = st.text(max_size=20)
printable = st.text(st.characters(exclude_categories=("C", "Z", "Mn", "Me", "Sk")), min_size=1, max_size=12)
rows = st.lists(st.tuples(printable, printable, printable), max_size=6)


@given(rows)
def test_plain_columns_begin_and_end_together(found):
    """Left columns begin, right columns end at one place in every line, as a terminal counts; the header is upper."""
    lines = plain_table(COLUMNS, [[Cell(text) for text in row] for row in found]).splitlines()
    assert len(lines) == len(found) + 1
    assert lines[0].split() == ["ID", "SIZE", "FROM"]
    first = max([cell_len(row[0]) for row in found], default=0)
    second = max([cell_len(row[1]) for row in found] + [4])
    for line, row in zip(lines[1:], found, strict=True):
        last = f"{pad(row[0], max(first, 2))}  {pad(row[1], second, right=True)}  {row[2]}"
        assert line == last.rstrip()


@given(anything)
def test_nothing_that_moves_a_terminal_is_shown(text):
    """Control characters, bidirectional marks and line feeds become escapes; what is printable stays as it is."""
    shown = visible(text)
    assert shown.isprintable()
    if text.isprintable():
        assert shown == text


@given(st.lists(st.tuples(anything, anything, anything), max_size=4))
def test_tables_of_hostile_texts_are_lines_without_escapes(found):
    """Whatever keys and names hold: one line a row, no escape character, plain or drawn, in any encoding."""
    cells = [[Cell(visible(text)) for text in row] for row in found]
    plain = plain_table(COLUMNS, cells)
    assert len(plain.split("\n")) == len(found) + 1
    assert "\x1b" not in plain
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    Console(file=stream, width=UNCUT, color_system=None).print(rich_table(COLUMNS, cells, stream))
    stream.flush()
    assert b"\x1b" not in stream.buffer.getvalue()


def test_what_is_no_terminal_gets_plain_text(capsys):
    """Nothing is a dash; fields are aligned; markup of Rich is text like any other."""
    say_table(COLUMNS, [["1", "", "[red]x[/red]"]])
    say_fields([("id", "1"), ("description", Cell("a\x1b[2Jb", "red")), ("group", "")])
    assert capsys.readouterr().out == (
        f"ID  SIZE  FROM\n1      {NOTHING}  [red]x[/red]\nid           1\ndescription  a\\x1b[2Jb\ngroup        {NOTHING}\n"
    )


def test_a_terminal_gets_colours(monkeypatch):
    """Rich draws on a terminal: the same cells, in colour, markup untouched."""

    class Terminal(io.StringIO):
        encoding = "utf-8"

        def isatty(self):
            return True

    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.delenv("NO_COLOR", raising=False)
    say_table(COLUMNS, [["1", Cell("2", "green"), "[red]x[/red]"]])
    say_fields([("state", Cell("failed", "red"))])
    drawn = stream.getvalue()
    assert "\x1b[32m   2\x1b[0m" in drawn
    assert "\x1b[31mfailed\x1b[0m" in drawn
    assert "[red]x[/red]" in drawn


@given(rows)
def test_a_drawn_table_cuts_nothing(found):
    """However long the cells are, each stands whole in one line, as ids must to be of use."""
    stream = io.StringIO()
    cells = [[Cell(text * 9) for text in row] for row in found]
    Console(file=stream, width=UNCUT, color_system=None).print(rich_table(COLUMNS, cells, stream))
    lines = stream.getvalue().splitlines()
    assert len(lines) == len(found) + 2
    for line, row in zip(lines[2:], cells, strict=True):
        assert line.split() == [cell.text for cell in row]


@given(st.floats(-1, 2))
def test_a_percentage_is_never_rounded_up(fraction):
    """100 % is said of what is done only."""
    percent = int(render_percent(fraction).removesuffix(" %"))
    assert 0 <= percent <= 100
    if fraction < 0.999_999:
        assert percent < 100
    assert percent <= max(fraction, 0) * 100 + 1e-6


@given(st.integers(86_400, 253_000_000_000).map(lambda second: datetime.fromtimestamp(second, UTC)))
def test_instants_are_utc(moment):
    """Milliseconds as the service tells them; what is no instant is nothing."""
    assert render_instant(moment.timestamp() * 1000) == moment.strftime("%Y-%m-%d %H:%M:%SZ")
    for nothing in (0, None, 10**20, -(10**20)):
        assert not render_instant(nothing)
