"""Words to the terminal: results to standard output, everything else to standard error. Never a ``print`` elsewhere."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TextIO

_PLAINER = str.maketrans({"…": "...", "·": "-"})
"""Our own signs, for terminals whose encoding has none of them."""


def open_streams() -> None:
    """Put something in the place of standard streams that the caller closed, before a socket takes their numbers."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: SIM115, PTH123 - for the process's life


def say(text: str) -> None:
    """Write a result, with its line feed, to standard output; what its encoding lacks is shown as an escape.

    A reader that is gone, as ``head`` is after its first lines, changes nothing but that: the command goes on, and its
    exit code is still about what it did.

    Raises:
        OSError: the text could not be written for another reason, such as a full disk.
    """
    write(sys.stdout, text)


def say_bytes(content: bytes) -> None:
    """Write a line of bytes as they are to standard output; as :func:`say`."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content + b"\n")
        sys.stdout.buffer.flush()
    except BrokenPipeError:
        _drop(sys.stdout)


def complain(sentence: str, code: str | None = None) -> None:
    """Write one sentence, led by its code, to standard error as one line; without standard error, to nobody."""
    text = " ".join(sentence.split())
    try:
        write(sys.stderr, f"openoms: {f'{code}: ' if code else ''}{text}")
    except OSError:
        _drop(sys.stderr)


def spell(text: str, stream: object) -> str:
    """Return a text as the stream's encoding can hold it: dots and dashes plainer, what else it lacks as an escape."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return text.translate(_PLAINER).encode(encoding, "backslashreplace").decode(encoding)
    return text


def write(stream: TextIO, text: str) -> None:
    """Write a text and a line feed; what nobody reads any more is dropped.

    Raises:
        OSError: it could not be written for another reason.
    """
    try:
        print(spell(text, stream), file=stream, flush=True)
    except BrokenPipeError:
        _drop(stream)


def is_read(stream: TextIO) -> bool:
    """Whether somebody may still read what is written to a stream."""
    return id(stream) not in _dropped


def flush_results() -> None:
    """Hand over what is buffered for standard output, and drop what cannot be: Python would try again at its exit."""
    try:
        sys.stdout.flush()
    except OSError:
        _drop(sys.stdout)


_dropped: set[int] = set()


def _drop(stream: TextIO) -> None:
    """Have everything written to a stream from now on thrown away, what lies in its buffer too."""
    _dropped.add(id(stream))
    with suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:  # noqa: PTH123 - it may have no file
        os.dup2(nothing.fileno(), stream.fileno())
