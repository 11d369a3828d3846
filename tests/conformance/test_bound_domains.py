"""Domains that are bound to a bucket: signed and addressed as the vendors' own SDKs do it."""

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness
from oms_adapters.registry import open_store
from oms_adapters.sandbox import Sandbox
from oms_engine.errors import ConfigError
from oms_engine.model import Credentials, Secret

CLOUDS = [("obs", "HuaweiCloud", "files"), ("cos", "Tencent", "files-1250000000")]
KEYS = ["app.apk", "a//b", "dir/", "sp ace", "\u4e2d\u6587"]


@pytest.fixture(scope="module")
def clouds():
    """An OBS and a COS."""
    with Sandbox(clouds=("obs", "cos")) as running:
        yield running


@pytest.mark.parametrize(("name", "cloud_type", "bucket"), CLOUDS)
def test_a_bound_domain_reads_writes_and_lists(clouds, name, cloud_type, bucket):
    """With cname the endpoint's host is the bucket's own, and every call is signed so that the cloud takes it."""
    cloud = getattr(clouds, name)
    view = cloud.create_bucket(bucket)
    cloud.bound = {"downloads.localhost": bucket}
    endpoint = f"http://downloads.localhost:{cloud.endpoint.port}"
    config = StoreConfig(
        cloud_type, bucket, endpoint=endpoint, region=cloud.region, credentials=cloud.credentials, extra={"cname": True}
    )
    with open_harness(config) as harness:
        for key in KEYS:
            harness.put(key, key.encode())
            assert harness.body(key) == key.encode()
        assert harness.keys("") == sorted(KEYS, key=str.encode)
        upload = harness.upload("parts")
        part = harness.perform(harness.store.write_part("parts", upload, 1, size=3, body=b"abc"))
        harness.perform(harness.store.complete_upload("parts", upload, [part]))
    assert view.get("parts") == b"abc"


def test_a_bound_domain_takes_no_path_addressing():
    """A bucket in the path behind its own domain would be a key: refused before anything is sent."""
    config = StoreConfig(
        "HuaweiCloud",
        "files",
        endpoint="https://downloads.example.com",
        addressing="path",
        credentials=Credentials("AK", Secret("SK")),
        extra={"cname": True},
    )
    with pytest.raises(ConfigError, match="takes no path addressing"):
        open_store(config)
