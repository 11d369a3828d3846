"""The nursery of forked children: it is no burden while it is not needed, and never left behind."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

from oms_worker.forked import _ForkedLock

PLAN = """
import json, os, signal, sys, time
from oms_worker import forked
from oms_worker.forked import Nursery
nursery = Nursery()
from oms_engine.limiter import Limiter
class Plan:
    limiter = Limiter(); spec = source = destination = settings = None; run_started = 0.0
def of(child):
    import re
    return int(re.search(r"Pid:\\s+(\\d+)", open(f"/proc/self/fdinfo/{child._handle}").read())[1])
"""
"""A program with a nursery. The plan it can give to a child is none that a child can run."""


def run(code, **more):
    """Run a program of its own: forking belongs into a process without threads."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False, **more)


def test_a_nursery_that_was_not_needed_is_gone():
    """At the end no process is left, at once though it may still load modules, and it has printed nothing."""
    done = run(
        PLAN
        + """
nursery.close()
print("end")
try:
    os.waitpid(-1, os.WNOHANG)
except ChildProcessError:
    print("no child")
"""
    )
    assert (done.stdout.split("\n"), done.stderr, done.returncode) == (["end", "no child", ""], "", 0)


def test_children_of_a_process_with_many_files_open():
    """Their handles lie above 1,023 then, where select() would raise ValueError."""
    done = run(
        "import os, resource\n"
        "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))\n"
        "kept = [os.dup(0) for _ in range(1100)]\n"
        + PLAN
        + """
print(nursery._nurse._handle > 1023, nursery._nurse.is_alive())
nursery.close()
print(nursery._nurse.is_alive())
""",
        stdin=subprocess.DEVNULL,
    )
    assert (done.stdout.split(), done.stderr, done.returncode) == (["True", "True", "False"], "", 0)


def test_a_nursery_follows_a_killed_parent():
    """A parent killed with -9 takes its nursery along, which holds the other end of a socket that is gone."""
    done = run(PLAN + "print(of(nursery._nurse), flush=True); os.kill(os.getpid(), 9)")
    assert done.returncode == -9
    _gone([int(done.stdout)])


def test_children_follow_a_killed_parent():
    """So do children that wait for their plan or work on one."""
    done = run(
        PLAN
        + """
import socket
from oms_worker import processes
processes.child_plan = lambda plan: time.sleep(0)  # a child gets no plan it could begin
mine, childs = socket.socketpair()
socket.send_fds(nursery._here, [b""], [childs.fileno()])
pid = int(nursery._here.recv(16))
childs.close()
print(pid, of(nursery._nurse), flush=True)
os.kill(os.getpid(), 9)
"""
    )
    assert done.returncode == -9, done.stderr
    _gone([int(word) for word in done.stdout.split()])


def test_a_child_is_the_nurserys():
    """A child is forked by the nursery, not by the program that asks, and can be killed and waited for by it."""
    done = run(
        PLAN
        + """
import socket
import oms_adapters.aliyun
_connection, child = nursery.start(Plan())
pid = of(child)
parent = int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
print(json.dumps([pid != os.getpid(), parent == of(nursery._nurse), child.is_alive()]))
child.kill()
child.join(10)
print(json.dumps([child.is_alive()]))
nursery.close()
"""
    )
    assert [json.loads(line) for line in done.stdout.splitlines()] == [[True, True, True], [False]], done.stderr


def test_a_killed_nursery_is_no_error():
    """Who asks a nursery that is gone gets no child, and spawns one instead."""
    done = run(
        PLAN
        + """
os.kill(of(nursery._nurse), signal.SIGKILL)
print(nursery.start(Plan()))
nursery.close()
"""
    )
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("None", "", 0)


def test_a_nursery_that_does_not_answer_is_given_up():
    """One that hangs is not waited for a second time, and is gone at the end."""
    done = run(
        PLAN.replace("nursery = Nursery()", "forked._FORK_SECONDS = 0.2; nursery = Nursery()")
        + """
pid = of(nursery._nurse)
os.kill(pid, signal.SIGSTOP)
print(nursery.start(Plan()), nursery.start(Plan()))
nursery.close()
print(os.path.exists(f"/proc/{pid}"))
"""
    )
    assert (done.stdout.split(), done.stderr, done.returncode) == (["None", "None", "False"], "", 0)


def test_a_nursery_lost_between_two_children():
    """The second child is one that is lost at once, which a run survives: spawned, it could not share the limiter."""
    done = run(
        PLAN
        + """
first, child = nursery.start(Plan())
os.kill(of(nursery._nurse), signal.SIGKILL)
second, lost = nursery.start(Plan())
try:
    second.recv()
except EOFError:
    print("lost")
lost.join(10)
print(lost.is_alive())
first.close()
child.join(20)
nursery.close()
"""
    )
    assert (done.stdout.split(), done.returncode) == (["lost", "False"], 0), done.stderr


def test_a_system_that_forks_nothing():
    """Where no process can be forked the command says nothing of it and works; it spawns children when it needs any."""
    done = run(
        """
import os, sys
def fork(): raise BlockingIOError(11, "Resource temporarily unavailable")
os.fork = fork
os.sched_getaffinity = lambda pid: {0, 1}
sys.argv = ["openoms", "migrate", "--help"]
from openoms.start import main
main()
"""
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "--destination-endpoint" in done.stdout


def test_what_children_used_counts_as_the_commands():
    """The CPU of children is in the command's own account (``time``, the benchmark): the nursery waits for them."""
    done = run(
        PLAN
        + """
import resource
from oms_worker import slot_process
connection, child = nursery.start(Plan())
connection.close()
child.join(20)
nursery.close()
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime > 0)
"""
    )
    assert done.stdout.strip() == "True", done.stderr


def _gone(pids):
    deadline = time.monotonic() + 30
    while any(_alive(pid) for pid in pids):
        assert time.monotonic() < deadline, "a child outlived its parent"
        time.sleep(0.02)


def _alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


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
