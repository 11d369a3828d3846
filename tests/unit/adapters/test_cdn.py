"""A bucket behind a CDN: its configuration, what is sent, and when what is served is believed."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.cdn import CdnMissing, CdnRefused, CdnStale, CdnStore, difference, parse_cdn
from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_adapters.signing.cdn import CdnAuth
from oms_engine.errors import ConfigError, RangeIgnored, Redirected, Throttled, Unavailable
from oms_engine.model import Attributes, Credentials, ObjectHead, Secret, Span
from oms_engine.store import BucketStore, FrontedStore, Reply
from oms_engine.wire.codec import render_target

MD5 = "0123456789abcdef0123456789abcdef"
STATED = ObjectHead("k é", 10, MD5, 1_700_000_000.0, Attributes("text/x", user={"a": "b"}))
HEADERS = {"content-length": "10", "etag": f'"{MD5}"', "last-modified": "Tue, 14 Nov 2023 22:13:20 GMT"}


def fronted(**options) -> CdnStore:
    """Return an S3 bucket behind a CDN."""
    options = {"domain": "cdn.example.com", **options}
    credentials = Credentials("AKID", Secret("do-not-tell"))
    config = StoreConfig("AWS", "bkt", region="eu-west-1", credentials=credentials, cdn=parse_cdn(**options))
    store = open_store(config)
    assert isinstance(store, CdnStore)
    return store


def test_it_is_a_bucket_and_reads_elsewhere():
    """Listing and HEAD go to the bucket, signed; a read goes to the CDN with nothing of the bucket's protocol."""
    store = fronted()
    assert isinstance(store, BucketStore)
    assert isinstance(store, FrontedStore)
    assert store.head("k").request.endpoint == store.endpoint
    call = store.read_stated(STATED, span=Span(0, 4))
    request = call.sign(call.request, 1_700_000_000)
    assert request.endpoint == store.read_endpoint == ("https", "cdn.example.com", 443, False)
    assert render_target(request) == "/k%20%C3%A9"
    assert request.headers == {"accept": "*/*", "accept-encoding": "identity", "range": "bytes=0-4"}


@pytest.mark.parametrize("auth", CdnAuth)
def test_no_secret_of_the_bucket_is_sent(auth):
    """Whatever the authentication, neither the bucket's secret nor its signature headers reach the CDN."""
    store = fronted(auth=auth.value.lower(), key=Secret("sv=1&sig=x"))
    call = store.read("a//b")
    request = call.sign(call.request, 1_700_000_000)
    assert "do-not-tell" not in repr(request)
    assert not {"authorization", "x-amz-date"} & set(request.headers)
    assert "do-not-tell" not in repr(store._cdn) + repr(call)
    assert "sig=x" not in repr(store._cdn)


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({}, None),
        ({"size": 11}, "11 bytes"),
        ({"last_modified": 1_699_999_999.0}, "older"),
        ({"last_modified": 1_700_000_001.0}, "newer"),
        ({"last_modified": 0.0}, None),
        ({"last_modified": 0.0, "etag": ""}, "neither"),
        ({"etag": "f" * 32}, "ETag"),
        ({"etag": MD5.upper()}, None),
        ({"etag": 'W/"x"'}, None),
        ({"etag": "65f-1a2b"}, None),
        ({"etag": "f" * 32 + "-2"}, None),
        ({"size": None}, None),
    ],
)
def test_what_is_served_is_held_against_the_bucket(changes, fault):
    """Size and whole seconds must be equal, the ETag where both are of a kind; a CDN that states nothing is not believed."""
    found = difference(STATED, STATED._replace(**changes))
    assert (found is None) == (fault is None)
    assert fault is None or fault in found


@given(st.floats(0, 0.999), st.floats(0, 0.999))
def test_fractions_of_a_second_do_not_matter(ours, theirs):
    """HTTP dates know whole seconds."""
    stated = STATED._replace(last_modified=1_700_000_000 + ours)
    assert difference(stated, STATED._replace(last_modified=1_700_000_000 + theirs)) is None


def test_the_value_of_a_read_is_what_the_bucket_states():
    """Attributes and metadata are the bucket's, whatever the CDN says of them."""
    call = fronted().read_stated(STATED)
    assert call.read(Reply(200, {**HEADERS, "content-type": "application/cdn", "x-cache": "HIT"}, b"")) is STATED


@pytest.mark.parametrize(
    ("status", "headers", "kind"),
    [
        (200, HEADERS | {"content-length": "9"}, CdnStale),
        (200, {"content-length": "10"}, CdnStale),
        (403, {}, CdnRefused),
        (401, {}, CdnRefused),
        (404, {}, CdnMissing),
        (503, {}, Throttled),
        (502, {}, Unavailable),
        (301, {"location": "https://elsewhere.example.com/"}, Redirected),
    ],
)
def test_refusals_have_names(status, headers, kind):
    """A stale, refused or missing object has its own code; the text names the remedy."""
    with pytest.raises(kind) as caught:
        fronted().read_stated(STATED).read(Reply(status, headers, b""))
    assert caught.value.store == "s3://bkt"
    if kind in {CdnStale, CdnRefused, CdnMissing}:
        assert "CDN" in kind.code
    if kind is CdnRefused:
        assert "hotlink" in str(caught.value)


