"""Alibaba Cloud OSS: where a bucket is, how it is signed for, what its codes, classes and restores mean."""

import json
import pickle
import re
from base64 import b64encode
from importlib import resources

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.aliyun import ADAPTER, CLASSES, PROFILE
from oms_adapters.config import StoreConfig
from oms_adapters.dialects.oss import CODES, SENTENCES
from oms_adapters.regions.aliyun import REGIONS, SHAPE, endpoint_of, region_of_host
from oms_adapters.registry import adapter_for, open_store
from oms_engine.errors import (
    AccessDenied,
    AccountRefused,
    Archived,
    BadCredentials,
    BucketNotFound,
    ConfigError,
    DigestRefused,
    InvalidRequest,
    NotFound,
    Redirected,
    Retry,
    StoreError,
    Throttled,
    TimedOut,
)
from oms_engine.model import (
    ArchiveState,
    Credentials,
    Restore,
    RestoreTier,
    Secret,
    Span,
    StorageClass,
    WriteOptions,
    WrittenPart,
)
from oms_engine.store import Reply

KEYS = Credentials("AK", Secret("SK"))


def config(bucket="photos", **changes):
    """Return how a bucket of Hangzhou is reached."""
    return StoreConfig("Aliyun", bucket, **{"region": "cn-hangzhou", "credentials": KEYS, **changes})


def store(**changes):
    """Return that bucket."""
    return open_store(config(**changes))


def signed(call, now=1_795_219_417.0):
    """Return the headers of a call as it is sent."""
    return call.sign(call.request, now).headers


def error_of(code, status=400, *, extra="", call=None, headers=None, **changes):
    """Return the error that a reply with a code becomes."""
    call = call or store(**changes).read("k")
    body = f"<Error><Code>{code}</Code><Message>m</Message>{extra}</Error>".encode()
    with pytest.raises(StoreError) as caught:
        call.read(Reply(status, {"x-oss-request-id": "id", **(headers or {})}, body))
    return caught.value


# Where


def test_the_registry_knows_the_cloud_and_its_scheme():
    """Both OMS's word and the URL scheme lead to the adapter."""
    assert adapter_for("Aliyun") is adapter_for("oss") is ADAPTER


@pytest.mark.parametrize("region", ["cn-hangzhou", "oss-cn-hangzhou"])
def test_the_bucket_stands_in_the_host(region):
    """From the region, in its general or OSS's own name, comes the public endpoint with the bucket in front."""
    request = store(region=region).head("a/b").request
    assert request.endpoint[:3] == ("https", "photos.oss-cn-hangzhou.aliyuncs.com", 443)
    assert request.path == "/a/b"


def test_table_and_hosts_agree():
    """The region of every endpoint that the table gives is read back from it, as of the internal one."""
    for region in REGIONS:
        host = endpoint_of(region).removeprefix("https://")
        assert SHAPE.fullmatch(region)
        assert region_of_host(host) == region_of_host(f"my-bucket.{host}") == region
        assert region_of_host(host.replace(".aliyuncs", "-internal.aliyuncs")) == region


def test_table_holds_what_the_vendors_own_sdk_knows():
    """The endpoints that Alibaba Cloud's core SDK ships are those of the table."""
    shipped = json.loads(resources.files("aliyunsdkcore").joinpath("data/endpoints.json").read_text())
    known = shipped["regional_endpoints"]["oss"]
    assert known
    for region, host in known.items():
        assert region in REGIONS
        assert endpoint_of(region) == f"https://{host}"


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("cn-hangzhou.oss.aliyuncs.com", "cn-hangzhou"),
        ("b.oss-us-west-1-internal.aliyuncs.com", "us-west-1"),
        ("oss-cn-x.oss-cn-beijing.aliyuncs.com", "cn-beijing"),
        ("oss-accelerate.aliyuncs.com", None),
        ("oss-accelerate-overseas.aliyuncs.com", None),
        ("data.example.com", None),
    ],
)
def test_region_of_a_host(host, region):
    """Regional, internal and dual-stack hosts tell their region, acceleration and foreign ones none."""
    assert region_of_host(host) == region


@pytest.mark.parametrize("region", ["Hangzhou", "cn-hangzhou-internal", "cn_hangzhou", "x", ""])
def test_what_is_no_region_is_refused(region):
    """A name that no region can have is refused with an example, an internal one with the way to give it."""
    with pytest.raises(ConfigError, match="cn-hangzhou"):
        ADAPTER.endpoint_for(region)


