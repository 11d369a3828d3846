"""Bad input: one clear sentence on standard error, the right exit code, OMS's code where there is one, no traceback."""

from __future__ import annotations

import json
import os
import resource
import shlex
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.cli_support import Bench, open_bench
from oms_adapters.sandbox import Answer, Delay, Fault, Match, Sandbox

pytestmark = pytest.mark.e2e
OPENOMS = Path(sys.executable).with_name("openoms")


@pytest.fixture(scope="module")
def sandbox():
    """Two loopback clouds for the whole module."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def bench(sandbox, tmp_path):
    """Fresh buckets and a home of their own."""
    return open_bench(sandbox, tmp_path, [("a", b"1"), ("b", b"2")])


def refused(done, code, *hints):
    """Hold a refusal against the rules: exit code, one sentence, hints; with --json one line that says the same."""
    assert done.returncode == code, done.stdout + done.stderr
    [sentence] = done.stderr.splitlines()
    assert sentence.startswith("openoms: ")
    for hint in hints:
        assert hint in sentence
    if "--json" in done.args:
        [line] = done.stdout.splitlines()
        body = json.loads(line)
        said = body if "error_msg" in body else body["error_reason"]
        assert said["error_msg"][:40] in sentence
        assert said["error_code"] is None or f"openoms: {said['error_code']}: " in sentence
    return sentence


USAGE = [
    (["--bandwith", "x"], ["--bandwidth"]),
    (["--processes", "none"], ["--processes"]),
    (["--overwrite", "alwys"], ["always"]),
    (["--since", "yesterday"], ["2026-01-31"]),
    (["--storage-class", "GLACIER"], ["ARCHIVE"]),
    (["--config", "/nonexistent.toml"], ["/nonexistent.toml"]),
    (["--ca-file", "/nonexistent.pem"], ["/nonexistent.pem"]),
    (["--source-profile", "work"], ["work"]),
    (["--source-addressing", "virtul"], ["virtual"]),
    (["--list-file", "list.txt"], ["obs://"]),
    (["--bandwidth", "08:00-18:00=5M", "--bandwidth", "17:00-19:00=5M"], ["OMS.0085"]),
    (["--bandwidth", "08:00-18:00=900M"], ["OMS.0084"]),
    (["--bandwidth", "22:00-06:00=5M"], ["OMS.0087"]),
    ([f"--bandwidth=0{hour}:00-0{hour}:30=5M" for hour in range(6)], ["OMS.0083"]),
    (["--bandwidth", "08:00-18:00=5M", "--bandwidth-zone", "Mars/Olympus"], ["Mars/Olympus"]),
    (["--source-endpoint", "ftp://x"], ["--source-endpoint", "https://"]),
]


@pytest.mark.parametrize(("options", "hints"), USAGE, ids=[" ".join(options) for options, _ in USAGE])
def test_usage_and_configuration_errors_exit_with_2(bench, options, hints):
    """Nothing is contacted, nothing is written."""
    refused(bench.migrate("--json", *options), 2, *hints)
    assert bench.destination.keys() == []


@pytest.mark.parametrize(
    ("places", "hint"),
    [
        (["photos", "obs://archive"], "s3://"),
        (["s4://photos", "obs://archive"], "s3://"),
        (["s3://", "obs://archive"], "no bucket"),
        (["s3://photos"], "DST"),
        (["s3://photos", "obs://archive", "third"], "third"),
        (["s3://photos", "s3://photos"], "one bucket"),
    ],
)
def test_malformed_places_exit_with_2(bench, places, hint):
    """The sentence says how a place is written."""
    same = ["--destination-endpoint", bench.sandbox.s3.url] if hint == "one bucket" else []
    refused(bench.run("migrate", *places, *bench.ends, *same), 2, hint)


def test_missing_and_half_credentials_exit_with_2(bench):
    """The variables to set are named."""
    none = {"OPENOMS_SOURCE_AK": None, "OPENOMS_SOURCE_SK": None}
    refused(bench.migrate(environ=none), 2, "OPENOMS_SOURCE_AK", "--source-profile")
    refused(bench.migrate(environ={"OPENOMS_SOURCE_SK": None}), 2, "OPENOMS_SOURCE_SK")


@pytest.mark.parametrize(("side", "code"), [("SOURCE", "TRF.0151"), ("DESTINATION", "TRF.0057")])
def test_a_wrong_key_fails_the_task_with_omss_code(bench, side, code):
    """Exit code 3: the task failed as a whole."""
    refused(bench.migrate("--json", environ={f"OPENOMS_{side}_AK": "WRONGWRONG"}), 3, code)
    refused(bench.migrate("--json", environ={f"OPENOMS_{side}_SK": "wrong"}), 3, code)


@pytest.mark.parametrize(
    ("places", "code"),
    [(["s3://nowhere", "obs://archive"], "TRF.0155"), (["s3://photos", "obs://nowhere"], "TRF.0058")],
)
def test_a_missing_bucket_fails_the_task_with_omss_code(bench, places, code):
    """The bucket is named."""
    refused(bench.run("migrate", *places, *bench.ends, "--json"), 3, code, "nowhere")


def test_an_unreachable_endpoint_fails_the_task_soon(bench):
    """Nobody listens on the port: a refusal within seconds, not minutes."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        refused(bench.migrate("--source-endpoint", url), 3, "TRF.0157", "endpoint", "proxy")


