"""What the sandbox lets through, and what not: signatures, digests and HTTP itself, byte by byte."""

import hashlib
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.sandbox.conditions import parse_range
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.xmltext import escape, url_encoded


def code_of(answer):
    """Return status and code of an answer."""
    return answer.status, answer.body.partition(b"<Code>")[2].partition(b"<")[0].decode()


def test_a_changed_body_is_noticed(sandbox, ask):
    """A body that is not the signed one is refused by its SHA-256, and not stored."""
    sandbox.s3.create_bucket("bkt")
    answer = ask(sandbox.s3, "PUT", "/bkt/k", body=b"abd", sign_body=b"abc")
    assert code_of(answer) == (400, "XAmzContentSHA256Mismatch")
    assert sandbox.s3.bucket("bkt").keys() == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"GET /bkt?prefix=a", b"GET /bkt?prefix=b"),
        (b"GET /bkt?prefix=a", b"GET /bkt?prefix=a&marker=x"),
        (b"GET /bkt", b"HEAD /bkt"),
        (b"bytes=0-1", b"bytes=0-2"),
    ],
)
def test_a_changed_request_is_noticed_by_s3(sandbox, ask, old, new):
    """Method, query and signed headers cannot be changed after signing."""
    sandbox.s3.create_bucket("bkt")
    request = ask.signed(sandbox.s3, "GET", "/bkt?prefix=a", headers={"Range": "bytes=0-1"})
    assert ask.send(sandbox.s3, request).status == 200
    assert ask.send(sandbox.s3, request.replace(old, new)).status == 403


@pytest.mark.parametrize(
    ("old", "new"),
    [(b"PUT /bkt/k", b"PUT /bkt/l"), (b"x-obs-meta-a: 1", b"x-obs-meta-a: 2"), (b"text/x", b"text/y")],
)
def test_a_changed_request_is_noticed_by_obs(sandbox, ask, old, new):
    """Method, key, content type and x-obs- headers cannot be changed after signing."""
    sandbox.obs.create_bucket("bkt")
    headers = {"x-obs-meta-a": "1", "Content-Type": "text/x"}
    request = ask.signed(sandbox.obs, "PUT", "/bkt/k", headers=headers, body=b"abc")
    assert ask.send(sandbox.obs, request).status == 200
    assert code_of(ask.send(sandbox.obs, request.replace(old, new))) == (403, "SignatureDoesNotMatch")


def test_vendor_headers_must_be_signed(sandbox, ask):
    """An x-amz- header that was added after signing is refused."""
    request = ask.signed(sandbox.s3, "GET", "/")
    assert ask.send(sandbox.s3, request).status == 200
    added = request.replace(b"Host:", b"x-amz-storage-class: GLACIER\r\nHost:")
    assert code_of(ask.send(sandbox.s3, added)) == (403, "AccessDenied")


@pytest.mark.parametrize("value", ["AWS4-HMAC-SHA256 nonsense", "Bearer x", "AWS4-HMAC-SHA256 Credential=a"])
def test_malformed_authorization(sandbox, ask, value):
    """An Authorization header that is none of S3's is refused without a crash."""
    request = f"GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: {value}\r\n\r\n"
    assert code_of(ask.send(sandbox.s3, request.encode())) == (400, "AuthorizationHeaderMalformed")


def test_signed_chunks_are_not_taken_unverified(sandbox, ask):
    """A payload whose chunks are signed one by one is refused, since nothing here would verify them."""
    sandbox.s3.create_bucket("bkt")
    request = ask.signed(sandbox.s3, "PUT", "/bkt/k", body=b"abc")
    digest = hashlib.sha256(b"abc").hexdigest().encode()
    changed = request.replace(digest, b"STREAMING-AWS4-HMAC-SHA256-PAYLOAD")
    assert ask.send(sandbox.s3, changed).status == 403


def test_expect_continue(cloud, ask):
    """A client that waits for 100 Continue is asked for its body."""
    request = ask.signed(cloud, "PUT", "/bkt/k", body=b"abc", headers={"Expect": "100-continue"})
    with socket.create_connection(("127.0.0.1", cloud.endpoint.port), timeout=5) as connection:
        connection.sendall(request[:-3])
        assert connection.recv(4096).startswith(b"HTTP/1.1 100")
        connection.sendall(b"abc")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    assert cloud.bucket("bkt").get("k") == b"abc"


def test_expect_continue_refused(cloud, ask):
    """A refused client that waits for 100 Continue is answered at once, its body is never asked for."""
    request = ask.signed(cloud, "PUT", "/bkt/k", body=b"abc", headers={"Expect": "100-continue"})
    with socket.create_connection(("127.0.0.1", cloud.endpoint.port), timeout=5) as connection:
        connection.sendall(request[:-3].replace(b"PUT /bkt/k", b"PUT /bkt/l"))
        answer = b"".join(iter(lambda: connection.recv(4096), b""))
    assert answer.startswith(b"HTTP/1.1 403")
    assert b"connection: close" in answer.lower()


