"""Starting, stopping and inspecting: the same from a thread and from a process of its own."""

import os
import pickle
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

import pytest

from oms_adapters.sandbox import Answer, Fault, Match, Refusal, Sandbox, put_item


@pytest.fixture(scope="module", params=[False, True], ids=["thread", "process"])
def either(request):
    """Run a sandbox in a thread, then one in a process."""
    with Sandbox(process=request.param) as running:
        yield running


def test_inspection_round_trip(either, ask):
    """What is put without HTTP is read by HTTP and the other way round."""
    for cloud in (either.s3, either.obs):
        bucket = cloud.create_bucket("bkt")
        bucket.put_many([put_item("a/é", b"1", storage_class="STANDARD", mtime=5.0), ("b", b"22")])
        assert ask(cloud, "GET", "/bkt/a/%C3%A9").body == b"1"
        assert ask(cloud, "PUT", "/bkt/c", body=b"333").status == 200
        assert bucket.keys() == ["a/é", "b", "c"]
        assert [item.size for item in bucket.objects()] == [1, 2, 3]
        bucket.set_mtime("c", 7.0)
        assert (bucket.object("a/é").mtime, bucket.object("c").mtime) == (5.0, 7.0)
        bucket.delete("b")
        assert (bucket.get("c"), len(bucket.keys())) == (b"333", 2)
        with pytest.raises(Refusal, match="NoSuchKey"):
            bucket.get("b")
        with pytest.raises(Refusal, match="NoSuchBucket"):
            cloud.bucket("nowhere").keys()


def test_faults_and_knobs(either, ask):
    """Faults, their hits, knobs and the log work across the control channel."""
    number = either.s3.faults.add(Fault(Match(method="GET"), Answer()))
    assert [ask(either.s3, "GET", "/").status for _ in range(2)] == [503, 200]
    assert either.s3.faults.hits(number) == 1
    either.s3.clear_log()
    ask(either.s3, "GET", "/")
    assert [(entry.operation, entry.status) for entry in either.s3.log] == [("ListBuckets", 200)]
    either.s3.clock_skew = 5.0
    assert either.s3.clock_skew == 5.0
    either.s3.clock_skew = 0.0


def test_inspection_from_many_threads(either):
    """Commands of several threads do not mix."""
    bucket = either.obs.create_bucket("threads")

    def fill(name):
        for number in range(50):
            bucket.put(f"{name}{number:02}", name.encode())
            assert bucket.get(f"{name}{number:02}") == name.encode()

    threads = [threading.Thread(target=fill, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(bucket.keys()) == 200


def test_secrets_are_not_printed(either):
    """Neither a cloud nor its credentials show the secret key."""
    shown = repr(either.s3) + repr(either.s3.credentials) + str(either.obs.credentials)
    assert either.s3.secret_key not in shown
    assert either.obs.secret_key not in shown


def gone(pid):
    """Return whether a process has ended, waiting a little."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False


def test_the_process_ends_with_the_sandbox():
    """Leaving the context ends the process and frees the port."""
    with Sandbox(process=True) as running:
        pid, url = running._runner.pid, running.s3.url
        os.kill(pid, signal.SIGINT)  # Ctrl-C reaches the whole group; the clouds must outlive it
        assert running.s3.buckets() == []
    assert gone(pid)
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url)


def test_the_process_ends_when_its_parent_is_killed():
    """A parent that is killed leaves no cloud behind."""
    script = "import time; from oms_adapters.sandbox import Sandbox; s = Sandbox(process=True).start(); print(s._runner.pid, flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        pid = int(parent.stdout.readline())
        parent.kill()
    assert gone(pid)


def test_a_taken_port_is_said_so():
    """Opening on a port that is in use raises OSError, from a process too."""
    with Sandbox() as running:
        for process in (False, True):
            second = Sandbox(process=process, s3_port=running.s3.endpoint.port)
            with pytest.raises(OSError, match="in use"):
                second.start()
            second.stop()  # nothing is left to stop, and that is no error


def test_it_can_be_started_by_hand(ask):
    """``python -m oms_adapters.sandbox`` prints how to reach both clouds and ends at Ctrl-C."""
    command = [sys.executable, "-m", "oms_adapters.sandbox", "--bucket", "mine"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        lines = [process.stdout.readline() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert [re.match(r"(s3|obs) +http://127\.0\.0\.1:\d+  region \S+  access key \S+", line)[1] for line in lines] == [
        "s3",
        "obs",
    ]


def test_refusals_travel():
    """A refusal keeps its status, message and headers through pickling."""
    refusal = Refusal("SlowDown", "why", status=599, headers=(("a", "b"),))
    copy = pickle.loads(pickle.dumps(refusal))
    assert (copy.code, copy.status, copy.message, copy.headers) == ("SlowDown", 599, "why", (("a", "b"),))
