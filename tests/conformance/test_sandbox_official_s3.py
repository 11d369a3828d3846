"""The sandbox's S3 as boto3 sees it: the official client is the judge, nothing of ours is between."""

import datetime as dt
import gzip
import hashlib
import io
import random
import time

import boto3
import pytest
import trustme
from botocore.config import Config
from botocore.exceptions import ClientError

from oms_adapters.sandbox import Sandbox, md5_hex, put_item

MIB = 1024 * 1024
ODD_KEYS = [
    "plain", "a/../b", "a//b", "/a", "//a", ".", "..", "a/./b", "dir/", " lead", "trail ", "a b", "%41", "a+b", "a%2Fb",
    "new\nline", "cr\rx", "tab\tx", "\x10control", "\x7f", "q?x=1&y=#z;", "<&>\"'", "\\back", "é", "e\u0301", "\U0001f600",
    "\uffff", "~", "*", "k" * 1024,
]  # fmt: skip


@pytest.fixture(scope="module")
def sandbox():
    """Run one sandbox for the module."""
    with Sandbox() as running:
        yield running


def client_of(cloud, **options):
    """Return an official client of a cloud, with its own credentials unless told otherwise."""
    given = {"aws_access_key_id": cloud.access_key, "aws_secret_access_key": cloud.secret_key, **options}
    config = Config(retries={"max_attempts": 1, "mode": "standard"}, s3={"addressing_style": "path"})
    return boto3.client("s3", endpoint_url=cloud.url, region_name="us-east-1", **{"config": config, **given})


@pytest.fixture(scope="module")
def s3(sandbox):
    """Return a boto3 client with the right credentials."""
    return client_of(sandbox.s3)


@pytest.fixture
def bucket(sandbox, request):
    """Return an empty bucket of the test's own."""
    name = "b-" + hashlib.md5(request.node.name.encode()).hexdigest()[:12]
    return sandbox.s3.create_bucket(name)


