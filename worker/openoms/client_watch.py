"""Watching until something ends: a panel that is redrawn on a terminal, a line per change anywhere else."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self, TextIO

from openoms.client import Reply, ServiceFailed
from openoms.client_looks import Look, look_line, objects_of, pace_of, sizes_of, state_cell, why
from openoms.client_tables import render_percent, visible
from openoms.display import PANEL_WIDTH, Screen
from openoms.terminal import complain, is_read, say, spell

if TYPE_CHECKING:
    from rich.console import RenderableType

LOOK_SECONDS = 1.0
"""Time between two looks."""
LINE_SECONDS = 5.0
"""Time between two lines of one state, as openoms migrate has it; another state is told at once."""
PATIENCE_SECONDS = 120.0
"""For so long a service that does not answer is asked again: it may be starting anew."""

Ask = Callable[[], Reply]
Read = Callable[[Reply], Look]


class Display(Protocol):
    """Shows looks between ``__enter__`` and ``__exit__``."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, look: Look) -> None:
        """Show one look."""
        ...


class Silent:
    """Shows nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def show(self, look: Look) -> None:
        """Show nothing."""


class Lines(Silent):
    """A line for each change, on standard output; changes of numbers alone at most every few seconds."""

    def __init__(self, every: float = LINE_SECONDS) -> None:
        self._every = every
        self._last: Look | None = None
        self._line = ""
        self._at = 0.0

    def show(self, look: Look) -> None:
        """Say what is new, if it is."""
        now, line = time.monotonic(), look_line(look)
        same = self._last is not None and self._last.state == look.state
        if line == self._line or (same and not look.ended and now - self._at < self._every):
            return
        self._last, self._line, self._at = look, line, now
        say(visible(f"{look.title}: {line}"))


class Panel(Screen):
    """A panel that is redrawn in place on a terminal, and stays there when everything has ended."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream, transient=False)

    def show(self, look: Look) -> None:
        """Redraw."""
        self.draw(render_panel(look, self.console.file))


def render_panel(look: Look, stream: object = None) -> RenderableType:
    """Return the panel of one look, in signs that the stream can show."""
    from rich import box  # noqa: PLC0415
    from rich.console import Group  # noqa: PLC0415
    from rich.padding import Padding  # noqa: PLC0415 - a bar alone does not end its line
    from rich.panel import Panel as Box  # noqa: PLC0415
    from rich.progress_bar import ProgressBar  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    percent = "" if look.fraction is None else f" {render_percent(look.fraction)}"
    state = Text(f"{look.state}{percent}", style=f"bold {state_cell(look.state).style}".strip())
    lines = [objects_of(look), ", ".join(filter(None, (sizes_of(look), pace_of(look))))]
    if look.error_code:
        lines.append(f"{look.error_code}: {why(look)}")
    bar = ProgressBar(total=1.0, completed=look.fraction or 0.0, pulse=look.fraction is None and not look.ended)
    told = [Text(spell(visible(line), stream)) for line in lines]
    title = Text(spell(visible(look.title), stream))
    return Box(Group(state, Padding(bar), *told), title=title, box=box.ROUNDED, width=PANEL_WIDTH)


def open_display(*, quiet: bool, every: float) -> Display:
    """Choose the display that suits standard output."""
    if quiet:
        return Silent()
    if sys.stdout.isatty() and (panel := Panel(sys.stdout)).redraws:
        return panel
    return Lines(every)


def watch(ask: Ask, read: Read, display: Display, *, every: float = LOOK_SECONDS) -> tuple[Reply, Look]:
    """Look again and again until there is nothing more to see; return the last look.

    Raises:
        ServiceFailed: the service has not answered for two minutes.
        ServiceRefused: what is watched is gone.
    """
    reply = ask()  # a wrong address is told at once
    with display:
        while True:
            look = read(reply)
            display.show(look)
            if look.ended:
                return reply, look
            if not is_read(sys.stdout):
                raise KeyboardInterrupt  # whoever read it has gone: as Ctrl-C
            time.sleep(every)
            reply = patiently(ask, over=ABSENT)


BUSY = frozenset({503})
ABSENT = frozenset({None, 502, 503, 504})
"""HTTP statuses of a service that may answer soon; None: nobody answered."""


def patiently(
    ask: Ask, *, over: frozenset[int | None], patience: float = PATIENCE_SECONDS, pause: float = LOOK_SECONDS
) -> Reply:
    """Ask, and ask again while the service fails with one of the statuses ``over``.

    Raises:
        ServiceFailed: when patience is at its end, or it fails otherwise.
    """
    until, told = time.monotonic() + patience, False
    while True:
        try:
            return ask()
        except ServiceFailed as error:
            if error.status not in over or time.monotonic() >= until:
                raise
            if not told:
                complain(f"{error} Trying again.")
            told = True
            time.sleep(pause)
