"""The sandbox's OSS as oss2 sees it, signed with its versions 1 and 4: the official client is the judge."""

import gzip
import hashlib
import random
import socket
import time

import oss2
import pytest
import requests
from oss2.models import OSS_REQUEST_PAYER, RestoreConfiguration, RestoreJobParameters

from oms_adapters.sandbox import Answer, Fault, Match, Sandbox, md5_hex

KIB = 1024
# Not here: "." and "..", which the SDK's HTTP library takes out of the path. Our own adapter reads them.
ODD_KEYS = [
    "plain", "a/../b", "a//b", "dir/", " lead", "trail ", "a b", "%41", "a+b", "a%2Fb", "tab\tx", "new\nline",
    "q?x=1&y=#z;", "<&>\"'", "b\\ack", "é", "e\u0301", "\U0001f600", "\uffee", "~", "*", "k" * 1023,
]  # fmt: skip
VERSIONS = {"v1": oss2.AUTH_VERSION_1, "v4": oss2.AUTH_VERSION_4}


@pytest.fixture(scope="module")
def cloud():
    """Run one OSS for the module."""
    with Sandbox(clouds=("oss",)) as running:
        yield running.oss


@pytest.fixture(params=VERSIONS)
def version(request):
    """Return either version of the signature."""
    return VERSIONS[request.param]


def client(cloud, name, version, *, access_key=None, secret_key=None, token=None, **options):
    """Return oss2's client of a bucket."""
    keys = access_key or cloud.access_key, secret_key or cloud.secret_key
    auth = oss2.StsAuth(*keys, token, version) if token else oss2.make_auth(*keys, version)
    return oss2.Bucket(auth, cloud.url, name, region="cn-hangzhou", connect_timeout=10, **options)


@pytest.fixture
def view(cloud, request):
    """Return the inside of an empty bucket of the test's own."""
    return cloud.create_bucket("b-" + hashlib.md5(request.node.name.encode()).hexdigest()[:12])


@pytest.fixture
def bucket(cloud, view, version):
    """Return oss2's client of that bucket."""
    return client(cloud, view.name, version)


def refused(call, *arguments, **options):
    """Return status and code that a call is refused with."""
    with pytest.raises(oss2.exceptions.ServerError) as caught:
        call(*arguments, **options)
    return caught.value.status, caught.value.code


def test_buckets(cloud, version):
    """A bucket is created, listed with its region, located and deleted."""
    bucket = client(cloud, "fresh-bucket", version)
    bucket.create_bucket()
    service = oss2.Service(oss2.make_auth(cloud.access_key, cloud.secret_key, version), cloud.url, region="cn-hangzhou")
    found = {item.name: item for item in service.list_buckets().buckets}
    assert found["fresh-bucket"].location == "oss-cn-hangzhou"
    assert found["fresh-bucket"].extranet_endpoint == "oss-cn-hangzhou.aliyuncs.com"
    assert abs(found["fresh-bucket"].creation_date - time.time()) < 60
    assert bucket.get_bucket_location().location == "oss-cn-hangzhou"
    bucket.delete_bucket()
    assert refused(bucket.get_bucket_location) == (404, "NoSuchBucket")


def test_odd_keys_come_back_exact_and_in_order(bucket, view):
    """Every odd key is stored, listed over pages of both kinds by UTF-8 bytes, read and deleted unchanged."""
    for key in random.Random(1).sample(ODD_KEYS, len(ODD_KEYS)):
        bucket.put_object(key, key.encode())
    in_order = sorted(ODD_KEYS, key=str.encode)
    assert view.keys() == in_order
    assert [item.key for item in oss2.ObjectIterator(bucket, max_keys=4)] == in_order
    assert [item.key for item in oss2.ObjectIteratorV2(bucket, max_keys=4)] == in_order
    assert [item.key for item in bucket.list_objects_v2(start_after="a b!").object_list] == [
        key for key in in_order if key.encode() > b"a b!"
    ]
    for key in ODD_KEYS:
        assert bucket.get_object(key).read() == key.encode()
        bucket.delete_object(key)
    assert view.keys() == []


