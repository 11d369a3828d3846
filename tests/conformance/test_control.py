"""Control operations against clouds that verify signatures with the vendors' own code."""

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.sandbox import Sandbox
from oms_engine.errors import BadCredentials
from oms_engine.model import Credentials, Secret
from support.control import bucket_region, list_buckets


@pytest.fixture(scope="module")
def sandbox():
    """Both clouds, with two buckets each."""
    with Sandbox() as running:
        for cloud in (running.s3, running.obs):
            cloud.create_bucket("first")
            cloud.create_bucket("second")
        yield running


def config_of(sandbox, cloud_type, credentials=None):
    """Return how one of the clouds is reached."""
    cloud = sandbox.s3 if cloud_type == "AWS" else sandbox.obs
    return StoreConfig(cloud_type, "first", endpoint=cloud.url, credentials=credentials or cloud.credentials), cloud


@pytest.mark.parametrize("cloud_type", ["AWS", "HuaweiCloud"])
def test_buckets_are_listed(sandbox, cloud_type):
    """The account's buckets are listed with the time they were created."""
    config, _ = config_of(sandbox, cloud_type)
    found = list_buckets(config)
    assert [bucket.name for bucket in found] == ["first", "second"]
    assert all(bucket.created > 1_700_000_000 for bucket in found)


@pytest.mark.parametrize("cloud_type", ["AWS", "HuaweiCloud"])
def test_the_region_of_a_bucket_is_found(sandbox, cloud_type):
    """The bucket itself says in which region it is."""
    config, cloud = config_of(sandbox, cloud_type)
    assert bucket_region(config) == cloud.region


@pytest.mark.parametrize("cloud_type", ["AWS", "HuaweiCloud"])
def test_a_refusal_is_one_sentence_without_the_secret(sandbox, cloud_type):
    """A wrong secret is refused with the vendor's code, and the sentence holds no secret."""
    config, cloud = config_of(sandbox, cloud_type)
    wrong = Credentials(cloud.access_key, Secret("wrong-secret-of-mine"))
    config, _ = config_of(sandbox, cloud_type, wrong)
    with pytest.raises(BadCredentials, match="SignatureDoesNotMatch") as caught:
        list_buckets(config)
    assert "wrong-secret-of-mine" not in str(caught.value)