def refused(call, **arguments):
    """Return (status, code) of a call that must fail."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["ResponseMetadata"]["HTTPStatusCode"], caught.value.response["Error"]["Code"]


def listed(s3, name, operation="list_objects_v2", **arguments):
    """Return all keys of a listing, page by page."""
    pages = s3.get_paginator(operation).paginate(Bucket=name, **arguments)
    return [item["Key"] for page in pages for item in page.get("Contents", [])]


def test_buckets_are_created_listed_and_deleted(s3):
    """A bucket lives from create to delete; a full one cannot be deleted, an existing one not be created."""
    s3.create_bucket(Bucket="fresh-bucket")
    assert "fresh-bucket" in [item["Name"] for item in s3.list_buckets()["Buckets"]]
    assert s3.get_bucket_location(Bucket="fresh-bucket")["LocationConstraint"] is None
    assert s3.head_bucket(Bucket="fresh-bucket")["BucketRegion"] == "us-east-1"
    assert refused(s3.create_bucket, Bucket="fresh-bucket") == (409, "BucketAlreadyOwnedByYou")
    s3.put_object(Bucket="fresh-bucket", Key="k")
    assert refused(s3.delete_bucket, Bucket="fresh-bucket") == (409, "BucketNotEmpty")
    s3.delete_object(Bucket="fresh-bucket", Key="k")
    s3.delete_bucket(Bucket="fresh-bucket")
    assert refused(s3.head_bucket, Bucket="fresh-bucket") == (404, "404")


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_odd_keys_come_back_exact_and_in_order(s3, bucket, operation):
    """Every odd key is stored, listed over pages by UTF-8 bytes, read and deleted unchanged."""
    for key in random.Random(1).sample(ODD_KEYS, len(ODD_KEYS)):
        s3.put_object(Bucket=bucket.name, Key=key, Body=key.encode())
    in_order = sorted(ODD_KEYS, key=lambda key: key.encode())
    assert bucket.keys() == in_order
    assert listed(s3, bucket.name, operation, PaginationConfig={"PageSize": 4}) == in_order
    for key in ODD_KEYS:
        assert s3.get_object(Bucket=bucket.name, Key=key)["Body"].read() == key.encode()
        s3.delete_object(Bucket=bucket.name, Key=key)
    assert bucket.keys() == []


@pytest.mark.parametrize("operation", ["list_objects", "list_objects_v2"])
def test_folders_are_rolled_up(s3, bucket, operation):
    """A delimiter folds keys into common prefixes that count as one and are never repeated."""
    bucket.put_many([(key, b"") for key in ("a", "b/1", "b/2", "b/c/3", "d é/x", "e")])
    pages = list(s3.get_paginator(operation).paginate(
        Bucket=bucket.name, Delimiter="/", PaginationConfig={"PageSize": 1}))  # fmt: skip
    assert [item["Key"] for page in pages for item in page.get("Contents", [])] == ["a", "e"]
    assert [item["Prefix"] for page in pages for item in page.get("CommonPrefixes", [])] == ["b/", "d é/"]
    assert listed(s3, bucket.name, operation, Prefix="b/", Delimiter="/") == ["b/1", "b/2"]


def test_a_listing_starts_anywhere(s3, bucket):
    """Marker and StartAfter need not be keys that exist."""
    bucket.put_many([(key, b"") for key in ("a", "c", "e")])
    assert listed(s3, bucket.name, StartAfter="b") == ["c", "e"]
    assert listed(s3, bucket.name, "list_objects", Marker="c") == ["e"]


def test_a_page_states_what_it_should(s3, bucket):
    """Size, ETag, class and time of a listing are those of HEAD; counts and tokens are set."""
    bucket.put("k1", b"abc", storage_class="STANDARD_IA", mtime=1_700_000_000.5)
    bucket.put("k2", b"")
    page = s3.list_objects_v2(Bucket=bucket.name, MaxKeys=1)
    assert (page["KeyCount"], page["MaxKeys"], page["IsTruncated"]) == (1, 1, True)
    assert page["NextContinuationToken"]
    head = s3.head_object(Bucket=bucket.name, Key="k1")
    item = page["Contents"][0]
    assert (item["Size"], item["ETag"], item["StorageClass"]) == (3, head["ETag"], head["StorageClass"])
    assert item["LastModified"] == head["LastModified"] == dt.datetime.fromtimestamp(1_700_000_000, dt.UTC)
    first = s3.list_objects(Bucket=bucket.name, MaxKeys=1)
    assert first["IsTruncated"]
    assert "NextMarker" not in first


def test_a_thousand_keys_are_a_page(s3, bucket):
    """A page holds at most 1000 keys, whatever is asked for."""
    bucket.put_many([(f"{number:05}", b"") for number in range(2001)])
    assert len(s3.list_objects_v2(Bucket=bucket.name, MaxKeys=5000)["Contents"]) == 1000
    assert len(listed(s3, bucket.name)) == 2001


def test_metadata_and_headers_travel(s3, bucket):
    """System headers and user metadata come back as they were given."""
    given = {
        "ContentType": "text/x; charset=utf-8", "CacheControl": "no-cache", "ContentDisposition": 'inline; filename="a"',
        "ContentEncoding": "gzip", "ContentLanguage": "de", "Metadata": {"a-b": "c d", "x": ""},
    }  # fmt: skip
    expires = dt.datetime(2030, 1, 2, 3, 4, 5, tzinfo=dt.UTC)
    body = gzip.compress(b"hello")
    s3.put_object(Bucket=bucket.name, Key="k", Body=body, Expires=expires, **given)
    head = s3.head_object(Bucket=bucket.name, Key="k")
    assert {name: head[name] for name in given} == given
    assert head["ExpiresString"] == "Wed, 02 Jan 2030 03:04:05 GMT"
    assert s3.get_object(Bucket=bucket.name, Key="k")["Body"].read() == body
    assert bucket.object("k").user == {"a-b": "c d", "x": ""}


def test_user_metadata_is_limited(s3, bucket):
    """2 KB of user metadata pass, a byte more is refused."""
    s3.put_object(Bucket=bucket.name, Key="k", Metadata={"m": "x" * 2047})
    assert refused(s3.put_object, Bucket=bucket.name, Key="l", Metadata={"m": "x" * 2048}) == (400, "MetadataTooLarge")


def test_a_long_key_is_refused(s3, bucket):
    """1025 bytes of key are too long, for a write and for an upload."""
    key = "é" * 512 + "x"
    assert refused(s3.put_object, Bucket=bucket.name, Key=key) == (400, "KeyTooLongError")
    assert refused(s3.create_multipart_upload, Bucket=bucket.name, Key=key) == (400, "KeyTooLongError")


@pytest.mark.parametrize(
    ("asked", "answer", "stated"),
    [
        ("bytes=0-3", b"0123", "bytes 0-3/10"),
        ("bytes=7-", b"789", "bytes 7-9/10"),
        ("bytes=-2", b"89", "bytes 8-9/10"),
        ("bytes=-99", b"0123456789", "bytes 0-9/10"),
        ("bytes=8-99", b"89", "bytes 8-9/10"),
    ],
)
def test_ranges(s3, bucket, asked, answer, stated):
    """A range gives 206, its bytes and where they lie."""
    bucket.put("k", b"0123456789")
    reply = s3.get_object(Bucket=bucket.name, Key="k", Range=asked)
    assert (reply["ResponseMetadata"]["HTTPStatusCode"], reply["Body"].read(), reply["ContentRange"]) == (
        206,
        answer,
        stated,
    )


@pytest.mark.parametrize(("body", "asked"), [(b"0123", "bytes=4-"), (b"", "bytes=0-"), (b"0123", "bytes=-0")])
def test_impossible_ranges(s3, bucket, body, asked):
    """A range that holds no byte of the object is refused with 416."""
    bucket.put("k", body)
    assert refused(s3.get_object, Bucket=bucket.name, Key="k", Range=asked) == (416, "InvalidRange")


def test_conditions(s3, bucket):
    """If-Match and If-None-Match decide on reads and writes."""
    bucket.put("k", b"abc", mtime=1_700_000_000)
    get = {"Bucket": bucket.name, "Key": "k"}
    etag = f'"{md5_hex(b"abc")}"'
    assert s3.get_object(**get, IfMatch=etag)["Body"].read() == b"abc"
    assert refused(s3.get_object, **get, IfMatch='"x"') == (412, "PreconditionFailed")
    assert refused(s3.get_object, **get, IfNoneMatch=etag) == (304, "304")
    assert refused(s3.head_object, **get, IfModifiedSince=dt.datetime(2024, 1, 1, tzinfo=dt.UTC)) == (304, "304")
    assert refused(s3.head_object, **get, IfUnmodifiedSince=dt.datetime(2020, 1, 1, tzinfo=dt.UTC)) == (412, "412")
    assert refused(s3.put_object, **get, Body=b"x", IfNoneMatch="*") == (412, "PreconditionFailed")
    s3.put_object(Bucket=bucket.name, Key="new", IfNoneMatch="*")
    assert bucket.get("k") == b"abc"


def test_a_file_object_of_20_mb_goes_up_in_parts(s3, bucket):
    """upload_fileobj makes a multipart object: its bytes are whole, its ETag is the MD5 of MD5s."""
    data = random.Random(2).randbytes(20 * MIB + 7)
    s3.upload_fileobj(io.BytesIO(data), bucket.name, "big", ExtraArgs={"ContentType": "x/y", "Metadata": {"m": "v"}})
    parts = [hashlib.md5(data[at : at + 8 * MIB]).digest() for at in range(0, len(data), 8 * MIB)]
    head = s3.head_object(Bucket=bucket.name, Key="big")
    assert head["ETag"] == f'"{md5_hex(b"".join(parts))}-3"'
    assert (head["ContentType"], head["Metadata"]) == ("x/y", {"m": "v"})
    there = io.BytesIO()
    s3.download_fileobj(bucket.name, "big", there)
    assert there.getvalue() == data
    assert bucket.uploads() == []


def test_multipart_step_by_step(s3, bucket):
    """Parts are listed over pages, replaced, joined in order; the upload is gone afterwards."""
    call = {"Bucket": bucket.name, "Key": "m"}
    upload = s3.create_multipart_upload(**call, StorageClass="STANDARD_IA")["UploadId"]
    s3.upload_part(**call, UploadId=upload, PartNumber=3, Body=b"old")
    for number, body in ((3, b"tail"), (1, b"h" * 5 * MIB)):
        s3.upload_part(**call, UploadId=upload, PartNumber=number, Body=body)
    pages = s3.get_paginator("list_parts").paginate(**call, UploadId=upload, PaginationConfig={"PageSize": 1})
    parts = [{"PartNumber": part["PartNumber"], "ETag": part["ETag"]} for page in pages for part in page["Parts"]]
    assert [part["PartNumber"] for part in parts] == [1, 3]
    assert [item["UploadId"] for item in s3.list_multipart_uploads(Bucket=bucket.name)["Uploads"]] == [upload]
    done = s3.complete_multipart_upload(**call, UploadId=upload, MultipartUpload={"Parts": parts})
    assert done["ETag"] == s3.head_object(**call)["ETag"]
    assert bucket.get("m") == b"h" * 5 * MIB + b"tail"
    assert bucket.object("m").storage_class == "STANDARD_IA"
    assert refused(s3.list_parts, **call, UploadId=upload) == (404, "NoSuchUpload")


def test_multipart_refusals(s3, bucket):
    """A small part, a wrong ETag, a wrong order and an unknown upload each have their code; abort drops the upload."""
    call = {"Bucket": bucket.name, "Key": "m"}
    call["UploadId"] = s3.create_multipart_upload(**call)["UploadId"]
    tags = [s3.upload_part(**call, PartNumber=number, Body=b"x")["ETag"] for number in (1, 2)]
    parts = [{"PartNumber": number, "ETag": tag} for number, tag in enumerate(tags, 1)]

    def complete(chosen):
        return refused(s3.complete_multipart_upload, **call, MultipartUpload={"Parts": chosen})

    assert complete(parts) == (400, "EntityTooSmall")
    assert complete(parts[::-1]) == (400, "InvalidPartOrder")
    assert complete([{"PartNumber": 1, "ETag": '"0"'}]) == (400, "InvalidPart")
    assert refused(s3.upload_part, **call, PartNumber=10_001, Body=b"") == (400, "InvalidArgument")
    s3.abort_multipart_upload(**call)
    assert complete(parts) == (404, "NoSuchUpload")
    assert refused(s3.upload_part, **call, PartNumber=1, Body=b"") == (404, "NoSuchUpload")


def test_multi_delete(s3, bucket):
    """delete_objects removes what is there and is content with what is not."""
    bucket.put_many([("a", b""), ("b & <c>", b""), ("keep", b"")])
    objects = [{"Key": key} for key in ("a", "b & <c>", "missing")]
    reply = s3.delete_objects(Bucket=bucket.name, Delete={"Objects": objects})
    assert {item["Key"] for item in reply["Deleted"]} == {"a", "b & <c>", "missing"}
    assert bucket.keys() == ["keep"]


def test_missing_things_have_their_codes(s3, bucket):
    """A missing key and a missing bucket are told apart where a body can say so."""
    assert refused(s3.get_object, Bucket=bucket.name, Key="no") == (404, "NoSuchKey")
    assert refused(s3.get_object, Bucket="no-such-bucket", Key="no") == (404, "NoSuchBucket")
    assert refused(s3.head_object, Bucket=bucket.name, Key="no") == (404, "404")
    assert refused(s3.put_object, Bucket=bucket.name, Key="k", StorageClass="NONE") == (400, "InvalidStorageClass")


@pytest.mark.parametrize("storage_class", ["GLACIER", "DEEP_ARCHIVE"])
def test_an_archived_object_is_restored(sandbox, s3, bucket, storage_class):
    """GET is refused until a restore has run: 202, then 409 while it runs, then readable and 200."""
    sandbox.s3.restore_seconds = {"Bulk": 0.4}
    bucket.put("k", b"cold", storage_class=storage_class)
    call = {"Bucket": bucket.name, "Key": "k"}
    request = {"Days": 2, "GlacierJobParameters": {"Tier": "Bulk"}}
    assert refused(s3.get_object, **call) == (403, "InvalidObjectState")
    assert "Restore" not in s3.head_object(**call)
    assert s3.restore_object(**call, RestoreRequest=request)["ResponseMetadata"]["HTTPStatusCode"] == 202
    assert s3.head_object(**call)["Restore"] == 'ongoing-request="true"'
    assert refused(s3.restore_object, **call, RestoreRequest=request) == (409, "RestoreAlreadyInProgress")
    assert refused(s3.get_object, **call) == (403, "InvalidObjectState")
    time.sleep(0.5)
    assert 'ongoing-request="false", expiry-date="' in s3.head_object(**call)["Restore"]
    assert s3.get_object(**call)["Body"].read() == b"cold"
    assert s3.restore_object(**call, RestoreRequest=request)["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_restores_that_make_no_sense(s3, bucket):
    """A readable class cannot be restored, and DEEP_ARCHIVE has no Expedited tier."""
    bucket.put("warm", b"", storage_class="GLACIER_IR")
    bucket.put("deep", b"", storage_class="DEEP_ARCHIVE")
    request = {"Days": 1, "GlacierJobParameters": {"Tier": "Expedited"}}
    call = {"Bucket": bucket.name, "RestoreRequest": request}
    assert refused(s3.restore_object, Key="warm", **call) == (403, "InvalidObjectState")
    assert refused(s3.restore_object, Key="deep", **call) == (400, "InvalidArgument")
    assert s3.get_object(Bucket=bucket.name, Key="warm")["Body"].read() == b""


def test_kms_is_stated_and_makes_etags_opaque(sandbox, s3, bucket):
    """aws:kms, asked for or by the bucket's default, is stated everywhere and the ETag is no MD5."""
    s3.put_object(Bucket=bucket.name, Key="k", Body=b"abc", ServerSideEncryption="aws:kms", SSEKMSKeyId="my-key")
    head = s3.head_object(Bucket=bucket.name, Key="k")
    assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", "my-key")
    assert head["ETag"] != f'"{md5_hex(b"abc")}"'
    sandbox.s3.create_bucket("kms-by-default", default_kms=True)
    reply = s3.put_object(Bucket="kms-by-default", Key="k", Body=b"abc")
    assert reply["ServerSideEncryption"] == "aws:kms"
    plain = s3.put_object(Bucket=bucket.name, Key="a", Body=b"abc", ServerSideEncryption="AES256")
    assert (plain["ServerSideEncryption"], plain["ETag"]) == ("AES256", f'"{md5_hex(b"abc")}"')