def test_neither_region_nor_endpoint():
    """Without both, the message says what to give."""
    with pytest.raises(ConfigError, match="needs its region"):
        store(region=None)


@pytest.mark.parametrize("host", ["127.0.0.1:9000", "localhost:80", "[::1]:9000"])
def test_addresses_take_the_bucket_in_the_path(host):
    """At an IP address the bucket stands in the path, and asking for virtual hosts is refused."""
    assert store(endpoint=f"http://{host}").head("k").request.path == "/photos/k"
    with pytest.raises(ConfigError, match="path addressing"):
        store(endpoint=f"http://{host}", addressing="virtual")


def test_a_domain_bound_to_the_bucket():
    """With cname the host is used as it stands, and the bucket is still signed for."""
    bound = store(endpoint="https://data.example.com", extra={"cname": True})
    host = store()
    request = bound.head("k").request
    assert (request.endpoint.host, request.path) == ("data.example.com", "/k")
    assert signed(bound.head("k")) == signed(host.head("k"))
    with pytest.raises(ConfigError, match="path addressing"):
        store(endpoint="https://data.example.com", extra={"cname": True}, addressing="path")


@pytest.mark.parametrize("bucket", ["My_Bucket", "a.b.c", "x" * 64])
def test_names_that_no_bucket_of_oss_has(bucket):
    """At Alibaba Cloud a name that cannot stand in the host is refused at once, elsewhere it goes into the path."""
    with pytest.raises(ConfigError, match="lower-case"):
        store(bucket=bucket)
    assert store(bucket=bucket, endpoint="https://oss.example.com").head("k").request.path == f"/{bucket}/k"


def test_a_store_is_opened_in_any_process():
    """The configuration is picklable, and the store opened from it asks the same."""
    again = open_store(pickle.loads(pickle.dumps(config())))
    assert again.head("k").request == store().head("k").request


# Signed how


@pytest.mark.parametrize(
    ("changes", "start"),
    [
        ({}, "OSS4-HMAC-SHA256 Credential=AK/20261121/cn-hangzhou/oss/aliyun_v4_request"),
        ({"extra": {"signature": "v1"}}, "OSS AK:"),
        ({"region": None, "endpoint": "https://oss-cn-beijing-internal.aliyuncs.com"},
         "OSS4-HMAC-SHA256 Credential=AK/20261121/cn-beijing/oss/aliyun_v4_request"),
        ({"region": None, "endpoint": "https://oss-accelerate.aliyuncs.com"}, "OSS AK:"),
        ({"region": "cn-shanghai", "endpoint": "https://oss-accelerate.aliyuncs.com"},
         "OSS4-HMAC-SHA256 Credential=AK/20261121/cn-shanghai/oss/aliyun_v4_request"),
    ],
)  # fmt: skip
def test_version_4_where_the_region_is_known(changes, start):
    """Requests carry version 4 when configuration or host tell the region, else version 1; or what is asked for."""
    assert signed(store(**changes).head("k"))["authorization"].startswith(start)


def test_anonymous_requests_are_not_signed():
    """Without credentials nothing is added to the request."""
    assert "authorization" not in signed(store(credentials=None).head("k"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"extra": {"signature": "v2"}}, "v1 or v4"),
        ({"extra": {"signature": "v4"}, "region": None, "endpoint": "https://oss.example.com"}, "needs the region"),
        ({"extra": {"signatur": "v4"}}, "unknown option 'signatur'"),
        ({"extra": {"cname": "yes"}}, "must be a bool"),
    ],
)
def test_options_that_are_refused(changes, words):
    """An option that does not exist, of another type or that cannot be honoured is refused in one sentence."""
    with pytest.raises(ConfigError, match=re.escape(words)):
        store(**changes)


def test_the_secret_is_never_shown():
    """Neither the configuration nor the store's signer shows secret or token."""
    keys = Credentials("AK", Secret("very-secret"), Secret("its-token"))
    opened = store(credentials=keys)
    shown = repr(config(credentials=keys)) + repr(opened.head("k"))
    assert "very-secret" not in shown
    assert "its-token" not in shown


# Asked how


def test_a_range_asks_for_the_standards_behaviour():
    """A ranged read asks that a range beyond the end be cut, not answered with the whole object; it is signed."""
    ranged = store().read("k", span=Span(1, 5)).request.headers
    assert (ranged["range"], ranged["x-oss-range-behavior"]) == ("bytes=1-5", "standard")
    assert "x-oss-range-behavior" not in store().read("k").request.headers


