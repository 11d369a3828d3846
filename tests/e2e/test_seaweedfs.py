"""SeaweedFS as source and destination of the command: what it cannot hold is failed by name, and nothing is lost."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from urllib.parse import unquote_plus

import pytest
from botocore.exceptions import ClientError

from oms_adapters.sandbox import Sandbox
from support.seaweed import AK, SK, seaweed

pytestmark = pytest.mark.e2e

LARGE = 17 * 1024 * 1024


@pytest.fixture(scope="module")
def weed(tmp_path_factory):
    """A real store of files with an S3 gateway."""
    with seaweed(tmp_path_factory.mktemp("seaweed")) as running:
        yield running


@pytest.fixture
def migrate(tmp_path):
    """Run the command from one (URL, bucket, keys) to another; return its exit code and JSON."""

    def run(source, destination, *options, command="migrate"):
        sides = zip(("SOURCE", "DESTINATION"), (source, destination), strict=True)
        keys = {
            f"OPENOMS_{side}_{name}": value
            for side, at in sides
            for name, value in zip(("AK", "SK"), at[2], strict=True)
        }
        environ = {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path), "PATH": os.environ["PATH"], **keys}
        done = subprocess.run(
            [sys.executable, "-m", "openoms.cli", command, f"s3://{source[1]}", f"s3://{destination[1]}",
             "--source-endpoint", source[0], "--destination-endpoint", destination[0], "--json", *options],
            env=environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, json.loads(done.stdout)

    return run


def at(weed, bucket):
    """A bucket of SeaweedFS, as the command takes it."""
    return weed.url, bucket, (AK, SK)


def lists_of(weed, bucket, kind):
    """The keys in all lists of one kind, newest run last."""
    found = weed.objects(bucket)
    lines = [
        line for key in sorted(found) if f"/{kind}_object_lists/" in key for line in found[key].decode().splitlines()
    ]
    column = 2 if kind == "failed" else 1
    return [unquote_plus(line.split("\t")[column]) for line in lines if line]


def data_of(weed, bucket):
    """What arrived, record lists apart."""
    return {key: body for key, body in weed.objects(bucket).items() if not key.startswith("oms/")}


ORDERED = {"empty": 0, "small": 1, "deep/er/and/deeper": 5_000, "large": LARGE, "grün/中文 %41+": 10}
ORDERED |= {f"many/{number:04}": 11 * number for number in range(300)}


def test_between_two_buckets_of_seaweedfs(weed, migrate):
    """Every object arrives once, the second run has nothing to do, and a forced one copies all again."""
    dice = random.Random(5)
    bodies = {key: dice.randbytes(size) for key, size in ORDERED.items()}
    for bucket in ("from-1", "to-1"):
        weed.client.create_bucket(Bucket=bucket)
    for key, body in bodies.items():
        weed.client.put_object(Bucket="from-1", Key=key, Body=body)
    code, told = migrate(at(weed, "from-1"), at(weed, "to-1"))
    assert (code, told["total_num"], told["successful_num"]) == (0, len(bodies), len(bodies)), told
    assert data_of(weed, "to-1") == bodies
    code, told = migrate(at(weed, "from-1"), at(weed, "to-1"))
    assert (code, told["successful_num"], told["skipped_num"]) == (0, 0, len(bodies)), told
    weed.client.put_object(Bucket="to-1", Key="small", Body=b"!")
    weed.client.delete_object(Bucket="to-1", Key="deep/er/and/deeper")
    code, told = migrate(at(weed, "from-1"), at(weed, "to-1"), "--overwrite", "always")
    assert (code, told["successful_num"]) == (0, len(bodies)), told
    assert data_of(weed, "to-1") == bodies


def read(weed, bucket, key):
    """The bytes that a reader is given for a key; None where it is given none."""
    try:
        return weed.client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except ClientError:
        return None


FOLDED = ["d/x", "d//x", "/lead", "lead", "b/../c", "c", "e/./f", "e/f", "back\\slash", "back/slash", "a", "a/b"]
"""Keys of which a store of files can hold one in two, or neither."""


def test_what_seaweedfs_cannot_hold_is_noticed(weed, migrate):
    """Each odd key is right at the destination or failed by name, exit code 1; running again changes nothing of that."""
    bodies = {key: f"the bytes of {key}".encode() for key in [*FOLDED, *(f"plain/{n}" for n in range(50))]}
    weed.client.create_bucket(Bucket="to-2")
    with Sandbox() as sandbox:
        source = sandbox.s3.create_bucket("from-2")
        source.put_many(bodies.items())
        keys = sandbox.s3.credentials.access_key, sandbox.s3.credentials.secret_key.reveal()
        for _ in range(3):
            code, told = migrate((sandbox.s3.url, "from-2", keys), at(weed, "to-2"))
            assert code == 1, told
            assert told["total_num"] == told["successful_num"] + told["skipped_num"] + told["failed_num"] == len(bodies)
            failed = set(lists_of(weed, "to-2", "failed"))
            wrong = {key for key, body in bodies.items() if read(weed, "to-2", key) != body}
            assert wrong <= failed
            assert 0 < len(failed) < len(FOLDED)
