"""The sandbox's COS as cos-python-sdk-v5 sees it: the official client is the judge."""

import hashlib
import random
import time

import crcmod
import pytest
import requests
from qcloud_cos import CosConfig, CosS3Client, CosServiceError

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness
from oms_adapters.sandbox import Answer, Fault, Match, Sandbox

MIB = 1024 * 1024
APP = "1250000000"
# The SDK drops a leading slash, merges dots and cannot send them: those keys are the adapter's own test, below.
ODD_KEYS = [
    "plain", "a//b", "dir/", " lead", "trail ", "a b", "%41", "a+b", "a%2Fb", "tab\tx", "new\nline", "q?x=1&y=#z;",
    "<&>\"'", "\\back", "é", "e\u0301", "\U0001f600", "~", "*", "k" * 850,
]  # fmt: skip
CRC64_XZ = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, rev=True, xorOut=0xFFFFFFFFFFFFFFFF)


@pytest.fixture(scope="module")
def sandbox():
    """Run one COS for the module."""
    with Sandbox(clouds=["cos"]) as running:
        yield running


def client_of(cloud, **options):
    """Return an official client of the cloud, with its own credentials unless told otherwise."""
    given = {"SecretId": cloud.access_key, "SecretKey": cloud.secret_key, **options}
    place = {"IP": cloud.endpoint.host, "Port": cloud.endpoint.port, "Region": cloud.region, "Scheme": "http"}
    # The list of buckets is another service, which the SDK looks up by name unless told.
    place["ServiceDomain"] = cloud.endpoint.netloc
    # Without a session of its own the SDK shares one pool of ten connections among all clients of the process.
    return CosS3Client(CosConfig(**place, **given), retry=0, session=requests.Session())


@pytest.fixture(scope="module")
def cos(sandbox):
    """Return an official client with the right credentials."""
    return client_of(sandbox.cos)


@pytest.fixture
def bucket(sandbox, request):
    """Return an empty bucket of the test's own."""
    name = "b-" + hashlib.md5(request.node.name.encode()).hexdigest()[:12]
    return sandbox.cos.create_bucket(f"{name}-{APP}")


def raw(answer):
    """Return the bytes of an object as they were sent."""
    return answer["Body"].get_raw_stream().read()


def refused(call, *arguments, **named):
    """Return status and code of a call that must be refused."""
    with pytest.raises(CosServiceError) as caught:
        call(*arguments, **named)
    return caught.value.get_status_code(), caught.value.get_error_code()


def test_buckets(sandbox, cos):
    """A bucket is created, listed with its region, located, found and deleted."""
    name = f"fresh-{APP}"
    cos.create_bucket(Bucket=name)
    found = cos.list_buckets()["Buckets"]["Bucket"]
    assert (name, "ap-guangzhou") in [(item["Name"], item["Location"]) for item in found]
    assert cos.get_bucket_location(Bucket=name)["LocationConstraint"] == "ap-guangzhou"
    cos.head_bucket(Bucket=name)
    cos.delete_bucket(Bucket=name)
    assert refused(cos.head_bucket, Bucket=name) == (404, "NoSuchResource")
    assert name not in sandbox.cos.buckets()


def test_odd_keys_come_back_exact_and_in_order(cos, bucket):
    """Every key that the SDK can send is stored, listed over pages by UTF-8 bytes, read and deleted unchanged."""
    for key in random.Random(1).sample(ODD_KEYS, len(ODD_KEYS)):
        cos.put_object(Bucket=bucket.name, Key=key, Body=key.encode())
    in_order = sorted(ODD_KEYS, key=lambda key: key.encode())
    assert bucket.keys() == in_order
    seen, marker = [], ""
    while marker is not None:
        page = cos.list_objects(Bucket=bucket.name, MaxKeys=4, Marker=marker)
        seen += [item["Key"] for item in page["Contents"]]
        marker = page["NextMarker"] if page["IsTruncated"] == "true" else None
    assert seen == in_order
    for key in ODD_KEYS:
        assert raw(cos.get_object(Bucket=bucket.name, Key=key)) == key.encode()
        cos.delete_object(Bucket=bucket.name, Key=key)
    assert bucket.keys() == []


