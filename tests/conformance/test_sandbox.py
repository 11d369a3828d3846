"""The loopback S3 and OBS pass the whole suite, without a single deviation."""

import time
from functools import partial

import pytest

from oms_adapters.aws import PROFILE as S3
from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness, run_case, select_cases
from oms_adapters.huaweicloud import PROFILE as OBS
from oms_adapters.sandbox import Sandbox


@pytest.fixture(scope="module")
def sandbox():
    """Both clouds, with short restores."""
    with Sandbox() as running:
        yield running


def harness_of(cloud, cloud_type):
    """Open a new bucket of one cloud, where a restore takes half a second."""
    cloud.create_bucket("conformance")
    cloud.restore_seconds = 0.5
    config = StoreConfig(
        cloud_type, "conformance", endpoint=cloud.url, region="us-east-1", credentials=cloud.credentials
    )
    return open_harness(config, finish_restores=partial(time.sleep, 0.6))


@pytest.fixture(scope="module")
def s3(sandbox):
    """A bucket of the S3."""
    with harness_of(sandbox.s3, "AWS") as harness:
        yield harness


@pytest.fixture(scope="module")
def obs(sandbox):
    """A bucket of the OBS."""
    with harness_of(sandbox.obs, "HuaweiCloud") as harness:
        yield harness


@pytest.mark.parametrize("case", select_cases(S3.capabilities), ids=str)
def test_s3(case, s3):
    """The sandbox's S3 behaves as every store owes."""
    run_case(case, s3)


@pytest.mark.parametrize("case", select_cases(OBS.capabilities), ids=str)
def test_obs(case, obs):
    """The sandbox's OBS behaves as every store owes."""
    run_case(case, obs)
