"""Where AWS's buckets are: partitions as botocore has them, hosts of every kind, and kinds of buckets that are none."""

import re

import boto3
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.config import StoreConfig, check_bucket
from oms_adapters.regions.aws import REGIONS, domain_of, endpoint_of, host_in_region, is_aws_host, region_of_host
from oms_adapters.registry import adapter_for, open_store
from oms_engine.errors import ConfigError

SESSION = boto3.session.Session()
PARTITIONS = SESSION.get_available_partitions()
THEIRS = [(name, region) for name in PARTITIONS for region in SESSION.get_available_regions("s3", name)]


@pytest.mark.parametrize(("partition", "region"), THEIRS)
def test_a_region_lies_where_botocore_has_it(partition, region):
    """Region and endpoint are those the vendor's SDK would send to, in every partition."""
    client = SESSION.client("s3", region_name=region, aws_access_key_id="AK", aws_secret_access_key="SK")
    theirs = client.meta.endpoint_url.replace("https://s3.amazonaws.com", "https://s3.us-east-1.amazonaws.com")
    assert endpoint_of(region) == theirs, partition
    host = theirs.removeprefix("https://")
    assert (region_of_host(host), is_aws_host(host)) == (region, True)
    assert (
        open_store(StoreConfig("s3", "a-bucket", region=region)).head("k").request.endpoint.host == f"a-bucket.{host}"
    )


def test_every_region_of_botocore_is_known():
    """The table that guesses spelling mistakes holds them all."""
    assert {region for _, region in THEIRS} <= set(REGIONS)


KINDS = st.sampled_from(["s3", "s3-fips", "s3.dualstack", "s3-fips.dualstack"])


@given(
    kind=KINDS,
    front=st.sampled_from(["", "bucket.", "my.dotted.bucket."]),
    pair=st.tuples(*[st.sampled_from(REGIONS)] * 2),
)
def test_a_host_moved_to_another_region_stays_of_its_kind(kind, front, pair):
    """FIPS stays FIPS and dual-stack stays dual-stack, with the same bucket in front."""
    here, there = pair
    host = f"{front}{kind}.{here}.{domain_of(here)}"
    assert region_of_host(host) == here
    moved = host_in_region(host, there)
    assert moved == f"{front}{kind}.{there}.{domain_of(there)}"
    assert region_of_host(moved) == there


@pytest.mark.parametrize(
    "host", ["s3.example.com", "storage.googleapis.com", "s3.amazonaws.com.evil.example", "xs3.us-east-1.amazonaws.com"]
)
def test_hosts_of_others_are_never_moved(host):
    """Only AWS's own hosts have a place in another region."""
    assert host_in_region(host, "eu-west-1") is None
    assert region_of_host(host) is None


ARN_KINDS = [
    ("arn:aws:s3:us-east-1:123456789012:accesspoint/mine", "alias"),
    ("arn:aws-cn:s3:cn-north-1:123456789012:accesspoint:mine", "alias"),
    ("arn:aws:s3:us-east-1:123456789012:accesspoint", "alias"),  # what a URL holds up to its first slash
    ("arn:aws:s3::123456789012:accesspoint/mfzwi23gnjvgw.mrap", "SigV4A"),
    ("arn:aws:s3::123456789012:accesspoint", "SigV4A"),
    ("arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01ac5d28a6a232904/bucket/mine", "Outposts"),
    ("arn:aws:s3-object-lambda:us-east-1:123456789012:accesspoint/mine", "other bytes"),
    ("arn:aws:s3express:us-east-1:123456789012:bucket/b--use1-az4--x-s3", "directory bucket"),
    ("arn:aws:s3tables:us-east-1:123456789012:bucket/mine", "table bucket"),
    ("arn:aws:s3:::plain", "without its ARN"),
    ("arn:aws:dynamodb:us-east-1:1:table/x", "names no bucket"),
]


@pytest.mark.parametrize(("name", "said"), ARN_KINDS)
def test_an_arn_is_refused_with_what_to_write(name, said):
    """An ARN never stands for a bucket: one sentence says what it is and what to write."""
    with pytest.raises(ConfigError, match=re.escape(said)):
        check_bucket(name)
    with pytest.raises(ConfigError, match=re.escape(said)):
        open_store(StoreConfig("s3", name, region="us-east-1"))


NAMED_KINDS = [
    ("b--use1-az4--x-s3", "directory bucket"),
    ("ap--use1-az4--xa-s3", "directory bucket"),
    ("my-olap-hrzrlukc5m36ft7okagglf3gmwluquse1b--ol-s3", "other bytes"),
    ("my-ap-o0000000000000000000000000--op-s3", "Outposts"),
    ("mfzwi23gnjvgw.mrap", "SigV4A"),
    ("tables--table-s3", "table bucket"),
]


@pytest.mark.parametrize(("name", "said"), NAMED_KINDS)
def test_a_name_that_aws_keeps_for_another_kind_is_refused(name, said):
    """Opening the bucket or its account says so; another vendor may call a bucket as it likes."""
    for reach in (open_store, adapter_for("s3").account):
        with pytest.raises(ConfigError, match=re.escape(said)):
            reach(StoreConfig("s3", name, region="us-east-1"))
    assert open_store(StoreConfig("s3", name, endpoint="https://s3.example")).bucket == name


@pytest.mark.parametrize(
    ("endpoint", "said"),
    [
        ("https://s3express-use1-az4.us-east-1.amazonaws.com", "directory bucket"),
        ("https://mine-123.s3-accesspoint.us-east-1.amazonaws.com", "alias"),
        ("https://mine-123.op-01.s3-outposts.us-east-1.amazonaws.com", "Outposts"),
        ("https://mine-123.s3-object-lambda.us-east-1.amazonaws.com", "other bytes"),
        ("https://mfzwi.accesspoint.s3-global.amazonaws.com", "SigV4A"),
    ],
)
def test_a_host_of_another_kind_is_refused(endpoint, said):
    """A host that speaks for another kind of bucket is told from S3's own before anything is sent."""
    with pytest.raises(ConfigError, match=re.escape(said)):
        open_store(StoreConfig("s3", "bucket", endpoint=endpoint, region="us-east-1"))


def test_an_alias_of_an_access_point_is_a_bucket():
    """Its alias is read and listed like a bucket's name."""
    store = open_store(StoreConfig("s3", "mine-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias", region="us-east-1"))
    assert store.list_page("").request.endpoint.host.startswith("mine-hrzrlukc5m36ft7okagglf3gmwluquse1b-s3alias.s3.")
