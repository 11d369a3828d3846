"""The sandbox's OBS as esdk-obs-python sees it, speaking its own ``x-obs-`` protocol: the official client is the judge."""

import hashlib
import http.client
import random
import time
from email.utils import formatdate

import boto3
import crcmod
import pytest
from obs import ObsClient
from obs.auth import Authentication
from obs.convertor import Adapter
from obs.model import (
    CompleteMultipartUploadRequest,
    CompletePart,
    DeleteObjectsRequest,
    GetObjectHeader,
    Object,
    PutObjectHeader,
    SseKmsHeader,
)

from oms_adapters.sandbox import Sandbox, md5_hex

KIB = 1024
ODD_KEYS = [
    "plain", "a/../b", "a//b", "/a", "//a", ".", "..", "dir/", " lead", "trail ", "a b", "%41", "a+b", "a%2Fb", "tab\tx",
    "new\nline", "q?x=1&y=#z;", "<&>\"'", "\\back", "é", "e\u0301", "\U0001f600", "~", "*", "k" * 1024,
]  # fmt: skip
CRC64_XZ = crcmod.mkCrcFun(0x142F0E1EBA9EA3693, initCrc=0, rev=True, xorOut=0xFFFFFFFFFFFFFFFF)


@pytest.fixture(scope="module")
def sandbox():
    """Run one sandbox for the module."""
    with Sandbox() as running:
        yield running


def client_of(cloud, **options):
    """Return an official client of a cloud, with its own credentials unless told otherwise."""
    # workflow mode is the SDK's only way to keep its own protocol on an IP address
    given = {"signature": "obs", "path_style": True, "client_mode": "workflow", "max_retry_count": 0, **options}
    access_key, secret_key = given.pop("access_key", cloud.access_key), given.pop("secret_key", cloud.secret_key)
    return ObsClient(access_key, secret_key, server=cloud.url, **given)


@pytest.fixture(scope="module")
def obs(sandbox):
    """Return an ObsClient with the right credentials."""
    client = client_of(sandbox.obs, long_conn_mode=True)
    yield client
    client.close()


@pytest.fixture
def bucket(sandbox, request):
    """Return an empty bucket of the test's own."""
    name = "b-" + hashlib.md5(request.node.name.encode()).hexdigest()[:12]
    return sandbox.obs.create_bucket(name)


def done(answer, status=200):
    """Return the body of an answer that must have succeeded."""
    assert (answer.status, answer.errorCode) == (status, None)
    return answer.body


def refused(answer):
    """Return status and code of an answer."""
    return answer.status, answer.errorCode


def header(answer, name):
    """Return a header as the SDK gives it: lower case, vendor prefix stripped."""
    return dict(answer.header).get(name)


def test_buckets(sandbox, obs):
    """A bucket is created, listed, located and deleted."""
    done(obs.createBucket("fresh-bucket"))
    assert "fresh-bucket" in [item.name for item in done(obs.listBuckets()).buckets]
    assert done(obs.getBucketLocation("fresh-bucket")).location == "cn-north-4"
    assert done(obs.getBucketMetadata("fresh-bucket")).location == "cn-north-4"
    assert refused(obs.createBucket("fresh-bucket")) == (409, "BucketAlreadyOwnedByYou")
    done(obs.deleteBucket("fresh-bucket"), 204)
    assert obs.headBucket("fresh-bucket").status == 404
    assert "fresh-bucket" not in sandbox.obs.buckets()


@pytest.mark.parametrize("encoding", [None, "url"])
def test_odd_keys_come_back_exact_and_in_order(obs, bucket, encoding):
    """Every odd key is stored, listed over pages by UTF-8 bytes, read and deleted unchanged."""
    for key in random.Random(1).sample(ODD_KEYS, len(ODD_KEYS)):
        done(obs.putContent(bucket.name, key, key))
    in_order = sorted(ODD_KEYS, key=lambda key: key.encode())
    assert bucket.keys() == in_order
    seen, marker = [], None
    while True:
        page = done(obs.listObjects(bucket.name, max_keys=4, marker=marker, encoding_type=encoding))
        seen += [item.key for item in page.contents]
        if not page.is_truncated:
            break
        assert page.next_marker == seen[-1]
        marker = seen[-1]
    assert seen == in_order
    for key in ODD_KEYS:
        assert done(obs.getObject(bucket.name, key, loadStreamInMemory=True)).buffer == key.encode()
        done(obs.deleteObject(bucket.name, key), 204)
    assert bucket.keys() == []