def test_nothing_to_migrate_is_said(bench):
    """A selection that matches nothing is more often a mistake than a wish."""
    done = bench.run("migrate", "s3://photos/none", "obs://archive", *bench.ends)
    refused(done, 3, "TRF.0012")
    assert done.stdout == ""


LISTS = [
    ("good", b"a\nb\n", {"content-type": "text/plain"}, 0, ""),
    ("bom", b"\xef\xbb\xbfa\n", {"content-type": "text/plain"}, 3, "BOM"),
    ("long", b"a\n" + b"x" * 65_536 + b"\n", {"content-type": "text/plain"}, 3, "TRF.0018"),
    ("type", b"a\n", {"content-type": "binary/octet-stream"}, 3, "TRF.0019"),
    ("encoding", b"a\n", {"content-type": "text/plain", "content-encoding": "gzip"}, 3, "TRF.0019"),
    ("first", b"none\na\n", {"content-type": "text/plain"}, 3, "none"),
]


@pytest.mark.parametrize(("name", "body", "headers", "code", "hint"), LISTS, ids=[row[0] for row in LISTS])
def test_a_bad_list_file_fails_the_task_with_its_reason(bench, name, body, headers, code, hint):
    """BOM, a line too long, the wrong type or encoding, a first object that is not there."""
    bench.sandbox.obs.create_bucket("lists").put(f"{name}.txt", body, headers=headers)
    done = bench.migrate("--json", "--list-file", f"obs://lists/{name}.txt")
    if code == 0:
        assert done.returncode == 0, done.stderr
        return
    refused(done, code, hint)


def test_a_missing_list_file_fails_the_task(bench):
    """TRF.0013."""
    bench.sandbox.obs.create_bucket("lists")
    refused(bench.migrate("--json", "--list-file", "obs://lists/none.txt"), 3, "TRF.0013")


def test_a_state_file_of_another_task_is_refused(bench):
    """It names the remedy and leaves the file as it is."""
    state = bench.home / "one.sqlite"
    assert bench.migrate("--state", str(state)).returncode == 0
    before = state.stat().st_mtime_ns
    done = bench.run("migrate", "s3://photos", "obs://archive/elsewhere", *bench.ends, "--state", str(state), "--json")
    refused(done, 2, "state")
    assert state.stat().st_mtime_ns == before


def test_a_state_file_that_is_none_is_refused_and_kept(bench):
    """A text file named by mistake is not overwritten."""
    state = bench.home / "notes.txt"
    state.write_text("my notes, " * 1000)
    refused(bench.migrate("--state", str(state), "--json"), 2, "notes.txt")
    assert state.read_text() == "my notes, " * 1000


def test_a_state_folder_that_cannot_be_made_is_said(bench):
    """The path is named."""
    blocked = bench.home / "file"
    blocked.write_text("")
    refused(bench.migrate("--state", str(blocked / "x.sqlite"), "--json"), 2, str(blocked), "--state")


def test_a_full_disk_ends_the_run_with_one_sentence(bench):
    """Files may not grow (the nearest thing to a full disk a test can have); later the same command goes on."""

    def no_growth():
        resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))

    done = bench.migrate("--json", preexec_fn=no_growth)
    refused(done, 3)
    assert bench.migrate().returncode == 0
    assert bench.copied() == {"a": b"1", "b": b"2"}


def task(bench: Bench, **changes):
    """Return a task's body for the bench."""
    body = {
        "task_type": "prefix",
        "src_node": {"cloud_type": "AWS", "region": "here", "bucket": "photos", "object_key": [""],
                     "ak": bench.sandbox.s3.access_key, "sk": bench.sandbox.s3.secret_key},
        "dst_node": {"region": "there", "bucket": "archive", "save_prefix": "pre/",
                     "ak": bench.sandbox.obs.access_key, "sk": bench.sandbox.obs.secret_key},
    }  # fmt: skip
    return json.dumps({**body, **changes})


def config(bench: Bench) -> str:
    """Write a configuration file that names the endpoints of both regions."""
    path = bench.home / "config.toml"
    path.write_text(
        f'[endpoints.AWS]\nhere = "{bench.sandbox.s3.url}"\n[endpoints.HuaweiCloud]\nthere = "{bench.sandbox.obs.url}"\n'
    )
    return str(path)


