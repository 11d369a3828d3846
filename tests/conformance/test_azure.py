"""Azure Blob Storage in the sandbox, which azure-storage-blob drives first (test_sandbox_official_azure.py)."""

import time
import traceback
from functools import partial
from urllib.parse import unquote, urlsplit

import pytest
from azure.storage.blob import generate_account_sas, generate_container_sas

from oms_adapters.azure import CAPABILITIES
from oms_adapters.config import StoreConfig
from oms_adapters.conformance import Harness, open_harness, run_case, select_cases
from oms_adapters.sandbox import Answer, Cut, Fault, Garbage, Match, Redirect, Sandbox, Truncate
from oms_engine.errors import AccessDenied, BadCredentials, StoreError
from oms_engine.model import Attributes, Credentials, Secret
from support.azure_account import DEVIATIONS


@pytest.fixture(scope="module")
def cloud():
    """An Azure with one container, where a rehydration takes half a second."""
    with Sandbox(clouds=["azure"]) as running:
        running.azure.create_bucket("conformance")
        running.azure.restore_seconds = 0.5
        yield running.azure


def forge(cloud, wrong):
    """Return credentials that are wrong in one way."""
    if wrong == "secret_key":
        return Credentials(cloud.access_key, Secret("bm90IHRoZSBrZXk="))
    return Credentials("nobodysaccount", Secret(cloud.secret_key))


def harness_of(cloud, **changes):
    """Open the container, where a rehydration ends while one waits."""
    config = StoreConfig("Azure", "conformance", endpoint=cloud.url, credentials=cloud.credentials)
    options = {"finish_restores": partial(time.sleep, 0.6), "forge": partial(forge, cloud)}
    return open_harness(config, **(options | changes))


@pytest.fixture(scope="module")
def harness(cloud):
    """The container, with the account's key."""
    with harness_of(cloud) as opened:
        yield opened


@pytest.mark.parametrize("case", select_cases(CAPABILITIES), ids=str)
def test_azure(case, harness):
    """Azure behaves as every store owes, but for what it does not have."""
    run_case(case, harness, DEVIATIONS)


@pytest.fixture(scope="module")
def old(cloud):
    """The container, listed as by a service that cannot start anywhere."""
    config = StoreConfig(
        "Azure", "conformance", endpoint=cloud.url, credentials=cloud.credentials, extra={"list_start_from": False}
    )
    with open_harness(config, prefix="old/") as opened:
        yield opened


@pytest.mark.parametrize("case", [found for found in select_cases(CAPABILITIES) if "list" in found.name], ids=str)
def test_a_service_without_start_from(case, old: Harness):
    """Listings resume anywhere on an older service too: from the beginning, dropping what is not asked for."""
    run_case(case, old)
    assert "startFrom" not in dict(old.store.list_page("", start_after="x").request.query)


def test_an_upload_is_resumed(harness):
    """Blocks that were sent before a crash are found by the upload's id alone, and committed with its headers."""
    store, key = harness.store, "resumed/ä b"
    upload = harness.upload(key, content_type="video/x", user={"a": "1"})
    for number, body in ((1, b"old"), (1, b"one"), (2, b"two")):
        harness.perform(store.write_part(key, upload, number, size=3, body=body))
    harness.perform(store.write_part(key, harness.upload(key), 1, size=5, body=b"other"))
    found = harness.perform(store.list_parts(key, upload)).parts
    assert [(part.number, part.size) for part in found] == [(1, 3), (2, 3)]
    assert [part.number for part in harness.perform(store.list_parts(key, upload, after=1)).parts] == [2]
    harness.perform(store.complete_upload(key, upload, found))
    assert harness.body(key) == b"onetwo"
    assert harness.head(key).attributes == Attributes(content_type="video/x", user={"a": "1"})
    harness.clean()


def account_sas(cloud, permission="rl", expiry="2099-01-01T00:00:00Z"):
    """Return a SAS token of the account, as Azure's portal makes them."""
    return generate_account_sas(cloud.access_key, cloud.secret_key, "sco", permission, expiry, services="b")


