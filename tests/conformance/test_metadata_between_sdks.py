"""User metadata keeps its meaning from SDK to SDK: written by the source vendor's, read at OBS by Huawei's.

Huawei's SDK decodes percent signs as it reads. A value that holds ``%C3`` and the like in so many letters is carried as it
is: applications that encode by themselves decode by themselves, and other clients of OBS read it undecoded.
"""

import boto3
import oss2
import pytest
import requests
from botocore.config import Config
from obs import ObsClient
from qcloud_cos import CosConfig, CosS3Client

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness
from oms_adapters.sandbox import Sandbox
from oms_engine.metadata import Terms, plan_attributes
from oms_engine.model import MetadataForm

ASCII = ["a b", "a+b", "100%", "50% of 'x'", "a=b;c", "~*", "<&>"]
CHINESE = ["\u4e2d\u6587", "50% \u4e2d\u6587", "a+b \u4e2d"]
OBS_OWN = [*ASCII, *CHINESE, "K%C3%B6ln", "%41"]


def write_s3(cloud, bucket, key, value):
    """Write with boto3."""
    keys = {"aws_access_key_id": cloud.access_key, "aws_secret_access_key": cloud.secret_key}
    style = Config(s3={"addressing_style": "path"})
    client = boto3.client("s3", endpoint_url=cloud.url, region_name=cloud.region, config=style, **keys)
    client.put_object(Bucket=bucket, Key=key, Body=b"x", Metadata={"m": value})


def write_oss(cloud, bucket, key, value):
    """Write with oss2; text outside ASCII goes as the bytes of its UTF-8."""
    client = oss2.Bucket(oss2.Auth(cloud.access_key, cloud.secret_key), cloud.url, bucket, is_path_style=True)
    client.put_object(key, b"x", headers={"x-oss-meta-m": value})


def write_cos(cloud, bucket, key, value):
    """Write with cos-python-sdk-v5."""
    place = {"IP": cloud.endpoint.host, "Port": cloud.endpoint.port, "Region": cloud.region, "Scheme": "http"}
    config = CosConfig(SecretId=cloud.access_key, SecretKey=cloud.secret_key, **place)
    client = CosS3Client(config, retry=0, session=requests.Session())
    client.put_object(Bucket=bucket, Key=key, Body=b"x", Metadata={"x-cos-meta-m": value})


def write_obs(cloud, bucket, key, value):
    """Write with esdk-obs-python."""
    answer = sdk_of(cloud).putContent(bucket, key, "x", metadata={"m": value})
    assert answer.status == 200, answer


def sdk_of(cloud):
    """Return Huawei's client."""
    options = {"signature": "obs", "path_style": True, "client_mode": "workflow", "max_retry_count": 0}
    return ObsClient(cloud.access_key, cloud.secret_key, server=cloud.url, **options)


SOURCES = {
    "s3": ("AWS", "bucket", write_s3, ASCII),
    "oss": ("Aliyun", "bucket", write_oss, ASCII),
    "cos": ("Tencent", "bucket-1250000000", write_cos, ASCII),
    "obs": ("HuaweiCloud", "source", write_obs, OBS_OWN),
}


@pytest.fixture(scope="module")
def clouds():
    """The clouds whose SDKs are at hand, and OBS."""
    with Sandbox(clouds=("s3", "oss", "cos", "obs")) as running:
        running.obs.create_bucket("destination")
        yield running


def opened(cloud, cloud_type, bucket):
    """Open a bucket as a migration does."""
    style = None if cloud_type == "Tencent" else "path"
    place = {"endpoint": cloud.url, "region": cloud.region, "credentials": cloud.credentials, "addressing": style}
    return open_harness(StoreConfig(cloud_type, bucket, **place))


def carried(clouds, source, attributes):
    """Store attributes at OBS as a migration does, and return what Huawei's SDK reads."""
    with opened(clouds.obs, "HuaweiCloud", "destination") as destination:
        held = destination.store.capabilities
        terms = Terms(held.metadata_form, held.max_user_metadata_bytes)
        assert terms.form is MetadataForm.PERCENT
        destination.put(source, b"x", attributes=plan_attributes(attributes, True, terms))
        return dict(sdk_of(clouds.obs).getObjectMetadata("destination", source).header)["m"]


@pytest.mark.parametrize("name", list(SOURCES))
def test_what_one_sdk_wrote_the_other_reads(clouds, name):
    """Each value that the source vendor's SDK takes is read at OBS, by Huawei's SDK, as it was written."""
    cloud_type, bucket, write, values = SOURCES[name]
    cloud = getattr(clouds, name)
    cloud.create_bucket(bucket)
    read = {}
    with opened(cloud, cloud_type, bucket) as source:
        for number, value in enumerate(values):
            write(cloud, bucket, f"k{number}", value)
            read[value] = carried(clouds, f"{name}{number}", source.head(f"k{number}").attributes)
    assert read == {value: value for value in values}


@pytest.mark.parametrize("name", ["s3", "oss", "cos"])
@pytest.mark.parametrize("value", CHINESE)
def test_chinese_stored_raw_is_read_by_huaweis_sdk(clouds, name, value):
    """What lies at the source as UTF-8, by whatever client, is read as the same characters."""
    cloud_type, bucket, _, _ = SOURCES[name]
    cloud = getattr(clouds, name)
    view = cloud.create_bucket(bucket)
    view.put("k", b"x", user={"m": value.encode().decode("latin-1")})
    with opened(cloud, cloud_type, bucket) as source:
        assert carried(clouds, f"raw-{name}", source.head("k").attributes) == value
