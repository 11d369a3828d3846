"""The wire's codec, held against h11 and against its own inverse."""

import h11
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import InvalidRequest, UnexpectedReply
from oms_engine.store import Endpoint, Request
from oms_engine.wire.codec import (
    CHUNKED,
    UNTIL_CLOSE,
    ChunkedDecoder,
    body_framing,
    keeps_alive,
    parse_head,
    render_head,
)

HOST = Endpoint("http", "store.test", 8080)
TOKEN = st.text("!#$%&'*+-.^_`|~0123456789abcXYZ", min_size=1, max_size=12)
REFUSED = -99
VISIBLE = st.text(st.characters(min_codepoint=0x21, max_codepoint=0xFF, blacklist_characters="\x7f"), max_size=12)
VALUE = st.lists(VISIBLE, max_size=3).map(" ".join).map(str.strip)
FREE = TOKEN.filter(lambda name: name.lower() not in {"content-length", "transfer-encoding", "connection"})


def h11_reply(head: bytes, method: str = "GET") -> h11.Response:
    """Parse a reply head with h11."""
    oracle = h11.Connection(h11.CLIENT)
    oracle.send(h11.Request(method=method, target="/", headers=[("Host", "a")]))
    oracle.receive_data(head)
    event = oracle.next_event()
    assert isinstance(event, h11.Response), event
    return event


def joined(pairs) -> dict[str, str]:
    """Join repeated headers the way a Reply has them."""
    out: dict[str, str] = {}
    for name, value in ((name.lower(), value.strip(" \t")) for name, value in pairs):
        out[name] = f"{out[name]}, {value}" if name in out else value
    return out


@given(st.integers(200, 599), st.lists(st.tuples(FREE, VALUE, st.sampled_from(["", " ", " \t"])), max_size=12))
def test_heads_read_as_h11_reads_them(status, headers):
    """Any head of tokens and values yields h11's status and headers, repeated ones joined."""
    lines = "".join(f"{name}:{pad}{value}{pad}\r\n" for name, value, pad in headers)
    head = f"HTTP/1.1 {status} Some Reason\r\n{lines}".encode("latin-1")
    oracle = h11_reply(head + b"\r\n")
    pairs = [(n.decode("latin-1"), v.decode("latin-1")) for n, v in oracle.headers]
    assert parse_head(head) == (oracle.status_code, joined(pairs))


@given(VALUE, VALUE)
def test_folded_lines_join_as_in_h11(first, second):
    """A value folded over two lines (obs-fold) is one value with a space between."""
    head = f"HTTP/1.1 200 OK\r\nX-Fold: {first}\r\n \t {second}\r\nX-End: 1\r\n".encode("latin-1")
    oracle = dict(h11_reply(head + b"\r\n").headers)
    got = parse_head(head)[1]
    assert got["x-fold"] == oracle[b"x-fold"].decode("latin-1").strip(" \t")
    assert got["x-end"] == "1"


@given(st.binary(max_size=60))
def test_what_is_accepted_h11_accepts_too(noise):
    """No bytes pass as a head that h11 refuses."""
    head = b"HTTP/1.1 200 OK\r\n" + noise + b"\r\n"
    try:
        parse_head(head)
    except UnexpectedReply:
        return
    if b"\r\n\r\n" in head or noise.lower().startswith((b"content-length", b"transfer-encoding")):
        return
    h11_reply(head + b"\r\n")


@pytest.mark.parametrize(
    "head",
    [
        b"HTTP/1.1 200 OK\r\nA: b\nC: d\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\rC: d\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\0\r\n",
        b"HTTP/1.1 200 OK\r\nA b: c\r\n",
        b"HTTP/1.1 200 OK\r\nA : c\r\n",
        b"HTTP/1.1 200 OK\r\n: c\r\n",
        b"HTTP/1.1 200 OK\r\nno colon\r\n",
        b"HTTP/1.1 200 OK\r\n folded: first\r\n",
        b"HTTP/2.0 200 OK\r\n",
        b"HTTP/1.1 2x0 OK\r\n",
        b"HTTP/1.1  200 OK\r\n",
        b"HTTP/1.1 2000 OK\r\n",
        b"SSH-2.0-OpenSSH\r\n",
        b"\r\n",
    ],
)
def test_malformed_heads_are_refused(head):
    """Bare line breaks, NUL, spaces in names and other protocols are no HTTP head."""
    with pytest.raises(UnexpectedReply):
        parse_head(head)


