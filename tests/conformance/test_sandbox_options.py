"""How a bucket is opened, against clouds that enforce it: tokens, requester pays, anonymous access, encryption, redirects."""

from dataclasses import replace

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness
from oms_adapters.sandbox import Fault, Match, Redirect, Sandbox
from oms_engine.errors import AccessDenied, BadCredentials
from oms_engine.model import Credentials, Secret

CLOUDS = pytest.mark.parametrize("cloud_type", ["AWS", "HuaweiCloud"])


@pytest.fixture(scope="module")
def sandbox():
    """Both clouds."""
    with Sandbox() as running:
        yield running


def cloud_of(sandbox, cloud_type, **bucket):
    """Return one of the clouds with a new bucket, and how it is reached."""
    cloud = sandbox.s3 if cloud_type == "AWS" else sandbox.obs
    cloud.create_bucket("options", **bucket)
    return cloud, StoreConfig(cloud_type, "options", endpoint=cloud.url, credentials=cloud.credentials)


@CLOUDS
def test_temporary_credentials(sandbox, cloud_type):
    """A token is sent and signed; without it, or with another, the key is refused."""
    cloud, config = cloud_of(sandbox, cloud_type)
    temporary = cloud.add_credentials("TEMPORARYKEY", "its-secret", token="its+token/=")
    with open_harness(replace(config, credentials=temporary)) as harness:
        harness.put("k", b"x")
        assert harness.body("k") == b"x"
        for token in (None, Secret("another")):
            wrong = harness.variant(credentials=Credentials("TEMPORARYKEY", temporary.secret_key, token))
            with pytest.raises((BadCredentials, AccessDenied)):
                harness.perform(wrong.list_page(""))


@CLOUDS
def test_the_requester_pays(sandbox, cloud_type):
    """A bucket whose requester pays is read only with the option; listing and HEAD too."""
    cloud, config = cloud_of(sandbox, cloud_type, requester_pays=True)
    cloud.bucket("options").put("k", b"x")
    guest = cloud.add_credentials("GUESTKEY", "guest-secret")
    with open_harness(replace(config, credentials=guest)) as harness:
        paying = harness.variant(requester_pays=True)
        assert harness.fetch(paying.read("k"))[1] == b"x"
        assert len(harness.perform(paying.list_page("")).objects) == 1
        for call in (harness.store.read("k"), harness.store.head("k"), harness.store.list_page("")):
            with pytest.raises(AccessDenied):
                harness.perform(call)


@CLOUDS
def test_anonymous_requests_are_told_so(sandbox, cloud_type):
    """Without credentials nothing is signed, and a private bucket says that access is denied."""
    _, config = cloud_of(sandbox, cloud_type)
    with open_harness(replace(config, credentials=None)) as harness, pytest.raises(AccessDenied):
        harness.perform(harness.store.list_page(""))


@CLOUDS
def test_a_bucket_that_encrypts_by_default(sandbox, cloud_type):
    """Encryption that the bucket adds is stated, and the ETag is then not taken for an MD5."""
    _, config = cloud_of(sandbox, cloud_type, default_kms=True)
    with open_harness(config) as harness:
        assert harness.put("k", b"x")[1:2] == (None,)
        head = harness.head("k")
        assert (head.encryption, head.md5) == ("kms", None)


@CLOUDS
def test_a_redirect_is_followed_and_signed_anew(sandbox, cloud_type):
    """A 307 to another endpoint of the same cloud is followed by the wire, with a signature for that host."""
    cloud, config = cloud_of(sandbox, cloud_type)
    elsewhere = cloud.url.replace("127.0.0.1", "localhost")
    fault = cloud.faults.add(Fault(Match(key="k"), Redirect(elsewhere), times=1))
    with open_harness(config) as harness:
        harness.put("k", b"x")
        assert cloud.faults.hits(fault) == 1
        assert harness.body("k") == b"x"
