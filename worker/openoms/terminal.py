"""Words to the terminal: results to standard output, everything else to standard error. Never a ``print`` elsewhere."""

from __future__ import annotations

import os
import sys

_PLAINER = str.maketrans({"…": "...", "·": "-"})
"""Our own signs, for terminals whose encoding has none of them."""


def open_streams() -> None:
    """Put something in the place of standard streams that the caller closed, before a socket takes their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - for the process's life


def say(text: str) -> None:
    """Write a result, with its line feed, to standard output; what its encoding lacks is shown as an escape."""
    _write(sys.stdout, text)


def complain(sentence: str, code: str | None = None) -> None:
    """Write one sentence, led by its code, to standard error as one line."""
    text = " ".join(sentence.split())
    _write(sys.stderr, f"openoms: {f'{code}: ' if code else ''}{text}")


def spell(text: str, stream: object) -> str:
    """Return a text as the stream's encoding can hold it: dots and dashes plainer, what else it lacks as an escape."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAINER).encode(encoding, "backslashreplace").decode(encoding)
    return text


def _write(stream: object, text: str) -> None:
    print(spell(text, stream), file=stream, flush=True)  # type: ignore[call-overload]
