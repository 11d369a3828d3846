"""The end of a process that takes no memory apart: output is delivered, and what was registered for the end runs."""

from __future__ import annotations

import atexit
import os
import sys
from contextlib import suppress
from typing import NoReturn


def flush_output() -> None:
    """Deliver what is buffered for standard output and error: by Python, and by C libraries where ctypes is loaded."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with suppress(OSError, ValueError):  # nobody reads it any more, or it is closed
                stream.flush()
    if (ctypes := sys.modules.get("ctypes")) is not None:  # importing it takes 2 ms, and then nothing called C by it
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).fflush(None)


def exit_now(code: int) -> NoReturn:
    """End the process as ``sys.exit`` in the main thread would, but leave its memory and its threads to the system.

    Handlers of :mod:`atexit` run, logging's among them: a plug-in, or a program that calls ours, may have some.
    """
    with suppress(Exception):
        atexit._run_exitfuncs()  # noqa: SLF001 - as the interpreter's own end calls it
    flush_output()
    os._exit(code)
