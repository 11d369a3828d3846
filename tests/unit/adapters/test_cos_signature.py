"""COS's signature against its oracle: cos-python-sdk-v5's own signer."""

import time
from types import SimpleNamespace
from unittest.mock import patch

from hypothesis import given
from hypothesis import strategies as st
from qcloud_cos import CosConfig
from qcloud_cos.cos_auth import CosS3Auth, filter_headers

from oms_adapters.signing.cos import SIGNED_HEADERS, SKEW, WINDOW, CosSignature
from oms_adapters.signing.quoting import quote_key
from oms_engine.model import Credentials, Secret
from oms_engine.store import Endpoint, Request

NOW = 1_795_219_417
HOST = "photos-1250000000.cos.ap-guangzhou.myqcloud.com"

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
header_names = st.one_of(
    st.from_regex(r"x-cos-(meta-)?[a-z0-9-]{1,8}", fullmatch=True).filter(lambda n: n != "x-cos-security-token"),
    st.sampled_from(
        ["content-type", "content-md5", "Range", "If-Match", "accept-encoding", "x-other", "Cache-Control"]
    ),
)
query_names = st.one_of(
    st.sampled_from(["uploads", "uploadId", "partNumber", "restore", "prefix", "marker", "max-keys", "encoding-type"]),
    st.from_regex(r"[a-zé%~ *]{1,6}", fullmatch=True),
)


def config(token: str | None = None) -> CosConfig:
    """Return the SDK's configuration for the account of these tests."""
    return CosConfig(Region="ap-guangzhou", SecretId="AKID", SecretKey="SK+/", Token=token)


def sdk_authorization(request: Request, key: str, headers: dict[str, str]) -> str:
    """Return what the SDK would send as Authorization for the same span of time."""
    since = NOW // WINDOW * WINDOW - SKEW
    signer = CosS3Auth(config(), None, {n: v or "" for n, v in request.query}, expire=WINDOW + 2 * SKEW - 60)
    # The SDK takes "/lead" for "lead"; its signer is shown the path that the wire really asks for.
    signer._path = f"/{key}"
    shown = SimpleNamespace(method=request.method, url=f"https://{HOST}/", headers=dict(headers))
    with patch.object(time, "time", return_value=since + 60):
        return signer(shown).headers["Authorization"]


@given(
    method=st.sampled_from(["GET", "PUT", "HEAD", "POST", "DELETE"]),
    key=text,
    query=st.dictionaries(query_names, st.one_of(st.none(), text), max_size=4),
    headers=st.dictionaries(header_names, values, max_size=6),
    token=st.one_of(st.none(), st.just("tok/en+=")),
)
def test_equals_sdk(method, key, query, headers, token):
    """Any request carries the signature that Tencent's SDK would give it, whatever its key holds."""
    request = Request(method, Endpoint("https", HOST, 443), f"/{quote_key(key)}", tuple(query.items()), headers)
    credentials = Credentials("AKID", Secret("SK+/"), Secret(token) if token else None)
    signed = CosSignature(credentials)(request, float(NOW))
    sent = {**headers, **({"x-cos-security-token": token} if token else {})}
    assert signed.headers["authorization"] == sdk_authorization(request, key, sent)
    assert signed[:4] == request[:4]
    assert signed.headers.get("x-cos-security-token") == token


def test_header_bytes_are_signed_as_sent():
    """A header value of UTF-8 bytes is signed by those bytes, as the SDK signs the text."""
    sent = {"x-cos-meta-a": "é中".encode().decode("latin-1")}
    request = Request("PUT", Endpoint("https", HOST, 443), "/k", (), sent)
    signed = CosSignature(Credentials("AKID", Secret("SK+/")))(request, float(NOW))
    assert signed.headers["authorization"] == sdk_authorization(request, "k", {"x-cos-meta-a": "é中"})


def test_a_port_is_signed_with_the_host():
    """The Host header is signed as it is sent, with a port that is not the scheme's own."""
    request = Request("GET", Endpoint("http", "b-1250000000.cos.localhost", 9000), "/k", (), {})
    signed = CosSignature(Credentials("AKID", Secret("SK+/")))(request, float(NOW))
    assert signed.headers["authorization"] == sdk_authorization(
        request, "k", {"Host": "b-1250000000.cos.localhost:9000"}
    )


@given(now=st.integers(min_value=SKEW, max_value=4_000_000_000))
def test_the_span_of_time_tolerates_a_clock_that_is_a_quarter_of_an_hour_off(now):
    """A store whose clock is up to 15 minutes ahead or behind accepts the signature."""
    request = Request("GET", Endpoint("https", HOST, 443), "/k", (), {})
    sent = CosSignature(Credentials("AKID", Secret("SK+/")))(request, float(now)).headers["authorization"]
    fields = dict(part.split("=", 1) for part in sent.split("&"))
    first, last = map(int, fields["q-sign-time"].split(";"))
    assert first <= now - SKEW
    assert now + SKEW < last
    assert last - now <= SKEW + WINDOW


@given(nows=st.lists(st.integers(min_value=NOW - 2 * WINDOW, max_value=NOW + 2 * WINDOW), min_size=2, max_size=6))
def test_a_kept_key_signs_as_a_new_one(nows):
    """A signer that has signed before gives the signature that a new one gives, whichever way the clock goes."""
    request = Request("GET", Endpoint("https", HOST, 443), "/k", (), {})
    credentials = Credentials("AKID", Secret("SK+/"))
    kept = CosSignature(credentials)
    for now in nows:
        assert kept(request, float(now)) == CosSignature(credentials)(request, float(now))


def test_signed_headers_are_the_sdks():
    """The headers signed are those the vendor's SDK signs, but for those that only the wire knows."""
    candidates = SIGNED_HEADERS | {"accept-encoding", "user-agent", "date", "if-range", "te"}
    assert set(filter_headers(dict.fromkeys(candidates, ""))) == SIGNED_HEADERS
