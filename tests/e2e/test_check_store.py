"""``openoms check-store`` against loopback clouds: the table, the missing permission in each cloud's words, the codes."""

from __future__ import annotations

import json

import pytest

from e2e.cli_support import Bench, open_bench
from oms_adapters.conformance.deviations import DEVIATIONS
from oms_adapters.conformance.permissions import RIGHTS, permission_for
from oms_adapters.sandbox import Answer, Cut, Fault, Match, Sandbox
from openoms.clouds import CLOUDS
from support.plugin_example import install_example

pytestmark = pytest.mark.e2e

OBJECTS = [(f"a/{number}", b"x" * number) for number in range(1, 9)]


@pytest.fixture(scope="module")
def sandbox():
    """Clouds of several families for the whole module."""
    with Sandbox(clouds=["s3", "obs", "cos", "oss", "kodo", "bos", "us3", "ks3", "qingstor"]) as running:
        yield running


@pytest.fixture
def bench(sandbox, tmp_path):
    """A source bucket with a few objects."""
    for cloud in sandbox.clouds.values():
        cloud.faults.clear()
        cloud.clear_log()
    return open_bench(sandbox, tmp_path, OBJECTS)


def check_store(bench: Bench, *options: str, keys=None, scheme="s3", bucket="photos", folder="/a"):
    """Run the command with certain credentials."""
    cloud = bench.sandbox.clouds[{"s3": "s3", "obs": "obs"}.get(scheme, scheme)]
    keys = keys or cloud.credentials
    environ = {"OPENOMS_SOURCE_AK": keys.access_key, "OPENOMS_SOURCE_SK": keys.secret_key.reveal()}
    place = [f"{scheme}://{bucket}{folder}", "--source-endpoint", cloud.url]
    return bench.run("check-store", *place, *options, environ=environ)


def report(bench: Bench, *options: str, expect: int = 0, **how):
    """Run it with --json and return its one object."""
    done = check_store(bench, "--json", *options, **how)
    assert done.returncode == expect, done.stdout + done.stderr
    [line] = done.stdout.splitlines()
    return json.loads(line)


def answers(body):
    """Return the answers by the name of the question."""
    return {finding["name"]: finding["answer"] for finding in body["findings"]}


def guest(bench, cloud, *deny):
    """Return credentials of an account that lacks some permissions."""
    return bench.sandbox.clouds[cloud].add_credentials("GUESTKEY", "its-own-secret", deny=deny)


def test_a_good_bucket_reads_and_exits_with_0(bench):
    """Every question that matters is a yes, and nothing is written."""
    done = check_store(bench)
    assert done.returncode == 0
    assert done.stdout.startswith("s3://photos/a/ at http://127.0.0.1")
    assert "+ read pinned by ETag" in done.stdout
    assert "- state CRC-64" in done.stdout
    assert done.stdout.rstrip().endswith("a migration from this bucket will work.")
    assert not {entry.method for entry in bench.sandbox.s3.log} - {"GET", "HEAD"}


def test_reading_costs_next_to_nothing(bench):
    """Of an object of 8 MiB a few kilobytes are fetched."""
    bench.sandbox.s3.create_bucket("large").put("a/large", b"x" * 8 * 1024 * 1024)
    assert check_store(bench, bucket="large").returncode == 0
    ranged = [entry for entry in bench.sandbox.s3.log if entry.operation == "GetObject"]
    assert ranged
    assert {entry.status for entry in ranged} <= {206, 412, 416}


