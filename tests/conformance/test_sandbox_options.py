"""How a bucket is opened, against clouds that enforce it: tokens, requester pays, anonymous access, encryption, redirects."""

import socket
import time
from dataclasses import replace
from functools import partial

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import CASES, open_harness, run_case, select_cases
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
def test_virtual_hosts(sandbox, cloud_type, monkeypatch):
    """With the bucket in the host's name, requests of every kind are signed as the cloud expects."""
    cloud, config = cloud_of(sandbox, cloud_type)
    lookup = socket.getaddrinfo

    def resolve(host, *details, **more):
        return lookup("127.0.0.1" if str(host).endswith(".test") else host, *details, **more)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    domain = "s3.test" if cloud_type == "AWS" else "obs.test"
    named = replace(config, endpoint=f"http://{domain}:{cloud.endpoint.port}", addressing="virtual")
    names = [
        "list_pages",
        "odd_key[dots]",
        "odd_key[leading-slash]",
        "odd_key[reserved]",
        "multipart",
        "resume",
        "if_match",
    ]
    with open_harness(named) as harness:
        assert harness.store.endpoint.host == f"options.{domain}"
        for case in CASES:
            if case.name in names:
                run_case(case, harness)


@CLOUDS
def test_the_suite_runs_below_a_prefix(sandbox, cloud_type):
    """In a bucket in use, the suite writes only below its prefix and leaves nothing behind."""
    cloud, config = cloud_of(sandbox, cloud_type)
    cloud.restore_seconds = 0.2
    cloud.bucket("options").put("mine", b"x")
    cloud.clear_log()
    with open_harness(config, prefix="check/+ %/", finish_restores=partial(time.sleep, 0.3)) as harness:
        for case in select_cases(harness.store.capabilities):
            run_case(case, harness)
    assert cloud.bucket("options").keys() == ["mine"]
    stored = [entry.key for entry in cloud.log if entry.operation == "PutObject" and entry.status == 200]
    assert len(stored) > 100
    assert [key for key in stored if not key.startswith("check/+ %/")] == []


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