def test_folders_are_rolled_up(obs, bucket):
    """A delimiter folds keys into common prefixes, and NextMarker leads past them."""
    bucket.put_many([(key, b"") for key in ("a", "b/1", "b/2", "c")])
    page = done(obs.listObjects(bucket.name, delimiter="/", max_keys=2))
    assert ([item.key for item in page.contents], [item.prefix for item in page.commonPrefixs]) == (["a"], ["b/"])
    rest = done(obs.listObjects(bucket.name, delimiter="/", marker=page.next_marker))
    assert ([item.key for item in rest.contents], rest.commonPrefixs) == (["c"], [])


def test_metadata_headers_and_class_travel(obs, bucket):
    """Content type, user metadata and storage class come back; the class is stated where it is not STANDARD."""
    headers = PutObjectHeader(contentType="text/x", storageClass="WARM")
    done(obs.putContent(bucket.name, "k", "abc", metadata={"a-b": "c d", "zh": "中"}, headers=headers))
    head = obs.getObjectMetadata(bucket.name, "k")
    assert (head.body.contentType, head.body.storageClass, head.body.contentLength) == ("text/x", "WARM", 3)
    assert (header(head, "a-b"), header(head, "zh")) == ("c d", "中")
    assert done(obs.listObjects(bucket.name)).contents[0].storageClass == "WARM"
    stored = bucket.object("k")
    assert (stored.storage_class, stored.user) == ("WARM", {"a-b": "c d", "zh": "%E4%B8%AD"})
    done(obs.putContent(bucket.name, "plain", ""))
    assert obs.getObjectMetadata(bucket.name, "plain").body.storageClass is None


def test_ranges_and_conditions(obs, bucket):
    """Ranges give 206, impossible ones 416; If-Match decides."""
    bucket.put("k", b"0123456789")
    answer = obs.getObject(bucket.name, "k", headers=GetObjectHeader(range="2-5"), loadStreamInMemory=True)
    assert done(answer, 206).buffer == b"2345"
    assert refused(obs.getObject(bucket.name, "k", headers=GetObjectHeader(range="10-20"))) == (416, "InvalidRange")
    good = GetObjectHeader(if_match=md5_hex(b"0123456789"))  # the SDK percent-encodes quotes
    done(obs.getObject(bucket.name, "k", headers=good, loadStreamInMemory=True))
    assert refused(obs.getObject(bucket.name, "k", headers=GetObjectHeader(if_match="x"))) == (
        412,
        "PreconditionFailed",
    )


def test_multipart(obs, bucket):
    """Parts of 100 KB are enough; class and metadata come from the start; the ETag is the MD5 of MD5s."""
    pieces = [b"a" * 100 * KIB, b"b" * 100 * KIB, b"c"]
    start = obs.initiateMultipartUpload(bucket.name, "m", storageClass="COLD", metadata={"m": "v"}, contentType="x/y")
    upload = done(start).uploadId
    for number, piece in enumerate(pieces, 1):
        assert done(obs.uploadPart(bucket.name, "m", number, upload, content=piece)).etag == f'"{md5_hex(piece)}"'
    parts = done(obs.listParts(bucket.name, "m", upload)).parts
    assert [(part.partNumber, part.size) for part in parts] == [(1, 102400), (2, 102400), (3, 1)]
    assert [item.uploadId for item in done(obs.listMultipartUploads(bucket.name)).upload] == [upload]
    request = CompleteMultipartUploadRequest([CompletePart(part.partNumber, part.etag) for part in parts])
    answer = done(obs.completeMultipartUpload(bucket.name, "m", upload, request))
    digest = md5_hex(b"".join(hashlib.md5(piece).digest() for piece in pieces))
    assert answer.etag == f'"{digest}-3"'
    stored = bucket.object("m")
    assert (stored.storage_class, stored.user, stored.headers["content-type"]) == ("COLD", {"m": "v"}, "x/y")
    assert bucket.get("m") == b"".join(pieces)
    assert bucket.uploads() == []