def test_a_chunked_request_body(cloud, ask):
    """A request body in HTTP chunks is joined."""
    request = ask.signed(cloud, "PUT", "/bkt/k", headers={"Transfer-Encoding": "chunked"}, sign_body=b"abcd")
    assert ask.send(cloud, request + b"3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n").status == 200
    assert cloud.bucket("bkt").get("k") == b"abcd"


def test_a_body_that_ends_early_is_not_stored(cloud, ask):
    """A client that goes away within its body leaves nothing behind."""
    request = ask.signed(cloud, "PUT", "/bkt/k", body=b"abc")
    with socket.create_connection(("127.0.0.1", cloud.endpoint.port), timeout=5) as connection:
        connection.sendall(request[:-1])
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(4096).startswith(b"HTTP/1.1 400")
    assert cloud.bucket("bkt").keys() == []


def test_pipelined_requests_are_answered_in_turn(cloud, ask):
    """Two requests in one segment give two replies on one connection."""
    first = ask.signed(cloud, "PUT", "/bkt/k", body=b"abc", headers={"Connection": "keep-alive"})
    answer = ask.send(cloud, first + ask.signed(cloud, "GET", "/bkt/k"))
    assert answer.data.count(b"HTTP/1.1 200 OK") == 2
    assert answer.data.endswith(b"abc")


@pytest.mark.parametrize("junk", [b"\x00\x01\x02\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"GET / HTTP/9\r\n\r\n"])
def test_what_is_not_http_is_refused(cloud, ask, junk):
    """Requests that break the protocol (no Host header among them) get a 400 and the connection closes."""
    answer = ask.send(cloud, junk)
    assert answer.status in {400, 505}


@pytest.mark.parametrize("query", ["acl", "tagging", "versioning", "lifecycle", "versionId=x", "partNumber=1"])
def test_unknown_sub_resources_are_not_taken_for_the_object(cloud, ask, query):
    """A sub-resource the sandbox lacks is 501, and a PUT of it stores nothing."""
    assert code_of(ask(cloud, "PUT", f"/bkt/k?{query}", body=b"x")) == (501, "NotImplemented")
    assert cloud.bucket("bkt").keys() == []


def test_metadata_outside_ascii_comes_back_as_rfc_2047(sandbox, ask):
    """S3 returns user metadata that was sent as raw UTF-8 as RFC 2047 words."""
    sandbox.s3.create_bucket("bkt")
    assert ask(sandbox.s3, "PUT", "/bkt/k", headers={"x-amz-meta-a": "grüße"}).status == 200
    assert ask(sandbox.s3, "HEAD", "/bkt/k").head["x-amz-meta-a"] == "=?utf-8?b?Z3LDvMOfZQ==?="


def test_a_virtual_host_names_the_bucket(sandbox, ask):
    """``Host: bucket.s3.test`` is the same as a path that starts with the bucket."""
    sandbox.s3.create_bucket("bkt").put("k", b"abc")
    answer = ask(sandbox.s3, "GET", "/k", headers={"Host": "bkt.s3.test"})
    assert (answer.status, answer.body) == (200, b"abc")


@given(st.text())
def test_listings_without_url_encoding_survive_escaping(text):
    """Escaped text holds no character that ends an element, and unescapes to itself."""
    import html

    assert not set('<>"') & set(escape(text))
    if not set(text) & {chr(code) for code in (*range(32), *range(0x7F, 0xA0))}:
        assert html.unescape(escape(text)) == text


@given(st.binary())
def test_url_encoding_is_decoded_as_a_form(key):
    """Any key's bytes survive ``encoding-type=url``."""
    from urllib.parse import unquote_to_bytes

    text = key.decode("utf-8", "surrogateescape")
    assert unquote_to_bytes(url_encoded(text).replace("+", " ")) == key


@given(st.integers(0, 30), st.integers(0, 30), st.binary(max_size=20))
def test_a_range_is_a_slice(first, last, data):
    """``bytes=a-b`` selects what Python's slice selects, or is refused or ignored as RFC 9110 says."""
    if first > last:
        assert parse_range(f"bytes={first}-{last}", len(data)) is None
    elif first >= len(data):
        with pytest.raises(Refusal, match="InvalidRange"):
            parse_range(f"bytes={first}-{last}", len(data))
    else:
        found = parse_range(f"bytes={first}-{last}", len(data))
        assert data[found.first : found.first + found.size] == data[first : last + 1]