def test_requester_pays(sandbox, s3):
    """A requester-pays bucket refuses list, head and get without the header and says that it charges with it."""
    name = sandbox.s3.create_bucket("toll-road", requester_pays=True).name
    sandbox.s3.bucket(name).put("k", b"x")
    assert refused(s3.list_objects_v2, Bucket=name) == (403, "AccessDenied")
    assert refused(s3.head_object, Bucket=name, Key="k") == (403, "403")
    assert refused(s3.get_object, Bucket=name, Key="k") == (403, "AccessDenied")
    pays = {"Bucket": name, "RequestPayer": "requester"}
    assert s3.list_objects_v2(**pays)["RequestCharged"] == "requester"
    assert s3.get_object(Key="k", **pays)["RequestCharged"] == "requester"


def test_wrong_credentials_are_told_apart(sandbox, bucket):
    """An unknown key, a wrong secret and no signature at all have three codes."""
    ask = {"Bucket": bucket.name}
    assert refused(client_of(sandbox.s3, aws_access_key_id="AKNOBODY").list_objects_v2, **ask) == (
        403,
        "InvalidAccessKeyId",
    )
    assert refused(client_of(sandbox.s3, aws_secret_access_key="x").list_objects_v2, **ask) == (
        403,
        "SignatureDoesNotMatch",
    )
    import botocore

    anonymous = client_of(sandbox.s3, config=Config(signature_version=botocore.UNSIGNED))
    assert refused(anonymous.list_objects_v2, **ask) == (403, "AccessDenied")