@pytest.mark.parametrize(
    ("deny", "question", "permission"),
    [
        ("HeadObject", "head", "s3:GetObject on arn:aws:s3:::photos/a/*"),
        ("GetObject", "read ranges", "s3:GetObject on arn:aws:s3:::photos/a/*"),
        ("ListObjectsV2", "list objects", "s3:ListBucket on arn:aws:s3:::photos"),
    ],
)
def test_a_refused_call_names_the_permission(bench, deny, question, permission):
    """Exit code 1; the question is marked refused and exactly the missing permission is named."""
    body = report(bench, expect=1, keys=guest(bench, "s3", deny))
    assert answers(body)[question] == "refused"
    assert body["missing_permissions"] == [permission]
    assert body["good"] is False
    done = check_store(bench, keys=guest(bench, "s3", deny))
    assert f"missing permissions:\n  {permission}\n" in done.stdout
    assert f"a migration needs: {question}" in done.stdout


@pytest.mark.parametrize("deny", ["PutObject", "CreateMultipartUpload", "UploadPart", "CompleteMultipartUpload"])
def test_writing_names_the_permission_it_needs(bench, deny):
    """A migration to the bucket is not possible without it: exit code 1."""
    body = report(bench, "--write-prefix", "tmp", expect=1, keys=guest(bench, "s3", deny))
    assert body["missing_permissions"] == ["s3:PutObject on arn:aws:s3:::photos/tmp*"]
    assert body["useful_permissions"] == {}


@pytest.mark.parametrize(
    ("deny", "permission", "without"),
    [
        ("DeleteObject", "s3:DeleteObject on arn:aws:s3:::photos/tmp*", "damaged"),
        ("ListParts", "s3:ListMultipartUploadParts on arn:aws:s3:::photos/tmp*", "begins anew"),
        ("AbortMultipartUpload", "s3:AbortMultipartUpload on arn:aws:s3:::photos/tmp*", "cost money"),
        ("ListMultipartUploads", "s3:ListBucketMultipartUploads on arn:aws:s3:::photos", "are not found"),
        ("GetObject", "s3:GetObject on arn:aws:s3:::photos/tmp*", "openoms check"),
    ],
)
def test_what_is_only_of_use_to_a_migration_is_not_called_missing(bench, deny, permission, without):
    """It is named with what is without it, and the exit code is 0."""
    body = report(bench, "--write-prefix", "tmp", keys=guest(bench, "s3", deny))
    assert body["missing_permissions"] == []
    assert without in body["useful_permissions"][permission]


def test_what_is_only_of_use_is_shown_with_what_is_without_it(bench):
    """And the last line says that a migration works."""
    done = check_store(bench, "--write-prefix", "tmp", keys=guest(bench, "s3", "DeleteObject"))
    assert done.returncode == 0
    assert "a migration works without these:\n  s3:DeleteObject on arn:aws:s3:::photos/tmp*: without it" in done.stdout
    assert done.stdout.rstrip().endswith("a migration to this bucket will work.")


def test_a_bucket_that_keeps_what_is_written_is_not_filled_with_trials(bench):
    """Without the right to delete one object is left, it is named, and nothing more is written."""
    before = set(bench.source.keys())
    body = report(bench, "--write-prefix", "tmp", keys=guest(bench, "s3", "DeleteObject"))
    [left] = set(bench.source.keys()) - before
    [found] = [finding for finding in body["findings"] if finding["name"] == "delete"]
    assert found["detail"].endswith(f"{left} was written and is left there; the other cases were not tried")


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (507, "InsufficientCapacity"),
        (400, "InvalidRequest"),
        (403, "QuotaExceeded"),
        (405, "MethodNotAllowed"),
        (500, "X"),
    ],
)
def test_a_write_that_is_refused_for_another_reason_ends_with_a_verdict(bench, status, code):
    """A quota, a lock, a checksum that is asked for: the store's words, exit code 1, and no permission is blamed."""
    bench.sandbox.s3.faults.add(Fault(Match(operation="PutObject"), Answer(status, code), times=None))
    done = check_store(bench, "--write-prefix", "tmp")
    assert done.returncode == 1, done.stdout + done.stderr
    assert code in done.stdout
    assert done.stdout.rstrip().endswith("a migration needs: write and delete.")


