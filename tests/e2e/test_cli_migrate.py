"""``openoms migrate`` as a user runs it: real processes against two loopback clouds."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time

import pytest

from e2e.cli_support import ODD_KEYS, Bench, open_bench
from oms_adapters.sandbox import Answer, Fault, Match, Sandbox

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def sandbox():
    """Two loopback clouds for the whole module."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def bench(sandbox, tmp_path):
    """Fresh buckets and a home of their own."""
    for cloud in (sandbox.s3, sandbox.obs):
        cloud.faults.clear()
        cloud.latency = 0.0
        cloud.clear_log()
    return open_bench(sandbox, tmp_path, [(key, f"body of {key!r}".encode()) for key in ODD_KEYS])


def writes(bench: Bench) -> list[str]:
    """Return the requests that changed the destination, record lists left out."""
    return [
        entry.operation
        for entry in bench.sandbox.obs.log
        if entry.method in {"PUT", "POST", "DELETE"} and not (entry.key or "").startswith("oms/task/")
    ]


def test_every_odd_key_arrives_byte_for_byte_and_the_balance_is_printed(bench):
    """Exit code 0; listed = migrated; each key is in the success list."""
    done = bench.migrate()
    assert done.returncode == 0, done.stderr
    assert bench.copied() == {key: f"body of {key!r}".encode() for key in ODD_KEYS}
    assert f"{len(ODD_KEYS)}" in done.stdout
    assert "oms/task/" in done.stdout
    assert len(bench.records("success")) >= len(ODD_KEYS)


def test_a_second_run_of_a_finished_migration_writes_nothing(bench):
    """It costs listings only."""
    assert bench.migrate().returncode == 0
    bench.sandbox.obs.clear_log()
    body = bench.response()
    assert (body["successful_num"], body["skipped_num"]) == (0, len(ODD_KEYS))
    assert writes(bench) == []


def test_json_is_one_line_with_omss_fields_and_nothing_else_on_standard_output(bench):
    """The numbers are those of the run."""
    body = bench.response()
    assert (body["status"], body["total_num"], body["successful_num"]) == (5, len(ODD_KEYS), len(ODD_KEYS))
    assert body["progress"] == 1
    assert body["error_reason"] is None
    where = {"cloud_type": "AWS", "region": "us-east-1", "bucket": "photos", "object_key": [""]}
    assert body["src_node"] == {**where, "app_id": "", "list_file": None}


def test_quiet_says_nothing_at_all_when_all_went_well(bench):
    """Neither on standard output nor on standard error."""
    done = bench.migrate("--quiet")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_failed_objects_give_exit_code_1_a_list_and_a_retry_of_only_those(bench):
    """The failed list names key and reason; --retry-failed moves them once the cause is gone."""
    bench.sandbox.s3.faults.add(
        Fault(Match(operation="GetObject", key="with space"), Answer(403, "AccessDenied"), times=None)
    )
    done = bench.migrate()
    assert done.returncode == 1, done.stderr
    assert "--retry-failed" in done.stdout
    [line] = bench.records("failed")
    assert "with%20space" in line
    assert "with space" not in bench.copied()
    bench.sandbox.s3.faults.clear()
    bench.sandbox.obs.clear_log()
    body = bench.response("--retry-failed")
    assert (body["total_num"], body["successful_num"]) == (1, 1)
    assert bench.copied()["with space"] == b"body of 'with space'"


def test_a_dry_run_says_what_it_would_do_and_writes_nothing(bench):
    """Neither objects nor lists."""
    done = bench.migrate("--dry-run")
    assert done.returncode == 0, done.stderr
    assert "Dry run" in done.stdout
    assert bench.destination.keys() == []


def test_a_folder_of_the_source_arrives_in_a_folder_of_the_destination(bench):
    """The folder's name is replaced, what follows stays byte for byte; neighbours are left alone."""
    bench.source.put_many([("album/a//b", b"1"), ("album/../c", b"2"), ("album2/d", b"3")])
    done = bench.run("migrate", "s3://photos/album", "obs://archive/copy", *bench.ends, "--save-prefix", "x-")
    assert done.returncode == 0, done.stderr
    assert bench.copied() == {"copy/x-a//b": b"1", "copy/x-../c": b"2"}


def test_named_objects_and_prefixes_choose(bench):
    """--object takes keys and folders, --prefix raw beginnings."""
    bench.source.put_many([("f/1", b"1"), ("f/2", b"2"), ("g1", b"3"), ("g2", b"4")])
    assert bench.migrate("--object", "g1", "f/").returncode == 0
    assert set(bench.copied()) == {"g1", "f/1", "f/2"}
    assert bench.migrate("--prefix", "g").returncode == 0
    assert set(bench.copied()) == {"g1", "g2", "f/1", "f/2"}


def test_metadata_travels_when_asked(bench):
    """Content-Type always, the rest with --metadata; check --attributes agrees."""
    bench.source.put("m", b"x", headers={"content-type": "text/x-odd", "cache-control": "no-store"}, user={"a": "b"})
    assert bench.migrate().returncode == 0
    assert bench.destination.object("m").headers["content-type"] == "text/x-odd"
    assert bench.destination.object("m").user == {}
    assert bench.migrate("--metadata", "--overwrite", "always").returncode == 0
    stored = bench.destination.object("m")
    assert (stored.headers["cache-control"], stored.user) == ("no-store", {"a": "b"})


