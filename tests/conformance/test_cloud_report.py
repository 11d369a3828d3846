"""`make conformance-cloud`: the suite against an account, here moto and the sandbox in the place of a real cloud."""

import os
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from conformance.cloud import Outcome, render, scrub
from conformance.test_moto import DEVIATIONS
from oms_adapters.conformance import CASES
from oms_adapters.sandbox import Sandbox

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-that-is-nowhere-to-be-seen"


def run(*words, **variables):
    """Run the command as make does, with nothing of this machine's own keys."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}
    command = [sys.executable, "-m", "tests.conformance.cloud", *words]
    return subprocess.run(
        command, cwd=ROOT, env=kept | variables, capture_output=True, text=True, timeout=240, check=False
    )


def rows(report):
    """Return case -> mark."""
    lines = [line.split(" | ") for line in report.splitlines() if line.startswith("| ")]
    return {cells[0].removeprefix("| "): cells[1] for cells in lines if len(cells) == 3}


@pytest.fixture(scope="module")
def moto():
    """A client of a moto server with one bucket, and the server's address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    url = "http://{}:{}".format(*server.get_host_and_port())
    client = boto3.client(
        "s3", endpoint_url=url, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    client.create_bucket(Bucket="my-private-bucket")
    yield client, url
    server.stop()


def test_a_report_on_a_store_that_others_wrote(moto):
    """Every case has its line, exactly what moto does otherwise is found, no name or secret is shown, nothing is left."""
    client, url = moto
    client.put_object(Bucket="my-private-bucket", Key="mine", Body=b"stays")
    keys = {"OPENOMS_SOURCE_AK": "AKPRIVATE", "OPENOMS_SOURCE_SK": SECRET}
    done = run("--cloud", "s3", "--bucket", "my-private-bucket", "--region", "us-east-1", "--endpoint", url, **keys)
    assert done.returncode == 1, done.stderr
    marks = rows(done.stdout)
    assert {case.name for case in CASES} <= set(marks)
    assert {name for name, mark in marks.items() if mark == "NO"} == set(DEVIATIONS)
    for hidden in (SECRET, "AKPRIVATE", "my-private-bucket", url.removeprefix("http://")):
        assert hidden not in done.stdout + done.stderr
    assert [item["Key"] for item in client.list_objects_v2(Bucket="my-private-bucket")["Contents"]] == ["mine"]
    assert "Uploads" not in client.list_multipart_uploads(Bucket="my-private-bucket")


def test_a_report_on_a_cloud_that_behaves():
    """Where only declared deviations are found the command succeeds; archives are tried only when asked for."""
    with Sandbox(clouds=["ks3"]) as sandbox:
        cloud = sandbox.clouds["ks3"]
        cloud.create_bucket("my-private-bucket")
        keys = {"OPENOMS_SOURCE_AK": cloud.access_key, "OPENOMS_SOURCE_SK": cloud.secret_key}
        place = ("--cloud", "ks3", "--bucket", "my-private-bucket", "--region", "BEIJING", "--endpoint", cloud.url)
        done = run(*place, "--prefix", "tmp", **keys)
        assert done.returncode == 0, done.stdout + done.stderr
        marks = rows(done.stdout)
        assert (marks["restore"], marks["crc64"], marks["list_order"]) == ("-", "as declared", "yes")
        assert cloud.secret_key not in done.stdout
        assert not list(cloud.bucket("my-private-bucket").keys())


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cloud", "nimbus", "--bucket", "b-b"), "nimbus"),
        (("--cloud", "s3", "--bucket", "b-b", "--endpoint", "http://127.0.0.1:9"), "conformance-cloud: "),
    ],
)
def test_what_cannot_be_reached_is_said(words, said):
    """A cloud that is none, or one that does not answer, ends with a sentence and no report."""
    done = run(*words, OPENOMS_SOURCE_AK="AK", OPENOMS_SOURCE_SK=SECRET)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert SECRET not in done.stderr


def test_nothing_hidden_is_shown():
    """What must not be shown is replaced wherever it stands, the longest first; a table stays a table."""
    text = render(
        [Outcome("a", "NO", "bucket-name-long|bucket-name\x07"), Outcome("b", "yes")],
        [("cloud", "S3")],
        {"bucket-name": "(bucket)", "bucket-name-long": "(other)", "": "never"},
    )
    assert "| a | NO | (other)\\|(bucket)\\x07 |" in text
    assert scrub("xx", {"": "y"}) == "xx"
