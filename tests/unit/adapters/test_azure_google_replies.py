"""Whatever a server answers, Azure's and Google's adapters return a value or raise a StoreError: nothing else."""

import json
from base64 import b64encode
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.errors import StoreError
from oms_engine.model import Credentials, RestoreTier, Secret, Span, WriteOptions, WrittenPart
from oms_engine.store import Reply

AZURE = StoreConfig("Azure", "abc", credentials=Credentials("acct", Secret(b64encode(b"k").decode())))
GOOGLE = StoreConfig("Google", "abc", credentials=Credentials("", Secret(""), Secret("token")))

values = st.one_of(
    st.sampled_from(
        ["", "0", "1", "-1", "²", "bytes 0-0/1", "bytes 1-3/9", "bytes */9", "md5=", "crc32c=A,md5=A", "====", "AAAA",
         "Tue, 28 Apr 2026 09:47:27 GMT", "Tue, 99 Apr 2026", '"', "Archive", "rehydrate-pending-to-hot", "gzip"]
    ),
    st.text(st.characters(max_codepoint=255), max_size=8),
)  # fmt: skip
names = st.sampled_from(
    ["content-length", "content-range", "etag", "last-modified", "date", "content-md5", "x-ms-blob-content-md5",
     "x-ms-access-tier", "x-ms-archive-status", "x-ms-error-code", "x-ms-meta-", "x-ms-request-id", "x-goog-hash",
     "x-goog-generation", "x-goog-stored-content-length", "x-goog-meta-a", "location", "retry-after", "content-encoding"]
)  # fmt: skip
leaves = (
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.sampled_from(["7", "2026-04-28T09:47:27Z"])
)
fields = [
    "items",
    "nextPageToken",
    "name",
    "size",
    "updated",
    "generation",
    "storageClass",
    "error",
    "errors",
    "reason",
]
documents = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(fields), inner, max_size=5)
)
elements = ["EnumerationResults", "Blobs", "Blob", "Name", "Properties", "Last-Modified", "Etag", "Content-Length",
            "NextMarker", "Error", "Code", "Message", "BlockList", "Block", "Size", "UploadId", "Part"]  # fmt: skip
xml = st.recursive(
    st.text("<&>;a1AAAA= \n\x0f", max_size=6),
    lambda inner: st.tuples(st.sampled_from(elements), st.lists(inner, max_size=4)).map(
        lambda pair: f"<{pair[0]}>{''.join(pair[1])}</{pair[0]}>"
    ),
)
bodies = st.one_of(st.binary(max_size=30), documents.map(lambda value: json.dumps(value).encode()), xml.map(str.encode))
statuses = st.sampled_from(
    [200, 201, 202, 204, 206, 301, 302, 304, 307, 400, 401, 403, 404, 409, 412, 416, 429, 500, 503]
)


def calls(store):
    """Return one call of every kind."""
    options, upload = WriteOptions(), "t.e30="
    return [
        store.list_page("p", start_after="p/a"),
        store.head("k"),
        store.read("k"),
        store.read("k", span=Span(1, 3), if_match="e"),
        store.write("k", size=1, options=options, body=b"x"),
        store.delete("k"),
        store.start_upload("k", options=options),
        store.write_part("k", upload, 1, size=1, body=b"x"),
        store.complete_upload("k", upload, [WrittenPart(1, "e", 1)]),
        store.abort_upload("k", upload),
        store.list_parts("k", upload),
        store.list_uploads("p"),
        store.restore("k", days=1, tier=RestoreTier.STANDARD),
    ]


@pytest.mark.parametrize("config", [AZURE, GOOGLE], ids=lambda config: config.cloud_type)
@example(200, {"x-goog-stored-content-length": "²"}, b"")
@example(200, {"x-goog-hash": "crc32c=A,md5=A", "content-md5": "A", "x-ms-blob-content-md5": "A"}, b"")
@given(statuses, st.dictionaries(names, values, max_size=6), bodies)
def test_any_reply_is_a_value_or_a_store_error(config, status, headers, body):
    """No reply, however broken, raises anything that the engine does not know how to end an object with."""
    for call in calls(open_store(config)):
        with suppress(StoreError):
            call.read(Reply(status, headers, body))
