"""``openoms check``: what it must notice, against two loopback clouds."""

from __future__ import annotations

import json
import socket

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from e2e.cli_support import ODD_KEYS, Bench, open_bench
from oms_adapters.aws import ADAPTER as AWS
from oms_adapters.config import StoreConfig
from oms_adapters.huaweicloud import ADAPTER as OBS
from oms_adapters.sandbox import Answer, Fault, Match, Sandbox
from oms_engine.compare import CheckRules, CheckSummary, Mark, Method, Side, compare
from oms_engine.wire import Wire, WireSettings

pytestmark = pytest.mark.e2e

HEADERS = {"content-type": "text/plain", "cache-control": "no-store", "content-language": "de"}


@pytest.fixture(scope="module")
def sandbox():
    """Two loopback clouds for the whole module."""
    with Sandbox() as running:
        yield running


@pytest.fixture
def bench(sandbox, tmp_path):
    """The same objects on both sides."""
    for cloud in (sandbox.s3, sandbox.obs):
        cloud.faults.clear()
        cloud.clear_log()
    made = open_bench(sandbox, tmp_path)
    for bucket in (made.source, made.destination):
        for key in [*ODD_KEYS, "folder/"]:
            bucket.put(key, b"" if key.endswith("/") else key.encode(), headers=HEADERS, user={"a": "b"})
    return made


def check(bench: Bench, *options: str):
    """Run the check and return its exit code and its lines."""
    done = bench.run("check", *bench.places, *bench.ends, *options)
    assert done.stderr == ""
    return done.returncode, done.stdout.splitlines()


def test_equal_buckets_exit_with_0_and_say_what_equality_rests_on(bench):
    """Odd keys and folder markers included; the summary counts them."""
    for options in ([], ["--attributes"]):
        code, lines = check(bench, *options)
        assert code == 0, lines
        assert any(line.split()[:2] == ["=", str(len(ODD_KEYS) + 1)] for line in lines)
        assert any("by md5" in line for line in lines)