@given(
    st.sampled_from(["GET", "HEAD", "PUT"]),
    st.sampled_from([200, 204, 206, 304, 404]),
    st.sampled_from([None, "0", "5", "5, 5", "5,5", "5, 6", "-1", "+5", "5 5", "x", "0x5", "¹"]),
    st.sampled_from([None, "chunked", "Chunked", "gzip", "gzip, chunked", "identity"]),
)
def test_framing_follows_h11(method, status, length, coding):
    """The length of a body is h11's, for every combination of method, status, length and coding."""
    pairs = [(n, v) for n, v in (("Content-Length", length), ("Transfer-Encoding", coding)) if v is not None]
    head = _head(status, pairs)
    headers = parse_head(head)[1]
    try:
        framing = body_framing(method, status, headers)
    except UnexpectedReply:
        with pytest.raises(h11.RemoteProtocolError):
            h11_reply(head + b"\r\n", method)
        return
    theirs = _h11_framing(head, method)
    if theirs == REFUSED:  # h11 minds the length of a body that cannot come
        assert framing == 0
        assert method == "HEAD" or status in {204, 304}
    else:
        assert framing == theirs


def _head(status, pairs):
    lines = "".join(f"{name}: {value}\r\n" for name, value in pairs)
    return f"HTTP/1.1 {status} X\r\n{lines}".encode("latin-1")


def _h11_framing(head: bytes, method: str) -> int:
    """Find out how h11 frames a reply, from what it makes of bytes that follow."""
    oracle = h11.Connection(h11.CLIENT)
    oracle.send(h11.Request(method=method, target="/", headers=[("Host", "a"), ("Content-Length", "0")]))
    oracle.send(h11.EndOfMessage())
    oracle.receive_data(head + b"\r\n")
    try:
        oracle.next_event()
    except h11.RemoteProtocolError:
        return REFUSED
    event = oracle.next_event()
    if isinstance(event, h11.EndOfMessage):
        return 0
    probe = b"3\r\nabc\r\n"
    oracle.receive_data(probe)
    event = oracle.next_event()
    assert isinstance(event, h11.Data)
    if bytes(event.data) == b"abc":
        return CHUNKED
    return UNTIL_CLOSE if len(event.data) == len(probe) else len(event.data)


@pytest.mark.parametrize(
    ("head", "connection", "alive"),
    [
        (b"HTTP/1.1", None, True),
        (b"HTTP/1.1", "keep-alive", True),
        (b"HTTP/1.1", "Close", False),
        (b"HTTP/1.1", "te, close", False),
        (b"HTTP/1.0", None, False),
        (b"HTTP/1.0", "Keep-Alive", True),
    ],
)
def test_keep_alive(head, connection, alive):
    """HTTP/1.1 keeps the connection unless told to close, 1.0 closes it unless told to keep."""
    assert keeps_alive(head, {} if connection is None else {"connection": connection}) is alive


EXTENSION = st.sampled_from(["", ";a", ";a=b", '; a="b c"', " "])
CHUNK = st.tuples(st.binary(min_size=1, max_size=40), EXTENSION)
TRAILERS = st.lists(st.tuples(FREE, VALUE), max_size=2)


def chunked(chunks, trailers) -> bytes:
    """Encode chunks."""
    body = b"".join(b"%x%s\r\n%s\r\n" % (len(data), ext.encode(), data) for data, ext in chunks)
    end = "".join(f"{name}: {value}\r\n" for name, value in trailers).encode("latin-1")
    return body + b"0\r\n" + end + b"\r\n"


@given(st.lists(CHUNK, max_size=5), TRAILERS, st.data())
def test_chunked_bodies_come_through_any_cut(chunks, trailers, data):
    """Chunks with extensions and trailers, cut at any two places, give the bytes and leave what follows."""
    whole = chunked(chunks, trailers) + b"HTTP/1.1 "
    a = data.draw(st.integers(0, len(whole)))
    b = data.draw(st.integers(a, len(whole)))
    decoder = ChunkedDecoder()
    out = b"".join(decoder.feed(piece) for piece in (whole[:a], whole[a:b], whole[b:]) if not decoder.done)
    assert out == b"".join(d for d, _ in chunks)
    assert decoder.done
    assert b"HTTP/1.1 ".startswith(decoder.unused)


def test_chunked_at_every_position():
    """Every single cut of one chunked body gives the same bytes."""
    whole = b"5;x=1\r\nhello\r\n1\r\n \r\nA\r\n0123456789\r\n0\r\nT: v\r\n\r\n"
    for cut in range(len(whole) + 1):
        decoder = ChunkedDecoder()
        assert decoder.feed(whole[:cut]) + decoder.feed(whole[cut:]) == b"hello 0123456789"
        assert decoder.done