@pytest.mark.parametrize("key", ["/lead", "\\back", "k" * 1024])
def test_keys_that_oss_does_not_take(bucket, key):
    """A key that begins with a slash or backslash, or is longer than 1023 bytes, is refused."""
    assert refused(bucket.put_object, key, b"x") == (400, "InvalidObjectName")


def test_folders_are_rolled_up(bucket, view):
    """A delimiter folds keys into common prefixes, and the next page leads past them."""
    view.put_many([(key, b"") for key in ("a", "b/1", "b/2", "c")])
    page = bucket.list_objects(delimiter="/", max_keys=2)
    assert ([item.key for item in page.object_list], page.prefix_list) == (["a"], ["b/"])
    rest = bucket.list_objects(delimiter="/", marker=page.next_marker)
    assert [item.key for item in rest.object_list] == ["c"]


def test_a_listing_states_what_head_states(bucket, view):
    """Size, ETag, time, class and type are the same in a listing and in HEAD."""
    for key, options in (("n", {}), ("m", {"etag": "multipart:2"}), ("a", {"etag": "opaque"})):
        view.put(key, b"abc", storage_class="IA", **options)
    kinds = {}
    for item in bucket.list_objects().object_list:
        head = bucket.head_object(item.key)
        assert (item.size, item.etag, item.last_modified) == (head.content_length, head.etag, head.last_modified)
        assert item.storage_class == head.headers["x-oss-storage-class"] == "IA"
        assert item.type == head.object_type
        kinds[item.key] = item.type
    assert kinds == {"n": "Normal", "m": "Multipart", "a": "Appendable"}


def test_attributes_come_back(bucket):
    """System headers and user metadata are kept; a class is Standard unless another is asked for."""
    headers = {
        "Content-Type": "text/x-test", "Content-Encoding": "x-none", "Cache-Control": "no-cache",
        "Content-Disposition": "attachment", "Content-Language": "de", "Expires": "Thu, 01 Dec 2094 16:00:00 GMT",
    }  # fmt: skip
    bucket.put_object("k", b"x", headers={**headers, "x-oss-meta-With-Hyphen": "a  b%"})
    found = bucket.head_object("k").headers
    assert {name: found[name] for name in headers} == headers
    assert (found["x-oss-meta-with-hyphen"], found["x-oss-storage-class"]) == ("a  b%", "Standard")
    bucket.put_object("k", b"x")
    assert bucket.head_object("k").content_type == "application/octet-stream"


def test_crc64_is_computed_and_stated(bucket):
    """The SDK's own CRC-64 agrees with what OSS states of writes, reads, ranges and parts."""
    body = random.Random(2).randbytes(300 * KIB)
    put = bucket.put_object("k", body)  # raises InconsistentError if they differ
    assert put.crc is not None
    read = bucket.get_object("k")
    assert read.read() == body
    assert read.client_crc == read.server_crc == put.crc
    assert bucket.get_object("k", byte_range=(0, 9)).server_crc == put.crc


def test_ranges(bucket, view):
    """A range outside the object gives all of it, unless the standard's behaviour is asked for."""
    view.put("k", bytes(range(100)))
    standard = {"x-oss-range-behavior": "standard"}
    assert bucket.get_object("k", byte_range=(10, 19)).read() == bytes(range(10, 20))
    assert bucket.get_object("k", byte_range=(None, 10)).read() == bytes(range(90, 100))
    assert bucket.get_object("k", byte_range=(95, None)).read() == bytes(range(95, 100))
    for outside in ((50, 200), (100, None), (None, 101)):
        assert bucket.get_object("k", byte_range=outside).status == 200
    assert bucket.get_object("k", byte_range=(50, 200), headers=standard).read() == bytes(range(50, 100))
    assert refused(bucket.get_object, "k", byte_range=(100, 200), headers=standard) == (416, "InvalidRange")


def test_encoded_bodies_stay(bucket, view):
    """A body stored with Content-Encoding gzip is sent as it is stored."""
    packed = gzip.compress(b"text " * 100)
    view.put("k", packed, headers={"content-encoding": "gzip"})
    raw = bucket.get_object("k").resp.response.raw
    assert b"".join(raw.stream(100, decode_content=False)) == packed


