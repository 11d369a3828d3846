"""Tencent COS: how a bucket is named and reached, what its codes and classes mean, and its control operations."""

import pickle
import re

import fastcrc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness
from oms_adapters.dialects.cos import CLASSES, CODES, PROFILE, SENTENCES
from oms_adapters.regions.tencent import REGIONS, region_of_host
from oms_adapters.registry import adapter_for, open_store
from oms_adapters.sandbox import Answer, Fault, Match, Sandbox
from oms_adapters.tencent import ADAPTER
from oms_engine.errors import (
    AccessDenied,
    AccountRefused,
    Archived,
    BadCredentials,
    BucketNotFound,
    ConfigError,
    NotFound,
    Redirected,
    StoreError,
    Throttled,
    TimedOut,
)
from oms_engine.model import ArchiveState, Credentials, Restore, RestoreTier, Secret, StorageClass, WriteOptions
from oms_engine.store import MIB, Reply
from support.control import bucket_region, list_buckets

APP = "1250000000"


def config(bucket="photos", **changes):
    """Return how a bucket of Guangzhou is reached."""
    given = {"region": "ap-guangzhou", "extra": {"app_id": APP}, **changes}
    return StoreConfig("Tencent", bucket, **given)


def error_of(code, status=400, operation="read"):
    """Return the error that a reply with a code becomes."""
    store = open_store(config())
    call = store.read("k") if operation == "read" else store.list_page("")
    with pytest.raises(StoreError) as caught:
        call.read(Reply(status, {"x-cos-request-id": "id"}, f"<Error><Code>{code}</Code></Error>".encode()))
    return caught.value


def test_the_registry_knows_the_cloud_and_its_scheme():
    """Both OMS's word and the URL scheme lead to the adapter."""
    assert adapter_for("Tencent") is adapter_for("cos") is ADAPTER


@pytest.mark.parametrize(
    ("bucket", "extra"),
    [("photos", {"app_id": APP}), (f"photos-{APP}", {}), (f"photos-{APP}", {"app_id": APP})],
)
def test_the_app_id_ends_the_name_and_the_name_starts_the_host(bucket, extra):
    """With app_id or with the full name, the bucket is <name>-<app_id>, and its host begins with it."""
    store = open_store(config(bucket, extra=extra))
    assert store.bucket == f"photos-{APP}"
    assert store.label == f"cos://photos-{APP}"
    assert store.endpoint.netloc == f"photos-{APP}.cos.ap-guangzhou.myqcloud.com"
    assert store.head("a//b").request.path == "/a//b"


@pytest.mark.parametrize("bucket", ["photos", "photos-2024", "photos-1"])
def test_a_missing_app_id_is_told(bucket):
    """A name without an APPID is refused with the option to give and an example."""
    with pytest.raises(ConfigError, match=f"lacks its APPID: give app_id.*{bucket}-1250000000"):
        open_store(config(bucket, extra={}))


def test_an_app_id_is_a_number():
    """Something else given as app_id is refused."""
    with pytest.raises(ConfigError, match="no APPID"):
        open_store(config(extra={"app_id": "my-account"}))


@pytest.mark.parametrize("url", ["http://127.0.0.1:9000", "http://localhost:9000", "http://[::1]:9000"])
def test_this_machine_is_reached_by_a_name(url):
    """An endpoint on this machine takes the bucket in front of localhost, since COS has no path addressing."""
    assert open_store(config(endpoint=url)).endpoint.netloc == f"photos-{APP}.localhost:9000"


def test_endpoints_of_ones_own():
    """An endpoint takes the bucket in front, once; an address of another machine can take none."""
    assert open_store(config(endpoint="https://cos.example")).endpoint.host == f"photos-{APP}.cos.example"
    whole = f"https://photos-{APP}.cos.accelerate.myqcloud.com"
    assert open_store(config(endpoint=whole)).endpoint.host == whole.removeprefix("https://")
    with pytest.raises(ConfigError, match="takes no bucket in front"):
        open_store(config(endpoint="http://10.0.0.1"))


@pytest.mark.parametrize("changes", [{"addressing": "path"}, {"bucket": "Photos"}, {"bucket": "a.b"}])
def test_a_bucket_that_no_host_can_name_is_refused(changes):
    """Path addressing, capitals and dots cannot be: a bucket is a host."""
    with pytest.raises(ConfigError, match="reached by host only"):
        open_store(config(**changes))


@pytest.mark.parametrize("region", ["us-east-1", "ap-southeast-1", "cn-north-4", "Guangzhou"])
def test_another_clouds_region_is_refused_with_those_known(region):
    """A region of no Tencent shape is refused, and the message lists what there is."""
    with pytest.raises(ConfigError, match=r"known: .*ap-guangzhou.*na-siliconvalley"):
        open_store(config(region=region))


def test_a_missing_region_is_told():
    """Neither region nor endpoint: the message says what to give."""
    with pytest.raises(ConfigError, match="needs its region"):
        open_store(config(region=None))