@given(st.binary(max_size=80))
def test_chunked_noise_agrees_with_h11(noise):
    """What decodes without an error decodes to the same bytes in h11."""
    decoder = ChunkedDecoder()
    try:
        ours = decoder.feed(noise)
    except UnexpectedReply:
        return
    oracle = h11.Connection(h11.CLIENT)
    oracle.send(h11.Request(method="GET", target="/", headers=[("Host", "a")]))
    oracle.send(h11.EndOfMessage())
    oracle.receive_data(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + noise)
    theirs = b""
    while True:
        event = oracle.next_event()
        if isinstance(event, h11.Data):
            theirs += bytes(event.data)
        elif not isinstance(event, h11.Response):
            break
    assert ours == theirs
    assert decoder.done == isinstance(event, h11.EndOfMessage)


@pytest.mark.parametrize(
    "body",
    [
        b"x\r\n",
        b"-1\r\n",
        b"5\nhello\r\n",
        b"2\r\nabc\r\n",
        b"11111111111111111\r\n",
        b"\r\n",
        b"0\r\nbad line\r\n",
        b"0x5\r\n",
    ],
)
def test_broken_chunking_is_refused(body):
    """Sizes that are no hex number, chunks longer than their size and bare line feeds are refused."""
    with pytest.raises(UnexpectedReply):
        ChunkedDecoder().feed(body)


def test_endless_chunk_lines_are_refused():
    """A size line or trailer that never ends does not fill the memory."""
    with pytest.raises(UnexpectedReply):
        ChunkedDecoder().feed(b"5;" + b"x" * 9000)
    trailer = b"".join(b"t%d: %s\r\n" % (n, b"v" * 4000) for n in range(20))
    with pytest.raises(UnexpectedReply):
        ChunkedDecoder().feed(b"0\r\n" + trailer)


def h11_request(head: bytes) -> h11.Request:
    """Parse a request head with h11."""
    oracle = h11.Connection(h11.SERVER)
    oracle.receive_data(head)
    event = oracle.next_event()
    assert isinstance(event, h11.Request), event
    return event


QUERY = st.lists(st.tuples(st.text(min_size=1, max_size=6), st.none() | st.text(max_size=6)), max_size=3)


@given(st.dictionaries(FREE.filter(lambda n: n.lower() != "host"), VALUE, max_size=6), QUERY, st.binary(max_size=9))
def test_request_heads_are_read_back_by_h11(headers, query, body):
    """A rendered head carries each header once and unchanged, Host, the body's length, and the encoded query."""
    request = Request("PUT", HOST, "/b/k%20%C3%A9", tuple(query), headers, body)
    got = h11_request(render_head(request, extra="User-Agent: t\r\n"))
    pairs = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in got.headers]
    expected = [(n.lower(), v) for n, v in headers.items()]
    rest = [("host", "store.test:8080"), ("content-length", str(len(body))), ("user-agent", "t")]
    assert sorted(pairs) == sorted(expected + rest)
    path, _, encoded = got.target.decode().partition("?")
    assert path == "/b/k%20%C3%A9"
    assert decode_query(encoded) == list(query)


def decode_query(encoded: str) -> list[tuple[str, str | None]]:
    """Take a query apart."""
    from urllib.parse import unquote

    if not encoded:
        return []
    pairs = [part.partition("=") for part in encoded.split("&")]
    return [(unquote(n), unquote(v) if eq else None) for n, eq, v in pairs]


@given(
    st.text(max_size=5),
    st.sampled_from("\r\n\0"),
    st.text(max_size=5),
    st.sampled_from(["name", "value", "path", "host"]),
)
def test_nothing_can_be_injected(before, evil, after, where):
    """A line break or NUL in a header name, value, path or host is refused before anything is sent."""
    text = f"{before}{evil}{after}"
    request = Request(
        "GET",
        HOST._replace(host=text) if where == "host" else HOST,
        f"/{text}" if where == "path" else "/",
        (),
        {text: "v"} if where == "name" else {"n": text} if where == "value" else {},
    )
    with pytest.raises(InvalidRequest):
        render_head(request)


@pytest.mark.parametrize("path", ["", "k", "/a b", "/a?b", "/a#b", "/\x7f", "/é"])
def test_paths_must_be_encoded(path):
    """A path that is not percent-encoded is refused."""
    with pytest.raises(InvalidRequest):
        render_head(Request("GET", HOST, path, (), {}))


@pytest.mark.parametrize("path", ["/a/../b", "/a//b", "//a", "/.", "/%41%2B%0A%10", "/dir/"])
def test_paths_are_sent_as_they_stand(path):
    """No path is normalised."""
    assert render_head(Request("GET", HOST, path, (), {})).startswith(f"GET {path} HTTP/1.1\r\n".encode())
