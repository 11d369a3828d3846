"""Fixtures that every kind of test may use; properties try the same examples on every run of CI, others at a desk."""

import os
import runpy
import signal
from pathlib import Path

import pytest
from hypothesis import settings

from support.fixtures import clouds, world

__all__ = ["clouds", "world"]

# No example has a deadline: on a busy machine it would judge the machine.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_configure() -> None:
    """Refuse to judge compiled modules that are not those of the sources beside them; hand no ignored Ctrl-C down.

    A shell starts its background jobs with SIGINT ignored, and so would be every program that a test sends one to.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    native = runpy.run_path(str(Path(__file__).parent.parent / "tools" / "native.py"))
    if native["stale"]():
        pytest.exit("the compiled modules are older than their sources: make native, or OPENOMS_PURE=1 make native", 2)
