"""``openoms discard`` forgets a migration, and dry runs leave nothing to forget."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time

import pytest

from e2e.cli_support import SECONDS, open_bench
from oms_adapters.sandbox import Answer, Delay, Fault, Match, Sandbox

pytestmark = pytest.mark.e2e

PARTS = 4
LARGE = os.urandom(1024 * 1024) * 16 * PARTS


@pytest.fixture(scope="module")
def sandbox():
    """Two loopback clouds in a process of their own."""
    with Sandbox(process=True) as running:
        yield running


@pytest.fixture
def bench(sandbox, tmp_path):
    """A source with one object in many parts and some small ones."""
    sandbox.obs.faults.clear()
    return open_bench(sandbox, tmp_path, [("large", LARGE), *((f"k{number}", b"x") for number in range(5))])


def state_files(bench):
    """Return the names of the state files, without the locks that a second process may have open."""
    folder = bench.home / "state" / "openoms"
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock") if folder.exists() else []


def start_and_stall(bench):
    """Start a migration whose multipart upload holds some parts and waits for the last one, as long as the test."""
    bench.sandbox.obs.faults.add(Fault(Match(operation="UploadPart", part=PARTS), Delay(SECONDS), times=100))
    running = bench.start("migrate", *bench.places, *bench.ends, "-q")
    deadline = time.monotonic() + SECONDS
    while not any(upload.parts for upload in bench.destination.uploads()):
        assert running.poll() is None, running.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return running


def kill_amid_upload(bench):
    """Start a migration and kill it when a multipart upload holds some of its parts."""
    running = start_and_stall(bench)
    running.send_signal(signal.SIGKILL)
    running.communicate(timeout=SECONDS)
    bench.sandbox.obs.faults.clear()


def test_an_upload_that_a_kill_left_is_aborted_and_the_state_removed(bench):
    """After a kill -9 amid a multipart upload nothing of it is left at the destination, and nothing is remembered."""
    kill_amid_upload(bench)
    assert bench.destination.uploads()
    assert state_files(bench)
    done = bench.run("discard", *bench.places, *bench.ends)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 upload in flight was aborted" in done.stdout
    assert bench.destination.uploads() == []
    assert state_files(bench) == []
    again = bench.run("discard", *bench.places, *bench.ends, "--json")
    assert (again.returncode, json.loads(again.stdout)) == (0, {"found": False, "aborted": 0, "errors": []})
    assert bench.response()["failed_num"] == 0
    assert bench.copied()["large"] == LARGE


def test_a_lost_state_is_made_up_for(bench):
    """Without the state the note at the destination says which uploads are open: they are aborted, and it goes."""
    kill_amid_upload(bench)
    for path in (bench.home / "state" / "openoms").iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    bench.sandbox.obs.faults.add(Fault(Match(method="DELETE"), Answer(403, "AccessDenied"), times=100))
    assert bench.run("discard", *bench.places, *bench.ends).returncode == 1
    assert bench.destination.uploads()
    bench.sandbox.obs.faults.clear()
    done = bench.run("discard", *bench.places, *bench.ends, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"found": True, "aborted": 1, "errors": []})
    assert bench.destination.uploads() == []
    assert sorted(bench.destination.keys()) == [f"k{number}" for number in range(5)]


def test_a_state_of_another_migration_is_not_discarded(bench):
    """``--state`` with other places is refused: its uploads would be looked for in the wrong bucket and lost."""
    kill_amid_upload(bench)
    [file] = [name for name in state_files(bench) if name.endswith(".sqlite")]
    state = bench.home / "state" / "openoms" / file
    other = bench.sandbox.obs.create_bucket("other-archive")
    done = bench.run("discard", bench.places[0], f"obs://{other.name}", *bench.ends, "--state", str(state))
    assert done.returncode == 2
    assert bench.destination.uploads()
    assert state.exists()


def test_uploads_that_cannot_be_aborted_stay_remembered(bench):
    """A destination that refuses leaves the state as it is, exit code 1; the next discard finishes."""
    kill_amid_upload(bench)
    number = bench.sandbox.obs.faults.add(Fault(Match(method="DELETE"), Answer(403, "AccessDenied"), times=100))
    done = bench.run("discard", *bench.places, *bench.ends)
    assert done.returncode == 1
    assert "could not be aborted" in done.stderr
    assert bench.sandbox.obs.faults.hits(number)
    assert state_files(bench)
    bench.sandbox.obs.faults.clear()
    assert bench.run("discard", *bench.places, *bench.ends, "-q").returncode == 0
    assert bench.destination.uploads() == []
    assert state_files(bench) == []


def test_uploads_of_a_bucket_that_is_gone_are_gone_too(bench):
    """A destination that does not exist any more keeps no state alive."""
    kill_amid_upload(bench)
    bench.sandbox.obs.faults.add(Fault(Match(method="DELETE"), Answer(404, "NoSuchBucket"), times=100))
    done = bench.run("discard", *bench.places, *bench.ends)
    assert (done.returncode, done.stderr) == (0, "")
    assert state_files(bench) == []


def test_a_running_migration_cannot_be_discarded(bench):
    """The state of a live process is locked: the sentence says so and nothing is touched."""
    running = start_and_stall(bench)
    done = bench.run("discard", *bench.places, *bench.ends)
    assert running.poll() is None
    running.kill()
    running.communicate(timeout=SECONDS)
    assert done.returncode == 2
    assert bench.destination.uploads()


@pytest.mark.parametrize("processes", ["1", "2"])
def test_a_dry_run_leaves_nothing_here_or_there(bench, processes):
    """It counts what a migration would do, makes no state, and stops no unfinished one from going on."""
    kill_amid_upload(bench)
    before, uploads, keys = state_files(bench), bench.destination.uploads(), bench.destination.keys()
    response = bench.response("--dry-run", "--processes", processes)
    assert response["openoms"]["dry_run"]
    assert response["total_num"] == 6
    assert (state_files(bench), bench.destination.uploads()) == (before, uploads)
    assert bench.destination.keys() == keys
    bench.sandbox.obs.clear_log()
    assert bench.response()["failed_num"] == 0
    operations = {entry.operation for entry in bench.sandbox.obs.log}
    assert "CompleteMultipartUpload" in operations
    assert "CreateMultipartUpload" not in operations
