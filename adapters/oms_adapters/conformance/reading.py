"""Reading: whole objects, ranges, conditions, and bytes exactly as stored."""

from __future__ import annotations

import gzip

from oms_adapters.conformance.case import case
from oms_adapters.conformance.harness import Harness
from oms_engine.errors import ConditionFailed, InvalidRequest, NotFound
from oms_engine.model import Attributes, Span

BODY = bytes(range(256)) * 40


@case()
def check_read_whole(harness: Harness) -> None:
    """A read gives the stored bytes, and with them what HEAD states."""
    key = f"{harness.prefix}read/whole"
    harness.put(key, BODY, attributes=Attributes(content_type="image/x-test", user={"a": "1"}))
    head, body = harness.fetch(harness.store.read(key))
    assert body == BODY
    assert head == harness.head(key), "GET and HEAD state different things"


@case()
def check_read_ranges(harness: Harness) -> None:
    """A range gives its bytes, clipped at the end; the head states the size of the whole object."""
    key = f"{harness.prefix}read/range"
    harness.put(key, BODY)
    for first, last in (
        (0, 1),
        (0, 99),
        (100, 4_000),
        (len(BODY) - 1, len(BODY) - 1),
        (0, len(BODY) - 1),
        (9_000, 99_999),
    ):
        head, body = harness.fetch(harness.store.read(key, span=Span(first, last)))
        assert body == BODY[first : last + 1], f"bytes {first}-{last} differ"
        assert head.size == len(BODY), f"the size is stated as {head.size}"


@case()
def check_range_outside(harness: Harness) -> None:
    """A range that starts beyond the end is refused."""
    key = f"{harness.prefix}read/outside"
    harness.put(key, BODY)
    try:
        harness.fetch(harness.store.read(key, span=Span(len(BODY), len(BODY) + 9)))
    except InvalidRequest:
        return
    raise AssertionError("a range outside the object was answered")


@case()
def check_if_match(harness: Harness) -> None:
    """A read pinned to an ETag gives that object or fails; also with a range."""
    key = f"{harness.prefix}read/pinned"
    old = harness.put(key, b"old").etag
    assert harness.fetch(harness.store.read(key, if_match=old))[1] == b"old"
    assert harness.fetch(harness.store.read(key, if_match=old, span=Span(1, 2)))[1] == b"ld"
    harness.put(key, b"new!")
    for span in (None, Span(0, 1)):
        try:
            harness.fetch(harness.store.read(key, if_match=old, span=span))
        except ConditionFailed:
            continue
        raise AssertionError("the replaced object was given out under its old ETag")


@case()
def check_empty_object(harness: Harness) -> None:
    """An empty object is stored, listed and read like any other."""
    key = f"{harness.prefix}read/empty"
    harness.put(key)
    head, body = harness.fetch(harness.store.read(key))
    assert (body, head.size) == (b"", 0)
    assert harness.perform(harness.store.list_page(key)).objects[0].size == 0


@case()
def check_encoded_body_stays(harness: Harness) -> None:
    """A body stored with Content-Encoding gzip comes back as stored: neither decoded nor encoded again."""
    key = f"{harness.prefix}read/gzip"
    packed = gzip.compress(b"text " * 500, mtime=0)
    harness.put(key, packed, attributes=Attributes(content_type="text/plain", content_encoding="gzip"))
    head, body = harness.fetch(harness.store.read(key))
    assert body == packed
    assert (head.size, head.attributes.content_encoding) == (len(packed), "gzip")
    assert harness.fetch(harness.store.read(key, span=Span(2, 20)))[1] == packed[2:21]


@case()
def check_missing_object(harness: Harness) -> None:
    """HEAD and GET of a missing object say NotFound."""
    key = f"{harness.prefix}read/missing"
    for call in (harness.store.head(key), harness.store.read(key), harness.store.read(key, span=Span(0, 1))):
        try:
            harness.fetch(call)
        except NotFound:
            continue
        raise AssertionError("a missing object was found")