def test_session_tokens(sandbox, bucket):
    """Temporary keys work with their token only; a permanent key with a token is refused."""
    sandbox.s3.add_credentials("AKTEMP", "secret", token="the-token")
    temporary = {"aws_access_key_id": "AKTEMP", "aws_secret_access_key": "secret"}
    ask = {"Bucket": bucket.name}
    assert client_of(sandbox.s3, **temporary, aws_session_token="the-token").list_objects_v2(**ask)["KeyCount"] == 0
    assert refused(client_of(sandbox.s3, **temporary, aws_session_token="x").list_objects_v2, **ask) == (
        400,
        "InvalidToken",
    )
    assert refused(client_of(sandbox.s3, **temporary).list_objects_v2, **ask)[0] == 403
    assert refused(client_of(sandbox.s3, aws_session_token="x").list_objects_v2, **ask) == (400, "InvalidToken")


def test_a_skewed_clock_is_refused(sandbox):
    """A cloud whose clock is 16 minutes ahead refuses what we sign."""
    with Sandbox() as other:
        other.s3.clock_skew = 16 * 60
        assert refused(client_of(other.s3).list_buckets) == (403, "RequestTimeTooSkewed")
        other.s3.clock_skew = 14 * 60
        assert client_of(other.s3).list_buckets()["Buckets"] == []
    assert sandbox.s3.clock_skew == 0


