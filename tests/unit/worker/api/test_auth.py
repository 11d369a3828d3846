"""Signatures: the official SDK's signer is the oracle."""

from datetime import UTC, datetime
from types import SimpleNamespace
from urllib.parse import quote

import pytest
from huaweicloudsdkcore.sdk_request import SdkRequest
from huaweicloudsdkcore.signer.signer import Signer, SM3Signer
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.model import Secret
from oms_worker.api.auth import REFUSED, WINDOW_SECONDS, SignedRequest, parse_authorization, verify
from oms_worker.errors import Unauthorized

NOW = 1_767_225_600.0
KEYS = SimpleNamespace(ak="ACCESSKEY", sk="secret/key+=")
SECRET = Secret(KEYS.sk)

plain = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
printable = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=12)
values = st.one_of(plain, st.integers(), st.booleans(), st.lists(plain, min_size=1, max_size=3))
header_names = st.from_regex(r"X-[A-Za-z][A-Za-z0-9-]{0,8}", fullmatch=True).filter(
    lambda name: not name.lower().startswith("x-sdk-")
)


@st.composite
def requests(draw):
    """A request as the SDK would be given it."""
    segments = draw(st.lists(plain, min_size=1, max_size=4))
    names = draw(st.lists(header_names, max_size=3, unique_by=str.lower))
    return SdkRequest(
        method=draw(st.sampled_from(["GET", "POST", "PUT", "DELETE"])),
        schema="http",
        host=draw(st.sampled_from(["127.0.0.1:8080", "oms.example.com"])),
        resource_path="/" + "/".join(quote(segment, safe="") for segment in segments),
        query_params=draw(st.lists(st.tuples(plain.filter(bool), values), max_size=4, unique_by=lambda pair: pair[0])),
        header_params={
            "Content-Type": draw(st.sampled_from(["application/json", "application/json;charset=utf-8", "text/plain"])),
            **{name: draw(printable) for name in names},
        },
        body=draw(st.one_of(st.just(b""), st.binary(max_size=40), plain.map(str.encode))),
    )


def sign(request, moment=NOW, signer=Signer):
    """Have the SDK sign, and give the request as a server gets it."""
    request.header_params["X-Sdk-Date"] = datetime.fromtimestamp(moment, UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = signer(KEYS).sign(request)
    path, _, query = signed.uri.partition("?")
    headers = [(name.lower(), str(value)) for name, value in signed.header_params.items()]
    return SignedRequest(signed.method, path.encode(), query.encode(), headers, signed.body or b"")


def authorization(request):
    """The header that the SDK made, taken apart."""
    return parse_authorization(dict(request.headers)["authorization"])


@given(requests())
def test_what_the_official_sdk_signs_is_accepted(request):
    """Whatever path, query, headers and body: the SDK's signature is the one that is expected."""
    arrived = sign(request)
    verify(arrived, authorization(arrived), SECRET, NOW)


@given(requests(), st.sampled_from(["method", "path", "query", "body", "host", "date", "secret"]))
def test_a_request_that_was_changed_is_refused(request, part):
    """A signature does not outlive a change of anything it covers, nor does another secret key make it."""
    arrived = sign(request)
    headers = dict(arrived.headers)
    unsigned = headers.get("x-sdk-content-sha256") == "UNSIGNED-PAYLOAD" and arrived.body
    if part == "body" and unsigned:
        return  # text/plain: the SDK says in the signature that it does not cover the body
    changed = {
        "method": arrived._replace(method="PATCH"),
        "path": arrived._replace(raw_path=arrived.raw_path + b"/more"),
        "query": arrived._replace(raw_query=arrived.raw_query + b"&zz=1"),
        "body": arrived._replace(body=arrived.body + b"x"),
        "host": arrived._replace(headers=[*({**headers, "host": "evil.example.com"}).items()]),
        "date": arrived._replace(headers=[*({**headers, "x-sdk-date": "20260101T000001Z"}).items()]),
        "secret": arrived,
    }[part]
    with pytest.raises(Unauthorized) as refused:
        verify(changed, authorization(arrived), Secret("another") if part == "secret" else SECRET, NOW)
    assert (refused.value.code, refused.value.http_status) == (REFUSED, 401)


@given(st.floats(-3 * WINDOW_SECONDS, 3 * WINDOW_SECONDS))
def test_a_signature_is_good_for_a_quarter_of_an_hour(late):
    """Within 15 minutes either way it is accepted, beyond it is refused."""
    arrived = sign(SdkRequest("GET", "http", "h", "/v2", header_params={}, query_params=[], body=b""))
    if abs(late) <= WINDOW_SECONDS:
        verify(arrived, authorization(arrived), SECRET, NOW + late)
    else:
        with pytest.raises(Unauthorized, match="clock"):
            verify(arrived, authorization(arrived), SECRET, NOW + late)


def test_other_algorithms_are_refused():
    """SM3 and derived signatures, which the SDK offers too, are not taken for ours."""
    arrived = sign(SdkRequest("GET", "http", "h", "/", header_params={}, query_params=[], body=b""), signer=SM3Signer)
    with pytest.raises(Unauthorized, match="SDK-HMAC-SHA256"):
        authorization(arrived)


@given(st.text(max_size=200))
def test_any_other_authorization_is_refused(value):
    """Rubbish in the header is a refusal, never an error."""
    with pytest.raises(Unauthorized):
        parse_authorization(value)


@pytest.mark.parametrize("missing", ["host", "x-sdk-date"])
def test_a_signature_covers_host_and_date(missing):
    """A signature that leaves one of them out could be sent elsewhere, or later."""
    arrived = sign(SdkRequest("GET", "http", "h", "/", header_params={}, query_params=[], body=b""))
    names = tuple(name for name in authorization(arrived).signed_headers if name != missing)
    with pytest.raises(Unauthorized, match="must cover"):
        verify(arrived, authorization(arrived)._replace(signed_headers=names), SECRET, NOW)


@pytest.mark.parametrize(
    "date", ["", "2026-01-01T00:00:00Z", "20260101T000000", "20261301T000000Z", "٢٠٢٦٠١٠١T٠٠٠٠٠٠Z"]
)
def test_a_date_that_is_none_is_refused(date):
    """A missing or malformed date is a refusal."""
    arrived = sign(SdkRequest("GET", "http", "h", "/", header_params={}, query_params=[], body=b""))
    headers = [*({**dict(arrived.headers), "x-sdk-date": date}).items()]
    with pytest.raises(Unauthorized):
        verify(arrived._replace(headers=headers), authorization(arrived), SECRET, NOW)