def test_the_sdk_loses_keys_that_the_adapter_keeps(sandbox, cos, bucket):
    """A key with a leading slash, or of dots, is another object or no request to the SDK; to the adapter it is a key."""
    keys = ["/lead", "//lead", ".", "..", "a/../b", "a/./b", "./a"]
    bucket.put_many([("lead", b"another object"), *((key, key.encode()) for key in keys)])
    config = StoreConfig("Tencent", bucket.name, endpoint=sandbox.cos.url, credentials=sandbox.cos.credentials)
    with open_harness(config) as harness:
        for key in keys:
            assert harness.body(key) == key.encode()
        assert harness.keys("") == sorted([*keys, "lead"])
    assert raw(cos.get_object(Bucket=bucket.name, Key="/lead")) == b"another object"


def test_attributes_metadata_and_checksum(cos, bucket):
    """System headers and user metadata come back unchanged, and the CRC-64 the store computed is right."""
    body = b"\x1f\x8b not really gzip"
    given = {"ContentType": "text/x", "ContentEncoding": "gzip", "CacheControl": "no-store", "ContentLanguage": "de"}
    meta = {"x-cos-meta-a": "one", "x-cos-meta-b": "%E4%B8%AD"}
    done = cos.put_object(Bucket=bucket.name, Key="k", Body=body, Metadata=meta, EnableMD5=True, **given)
    assert done["x-cos-hash-crc64ecma"] == str(CRC64_XZ(body))
    head = cos.head_object(Bucket=bucket.name, Key="k")
    assert [head[name] for name in ("Content-Type", "Content-Encoding", "Cache-Control", "Content-Language")] == list(
        given.values()
    )
    assert {name: head[name] for name in meta} == meta
    answer = cos.get_object(Bucket=bucket.name, Key="k")
    assert (raw(answer), answer["x-cos-hash-crc64ecma"]) == (body, str(CRC64_XZ(body)))


def test_ranges_and_conditions(cos, bucket):
    """A range gives its bytes, a wrong ETag is refused, a range outside too."""
    bucket.put("k", b"0123456789")
    etag = cos.head_object(Bucket=bucket.name, Key="k")["ETag"]
    assert raw(cos.get_object(Bucket=bucket.name, Key="k", Range="bytes=2-4")) == b"234"
    assert raw(cos.get_object(Bucket=bucket.name, Key="k", IfMatch=etag)) == b"0123456789"
    assert refused(cos.get_object, Bucket=bucket.name, Key="k", IfMatch='"other"') == (412, "PreconditionFailed")
    assert refused(cos.get_object, Bucket=bucket.name, Key="k", Range="bytes=99-") == (416, "InvalidRange")


def test_multipart(cos, bucket):
    """Parts are stored, listed and joined; the ETag is no MD5, the CRC-64 is the whole object's."""
    bodies = [b"a" * MIB, b"b" * MIB, b"tail"]
    upload = cos.create_multipart_upload(Bucket=bucket.name, Key="big", StorageClass="STANDARD_IA")["UploadId"]
    etags = [
        cos.upload_part(Bucket=bucket.name, Key="big", Body=body, PartNumber=n, UploadId=upload)["ETag"]
        for n, body in enumerate(bodies, 1)
    ]
    listed = cos.list_parts(Bucket=bucket.name, Key="big", UploadId=upload)["Part"]
    assert [(part["PartNumber"], part["ETag"], part["Size"]) for part in listed] == [
        (str(n), etag, str(len(body))) for n, (etag, body) in enumerate(zip(etags, bodies, strict=True), 1)
    ]
    parts = {"Part": [{"PartNumber": n, "ETag": etag} for n, etag in enumerate(etags, 1)]}
    done = cos.complete_multipart_upload(Bucket=bucket.name, Key="big", UploadId=upload, MultipartUpload=parts)
    assert done["ETag"].strip('"').endswith("-3")
    head = cos.head_object(Bucket=bucket.name, Key="big")
    assert (head["x-cos-storage-class"], head["x-cos-hash-crc64ecma"]) == (
        "STANDARD_IA", str(CRC64_XZ(b"".join(bodies))),
    )  # fmt: skip
    assert bucket.get("big") == b"".join(bodies)
    gone = cos.create_multipart_upload(Bucket=bucket.name, Key="big")["UploadId"]
    cos.abort_multipart_upload(Bucket=bucket.name, Key="big", UploadId=gone)
    assert refused(cos.list_parts, Bucket=bucket.name, Key="big", UploadId=gone) == (404, "NoSuchUpload")


