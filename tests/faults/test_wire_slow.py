"""Bytes that trickle, completions that take minutes, waits that a pause ends: by small limits, in every lane."""

import asyncio
import email.utils
import time
from dataclasses import replace

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
    replies,
    serve,
    settings,
    upload,
)
from oms_engine.errors import Throttled, TimedOut
from oms_engine.wire import Wire, briefly
from oms_engine.wire.retry import stated_wait

TRICKLE = settings(attempts=1, min_rate=10_000.0, min_rate_seconds=0.4, idle_timeout=30.0, first_byte_timeout=30.0)
BODY = b"HTTP/1.1 200 OK\r\nContent-Length: 400\r\nETag: e\r\n\r\n"


@pytest.fixture(params=LOOPS)
def event_loop_policy(request):
    """Every test runs on asyncio's own loop and on uvloop."""
    return LOOPS[request.param]


@pytest_asyncio.fixture(autouse=True)
async def no_leaks():
    """Nothing outlives a test."""
    async with nothing_leaks():
        yield


def trickling(before: bytes, *, every: float = 0.05):
    """Answer with some bytes at once, then with one byte now and then."""

    async def script(peer: Peer, _: int) -> None:
        await peer.request()
        await peer.send(before)
        while True:
            await asyncio.sleep(every)
            await peer.send(b"x")

    return script


STARTS = {
    "in the body": BODY,
    "in the head": b"HTTP/1.1 200 OK\r\nX: ",
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n190\r\n",
    "until the close": b"HTTP/1.1 200 OK\r\n\r\n",
}


@pytest.mark.parametrize("lane", ["fetch", "stream", "relay"])
@pytest.mark.parametrize("start", STARTS)
async def test_a_read_that_trickles_times_out(lane, start):
    """A body or head that comes byte by byte ends below the least rate, though it never falls silent."""
    began = time.monotonic()
    async with serve(trickling(STARTS[start])) as server, Wire(TRICKLE) as wire:
        with pytest.raises(TimedOut, match="bytes/s"):
            await download(wire, get(server.endpoint), lane, size=400)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("lane", ["call", "relay"])
@pytest.mark.parametrize("start", ["in the body", "in the head"])
async def test_the_reply_to_a_write_that_trickles_times_out(lane, start):
    """The answer to a write is held to the least rate too."""
    async with serve(trickling(STARTS[start])) as server, Wire(TRICKLE) as wire:
        with pytest.raises(TimedOut, match="bytes/s"):
            await upload(wire, server.endpoint, lane)


async def test_a_write_that_is_taken_in_trickles_times_out():
    """A store that reads a large body a few bytes at a time is noticed while it is being sent."""

    async def script(peer: Peer, _: int) -> None:
        await peer.request(body=False)
        while await peer.reader.read(100):
            await asyncio.sleep(0.05)

    async with serve(script) as server, Wire(replace(TRICKLE, min_rate=5e6)) as wire:
        with pytest.raises(TimedOut):
            await upload(wire, server.endpoint, "relay", body=b"x" * (24 << 20))


async def test_no_least_rate_waits_for_every_byte():
    """A rate of 0 switches the watch off: the body arrives, byte by byte."""
    limits = replace(TRICKLE, min_rate=0.0)
    pieces = [OK[:-5], *(OK[-5 + i :][:1] for i in range(5))]
    async with serve(always(*pieces, pause=0.15)) as server, Wire(limits) as wire:
        assert await download(wire, get(server.endpoint), "fetch") == b"hello"
        assert await download(wire, get(server.endpoint), "relay") == b"hello"


async def test_a_reply_that_is_thought_over_is_no_trickle():
    """Before the first byte of a reply its own timeout holds, and a short reply behind it is in time."""
    limits = replace(TRICKLE, min_rate_seconds=0.1)
    async with serve(always(b"", OK, pause=0.5)) as server, Wire(limits) as wire:
        assert await download(wire, get(server.endpoint), "fetch") == b"hello"
        assert await download(wire, get(server.endpoint), "relay") == b"hello"
        assert wire.stats.retries == 0


class Slow:
    """A limiter that holds every piece back for a while."""

    def take(self, size: int) -> float:
        """Take bytes."""
        return 0.5


async def test_the_own_bandwidth_limit_is_not_the_stores_slowness():
    """Time that the limiter holds bytes back counts for neither side."""
    limits = replace(TRICKLE, min_rate=1e6, buffer_size=1 << 16)
    body = b"y" * (1 << 18)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with (
        serve(always(head + body)) as source,
        serve(always(CREATED)) as destination,
        Wire(limits, limiter=Slow()) as wire,
    ):
        relayed = await wire.relay(
            get(source.endpoint), lambda _: put(destination.endpoint, size=len(body)), Joined, size=len(body)
        )
        assert relayed.digests.data == body
        assert wire.stats.retries == 0


