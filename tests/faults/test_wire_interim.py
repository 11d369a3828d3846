"""Interim replies (RFC 9110, 15.2) nobody asked for, in every lane."""

import asyncio
import time

import pytest
import pytest_asyncio

from faults.wire_scripted import (
    CREATED,
    LOOPS,
    OK,
    Joined,
    Peer,
    always,
    download,
    get,
    nothing_leaks,
    put,
    serve,
    settings,
    upload,
)
from oms_engine.errors import UnexpectedReply
from oms_engine.wire import Wire

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
HINTS = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
LARGE = 9 << 20


@pytest.fixture(params=LOOPS)
def event_loop_policy(request):
    """Every test runs on asyncio's own loop and on uvloop."""
    return LOOPS[request.param]


@pytest_asyncio.fixture(autouse=True)
async def no_leaks():
    """Nothing outlives a test."""
    async with nothing_leaks():
        yield


def interim_first(*pieces: bytes, final: bytes = CREATED):
    """Send interim replies as soon as the head of a request is there, and the reply once its body is."""

    async def script(peer: Peer, _: int) -> None:
        while seen := await peer.request(body=False):
            await peer.send(*pieces, pause=0.005)
            await peer.reader.readexactly(int(seen.headers.get("content-length", "0")))
            await peer.send(final)

    return script


INTERIM = {
    "100": [CONTINUE],
    "102 and 103": [b"HTTP/1.1 102 Processing\r\n\r\n", HINTS],
    "several at once": [CONTINUE + HINTS + CONTINUE * 5],
    "cut": [CONTINUE[:4], CONTINUE[4:10], CONTINUE[10:24], CONTINUE[24:] + HINTS[:9], HINTS[9:]],
}


@pytest.mark.parametrize("shape", INTERIM)
@pytest.mark.parametrize(("lane", "size"), [("call", 100), ("call", LARGE), ("relay", LARGE)])
async def test_an_interim_reply_to_a_write_is_no_answer(shape, lane, size):
    """A store that sends 1xx before it has the body still gets all of it, once."""
    async with serve(interim_first(*INTERIM[shape])) as server, Wire(settings(first_byte_timeout=5.0)) as wire:
        assert await upload(wire, server.endpoint, lane, body=b"x" * size) == "w"
        assert wire.stats.retries == 0
        assert len(server.seen) == 1


@pytest.mark.parametrize("shape", INTERIM)
@pytest.mark.parametrize("lane", ["fetch", "stream", "relay"])
async def test_an_interim_reply_to_a_read_is_passed_over(shape, lane):
    """A reply that follows others of 1xx is the reply."""
    async with serve(interim_first(*INTERIM[shape], final=OK)) as server, Wire(settings()) as wire:
        assert await download(wire, get(server.endpoint), lane) == b"hello"
        assert wire.stats.retries == 0


async def test_a_refusal_behind_an_interim_reply_stops_a_large_write():
    """An answer that follows 100 Continue while the body is being sent is seen before its end."""
    refusal = b"HTTP/1.1 503 Busy\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbusy"
    got = 0

    async def script(peer: Peer, number: int) -> None:
        nonlocal got
        seen = await peer.request(body=False)
        if number:
            await peer.reader.readexactly(int(seen.headers["content-length"]))
            await peer.send(CREATED)
            return
        await peer.send(CONTINUE, pause=0.01)
        got += len(await peer.reader.read(1 << 16))
        await peer.send(refusal, pause=0.3)

    async with serve(script) as server, Wire(settings()) as wire:
        assert await upload(wire, server.endpoint, "relay", body=b"x" * (40 << 20)) == "w"
        assert wire.stats.retries == 1
        assert got < 40 << 20


@pytest.mark.parametrize("lane", ["call", "relay"])
@pytest.mark.parametrize("pieces", [[CONTINUE * 3000], [CONTINUE] * 200], ids=["in one piece", "one by one"])
async def test_interim_replies_without_end_are_an_error(lane, pieces):
    """The number of interim replies before one reply is bounded, however they come."""
    async with serve(interim_first(*pieces)) as server, Wire(settings(attempts=1)) as wire:
        with pytest.raises(UnexpectedReply, match="interim replies without end"):
            await upload(wire, server.endpoint, lane, body=b"x" * 1000)


@pytest.mark.parametrize("lane", ["call", "relay"])
async def test_interim_replies_buy_no_time(lane):
    """A store that sends 1xx now and then instead of its reply meets the timeout of a reply."""

    async def script(peer: Peer, _: int) -> None:
        await peer.request()
        for _ in range(90):
            await peer.send(CONTINUE)
            await asyncio.sleep(0.1)

    limits = settings(attempts=1, first_byte_timeout=0.5)
    began = time.monotonic()
    async with serve(script) as server, Wire(limits) as wire:
        with pytest.raises(Exception, match=r"no reply within 0\.5 s|nothing moved"):
            await upload(wire, server.endpoint, lane)
    assert time.monotonic() - began < 8


async def test_a_switch_of_protocols_is_refused_in_a_thread():
    """101 is never asked for, so it is no reply of a large read either."""
    async with serve(always(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")) as server, Wire(settings(attempts=1)) as wire:
        with pytest.raises(UnexpectedReply, match="switched protocols"):
            await wire.relay(get(server.endpoint), lambda _: put(server.endpoint, size=5), Joined, size=5)