def test_archive_and_restore(sandbox, cos, bucket):
    """An archived object is refused, restored once, and readable when the restore is over; others need none."""
    sandbox.cos.restore_seconds = 0.3
    bucket.put("cold", b"cold", storage_class="ARCHIVE")
    bucket.put("warm", b"warm")
    wanted = {"Days": 2, "CASJobParameters": {"Tier": "Expedited"}}
    assert refused(cos.get_object, Bucket=bucket.name, Key="cold") == (403, "InvalidObjectState")
    cos.restore_object(Bucket=bucket.name, Key="cold", RestoreRequest=wanted)
    again = refused(cos.restore_object, Bucket=bucket.name, Key="cold", RestoreRequest=wanted)
    assert again == (409, "RestoreAlreadyInProgress")
    assert cos.head_object(Bucket=bucket.name, Key="cold")["x-cos-restore"] == 'ongoing-request="true"'
    time.sleep(0.4)
    assert raw(cos.get_object(Bucket=bucket.name, Key="cold")) == b"cold"
    assert cos.head_object(Bucket=bucket.name, Key="cold")["x-cos-restore"].startswith('ongoing-request="false"')
    assert refused(cos.restore_object, Bucket=bucket.name, Key="warm", RestoreRequest=wanted) == (
        405, "RestoreNonArchiveObject",
    )  # fmt: skip


def test_refusals(sandbox, cos, bucket):
    """A wrong secret, an unknown key, a missing object and bucket, and too long a key are told apart."""
    wrong, unknown = client_of(sandbox.cos, SecretKey="wrong"), client_of(sandbox.cos, SecretId="nobody")
    assert refused(wrong.list_objects, Bucket=bucket.name) == (403, "SignatureDoesNotMatch")
    assert refused(unknown.list_objects, Bucket=bucket.name) == (403, "InvalidAccessKeyId")
    assert refused(cos.get_object, Bucket=bucket.name, Key="none") == (404, "NoSuchKey")
    assert refused(cos.list_objects, Bucket=f"none-{APP}") == (404, "NoSuchBucket")
    assert refused(cos.put_object, Bucket=bucket.name, Key="k" * 851, Body=b"") == (400, "KeyTooLong")
    assert refused(cos.put_object, Bucket=bucket.name, Key="k", Body=b"", StorageClass="NONE") == (
        400, "NotSupportedStorageClass",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("key", "query", "header"),
    [("b", "", "1"), ("a", "response-content-type=text/x", "1"), ("a", "", "2"), ("a", "", None)],
)
def test_what_was_signed_cannot_be_changed(sandbox, cos, bucket, key, query, header):
    """A signature for one object, query and set of headers opens no other."""
    bucket.put_many([("a", b"a"), ("b", b"b")])
    signed = {"x-cos-meta-n": "1"}
    given = {"Method": "GET", "Bucket": bucket.name, "Key": "a", "Params": {"response-content-type": "a/b"}}
    host = cos.get_conf().get_host(Bucket=bucket.name)
    authorization = cos.get_auth(**given, Headers={"Host": host, **signed})
    sent = {"Host": host, "Authorization": authorization}

    def status(path, asked, value):
        extra = {} if value is None else {"x-cos-meta-n": value}
        url = f"{sandbox.cos.url}/{path}?{asked or 'response-content-type=a/b'}"
        return requests.get(url, headers={**sent, **extra}, timeout=10).status_code

    assert status("a", "", "1") == 200
    assert status(key, query, header) == 403


def test_temporary_credentials(sandbox, bucket):
    """A temporary key is good with its token only."""
    given = sandbox.cos.add_credentials("TEMPAK", "TEMPSK", token="tok/en+=")
    keys = {"SecretId": given.access_key, "SecretKey": "TEMPSK"}
    client_of(sandbox.cos, Token="tok/en+=", **keys).list_objects(Bucket=bucket.name)
    for token in (None, "other"):
        client = client_of(sandbox.cos, Token=token, **keys)
        assert refused(client.list_objects, Bucket=bucket.name) == (403, "InvalidAccessKeyId")


def test_a_clock_that_is_off_is_told(sandbox, cos, bucket):
    """A signature whose time is over or still to come is refused as such."""
    for skew in (11_000, -3600):
        sandbox.cos.clock_skew = skew
        try:
            assert refused(cos.list_objects, Bucket=bucket.name) == (403, "RequestTimeTooSkewed")
        finally:
            sandbox.cos.clock_skew = 0


def test_faults_speak_the_vendors_words(sandbox, cos, bucket):
    """A fault on demand is answered as COS answers it."""
    sandbox.cos.faults.add(Fault(Match(operation="ListObjects"), Answer(), times=1))
    assert refused(cos.list_objects, Bucket=bucket.name) == (503, "SlowDown")