def test_bodies_are_never_encoded_for_us():
    """Every read asks for the bytes as they are stored: OSS compresses for those who take gzip."""
    calls = [store().read("k"), store().read("k", span=Span(0, 1)), store().head("k"), store().list_page("")]
    assert {call.request.headers["accept-encoding"] for call in calls} == {"identity"}


def test_a_crc64_is_never_sent():
    """OSS states the CRC-64 it computes and takes none, so none is sent; Content-MD5 is."""
    options = WriteOptions(crc64=1, md5=b"\0" * 16)
    write = store().write("k", size=1, options=options, body=b"x").request
    parts = [WrittenPart(1, "e", 5, crc64=7)]
    complete = store().complete_upload("k", "u", parts).request
    assert not any("crc64" in name for name in {**write.headers, **complete.headers})
    assert write.headers["content-md5"] == b64encode(b"\0" * 16).decode()


@pytest.mark.parametrize(
    ("word", "tier", "days", "terms"),
    [
        ("Archive", RestoreTier.EXPEDITED, 30, "<Days>7</Days>"),
        ("Archive", RestoreTier.STANDARD, 3, "<Days>3</Days>"),
        ("ColdArchive", RestoreTier.EXPEDITED, 30, "<Days>30</Days><JobParameters><Tier>Expedited</Tier></JobParameters>"),
        ("ColdArchive", RestoreTier.BULK, 400, "<Days>365</Days><JobParameters><Tier>Bulk</Tier></JobParameters>"),
        ("ColdArchive", RestoreTier.STANDARD, 30, "<Days>30</Days>"),
        ("DeepColdArchive", RestoreTier.BULK, 30, "<Days>30</Days>"),
        ("", RestoreTier.STANDARD, 5, "<Days>5</Days>"),
    ],
)  # fmt: skip
def test_restore_terms(word, tier, days, terms):
    """Days and tier are those that the object's class takes; a tier is named only where it is needed."""
    request = store().restore("k", days=days, tier=tier, storage_class=word).request
    assert request.body.decode() == f"<RestoreRequest>{terms}</RestoreRequest>"
    assert request.query == (("restore", None),)


@pytest.mark.parametrize(
    ("status", "code", "answer"),
    [
        (202, "", Restore.REQUESTED),
        (200, "", Restore.READABLE),
        (409, "RestoreAlreadyInProgress", Restore.IN_PROGRESS),
        (400, "OperationNotSupported", Restore.READABLE),
    ],
)
def test_restore_answers(status, code, answer):
    """A restore begins, goes on, or is not needed: done before, or of a class that is always readable."""
    call = store().restore("k", days=1, tier=RestoreTier.STANDARD)
    body = f"<Error><Code>{code}</Code></Error>".encode() if code else b""
    assert call.read(Reply(status, {}, body)) is answer


def test_other_refusals_of_a_restore_are_errors():
    """A missing permission or a bad tier is told, not taken for a readable object."""
    call = store().restore("k", days=1, tier=RestoreTier.STANDARD)
    assert type(error_of("AccessDenied", 403, call=call)) is AccessDenied
    assert type(error_of("MalformedXML", 400, call=call)) is InvalidRequest


# Read how


def head_of(headers):
    """Return the head that a reply states."""
    given = {"etag": '"5B3C1A2E053D763E1B002CC607C5A0FE"', "content-length": "5", **headers}
    return store().head("k").read(Reply(200, given, b""))


@pytest.mark.parametrize(
    ("kind", "known"), [(None, True), ("Normal", True), ("Appendable", False), ("Multipart", False)]
)
def test_only_normal_objects_have_an_md5(kind, known):
    """Content-MD5 states the MD5, unless the object was appended to or joined; the ETag alone is a claim."""
    typed = {"x-oss-object-type": kind} if kind else {}
    assert (head_of({**typed, "content-md5": "WzwaLgU9dj4bACzGB8Wg/g=="}).md5 is not None) is known
    head = head_of(typed)
    assert head.md5 is None
    assert (head.claimed_md5 is not None) is known
    assert head.etag == "5B3C1A2E053D763E1B002CC607C5A0FE"


def test_the_etag_of_parts_is_no_md5():
    """An ETag with a dash, and one under encryption, is no MD5."""
    assert head_of({"etag": '"5B3C1A2E053D763E1B002CC607C5A0FE-3"', "x-oss-object-type": "Multipart"}).md5 is None
    assert head_of({"x-oss-server-side-encryption": "KMS"}).md5 is None
    assert head_of({"x-oss-server-side-encryption": "KMS"}).encryption == "kms"


