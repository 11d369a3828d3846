"""Google Cloud Storage in the sandbox, whose JSON face google-cloud-storage drives first."""

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness, run_case, select_cases
from oms_adapters.conformance.deviations import DEVIATIONS as ALL
from oms_adapters.google import INTEROP, PROFILE
from oms_adapters.sandbox import Sandbox
from oms_engine.errors import AccessDenied, BadCredentials
from oms_engine.model import Credentials, Secret
from support.google_account import credentials_of

DEVIATIONS = ALL["Google"]


@pytest.fixture(scope="module")
def cloud():
    """A Google with one bucket."""
    with Sandbox(clouds=["google"]) as running:
        running.google.create_bucket("conformance")
        yield running.google


@pytest.fixture(scope="module")
def account(cloud):
    """The bucket, reached by a service account."""

    def forge(wrong):
        return credentials_of(cloud, **({"number": 1} if wrong == "secret_key" else {"email": "no@body.test"}))

    config = StoreConfig("Google", "conformance", endpoint=cloud.url, credentials=credentials_of(cloud))
    with open_harness(config, forge=forge) as harness:
        yield harness


@pytest.fixture(scope="module")
def interop(cloud):
    """The bucket, reached by HMAC keys."""
    keys = Credentials("GOOG1ESANDBOX", Secret("hmac-secret"))
    cloud.add_credentials(keys.access_key, "hmac-secret")

    def forge(wrong):
        return Credentials(*(("GOOG1ESANDBOX", Secret("x")) if wrong == "secret_key" else ("GOOG1NONE", Secret("x"))))

    config = StoreConfig("Google", "conformance", endpoint=cloud.url, credentials=keys)
    with open_harness(config, prefix="interop/", forge=forge) as harness:
        yield harness


@pytest.mark.parametrize("case", select_cases(PROFILE.capabilities), ids=str)
def test_google(case, account):
    """Google behaves as every store owes, but for what it cannot hold."""
    run_case(case, account, DEVIATIONS)


@pytest.mark.parametrize("case", select_cases(INTEROP.capabilities), ids=str)
def test_google_by_hmac_keys(case, interop):
    """The same by S3's protocol; Expires is no metadata there either, since each reply makes one up."""
    run_case(case, interop, {name: reason for name, reason in DEVIATIONS.items() if name == "attributes_round_trip"})


def test_requester_pays(cloud, account):
    """A bucket whose requester pays is listed and read once a project is named, and not before."""
    cloud.create_bucket("paid", requester_pays=True).put("k", b"body")
    free, paid = (account.variant(bucket="paid", requester_pays=pays) for pays in (False, True))
    for call in (free.list_page(""), free.read("k")):
        with pytest.raises(AccessDenied):
            account.perform(call)
    assert [entry.key for entry in account.perform(paid.list_page("")).objects] == ["k"]
    assert account.fetch(paid.read("k"))[1] == b"body"


def test_an_expired_token_is_told(cloud, account):
    """A token that nobody renews ends with a sentence that says so, from either API."""
    store = account.variant(credentials=Credentials("", Secret(""), Secret("ya29.expired")))
    for call in (store.list_page(""), store.read("k")):
        with pytest.raises(BadCredentials, match="access token is not accepted") as caught:
            account.perform(call)
        assert "ya29" not in str(caught.value)


def test_a_token_is_renewed_while_the_store_is_in_use(cloud, account):
    """When a token nears its end the next call fetches another, and goes on."""
    store = account.variant(bucket="conformance")
    account.perform(store.list_page(""))
    renewable = store.head("k").renewable
    first, end = renewable._held
    renewable._held = first, end - 3400
    account.perform(store.list_page(""))
    assert renewable._held[0] != first
