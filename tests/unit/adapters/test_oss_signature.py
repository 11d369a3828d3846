"""OSS's two signatures against their oracle: oss2's own signers."""

from datetime import UTC, datetime
from types import SimpleNamespace
from unittest.mock import patch

import oss2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oss2.auth import ProviderAuth
from oss2.http import Request as SdkRequest

from oms_adapters.regions.aliyun import region_of_host
from oms_adapters.signing.obs import http_date
from oms_adapters.signing.oss import SUB_RESOURCES, OssV1, OssV4
from oms_adapters.signing.quoting import quote_key
from oms_engine.model import Credentials, Secret
from oms_engine.store import Endpoint, Request

NOW = 1_795_219_417
SECRET = "SK+/="

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20).filter(
    lambda value: value == value.strip(" \t")
)
header_names = st.one_of(
    st.from_regex(r"x-oss-(meta-)?[a-z0-9-]{1,8}", fullmatch=True).filter(
        lambda name: name not in {"x-oss-date", "x-oss-security-token", "x-oss-content-sha256"}
    ),
    st.sampled_from(["content-type", "content-md5", "range", "if-match", "x-oss-storage-class", "X-Oss-Acl"]),
)
query_names = st.one_of(
    st.sampled_from(sorted(SUB_RESOURCES)),
    st.sampled_from(["prefix", "marker", "max-keys", "encoding-type", "list-type", "start-after"]),
    text.filter(bool),
)
requests = st.builds(
    lambda method, key, query, headers, path_style: (
        Request(
            method,
            Endpoint("https", "h", 443),
            f"/bucket/{quote_key(key)}" if path_style else f"/{quote_key(key)}",
            tuple(query.items()),
            {name: value.encode().decode("latin-1") for name, value in headers.items()},
        ),
        key,
        None if path_style else "bucket",
    ),
    st.sampled_from(["GET", "PUT", "HEAD", "POST", "DELETE"]),
    text.filter(bool),
    st.dictionaries(query_names, st.one_of(st.none(), text), max_size=5),
    st.dictionaries(header_names, values, max_size=6),
    st.booleans(),
)
tokens = st.one_of(st.none(), st.just("tok/en+="))


def official(request, key, version, *, token=None, region="cn-hangzhou", bucket="bucket"):
    """Return the headers the SDK signs a request with, at the second NOW."""
    if token:
        auth = oss2.StsAuth("AK", SECRET, token, auth_version=version)
    else:
        auth = oss2.make_auth("AK", SECRET, auth_version=version)
    headers = {name: value.encode("latin-1").decode() for name, value in request.headers.items()}
    params = {name: value or "" for name, value in request.query}
    asked = SdkRequest(request.method, "http://h/", params=params, headers=headers, region=region, product="oss")
    moment = datetime.fromtimestamp(NOW, UTC)
    clock = SimpleNamespace(utcnow=lambda: moment)
    with patch("oss2.auth.datetime", clock), patch("oss2.utils.http_date", lambda: http_date(NOW)):
        auth._sign_request(asked, bucket, key)
    return asked.headers


def credentials(token=None):
    """Return the account of these tests."""
    return Credentials("AK", Secret(SECRET), Secret(token) if token else None)


@given(asked=requests, token=tokens)
def test_v4_equals_oss2(asked, token):
    """Any request carries the version 4 signature, date and token that Alibaba Cloud's SDK would give it."""
    request, key, bucket = asked
    signed = OssV4(credentials(token), "cn-hangzhou", bucket)(request, float(NOW))
    expected = official(request, key, oss2.AUTH_VERSION_4, token=token)
    for name in ("authorization", "x-oss-date", "x-oss-content-sha256", "x-oss-security-token"):
        assert signed.headers.get(name) == expected.get(name)
    assert signed[:4] == request[:4]


@given(asked=requests, token=tokens)
def test_v1_equals_oss2(asked, token):
    """Any request carries the version 1 signature, date and token that Alibaba Cloud's SDK would give it."""
    request, key, bucket = asked
    signed = OssV1(credentials(token), bucket)(request, float(NOW))
    expected = official(request, key, oss2.AUTH_VERSION_1, token=token)
    for name in ("authorization", "date", "x-oss-security-token"):
        assert signed.headers.get(name) == expected.get(name)
    assert signed[:4] == request[:4]


@given(
    version=st.sampled_from([oss2.AUTH_VERSION_1, oss2.AUTH_VERSION_4]),
    path_style=st.booleans(),
    query=st.dictionaries(query_names, text, max_size=4),
)
def test_bucket_calls_equal_oss2(version, path_style, query):
    """A call that names no object is signed with the slash behind its bucket, which path style leaves out."""
    request = Request("GET", Endpoint("https", "h", 443), "/bucket" if path_style else "/", tuple(query.items()), {})
    bucket = None if path_style else "bucket"
    v4 = OssV4(credentials(), "cn-hangzhou", bucket)
    sign = v4 if version == oss2.AUTH_VERSION_4 else OssV1(credentials(), bucket)
    assert sign(request, float(NOW)).headers["authorization"] == official(request, "", version)["authorization"]


@pytest.mark.parametrize("version", [oss2.AUTH_VERSION_1, oss2.AUTH_VERSION_4])
def test_calls_without_a_bucket_equal_oss2(version):
    """A call to the service itself is signed for ``/``."""
    request = Request("GET", Endpoint("https", "h", 443), "/", (), {})
    sign = OssV4(credentials(), "cn-hangzhou", None) if version == oss2.AUTH_VERSION_4 else OssV1(credentials(), None)
    expected = official(request, "", version, bucket="")
    assert sign(request, float(NOW)).headers["authorization"] == expected["authorization"]


@given(value=st.sampled_from(["à", "Å", "a\u00a0", "\u0085b", "中"]))
def test_bytes_that_look_like_blanks_are_signed(value):
    """A value whose UTF-8 bytes end in A0 or 85 is signed whole."""
    request = Request("PUT", Endpoint("https", "h", 443), "/k", (), {"x-oss-meta-a": value.encode().decode("latin-1")})
    for version, sign in (
        (oss2.AUTH_VERSION_1, OssV1(credentials(), "bucket")),
        (oss2.AUTH_VERSION_4, OssV4(credentials(), "cn-hangzhou", "bucket")),
    ):
        expected = official(request, "k", version)["authorization"]
        assert sign(request, float(NOW)).headers["authorization"] == expected


def test_v1_signs_the_parameters_of_the_sdk():
    """Exactly the query parameters that the vendor's SDK signs are signed by version 1."""
    assert ProviderAuth._subresource_key_set == SUB_RESOURCES


def test_a_redirected_request_is_signed_for_its_region():
    """A request that goes to a host of another region is signed for that region, others for the store's own."""
    sign = OssV4(credentials(), "cn-hangzhou", "bucket", region_of=region_of_host)
    for host, region in (
        ("bucket.oss-cn-beijing.aliyuncs.com", "cn-beijing"),
        ("bucket.oss-us-west-1-internal.aliyuncs.com", "us-west-1"),
        ("data.example.com", "cn-hangzhou"),
    ):
        request = Request("GET", Endpoint("https", host, 443), "/k", (), {})
        expected = official(request, "k", oss2.AUTH_VERSION_4, region=region)["authorization"]
        assert sign(request, float(NOW)).headers["authorization"] == expected