def container_sas(cloud, permission="rl", expiry="2099-01-01T00:00:00Z"):
    """Return a SAS token of the container."""
    return generate_container_sas(
        cloud.access_key, "conformance", cloud.secret_key, permission=permission, expiry=expiry
    )


def opened_by(harness, cloud, form, token):
    """Open the container by a SAS token, in one of the forms in which it may be given."""
    if form == "token":
        return harness.variant(credentials=Credentials(cloud.access_key, Secret(""), Secret(token)))
    if form == "?token":
        return harness.variant(credentials=Credentials(cloud.access_key, Secret(""), Secret(f"?{token}")))
    text = f"BlobEndpoint={cloud.url}/{cloud.access_key};SharedAccessSignature={token}"
    return harness.variant(endpoint=None, credentials=Credentials("", Secret(text)))


@pytest.mark.parametrize("form", ["token", "?token", "connection string"])
@pytest.mark.parametrize("make", [account_sas, container_sas])
def test_a_sas_token_reads_and_lists(harness, cloud, form, make):
    """A token of account or container, alone or in a connection string, lists and reads, and does not write."""
    harness.put("sas/a b", b"body")
    store = opened_by(harness, cloud, form, make(cloud))
    assert [item.key for item in harness.perform(store.list_page("sas/")).objects] == ["sas/a b"]
    assert harness.fetch(store.read("sas/a b"))[1] == b"body"
    with pytest.raises(AccessDenied, match="lacks the permission"):
        harness.perform(store.delete("sas/a b"))
    harness.clean()


def test_an_expired_sas_token_is_told_and_kept_secret(harness, cloud):
    """An expired token is wrong credentials, and no error, call or log line holds its signature."""
    token = account_sas(cloud, expiry="2020-01-01T00:00:00Z")
    store = opened_by(harness, cloud, "token", token)
    with pytest.raises(BadCredentials, match="out of its time") as caught:
        harness.perform(store.list_page(""))
    signature = token.partition("sig=")[2].partition("&")[0]
    assert len(signature) > 20
    for shown in (str(caught.value), repr(caught.value), repr(vars(caught.value)), repr(store.head("k"))):
        assert signature not in shown
    assert urlsplit(store.label).query == ""


def test_a_connection_string_with_a_key_opens_the_container(harness, cloud):
    """The account's own connection string is enough."""
    text = (
        f"DefaultEndpointsProtocol=http;AccountName={cloud.access_key};AccountKey={cloud.secret_key};"
        f"BlobEndpoint={cloud.url}/{cloud.access_key};"
    )
    harness.put("connected", b"body")
    store = harness.variant(endpoint=None, credentials=Credentials("", Secret(text)))
    assert harness.fetch(store.read("connected"))[1] == b"body"
    harness.clean()


def test_a_wrong_clock_is_told(harness, cloud):
    """A machine whose clock is an hour behind the service's is told so: Azure has no code for it."""
    cloud.clock_skew = 3600
    try:
        with pytest.raises(BadCredentials, match="clock of this machine"):
            harness.perform(harness.store.list_page(""))
    finally:
        cloud.clock_skew = 0


@pytest.mark.parametrize(
    "action",
    [Cut(), Garbage(b"HTTP/9 what\r\n\r\n"), Redirect("http://127.0.0.1:1"), Answer("InternalError"), Truncate(3)],
    ids=lambda action: type(action).__name__,
)
def test_no_trouble_shows_the_sas_token(harness, cloud, action):
    """Whatever goes wrong on the way, the URL that holds the token's signature is in no error."""
    token = account_sas(cloud)
    signature = token.partition("sig=")[2].partition("&")[0]
    store = opened_by(harness, cloud, "token", token)
    cloud.faults.add(Fault(Match(operation="ListObjects"), action, times=9))
    try:
        with pytest.raises(StoreError) as caught:
            harness.perform(store.list_page(""))
    finally:
        cloud.faults.clear()
    shown = "".join(traceback.format_exception(caught.value)) + repr(vars(caught.value))
    assert unquote(signature) not in unquote(shown)