def test_a_store_that_cleans_paths_is_not_called_byte_exact(bench):
    """Keys that it takes for one are named; what was written is removed all the same."""
    bench.sandbox.s3.fold = "path"
    try:
        done = check_store(bench, "--write-prefix", "tmp")
        body = report(bench, "--write-prefix", "tmp", expect=1)
    finally:
        bench.sandbox.s3.fold = ""
    assert done.returncode == 1
    assert "- pair_apart[two-slashes]" in done.stdout
    assert "not byte-exact" in done.stdout
    assert body["byte_exact"] is False
    assert not [key for key in bench.source.keys() if key.startswith("tmp")]  # noqa: SIM118 - not a dict


def test_a_store_that_does_not_answer_any_more_ends_with_a_verdict(bench):
    """After some silent cases the others are left out."""
    bench.sandbox.s3.faults.add(Fault(Match(method="HEAD", key="tmp/*"), Cut(), times=None))
    bench.sandbox.s3.faults.add(Fault(Match(method="GET", key="tmp/*"), Cut(), times=None))
    body = report(bench, "--write-prefix", "tmp", expect=1)
    assert any("does not answer any more" in finding["detail"] for finding in body["findings"])


def test_writing_is_tried_and_cleaned_up(bench):
    """The suite's writing cases run in a folder of their own; afterwards the bucket is as it was."""
    before = bench.source.keys()
    body = report(bench, "--write-prefix", "tmp/")
    found = answers(body)
    assert len(found) > 60
    assert {found["odd_key[dots]"], found["multipart"], found["gaps_between_parts"], found["small_part"]} == {"yes"}
    assert bench.source.keys() == before
    assert bench.source.uploads() == []
    written = {entry.key for entry in bench.sandbox.s3.log if entry.method in {"PUT", "POST", "DELETE"}}
    assert written
    assert all(key.startswith("tmp/openoms-check-") for key in written)


@pytest.mark.parametrize("scheme", ["us3", "kodo"])
def test_what_a_cloud_is_known_to_do_otherwise_is_no_failure(bench, scheme):
    """Deviations that the suite's tests declare of the whole cloud are told with their reason, and exit with 0."""
    bench.sandbox.clouds[scheme].create_bucket("photos").put_many(OBJECTS)
    body = report(bench, "--write-prefix", "tmp", scheme=scheme)
    noes = {found["name"]: found for found in body["findings"] if found["answer"] == "no" and "[" in found["name"]}
    noes |= {found["name"]: found for found in body["findings"] if found["name"] in DEVIATIONS[BUCKETS[scheme]]}
    assert set(noes) == set(DEVIATIONS[BUCKETS[scheme]])
    assert all(found["detail"] == DEVIATIONS[BUCKETS[scheme]][name] for name, found in noes.items())


BUCKETS = {"us3": "UCloud", "kodo": "Qiniu"}


def test_a_case_that_fails_midway_leaves_nothing(bench):
    """Uploads that a failed case leaves open are aborted too."""
    bench.sandbox.s3.faults.add(Fault(Match(operation="CompleteMultipartUpload"), Answer(501, "NotImplemented")))
    body = report(bench, "--write-prefix", "tmp", expect=1)
    assert answers(body)["multipart"] == "no"
    bench.sandbox.s3.faults.clear()
    assert bench.source.uploads() == []
    assert not [key for key in bench.source.keys() if key.startswith("tmp")]  # noqa: SIM118 - not a dict


def test_what_a_gateway_lacks_is_said(bench):
    """A store that lists in plain XML and makes ETags of its own is a good source, and the table says what it lacks."""
    for scheme, expected in (
        ("kodo", {"list percent-encoded": "no", "state MD5": "no", "requester pays": "no"}),
        ("us3", {"list percent-encoded": "yes", "state MD5": "no", "restore archived objects": "yes"}),
    ):
        bench.sandbox.clouds[scheme].create_bucket("photos").put_many(OBJECTS)
        found = answers(report(bench, scheme=scheme))
        assert expected.items() <= found.items(), scheme