NO_KEYS = {f"OPENOMS_{side}_{part}": None for side in ("SOURCE", "DESTINATION") for part in ("AK", "SK")}


@pytest.mark.parametrize("way", ["file", "standard input"])
def test_a_task_file_runs_as_a_batch_job(bench, way):
    """The body of OMS's call, with endpoints of a private cloud's regions from the configuration file."""
    path = bench.home / "task.json"
    path.write_text(task(bench))
    arguments = ["run", "-" if way != "file" else str(path), "--json", "--config", config(bench)]
    done = bench.run(*arguments, stdin=task(bench) if way != "file" else "", environ=NO_KEYS)
    assert done.returncode == 0, done.stderr
    assert bench.copied() == {"pre/a": b"1", "pre/b": b"2"}
    body = json.loads(done.stdout)
    assert (body["status"], body["successful_num"], body["dst_node"]["save_prefix"]) == (5, 2, "pre/")


def test_a_bad_task_file_exits_with_2(bench):
    """Missing, no JSON, an unknown field."""
    refused(bench.run("run", "/nonexistent.json"), 2, "/nonexistent.json")
    refused(bench.run("run", "-", stdin="{"), 2, "OMS.0067")
    refused(bench.run("run", "-", stdin=task(bench, enable_restores=True)), 2, "enable_restore")


@pytest.mark.parametrize("arguments", [["--help"], ["migrate", "--help"], ["check", "--help"], ["run", "--help"]])
def test_help_is_printed_for_every_command(bench, arguments):
    """On standard output, exit code 0."""
    done = bench.run(*arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert "openoms" in done.stdout


def test_without_a_command_the_help_is_shown_and_the_exit_code_is_2(bench):
    """And a mistyped command gets its neighbour."""
    assert bench.run().returncode == 2
    refused(bench.run("migrat"), 2, "migrate")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_standard_streams_change_nothing(bench, closed):
    """As some schedulers start programs: the migration runs, and no socket takes the number of a stream."""
    command = shlex.join([sys.executable, "-m", "openoms.cli", "migrate", *bench.places, *bench.ends])
    done = subprocess.run(["bash", "-c", f"{command} {closed}"], env=bench.environ(), capture_output=True, check=False)
    assert done.returncode == 0
    assert b"internal" not in done.stdout + done.stderr
    assert len(bench.copied()) == 2


@pytest.mark.parametrize("streams", [("stdout",), ("stderr",), ("stdout", "stderr")])
@pytest.mark.parametrize("output", [[], ["--json"], ["--quiet"]])
def test_the_exit_code_is_about_the_objects_whoever_reads_the_output(bench, streams, output):
    """A reader that is gone, as ``head`` is after its first lines, makes no object fail and no difference vanish."""

    def run(command, *options):
        reading, writing = os.pipe()
        os.close(reading)
        try:
            ends = {name: writing if name in streams else subprocess.PIPE for name in ("stdout", "stderr")}
            return subprocess.run(
                [OPENOMS, command, *bench.places, *bench.ends, *output, *options], env=bench.environ(), text=True,
                check=False, **ends,
            )  # fmt: skip
        finally:
            os.close(writing)

    different, done, same = run("check"), run("migrate"), run("check", "--all", "--one-way")
    assert (different.returncode, done.returncode, same.returncode) == (1, 0, 0)
    assert not any((done.stderr, same.stderr))
    assert len(bench.copied()) == 2
    bench.source.put("third", b"x")
    bench.sandbox.s3.faults.add(
        Fault(Match(operation="GetObject", key="third"), Answer(403, "AccessDenied"), times=None)
    )
    try:
        assert run("migrate").returncode == 1
    finally:
        bench.sandbox.s3.faults.clear()


@pytest.mark.parametrize("output", [[], ["--json"]])
def test_a_full_standard_output_is_said_and_exits_with_3(bench, output):
    """Not with Python's own 120."""
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "openoms.cli", "migrate", *bench.places, *bench.ends, *output],
            env=bench.environ(), stdout=full, stderr=subprocess.PIPE, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 3
    assert done.stderr.splitlines() == ["openoms: No space left on device; mend that and run the same command again."]


def test_few_open_files_are_enough(bench):
    """With a hard limit of 200 a store that takes its time gets fewer connections, and no object fails."""
    bench.source.put_many([(f"many/{number:04d}", b"x") for number in range(400)])
    bench.sandbox.s3.faults.add(Fault(Match(operation="GetObject"), Delay(0.1), times=None))

    def lower():
        resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))

    try:
        body = bench.response(preexec_fn=lower)
    finally:
        bench.sandbox.s3.faults.clear()
    assert body["successful_num"] == body["total_num"] == 402
