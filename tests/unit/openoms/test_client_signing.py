"""Signing: the official SDK's signer is the oracle."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import quote

import httpx
import pytest
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.model import Credentials, Secret
from openoms.client import Service
from openoms.client_access import Access
from openoms.client_signing import Unsigned, sign

KEYS = Credentials("ACCESSKEY", Secret("secret/key+=~ü"))
SDK = Signer(SimpleNamespace(ak=KEYS.access_key, sk=KEYS.secret_key.reveal()))

plain = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
names = st.from_regex(r"X-[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True).filter(
    lambda name: not name.lower().startswith("x-sdk-")
)
printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
moments = st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC))
pairs = st.lists(st.tuples(plain.filter(bool), plain), max_size=4, unique_by=lambda pair: pair[0])


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE"]), st.lists(plain, min_size=1, max_size=4), pairs,
    st.dictionaries(names, printable, max_size=3), st.binary(max_size=40), moments,
)  # fmt: skip
def test_the_signature_is_that_of_the_official_sdk(method, segments, query, headers, body, moment):
    """Whatever method, path, query, headers, body and date: both make the same ``Authorization``."""
    headers = {name: value for name, value in headers.items() if headers.keys().isdisjoint({name.swapcase()})}
    headers = {**{name.lower(): value for name, value in headers.items()}, "Content-Type": "application/json"}
    path = "/" + "/".join(quote(segment, safe="") for segment in segments)
    date = moment.strftime("%Y%m%dT%H%M%SZ")
    request = SdkRequest(
        method, "https", "oms.example.com", path, header_params={**headers, "X-Sdk-Date": date},
        query_params=list(query), body=body,
    )  # fmt: skip
    theirs = SDK.sign(request).header_params
    raw_query = "&".join(f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query)
    given_headers = [("Host", "oms.example.com"), *headers.items()]
    ours = sign(Unsigned(method, path.encode(), raw_query.encode(), given_headers, body), KEYS, moment)
    assert ours["X-Sdk-Date"] == date
    assert ours["Authorization"] == theirs["Authorization"]


SIGNED = {"Content-Type": "application/json", "X-Request-Nonce": "6e6f6e6365"}


@pytest.fixture(scope="module")
def service():
    """A service that is never called."""
    with Service(Access("http://127.0.0.1:8080", KEYS)) as opened:
        yield opened


@given(st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=20), pairs)
def test_what_httpx_sends_is_what_was_signed(service, segment, query):
    """Httpx may write a path and a query its own way; the SDK makes the same signature of what is on the wire."""
    request = service._http.build_request("GET", f"/v2/p/{quote(segment, safe='')}", params=query, headers=SIGNED)
    service._sign(request)
    url = httpx.URL(str(request.url))
    theirs = SDK.sign(
        SdkRequest(
            "GET", "http", "127.0.0.1:8080", url.raw_path.partition(b"?")[0].decode(),
            header_params={**SIGNED, "X-Sdk-Date": request.headers["X-Sdk-Date"]},
            query_params=list(url.params.multi_items()), body=b"",
        )
    )  # fmt: skip
    assert request.headers["Authorization"] == theirs.header_params["Authorization"]
