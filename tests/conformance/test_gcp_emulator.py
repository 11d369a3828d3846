"""gcp-storage-emulator, which others wrote, filled by google-cloud-storage and read by our adapter.

It has no HEAD, no DELETE and no uploads in the XML API, so the suite cannot run; listings and reads it has.
"""

from base64 import b64decode

import pytest
from gcp_storage_emulator.server import create_server
from google.auth.credentials import AnonymousCredentials
from google.cloud import storage

from oms_adapters.config import StoreConfig
from oms_adapters.conformance import open_harness
from oms_engine.errors import NotFound
from oms_engine.model import Credentials, Secret, Span, key_bytes

KEYS = [
    "a//b",
    "/a",
    "dir/x",
    " lead",
    "%41",
    "a%2Fb",
    "a+b",
    "q?x=1&y#z",
    "tab\there",
    "中文/名字",
    "😀",
    "\uff5e",
    "~*!()",
]
BODY = bytes(range(256)) * 8


@pytest.fixture(scope="module")
def filled():
    """A bucket of a server in this process that the vendor's SDK has filled."""
    server = create_server("127.0.0.1", 0, in_memory=True)
    server.start()
    host, port = server._api._httpd.socket.getsockname()
    url = f"http://{host}:{port}"
    client = storage.Client(project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": url})
    bucket = client.create_bucket("filled")
    for key in KEYS:
        blob = bucket.blob(key)
        blob.storage_class, blob.metadata = "NEARLINE", {"key": "value"}
        blob.upload_from_string(key.encode() + BODY, content_type="text/x")
    keys = Credentials("", Secret(""), Secret("any token"))
    with open_harness(StoreConfig("Google", "filled", endpoint=url, credentials=keys)) as harness:
        yield harness, client
    server.stop()


@pytest.mark.parametrize("limit", [1, 2, 5, len(KEYS), 1000])
def test_listings_are_the_sdks(filled, limit):
    """Pages of any length list what the SDK lists: names, sizes, times, generations, classes."""
    harness, client = filled
    found, start, token = [], "", None
    while start is not None:
        page = harness.perform(harness.store.list_page("", start_after=start, limit=limit, token=token))
        found += page.objects
        start, token = page.next_start, page.token
    theirs = [
        (blob.name, blob.size, blob.updated.timestamp(), str(blob.generation), blob.storage_class)
        for blob in client.list_blobs("filled")
    ]
    assert [tuple(entry) for entry in found] == theirs


@pytest.mark.parametrize("start", ["a", "a%2Fb", "dir/x", "b", "中文", "\U0010ffff"])
def test_listings_start_anywhere(filled, start):
    """Although this server ignores startOffset, a listing resumes after any key: what comes before it is dropped."""
    harness, _ = filled
    expected = sorted((key for key in KEYS if key_bytes(key) > key_bytes(start)), key=key_bytes)
    assert harness.keys("", start_after=start, limit=3) == expected


@pytest.mark.parametrize("key", KEYS)
def test_reads_are_the_sdks(filled, key):
    """An object and a range of it are read as the SDK wrote them, with type, metadata and MD5.

    Generation and class, which Google's reads state, this server's do not.
    """
    harness, client = filled
    head, body = harness.fetch(harness.store.read(key))
    assert body == key.encode() + BODY
    assert (head.size, head.md5) == (len(body), b64decode(client.bucket("filled").get_blob(key).md5_hash))
    assert (head.attributes.content_type, head.attributes.user) == ("text/x", {"key": "value"})
    assert harness.fetch(harness.store.read(key, span=Span(1, 9)))[1] == body[1:10]


def test_missing_objects_are_not_found(filled):
    """A missing object is told as one."""
    harness, _ = filled
    with pytest.raises(NotFound):
        harness.fetch(harness.store.read("missing"))