def test_multipart_refusals(obs, bucket):
    """Parts below 100 KB, wrong ETags and unknown uploads are refused; abort drops the upload."""
    upload = done(obs.initiateMultipartUpload(bucket.name, "m")).uploadId
    tags = [done(obs.uploadPart(bucket.name, "m", number, upload, content=b"x")).etag for number in (1, 2)]
    both = CompleteMultipartUploadRequest([CompletePart(number, tag) for number, tag in enumerate(tags, 1)])
    assert refused(obs.completeMultipartUpload(bucket.name, "m", upload, both)) == (400, "EntityTooSmall")
    wrong = CompleteMultipartUploadRequest([CompletePart(1, '"0"')])
    assert refused(obs.completeMultipartUpload(bucket.name, "m", upload, wrong)) == (400, "InvalidPart")
    done(obs.abortMultipartUpload(bucket.name, "m", upload), 204)
    assert refused(obs.completeMultipartUpload(bucket.name, "m", upload, both)) == (404, "NoSuchUpload")


@pytest.mark.parametrize("storage_class", ["COLD", "DEEP_ARCHIVE"])
def test_an_archived_object_is_restored(sandbox, obs, bucket, storage_class):
    """GET is refused until a restore has run: 202, then 409 while it runs, then readable and 200."""
    sandbox.obs.restore_seconds = 0.4
    bucket.put("k", b"cold", storage_class=storage_class)
    assert refused(obs.getObject(bucket.name, "k")) == (403, "InvalidObjectState")
    done(obs.restoreObject(bucket.name, "k", 1, tier="Expedited"), 202)
    assert obs.getObjectMetadata(bucket.name, "k").body.restore == 'ongoing-request="true"'
    assert refused(obs.restoreObject(bucket.name, "k", 1)) == (409, "RestoreAlreadyInProgress")
    time.sleep(0.5)
    assert done(obs.getObject(bucket.name, "k", loadStreamInMemory=True)).buffer == b"cold"
    done(obs.restoreObject(bucket.name, "k", 30))
    assert refused(obs.restoreObject(bucket.name, "k", 31)) == (400, "InvalidArgument")


def test_kms_is_stated_and_makes_etags_opaque(obs, bucket):
    """KMS asked for at the write is stated by write and HEAD, and the ETag is no MD5."""
    headers = PutObjectHeader(sseHeader=SseKmsHeader.getInstance())
    assert done(obs.putContent(bucket.name, "k", "abc", headers=headers)).sseKms == "kms"
    head = done(obs.getObjectMetadata(bucket.name, "k"))
    assert head.sseKms == "kms"
    assert head.etag != f'"{md5_hex(b"abc")}"'
    assert bucket.object("k").encryption == "kms"


def test_crc64_is_kept_where_it_was_sent(obs, bucket):
    """A CRC-64 the client attaches is verified, kept and stated; without one none is stated."""
    crc = CRC64_XZ(b"abc")
    answer = done(obs.putContent(bucket.name, "k", "abc", headers=PutObjectHeader(isAttachCrc64=True)))
    assert int(answer.crc64) == crc
    assert header(obs.getObjectMetadata(bucket.name, "k"), "checksum-crc64ecma") == str(crc)
    wrong = PutObjectHeader(crc64=str(crc ^ 1))
    assert refused(obs.putContent(bucket.name, "l", "abc", headers=wrong)) == (400, "InvalidCRC64")
    done(obs.putContent(bucket.name, "m", "abc"))
    assert header(obs.getObjectMetadata(bucket.name, "m"), "checksum-crc64ecma") is None
    assert bucket.keys() == ["k", "m"]


