"""One pair of loopback clouds for all tests, in a process of its own; each test gets buckets of its own."""

from itertools import count

import pytest

from oms_adapters.sandbox import Sandbox
from support.migrations import World

_NUMBERS = count(1)

SETTINGS = ("latency", "max_requests_per_second", "clock_skew", "restore_seconds", "crc64")


@pytest.fixture(scope="session")
def clouds():
    """An S3 and an OBS that verify signatures."""
    with Sandbox(process=True) as sandbox:
        yield sandbox


@pytest.fixture
def world(clouds, tmp_path):
    """An empty S3 bucket to migrate from, an empty OBS bucket to migrate to, and a state file to be made."""
    number = next(_NUMBERS)
    before = {cloud.name: {name: getattr(cloud, name) for name in SETTINGS} for cloud in (clouds.s3, clouds.obs)}
    made = World(clouds, f"src-{number}", f"dst-{number}", tmp_path)
    yield made
    for cloud in (clouds.s3, clouds.obs):
        cloud.faults.clear()
        cloud.clear_log()
        for name, value in before[cloud.name].items():
            setattr(cloud, name, value)
    made.forget()