@given(crc=st.integers(0, 2**64 - 1))
def test_crc64_is_an_unsigned_decimal(crc):
    """Every CRC-64 of 64 bits is read, those with the highest bit too."""
    assert head_of({"x-oss-hash-crc64ecma": str(crc)}).crc64 == crc


@pytest.mark.parametrize(
    ("word", "restore", "state"),
    [
        ("Standard", None, ArchiveState.READABLE),
        ("IA", None, ArchiveState.READABLE),
        ("Archive", None, ArchiveState.ARCHIVED),
        ("ColdArchive", None, ArchiveState.ARCHIVED),
        ("DeepColdArchive", None, ArchiveState.ARCHIVED),
        ("Archive", 'ongoing-request="true"', ArchiveState.RESTORING),
        ("Archive", 'ongoing-request="false", expiry-date="Thu, 17 Dec 2026 08:12:33 GMT"', ArchiveState.READABLE),
    ],
)
def test_archive_states(word, restore, state):
    """Class and x-oss-restore tell whether the bytes can be read."""
    assert head_of({"x-oss-storage-class": word, **({"x-oss-restore": restore} if restore else {})}).archive is state


def test_classes_are_omss_words():
    """Each class of OSS has its word of OMS, and each word of OMS a class that is read back as it."""
    assert CLASSES.words.keys() == {"Standard", "IA", "Archive", "ColdArchive", "DeepColdArchive"}
    for word in StorageClass:
        assert CLASSES.class_of(PROFILE.class_words[word]) is word
    assert CLASSES.class_of("DeepColdArchive") is StorageClass.DEEP_ARCHIVE


def test_a_listing_without_namespace_is_read():
    """A page as OSS writes it gives keys, sizes, classes, and where it goes on."""
    page = store().list_page("", limit=2).read(Reply(200, {}, LISTING))
    assert [(item.key, item.size, item.storage_class) for item in page.objects] == [
        ("a b/中", 344606, "IA"), ("z+%", 0, "ColdArchive")]  # fmt: skip
    assert page.next_start == "z+%"


LISTING = b"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult>
  <Name>photos</Name><Prefix></Prefix><StartAfter></StartAfter><MaxKeys>2</MaxKeys><EncodingType>url</EncodingType>
  <IsTruncated>true</IsTruncated><NextContinuationToken>CgJiYw--</NextContinuationToken>
  <Contents><Key>a%20b%2F%E4%B8%AD</Key><LastModified>2020-05-18T05:45:54.000Z</LastModified>
    <ETag>"35A27C2B9EAEEB6F48FD7FB5861D****"</ETag><Type>Normal</Type><Size>344606</Size><StorageClass>IA</StorageClass>
    <Owner><ID>1686240967192623</ID><DisplayName>1686240967192623</DisplayName></Owner></Contents>
  <Contents><Key>z%2B%25</Key><TransitionTime>2024-04-23T07:21:42.000Z</TransitionTime>
    <LastModified>2020-05-18T05:45:54.000Z</LastModified><ETag>"0"</ETag><Type>Symlink</Type><Size>0</Size>
    <StorageClass>ColdArchive</StorageClass><RestoreInfo>ongoing-request="true"</RestoreInfo></Contents>
  <KeyCount>2</KeyCount>
