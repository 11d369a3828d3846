"""Replies of 200 that are no success, in every dialect."""

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.dialects.substance import Hollow, hollow
from oms_adapters.registry import open_store
from oms_engine.errors import AccessDenied, Retry, StoreError, Unavailable
from oms_engine.model import Credentials, Secret, WriteOptions, WrittenPart
from oms_engine.store import Reply

PAGES = [
    b"<html><body>login</body></html>",
    b"<!DOCTYPE html>\n<HTML></HTML>",
    b'\xef\xbb\xbf<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"/>',
    b'{"error": {"code": 503}}',
]
ERROR = b'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>%s</Code><Message>m</Message></Error>'
KEYS = Credentials("AK", Secret("c2VjcmV0"))
CLOUDS = {
    "AWS": {"region": "us-east-1"},
    "HuaweiCloud": {"region": "cn-north-4"},
    "Aliyun": {"region": "cn-beijing"},
    "Tencent": {"region": "ap-beijing"},
    "KingsoftCloud": {"region": "cn-beijing-6"},
    "Qiniu": {"region": "cn-east-1"},
    "Baidu": {"region": "bj"},
    "QingCloud": {"region": "pek3a"},
    "Azure": {"endpoint": "https://account.blob.core.windows.net"},
    "Google": {"endpoint": "https://storage.googleapis.com"},
}


def store_of(cloud):
    """Open a bucket; nothing is sent."""
    bucket = "bucket-1250000000" if cloud == "Tencent" else "bucket"
    keys = Credentials("account", Secret("c2VjcmV0")) if cloud == "Azure" else KEYS
    keys = None if cloud == "Google" else keys  # a public bucket speaks the same protocol
    return open_store(StoreConfig(cloud, bucket, credentials=keys, **CLOUDS[cloud]))


def changes(store):
    """Return every call that changes an object."""
    upload_id = "uploadid"
    if store.cloud_type == "Azure":
        upload_id = store.start_upload("k", options=WriteOptions()).read(Reply(200, {}, b""))
    return [
        store.write("k", size=1, options=WriteOptions(), body=b"x"),
        store.write_part("k", upload_id, 1, size=1, body=b"x"),
        store.complete_upload("k", upload_id, [WrittenPart(1, "e", 1)]),
        store.delete("k"),
    ]


@pytest.mark.parametrize("cloud", CLOUDS)
def test_an_error_document_in_a_success_is_that_error(cloud):
    """A 200 that carries the store's error document is the error it names, tried again where that says so."""
    for call in changes(store_of(cloud)):
        headers = {"etag": '"0123456789abcdef0123456789abcdef"'}
        with pytest.raises(Unavailable) as caught:
            call.read(Reply(200, headers, ERROR % b"InternalError"))
        assert caught.value.retry is Retry.SOON
        if cloud != "Azure":
            with pytest.raises(AccessDenied):
                call.read(Reply(200, headers, ERROR % b"AccessDenied"))


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("page", PAGES)
def test_a_web_page_in_a_success_is_no_success(cloud, page):
    """A 200 that carries a web page, or JSON that speaks of an error, is tried again."""
    for call in changes(store_of(cloud)):
        with pytest.raises(StoreError) as caught:
            call.read(Reply(200, {"etag": '"e"'}, page))
        assert caught.value.retry is Retry.SOON


@pytest.mark.parametrize("cloud", [cloud for cloud in CLOUDS if cloud != "Azure"])
def test_a_part_without_an_etag_is_no_part(cloud):
    """A part whose reply states no ETag could never be joined: it is sent again."""
    with pytest.raises(StoreError) as caught:
        store_of(cloud).write_part("k", "u", 1, size=1, body=b"x").read(Reply(200, {}, b""))
    assert caught.value.retry is Retry.SOON


@pytest.mark.parametrize("body", [b"", b"  ", b"ok", b"<CompleteMultipartUploadResult/>", b"<Errors/>", b"{}", b"[]"])
def test_other_bodies_say_nothing_against_a_success(body):
    """What is neither an error document nor a page is left to whoever reads it."""
    assert hollow(body) is None
    assert hollow(b"<!-- c --><e:Error/>") is Hollow.ERROR
