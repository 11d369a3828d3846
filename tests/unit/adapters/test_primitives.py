"""The small pure parts against the standard library."""

import hmac
from email.utils import formatdate
from hashlib import sha1, sha256
from urllib.parse import quote_plus

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.dialects.times import parse_http_date, parse_iso_time
from oms_adapters.dialects.xml import find_text, parse_xml
from oms_adapters.regions import aws, huaweicloud
from oms_adapters.signing.mac import KeyedHash
from oms_adapters.signing.obs import http_date
from oms_adapters.signing.quoting import quote_key, unquote_form
from oms_engine.errors import UnexpectedReply

seconds = st.integers(0, 4_000_000_000)


@given(key=st.binary(max_size=150), message=st.binary(max_size=200), new=st.sampled_from([sha1, sha256]))
def test_keyed_hash_is_hmac(key, message, new):
    """HMAC with the padded blocks hashed beforehand is HMAC, for keys of any length."""
    keyed = KeyedHash(key, new)
    assert keyed(message).digest() == keyed(message).digest() == hmac.digest(key, message, new)


@given(second=seconds)
def test_http_dates(second):
    """Dates are written as the standard library writes them, and read back."""
    assert http_date(second) == formatdate(second, usegmt=True)
    assert parse_http_date(http_date(second)) == second


@given(text=st.text(max_size=40))
def test_a_date_that_is_none_is_zero(text):
    """Whatever a proxy puts into a date header, reading it does not fail."""
    assert isinstance(parse_http_date(text), float)


def test_iso_times():
    """Fractions, offsets and a missing zone (UTC) are understood."""
    assert parse_iso_time("1970-01-01T00:00:01.500Z") == 1.5
    assert parse_iso_time("1970-01-01T08:00:02+08:00") == 2.0
    assert parse_iso_time("1970-01-01T00:00:03") == 3.0
    with pytest.raises(ValueError):
        parse_iso_time("yesterday")


@given(raw=st.binary(max_size=40))
def test_listed_keys_are_decoded_to_their_bytes(raw):
    """A key of any bytes survives form encoding, and is sent again as the same bytes."""
    key = unquote_form(quote_plus(raw))
    assert key.encode("utf-8", "surrogateescape") == raw
    assert unquote_form(quote_key(key)) == key


@given(body=st.binary(max_size=60))
def test_xml_is_parsed_or_refused(body):
    """Bytes that are no document are an unexpected reply."""
    with pytest.raises(UnexpectedReply):
        parse_xml(b"<a>" + body)


def test_xml_without_namespaces():
    """Names lose their namespace, whether it is the default one or prefixed."""
    for document in (b"<a xmlns='u'><b>x</b></a>", b"  <n:a xmlns:n='u'><n:b>x</n:b></n:a>"):
        assert find_text(parse_xml(document), "b") == "x"


@pytest.mark.parametrize("table", [aws, huaweicloud], ids=["aws", "huaweicloud"])
def test_regions(table):
    """Every region of the table has the shape of one, and its endpoint leads back to it."""
    for region in table.REGIONS:
        assert table.SHAPE.fullmatch(region)
        host = table.endpoint_of(region).removeprefix("https://")
        assert table.region_of_host(host) == table.region_of_host(f"bucket.{host}") == region


@pytest.mark.parametrize("host", ["s3.amazonaws.com", "s3.eu-west-1.example.com", "minio", "s3-website.amazonaws.com"])
def test_hosts_of_others_have_no_region(host):
    """Only AWS's regional hosts name a region."""
    assert aws.region_of_host(host) is None


@pytest.mark.parametrize(
    ("host", "moved"),
    [
        ("s3.amazonaws.com", "s3.cn-north-1.amazonaws.com.cn"),
        ("b.s3.us-east-1.amazonaws.com", "b.s3.cn-north-1.amazonaws.com.cn"),
        ("x.s3.b.s3.eu-west-1.amazonaws.com", "x.s3.b.s3.cn-north-1.amazonaws.com.cn"),
        ("minio.lan", None),
        ("s3.lan", None),
    ],
)
def test_hosts_move_between_regions(host, moved):
    """The bucket in front stays when a host is moved to another region; hosts of others are not moved."""
    assert aws.host_in_region(host, "cn-north-1") == moved


def test_endpoints_are_those_of_the_sdk():
    """Every region that boto3 knows is in our table, with the endpoint that boto3 would use."""
    session = boto3.session.Session()
    for partition in ("aws", "aws-cn", "aws-us-gov", "aws-eusc"):
        for region in session.get_available_regions("s3", partition):
            client = session.client("s3", region_name=region, aws_access_key_id="a", aws_secret_access_key="b")
            assert region in aws.REGIONS
            assert aws.endpoint_of(region) == client.meta.endpoint_url.replace(
                "s3.amazonaws.com", "s3.us-east-1.amazonaws.com"
            )