def test_wrong_digests_are_refused(s3, bucket):
    """A Content-MD5 or a checksum that is not the body's is BadDigest, and nothing is stored."""
    put = {"Bucket": bucket.name, "Key": "k", "Body": b"abc"}
    assert refused(s3.put_object, **put, ContentMD5="1B2M2Y8AsgTpgAmY7PhCfg==") == (400, "BadDigest")
    assert refused(s3.put_object, **put, ContentMD5="AAAA") == (400, "InvalidDigest")
    assert refused(s3.put_object, **put, ChecksumCRC32="AAAAAA==") == (400, "BadDigest")
    assert bucket.keys() == []


def test_https_sends_aws_chunked_and_it_is_unframed(tmp_path):
    """Over TLS boto3 frames bodies as aws-chunked with a checksum trailer: the object holds the bytes, not the frames."""
    authority = trustme.CA()
    (tmp_path / "ca.pem").write_bytes(authority.cert_pem.bytes())
    chain, key = tmp_path / "chain.pem", tmp_path / "key.pem"
    issued = authority.issue_cert("127.0.0.1")
    chain.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    data = random.Random(3).randbytes(3 * MIB)
    with Sandbox(certificate=(str(chain), str(key))) as secure:
        there = secure.s3.create_bucket("secure")
        client = client_of(secure.s3, verify=str(tmp_path / "ca.pem"))
        framings = []
        client.meta.events.register("before-send.s3.PutObject", lambda request, **_: framings.append(
            request.headers["X-Amz-Content-SHA256"]))  # fmt: skip
        client.put_object(Bucket="secure", Key="k", Body=io.BytesIO(data), ContentEncoding="gzip")
        client.put_object(Bucket="secure", Key="empty", Body=b"")
        assert there.get("k") == data
        assert there.object("k").headers["content-encoding"] == "gzip"
        assert there.get("empty") == b""
        assert framings == [b"STREAMING-UNSIGNED-PAYLOAD-TRAILER"] * 2


