"""Words to the terminal: results to standard output, everything else to standard error. Never a ``print`` elsewhere."""

from __future__ import annotations

import sys


def say(text: str) -> None:
    """Write a result, with its line feed, to standard output; what its encoding lacks is shown as an escape."""
    _write(sys.stdout, text)


def complain(sentence: str, code: str | None = None) -> None:
    """Write one sentence, led by its code, to standard error as one line."""
    text = " ".join(sentence.split())
    _write(sys.stderr, f"openoms: {f'{code}: ' if code else ''}{text}")


def _write(stream: object, text: str) -> None:
    encoding = getattr(stream, "encoding", None) or "utf-8"
    plain = text.encode(encoding, "backslashreplace").decode(encoding)
    print(plain, file=stream, flush=True)  # type: ignore[call-overload]