def test_conditions(bucket, view):
    """If-Match, If-None-Match and times are held against the object."""
    view.put("k", b"x")
    assert bucket.get_object("k", headers={"If-Match": f'"{md5_hex(b"x")}"'}).read() == b"x"
    assert refused(bucket.get_object, "k", headers={"If-Match": '"other"'}) == (412, "PreconditionFailed")
    with pytest.raises(oss2.exceptions.NotModified):
        bucket.get_object("k", headers={"If-None-Match": f'"{md5_hex(b"x")}"'})


def test_a_wrong_content_md5_is_refused(bucket, view):
    """Bytes other than those announced by Content-MD5 are refused as InvalidDigest, and nothing is stored."""
    wrong = oss2.utils.content_md5(b"other")
    assert refused(bucket.put_object, "k", b"x", headers={"Content-MD5": wrong}) == (400, "InvalidDigest")
    assert view.keys() == []


def test_multipart(bucket, view):
    """Parts are stored, listed, joined; attributes are those of the start; the ETag ends with their number."""
    upload = bucket.init_multipart_upload("k", headers={"x-oss-meta-a": "1", "x-oss-storage-class": "IA"}).upload_id
    bodies = [b"1" * 100 * KIB, b"2" * 10]
    parts = [
        oss2.models.PartInfo(number, bucket.upload_part("k", upload, number, body).etag)
        for number, body in enumerate(bodies, start=1)
    ]
    assert [(part.part_number, part.size) for part in bucket.list_parts("k", upload).parts] == [(1, 102400), (2, 10)]
    done = bucket.complete_multipart_upload("k", upload, parts)
    head = bucket.head_object("k")
    assert done.crc == head.server_crc is not None
    assert (head.etag[-2:], head.object_type) == ("-2", "Multipart")
    assert (head.headers["x-oss-meta-a"], head.headers["x-oss-storage-class"]) == ("1", "IA")
    assert view.get("k") == b"".join(bodies)
    assert refused(bucket.abort_multipart_upload, "k", upload) == (404, "NoSuchUpload")


def test_small_parts_are_refused(bucket):
    """A part below 100 KiB, other than the last, is refused at the completion."""
    upload = bucket.init_multipart_upload("k").upload_id
    parts = [oss2.models.PartInfo(n, bucket.upload_part("k", upload, n, b"x").etag) for n in (1, 2)]
    assert refused(bucket.complete_multipart_upload, "k", upload, parts) == (400, "EntityTooSmall")


@pytest.mark.parametrize("word", ["Archive", "ColdArchive", "DeepColdArchive"])
def test_restore(cloud, bucket, view, word):
    """An archived object is refused, restored (202, then 409), then readable until it expires."""
    cloud.restore_seconds = 0.3
    view.put("k", b"cold", storage_class=word)
    assert refused(bucket.get_object, "k") == (403, "InvalidObjectState")
    terms = None
    if word != "Archive":
        terms = RestoreConfiguration(days=2, job_parameters=RestoreJobParameters("Standard"))
    assert bucket.restore_object("k", input=terms).status == 202
    assert bucket.head_object("k").headers["x-oss-restore"] == 'ongoing-request="true"'
    assert refused(bucket.restore_object, "k", input=terms) == (409, "RestoreAlreadyInProgress")
    time.sleep(0.4)
    assert bucket.head_object("k").headers["x-oss-restore"].startswith('ongoing-request="false", expiry-date="')
    assert bucket.get_object("k").read() == b"cold"
    assert bucket.restore_object("k", input=terms).status == 200


def test_restores_that_are_refused(bucket, view):
    """Standard objects are not restored; Archive knows no tiers and at most 7 days; the coldest class no Bulk."""
    for key, word in (("plain", "STANDARD"), ("a", "Archive"), ("d", "DeepColdArchive")):
        view.put(key, b"x", storage_class=word)
    tier = RestoreConfiguration(days=2, job_parameters=RestoreJobParameters("Bulk"))
    assert refused(bucket.restore_object, "plain") == (400, "OperationNotSupported")
    assert refused(bucket.restore_object, "a", input=tier) == (400, "MalformedXML")
    assert refused(bucket.restore_object, "a", input=RestoreConfiguration(days=8)) == (400, "MalformedXML")
    assert refused(bucket.restore_object, "d", input=tier) == (400, "InvalidArgument")


