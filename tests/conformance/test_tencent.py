"""The loopback COS passes the suite: what COS itself does otherwise is declared, with the reason."""

import time
from functools import partial

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness, run_case, select_cases
from oms_adapters.conformance.deviations import DEVIATIONS as ALL
from oms_adapters.dialects.cos import PROFILE
from oms_adapters.sandbox import Sandbox

DEVIATIONS = ALL["Tencent"]


@pytest.fixture(scope="module")
def harness():
    """A bucket of a COS whose restores take half a second."""
    with Sandbox(clouds=["cos"]) as sandbox:
        cloud = sandbox.cos
        cloud.create_bucket("conformance-1250000000")
        cloud.restore_seconds = 0.5
        config = StoreConfig(
            "Tencent",
            "conformance",
            endpoint=cloud.url,
            region="ap-guangzhou",
            credentials=cloud.credentials,
            extra={"app_id": "1250000000"},
        )
        with open_harness(config, finish_restores=partial(time.sleep, 0.6)) as opened:
            yield opened


@pytest.mark.parametrize("case", select_cases(PROFILE.capabilities), ids=str)
def test_cos(case, harness):
    """The sandbox's COS behaves as every store owes, but for the declared deviations."""
    run_case(case, harness, DEVIATIONS)