def test_archives_that_cannot_be_restored_are_a_no(bench):
    """Archived objects of a store without a restore call make the migration impossible, and the code says so."""
    bucket = bench.sandbox.clouds["bos"].create_bucket("photos")
    bucket.put("a/warm", b"x")
    bucket.put("a/cold", b"x", storage_class="ARCHIVE")
    body = report(bench, scheme="bos", expect=1)
    restore = next(finding for finding in body["findings"] if finding["name"] == "restore archived objects")
    assert (restore["answer"], restore["needed"]) == ("no", True)
    assert "1 of 2" in restore["detail"]


def test_an_empty_bucket_leaves_questions_open(bench):
    """What needs an object is unknown, and that is no failure."""
    bench.sandbox.s3.create_bucket("empty")
    found = answers(report(bench, bucket="empty", folder=""))
    assert found["list objects"] == "yes"
    assert found["read ranges"] == found["head"] == "unknown"


def test_a_store_that_ignores_the_start_is_found_out(bench):
    """A listing that begins anew is a no, and exits with 1."""
    bench.source.put_many([(f"a/x{number}", b"x") for number in range(5)])
    bench.sandbox.clouds["us3"].create_bucket("photos").put_many(OBJECTS)
    body = report(bench, "--source-option", "list_version=2", scheme="us3", expect=1)
    assert answers(body)["list from any key"] == "no"


@pytest.mark.parametrize(("cloud", "permission"), [
    ("obs", "obs:bucket:ListBucket on OBS:*:*:bucket:photos"),
    ("oss", "oss:ListObjects on acs:oss:*:*:photos"),
    ("cos", "name/cos:GetBucket on qcs::cos:*:uid/*:photos-1250000000/*"),
    ("ks3", "ks3:ListBucket on krn:ksc:ks3:::photos"),
    ("qingstor", "list_objects on photos/*"),
    ("kodo", "kodo/List on qrn:kodo:::bucket/photos"),
    ("us3", "TOKEN_ALLOW_LIST on a token whose AllowedBuckets have photos"),
])  # fmt: skip
def test_permissions_are_told_in_the_clouds_own_words(bench, cloud, permission):
    """Its user reads the action he has to grant, on his bucket, and the vendor's page on it."""
    bucket = "photos-1250000000" if cloud == "cos" else "photos"
    bench.sandbox.clouds[cloud].create_bucket(bucket).put_many(OBJECTS)
    keys = guest(bench, cloud, "ListObjects", "ListObjectsV2")
    options = ["--source-region", REGIONS[cloud]] if cloud in REGIONS else []
    body = report(bench, *options, scheme=cloud, bucket=bucket, expect=1, keys=keys)
    assert body["missing_permissions"] == [permission]
    done = check_store(bench, *options, scheme=cloud, bucket=bucket, keys=keys)
    assert f"  {permission}\nhow {body['permissions_page']} tells\n" in done.stdout


REGIONS = {"obs": "cn-north-4", "oss": "cn-hangzhou", "cos": "ap-guangzhou"}


@pytest.mark.parametrize(
    ("how", "code", "told"),
    [
        ({"bucket": "nowhere"}, 3, "bucket does not exist"),
        ({"scheme": "s3", "bucket": "x"}, 2, "cannot be a bucket"),
    ],
)
def test_what_cannot_be_asked_is_an_error(bench, how, code, told):
    """A missing bucket is 3, a malformed name 2; both in one sentence."""
    done = check_store(bench, **how)
    assert done.returncode == code
    assert told in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_wrong_credentials_are_an_error(bench):
    """Nothing can be asked with a wrong secret: exit code 3, and the secret is not shown."""
    good = bench.sandbox.s3.credentials
    wrong = bench.sandbox.s3.add_credentials("OTHERKEY", "right-secret")
    environ = {"OPENOMS_SOURCE_AK": wrong.access_key, "OPENOMS_SOURCE_SK": "wrong-secret"}
    done = bench.run("check-store", "s3://photos", "--source-endpoint", bench.sandbox.s3.url, environ=environ)
    assert done.returncode == 3
    assert "SignatureDoesNotMatch" in done.stderr
    assert "wrong-secret" not in done.stderr + done.stdout
    assert good.secret_key.reveal() not in done.stderr


