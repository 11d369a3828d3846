"""One pair of loopback clouds for all tests, in a process of its own; each test gets buckets of its own."""

import tempfile
from itertools import count
from pathlib import Path

import pytest

from oms_adapters.sandbox import Sandbox
from support.migrations import World

_NUMBERS = count(1)

SETTINGS = ("latency", "max_requests_per_second", "clock_skew", "restore_seconds", "crc64", "crc64_joins", "list_lag", "fold",
            "list_order", "list_starts", "list_page", "list_holes")  # fmt: skip


@pytest.fixture(scope="session")
def clouds():
    """An S3 and an OBS that verify signatures."""
    with Sandbox(process=True) as sandbox:
        yield sandbox


MEMORY = Path("/dev/shm")
"""Where state files lie if there is such a place: a busy disk would make every test wait for its synchronisation."""


@pytest.fixture
def world(clouds):
    """An empty S3 bucket to migrate from, an empty OBS bucket to migrate to, and a state file to be made."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as directory:
        yield from _world(clouds, Path(directory))


def _world(clouds, directory):
    number = next(_NUMBERS)
    before = {cloud.name: {name: getattr(cloud, name) for name in SETTINGS} for cloud in (clouds.s3, clouds.obs)}
    made = World(clouds, f"src-{number}", f"dst-{number}", directory)
    yield made
    for cloud in (clouds.s3, clouds.obs):
        cloud.faults.clear()
        cloud.clear_log()
        for name, value in before[cloud.name].items():
            setattr(cloud, name, value)
    made.forget()
