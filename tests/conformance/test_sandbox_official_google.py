"""google-cloud-storage, the vendor's SDK, drives the sandbox's Google, and gcp-storage-emulator, which others wrote.

Both must answer it alike: what the SDK is told by the emulator, our sandbox tells it too.
"""

import gzip
import json
import os
import time

import pytest
from gcp_storage_emulator.server import create_server
from google.api_core.exceptions import GoogleAPICallError, NotFound, PreconditionFailed
from google.auth.credentials import AnonymousCredentials
from google.auth.exceptions import InvalidOperation, RefreshError
from google.cloud import storage
from google.cloud.storage import transfer_manager
from google.cloud.storage.retry import DEFAULT_RETRY

from oms_adapters.config import StoreConfig
from oms_adapters.sandbox import Answer, Fault, Match, Sandbox
from oms_engine.errors import BadCredentials, BucketNotFound
from oms_engine.model import Credentials, Secret
from support.control import bucket_region, list_buckets
from support.google_account import account_of, credentials_of

ODD = ["a//b", "/lead", "dir/x", "a+b %41 100%", "a%2Fb", "tab\there", "中文/😀", "q?a=b&c#d;e", "quote\"'<>", "~*!()"]


@pytest.fixture(scope="module", autouse=True)
def quiet():
    """Keep the SDK from asking after the bucket in a thread of its own."""
    os.environ["DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"] = "true"
    yield
    del os.environ["DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA"]


@pytest.fixture(scope="module")
def cloud():
    """A Google."""
    with Sandbox(clouds=["google"]) as running:
        yield running.google


@pytest.fixture(scope="module")
def client(cloud):
    """The SDK's client of a service account."""
    return client_of(cloud, account_of(cloud))


def client_of(cloud, text):
    """Return the SDK's client of a key file."""
    return storage.Client.from_service_account_info(json.loads(text), client_options={"api_endpoint": cloud.url})


@pytest.fixture(scope="module")
def emulator():
    """The SDK's client of the emulator."""
    server = create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    host, port = server._api._httpd.socket.getsockname()
    options = {"api_endpoint": f"http://{host}:{port}"}
    yield storage.Client(project="p", credentials=AnonymousCredentials(), client_options=options)
    server.stop()


@pytest.fixture
def bucket(client, request):
    """A new bucket of the sandbox."""
    return client.create_bucket(f"b{abs(hash(request.node.name)):x}")


def story(client):
    """Fill a bucket, list and read it; return all that the SDK was told that does not depend on the moment."""
    told = []
    bucket = client.create_bucket("story")
    for name in ODD:
        blob = bucket.blob(name)
        blob.metadata, blob.cache_control, blob.storage_class = {"k": "v w"}, "no-store", "NEARLINE"
        blob.content_disposition = 'attachment; filename="x y"'
        blob.upload_from_string(f"body of {name}", content_type="text/x")
        told.append((blob.name, blob.size, blob.md5_hash, blob.crc32c))
    for blob in client.list_blobs(bucket, page_size=3):
        told.append((blob.name, blob.size, blob.md5_hash, blob.storage_class, blob.content_type, blob.metadata))
        named = bucket.blob(blob.name)  # the emulator's media links do not quote names
        told.append((named.download_as_bytes(raw_download=True), named.download_as_bytes(start=1, end=3)))
    told.append([blob.name for blob in client.list_blobs(bucket, prefix="a")])
    stated = bucket.get_blob(ODD[0])
    told.append((stated.cache_control, stated.content_disposition, stated.metadata, stated.storage_class))
    bucket.blob(ODD[0]).delete()
    told.append(bucket.get_blob(ODD[0]))
    for call in (bucket.blob(ODD[0]).delete, bucket.blob("none").download_as_bytes, bucket.blob("none").reload):
        try:
            call()
        except GoogleAPICallError as error:
            told.append((type(error).__name__, error.code))
    return told


def test_the_sdk_is_told_the_same_by_emulator_and_sandbox(client, emulator):
    """Odd names, pages, metadata, classes, hashes, ranges and refusals are the emulator's, one for one."""
    ours, theirs = story(client), story(emulator)
    for mine, other in zip(ours, theirs, strict=True):
        assert mine == other


