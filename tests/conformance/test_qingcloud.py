"""QingStor passes the suite against a loopback gateway with its quirks, and against moto; what it does otherwise is declared."""

import pytest

from oms_adapters.conformance import run_case, select_cases
from oms_adapters.conformance.deviations import DEVIATIONS
from oms_adapters.qingcloud import ADAPTER
from support.gateways import MOTO, gateway_harness, moto_harness

CASES = select_cases(ADAPTER.profile.capabilities)


@pytest.fixture(scope="module")
def gateway():
    """A bucket of the gateway."""
    with gateway_harness("QingCloud", "qingstor") as harness:
        yield harness


@pytest.fixture(scope="module")
def moto():
    """A bucket of moto."""
    with moto_harness("QingCloud") as harness:
        yield harness


@pytest.mark.parametrize("case", CASES, ids=str)
def test_gateway(case, gateway):
    """The adapter and the gateway behave as every store owes, but for the declared deviations."""
    run_case(case, gateway, DEVIATIONS["QingCloud"])


@pytest.mark.parametrize("case", CASES, ids=str)
def test_moto(case, moto):
    """The adapter and moto behave as every store owes, but for the declared deviations."""
    run_case(case, moto, MOTO)
