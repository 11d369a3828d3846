"""Listings of open uploads: what the vendors' documents show is read, page after page."""

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.dialects.open_uploads import parse_uploads
from oms_adapters.registry import open_store
from oms_engine.errors import StoreError
from oms_engine.model import Credentials, OpenUpload, Secret
from oms_engine.store import Reply

KEYS = Credentials("ak", Secret("sk"))
FAMILY = [
    StoreConfig(cloud, "bucket-1250000000", region=region, credentials=KEYS)
    for cloud, region in [
        ("AWS", "us-east-1"), ("HuaweiCloud", "cn-north-4"), ("Aliyun", "cn-hangzhou"), ("Tencent", "ap-beijing"),
        ("Baidu", "bj"), ("KingsoftCloud", "BEIJING"), ("Qiniu", "cn-east-1"), ("QingCloud", "pek3a"), ("UCloud", "cn-bj"),
    ]
] + [
    StoreConfig("Google", "bucket", credentials=Credentials("GOOGAK", Secret("sk"))),
    StoreConfig("Google", "bucket", credentials=Credentials("", Secret(""), Secret("token"))),
]  # fmt: skip


def document(*parts, root="ListMultipartUploadsResult"):
    """Return a reply with a document of these parts."""
    body = f'<?xml version="1.0"?><{root} xmlns="x">{"".join(parts)}</{root}>'
    return Reply(200, {"date": "Mon, 30 Nov 2026 18:00:00 GMT"}, body.encode())


def upload(key, number, when="2026-11-30T17:00:00.500Z"):
    """Return the element of an upload."""
    return f"<Upload><Key>{key}</Key><UploadId>{number}</UploadId><Initiated>{when}</Initiated></Upload>"


def test_a_page_with_markers():
    """Keys and markers are decoded where the store says that they are encoded."""
    reply = document(
        "<EncodingType>url</EncodingType><NextKeyMarker>a%2Fb+%0A</NextKeyMarker>",
        "<NextUploadIdMarker>i+d</NextUploadIdMarker><IsTruncated>true</IsTruncated>",
        upload("a%2Fb+%0A", "i+d"),
    )
    page = parse_uploads(reply, None)
    assert page.uploads == [OpenUpload("a/b \n", "i+d", 1796058000.5)]
    assert (page.next, page.now) == (("a/b \n", "i+d"), 1796061600.0)


@pytest.mark.parametrize(
    ("parts", "after", "following"),
    [
        (["<IsTruncated>false</IsTruncated>", upload("k", "1")], None, None),
        ([upload("k", "1")], None, None),
        (["<IsTruncated>true</IsTruncated>", upload("k", "1")], None, ("k", "1")),
        (["<IsTruncated>true</IsTruncated>", upload("k", "1")], ("k", "1"), None),
        (["<IsTruncated>true</IsTruncated>"], None, None),
        (["<IsTruncated>true</IsTruncated><NextKeyMarker>m</NextKeyMarker>"], ("a", "1"), ("m", "")),
    ],
)
def test_where_the_next_page_starts(parts, after, following):
    """The stated marker leads on, else the last upload; a page that leads nowhere new is the last."""
    assert parse_uploads(document(*parts), after).next == following


def test_a_time_that_is_none():
    """An upload whose time is not stated, or not readable, has none; a + in a plain key stays."""
    page = parse_uploads(document(upload("a+b", "1", "yesterday"), "<Upload><Key>c</Key></Upload>"), None)
    assert page.uploads == [OpenUpload("a+b", "1", None), OpenUpload("c", "", None)]


@pytest.mark.parametrize("config", FAMILY, ids=lambda config: config.cloud_type)
def test_every_dialect_pages(config):
    """Each store of the family asks for what follows both markers, and takes an error inside a 200 for an error."""
    store = open_store(config)
    first, second = store.list_uploads("p/"), store.list_uploads("p/", after=("k", "id"))
    assert ("prefix", "p/") in first.request.query
    assert "key-marker" not in dict(first.request.query)
    assert (dict(second.request.query)["key-marker"], dict(second.request.query)["upload-id-marker"]) == ("k", "id")
    assert first.read(document(upload("k", "1"))).uploads[0].upload_id == "1"
    with pytest.raises(StoreError):
        first.read(document("<Code>InternalError</Code>", root="Error"))
