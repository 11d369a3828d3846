"""The S3 family's calls and replies, as bytes: no server."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.config import StoreConfig
from oms_adapters.dialects.codes import CLOCK
from oms_adapters.registry import open_store
from oms_engine import errors
from oms_engine.digest import crc64
from oms_engine.model import (
    ArchiveState,
    Attributes,
    Credentials,
    Restore,
    RestoreTier,
    Secret,
    Span,
    StorageClass,
    WriteOptions,
    WrittenPart,
)
from oms_engine.store import ArchiveStore, BucketStore, Endpoint, MultipartStore, Reply

KEYS = Credentials("AK", Secret("SK"))
S3 = open_store(StoreConfig("AWS", "photos", region="eu-west-1", credentials=KEYS))
OBS = open_store(StoreConfig("HuaweiCloud", "photos", region="cn-north-4", credentials=KEYS))
STORES = pytest.mark.parametrize(("store", "prefix"), [(S3, "x-amz-"), (OBS, "x-obs-")], ids=["s3", "obs"])
DATE = "Fri, 20 Nov 2026 23:53:44 GMT"


def error_body(code: str, more: str = "") -> bytes:
    """Return an error document."""
    return f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>m</Message><RequestId>R1</RequestId>{more}</Error>".encode()


def failing(
    store: BucketStore, status: int, body: bytes = b"", headers: dict[str, str] | None = None
) -> errors.StoreError:
    """Return the error that a GET's reply means."""
    with pytest.raises(errors.StoreError) as caught:
        store.read("k").read(Reply(status, headers or {}, body))
    return caught.value


@STORES
def test_stores_offer_the_whole_protocol(store, prefix):
    """Both clouds list, read, write, take parts and restore."""
    assert isinstance(store, MultipartStore)
    assert isinstance(store, ArchiveStore)
    assert store.label == ("s3://photos" if prefix == "x-amz-" else "obs://photos")


def test_the_bucket_stands_in_the_host():
    """The clouds' own endpoints are reached as virtual hosts, in the region's name."""
    assert S3.endpoint == Endpoint("https", "photos.s3.eu-west-1.amazonaws.com", 443)
    assert OBS.endpoint == Endpoint("https", "photos.obs.cn-north-4.myhuaweicloud.com", 443)
    assert S3.head("a").request.path == "/a"


@STORES
def test_a_read_asks_for_the_stored_bytes(store, prefix):
    """Identity encoding, the range and the quoted ETag are asked for."""
    asked = store.read("a b/..//c", span=Span(5, 9), if_match="e1").request
    assert asked.path == "/a%20b/..//c"
    assert asked.headers == {"accept-encoding": "identity", "range": "bytes=5-9", "if-match": '"e1"'}


@pytest.mark.parametrize("cloud", ["AWS", "HuaweiCloud"])
def test_the_requester_pays_for_reading(cloud):
    """Listing, HEAD, GET and restore carry the header of the requester who pays."""
    config = StoreConfig(cloud, "photos", endpoint="http://127.0.0.1:1", credentials=KEYS, requester_pays=True)
    store = open_store(config)
    prefix = "x-amz-" if cloud == "AWS" else "x-obs-"
    for call in (
        store.list_page("p"),
        store.head("k"),
        store.read("k"),
        store.restore("k", days=1, tier=RestoreTier.BULK),
    ):
        assert call.request.headers[f"{prefix}request-payer"] == "requester"


def test_listing_queries_differ():
    """S3 is asked with list-type 2 and start-after, OBS with a marker; both for url encoding."""
    s3 = dict(S3.list_page("p/", start_after="p/a", limit=5000).request.query)
    obs = dict(OBS.list_page("p/", start_after="p/a", limit=7).request.query)
    assert s3 == {"list-type": "2", "encoding-type": "url", "max-keys": "1000", "prefix": "p/", "start-after": "p/a"}
    assert obs == {"encoding-type": "url", "max-keys": "7", "prefix": "p/", "marker": "p/a"}


