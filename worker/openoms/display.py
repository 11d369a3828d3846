"""How a running migration looks: a live panel on a terminal, a plain line now and then anywhere else, or nothing.

Rich is imported only when a panel is drawn. Everything goes to standard error: standard output belongs to ``--json``.
"""

from __future__ import annotations

import time
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from oms_engine.task import MigrationSpec, Progress
from openoms.report import progress_line, seconds_left
from openoms.terminal import spell, write
from openoms.units import render_bytes, render_count, render_duration, render_rate

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live

PLAIN_SECONDS = 5.0
"""Time between two plain lines."""
PANEL_WIDTH = 84
NARROW = 64
"""Columns below which the panel's table would cut its words: the same is said in running text."""


class Display(Protocol):
    """Shows progress between ``__enter__`` and ``__exit__``; may be called from any thread."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, progress: Progress) -> None:
        """Show one look at the migration."""
        ...

    def say(self, text: str) -> None:
        """Say one sentence between two looks."""
        ...


class SilentDisplay:
    """Shows nothing; a sentence still reaches the stream."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, progress: Progress) -> None:
        """Show nothing."""

    def say(self, text: str) -> None:
        """Write the sentence."""
        with suppress(OSError):  # how a run looks changes nothing of what it does
            write(self._stream, text)


class PlainDisplay(SilentDisplay):
    """One line every few seconds, for logs and pipes."""

    def __init__(self, stream: TextIO, spec: MigrationSpec, *, every: float = PLAIN_SECONDS) -> None:
        super().__init__(stream)
        self._spec = spec
        self._every = every
        self._last = time.monotonic()

    def show(self, progress: Progress) -> None:
        """Write a line when the last one is old enough."""
        now = time.monotonic()
        if now - self._last >= self._every:
            self._last = now
            self.say(progress_line(progress, self._spec))


class Screen:
    """A terminal on which one picture is redrawn in place between ``__enter__`` and ``__exit__``.

    ``transient``: the picture goes when that ends; else it stays as it was last.
    """

    def __init__(self, stream: TextIO, *, transient: bool) -> None:
        from rich.console import Console  # noqa: PLC0415 - Rich costs 60 ms; only a terminal pays

        self.console: Console = Console(file=stream, highlight=False)
        self._transient = transient
        self._live: Live | None = None

    @property
    def redraws(self) -> bool:
        """Whether the terminal can move its cursor back; a dumb one would show nothing until the end."""
        return not self.console.is_dumb_terminal

    def __enter__(self) -> Self:
        from rich.live import Live  # noqa: PLC0415

        self._live = Live(console=self.console, refresh_per_second=8, transient=self._transient)
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            with suppress(OSError):  # the terminal is gone
                self._live.stop()

    def draw(self, picture: RenderableType) -> None:
        """Redraw, where drawing has begun."""
        if self._live is not None:
            self._live.update(picture)


class LiveDisplay(Screen):
    """A panel that is redrawn in place."""

    def __init__(self, stream: TextIO, spec: MigrationSpec, title: str) -> None:
        super().__init__(stream, transient=True)
        self._stream = stream
        self._spec = spec
        self._title = title

    def show(self, progress: Progress) -> None:
        """Redraw the panel."""
        self.draw(self.look(progress, self.console.width))

    def look(self, progress: Progress, width: int) -> RenderableType:
        """Return what is drawn on a terminal of this many columns."""
        if width < NARROW:
            return render_lines(progress, self._spec, self._stream)
        return render_panel(progress, self._spec, self._title, self._stream)

    def say(self, text: str) -> None:
        """Print above the panel."""
        with suppress(OSError):
            self.console.print(text, markup=False)


def render_lines(progress: Progress, spec: MigrationSpec, stream: object) -> RenderableType:
    """Return one look for a terminal too narrow for the panel."""
    from rich.text import Text  # noqa: PLC0415

    return Text(spell(progress_line(progress, spec), stream))


def render_panel(progress: Progress, spec: MigrationSpec, title: str, stream: object = None) -> RenderableType:
    """Return the panel of one look, in signs that the stream can show."""
    from rich import box  # noqa: PLC0415
    from rich.console import Group  # noqa: PLC0415
    from rich.padding import Padding  # noqa: PLC0415
    from rich.panel import Panel  # noqa: PLC0415
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    counters = progress.counters
    table = Table(box=None, padding=(0, 2), show_header=True, header_style="dim")
    cells = [
        ("listed" if progress.listing_done else "listed so far", counters.listed, "bold"),
        ("migrated", counters.migrated, "green"),
        ("skipped", counters.skipped, "cyan"),
        ("failed", counters.failed, "red" if counters.failed else "dim"),
        ("waiting", counters.waiting, "yellow" if counters.waiting else "dim"),
    ]
    for name, _, style in cells:
        table.add_column(name, justify="right", style=style, overflow="fold")
    table.add_row(*(render_count(count) for _, count, _ in cells))
    done = counters.migrated + counters.skipped + counters.failed
    bar = ProgressBar(total=max(counters.listed, 1), completed=done, pulse=not progress.listing_done and not done)
    heading = f"{title} (dry run)" if spec.dry_run else title
    lines = (Text(spell(pace_line(progress), stream)), Text(spell(wire_line(progress), stream), style="dim"))
    return Panel(
        Group(table, Padding(bar, (0, 2)), *lines),
        title=Text(spell(heading, stream)),
        box=box.ROUNDED,
        width=PANEL_WIDTH,
    )


def pace_line(progress: Progress) -> str:
    """Return bytes, rates, time taken and time left."""
    left = seconds_left(progress)
    return " · ".join(
        [
            render_bytes(progress.transferred_bytes),
            render_rate(progress.bytes_per_second),
            f"{progress.objects_per_second:,.0f} objects/s",
            render_duration(progress.seconds),
            f"{render_duration(left)} left" if left is not None else "listing" if not progress.listing_done else "",
        ]
    ).rstrip(" ·")


def wire_line(progress: Progress) -> str:
    """Return what the connections do, or what they wait for."""
    if progress.waiting_for:
        return f"waiting: {progress.waiting_for}"
    return (
        f"{progress.connections} connections · {render_count(progress.retries)} retries · "
        f"slowed down {render_count(progress.throttled)} times by a store"
    )


def open_display(stream: TextIO, spec: MigrationSpec, title: str, *, quiet: bool) -> Display:
    """Choose the display that suits the stream."""
    if quiet:
        return SilentDisplay(stream)
    if stream.isatty() and (live := LiveDisplay(stream, spec, title)).redraws:
        return live
    return PlainDisplay(stream, spec)
