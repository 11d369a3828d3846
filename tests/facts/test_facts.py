"""Every fact of ``tests/facts/*.toml`` holds for the adapter, and for the emulator where it plays it."""

from contextlib import ExitStack

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness
from oms_adapters.sandbox import Sandbox
from oms_adapters.sandbox.host import DIALECTS, open_dialect
from support.facts import (
    check_call,
    check_class,
    check_error,
    check_limit,
    check_region,
    check_reply,
    check_steps,
    facts,
    sheets,
)


def dialect_of(sheet):
    """Return the emulator's face of the cloud."""
    return open_dialect(DIALECTS[sheet["sandbox"]][0])


@pytest.fixture(scope="module")
def clouds():
    """All emulated clouds that facts speak of."""
    with Sandbox(clouds=tuple({sheet["sandbox"] for sheet in sheets().values()})) as running:
        yield running


@pytest.fixture
def harness(clouds, sheet):
    """An empty bucket of the cloud, reached over the real wire."""
    cloud = getattr(clouds, sheet["sandbox"])
    with ExitStack() as stack:
        extra = {**sheet.get("extra", {})}
        cloud.create_bucket(sheet["bucket"])
        config = StoreConfig(
            sheet["cloud"],
            sheet["bucket"],
            endpoint=cloud.url,
            region=cloud.region,
            credentials=cloud.credentials,
            extra=extra,
        )
        yield stack.enter_context(open_harness(config))


@pytest.mark.parametrize(("sheet", "fact"), **facts("limit"))
def test_limits(sheet, fact):
    """The adapter plans within the vendor's number, and the emulator holds to it."""
    check_limit(sheet, fact, dialect_of(sheet))


@pytest.mark.parametrize(("sheet", "fact"), **facts("class"))
def test_classes(sheet, fact):
    """A class is mapped, and known to need a restore or not, as the vendor has it."""
    check_class(sheet, fact, dialect_of(sheet))


@pytest.mark.parametrize(("sheet", "fact"), **facts("error"))
def test_errors(sheet, fact):
    """A vendor's error code has the meaning its page gives it."""
    check_error(sheet, fact)


@pytest.mark.parametrize(("sheet", "fact"), **facts("region"))
def test_regions(sheet, fact):
    """A region is reached at the endpoint its table names."""
    check_region(sheet, fact)


@pytest.mark.parametrize(("sheet", "fact"), **facts("reply"))
def test_replies(sheet, fact):
    """Headers that the vendor describes are read as it means them."""
    check_reply(sheet, fact)


@pytest.mark.parametrize(("sheet", "fact"), **facts("call"))
def test_calls(sheet, fact):
    """What is sent for a call is what the vendor's page asks for."""
    check_call(sheet, fact)


@pytest.mark.parametrize(("sheet", "fact"), **facts("step"))
def test_steps(harness, sheet, fact):
    """The emulator answers as the vendor states, and the adapter reads the object that comes of it."""
    del sheet
    check_steps(fact, harness)