def test_a_write_carries_everything():
    """Attributes, class, encryption and digests become headers in the cloud's own words; nothing else is added."""
    attributes = Attributes(content_type="a/b", expires="soon", user={"n": "v"})
    options = WriteOptions(attributes, StorageClass.IA, kms=True, md5=hashlib.md5(b"x").digest(), crc64=7)
    common = {"content-type": "a/b", "expires": "soon", "content-md5": "ndTkYSaMgDT1yFZOFVxnpg=="}
    assert S3.write("k", size=1, options=options, body=b"x").request.headers == {
        **common, "x-amz-meta-n": "v", "x-amz-storage-class": "STANDARD_IA", "x-amz-server-side-encryption": "aws:kms",
    }  # fmt: skip
    assert OBS.write("k", size=1, options=options, body=b"x").request.headers == {
        **common, "x-obs-meta-n": "v", "x-obs-storage-class": "WARM", "x-obs-server-side-encryption": "kms",
        "x-obs-checksum-crc64ecma": "7",
    }  # fmt: skip
    assert S3.write("k", size=0, options=WriteOptions(), body=b"").request.headers == {}


@STORES
def test_half_characters_are_refused_and_stray_bytes_sent(store, prefix):
    """A key that came as bytes outside UTF-8 is sent as those bytes; a lone surrogate from JSON is refused."""
    assert store.head("a\udcff").request.path == "/a%FF"
    with pytest.raises(errors.InvalidRequest, match="surrogate"):
        store.head("a\ud83d")


def test_a_streamed_write_announces_its_size():
    """Without a body in memory the request tells how many bytes will be streamed."""
    request = S3.write("k", size=9, options=WriteOptions()).request
    assert (request.body, request.body_size) == (b"", 9)
    assert S3.write("k", size=1, options=WriteOptions(), body=b"x").request.body_size is None


@STORES
def test_a_head_states_what_the_headers_say(store, prefix):
    """Size, ETag, time, attributes, metadata, class and encryption come from the headers, byte-exact."""
    headers = {
        "content-length": "5", "etag": '"0123456789abcdef0123456789abcdef"', "last-modified": DATE, "content-type": "a/b",
        "cache-control": "é".encode().decode("latin-1"), f"{prefix}meta-x-y": "1", f"{prefix}storage-class": "GLACIER",
        f"{prefix}restore": 'ongoing-request="true"',
    }  # fmt: skip
    head = store.head("k").read(Reply(200, headers, b""))
    assert (head.size, head.etag, head.last_modified) == (5, "0123456789abcdef0123456789abcdef", 1795218824.0)
    assert head.attributes == Attributes(content_type="a/b", cache_control="\xc3\xa9", user={"x-y": "1"})
    assert (head.storage_class, head.archive) == ("GLACIER", ArchiveState.RESTORING)
    assert head.md5 == bytes.fromhex("0123456789abcdef0123456789abcdef")


@pytest.mark.parametrize(
    ("headers", "state"),
    [
        ({"x-amz-storage-class": "GLACIER"}, ArchiveState.ARCHIVED),
        ({"x-amz-storage-class": "GLACIER_IR"}, ArchiveState.READABLE),
        (
            {"x-amz-storage-class": "INTELLIGENT_TIERING", "x-amz-archive-status": "ARCHIVE_ACCESS"},
            ArchiveState.ARCHIVED,
        ),
        (
            {"x-amz-storage-class": "DEEP_ARCHIVE", "x-amz-restore": 'ongoing-request="false", expiry-date="x"'},
            ArchiveState.READABLE,
        ),
        ({}, ArchiveState.READABLE),
    ],
)
def test_archive_states(headers, state):
    """The class says archived, the restore header says more."""
    assert S3.head("k").read(Reply(200, headers, b"")).archive is state


@pytest.mark.parametrize(
    ("etag", "more", "is_md5"),
    [
        ("0" * 32, {}, (True, True)),
        ("0" * 32, {"server-side-encryption": "AES256"}, (True, False)),
        ("0" * 32, {"server-side-encryption": "aws:kms"}, (False, False)),
        ("0" * 32, {"server-side-encryption-customer-algorithm": "AES256"}, (False, False)),
        ("0" * 32 + "-2", {}, (False, False)),
        ("g" * 32, {}, (False, False)),
        ("", {}, (False, False)),
    ],
)
def test_an_etag_is_an_md5_only_where_it_provably_is(etag, more, is_md5):
    """Encryption, parts or another alphabet: then the ETag is opaque."""
    for store, prefix, expected in ((S3, "x-amz-", is_md5[0]), (OBS, "x-obs-", is_md5[1])):
        headers = {"etag": f'"{etag}"', **{prefix + name: value for name, value in more.items()}}
        assert (store.head("k").read(Reply(200, headers, b"")).md5 is not None) is expected
        assert (
            store.write("k", size=0, options=WriteOptions()).read(Reply(200, headers, b"")).md5 is not None
        ) is expected


