"""Replies of every shape, over every lane, on real sockets."""

import asyncio

import pytest
import pytest_asyncio

from faults.wire_scripted import (
    CREATED,
    LANES,
    LOOPS,
    OK,
    always,
    download,
    get,
    nothing_leaks,
    put,
    replies,
    serve,
    settings,
)
from oms_engine.errors import ConnectionBroken, NotFound, UnexpectedReply
from oms_engine.wire import ReplyTooLarge, Wire

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(params=LOOPS)
def event_loop_policy(request):
    """Every test runs on asyncio's own loop and on uvloop."""
    return LOOPS[request.param]


@pytest_asyncio.fixture(autouse=True)
async def no_leaks():
    """Nothing outlives a test."""
    async with nothing_leaks():
        yield


GOOD = {
    "at once": [OK],
    "head, then body": [HEAD, b"hello"],
    "every byte alone": [OK[i : i + 1] for i in range(len(OK))],
    "chunked": [CHUNKED + b"2;x=y\r\nhe\r\n3\r\nllo\r\n0\r\nT: v\r\n\r\n"],
    "chunked in pieces": [CHUNKED[:20], CHUNKED[20:] + b"2\r", b"\nhe\r\n3\r\nl", b"lo\r\n0\r", b"\n\r\n"],
    "chunked and a length": [CHUNKED[:-2] + b"Content-Length: 99\r\n\r\n5\r\nhello\r\n0\r\n\r\n"],
    "after interim replies": [b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + OK],
    "interim reply in pieces": [b"HTTP/1.1 100 Cont", b"inue\r\n\r\nHTTP", OK[4:]],
    "length said twice": [b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello"],
    "folded header": [b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: 5\r\n\r\nhello"],
}


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("shape", GOOD)
async def test_every_shape_gives_the_body_and_keeps_the_connection(shape, lane):
    """However a reply is cut and framed, its body arrives, twice over one connection where that is allowed."""
    async with serve(always(*GOOD[shape], pause=0.001)) as server, Wire(settings()) as wire:
        for _ in range(2):
            assert await download(wire, get(server.endpoint), lane) == b"hello"
        assert server.connections == (2 if shape == "chunked and a length" and lane != "relay" else server.connections)
        if shape != "chunked and a length":
            assert server.connections == 1
        assert wire.stats.retries == 0


ENDING = {
    "until the close": [b"HTTP/1.1 200 OK\r\n\r\nhel", b"lo"],
    "told to close": [b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"],
    "HTTP/1.0": [b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"],
}


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("shape", ENDING)
async def test_closing_replies_get_a_new_connection_each(shape, lane):
    """A reply that ends its connection is read whole, and the next request opens another one at once."""
    async with serve(always(*ENDING[shape], pause=0.001, close=True)) as server, Wire(settings()) as wire:
        for _ in range(2):
            assert await download(wire, get(server.endpoint), lane) == b"hello"
        assert server.connections == 2
        assert wire.stats.retries == 0


@pytest.mark.parametrize("lane", LANES)
async def test_bytes_after_the_reply_spoil_the_connection(lane):
    """Bytes nobody asked for are never taken for the next reply."""
    async with serve(always(OK + b"HTTP/1.1 404 Smuggled\r\n\r\n")) as server, Wire(settings()) as wire:
        for _ in range(2):
            assert await download(wire, get(server.endpoint), lane) == b"hello"
        assert server.connections == 2


BAD = {
    "garbage": b"\x16\x03\x01 what is this",
    "another protocol": b"SSH-2.0-OpenSSH_9.0\r\n",
    "conflicting lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
    "unknown coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    "broken chunk": CHUNKED + b"zz\r\nhello\r\n",
    "bare line feeds": b"HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello",
    "endless head": b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 70_000,
}


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("shape", BAD)
async def test_what_is_no_http_is_unexpected(shape, lane):
    """Replies that break the protocol raise UnexpectedReply, named by store and operation, after the retries."""
    async with serve(always(BAD[shape])) as server, Wire(settings(attempts=2)) as wire:
        with pytest.raises(UnexpectedReply) as caught:
            await download(wire, get(server.endpoint), lane)
        assert (caught.value.store, caught.value.operation) == ("s3://src", "read")
        assert server.connections == (1 if lane == "stream" and shape == "broken chunk" else 2)


@pytest.mark.parametrize("lane", LANES)
async def test_truncated_bodies_are_noticed_and_read_again(lane):
    """A body cut short raises ConnectionBroken when it stays so; fetch and relay read it anew and get it."""
    cut = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhel"

    async def script(peer, number):
        await peer.request()
        await peer.send(cut if number == 0 else OK)

    async with serve(script) as server, Wire(settings()) as wire:
        if lane == "stream":
            with pytest.raises(ConnectionBroken, match="middle"):
                await download(wire, get(server.endpoint), lane)
        else:
            assert await download(wire, get(server.endpoint), lane) == b"hello"
            assert wire.stats.retries == 1


@pytest.mark.parametrize("lane", ["fetch", "stream", "relay"])
async def test_cut_chunked_bodies_are_noticed(lane):
    """A chunked body without its end is never taken for whole."""
    async with serve(always(CHUNKED + b"5\r\nhello\r\n", close=True)) as server, Wire(settings(attempts=1)) as wire:
        with pytest.raises(ConnectionBroken):
            await download(wire, get(server.endpoint), lane)


@pytest.mark.parametrize("lane", LANES)
async def test_error_replies_reach_the_reader_with_their_body(lane):
    """The body of an error reply is collected before the adapter reads it, and the connection lives on."""
    missing = b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n4\r\ngone\r\n0\r\n\r\n"
    async with serve(replies(missing, OK)) as server, Wire(settings()) as wire:
        with pytest.raises(NotFound, match="gone"):
            await download(wire, get(server.endpoint), lane)
        assert await download(wire, get(server.endpoint), lane) == b"hello"
        assert server.connections == 1


@pytest.mark.parametrize(
    ("method", "reply"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n"),
        ("DELETE", b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n"),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
)
async def test_replies_without_a_body_end_with_their_head(method, reply):
    """HEAD, 204 and empty replies are complete at once, whatever length they state."""
    async with serve(always(reply)) as server, Wire(settings()) as wire:
        for _ in range(3):
            await wire.call(get(server.endpoint, method=method))
        assert server.connections == 1


async def test_empty_objects_are_relayed():
    """An object of no bytes crosses the bulk lane."""
    async with serve(always(CREATED)) as server, Wire(settings()) as wire:
        assert await download(wire, get(server.endpoint), "relay", size=0) == b""


@pytest.mark.parametrize("reply", [OK, HEAD[:-2] + b"\r\nhello", CHUNKED + b"5\r\nhello\r\n0\r\n\r\n"])
async def test_bodies_over_the_limit_are_refused_once(reply):
    """A body longer than the caller holds raises ReplyTooLarge without a retry."""
    async with serve(always(reply)) as server, Wire(settings()) as wire:
        with pytest.raises(ReplyTooLarge):
            await wire.fetch(get(server.endpoint), limit=4)
        assert len(server.seen) == 1
        assert (await wire.fetch(get(server.endpoint), limit=5))[1] == b"hello"


async def test_slow_readers_hold_the_sender_back():
    """While the reader of a stream rests, the server can send no more than the buffers hold."""
    sent = 0
    total = 64 << 20

    async def script(peer, _):
        nonlocal sent
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % total)
        while sent < total:
            await peer.send(bytes(1 << 16))
            sent += 1 << 16

    async with serve(script) as server, Wire(settings(idle_timeout=0.3)) as wire:
        async with wire.stream(get(server.endpoint)) as (_, body):
            first = len(await anext(body))
            await asyncio.sleep(0.6)
            assert sent < total // 2
            assert first + sum([len(piece) async for piece in body]) == total
        assert wire.stats.bytes_in == total


async def test_leaving_a_stream_early_drops_its_connection():
    """An unread rest is never mixed into another reply."""
    async with serve(always(HEAD, b"he", pause=0.05)) as server, Wire(settings()) as wire:
        async with wire.stream(get(server.endpoint)) as (head, _):
            assert head.key == "k"
        assert wire.stats.connections == 0


async def test_connections_stay_within_their_number_and_serve_everyone():
    """Fifty calls over three connections all get their own answer."""

    async def script(peer, _):
        while seen := await peer.request():
            await asyncio.sleep(0.002)
            await peer.send(b"HTTP/1.1 200 OK\r\nETag: %s\r\nContent-Length: 0\r\n\r\n" % seen.target.encode())

    async with serve(script) as server, Wire(settings(max_connections=3)) as wire:
        calls = [wire.call(get(server.endpoint, f"/{n}")) for n in range(50)]
        assert [head.etag for head in await asyncio.gather(*calls)] == [f"/{n}" for n in range(50)]
        assert server.most_open == 3
        assert wire.stats.connections == 3


async def test_idle_connections_expire():
    """A connection nobody uses is closed after its time."""
    async with serve(always(OK)) as server, Wire(settings(keep_alive=0.1)) as wire:
        await wire.call(get(server.endpoint))
        await asyncio.sleep(0.3)
        assert wire.stats.connections == 0
        assert server.open == 0


async def test_bodies_are_sent_whole_with_their_length():
    """Both a small and a many-megabyte body reach the store byte by byte, signed for its endpoint."""
    async with serve(always(CREATED)) as server, Wire(settings()) as wire:
        for size in (0, 1, 8 << 20):
            body = bytes(range(256)) * (size // 256) + b"z" * (size % 256)
            assert await wire.call(put(server.endpoint, body)) == "w"
            seen = server.seen[-1]
            assert seen.body == body
            assert seen.headers["content-length"] == str(size)
            assert seen.headers["host"] == server.endpoint.netloc
            assert seen.headers["user-agent"] == "openoms/0.1"
            assert seen.headers["authorization"].startswith(f"{server.endpoint.port} ")
