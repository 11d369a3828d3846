"""Forked children: asleep until they are needed, and never left behind."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

from oms_worker.forked import _ForkedLock, nursery


def run(code, **more):
    """Run a program of its own: forking belongs into a process without threads."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, **more)


def test_one_process_needs_no_children():
    """With one process nothing is forked."""
    with nursery(1) as children:
        assert children is None


def test_a_process_with_threads_does_not_fork():
    """Where other threads run, children are spawned instead: a fork would copy their locks as they stand."""
    done = threading.Event()
    thread = threading.Thread(target=done.wait)
    thread.start()
    try:
        with nursery(3) as children:
            assert children is None
    finally:
        done.set()
        thread.join()


def test_children_that_were_not_needed_go_home():
    """At the end no child is left, and none has printed or returned into the program."""
    code = """
import os
from oms_worker.forked import nursery
with nursery(4) as children:
    pass
print("end", os.getpid())
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
"""
    done = run(code)
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["end", "no"]
    assert done.stderr == ""


def test_sleeping_children_follow_a_killed_parent():
    """A parent killed with -9 takes along the children that slept: each holds the other end of a pipe that is gone."""
    code = """
import os, sys
from oms_worker.forked import nursery
with nursery(3) as children:
    print(*[child._pid for _, child in children._asleep], flush=True)
    os.kill(os.getpid(), 9)
"""
    done = run(code)
    assert done.returncode == -9
    deadline = time.monotonic() + 30
    pids = [int(word) for word in done.stdout.split()]
    assert len(pids) == 2
    while any(_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a child outlived its parent"
        time.sleep(0.02)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def test_a_child_killed_in_its_sleep_is_passed_over():
    """A plan is given to the next child, or to none; it is no error."""
    code = """
import os, signal
from oms_worker.forked import nursery
from oms_engine.limiter import Limiter
class Plan:
    limiter = Limiter(); spec = source = destination = settings = None; run_started = 0.0
with nursery(2) as children:
    os.kill(children._asleep[0][1]._pid, signal.SIGKILL)
    os.waitid(os.P_PID, children._asleep[0][1]._pid, os.WEXITED | os.WNOWAIT)
    print(children.start(Plan()))
"""
    done = run(code)
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("None", "", 0)


def test_the_lock_excludes_forked_processes():
    """Two processes that add to one number in shared memory under the lock lose no addition."""
    code = """
import mmap, os
from oms_worker.forked import _ForkedLock
lock, number = _ForkedLock(), memoryview(mmap.mmap(-1, 8)).cast("q")
pid = os.fork()
for _ in range(20_000):
    lock.acquire()
    number[0] += 1
    lock.release()
if pid:
    os.waitpid(pid, 0)
    print(number[0])
os._exit(0) if not pid else None
"""
    assert run(code).stdout.strip() == "40000"


def test_the_lock_of_a_dead_process_is_free():
    """A child that dies with the lock does not stop its parent."""
    lock = _ForkedLock()
    code = f"""
import fcntl, os
fcntl.lockf({lock._file}, fcntl.LOCK_EX)
os.kill(os.getpid(), 9)
"""
    done = run(code, pass_fds=[lock._file])
    assert done.returncode == -9, done.stderr
    assert lock.acquire()
    lock.release()
    os.close(lock._file)