def test_credentials(cloud, view, version):
    """A wrong secret, an unknown key, a missing or wrong token are each refused with their own code."""
    view.put("k", b"x")
    cloud.add_credentials("STS.TEMP", "secret", token="tok/en+=")

    def ask(**keys):
        return refused(client(cloud, view.name, version, **keys).get_object, "k")

    assert ask(secret_key="wrong") == (403, "SignatureDoesNotMatch")
    assert ask(access_key="nobody") == (403, "InvalidAccessKeyId")
    temporary = {"access_key": "STS.TEMP", "secret_key": "secret"}
    assert ask(**temporary) == (403, "InvalidAccessKeyId")
    assert ask(**temporary, token="other") == (403, "InvalidSecurityToken")
    assert client(cloud, view.name, version, **temporary, token="tok/en+=").get_object("k").read() == b"x"
    anonymous = oss2.Bucket(oss2.AnonymousAuth(), cloud.url, view.name)
    assert refused(anonymous.get_object, "k") == (403, "AccessDenied")


def test_a_head_states_its_error_in_a_header(cloud, view, version):
    """HEAD has no body: the SDK reads the code out of x-oss-err."""
    assert refused(client(cloud, view.name, version).head_object, "missing") == (404, "NoSuchKey")
    wrong = client(cloud, view.name, version, secret_key="wrong")
    assert refused(wrong.head_object, "missing") == (403, "SignatureDoesNotMatch")


def test_a_wrong_clock_is_refused(cloud, bucket):
    """A request signed 20 minutes ago is refused as such."""
    cloud.clock_skew = 1200
    try:
        assert refused(bucket.list_objects) == (403, "RequestTimeTooSkewed")
    finally:
        cloud.clock_skew = 0


def test_the_requester_pays(cloud, view, bucket):
    """A bucket whose requester pays wants the header."""
    cloud.create_bucket(view.name, requester_pays=True).put("k", b"x")
    assert refused(bucket.get_object, "k") == (403, "AccessDenied")
    assert bucket.get_object("k", headers={OSS_REQUEST_PAYER: "requester"}).read() == b"x"


def test_throttling_speaks_oss(cloud, view, bucket):
    """Asked to be slow, the cloud answers with OSS's own code."""
    cloud.faults.add(Fault(Match(operation="GetObject"), Answer(503, "TotalQpsLimitExceeded"), times=1))
    view.put("k", b"x")
    assert refused(bucket.get_object, "k") == (503, "TotalQpsLimitExceeded")
    assert bucket.get_object("k").read() == b"x"


def test_tampered_requests_are_refused(cloud, view):
    """A signature covers method, path, query, headers and date: changing any of them is noticed."""
    view.put("k", b"x")
    view.put("other", b"y")
    auth = oss2.AuthV4(cloud.access_key, cloud.secret_key)

    def send(path="k", sent_path=None, **changes):
        request = oss2.http.Request("GET", "http://h/", params={"versionless": "1"},
                                    headers={"x-oss-meta-a": "1"}, region="cn-hangzhou", product="oss")  # fmt: skip
        auth._sign_request(request, view.name, path)
        headers = {name: value for name, value in request.headers.items() if value is not None}
        url = f"{cloud.url}/{view.name}/{sent_path or path}?versionless={changes.pop('value', '1')}"
        return requests.get(url, headers={**headers, **changes}, timeout=10)

    assert send().content == b"x"
    answers = [send(sent_path="other"), send(value="2"), send(**{"x-oss-meta-a": "2"}), send(**{"x-oss-meta-b": "2"})]
    assert ["<Code>SignatureDoesNotMatch</Code>" in answer.text for answer in answers] == [True] * 4


def test_virtual_hosts(cloud, view, version, monkeypatch):
    """The bucket may stand in the host name, as at the vendor."""
    view.put("a/b", b"x")
    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", lambda _host, *rest, **more: real("127.0.0.1", *rest, **more))
    auth = oss2.make_auth(cloud.access_key, cloud.secret_key, version)
    url = f"http://oss-cn-hangzhou.aliyuncs.com:{cloud.endpoint.port}"
    bucket = oss2.Bucket(auth, url, view.name, region="cn-hangzhou")
    assert bucket.get_object("a/b").read() == b"x"
    assert [item.key for item in bucket.list_objects().object_list] == ["a/b"]