DAMAGE = {
    "a missing folder marker": (lambda there: there.delete("folder/"), [], "+ folder/"),
    "a missing empty key": (lambda there: there.delete("dir/"), [], "+ dir/"),
    "an extra object": (lambda there: there.put("zzz", b"1"), [], "- zzz"),
    "a different size": (lambda there: there.put("..", b"longer than before", headers=HEADERS), [], "* .."),
    "flipped bytes of the same size": (lambda there: there.put("%41", b"%42", headers=HEADERS), [], "* %41"),
    "a wrong Content-Type": (
        lambda there: there.put("%41", b"%41", headers={**HEADERS, "content-type": "text/html"}, user={"a": "b"}),
        ["--attributes"],
        "content-type 'text/plain' here, 'text/html' there",
    ),
    "a lost Cache-Control": (
        lambda there: there.put("%41", b"%41", headers={"content-type": "text/plain"}, user={"a": "b"}),
        ["--attributes"],
        "cache-control 'no-store' here, absent there",
    ),
    "lost metadata": (
        lambda there: there.put("%41", b"%41", headers=HEADERS), ["--attributes"], "metadata a 'b' here, absent there",
    ),
    "changed metadata": (
        lambda there: there.put("%41", b"%41", headers=HEADERS, user={"a": "c"}), ["--attributes"], "metadata a 'b' here",
    ),
    "another storage class": (
        lambda there: there.put("%41", b"%41", headers=HEADERS, user={"a": "b"}, storage_class="WARM"),
        ["--attributes", "--storage-class", "source"],
        "storage class STANDARD here, IA there",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_each_kind_of_damage_is_noticed_and_named(bench, kind):
    """Exit code 1, the object's line says what differs, and it is the only line but the summary."""
    damage, options, line = DAMAGE[kind]
    damage(bench.destination)
    code, lines = check(bench, *options)
    assert code == 1
    [found] = [text for text in lines if text[:2] in {"+ ", "- ", "* ", "! "} and not text[2:12].strip().isdecimal()]
    assert line in found


def test_one_way_passes_over_what_only_the_destination_has(bench):
    """An extra object is no difference then; a missing one still is."""
    bench.destination.put("extra", b"1")
    assert check(bench, "--one-way")[0] == 0
    bench.destination.delete("folder/")
    assert check(bench, "--one-way")[0] == 1


def test_the_record_lists_of_a_migration_are_no_difference(bench):
    """What openoms wrote beside the objects is left out, and said to be."""
    bench.source.put("new", b"1")
    assert bench.migrate().returncode == 0
    code, lines = check(bench)
    assert code == 0
    assert lines[-1].startswith("left out: ")
    assert lines[-1].endswith(" objects of the destination's record folders under oms/")


def test_an_endpoint_nobody_answers_at_is_told_with_its_remedy(bench):
    """Exit code 3: there was nothing to compare."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        done = bench.run("check", *bench.places, *bench.ends, "--source-endpoint", url)
    assert done.returncode == 3
    assert "no connection to 127.0.0.1" in done.stderr
    assert done.stderr.endswith("; check the endpoint, the network and the proxy.\n")


def test_an_object_that_cannot_be_looked_at_is_an_error_not_an_equality(bench):
    """Exit code 1 and the mark ``!``."""
    bench.sandbox.obs.faults.add(Fault(Match(method="HEAD", key="plus+plus"), Answer(403, "AccessDenied"), times=None))
    code, lines = check(bench, "--attributes")
    assert code == 1
    assert any(line.startswith("! plus+plus") for line in lines)


def test_multipart_copies_are_compared_by_equal_etags_or_honestly_by_size(bench):
    """Same parts: by ETag. Other parts: only the size is known, and that is equal for nobody who did not ask for it."""
    body = bytes(range(256)) * 1000
    for bucket, parts in ((bench.source, 100_000), (bench.destination, 100_000)):
        bucket.put("same-parts", body, etag=f"multipart:{parts}")
    bench.source.put("other-parts", body, etag="multipart:100000")
    bench.destination.put("other-parts", body, etag="multipart:50000")
    code, lines = check(bench)
    assert code == 1
    assert lines[0] == "~ other-parts  (size only)"
    for options, expected, by in (
        ([], 1, {}),
        (["--attributes"], 1, {}),
        (["--size-only"], 0, {"size_only": 1}),
        (["--size-only", "--attributes"], 0, {"size_only": 1}),
    ):
        code, lines = check(bench, "--json", *options)
        assert code == expected
        [summary] = map(json.loads, lines)
        assert summary["size_only"] == expected
        assert summary["compared_by"] == {"md5": len(ODD_KEYS) + 1, "etag": 1, **by}


def test_an_etag_that_is_no_md5_after_all_is_no_difference(bench):
    """A KMS-encrypted copy has another ETag though its bytes are the same: HEAD shows it, and only the size is known."""
    bench.destination.put("%41", b"%41", headers=HEADERS, user={"a": "b"}, kms=True)
    code, [line] = check(bench, "--json")
    assert code == 1
    assert (json.loads(line)["size_only"], json.loads(line)["different"]) == (1, 0)
    code, [line] = check(bench, "--json", "--content")
    assert code == 0
    assert json.loads(line)["compared_by"]["content"] == len(ODD_KEYS) + 1


@pytest.mark.parametrize("options", [[], ["--attributes"]])
def test_two_stores_that_keep_crc64s_are_compared_by_them(bench, options):
    """OBS against OBS with opaque ETags: equal and different bytes of one size are told apart."""
    left, right = bench.sandbox.obs.create_bucket("left"), bench.sandbox.obs.create_bucket("right")
    for bucket, body in ((left, b"12"), (right, b"21")):
        bucket.put("same", b"12", etag="opaque", crc64=True)
        bucket.put("swapped", body, etag="opaque", crc64=True)
    ends = ["--source-endpoint", bench.sandbox.obs.url, "--source-region", "r", *bench.ends[4:]]
    account = {"OPENOMS_SOURCE_AK": bench.sandbox.obs.access_key, "OPENOMS_SOURCE_SK": bench.sandbox.obs.secret_key}
    done = bench.run("check", "obs://left", "obs://right", *ends, *options, environ=account)
    assert done.returncode == 1, done.stderr
    assert done.stdout.startswith("* swapped  (crc64 ")
    assert "1 by crc64" in done.stdout


def test_json_is_one_line_with_the_counts(bench):
    """And nothing else on standard output."""
    bench.destination.delete("folder/")
    bench.destination.put("extra", b"1")
    code, [line] = check(bench, "--json")
    body = json.loads(line)
    assert code == 1
    assert (body["missing_at_destination"], body["missing_at_source"], body["different"]) == (1, 1, 0)


def test_without_attributes_a_check_costs_listings_only(bench):
    """No HEAD where both ETags are MD5s."""
    check(bench)
    assert {entry.method for entry in bench.sandbox.obs.log} == {"GET"}
    assert not [entry for entry in bench.sandbox.obs.log if entry.key]


def test_a_line_of_a_key_with_control_characters_stays_one_line(bench):
    """The key is shown with escapes."""
    bench.destination.delete("new\nline")
    _, lines = check(bench)
    assert "+ new\\nline" in lines


def test_a_migration_with_a_save_prefix_is_checked_with_it(bench):
    """The prefix stands before every key, as it is."""
    bench.source.delete("x" * 1024)  # no room for a prefix
    assert bench.migrate("--save-prefix", "x-", "--metadata").returncode == 0
    code, lines = check(bench, "--save-prefix", "x-", "--attributes")
    assert code == 0, lines
    assert check(bench)[0] == 1


def test_a_reader_that_goes_away_ends_the_check_quietly(bench):
    """``openoms check … | head -1``: no traceback."""
    bench.destination.put_many([(f"extra/{number:05d}", b"") for number in range(4000)])
    running = bench.start("check", *bench.places, *bench.ends)
    assert running.stdout.readline().startswith("- extra/")
    running.stdout.close()
    errors = running.stderr.read()
    assert running.wait(30) == 1
    assert errors == ""


def test_folders_are_compared_by_what_follows_them(bench):
    """A folder of one bucket against another folder of the other."""
    bench.source.put_many([("in/a", b"1"), ("in/b/c", b"2")])
    bench.destination.put_many([("out/a", b"1"), ("out/b/c", b"3"), ("output", b"")])
    done = bench.run("check", "s3://photos/in", "obs://archive/out/", *bench.ends)
    assert done.returncode == 1
    assert done.stdout.splitlines()[0].startswith("* b/c")


KEYS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12).filter(
    lambda key: not key.startswith("oms/task/")
)
BUCKET = st.dictionaries(KEYS, st.sampled_from([b"", b"1", b"2", b"33"]), max_size=12)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BUCKET, BUCKET, st.booleans(), st.booleans())
async def test_any_two_buckets_are_told_apart_as_two_dictionaries_are(sandbox, ours, theirs, attributes, crc64):
    """The oracle is Python's own comparison of key to bytes, ordered by UTF-8 bytes."""
    source, destination = sandbox.s3.create_bucket("left"), sandbox.obs.create_bucket("right")
    source.put_many(ours.items())
    for key, body in theirs.items():
        destination.put(key, body, crc64=crc64)
    sides = [
        Side(adapter.open(StoreConfig(cloud, bucket, cloud_.url, "r", "path", cloud_.credentials)))
        for adapter, cloud, bucket, cloud_ in (
            (AWS, "AWS", "left", sandbox.s3),
            (OBS, "HuaweiCloud", "right", sandbox.obs),
        )
    ]
    summary = CheckSummary()
    async with Wire(WireSettings()) as wire:
        found = [item async for item in compare(wire, *sides, summary, CheckRules(attributes=attributes))]
    expected = {
        **dict.fromkeys(ours.keys() - theirs.keys(), Mark.ONLY_SOURCE),
        **dict.fromkeys(theirs.keys() - ours.keys(), Mark.ONLY_DESTINATION),
        **{key: Mark.SAME if ours[key] == theirs[key] else Mark.DIFFERENT for key in ours.keys() & theirs.keys()},
    }
    assert {item.key: item.mark for item in found} == expected
    assert [item.key for item in found] == sorted(expected, key=lambda key: key.encode())
    assert sum(summary.marks.values()) == len(expected)
    assert summary.equal == (ours == theirs)
    assert summary.methods[Method.MD5] == sum(mark is Mark.SAME for mark in expected.values())