def test_ranges_must_be_read():
    """A CDN that sends the whole object for a range is found out, and so is one that sends another range."""
    call = fronted().read_stated(STATED, span=Span(2, 5))
    with pytest.raises(RangeIgnored):
        call.read(Reply(200, HEADERS, b""))
    with pytest.raises(RangeIgnored):
        call.read(Reply(206, HEADERS | {"content-range": "bytes 0-3/10", "content-length": "4"}, b""))
    assert call.read(Reply(206, HEADERS | {"content-range": "bytes 2-5/10", "content-length": "4"}, b"")) is STATED


def test_only_its_own_https_side_is_followed():
    """A redirect to https on the same domain is followed, any other is not: addresses are signed for one domain."""
    call = fronted(protocol="HTTP").read_stated(STATED)
    for location, followed in (
        ("https://cdn.example.com/k", "https://cdn.example.com"),
        ("https://cdn.example.com.evil.test/k", ""),
        ("http://cdn.example.com/other", ""),
        ("//x", ""),
    ):
        with pytest.raises(Redirected) as caught:
            call.read(Reply(301, {"location": location}, b""))
        assert caught.value.location == followed


@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"domain": "https://cdn.example.com"}, "OMS.0081"),
        ({"domain": "cdn.example.com/path"}, "OMS.0081"),
        ({"domain": "cdn..example.com"}, "OMS.0081"),
        ({"domain": "user@cdn.example.com"}, "OMS.0081"),
        ({"domain": "cdn example.com"}, "OMS.0081"),
        ({"domain": ""}, "OMS.0081"),
        ({"domain": "cdn.example.com:0"}, "OMS.0081"),
        ({"domain": "cdn.example.com:65536"}, "OMS.0081"),
        ({"domain": "cdn.example.com\n"}, "OMS.0081"),
        ({"protocol": "ftp"}, "OMS.0081"),
        ({"auth": "ALIYUN_OSS_Z"}, "OMS.1003"),
        ({"auth": "QINIU_PRIVATE_AUTHENTICATION", "signs": False}, "OMS.1032"),
        ({"auth": "TENCENT_COS_A", "key": Secret("")}, "OMS.1032"),
        ({"auth": "AZURE_SAS_TOKEN", "key": Secret("a b")}, "OMS.1032"),
        *(({"auth": kind}, "OMS.1032") for kind in ("ALIYUN_OSS_A", "TENCENT_COS_D", "AZURE_SAS_TOKEN")),
    ],
)
def test_bad_configurations_have_omss_codes(options, code):
    """A domain that is none, an unknown word or a missing key is refused with OMS's code."""
    with pytest.raises(ConfigError) as caught:
        parse_cdn(**{"domain": "cdn.example.com", **options})
    assert caught.value.code == code


@pytest.mark.parametrize("protocol", ["http", "HTTPS", "Https"])
def test_words_are_taken_in_any_case(protocol):
    """Protocol and authentication are taken in any case of letters."""
    cdn = parse_cdn("cdn.example.com:8080", protocol=protocol, auth="tencent_cos_b", key=Secret("k"))
    assert (cdn.endpoint.scheme, cdn.endpoint.port, cdn.auth) == (protocol.lower(), 8080, CdnAuth.TENCENT_B)


@pytest.mark.parametrize(
    ("auth", "options", "said"),
    [
        ("TENCENT_COS_B", {"sign_name": "x"}, "has none"),
        ("TENCENT_COS_A", {"hex_time": True}, "it has sign_name"),
        ("TENCENT_COS_D", {"hex_time": "yes"}, "true or false"),
        ("TENCENT_COS_D", {"sign_name": "a&b"}, "name of a parameter"),
        ("ALIYUN_OSS_C", {"sign_name": "k"}, "in_query"),
        ("NONE", {"sign_name": "k"}, "has none"),
    ],
)
def test_an_option_that_its_type_lacks_is_refused(auth, options, said):
    """Each type has the options its vendor gives it; others, and wrong values, are named."""
    with pytest.raises(ConfigError, match=said) as caught:
        parse_cdn("cdn.example.com", auth=auth, key=Secret("k"), options=options)
    assert caught.value.code == "OMS.1003"


def test_options_reach_the_address():
    """A read goes to the address that the options ask for."""
    store = fronted(auth="TENCENT_COS_D", key=Secret("k"), options={"sign_name": "token", "hex_time": True})
    call = store.read("k")
    assert re.fullmatch(r"token=[0-9a-f]{32}&t=6553f100", call.sign(call.request, 1_700_000_000).raw_query)
