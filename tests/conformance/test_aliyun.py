"""Alibaba Cloud OSS: the whole suite against the sandbox, whose signatures oss2's own code verifies."""

import time
from dataclasses import replace
from functools import partial

import pytest
from fastcrc import crc64

from oms_adapters.aliyun import PROFILE
from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness, run_case, select_cases
from oms_adapters.conformance.deviations import DEVIATIONS as ALL
from oms_adapters.sandbox import Sandbox
from oms_engine.errors import AccessDenied, BadCredentials, BucketNotFound
from oms_engine.model import Restore, RestoreTier, Secret, Span
from support.control import bucket_region, list_buckets

DEVIATIONS = ALL["Aliyun"]
LEADING = DEVIATIONS["odd_key[leading-slash]"]


@pytest.fixture(scope="module")
def cloud():
    """An OSS where a restore takes half a second."""
    with Sandbox(clouds=("oss",)) as running:
        running.oss.create_bucket("conformance")
        running.oss.restore_seconds = 0.5
        yield running.oss


def config_of(cloud, **changes):
    """Return how the bucket is reached."""
    options = {"endpoint": cloud.url, "region": cloud.region, "credentials": cloud.credentials, **changes}
    return StoreConfig("Aliyun", "conformance", **options)


@pytest.fixture(scope="module")
def harness(cloud):
    """A bucket of the OSS, spoken to as by default."""
    with open_harness(config_of(cloud), finish_restores=partial(time.sleep, 0.6)) as opened:
        yield opened


@pytest.mark.parametrize("case", select_cases(PROFILE.capabilities), ids=str)
def test_oss(case, harness):
    """OSS behaves as every store owes, signed with version 4 and listed with version 2."""
    run_case(case, harness, DEVIATIONS)


@pytest.fixture(scope="module")
def old_harness(cloud):
    """The same bucket, spoken to as by an old private cloud."""
    config = config_of(cloud, region=None, extra={"signature": "v1", "list_version": "1"})
    with open_harness(config, prefix="old/", finish_restores=partial(time.sleep, 0.6)) as opened:
        yield opened


@pytest.mark.parametrize("case", select_cases(PROFILE.capabilities), ids=str)
def test_oss_old_ways(case, old_harness):
    """Under a prefix, signed with version 1 and listed with markers, it does too; slashes may then come twice."""
    run_case(case, old_harness, {name: reason for name, reason in DEVIATIONS.items() if reason != LEADING})


def test_crc64_is_stated_without_being_sent(harness):
    """The CRC-64/XZ that OSS computes comes with the write, HEAD, a read, a range of it, each part and the whole."""
    body = b"123456789" * 50_000
    expected = crc64.xz(body)
    assert harness.put("crc/one", body).crc64 == expected
    assert harness.head("crc/one").crc64 == expected
    assert harness.fetch(harness.store.read("crc/one", span=Span(3, 9)))[0].crc64 == expected
    upload = harness.upload("crc/parts")
    cuts = [body[:200_000], body[200_000:]]
    calls = [
        harness.store.write_part("crc/parts", upload, number, size=len(cut), body=cut)
        for number, cut in enumerate(cuts, start=1)
    ]
    parts = [harness.perform(call) for call in calls]
    assert [part.crc64 for part in parts] == [crc64.xz(cut) for cut in cuts]
    assert harness.perform(harness.store.complete_upload("crc/parts", upload, parts)).crc64 == expected
    harness.clean()


@pytest.mark.parametrize("tier", list(RestoreTier))
@pytest.mark.parametrize("word", ["Archive", "ColdArchive", "DeepColdArchive"])
def test_every_class_is_restored_at_every_tier(cloud, harness, word, tier):
    """Whatever tier and days are asked for, the request is one that the object's class takes."""
    cloud.bucket("conformance").put("cold", b"cold", storage_class=word)
    for answer in (Restore.REQUESTED, Restore.IN_PROGRESS):
        call = harness.store.restore("cold", days=400, tier=tier, storage_class=word)
        assert harness.perform(call) is answer
    cloud.bucket("conformance").delete("cold")


def test_a_temporary_key_needs_its_token(cloud, harness):
    """A temporary key opens the bucket with its security token, in either version, and not with another."""
    cloud.bucket("conformance").put("k", b"x")
    keys = cloud.add_credentials("STS.TEMPORARY", "secret-of-it", token="token+/=")
    wrong = replace(keys, token=Secret("another"))
    for version in ("v1", "v4"):
        store = harness.variant(credentials=keys, extra={"signature": version})
        assert harness.perform(store.head("k")).size == 1
        with pytest.raises(BadCredentials) as caught:
            harness.perform(harness.variant(credentials=wrong, extra={"signature": version}).head("k"))
        assert caught.value.vendor_code == "InvalidSecurityToken"


def test_the_requester_pays(cloud, harness):
    """A bucket whose requester pays is listed and read by the payer, and refused to others."""
    cloud.create_bucket("payers", requester_pays=True).put("k", b"x")
    payer, other = (harness.variant(bucket="payers", requester_pays=pays) for pays in (True, False))
    assert harness.fetch(payer.read("k"))[1] == b"x"
    assert [item.key for item in harness.perform(payer.list_page("")).objects] == ["k"]
    for call in (other.read("k"), other.list_page("")):
        with pytest.raises(AccessDenied):
            harness.fetch(call)


def test_a_head_says_why_it_is_refused(cloud, harness):
    """HEAD has no body, yet its refusal is told with OSS's own code: OSS states it in a header."""
    with pytest.raises(BucketNotFound) as caught:
        harness.perform(harness.variant(bucket="no-such-bucket-4711").head("k"))
    assert caught.value.vendor_code == "NoSuchBucket"
    with pytest.raises(BadCredentials) as caught:
        harness.perform(harness.with_credentials(secret="wrong").head("k"))
    assert caught.value.vendor_code == "SignatureDoesNotMatch"


def test_a_wrong_clock_is_told(cloud, harness):
    """A clock that is 20 minutes off is told as such, with the remedy."""
    cloud.clock_skew = 1200
    try:
        with pytest.raises(BadCredentials, match="clock") as caught:
            harness.perform(harness.store.list_page(""))
    finally:
        cloud.clock_skew = 0
    assert caught.value.vendor_code == "RequestTimeTooSkewed"


def test_appended_objects_have_no_md5(cloud, harness):
    """The ETag of an appended object has 32 digits and is no MD5; it is not taken for one."""
    cloud.bucket("conformance").put("appended", b"x", etag="opaque")
    head = harness.head("appended")
    assert (len(head.etag), head.md5) == (32, None)
    cloud.bucket("conformance").delete("appended")


def test_control_operations(cloud):
    """Buckets are listed and a bucket's region found, signed with either version; a refusal holds no secret."""
    for version in ("v4", "v1"):
        config = config_of(cloud, extra={"signature": version})
        assert "conformance" in [bucket.name for bucket in list_buckets(config)]
        assert all(bucket.region == "cn-hangzhou" for bucket in list_buckets(config))
        assert bucket_region(config) == "cn-hangzhou"
    keys = cloud.add_credentials("STS.CONTROL", "secret-of-it", token="token-of-mine")
    assert bucket_region(config_of(cloud, credentials=keys)) == "cn-hangzhou"
    wrong = replace(keys, secret_key=Secret("wrong-secret-of-mine"))
    with pytest.raises(BadCredentials, match="SignatureDoesNotMatch") as caught:
        list_buckets(config_of(cloud, credentials=wrong))
    assert not any(secret in str(caught.value) for secret in ("wrong-secret-of-mine", "token-of-mine"))