@given(
    size=st.integers(1, 50),
    first=st.integers(0, 49),
    length=st.integers(1, 60),
    shift=st.integers(-1, 1),
    status=st.sampled_from([200, 206]),
)
def test_only_the_range_that_was_asked_for_is_taken(size, first, length, shift, status):
    """A reply with other bytes than asked for is refused; one clipped at the end, or stated under 200, is right."""
    span = Span(first, first + length - 1)
    last = min(span.last, size - 1)
    if first >= size:
        return
    reply = Reply(status, {"content-range": f"bytes {first + shift}-{last}/{size}", "etag": '"e"'}, b"")
    if shift == 0:
        assert S3.read("k", span=span).read(reply).size == size
    else:
        with pytest.raises(errors.RangeIgnored):
            S3.read("k", span=span).read(reply)


def test_an_ignored_range_is_noticed():
    """A whole body in answer to a range is refused, unless the range was the whole."""
    whole = Reply(200, {"content-length": "10", "etag": '"e"'}, b"")
    with pytest.raises(errors.RangeIgnored):
        S3.read("k", span=Span(2, 5)).read(whole)
    without = Reply(206, {"content-length": "4"}, b"")
    with pytest.raises(errors.RangeIgnored):
        S3.read("k", span=Span(0, 3)).read(without)
    unstated = Reply(206, {"content-length": "4", "content-range": "bytes 2-5/*"}, b"")
    assert S3.read("k", span=Span(2, 5)).read(unstated).size is None
    assert S3.read("k", span=Span(0, 99)).read(whole).size == 10
    with pytest.raises(errors.UnexpectedReply, match="part of the object"):
        S3.read("k").read(Reply(206, {"content-range": "bytes 0-1/3"}, b""))


@pytest.mark.parametrize(
    ("status", "code", "kind"),
    [
        (404, "NoSuchKey", errors.NotFound),
        (404, "NoSuchBucket", errors.BucketNotFound),
        (403, "AccessDenied", errors.AccessDenied),
        (403, "SignatureDoesNotMatch", errors.BadCredentials),
        (403, "InvalidAccessKeyId", errors.BadCredentials),
        (400, "ExpiredToken", errors.BadCredentials),
        (403, "RequestTimeTooSkewed", errors.BadCredentials),
        (403, "InvalidObjectState", errors.Archived),
        (412, "PreconditionFailed", errors.ConditionFailed),
        (400, "BadDigest", errors.DigestRefused),
        (404, "NoSuchUpload", errors.UploadGone),
        (400, "KeyTooLongError", errors.InvalidRequest),
        (501, "NotImplemented", errors.Unsupported),
        (503, "SlowDown", errors.Throttled),
        (403, "QuotaExceeded", errors.StorageFull),
        (400, "XMinioAdminBucketQuotaExceeded", errors.StorageFull),
        (507, "XMinioStorageFull", errors.StorageFull),
        (507, "", errors.StorageFull),
        (403, "InsufficientStorageSpace", errors.StorageFull),
        (403, "UserSuspended", errors.AccountRefused),
        (403, "AccountProblem", errors.AccountRefused),
        (500, "InternalError", errors.Unavailable),
        (400, "RequestTimeout", errors.TimedOut),
        (503, "", errors.Throttled),
        (429, "", errors.Throttled),
        (502, "", errors.Unavailable),
        (401, "", errors.BadCredentials),
        (403, "", errors.AccessDenied),
        (404, "", errors.NotFound),
        (412, "", errors.ConditionFailed),
        (405, "", errors.Unsupported),
        (418, "", errors.UnexpectedReply),
        (500, "NeverHeardOf", errors.Unavailable),
        (400, "NeverHeardOf", errors.InvalidRequest),
    ],
)
def test_errors_by_code_then_status(status, code, kind):
    """The vendor's code decides, the status only where there is none; place, code and request id are kept."""
    for store, prefix in ((S3, "x-amz-"), (OBS, "x-obs-")):
        error = failing(
            store, status, error_body(code) if code else b"", {f"{prefix}request-id": "R1", "retry-after": "3"}
        )
        assert type(error) is kind
        assert (error.store, error.operation, error.key) == (store.label, "read", "k")
        assert (error.status, error.vendor_code, error.request_id) == (status, code, "R1")