def test_every_bucket_cloud_has_its_own_words():
    """No cloud of ours is told "the vendor's permission"; one of another package is."""
    assert set(RIGHTS) == {cloud.cloud_type for cloud in CLOUDS}
    assert permission_for("Elsewhere", "read", "b") == "the vendor's permission for GetObject on b"


@pytest.mark.parametrize("cloud_type", RIGHTS)
def test_every_operation_has_a_permission(cloud_type):
    """No refused call is left without a word of what to grant."""
    for operation in RIGHTS["AWS"].actions:
        text = permission_for(cloud_type, operation, "the-bucket", "a/")
        assert "the-bucket" in text
        assert "{" not in text


@pytest.mark.parametrize(
    ("place", "options", "told"),
    [
        ("floppy://bucket", [], ["unknown scheme 'floppy'"]),
        ("cos://photos", ["--source-region", "ap-guangzhou"], ["APPID", "app_id"]),
        ("ks3://bucket", ["--source-region", "mars!"], ["no region of Kingsoft Cloud KS3", "BEIJING", "SINGAPORE"]),
        ("kodo://bucket", [], ["region", "cn-east-1"]),
        ("us3://bucket", ["--source-region", "hk", "--source-option", "app_id=1"], ["'app_id'", "etag_is_md5"]),
        ("us3://bucket", ["--source-region", "hk", "--requester-pays"], ["requester pays"]),
        ("gs://bucket", [], ["service account"]),
        ("s3://bucket", ["--source-region", "Mars"], ["AWS region"]),
    ],
)
def test_bad_input_is_one_sentence_with_its_remedy(bench, place, options, told):
    """Exit code 2: what is unknown lists what is known, what is missing is named; no secret is shown."""
    environ = {"OPENOMS_SOURCE_AK": "key", "OPENOMS_SOURCE_SK": "not-the-json-of-a-key"}
    done = bench.run("check-store", place, *options, environ=environ)
    assert done.returncode == 2, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert all(word in done.stderr for word in told), done.stderr
    assert "not-the-json" not in done.stderr


@pytest.mark.parametrize("scheme", ["s3", "obs", "kodo"])
def test_a_wrong_clock_is_told(bench, scheme):
    """RequestTimeTooSkewed says that this machine's clock is to be set."""
    cloud = bench.sandbox.clouds[scheme]
    cloud.create_bucket("photos")
    cloud.clock_skew = 3600
    try:
        done = check_store(bench, scheme=scheme)
    finally:
        cloud.clock_skew = 0.0
    assert done.returncode == 3
    assert "clock" in done.stderr
    assert "NTP" in done.stderr


def test_a_cloud_of_another_package_is_checked_and_migrated(bench, tmp_path):
    """The package of CONTRIBUTING.md, on the path, adds acme:// to check-store and to migrate."""
    install_example(tmp_path)
    s3 = bench.sandbox.s3
    environ = {"PYTHONPATH": str(tmp_path), "OPENOMS_SOURCE_AK": s3.access_key, "OPENOMS_SOURCE_SK": s3.secret_key}
    done = bench.run("check-store", "acme://photos/a", "--source-endpoint", s3.url, environ=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "- state MD5" in done.stdout
    ends = [option.replace("us-east-1", "north-1") for option in bench.ends]
    done = bench.run("migrate", "acme://photos", "obs://archive", *ends, environ=environ)
    assert done.returncode == 0, done.stdout + done.stderr
    assert bench.copied() == dict(OBJECTS)
