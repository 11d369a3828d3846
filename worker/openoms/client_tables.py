"""Tables of the client: drawn by Rich on a terminal, plain aligned columns anywhere else. Knows nothing of tasks.

Texts come from the service and from buckets, so nothing in them may reach the terminal as a control sequence.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from oms_engine.frozen import dataclass
from openoms.terminal import say, spell

if TYPE_CHECKING:
    from rich.table import Table

NOTHING = "-"
"""What stands for a value that there is not."""


class Cell(NamedTuple):
    """A text with the colour that a terminal gives it."""

    text: str
    style: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """One column; numbers are aligned to the right."""

    title: str
    right: bool = False


Row = Sequence[Cell | str]
UNCUT = 4000
"""Columns that a table may take: an id that is cut is useless, so the terminal breaks the lines that are too long."""


def say_table(columns: Sequence[Column], rows: Iterable[Row]) -> None:
    """Write a table to standard output."""
    made = [[_cell(value) for value in row] for row in rows]
    if not sys.stdout.isatty():
        say(plain_table(columns, made))
        return
    from rich.console import Console  # noqa: PLC0415 - only a terminal pays for Rich

    Console(file=sys.stdout, highlight=False, width=UNCUT).print(rich_table(columns, made, sys.stdout))


def say_fields(fields: Iterable[tuple[str, Cell | str]]) -> None:
    """Write what is known of one thing to standard output, a line for each field."""
    pairs = [(name, _cell(value)) for name, value in fields]
    width = max((columns_of(name) for name, _ in pairs), default=0)
    if not sys.stdout.isatty():
        say("\n".join(f"{pad(name, width)}  {cell.text}".rstrip() for name, cell in pairs))
        return
    from rich.console import Console  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    console = Console(file=sys.stdout, highlight=False)
    for name, cell in pairs:
        line = Text.assemble((f"{pad(name, width)}  ", "dim"), (spell(cell.text, sys.stdout), cell.style))
        console.print(line, soft_wrap=True)


def plain_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]]) -> str:
    """Return the table as aligned text; the last column is not padded."""
    texts = [[column.title.upper() for column in columns], *([cell.text for cell in row] for row in rows)]
    widths = [max(columns_of(row[index]) for row in texts) for index in range(len(columns))]
    lines = (
        "  ".join(
            pad(text, width, right=column.right) for text, width, column in zip(row, widths, columns, strict=True)
        )
        for row in texts
    )
    return "\n".join(line.rstrip() for line in lines)


def rich_table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], stream: object) -> Table:
    """Return the table as Rich draws it, in signs that the stream can show."""
    from rich import box  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(Text(column.title), justify="right" if column.right else "left", no_wrap=True, overflow="crop")
    for row in rows:
        table.add_row(*(Text(spell(cell.text, stream), style=cell.style) for cell in row))
    return table


def _cell(value: Cell | str) -> Cell:
    text, style = value if isinstance(value, Cell) else (value, "")
    return Cell(visible(text) or NOTHING, style)


def visible(text: str) -> str:
    """Return a text with everything that is no printable character as an escape: line feeds, terminal sequences."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def columns_of(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    from rich.cells import cell_len  # noqa: PLC0415 - usage errors do not wait for it

    return cell_len(text)


def pad(text: str, width: int, *, right: bool = False) -> str:
    """Return a text filled with blanks to a number of columns."""
    blanks = " " * max(0, width - columns_of(text))
    return f"{blanks}{text}" if right else f"{text}{blanks}"


def render_instant(milliseconds: float | None) -> str:
    """Return milliseconds since the epoch as ``2026-01-31 08:00:00Z``; nothing for one that has not come."""
    if not milliseconds:
        return ""
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return ""
    return moment.strftime("%Y-%m-%d %H:%M:%SZ")


def render_percent(fraction: float) -> str:
    """Return ``42 %``, rounded down: 100 % is said of what is done."""
    return f"{int(min(max(fraction, 0.0), 1.0) * 100 + 1e-9)} %"