def test_crc64_by_policy(sandbox, obs, bucket):
    """A cloud told to keep CRC-64 always, or never, does so."""
    sandbox.obs.crc64 = "always"
    done(obs.putContent(bucket.name, "always", "abc"))
    sandbox.obs.crc64 = "never"
    done(obs.putContent(bucket.name, "never", "abc", headers=PutObjectHeader(isAttachCrc64=True)))
    sandbox.obs.crc64 = "sent"
    assert [item.crc64 for item in bucket.objects()] == [CRC64_XZ(b"abc"), None]


def test_content_md5_is_verified(obs, bucket):
    """A Content-MD5 that is not the body's is BadDigest."""
    wrong = PutObjectHeader(md5="1B2M2Y8AsgTpgAmY7PhCfg==")
    assert refused(obs.putContent(bucket.name, "k", "abc", headers=wrong)) == (400, "BadDigest")
    assert bucket.keys() == []


def test_multi_delete(obs, bucket):
    """A multi-delete removes what is there."""
    bucket.put_many([("a", b""), ("b & <c>", b""), ("keep", b"")])
    request = DeleteObjectsRequest(quiet=False, objects=[Object("a"), Object("b & <c>")])
    assert {item.key for item in done(obs.deleteObjects(bucket.name, request)).deleted} == {"a", "b & <c>"}
    assert bucket.keys() == ["keep"]


def test_missing_things_have_their_codes(obs, bucket):
    """Missing keys, buckets and unknown classes are told apart."""
    assert refused(obs.getObject(bucket.name, "no")) == (404, "NoSuchKey")
    assert refused(obs.listObjects("no-such-bucket")) == (404, "NoSuchBucket")
    unknown = {"x-obs-storage-class": "STANDARD_IA"}
    assert refused(obs.putContent(bucket.name, "k", "", extensionHeaders=unknown)) == (400, "InvalidStorageClass")


def test_wrong_credentials_are_told_apart(sandbox, bucket):
    """An unknown key and a wrong secret have two codes."""
    nobody, liar = client_of(sandbox.obs, access_key="AKNOBODY"), client_of(sandbox.obs, secret_key="x")
    assert refused(nobody.listObjects(bucket.name)) == (403, "InvalidAccessKeyId")
    assert refused(liar.listObjects(bucket.name)) == (403, "SignatureDoesNotMatch")
    assert refused(liar.putContent(bucket.name, "k", "x")) == (403, "SignatureDoesNotMatch")
    assert bucket.keys() == []


def test_security_tokens(sandbox, bucket):
    """Temporary keys work with their token only."""
    sandbox.obs.add_credentials("AKTEMP", "secret", token="the-token")
    temporary = {"access_key": "AKTEMP", "secret_key": "secret"}
    done(client_of(sandbox.obs, **temporary, security_token="the-token").listObjects(bucket.name))
    assert refused(client_of(sandbox.obs, **temporary, security_token="x").listObjects(bucket.name)) == (
        400,
        "InvalidToken",
    )
    assert client_of(sandbox.obs, **temporary).listObjects(bucket.name).status == 403


def test_requester_pays(sandbox, obs):
    """A requester-pays bucket refuses reads without x-obs-request-payer."""
    sandbox.obs.create_bucket("toll-road", requester_pays=True).put("k", b"x")
    pays = {"x-obs-request-payer": "requester"}
    assert refused(obs.listObjects("toll-road")) == (403, "AccessDenied")
    done(obs.listObjects("toll-road", extensionHeaders=pays))
    assert refused(obs.getObject("toll-road", "k")) == (403, "AccessDenied")
    done(obs.getObject("toll-road", "k", loadStreamInMemory=True, extensionHeaders=pays))


def raw(cloud, method, path, headers=None, body=b""):
    """Send one request signed by the SDK's signer, with any header bytes, and return (status, headers, body)."""
    given = {"Date": formatdate(usegmt=True), **(headers or {})}
    bucket, _, key = path[1:].partition("/")
    signer = Authentication(cloud.access_key, cloud.secret_key, True, Adapter("obs"), "", False)
    given["Authorization"] = signer.doAuth(method, bucket, key, {}, given)["Authorization"]
    connection = http.client.HTTPConnection("127.0.0.1", cloud.endpoint.port)
    connection.putrequest(method, path)
    for name, value in {**given, "Content-Length": str(len(body))}.items():
        connection.putheader(name, value.encode())
    connection.endheaders(body)
    reply = connection.getresponse()
    answer = reply.status, dict(reply.getheaders()), reply.read()
    connection.close()
    return answer


