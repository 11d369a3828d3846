"""``openoms check`` of objects that were stored in parts: what proves them, and what it does where nothing does."""

from __future__ import annotations

import json
from hashlib import md5

import pytest

from e2e.cli_support import Bench, open_bench
from oms_adapters.sandbox import Answer, Fault, Match, Sandbox
from oms_engine.records import success_line

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024
BODY = bytes(range(256)) * 1024  # 256 KiB
LISTS = "oms/task/photos-archive-1/success_object_lists/"


@pytest.fixture(scope="module")
def sandbox():
    """Two loopback clouds for the whole module."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def bench(sandbox, tmp_path):
    """Two empty buckets."""
    for cloud in (sandbox.s3, sandbox.obs):
        cloud.faults.clear()
        cloud.clear_log()
    return open_bench(sandbox, tmp_path)


def check(bench: Bench, *options: str):
    """Run the check; return its exit code, its one line of JSON, and the lines a user reads."""
    done = bench.run("check", *bench.places, *bench.ends, *options, "--json")
    assert done.stderr == ""
    [line] = done.stdout.splitlines()
    shown = bench.run("check", *bench.places, *bench.ends, *options)
    assert shown.returncode == done.returncode
    return done.returncode, json.loads(line), shown.stdout.splitlines()


def etag_of_parts(body: bytes, size: int) -> str:
    """Return the ETag of an upload in parts of this size."""
    parts = [md5(body[at : at + size]).digest() for at in range(0, len(body), size)]
    return f"{md5(b''.join(parts)).hexdigest()}-{len(parts)}"


def put_copy(bench: Bench, key: str, *, here: bytes = BODY, there: bytes = BODY, there_part: int = 32_768):
    """Store an object in parts of 64 KiB here and of another size there."""
    bench.source.put(key, here, etag="multipart:65536")
    bench.destination.put(key, there, etag=f"multipart:{there_part}")


def note(bench: Bench, name: str, *lines: str) -> None:
    """Store a success list at the destination."""
    bench.destination.put(f"{LISTS}{name}.success_list.txt", "".join(lines).encode())


def line_of(key: str, *, here: bytes = BODY, there: bytes = BODY, method: str = "md5", result: str = "equal") -> str:
    """Return the line that a migration of :func:`put_copy` writes."""
    etags = etag_of_parts(here, 65_536), etag_of_parts(there, 32_768)
    return success_line("2026-01-31T08:00:00Z", key, len(here), *etags, None, method, result)


def test_etags_that_a_migration_proved_and_noted_prove_a_copy_as_long_as_both_stand(bench):
    """Lists of several runs and odd keys included; nothing else is needed, and no object is read."""
    keys = ["a b%41/ü", "plain", "second"]
    for key in keys:
        put_copy(bench, key)
    note(bench, "20260131080000000", line_of(keys[0]), "no line of ours\n", line_of(keys[1]))
    note(bench, "20260201080000000", line_of(keys[2]))
    code, body, lines = check(bench)
    assert code == 0, lines
    assert body["compared_by"] == {"noted_etags": 3}
    assert not {entry.key for entry in bench.sandbox.obs.log if entry.method == "GET"} & set(keys)


@pytest.mark.parametrize(
    "root", ["oms/task_group/17/success_object_lists/x/", "oms/sync_task/4/success_object_lists/x/"]
)
def test_the_lists_of_groups_and_sync_tasks_are_read_and_left_out_too(bench, root):
    """They lie in folders of their own, which are no part of what was migrated."""
    put_copy(bench, "a")
    bench.destination.put(f"{root}20260131080000000.success_list.txt", line_of("a").encode())
    code, body, lines = check(bench)
    assert code == 0, lines
    assert (body["compared_by"], body["records_left_out"]) == ({"noted_etags": 1}, 1)


def test_after_a_migration_with_metadata_a_check_of_attributes_finds_nothing(bench):
    """Large objects in parts of any usual size, other storage classes and objects without a Content-Type included."""
    for mib in (5, 8, 16):
        bench.source.put(f"large-{mib}", bytes(range(256)) * (68 * 1024), etag=f"multipart:{mib * MIB}")
    bench.source.put("cool", b"1", headers={"content-type": "a/b"}, storage_class="STANDARD_IA")
    bench.source.put("untyped", b"2")
    assert bench.migrate("--metadata").returncode == 0
    code, body, lines = check(bench, "--attributes")
    assert code == 0, lines
    assert body["compared_by"] == {"md5": 2, "etag": 3}


OTHER = BODY[:-1] + b"!"


@pytest.mark.parametrize(
    ("how", "phrase"),
    [
        ({"there": OTHER}, "the destination was written anew since"),
        ({"here": OTHER}, "the source was written anew since"),
    ],
)
def test_an_object_that_changed_since_it_was_migrated_is_different(bench, how, phrase):
    """Of the same size, in the same parts: exit code 1, and which side changed."""
    put_copy(bench, "a", **how)
    note(bench, "20260131080000000", line_of("a"))
    code, body, lines = check(bench)
    assert (code, body["different"]) == (1, 1)
    assert lines[0].startswith("* a  (")
    assert phrase in lines[0]


def test_a_copy_that_its_migration_could_not_prove_is_not_proved_by_being_noted(bench):
    """The line says so, and how it can be settled."""
    put_copy(bench, "a")
    note(bench, "20260131080000000", line_of("a", method="size_last_modified"))
    code, body, lines = check(bench)
    assert (code, body["size_only"]) == (1, 1)
    assert lines[0] == "~ a  (size only; its migration compared the size only too)"
    assert lines[-1] == "~ passes with --size-only; --content reads both objects and settles it."


def test_lists_that_cannot_be_read_prove_nothing_and_are_said(bench):
    """The comparison ends all the same; what it could not prove is named."""
    put_copy(bench, "a")
    note(bench, "20260131080000000", line_of("a"))
    bench.sandbox.obs.faults.add(Fault(Match(key=f"{LISTS}*"), Answer(403, "AccessDenied"), times=None))
    code, body, lines = check(bench)
    assert (code, body["size_only"]) == (1, 1)
    assert "AccessDenied" in body["lists_error"]
    assert any(line.startswith("the success lists at the destination could not be read: ") for line in lines)


SIZES = {"small": 1000, "one span": 3 * MIB, "several spans": 65 * MIB}


@pytest.mark.parametrize("what", SIZES)
def test_content_is_read_and_one_flipped_bit_is_found(bench, what):
    """Whatever the size, and though both stores state what they stated before."""
    body = b"\x00" * SIZES[what]
    flipped = bytearray(body)
    flipped[-7] ^= 4
    for key, copy in (("good", body), ("wrong", bytes(flipped))):
        bench.source.put(key, body, etag="same")
        bench.destination.put(key, copy, etag="same")
    code, found, lines = check(bench, "--content", "--attributes")
    assert code == 1
    assert (found["equal"], found["different"], found["compared_by"]) == (1, 1, {"content": 1})
    assert lines[0].startswith("* wrong  (the content differs")


def test_an_object_that_cannot_be_read_is_an_error_not_an_equality(bench):
    """An archived one, for example: exit code 1 and the mark ``!``."""
    for bucket in (bench.source, bench.destination):
        bucket.put("cold", b"1")
        bucket.put("warm", b"1")
    bench.sandbox.s3.faults.add(Fault(Match(key="cold"), Answer(403, "InvalidObjectState"), times=None))
    code, body, lines = check(bench, "--content")
    assert (code, body["error"], body["equal"]) == (1, 1, 1)
    assert lines[0].startswith("! cold  (")


@pytest.mark.parametrize("side", ["s3", "obs"])
def test_a_listing_that_breaks_off_is_an_error_not_a_part_of_an_equality(bench, side):
    """Exit code 3, one sentence, and no counts."""
    entries = [(f"{number:04d}", b"") for number in range(2500)]
    bench.source.put_many(entries)
    bench.destination.put_many(entries)
    second = Match(operation="List*", query={"s3": "continuation-token=", "obs": "marker="}[side])
    getattr(bench.sandbox, side).faults.add(Fault(second, Answer(403, "AccessDenied"), times=None))
    done = bench.run("check", *bench.places, *bench.ends)
    assert done.returncode == 3
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1
    assert "AccessDenied" in done.stderr


@pytest.mark.parametrize(
    "options", [["--content", "--size-only"], ["--storage-class", "IA"], ["--attributes", "--storage-class", "X"]]
)
def test_options_that_make_no_sense_together_are_refused(bench, options):
    """Exit code 2, one sentence."""
    done = bench.run("check", *bench.places, *bench.ends, *options)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
