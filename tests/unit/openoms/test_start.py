"""The command's first and last moments."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

OPENOMS = Path(sys.executable).with_name("openoms")
BUFFERED = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
"""What is printed stays in the process until it is flushed, as for most users."""


def test_output_and_code_arrive_whole_though_the_end_is_hard():
    """Everything written is there when the process is gone, through a pipe too."""
    done = subprocess.run([OPENOMS, "migrate", "--help"], capture_output=True, text=True, env=BUFFERED, check=False)
    assert done.returncode == 0
    assert done.stdout.rstrip().splitlines()[-1].strip()
    assert len(done.stdout) > 4096
    wrong = subprocess.run([OPENOMS, "migrate", "nowhere"], capture_output=True, text=True, env=BUFFERED, check=False)
    assert wrong.returncode == 2
    assert wrong.stderr.endswith("\n")


def test_an_interrupt_while_modules_load_is_no_traceback():
    """Ctrl-C once the command has begun, and before it runs, ends it as it ends any other program."""
    code = """
import os, signal
signal.signal(signal.SIGINT, signal.default_int_handler)  # as at a terminal, whatever the runner of this test does
import openoms.start
os.kill(os.getpid(), signal.SIGINT)
print("went on")
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


def test_an_ignored_interrupt_stays_ignored():
    """A shell's background jobs are not ended by Ctrl-C at the terminal: what they were told holds."""
    code = """
import signal, subprocess, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
look = "import openoms.start, signal, sys; sys.exit(0 if signal.getsignal(signal.SIGINT) is signal.SIG_IGN else 1)"
sys.exit(subprocess.run([sys.executable, "-c", look]).returncode)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_locks_of_spawned_children_are_given_back():
    """Where children were spawned the system gets their locks back; left to itself, Python warns of them on stderr."""
    code = """
import os, sys
os.sched_getaffinity = lambda pid: {0}
from multiprocessing import get_context
from openoms import cli, start
def run(arguments):
    cli.kept = get_context("spawn").Lock()
    print("done")
    return 1
cli.run = run
sys.argv = ["openoms", "migrate"]
start.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=BUFFERED, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (1, "done\n", "")


@pytest.mark.skipif(sys.platform != "linux", reason="the others have no such policy")
@pytest.mark.parametrize(
    ("command", "chosen", "expected"),
    [
        ("migrate", None, "SCHED_BATCH"),
        ("run", None, "SCHED_BATCH"),
        ("check", None, "SCHED_OTHER"),
        ("migrate", "SCHED_IDLE", "SCHED_IDLE"),
    ],
)
def test_a_migration_is_a_batch_job_to_the_scheduler(command, chosen, expected):
    """So are its threads and children; a policy that the user chose stays, as does that of other commands."""
    code = f"""
import os, threading
if {chosen!r}:
    os.sched_setscheduler(0, getattr(os, {chosen!r}), os.sched_param(0))
from openoms import cli, start
def run(arguments):
    told = [os.sched_getscheduler(0)]
    thread = threading.Thread(target=lambda: told.append(os.sched_getscheduler(0)))
    thread.start()
    thread.join()
    print(set(told) == {{os.{expected}}})
    return 0
cli.run = run
start.sys.argv = ["openoms", {command!r}]
start.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=BUFFERED, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")


def test_a_system_that_refuses_the_policy_is_no_error():
    """Sandboxes may."""
    code = """
import os
def refuse(*_):
    raise PermissionError(1, "no")
os.sched_setscheduler = refuse
from openoms import start
import sys
sys.argv = ["openoms", "migrate", "--help"]
start.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=BUFFERED, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["migrate", "check"])
def test_what_others_print_in_our_process_arrives_once(command):
    """A plug-in's lines, a C library's, a log that is written at the end, an embedding program's from before."""
    code = f"""
import atexit, ctypes, logging.handlers, sys
print("before")
atexit.register(print, "registered")
log = logging.handlers.MemoryHandler(1000, target=logging.StreamHandler(sys.stdout))
logging.getLogger().addHandler(log)
from openoms import cli, start
def run(arguments):
    print("printed")
    print("warned", file=sys.stderr, end="")
    ctypes.CDLL(None).puts(b"put")
    logging.error("logged")
    return 0
cli.run = run
start.sys.argv = ["openoms", {command!r}]
start.main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=BUFFERED, check=False)
    assert (done.returncode, done.stderr) == (0, "warned")
    assert sorted(done.stdout.split()) == ["before", "logged", "printed", "put", "registered"]


def test_a_reader_that_is_gone_is_no_error_at_the_end():
    """Neither a traceback nor another exit code, whichever stream it read."""
    code = """
import sys
from openoms import cli, start
def run(arguments):
    print("printed")
    print("warned", file=sys.stderr, end="")
    return 0
cli.run = run
start.sys.argv = ["openoms", "check"]
start.main()
"""
    reading, writing = os.pipe()
    os.close(reading)
    try:
        for gone in ("stdout", "stderr"):
            streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, gone: writing}
            done = subprocess.run([sys.executable, "-c", code], env=BUFFERED, text=True, check=False, **streams)
            assert (done.returncode, done.stdout or "printed\n", done.stderr or "warned") == (0, "printed\n", "warned")
    finally:
        os.close(writing)