def test_replies_carry_obs_headers(sandbox, bucket):
    """Replies name OBS, a request id and the time of the cloud."""
    status, headers, _ = raw(sandbox.obs, "PUT", f"/{bucket.name}/k", body=b"x")
    lower = {name.lower() for name in headers}
    assert status == 200
    assert {"x-obs-request-id", "x-obs-id-2", "date", "etag"} <= lower
    assert headers["server"] == "OBS"
    assert not [name for name in lower if name.startswith("x-amz-")]


def test_metadata_outside_ascii_is_refused(sandbox, bucket):
    """User metadata whose bytes are not US-ASCII is refused although its signature is good."""
    status, _, body = raw(sandbox.obs, "PUT", f"/{bucket.name}/k", {"x-obs-meta-a": "é"})
    assert (status, b"<Code>InvalidArgument</Code>" in body) == (400, True)


def test_a_skewed_clock_is_refused(sandbox, bucket):
    """A request dated 16 minutes ago is refused."""
    status, _, body = raw(sandbox.obs, "GET", f"/{bucket.name}", {"Date": formatdate(time.time() - 960, usegmt=True)})
    assert (status, b"<Code>RequestTimeTooSkewed</Code>" in body) == (403, True)


def test_the_protocol_is_negotiated(sandbox):
    """HEAD ?apiversion, unsigned, states version 3.0."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.obs.endpoint.port)
    connection.request("HEAD", "/?apiversion")
    reply = connection.getresponse()
    assert (reply.status, reply.getheader("x-obs-api")) == (200, "3.0")
    connection.close()


def test_a_request_without_signature_is_refused(sandbox, bucket):
    """An anonymous request is AccessDenied."""
    connection = http.client.HTTPConnection("127.0.0.1", sandbox.obs.endpoint.port)
    connection.request("GET", f"/{bucket.name}")
    reply = connection.getresponse()
    assert (reply.status, b"<Code>AccessDenied</Code>" in reply.read()) == (403, True)
    connection.close()


def test_s3_clients_see_the_same_objects_with_their_own_words(sandbox, bucket):
    """The old S3 signature at the OBS endpoint works, class words translated; a wrong secret is refused."""
    old = client_of(sandbox.obs, signature="v2", is_signature_negotiation=False)
    headers = PutObjectHeader(storageClass="WARM")  # the SDK sends STANDARD_IA in this protocol
    done(old.putContent(bucket.name, "k ü", "abc", metadata={"m": "v"}, headers=headers))
    assert bucket.object("k ü").storage_class == "WARM"
    assert done(old.listObjects(bucket.name)).contents[0].storageClass == "STANDARD_IA"
    head = old.getObjectMetadata(bucket.name, "k ü")
    assert (head.body.storageClass, header(head, "m")) == ("STANDARD_IA", "v")
    liar = client_of(sandbox.obs, signature="v2", is_signature_negotiation=False, secret_key="x")
    assert refused(liar.listObjects(bucket.name)) == (403, "SignatureDoesNotMatch")


def test_boto3_speaks_to_the_obs_endpoint(sandbox, bucket):
    """Signature Version 4 works there too."""
    given = {"aws_access_key_id": sandbox.obs.access_key, "aws_secret_access_key": sandbox.obs.secret_key}
    s3 = boto3.client("s3", endpoint_url=sandbox.obs.url, region_name="cn-north-4", **given)
    s3.put_object(Bucket=bucket.name, Key="a b", Body=b"abc", StorageClass="GLACIER")
    assert [item["StorageClass"] for item in s3.list_objects_v2(Bucket=bucket.name)["Contents"]] == ["GLACIER"]
    assert bucket.object("a b").storage_class == "COLD"