@pytest.mark.parametrize("region", [*REGIONS, "ap-osaka"])
def test_hosts_lead_back_to_their_region(region):
    """Every region's endpoint, a newer one's too, states its region, with and without a bucket."""
    host = ADAPTER.endpoint_for(region).removeprefix("https://")
    assert region_of_host(host) == region_of_host(f"photos-{APP}.{host}") == region
    assert region_of_host("cos.accelerate.myqcloud.com") is None


def test_a_store_is_opened_anew_in_another_process():
    """A configuration survives pickling and opens the same bucket."""
    again = pickle.loads(pickle.dumps(config()))
    assert open_store(again).endpoint == open_store(config()).endpoint


def test_each_code_becomes_its_class():
    """Every code of the table becomes the class it states, with a sentence and the request's id."""
    for code, kind in CODES.items():
        error = error_of(code)
        assert type(error) is kind
        assert error.request_id == "id"
        assert SENTENCES.get(code, "") in str(error)


@pytest.mark.parametrize(
    ("code", "status", "kind", "told"),
    [
        ("NoSuchKey", 404, NotFound, "does not exist"),
        ("NoSuchBucket", 404, BucketNotFound, "app_id"),
        ("AccessDenied", 403, AccessDenied, "permission"),
        ("InvalidAccessKeyId", 403, BadCredentials, "access key"),
        ("SignatureDoesNotMatch", 403, BadCredentials, "secret key"),
        ("ExpiredToken", 400, BadCredentials, "new temporary credentials"),
        ("RequestTimeTooSkewed", 403, BadCredentials, "clock"),
        ("RequestIsExpired", 403, BadCredentials, "clock"),
        ("InvalidObjectState", 403, Archived, "restored before"),
        ("PaymentRequired", 402, AccountRefused, "arrears"),
        ("UnavailableForLegalReasons", 451, AccessDenied, "blocked"),
        ("UserNetworkTooSlow", 400, TimedOut, "too slow"),
        ("SlowDown", 503, Throttled, "fewer requests"),
        ("PermanentRedirect", 301, Redirected, "region or endpoint"),
    ],
)
def test_what_the_user_is_told(code, status, kind, told):
    """The usual refusals become their class, and their sentence names the remedy."""
    error = error_of(code, status)
    assert type(error) is kind
    assert told in str(error)


def test_classes_both_ways():
    """Each of OMS's classes is stored under a word that means it, and what is archived is known."""
    for wanted, word in PROFILE.class_words.items():
        assert CLASSES.class_of(word) is wanted
        assert CLASSES.is_archived(word) == (wanted in {StorageClass.ARCHIVE, StorageClass.DEEP_ARCHIVE})
    assert CLASSES.class_of("MAZ_STANDARD_IA") is StorageClass.IA
    assert CLASSES.is_archived("MAZ_ARCHIVE")
    assert CLASSES.class_of("INTELLIGENT_TIERING") is CLASSES.class_of("SOMETHING_NEW") is StorageClass.STANDARD


@given(tier=st.sampled_from(RestoreTier), days=st.integers(1, 365), word=st.sampled_from(sorted(CLASSES.archived)))
def test_deep_archives_are_never_asked_for_in_minutes(tier, days, word):
    """A restore states days and tier in COS's words; a deep archive, which has no Expedited, gets Standard."""
    call = open_store(config()).restore("k", days=days, tier=tier, storage_class=word)
    found = re.fullmatch(
        rb"<RestoreRequest><Days>(\d+)</Days><CASJobParameters><Tier>(\w+)</Tier></CASJobParameters></RestoreRequest>",
        call.request.body,
    )
    assert found is not None
    assert int(found[1]) == days
    plain = {"expedited": b"Expedited", "standard": b"Standard", "bulk": b"Bulk"}[tier]
    assert found[2] == (b"Standard" if "DEEP" in word and plain == b"Expedited" else plain)


def test_no_write_announces_a_crc64():
    """COS computes the checksum itself; a header that only it states is not sent."""
    store = open_store(config())
    call = store.write("k", size=1, options=WriteOptions(crc64=5, md5=b"0" * 16), body=b"x")
    assert "x-cos-hash-crc64ecma" not in call.request.headers
    assert "content-md5" in call.request.headers


def test_requester_pays_is_refused():
    """COS has no such buckets; the option is refused instead of being sent in vain."""
    with pytest.raises(ConfigError, match="no requester who pays"):
        open_store(config(requester_pays=True))


@pytest.fixture(scope="module")
def cloud():
    """A COS that verifies signatures."""
    with Sandbox(clouds=["cos"]) as sandbox:
        yield sandbox.cos


@pytest.fixture
def harness(cloud):
    """An empty bucket of it, over the real wire."""
    cloud.create_bucket(f"photos-{APP}")
    with open_harness(config(endpoint=cloud.url, credentials=cloud.credentials)) as opened:
        yield opened


