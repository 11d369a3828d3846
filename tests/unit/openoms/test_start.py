"""The command's first and last moments."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

OPENOMS = Path(sys.executable).with_name("openoms")


def test_output_and_code_arrive_whole_though_the_end_is_hard():
    """Everything written is there when the process is gone, through a pipe too."""
    done = subprocess.run([OPENOMS, "migrate", "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.rstrip().splitlines()[-1].strip()
    assert len(done.stdout) > 4096
    wrong = subprocess.run([OPENOMS, "migrate", "nowhere"], capture_output=True, text=True, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.endswith("\n")


@pytest.mark.parametrize("milliseconds", [5, 20, 40, 60, 90])
def test_an_interrupt_while_modules_load_is_no_traceback(milliseconds):
    """Ctrl-C in the first moment ends the command quietly: killed by the signal, or with its own sentence."""
    started = subprocess.Popen([OPENOMS, "config"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        started.wait(milliseconds / 1000)
    except subprocess.TimeoutExpired:
        started.send_signal(signal.SIGINT)
    _, said = started.communicate(timeout=60)
    assert "Traceback" not in said
    assert "KeyboardInterrupt" not in said


def test_an_ignored_interrupt_stays_ignored():
    """A shell's background jobs are not ended by Ctrl-C at the terminal: what they were told holds."""
    code = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
look = "import openoms.start, signal, sys; sys.exit(0 if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else 1)"
sys.exit(subprocess.run([sys.executable, "-c", look]).returncode)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