def test_200_mb_in_parts(s3, bucket):
    """An object of 200 MB goes up and down in parts without a copy of it as a whole."""
    part = random.Random(4).randbytes(50 * MIB)
    call = {"Bucket": bucket.name, "Key": "huge"}
    call["UploadId"] = s3.create_multipart_upload(**call)["UploadId"]
    tags = [s3.upload_part(**call, PartNumber=number, Body=part)["ETag"] for number in (1, 2, 3, 4)]
    s3.complete_multipart_upload(
        **call, MultipartUpload={"Parts": [{"PartNumber": n, "ETag": tag} for n, tag in enumerate(tags, 1)]}
    )
    digest = hashlib.md5()
    for chunk in s3.get_object(Bucket=bucket.name, Key="huge")["Body"].iter_chunks(MIB):
        digest.update(chunk)
    assert digest.digest() == hashlib.md5(part * 4).digest()


def test_direct_inspection_agrees_with_boto3(s3, bucket):
    """What is placed without HTTP is what boto3 reads, ETag styles included."""
    bucket.put_many([
        put_item("md5", b"abc"), put_item("opaque", b"abc", etag="opaque"),
        put_item("parts", b"abcd", etag="multipart:2", headers={"content-type": "a/b"}, user={"m": "v"}),
    ])  # fmt: skip
    etags = {item["Key"]: item["ETag"].strip('"') for item in s3.list_objects_v2(Bucket=bucket.name)["Contents"]}
    assert etags == {item.key: item.etag for item in bucket.objects()}
    assert etags["md5"] == md5_hex(b"abc") != etags["opaque"]
    assert etags["parts"].endswith("-2")
    assert s3.head_object(Bucket=bucket.name, Key="parts")["Metadata"] == {"m": "v"}


def test_the_log_names_what_was_asked(sandbox, s3, bucket):
    """Each request is logged with operation, key, query and status."""
    sandbox.s3.clear_log()
    refused(s3.get_object, Bucket=bucket.name, Key="a b", Range="bytes=0-1")
    entry = sandbox.s3.log[-1]
    assert (entry.method, entry.operation, entry.bucket, entry.key, entry.status) == (
        "GET", "GetObject", bucket.name, "a b", 404,
    )  # fmt: skip