def test_checksums_are_stated_unasked(harness):
    """Write, HEAD, read and parts state the CRC-64 that COS computed, of the whole and of each part."""
    body = b"123456789" * 1000
    whole = int(fastcrc.crc64.xz(body))
    assert harness.put("k", body).crc64 == harness.head("k").crc64 == whole
    assert harness.fetch(harness.store.read("k"))[0].crc64 == whole
    upload, parts = harness.upload("big"), [b"a" * MIB, b"b"]
    stored = [
        harness.perform(harness.store.write_part("big", upload, number, size=len(part), body=part))
        for number, part in enumerate(parts, 1)
    ]
    assert [part.crc64 for part in stored] == [int(fastcrc.crc64.xz(part)) for part in parts]
    assert harness.perform(harness.store.complete_upload("big", upload, stored)).crc64 == int(
        fastcrc.crc64.xz(b"".join(parts))
    )
    assert harness.head("big").md5 is None


def test_multiple_zone_archives_are_restored(harness, cloud):
    """An object of a class that only COS has is known to be archived, refused, and restored."""
    cloud.restore_seconds = 60
    cloud.bucket(f"photos-{APP}").put("k", b"cold", storage_class="MAZ_ARCHIVE")
    assert harness.head("k").archive is ArchiveState.ARCHIVED
    with pytest.raises(Archived):
        harness.fetch(harness.store.read("k"))
    call = harness.store.restore("k", days=1, tier=RestoreTier.BULK)
    assert [harness.perform(call), harness.perform(call)] == [Restore.REQUESTED, Restore.IN_PROGRESS]
    assert harness.head("k").archive is ArchiveState.RESTORING


def test_an_empty_404_of_head_is_a_missing_object(harness):
    """HEAD's reply has no body; it still means that the object is missing."""
    with pytest.raises(NotFound, match="the object does not exist"):
        harness.head("none")


def test_temporary_credentials_need_their_token(harness, cloud):
    """A temporary key works with its token, and is told as bad credentials without."""
    good = cloud.add_credentials("TEMPAK", "TEMPSK", token="tok/en+=")
    harness.put("k", b"x")
    assert harness.perform(harness.variant(credentials=good).head("k")).size == 1
    with pytest.raises(BadCredentials):
        harness.perform(harness.variant(credentials=Credentials("TEMPAK", Secret("TEMPSK"))).list_page(""))


@pytest.mark.parametrize(("skew", "good"), [(800, True), (-800, True), (4000, False), (-4000, False)])
def test_a_clock_that_is_off(harness, cloud, skew, good):
    """A clock that is some minutes off does no harm; one that is further off is told by name."""
    cloud.clock_skew = skew
    try:
        if good:
            assert harness.keys("") == []
        else:
            with pytest.raises(BadCredentials, match="clock"):
                harness.keys("")
    finally:
        cloud.clock_skew = 0


def test_slow_down_is_throttling(harness, cloud):
    """COS's 503 asks for fewer requests, and the wire obliges."""
    number = cloud.faults.add(Fault(Match(operation="ListObjects"), Answer(), times=1))
    assert harness.keys("") == []
    assert cloud.faults.hits(number) == 1


def test_buckets_and_their_region(cloud):
    """The account's buckets come with region and time; a bucket says where it is."""
    cloud.create_bucket(f"photos-{APP}")
    here = config(endpoint=cloud.url, credentials=cloud.credentials)
    found = {bucket.name: bucket for bucket in list_buckets(here)}
    assert found[f"photos-{APP}"].region == "ap-guangzhou"
    assert found[f"photos-{APP}"].created > 1_700_000_000
    assert bucket_region(here) == "ap-guangzhou"


def test_the_region_of_a_bucket_that_the_account_may_not_list(cloud):
    """Without the permission to list the account's buckets the bucket itself is asked."""
    cloud.create_bucket(f"photos-{APP}")
    here = config(endpoint=cloud.url, credentials=cloud.credentials)
    cloud.faults.add(Fault(Match(operation="ListBuckets"), Answer(status=403, code="AccessDenied"), times=9))
    try:
        assert bucket_region(here) == "ap-guangzhou"
        with pytest.raises(AccessDenied, match="AccessDenied"):
            list_buckets(here)
    finally:
        cloud.faults.clear()


def test_the_region_of_a_missing_bucket(cloud):
    """A bucket that is not there has no region, and the vendor's code says why."""
    with pytest.raises(BucketNotFound, match="NoSuchBucket"):
        bucket_region(config("none", endpoint=cloud.url, credentials=cloud.credentials))


def test_a_refused_control_operation_tells_no_secret(cloud):
    """A wrong secret is one sentence with the vendor's code, without the secret."""
    wrong = Credentials(cloud.access_key, Secret("wrong-secret-of-mine"))
    with pytest.raises(BadCredentials, match="SignatureDoesNotMatch") as caught:
        list_buckets(config(endpoint=cloud.url, credentials=wrong))
    assert "wrong-secret-of-mine" not in str(caught.value)
