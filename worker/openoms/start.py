"""Where the ``openoms`` command begins: as little as a small run can do with, and an end that does not dawdle."""

from __future__ import annotations

import gc
import os
import signal
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oms_worker.forked import Nursery

_HANDLER = signal.getsignal(signal.SIGINT)
if _HANDLER is signal.default_int_handler:  # and not where the shell has a job in the background ignore it
    # Ctrl-C before anything runs ends the program as it ends any other, without a traceback out of an import.
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> None:
    """Run the command line and end the process with its code.

    Memory is hardly swept while modules load, nor taken apart at the end: together a fifth of a small run.
    """
    gc.set_threshold(50_000, 20, 50)
    children = None
    if sys.platform == "linux" and sys.argv[1:2] in (["migrate"], ["run"], ["demo"]):
        _become_batch_job()
        children = _nursery()
    from oms_worker.fast_exit import exit_now  # noqa: PLC0415 - after the lines above
    from openoms import cli  # noqa: PLC0415

    signal.signal(signal.SIGINT, _HANDLER)
    code = cli.run(sys.argv[1:])
    if children is not None:
        children.close()
    if "multiprocessing.synchronize" in sys.modules:  # spawned children: locks are given back as the interpreter ends
        sys.exit(code)
    exit_now(code)


def _become_batch_job() -> None:
    """Let no thread of ours cut in on another: one that is woken waits for its turn.

    Else it interrupts the one that woke it, which holds the interpreter's lock that the woken one asks for next: both
    lose their turn, which was a twelfth of the time of 200 objects of 4 MB. To other programs a batch job is as nice as
    before, or nicer. https://man7.org/linux/man-pages/man7/sched.7.html
    """
    with suppress(OSError):  # a sandbox may refuse it
        if os.sched_getscheduler(0) == os.SCHED_OTHER:  # and not where the user chose another
            os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))


def _nursery() -> Nursery | None:
    """Prepare for other processes where a run may come to need them: with several cores."""
    if len(os.sched_getaffinity(0)) < 2:
        return None
    from oms_worker import forked  # noqa: PLC0415

    with suppress(OSError):  # then they are spawned when they are needed
        forked.nursery = forked.Nursery()
    return forked.nursery