def test_control_operations(cloud, client):
    """Buckets are listed as the SDK lists them, and their location is found."""
    client.create_bucket("control-bucket")
    config = StoreConfig("Google", "control-bucket", endpoint=cloud.url, credentials=credentials_of(cloud))
    assert [found.name for found in list_buckets(config)] == [found.name for found in client.list_buckets()]
    assert "control-bucket" in [found.name for found in list_buckets(config)]
    assert bucket_region(config) == "europe-west3"
    missing = StoreConfig("Google", "no-such-bucket", endpoint=cloud.url, credentials=config.credentials)
    with pytest.raises(BucketNotFound, match="404"):
        bucket_region(missing)


def test_start_offset_includes_its_name(client, bucket):
    """A listing starts at start_offset, existing or not; pages go on from there."""
    names = [f"n/{number:02}" for number in range(9)]
    for name in names:
        bucket.blob(name).upload_from_string(b"")
    assert [blob.name for blob in client.list_blobs(bucket, start_offset="n/04", page_size=2)] == names[4:]
    assert [blob.name for blob in client.list_blobs(bucket, start_offset="n/045")] == names[5:]


def test_generations_pin_a_read(bucket):
    """A read pinned to a generation fails once the object is replaced."""
    blob = bucket.blob("pinned")
    blob.upload_from_string(b"old")
    old = blob.generation
    assert blob.download_as_bytes(if_generation_match=old) == b"old"
    bucket.blob("pinned").upload_from_string(b"new")
    with pytest.raises(PreconditionFailed):
        bucket.blob("pinned").download_as_bytes(if_generation_match=old)


def test_packed_objects_are_unpacked_for_who_does_not_take_gzip(bucket):
    """Raw downloads give the stored bytes; others what is inside: decompressive transcoding."""
    packed = gzip.compress(b"text " * 100, mtime=0)
    blob = bucket.blob("packed")
    blob.content_encoding = "gzip"
    blob.upload_from_string(packed, content_type="text/plain")
    assert blob.download_as_bytes(raw_download=True) == packed
    assert blob.download_as_bytes() == b"text " * 100


def test_parts_by_the_sdks_own_xml(bucket, tmp_path):
    """The SDK's XML multipart upload, the protocol our adapter writes with, is taken."""
    path = tmp_path / "large"
    path.write_bytes(bytes(range(256)) * 45_000)
    blob = bucket.blob("in parts")
    transfer_manager.upload_chunks_concurrently(
        str(path), blob, chunk_size=5 << 20, worker_type=transfer_manager.THREAD, max_workers=2
    )
    blob.reload()
    assert (blob.size, blob.md5_hash) == (path.stat().st_size, None)
    assert blob.download_as_bytes() == path.read_bytes()


def test_wrong_accounts_and_tokens_are_refused(cloud):
    """A key that is not the account's gets no token; a token nobody granted is not accepted."""
    with pytest.raises(RefreshError, match="invalid_grant"):
        list(client_of(cloud, account_of(cloud, number=1)).list_buckets(retry=None))
    with pytest.raises(RefreshError, match="invalid_grant"):
        list(client_of(cloud, account_of(cloud, email="no@body.test")).list_buckets(retry=None))
    config = StoreConfig("Google", "abc", endpoint=cloud.url, credentials=Credentials("", Secret(""), Secret("ya29.x")))
    with pytest.raises(BadCredentials, match="401"):
        list_buckets(config)
    options = {"api_endpoint": cloud.url}
    with pytest.raises(InvalidOperation):  # the SDK's way to say 401 to nobody
        list(
            storage.Client(project="p", credentials=AnonymousCredentials(), client_options=options).list_buckets(
                retry=None
            )
        )


def test_faults_speak_google(cloud, client, bucket):
    """A busy service is retried by the SDK; a missing bucket is NotFound."""
    cloud.faults.add(Fault(Match(operation="Json.ListObjects"), Answer("SlowDown"), times=1))
    began = time.monotonic()
    retry = DEFAULT_RETRY.with_delay(initial=0.05)
    assert list(client.list_blobs(bucket, retry=retry)) == []
    assert time.monotonic() - began < 10
    with pytest.raises(NotFound):
        list(client.list_blobs("no-such-bucket"))
