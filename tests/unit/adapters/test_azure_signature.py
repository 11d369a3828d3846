"""Azure's Shared Key and SAS: equal to azure-storage-blob's own code on generated requests, and never shown."""

from types import SimpleNamespace
from urllib.parse import parse_qs

import pytest
from azure.core.pipeline.transport import HttpRequest
from azure.storage.blob import generate_account_sas
from azure.storage.blob._shared.authentication import SharedKeyCredentialPolicy, _storage_header_sort
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.signing.azure import SharedAccess, SharedKey, canonical_headers, parse_sas
from oms_adapters.signing.quoting import quote_key
from oms_engine.errors import ConfigError
from oms_engine.model import Secret
from oms_engine.store import Endpoint, Request
from oms_engine.wire.codec import render_target

KEY = Secret("a2V5IG9mIHRoZSBhY2NvdW50IQ==")
ENDPOINT = Endpoint("https", "acct.blob.core.windows.net", 443)

names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_-!#$%&*.^`|~+", min_size=1, max_size=12)
values = st.text(st.characters(codec="ascii", exclude_categories=["Cc"]), max_size=20).map(str.strip)
headers = st.dictionaries(names.map("x-ms-meta-{}".format), values.filter(bool), max_size=8)
standard = st.dictionaries(
    st.sampled_from(["content-encoding", "content-language", "content-md5", "content-type", "if-match"]),
    values.filter(bool),
)
queries = st.dictionaries(
    st.sampled_from(["comp", "restype", "prefix", "marker", "startFrom", "maxresults", "blockid", "timeout"]),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20),
)
keys = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)


def by_the_sdk(request, headers):
    """Return the Authorization header that the SDK gives a request."""
    url = f"https://{request.endpoint.netloc}{render_target(request)}"
    sent = HttpRequest(request.method, url, headers)
    pipeline = SimpleNamespace(http_request=sent, context=SimpleNamespace(transport=None))
    SharedKeyCredentialPolicy("acct", KEY.reveal()).on_request(pipeline)
    return sent.headers["Authorization"]


@given(
    st.sampled_from(["GET", "HEAD", "PUT", "DELETE"]),
    keys,
    queries,
    headers,
    standard,
    st.integers(0, 3) | st.integers(0, 10**12),
    st.floats(0, 4e9),
)
def test_shared_key_equals_the_sdks(method, key, query, meta, plain, size, now):
    """Any request is signed as azure-storage-blob signs it: keys, parameters, header names in the service's order."""
    given = {"x-ms-version": "2026-02-06", **meta, **plain}
    request = Request(method, ENDPOINT, f"/container/{quote_key(key)}", tuple(query.items()), given, b"", size)
    signed = SharedKey("acct", KEY)(request, now)
    sent = {name: value for name, value in signed.headers.items() if name != "authorization"}
    assert signed.headers["authorization"] == by_the_sdk(signed, {**sent, "content-length": str(size)})
    assert (signed.path, signed.query) == (request.path, request.query)


@given(st.lists(names, unique=True, max_size=12))
def test_names_are_ordered_as_the_service_orders_them(found):
    """The order of header names is that of the SDK's tables: hyphens last, underscores before digits, as in .NET."""
    given = {f"x-ms-meta-{name}": "v" for name in found}
    expected = [name for name, _ in _storage_header_sort(list(given.items()))]
    assert [line.partition(":")[0] for line in canonical_headers(given).splitlines()] == expected


def test_a_key_that_is_not_base64_is_refused_without_showing_it():
    """A mistyped account key is one sentence that does not hold it."""
    with pytest.raises(ConfigError, match="not base64") as caught:
        SharedKey("acct", Secret("se cret!"))
    assert "se cret" not in str(caught.value)


@given(st.text("rlwdc", min_size=1, max_size=5), st.text("abcdefghijklmnopqrstuvwxyz0123456789", min_size=1))
def test_a_sas_token_survives_the_way_to_the_wire(permission, key):
    """What the service receives is the token as the SDK made it, signature included, after the request's own query."""
    token = generate_account_sas("acct", KEY.reveal(), "sco", permission, "2099-01-01T00:00:00Z", services="b")
    request = Request("GET", ENDPOINT, f"/c/{key}", (("comp", "list"),), {})
    signed = SharedAccess(Secret(f"?{token}"))(request, 1.0)
    _, _, sent = render_target(signed).partition("?")
    assert parse_qs(sent) == {"comp": ["list"], **parse_qs(token)}
    assert signed.query[0] == ("comp", "list")


def test_a_sas_token_keeps_a_plus_that_nobody_encoded():
    """A signature pasted with bare plus signs still verifies: they are no spaces."""
    assert dict(parse_sas(Secret("sv=1&sig=a+b/c%3D")))["sig"] == "a+b/c="


def test_a_sas_token_without_a_signature_is_refused():
    """Half a token is told at once."""
    with pytest.raises(ConfigError, match="no sig="):
        SharedAccess(Secret("sv=2020-01-01&sp=rl"))