def test_a_full_account_is_no_missing_permission():
    """What Backblaze answers as AccessDenied when its storage cap is exceeded is said to be full."""
    words = "<Message>Cannot upload files, storage cap exceeded. See the Caps &amp; Alerts page.</Message>"
    error = failing(S3, 403, error_body("AccessDenied").replace(b"<Message>m</Message>", words.encode()))
    assert type(error) is errors.StorageFull
    assert "quota" in str(error)


def test_a_wrong_clock_or_region_is_named():
    """A clock that is off and a wrong region are told as such, not as wrong keys."""
    assert CLOCK in str(failing(S3, 403, error_body("RequestTimeTooSkewed")))
    assert "region" in str(failing(S3, 400, error_body("AuthorizationHeaderMalformed")))


@pytest.mark.parametrize("body", [b"", error_body("NoSuchKey")])
def test_a_missing_upload_is_not_a_missing_object(body):
    """Whatever 404 a call to an upload gets, the upload is gone; a missing bucket stays one."""
    for call in (S3.list_parts("k", "u"), S3.write_part("k", "u", 1, size=0), S3.complete_upload("k", "u", [])):
        with pytest.raises(errors.UploadGone):
            call.read(Reply(404, {}, body))
        with pytest.raises(errors.BucketNotFound):
            call.read(Reply(404, {}, error_body("NoSuchBucket")))


@given(body=st.binary(max_size=80), status=st.integers(300, 599))
def test_no_reply_crashes_the_reader(body, status):
    """Whatever an error's body holds, a StoreError comes of it."""
    assert isinstance(failing(S3, status, body), errors.StoreError)
    assert isinstance(failing(OBS, status, b"<Error>" + body), errors.StoreError)


def test_an_empty_404_of_a_listing_is_the_bucket():
    """A call that names no object can only miss the bucket."""
    with pytest.raises(errors.BucketNotFound):
        S3.list_page("").read(Reply(404, {}, b""))


@pytest.mark.parametrize(
    ("store", "body", "headers", "location"),
    [
        (S3, b"", {"location": "https://photos.s3.us-west-2.amazonaws.com/k"}, "https://photos.s3.us-west-2.amazonaws.com/k"),
        (S3, error_body("PermanentRedirect", "<Endpoint>photos.s3.ap-south-1.amazonaws.com</Endpoint>"), {"x-amz-bucket-region": "ap-south-1"}, "https://photos.s3.ap-south-1.amazonaws.com/k"),
        (OBS, error_body("TemporaryRedirect", "<Endpoint>photos.obs.cn-south-1.myhuaweicloud.com</Endpoint>"), {}, "https://photos.obs.cn-south-1.myhuaweicloud.com/k"),
        (open_store(StoreConfig("s3", "photos", endpoint="http://h:8080", addressing="path")), error_body("PermanentRedirect", "<Endpoint>photos.h2:8080</Endpoint>"), {}, "http://h2:8080/photos/k"),
    ],
    ids=["location", "endpoint", "obs", "path-style"],
)  # fmt: skip
def test_redirects_name_where_to_go(store, body, headers, location):
    """A redirect carries the URL to go to, from the header or the document, and the bucket's region where stated."""
    error = failing(store, 301, body, headers)
    assert isinstance(error, errors.Redirected)
    assert error.location == location
    assert ("ap-south-1" in str(error)) is ("x-amz-bucket-region" in headers)


@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (301, {"x-amz-bucket-region": "ap-south-1"}, b""),
        (400, {}, error_body("AuthorizationHeaderMalformed", "<Region>ap-south-1</Region>")),
    ],
    ids=["head", "malformed"],
)
def test_a_wrong_region_leads_to_the_right_one(status, headers, body):
    """Where AWS names only the bucket's region, the host there is named; signatures follow the host."""
    error = failing(S3, status, body, headers)
    assert isinstance(error, errors.Redirected)
    assert error.location == "https://photos.s3.ap-south-1.amazonaws.com/k"
    elsewhere = open_store(StoreConfig("s3", "photos", endpoint="http://minio:9000"))
    assert getattr(failing(elsewhere, status, body, headers), "location", "") == ""


