"""boto3 drives the loopback gateways first, configured as these vendors need it; then ours is held beside it."""

import socket
from datetime import UTC, datetime
from functools import cache
from http.client import HTTPConnection

import boto3
import pytest
import trustme
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from hypothesis import given, settings
from hypothesis import strategies as st

from oms_adapters.config import StoreConfig
from oms_adapters.registry import adapter_for, open_store
from oms_adapters.sandbox import Sandbox
from oms_engine.model import Attributes, Credentials, Secret, WriteOptions
from support.control import bucket_region, list_buckets

HOSTS = {
    "qingstor": ("QingCloud", "s3.pek3b.qingstor.com", "pek3b", "virtual"),
    "ks3": ("KingsoftCloud", "ks3-cn-beijing.ksyuncs.com", "BEIJING", "virtual"),
    "bos": ("Baidu", "s3.bj.bcebos.com", "bj", "virtual"),
    "kodo": ("Qiniu", "s3.cn-east-1.qiniucs.com", "cn-east-1", "path"),
    "us3": ("UCloud", "s3-cn-bj.ufileos.com", "cn-bj", "path"),
}
EACH = pytest.mark.parametrize("name", HOSTS)
SESSION = boto3.session.Session()
ODD = ["a", "a b", "a+b", "a/../b", "é", "中", "😀", "~"]


@pytest.fixture(scope="module")
def sandbox():
    """All five gateways."""
    with Sandbox(clouds=list(HOSTS)) as running:
        for cloud in running.clouds.values():
            cloud.create_bucket("official")
        yield running


@pytest.fixture(autouse=True)
def vendors_are_here(monkeypatch):
    """Names of the vendors lead to this machine."""
    real = socket.getaddrinfo
    ours = tuple(host for _, host, _, _ in HOSTS.values())

    def lookup(host, *rest, **more):
        return real("127.0.0.1" if str(host).endswith(ours) else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", lookup)


def client(cloud, name, *, scheme="http", **options):
    """Return boto3 as a user of this vendor configures it."""
    _, host, region, style = HOSTS[name]
    wanted = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
    return SESSION.client(
        "s3",
        endpoint_url=f"{scheme}://{host}:{cloud.endpoint.port}",
        region_name=region,
        aws_access_key_id=cloud.access_key,
        aws_secret_access_key=cloud.secret_key,
        config=Config(
            signature_version="s3v4",
            s3={"addressing_style": style},
            retries={"max_attempts": 1},
            **{**wanted, **options.pop("config", {})},
        ),
        **options,
    )


@EACH
def test_boto3_stores_lists_and_reads(sandbox, name):
    """Objects come back as stored, listings in pages of two hold every key once, under the vendor's own host name."""
    s3 = client(sandbox.clouds[name], name)
    for key in ODD:
        s3.put_object(Bucket="official", Key=key, Body=key.encode(), Metadata={"a": "1"})
    keys, marker = [], ""
    while True:
        page = s3.list_objects(Bucket="official", Marker=marker, MaxKeys=2)
        keys += [item["Key"] for item in page.get("Contents", [])]
        if not page["IsTruncated"]:
            break
        marker = keys[-1]
    assert keys == sorted(ODD, key=str.encode)
    for key in ODD:
        found = s3.get_object(Bucket="official", Key=key)
        assert (found["Body"].read(), found["Metadata"]) == (key.encode(), {"a": "1"})
        s3.delete_object(Bucket="official", Key=key)


@EACH
def test_boto3_uploads_in_parts(sandbox, name):
    """Parts are joined; the ETag of the whole is none of the vendor's MD5s where it looks like one."""
    s3, bucket = client(sandbox.clouds[name], name), sandbox.clouds[name].bucket("official")
    upload = s3.create_multipart_upload(Bucket="official", Key="parts")["UploadId"]
    body = b"x" * 8 * 1024 * 1024
    parts = []
    for number, piece in ((1, body), (2, b"end")):
        sent = s3.upload_part(Bucket="official", Key="parts", UploadId=upload, PartNumber=number, Body=piece)
        parts.append({"PartNumber": number, "ETag": sent["ETag"]})
    s3.complete_multipart_upload(Bucket="official", Key="parts", UploadId=upload, MultipartUpload={"Parts": parts})
    assert bucket.get("parts") == body + b"end"
    found = adapter_for(HOSTS[name][0])
    head = found.profile, bucket.object("parts").etag
    assert found.profile.capabilities.etag_is_md5 is False or len(head[1]) != 32
    bucket.delete("parts")


def test_a_paginator_trips_over_an_unencoded_marker(sandbox):
    """boto3 decodes NextMarker, which this gateway does not encode: it loses keys or loops. Ours never looks at it."""
    cloud = sandbox.clouds["ks3"]
    bucket = cloud.create_bucket("marker")
    names = [f"a+{letter}" for letter in "abcde"]
    bucket.put_many([(key, b"x") for key in names])
    pages = (
        client(cloud, "ks3").get_paginator("list_objects").paginate(Bucket="marker", PaginationConfig={"PageSize": 2})
    )
    with pytest.raises(Exception, match="same next token"):
        list(pages)


def test_a_wrong_region_is_answered_307(sandbox):
    """KS3 sends a request for another region's host to the bucket's own."""
    cloud = sandbox.clouds["ks3"]
    connection = HTTPConnection("127.0.0.1", cloud.endpoint.port)
    connection.request("GET", "/a%20b?x=1", headers={"Host": "official.ks3-cn-shanghai.ksyuncs.com"})
    answer = connection.getresponse()
    assert answer.status == 307
    assert answer.headers["location"] == "http://official.ks3-cn-beijing.ksyuncs.com/a%20b?x=1"
    connection.close()


def test_framed_uploads_are_taken(tmp_path):
    """boto3's default over TLS frames a body as aws-chunked, which BOS takes by now; so it does plain ones, as ours are."""
    authority = trustme.CA()
    certificate = authority.issue_cert("s3.bj.bcebos.com", "*.s3.bj.bcebos.com")
    chain, key, root = tmp_path / "chain.pem", tmp_path / "key.pem", tmp_path / "root.pem"
    chain.write_bytes(b"".join(blob.bytes() for blob in certificate.cert_chain_pems))
    certificate.private_key_pem.write_to_path(str(key))
    authority.cert_pem.write_to_path(str(root))
    with Sandbox(clouds=["bos"], certificate=(str(chain), str(key))) as sandbox:
        cloud = sandbox.clouds["bos"]
        cloud.create_bucket("official")
        plain = {"scheme": "https", "verify": str(root)}
        framed = client(cloud, "bos", config={"request_checksum_calculation": "when_supported"}, **plain)
        framed.put_object(Bucket="official", Key="framed", Body=b"x")
        assert cloud.bucket("official").get("framed") == b"x"
        client(cloud, "bos", **plain).put_object(Bucket="official", Key="k", Body=b"x")
        assert cloud.bucket("official").get("k") == b"x"


@EACH
def test_control_operations(sandbox, name):
    """Buckets and the region of a bucket are found in the preset's own words."""
    cloud_type, host, region, _ = HOSTS[name]
    cloud = sandbox.clouds[name]
    endpoint = f"http://{host}:{cloud.endpoint.port}"
    config = StoreConfig(cloud_type, "official", endpoint=endpoint, credentials=cloud.credentials)
    assert "official" in [bucket.name for bucket in list_buckets(config)]
    assert bucket_region(config) == region


KEYS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\\"), min_size=1, max_size=12)
META = st.dictionaries(
    st.from_regex(r"[a-z][a-z0-9-]{0,8}", fullmatch=True), st.from_regex(r"[!-~]{1,9}", fullmatch=True), max_size=3
)
NOISE = {"user-agent", "amz-sdk-invocation-id", "amz-sdk-request", "accept-encoding", "content-length", "expect"}
"""What an SDK adds that is its own affair; the wire adds Content-Length."""


class NothingMore:
    """An empty body."""

    def stream(self):
        """Give nothing."""
        return iter(())


@cache
def unsent(name):
    """Return boto3 for one vendor's real endpoint."""
    _, host, region, style = HOSTS[name]
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": style},
        request_checksum_calculation="when_required",
        response_checksum_validation="when_required",
    )
    keys = {"aws_access_key_id": "AK", "aws_secret_access_key": "SK"}
    return SESSION.client("s3", endpoint_url=f"https://{host}", region_name=region, config=config, **keys)


