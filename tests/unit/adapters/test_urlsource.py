"""The web as a source: what is asked, and what replies mean."""

import inspect

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.registry import adapter_for, open_store
from oms_engine.errors import (
    AccessDenied,
    ConditionFailed,
    ConfigError,
    NotFound,
    ObjectError,
    RangeIgnored,
    Redirected,
    Throttled,
    Unavailable,
    UnexpectedReply,
    Unsupported,
)
from oms_engine.model import RestoreTier, Span, WriteOptions
from oms_engine.store import BucketStore, Reply
from oms_engine.urlkeys import render_entry

ENTRY = render_entry("name\twith tab", "https://h.test/a%20b?sig=hush")
TIME = "Tue, 14 Nov 2023 22:13:20 GMT"


def urls(**extra):
    """Open the web."""
    return open_store(StoreConfig("URLSource", "", extra=extra))


def test_what_is_asked():
    """HEAD and GET ask for the stored bytes, without a signature; redirects may be followed."""
    store = urls()
    assert isinstance(store, BucketStore)
    assert not store.capabilities.lists
    for call, method in ((store.head(ENTRY), "HEAD"), (store.read(ENTRY), "GET")):
        request = call.sign(call.request, 0.0)
        assert (request.method, request.path, request.raw_query) == (method, "/a%20b", "sig=hush")
        assert request.headers == {"accept": "*/*", "accept-encoding": "identity"}
        assert call.trail == []
    assert store.read(ENTRY).trail is not store.read(ENTRY).trail
    assert store.read(ENTRY, span=Span(3, 9)).request.headers["range"] == "bytes=3-9"


@pytest.mark.parametrize("allow", [True, False])
def test_private_addresses_need_leave(allow):
    """Every request is guarded unless the operator allows private addresses."""
    store = urls(allow_private=allow)
    assert store.head(ENTRY).request.endpoint.public is not allow
    assert urls().head(ENTRY).request.endpoint.public


def test_heads_say_what_http_says():
    """Size, time, ETag and attributes come from the headers; without an ETag the time stands for one."""
    headers = {
        "content-length": "5", "etag": '"v1"', "last-modified": TIME, "content-type": "a/b",
        "content-encoding": "br", "cache-control": "c", "x-amz-meta-a": "b",
    }  # fmt: skip
    head = urls().head(ENTRY).read(Reply(200, headers, b""))
    assert (head.key, head.size, head.etag, head.last_modified) == (ENTRY, 5, "v1", 1_700_000_000.0)
    assert (head.attributes.content_type, head.attributes.content_encoding) == ("a/b", "br")
    assert head.attributes.user == {}
    assert head.md5 is None
    assert urls().head(ENTRY).read(Reply(200, {}, b"")).size is None
    assert urls().head(ENTRY).read(Reply(200, {}, b"")).etag == ""
    assert TIME in urls().head(ENTRY).read(Reply(200, {"last-modified": TIME}, b"")).etag
    assert urls().head(ENTRY).read(Reply(200, {"etag": 'W/"1"'}, b"")).etag == "W/1"


@pytest.mark.parametrize(
    ("status", "kind"),
    [(301, Redirected), (302, Redirected), (303, Redirected), (307, Redirected), (308, Redirected), (304, UnexpectedReply),
     (401, AccessDenied), (403, AccessDenied), (404, NotFound), (405, Unsupported), (410, NotFound), (429, Throttled),
     (500, Unavailable), (502, Unavailable), (503, Throttled), (501, Unsupported)],
)  # fmt: skip
def test_what_statuses_mean(status, kind):
    """Each status has its class; the text names the URL, never its query."""
    with pytest.raises(kind) as caught:
        urls().read(ENTRY).read(Reply(status, {"location": "https://other.test/?sig=hush"}, b"<html>"))
    assert "hush" not in str(caught.value)
    assert "https://h.test/a%20b" in str(caught.value)
    assert (caught.value.store, caught.value.operation, caught.value.status) == ("urls", "read", status)


def test_ranges_and_versions():
    """The range asked for must come, of the version asked for."""
    call = urls().read(ENTRY, span=Span(2, 4), if_match="v1")
    good = {"content-range": "bytes 2-4/9", "content-length": "3", "etag": '"v1"'}
    assert call.read(Reply(206, good, b"")).size == 9
    with pytest.raises(RangeIgnored):
        call.read(Reply(200, good | {"content-length": "9"}, b""))
    with pytest.raises(RangeIgnored):
        call.read(Reply(206, good | {"content-range": "bytes 0-2/9"}, b""))
    with pytest.raises(ConditionFailed):
        call.read(Reply(206, good | {"etag": '"v2"'}, b""))
    with pytest.raises(UnexpectedReply):
        urls().read(ENTRY).read(Reply(206, good, b""))


def test_entries_that_cannot_be_asked():
    """A name given twice and a URL that is none fail before anything is sent, each by its own code."""
    with pytest.raises(ObjectError) as caught:
        urls().head(render_entry("x", "http://h/?sig=hush", conflict=True))
    assert caught.value.code == "DST_OBJ_KEY_DUPLICATE_FAILURE"
    assert "hush" not in str(caught.value)
    with pytest.raises(ObjectError) as caught:
        urls().read(render_entry("x", "http://user:hush@h/"))
    assert caught.value.code == "GET_SRC_URL_INVALID_FAILURE"
    assert "hush" not in str(caught.value)


def test_nothing_is_listed_or_written():
    """Every other call of a store says that a URL is only read."""
    store = urls()
    values = {
        "options": WriteOptions(), "size": 1, "number": 1, "parts": [], "days": 1, "tier": RestoreTier.STANDARD,
    }  # fmt: skip
    for name in ("list_page", "write", "delete", "start_upload", "write_part", "complete_upload", "abort_upload",
                 "list_parts", "list_uploads", "restore"):  # fmt: skip
        method = getattr(store, name)
        needed = [p for p in inspect.signature(method).parameters.values() if p.default is inspect.Parameter.empty]
        given = {p.name: values.get(p.name, "x") for p in needed}
        with pytest.raises(Unsupported):
            method(**given)


def test_there_are_no_regions_and_no_buckets():
    """Control operations and unknown options are refused with a sentence."""
    adapter = adapter_for("urlsource")
    config = StoreConfig("URLSource", "")
    for ask in (lambda: adapter.endpoint_for("x"), lambda: adapter.account(config),
                lambda: urls(allow="x")):  # fmt: skip
        with pytest.raises(ConfigError):
            ask()