</ListBucketResult>"""


# Refused how


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("InvalidAccessKeyId", 403, BadCredentials),
        ("SignatureDoesNotMatch", 403, BadCredentials),
        ("InvalidSecurityToken", 403, BadCredentials),
        ("SecurityTokenExpired", 403, BadCredentials),
        ("RequestTimeTooSkewed", 403, BadCredentials),
        ("AccessDenied", 403, AccessDenied),
        ("UserDisable", 403, AccountRefused),
        ("InDebt", 403, AccountRefused),
        ("InvalidObjectState", 403, Archived),
        ("NoSuchBucket", 404, BucketNotFound),
        ("NoSuchKey", 404, NotFound),
        ("SymlinkTargetNotExist", 404, NotFound),
        ("InvalidDigest", 400, DigestRefused),
        ("InvalidObjectName", 400, InvalidRequest),
        ("RequestTimeout", 400, TimedOut),
        ("DownloadTrafficRateLimitExceeded", 503, Throttled),
        ("TotalQpsLimitExceeded", 503, Throttled),
        ("QpsLimitExceeded", 429, Throttled),
        ("ServiceUnavailable", 503, Throttled),
    ],
)
def test_codes(code, status, kind):
    """Each of OSS's codes becomes the error that says what to do, with code, request id and OSS's own words."""
    error = error_of(code, status)
    assert type(error) is kind
    assert (error.vendor_code, error.request_id, error.status) == (code, "id", status)
    assert "(m)" in str(error)


@pytest.mark.parametrize("code", sorted(CODES))
def test_the_table_holds_for_any_status(code):
    """A code of the table is known whatever the status, and every sentence belongs to a code."""
    assert type(error_of(code, 418)) is CODES[code]
    assert SENTENCES.keys() <= CODES.keys()


def test_throttling_is_retried_more_slowly():
    """Limits of rate and traffic make the engine slow down, not give up."""
    limits = [code for code in CODES if "Limit" in code]
    assert len(limits) >= 6
    assert {error_of(code, 503).retry for code in limits} == {Retry.SLOW_DOWN}


def test_the_clock_is_named():
    """A wrong clock is told as such, with the remedy."""
    assert "clock" in str(error_of("RequestTimeTooSkewed", 403))


def stated(code):
    """Return the header that carries the error of a HEAD."""
    return {"x-oss-err": b64encode(f"<Error><Code>{code}</Code></Error>".encode()).decode()}


def test_the_error_of_a_head_is_in_a_header():
    """HEAD has no body: its code is read from x-oss-err, as oss2 does; without it, or broken, from the status."""
    for headers, status, kind in (
        (stated("NoSuchBucket"), 404, BucketNotFound),
        (stated("SignatureDoesNotMatch"), 403, BadCredentials),
        ({}, 404, NotFound),
        ({"x-oss-err": "%%%"}, 403, AccessDenied),
    ):
        with pytest.raises(StoreError) as caught:
            store().head("k").read(Reply(status, headers, b""))
        assert type(caught.value) is kind


@pytest.mark.parametrize("code", ["AccessDenied", "PermanentRedirect", "TemporaryRedirect"])
def test_a_bucket_of_another_region_is_found(code):
    """OSS refuses a request at the wrong region's endpoint and names the right one: the request goes there, signed so."""
    call = store().read("a b")
    elsewhere = "<Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint>"
    error = error_of(code, 403, extra=elsewhere, call=call)
    assert isinstance(error, Redirected)
    assert error.location == "https://photos.oss-cn-beijing.aliyuncs.com/a%20b"
    moved = call.request.endpoint._replace(host="photos.oss-cn-beijing.aliyuncs.com")
    headers = call.sign(call.request._replace(endpoint=moved), 1_795_219_417.0).headers
    assert "/cn-beijing/oss/" in headers["authorization"]


def test_a_refusal_at_the_right_endpoint_is_no_redirect():
    """A missing permission stays one though the reply names the endpoint that was asked: nothing goes in a circle."""
    same = "<Endpoint>oss-cn-hangzhou.aliyuncs.com</Endpoint>"
    assert type(error_of("AccessDenied", 403, extra=same)) is AccessDenied


# Control operations


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({"region": None}, "oss-cn-hangzhou.aliyuncs.com"),
        ({}, "oss-cn-hangzhou.aliyuncs.com"),
        ({"region": "us-east-1"}, "oss-us-east-1.aliyuncs.com"),
    ],
)
def test_buckets_are_listed_at_the_region_or_in_hangzhou(changes, host):
    """The list of buckets is asked at the configured region; without one in Hangzhou, which lists those of all."""
    call = ADAPTER.account(config(**changes)).list_buckets()
    assert (call.request.endpoint.host, call.request.path) == (host, "/")


def test_the_region_of_a_bucket_elsewhere_is_asked_there():
    """Asked in the wrong region, OSS names the bucket's endpoint; the wire asks there."""
    call = ADAPTER.account(config(region=None)).bucket_region()
    body = b"<Error><Code>AccessDenied</Code><Endpoint>oss-cn-beijing.aliyuncs.com</Endpoint></Error>"
    with pytest.raises(Redirected) as moved:
        call.read(Reply(403, {}, body))
    assert moved.value.location.startswith("https://photos.oss-cn-beijing.aliyuncs.com/")
    stated = b"<LocationConstraint>oss-cn-beijing</LocationConstraint>"
    assert call.read(Reply(200, {}, stated)) == "cn-beijing"