def test_a_list_file_in_the_destinations_cloud_chooses(bench):
    """Its lines are URL-encoded keys."""
    lists = bench.sandbox.obs.create_bucket("lists")
    lists.put("today.txt", b"with%20space\n%2541\n", headers={"content-type": "text/plain"})
    done = bench.migrate("--list-file", "obs://lists/today.txt")
    assert done.returncode == 0, done.stderr
    assert set(bench.copied()) == {"with space", "%41"}


def fill_slowly(bench: Bench, count: int) -> None:
    """Many objects on a source that takes its time."""
    bench.source.put_many([(f"slow/{number:04d}", b"x" * 100) for number in range(count)])
    bench.sandbox.s3.latency = 0.15


def wait_for_writes(bench: Bench, least: int) -> None:
    """Wait until objects have arrived."""
    deadline = time.monotonic() + 30
    while len(bench.copied()) < least:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_ctrl_c_pauses_and_the_same_command_goes_on(bench):
    """Exit code 130 with a word on resuming; at the end every object has exactly one end."""
    fill_slowly(bench, 400)
    running = bench.start("migrate", *bench.places, *bench.ends, "--connections", "8")
    wait_for_writes(bench, 5)
    running.send_signal(signal.SIGINT)
    output, errors = running.communicate(timeout=30)
    assert running.returncode == 130, errors
    assert "same command again" in output
    bench.judge(output + errors)
    before = len(bench.copied())
    assert before < 400 + len(ODD_KEYS)
    bench.sandbox.s3.latency = 0.0
    body = bench.response()
    assert body["total_num"] == 400 + len(ODD_KEYS)
    assert body["successful_num"] + body["skipped_num"] == body["total_num"]
    assert len(bench.copied()) == 400 + len(ODD_KEYS)


def test_several_processes_share_one_migration_and_its_pause(bench):
    """Children move objects too; Ctrl-C rests them all, and nobody is left behind."""
    fill_slowly(bench, 300)
    running = bench.start("migrate", *bench.places, *bench.ends, "--processes", "2", "--connections", "8")
    wait_for_writes(bench, 5)
    running.send_signal(signal.SIGINT)
    output, errors = running.communicate(timeout=30)
    assert running.returncode == 130, errors
    bench.judge(output + errors)
    rested = len(bench.copied())
    time.sleep(0.5)
    assert len(bench.copied()) == rested
    bench.sandbox.s3.latency = 0.0
    body = bench.response("--processes", "2")
    assert body["total_num"] == 300 + len(ODD_KEYS)
    assert body["successful_num"] + body["skipped_num"] == body["total_num"]
    assert len(bench.copied()) == 300 + len(ODD_KEYS)


def test_a_second_ctrl_c_stops_at_once(bench):
    """It does not wait for what is in flight; still 130, still resumable."""
    fill_slowly(bench, 200)
    running = bench.start("migrate", *bench.places, *bench.ends, "--connections", "4")
    wait_for_writes(bench, 3)
    bench.sandbox.s3.latency = 30.0
    time.sleep(0.3)
    running.send_signal(signal.SIGINT)
    time.sleep(0.5)
    began = time.monotonic()
    running.send_signal(signal.SIGINT)
    output, errors = running.communicate(timeout=30)
    assert running.returncode == 130
    assert time.monotonic() - began < 10
    bench.judge(output + errors)
    bench.sandbox.s3.latency = 0.0
    assert bench.migrate().returncode == 0
    assert len(bench.copied()) == 200 + len(ODD_KEYS)


def test_a_killed_run_goes_on_where_it_was(bench):
    """Kill -9 loses nothing and counts nothing twice."""
    fill_slowly(bench, 300)
    running = bench.start("migrate", *bench.places, *bench.ends, "--connections", "8")
    wait_for_writes(bench, 20)
    running.kill()
    running.communicate(timeout=30)
    bench.sandbox.s3.latency = 0.0
    body = bench.response()
    assert body["total_num"] == 300 + len(ODD_KEYS)
    assert body["successful_num"] + body["skipped_num"] == body["total_num"]
    assert len(bench.copied()) == 300 + len(ODD_KEYS)


def test_on_a_terminal_a_live_panel_is_drawn_and_the_balance_stays(bench):
    """The panel is on standard error; what remains on the screen at the end is the balance."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-m", "openoms.cli", "migrate", *bench.places, *bench.ends],
        env=bench.environ({"TERM": "xterm", "COLUMNS": "100"}), stdin=theirs, stdout=theirs, stderr=theirs,
    )  # fmt: skip
    os.close(theirs)
    screen = b""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if select.select([ours], [], [], 0.2)[0]:
            try:
                screen += os.read(ours, 65536)
            except OSError:
                break
        elif running.poll() is not None:
            break
    assert running.wait(10) == 0
    os.close(ours)
    assert b"connections" in screen
    assert b"= migrated" in screen.rpartition("╯".encode())[2]