def completion(endpoint):
    """Describe a completion."""
    return put(endpoint, b"<parts/>")._replace(operation="complete_upload")


async def test_a_completion_has_its_own_time():
    """A completion that takes longer than a reply may, and one kept alive by blanks, is sent once."""

    async def script(peer: Peer, _: int) -> None:
        await peer.request()
        await asyncio.sleep(0.6)
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(8):
            await asyncio.sleep(0.1)
            await peer.send(b"1\r\n \r\n")
        await peer.send(b"0\r\n\r\n")

    limits = settings(
        first_byte_timeout=0.2, idle_timeout=0.2, completion_timeout=5.0, min_rate=1e6, min_rate_seconds=0.2
    )
    async with serve(script) as server, Wire(limits) as wire:
        await wire.call(completion(server.endpoint))
        assert len(server.seen) == 1
        with pytest.raises(TimedOut):
            await wire.call(put(server.endpoint, b"x"))


async def test_a_completion_without_an_answer_is_sent_once_more():
    """The second one finds out what became of the first; others would only cost their time."""

    async def script(peer: Peer, _: int) -> None:
        await peer.request()
        await asyncio.sleep(60)

    limits = settings(attempts=8, first_byte_timeout=0.1, completion_timeout=0.3)
    async with serve(script) as server, Wire(limits) as wire:
        with pytest.raises(TimedOut):
            await wire.call(completion(server.endpoint))
        assert len(server.seen) == 2


async def test_a_completion_kept_alive_for_ever_ends():
    """Blanks without end meet the limit of the whole call."""

    async def script(peer: Peer, _: int) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            await peer.send(b"1\r\n \r\n")
            await asyncio.sleep(0.05)

    limits = settings(attempts=1, completion_timeout=0.2, completion_limit=1.0)
    async with serve(script) as server, Wire(limits) as wire:
        with pytest.raises(TimedOut, match="no whole reply"):
            await wire.call(completion(server.endpoint))


async def test_timeouts_are_tried_fewer_times():
    """Each has cost a minute already."""

    async def script(peer: Peer, _: int) -> None:
        await peer.request()
        await asyncio.sleep(60)

    limits = settings(attempts=8, first_byte_timeout=0.1)
    async with serve(script) as server, Wire(limits) as wire:
        with pytest.raises(TimedOut):
            await wire.call(get(server.endpoint))
        assert len(server.seen) == 2
        with pytest.raises(TimedOut), briefly():
            await wire.call(get(server.endpoint))
        assert len(server.seen) == 3


@pytest.mark.parametrize("lane", ["fetch", "stream", "relay"])
async def test_a_hurried_wire_waits_no_longer(lane):
    """A wait that a store asked for ends as soon as the wire is hurried, with what the store said."""
    slow = b"HTTP/1.1 503 Slow Down\r\nRetry-After: 86400\r\nContent-Length: 0\r\n\r\n"
    async with serve(replies(slow, OK)) as server, Wire(settings()) as wire:
        task = asyncio.create_task(download(wire, get(server.endpoint), lane))
        while not wire.stats.throttled:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.05)
        began = time.monotonic()
        wire.hurry()
        with pytest.raises(Throttled):
            await task
        with pytest.raises(Throttled):  # nor is the wait begun by others
            await download(wire, get(server.endpoint), lane)
        assert time.monotonic() - began < 5
        assert len(server.seen) == 1


NOW = "Mon, 30 Nov 2026 18:00:00 GMT"

WAITS = [
    ({}, None),
    ({"retry-after": "86400"}, 120.0),
    ({"retry-after": "9" * 400}, None),
    ({"retry-after": "1e9"}, None),
    ({"retry-after": "inf"}, None),
    ({"retry-after": "0.5"}, 0.5),
    ({"retry-after": "Mon, 30 Nov 2026 18:00:07 GMT", "date": NOW}, 7.0),
    ({"retry-after": "Mon Nov 30 18:00:07 2026", "date": NOW}, 7.0),
    ({"retry-after": "Tue, 01 Dec 2026 18:00:00 GMT", "date": NOW}, 120.0),
    ({"retry-after": "Mon, 30 Nov 2026 17:00:00 GMT", "date": NOW}, 0.0),
    ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
    ({"x-ms-retry-after-ms": "86400000"}, 120.0),
    ({"x-ms-retry-after-ms": "soon", "retry-after": "3"}, 3.0),
]


@pytest.mark.parametrize(("headers", "seconds"), WAITS)
def test_a_stated_wait_is_read_in_every_form_and_bounded(headers, seconds):
    """Seconds, dates by the store's clock, and Azure's milliseconds; never more than two minutes."""
    assert stated_wait(headers) == seconds


def test_a_date_without_the_stores_clock_is_held_against_ours():
    """Where the reply states no date, this machine's clock serves."""
    later = email.utils.formatdate(time.time() + 30, usegmt=True)
    assert 25 <= stated_wait({"retry-after": later}) <= 31
