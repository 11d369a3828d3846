"""What stores and the fronts before them add to replies, read alike in every dialect."""

from dataclasses import replace

import pytest

from oms_adapters.cdn import CdnStore, parse_cdn
from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.errors import ConditionFailed
from oms_engine.model import UNKNOWN_TIME, Attributes, Credentials, Secret, Span, WriteOptions
from oms_engine.store import BucketStore, Reply
from oms_engine.urlkeys import render_entry

KEYS = Credentials("AK", Secret("SK"))
STORAGE = Credentials("account", Secret("a2V5"))


def opened(cloud: str, region: str = "", **more: object) -> BucketStore:
    """Return a bucket of a cloud; nothing is sent."""
    config = StoreConfig(cloud, "photos", region=region or None, credentials=KEYS)
    return open_store(replace(config, **more))


BUCKETS = {
    "s3": (opened("AWS", "eu-west-1"), "x-amz-"),
    "obs": (opened("HuaweiCloud", "cn-north-4"), "x-obs-"),
    "oss": (opened("Aliyun", "cn-hangzhou"), "x-oss-"),
    "cos": (opened("Tencent", "ap-guangzhou", extra={"app_id": "1250000000"}), "x-cos-"),
    "qiniu": (opened("Qiniu", "cn-east-1"), "x-amz-"),
    "interop": (opened("Google", credentials=Credentials("GOOG1E", Secret("SK"))), "x-amz-"),
}
WEB = {
    "urls": open_store(StoreConfig("URLSource", "urls")),
    "azure": opened("Azure", "westeurope", credentials=STORAGE),
    "google": opened("Google", credentials=Credentials("", Secret(""), Secret("ya29"))),
}
EVERY = {**{name: store for name, (store, _) in BUCKETS.items()}, **WEB}
KEY = dict.fromkeys(EVERY, "k") | {"urls": render_entry("k", "http://host.example/k")}


def head(name: str, headers: dict[str, str]) -> Attributes:
    """Return the attributes that a HEAD states."""
    return EVERY[name].head(KEY[name]).read(Reply(200, {"content-length": "1", **headers}, b"")).attributes


@pytest.mark.parametrize("name", EVERY)
@pytest.mark.parametrize(
    ("stated", "stored"),
    [
        ("aws-chunked", None),
        ("gzip,aws-chunked", "gzip"),
        ("gzip, aws-chunked", "gzip"),
        ("AWS-Chunked , gzip", "gzip"),
        ("br, gzip,aws-chunked", "br,gzip"),
        ("aws-chunked,", None),
        ("gzip", "gzip"),
        ("my-aws-chunky", "my-aws-chunky"),
    ],
)
def test_the_framing_of_an_upload_is_no_coding_of_the_object(name, stated, stored):
    """Whatever store kept ``aws-chunked``, it is not copied; the codings beside it are."""
    assert head(name, {"content-encoding": stated}).content_encoding == stored


@pytest.mark.parametrize("name", BUCKETS)
@pytest.mark.parametrize(("stated", "count"), [("2", 2), ("0", 0), ("many", 1)])
def test_metadata_that_a_store_withholds_is_counted(name, stated, count):
    """Entries that cannot be returned as headers are known of in each vendor's words."""
    prefix = BUCKETS[name][1]
    attributes = head(name, {f"{prefix}missing-meta": stated, f"{prefix}meta-a": "1"})
    assert (attributes.withheld, attributes.user) == (count, {"a": "1"})


@pytest.mark.parametrize("name", sorted(EVERY.keys() - {"google"}))  # its reads are pinned to a generation
def test_a_weak_etag_is_compared_here(name):
    """If-Match never matches a weak ETag, so none is sent: the reply is held against it instead."""
    store, key = EVERY[name], KEY[name]
    stated = store.head(key).read(Reply(200, {"content-length": "5", "etag": 'W/"one"'}, b"")).etag
    for span in (None, Span(0, 4)):
        call = store.read(key, span=span, if_match=stated)
        assert "if-match" not in call.request.headers
        headers = {"content-length": "5"} | ({"content-range": "bytes 0-4/5"} if span else {})
        for etag in ('W/"one"', '"one"'):
            assert call.read(Reply(206 if span else 200, {**headers, "etag": etag}, b"")).size == 5
        for etag in ('W/"two"', '"two"'):
            with pytest.raises(ConditionFailed):
                call.read(Reply(206 if span else 200, {**headers, "etag": etag}, b""))


@pytest.mark.parametrize("name", BUCKETS)
def test_a_weakened_etag_of_a_write_is_the_stores_own(name):
    """A front weakens what passes; the store's own ETag, and the MD5 it is, are what it stands for."""
    store, _ = BUCKETS[name]
    md5 = "5d41402abc4b2a76b9719d911017c592"
    for stated in (f'"{md5}"', f'W/"{md5}"'):
        reply = Reply(200, {"etag": stated}, b"")
        assert store.write("k", size=5, options=WriteOptions(), body=b"hello").read(reply).etag == md5
        assert store.write_part("k", "u", 1, size=5, body=b"hello").read(reply).etag == md5


@pytest.mark.parametrize("name", EVERY)
def test_a_time_nobody_states_is_unknown(name):
    """An object without a date, or with one that cannot be read, is no object of 1970."""
    for headers in ({}, {"last-modified": "yesterday"}):
        stated = EVERY[name].head(KEY[name]).read(Reply(200, {"content-length": "1", **headers}, b""))
        assert stated.last_modified == UNKNOWN_TIME


def test_a_cdn_is_held_against_a_bucket_without_times_by_its_etag():
    """A time that the bucket does not state cannot differ; the ETag then decides."""
    store = CdnStore(BUCKETS["s3"][0], parse_cdn("cdn.example.com"), KEYS)
    md5 = "5d41402abc4b2a76b9719d911017c592"
    stated = store.head("k").read(Reply(200, {"content-length": "5", "etag": f'"{md5}"'}, b""))
    served = {"content-length": "5", "last-modified": "Fri, 20 Nov 2026 23:53:44 GMT"}
    assert store.read_stated(stated).read(Reply(200, {**served, "etag": f'W/"{md5}"'}, b"")) is stated
    with pytest.raises(ConditionFailed):
        store.read_stated(stated).read(Reply(200, {**served, "etag": f'"{md5[::-1]}"'}, b""))
