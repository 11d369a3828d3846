"""One run of one contender: wall time, CPU and memory of its whole process, start of the interpreter included."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from contenders import Contender
from server import Server


@dataclass(frozen=True)
class Run:
    """What one process took."""

    seconds: float
    cpu: float
    """CPU seconds, user and system."""
    rss: float
    """Peak resident memory in MB."""


def run(contender: Contender, server: Server, objects: int) -> Run:
    """Run a contender once, and make sure afterwards that the copy is complete, byte by byte."""
    with tempfile.TemporaryDirectory(prefix="openoms-bench-") as folder:
        scratch = Path(folder)
        with (scratch / "said").open("wb") as said:
            began = time.monotonic()
            process = subprocess.Popen(
                contender.command(server, scratch),
                env=contender.environment(server, scratch),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
            )
            _, status, used = os.wait4(process.pid, 0)
            seconds = time.monotonic() - began
            process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            text = (scratch / "said").read_text()
            raise SystemExit(f"{contender.name} ended with {process.returncode}:\n{text[-2000:]}")
    found = server.compare("src", "dst")
    if found != {"same": objects, "diff": 0, "miss": 0}:
        raise SystemExit(f"{contender.name} did not copy everything: {found} of {objects}")
    return Run(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024)


def held_rate(contender: Contender, server: Server, seconds: float = 10.0, settle: float = 2.0) -> float:
    """Return the bytes per second that reach the server between ``settle`` and ``seconds`` later; then stop the run."""
    with tempfile.TemporaryDirectory(prefix="openoms-bench-") as folder:
        scratch = Path(folder)
        process = subprocess.Popen(
            contender.command(server, scratch),
            env=contender.environment(server, scratch),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            time.sleep(settle)
            first, began = server.stats()["body_in"], time.monotonic()
            time.sleep(seconds)
            last, ended = server.stats()["body_in"], time.monotonic()
            if process.poll() is not None:
                raise SystemExit(f"{contender.name} ended before its rate was measured")
        finally:
            process.terminate()
            process.wait(30)
    return (last - first) / (ended - began)
