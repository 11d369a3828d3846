"""Azurite, Microsoft's own emulator of Blob Storage: what it does otherwise is declared, with the reason.

It runs only where OPENOMS_TEST_SERVERS names azurite.
"""

from dataclasses import replace
from functools import partial

import pytest
from azure.storage.blob import BlobServiceClient

from oms_adapters.azure import CAPABILITIES
from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness, run_case, select_cases
from oms_adapters.registry import open_store
from oms_engine.errors import InvalidRequest
from oms_engine.model import Credentials, Secret
from oms_engine.task import Scope
from support.azure_account import ACCOUNT, DEVIATIONS, KEY, forge
from support.servers import azurite

VERSION = "2019-07-07"
OLD = {"list_start_from": False}
"""It knows no startFrom, and refuses the version of requests that do."""
OWN = {
    "odd_key[control]": "it answers a listing that XML cannot hold with 500",
    "odd_key[backslash]": "it makes a slash of it",
    "pair_apart[backslash]": "it makes a slash of it",
    "key_too_long": "it does not limit the length of names",
    "read_whole": "its GET does not state the access tier",
    "range_outside": "it answers 206 with no bytes where Azure says 416",
    "wrong_content_md5": "it says InvalidOperation where Azure says Md5Mismatch",
    "wrong_part_md5": "it says InvalidOperation where Azure says Md5Mismatch",
    "wrong_secret": "it says AuthorizationFailure where Azure says AuthenticationFailed",
    "unknown_access_key": "it says ResourceNotFound; Azure's account would have no address",
}


@pytest.fixture(scope="module")
def harness(tmp_path_factory):
    """A container of a server of its own."""
    with azurite(str(tmp_path_factory.mktemp("azurite"))) as url:
        keys = {"account_name": ACCOUNT, "account_key": KEY}
        client = BlobServiceClient(f"{url}/{ACCOUNT}", credential=keys, api_version=VERSION)
        client.create_container("conformance")
        config = StoreConfig(
            "Azure", "conformance", endpoint=url, credentials=Credentials(ACCOUNT, Secret(KEY)), extra=OLD
        )
        with open_harness(config, forge=forge) as opened:
            yield opened


@pytest.mark.parametrize("case", select_cases(replace(CAPABILITIES, list_start_anywhere=False)), ids=str)
def test_azurite(case, harness):
    """Azurite behaves as every store owes, but for what Azure does not hold and what it does not do itself."""
    run_case(case, harness, DEVIATIONS | OWN)


def test_keys_in_the_order_of_utf16_are_migrated(harness, world):
    """A container whose order is not that of bytes arrives whole; the next run finds it all at the destination."""
    keys = [f"utf16/{first}{number}.txt" for number in range(3) for first in ("\U0001f600", "\uff08a\uff09", "a")]
    harness.put_all({key: key.encode() for key in keys})
    task = {"source": partial(open_store, harness.config), "scope": Scope(keys=("utf16/",))}
    assert world.run(**task).counts == (len(keys), len(keys), 0, 0)
    assert {key: world.destination.get(key) for key in keys} == {key: key.encode() for key in keys}
    again = world.run(**task)
    assert again.counts == (len(keys), 0, len(keys), 0), again.result.reasons
    harness.clean()


def test_a_version_that_it_does_not_know_is_named(harness):
    """Without the option Azurite refuses the newest version, and the sentence names the option."""
    newest = harness.variant(extra={"api_version": "2099-01-01"})
    with pytest.raises(InvalidRequest, match="list_start_from=false"):
        harness.perform(newest.list_page(""))