@STORES
@pytest.mark.parametrize(
    ("status", "code", "answer"),
    [
        (202, "", Restore.REQUESTED),
        (200, "", Restore.READABLE),
        (409, "RestoreAlreadyInProgress", Restore.IN_PROGRESS),
        (403, "InvalidObjectState", Restore.READABLE),
        (409, "ObjectHasAlreadyRestored", Restore.READABLE),
    ],
)
def test_answers_to_a_restore(store, prefix, status, code, answer):
    """Accepted, done, under way, and not needed are told apart; none is an error."""
    call = store.restore("k", days=2, tier=RestoreTier.EXPEDITED)
    assert call.read(Reply(status, {}, error_body(code) if code else b"")) is answer


def test_restore_requests():
    """Each cloud's document carries days and tier; OBS has no bulk tier and gets its standard one."""
    s3 = S3.restore("k", days=2, tier=RestoreTier.BULK).request
    obs = OBS.restore("k", days=2, tier=RestoreTier.BULK).request
    assert b"<Days>2</Days><GlacierJobParameters><Tier>Bulk</Tier></GlacierJobParameters>" in s3.body
    assert b"<Days>2</Days><RestoreJob><Tier>Standard</Tier></RestoreJob>" in obs.body
    assert s3.query == (("restore", None),)


@pytest.mark.parametrize(
    ("code", "kind"),
    [("InternalError", errors.Unavailable), ("NoSuchUpload", errors.UploadGone), ("Odd", errors.Unavailable)],
)
def test_an_error_inside_200(code, kind):
    """A completion that fails after its 200 was sent, behind keep-alive blanks, is an error."""
    reply = Reply(200, {}, b"  \n " + error_body(code))
    with pytest.raises(kind):
        S3.complete_upload("k", "u", [WrittenPart(1, "e", 1)]).read(reply)


def test_a_completion_cut_short_is_an_error():
    """An empty 200 does not say that the object exists."""
    with pytest.raises(errors.UnexpectedReply):
        S3.complete_upload("k", "u", [WrittenPart(1, "e", 1)]).read(Reply(200, {}, b"  "))


def test_a_completion_without_an_etag():
    """An empty ETag (Ceph) is handed on as it is; the caller asks HEAD."""
    body = b"<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>"
    assert S3.complete_upload("k", "u", [WrittenPart(1, "e", 1)]).read(Reply(200, {"date": DATE}, body)).etag == ""


def test_a_completion_announces_the_joined_checksum():
    """OBS is told the CRC-64 of the whole object when each part's is known, and not otherwise."""
    parts = [WrittenPart(1, "a", 3, None, crc64(b"abc")), WrittenPart(2, "b", 2, None, crc64(b"de"))]
    asked = OBS.complete_upload("k", "u", parts).request
    assert asked.headers["x-obs-checksum-crc64ecma"] == str(crc64(b"abcde"))
    assert (
        "x-obs-checksum-crc64ecma"
        not in OBS.complete_upload("k", "u", [parts[0], WrittenPart(2, "b", 2)]).request.headers
    )
    assert b'<Part><PartNumber>2</PartNumber><ETag>"b"</ETag></Part>' in asked.body


def test_gone_is_gone():
    """Deleting a missing object and aborting a missing upload are no errors; a missing bucket is."""
    S3.delete("k").read(Reply(404, {}, error_body("NoSuchKey")))
    S3.abort_upload("k", "u").read(Reply(404, {}, error_body("NoSuchUpload")))
    with pytest.raises(errors.BucketNotFound):
        S3.delete("k").read(Reply(404, {}, error_body("NoSuchBucket")))


def test_parts_come_in_order():
    """Parts are listed by number, ETags unquoted, with the number to go on after."""
    body = (
        b"<ListPartsResult xmlns='u'><IsTruncated>true</IsTruncated>"
        b"<Part><PartNumber>2</PartNumber><ETag>&quot;b&quot;</ETag><Size>5</Size></Part>"
        b"<Part><PartNumber>1</PartNumber><ETag>&quot;a&quot;</ETag><Size>6</Size></Part></ListPartsResult>"
    )
    page = S3.list_parts("k", "u").read(Reply(200, {}, body))
    assert page == ([WrittenPart(1, "a", 6), WrittenPart(2, "b", 5)], 2)


def test_a_broken_parts_page_is_refused():
    """Numbers that are none are an unexpected reply, not a crash."""
    with pytest.raises(errors.UnexpectedReply):
        S3.list_parts("k", "u").read(Reply(200, {}, b"<L><Part><PartNumber>x</PartNumber><Size>1</Size></Part></L>"))