@settings(max_examples=25, deadline=None)
@given(name=st.sampled_from(sorted(HOSTS)), key=KEYS, meta=META)
def test_requests_carry_what_boto3s_carry(name, key, meta):
    """Host, path, headers and signed scope of a write equal those of boto3 configured for the vendor: nothing more."""
    cloud_type, _, region, _ = HOSTS[name]
    sent = []

    def catch(request, **_):
        sent.append(request)
        return AWSResponse(request.url, 200, {}, NothingMore())

    s3 = unsent(name)
    s3.meta.events.register("before-send.s3.PutObject", catch)
    s3.put_object(Bucket="a-bucket", Key=key, Body=b"body", ContentType="a/b", Metadata=meta)
    s3.meta.events.unregister("before-send.s3.PutObject", catch)
    theirs = {name.lower(): value for name, value in sent[0].headers.items()}
    keys = Credentials("AK", Secret("SK"))
    store = open_store(
        StoreConfig(cloud_type, "a-bucket", region=region, credentials=keys, extra={"sign_payload": True})
    )
    options = WriteOptions(attributes=Attributes(content_type="a/b", user=meta))
    call = store.write(key, size=4, options=options, body=b"body")
    stamp = theirs["x-amz-date"]
    stamp = stamp.decode() if isinstance(stamp, bytes) else stamp
    now = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    ours = call.sign(call.request, now)
    assert f"https://{ours.endpoint.netloc}{ours.path}" == sent[0].url
    assert set(ours.headers) == theirs.keys() - NOISE - {"content-md5"}
    scope = f"AK/{stamp[:8]}/{region}/s3/aws4_request"
    assert all(scope in str(found) for found in (ours.headers["authorization"], theirs["authorization"]))
