"""What the wire does when stores stall, break, move, complain or answer too early."""

# ruff: noqa: SIM117 - one line per side reads better
import asyncio
import gc
import time

import pytest
import pytest_asyncio

from faults.wire_scripted import (
    CREATED,
    LANES,
    LOOPS,
    OK,
    Joined,
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
from oms_engine.errors import (
    AccessDenied,
    ConnectionBroken,
    InvalidRequest,
    Redirected,
    Throttled,
    TimedOut,
    Unavailable,
    UnexpectedReply,
)
from oms_engine.store import Endpoint
from oms_engine.wire import Wire

WRITERS = ["call", "relay"]
SLOW = b"HTTP/1.1 503 Slow Down\r\nContent-Length: 4\r\n%s\r\nslow"
BUSY = b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"


def moved(endpoint: Endpoint, status: int = 307) -> bytes:
    """Answer that the bucket is elsewhere."""
    location = f"{endpoint.scheme}://{endpoint.netloc}/b/k"
    return f"HTTP/1.1 {status} Moved\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


@pytest.fixture(params=LOOPS)
def event_loop_policy(request):
    """Every test runs on asyncio's own loop and on uvloop."""
    return LOOPS[request.param]


@pytest_asyncio.fixture(autouse=True)
async def no_leaks():
    """Nothing outlives a test."""
    async with nothing_leaks():
        yield


@pytest.mark.parametrize("lane", LANES)
async def test_a_store_that_never_answers_times_out(lane):
    """No first byte within its time is TimedOut."""

    async def script(peer, _):
        await peer.request()
        await asyncio.sleep(10)

    limits = settings(first_byte_timeout=0.2, attempts=1)
    async with serve(script) as server, Wire(limits) as wire:
        with pytest.raises(TimedOut):
            await download(wire, get(server.endpoint), lane)
        assert wire.stats.loop_connections == 0


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nCont", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe"])
async def test_a_store_that_stalls_times_out(lane, start):
    """Silence in the middle of a head or body is TimedOut after the idle time, not the longer first-byte time."""

    async def script(peer, _):
        await peer.request()
        await peer.send(start)
        await asyncio.sleep(10)

    began = time.monotonic()
    async with serve(script) as server, Wire(settings(idle_timeout=0.2, attempts=1)) as wire:
        with pytest.raises(TimedOut):
            await download(wire, get(server.endpoint), lane)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("lane", LANES)
async def test_slow_is_not_stalled(lane):
    """A reply that takes longer than the idle time as a whole, but keeps moving, arrives."""
    pieces = [OK[i : i + 8] for i in range(0, len(OK), 8)]
    limits = settings(idle_timeout=0.5, attempts=1)
    async with serve(always(*pieces, pause=0.15)) as server, Wire(limits) as wire:
        assert await download(wire, get(server.endpoint), lane) == b"hello"


@pytest.mark.parametrize("lane", WRITERS)
async def test_a_store_that_stops_reading_times_out(lane):
    """A body the store does not take is TimedOut after the idle time."""

    async def script(peer, _):
        await peer.request(body=False)
        await asyncio.sleep(10)

    async with serve(script) as server, Wire(settings(idle_timeout=0.3, attempts=1)) as wire:
        with pytest.raises(TimedOut):
            await upload(wire, server.endpoint, lane, body=bytes(32 << 20))


@pytest.mark.parametrize("lane", LANES)
async def test_refused_connections_break_soon(lane):
    """An endpoint that never took a connection is given up after three attempts, with its address in the message."""
    async with serve(always(OK)) as server:
        gone = server.endpoint
    async with Wire(settings(attempts=8)) as wire:
        with pytest.raises(ConnectionBroken, match=str(gone.port)):
            await download(wire, get(gone), lane)
        assert wire.stats.retries == 2


async def test_unresolvable_names_break():
    """A host without an address is ConnectionBroken."""
    async with Wire(settings()) as wire:
        with pytest.raises(ConnectionBroken, match=r"nowhere\.invalid"):
            await wire.call(get(Endpoint("http", "nowhere.invalid", 80)))


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("host", ["", "a b", "a\r\nb", "a/b", "ü"])
async def test_hosts_that_are_none_are_refused(lane, host):
    """An endpoint that cannot stand in a request is an invalid request, not a retry."""
    async with Wire(settings()) as wire:
        with pytest.raises(InvalidRequest):
            await download(wire, get(Endpoint("http", host, 80)), lane)
        assert wire.stats.retries == 0


@pytest.mark.parametrize("lane", LANES)
async def test_the_keep_alive_race_costs_no_attempt(lane):
    """A kept connection that dies before it answers is replaced at once, even when one attempt is all there is."""

    async def script(peer, number):
        await peer.request()
        await peer.send(OK)
        if number == 0:
            await peer.request()
            peer.reset()
        else:
            await peer.request()
            await peer.send(OK)

    async with serve(script) as server, Wire(settings(attempts=1)) as wire:
        for _ in range(2):
            assert await download(wire, get(server.endpoint), lane) == b"hello"
        assert server.connections == 2


@pytest.mark.parametrize("lane", WRITERS)
async def test_the_keep_alive_race_costs_no_attempt_for_writes(lane):
    """The same holds for a PUT whose kept connection the store has just closed."""

    async def script(peer, _):
        await peer.request()
        await peer.send(CREATED)

    async with serve(script) as server, Wire(settings(attempts=1)) as wire:
        for _ in range(3):
            assert await upload(wire, server.endpoint, lane) == "w"
        assert server.connections == 3


@pytest.mark.parametrize("lane", WRITERS)
async def test_lost_replies_are_asked_for_again(lane):
    """A PUT whose reply never came is sent anew, whole, and signed anew."""

    async def script(peer, number):
        await peer.request()
        await asyncio.sleep(0.01)
        if number:
            await peer.send(CREATED)

    async with serve(script) as server, Wire(settings()) as wire:
        assert await upload(wire, server.endpoint, lane) == "w"
        first, second = server.seen
        assert first.body == second.body == b"x" * 1000
        assert first.headers["authorization"] != second.headers["authorization"]


@pytest.mark.parametrize("lane", WRITERS)
@pytest.mark.parametrize("size", [100, 20 << 20])
async def test_refusals_before_the_body_is_sent_are_heard(lane, size):
    """A store that answers 403 without reading the body is heard, once, and the connection is not used again."""

    async def script(peer, _):
        await peer.request(body=False)
        await peer.send(b"HTTP/1.1 403 No\r\nContent-Length: 2\r\n\r\nno")
        await asyncio.sleep(0.2)
        peer.reset()

    async with serve(script) as server, Wire(settings()) as wire:
        with pytest.raises(AccessDenied) as caught:
            await upload(wire, server.endpoint, lane, body=bytes(size))
        assert caught.value.store == "obs://dst"
        assert len(server.seen) == 1


@pytest.mark.parametrize("lane", LANES)
@pytest.mark.parametrize("status", [301, 307, 308])
async def test_redirects_are_followed_signed_anew_and_remembered(lane, status):
    """The call goes to the named endpoint with a signature for it; the next call goes there directly."""
    async with serve(always(OK)) as target, serve(always(moved(target.endpoint, status))) as server:
        async with Wire(settings(attempts=1)) as wire:
            for _ in range(2):
                assert await download(wire, get(server.endpoint), lane) == b"hello"
            assert wire.pace(server.endpoint) is wire.pace(target.endpoint)
        assert (len(server.seen), len(target.seen)) == (1, 2)
        for seen in target.seen:
            assert seen.headers["host"] == target.endpoint.netloc
            assert seen.headers["authorization"].startswith(f"{target.endpoint.port} ")


@pytest.mark.parametrize("lane", WRITERS)
async def test_writes_follow_redirects_with_their_body(lane):
    """A redirected PUT sends its body to the new endpoint."""
    async with serve(always(CREATED)) as target, serve(always(moved(target.endpoint))) as server:
        async with Wire(settings(attempts=1)) as wire:
            assert await upload(wire, server.endpoint, lane) == "w"
        assert target.seen[-1].body == b"x" * 1000


async def test_endless_redirects_end():
    """After three hops the redirect itself is the error."""
    servers = []

    async def script(peer, _):
        while await peer.request():
            await peer.send(moved(servers[0].endpoint))

    async with serve(script) as server, Wire(settings()) as wire:
        servers.append(server)
        with pytest.raises(Redirected):
            await wire.call(get(server.endpoint))
        assert len(server.seen) == 4


@pytest.mark.parametrize("location", ["", "/elsewhere", "ftp://a/", "http://[::1", "http://a:99999/"])
async def test_redirects_to_nowhere_are_the_error(location):
    """A Location that is no absolute http URL is not followed."""
    reply = f"HTTP/1.1 307 M\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()
    async with serve(always(reply)) as server, Wire(settings()) as wire:
        with pytest.raises(Redirected):
            await wire.call(get(server.endpoint))
        assert len(server.seen) == 1


@pytest.mark.parametrize("lane", LANES)
async def test_throttling_is_waited_out_and_slows_the_pace(lane):
    """503 is tried again after Retry-After, holds the endpoint's other requests, and halves its limit."""
    slow = SLOW % b"Retry-After: 2\r\n"
    async with serve(replies(slow, OK)) as server, Wire(settings()) as wire:
        began = time.monotonic()
        task = asyncio.create_task(download(wire, get(server.endpoint), lane))
        while not wire.stats.throttled:
            await asyncio.sleep(0.01)
        assert wire.pace(server.endpoint).limit == 16
        await wire.call(get(server.endpoint, "/other"))
        assert time.monotonic() - began >= 2
        assert await task == b"hello"
        assert wire.stats.throttled == 1


async def test_throttling_that_stays_is_the_error():
    """A store that keeps complaining raises Throttled after the attempts, with its Retry-After."""
    async with serve(always(SLOW % b"Retry-After: 0\r\n")) as server, Wire(settings()) as wire:
        with pytest.raises(Throttled) as caught:
            await wire.call(get(server.endpoint))
        assert caught.value.retry_after == 0
        assert len(server.seen) == 3


async def test_permanent_errors_are_not_repeated():
    """AccessDenied is raised at once."""
    async with serve(always(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")) as server, Wire(settings()) as wire:
        with pytest.raises(AccessDenied):
            await wire.call(get(server.endpoint))
        assert len(server.seen) == 1


async def test_a_storm_of_failures_fails_fast():
    """All calls together repeat no more than the budget allows."""
    limits = settings(attempts=50, retry_budget=5.0, retry_ratio=0.2)
    async with serve(always(BUSY)) as server, Wire(limits) as wire:
        results = await asyncio.gather(*[wire.call(get(server.endpoint)) for _ in range(20)], return_exceptions=True)
        assert all(isinstance(result, Unavailable) for result in results)
        assert len(server.seen) <= 20 + 5 + 0.2 * len(server.seen) + 1


@pytest.mark.parametrize("lane", LANES)
async def test_cancelled_reads_let_go_at_once(lane):
    """Cancelling a call that waits for its reply ends it within a moment and closes its connection."""

    async def script(peer, _):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe" if lane == "relay" else b"HTTP")
        await asyncio.sleep(10)

    async with serve(script) as server, Wire(settings()) as wire:
        task = asyncio.create_task(download(wire, get(server.endpoint), lane))
        await asyncio.sleep(0.1)
        began = time.monotonic()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert time.monotonic() - began < 1
        assert wire.stats.connections == 0


async def test_a_relay_cancelled_twice_leaves_no_error_behind():
    """The end of its thread is nobody's news any more: nothing is logged as never retrieved."""
    told = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context["message"]))

    async def script(peer, _):
        await peer.request()
        await asyncio.sleep(10)

    async with serve(script) as server, Wire(settings()) as wire:
        task = asyncio.create_task(download(wire, get(server.endpoint), "relay"))
        while not server.seen:
            await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.sleep(0)  # it waits for its thread now
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        del task
    for _ in range(3):
        gc.collect()
        await asyncio.sleep(0.01)
    assert told == []


async def test_cancelled_waiters_leave_their_place():
    """A call cancelled while it waits for a connection does not take one with it."""

    async def script(peer, _):
        while await peer.request():
            await asyncio.sleep(0.05)
            await peer.send(OK)

    async with serve(script) as server, Wire(settings(max_connections=1)) as wire:
        tasks = [asyncio.create_task(wire.call(get(server.endpoint))) for _ in range(6)]
        await asyncio.sleep(0.02)
        for task in tasks[1:5]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [False, *[True] * 4, False]


async def test_closing_the_wire_ends_relays_under_way():
    """A relay in a stalled transfer does not keep the wire from closing."""

    async def script(peer, _):
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhe")
        await asyncio.sleep(10)

    async with serve(script) as server:
        async with Wire(settings()) as wire:
            task = asyncio.create_task(download(wire, get(server.endpoint), "relay"))
            await asyncio.sleep(0.1)
            began = time.monotonic()
        assert time.monotonic() - began < 1
        with pytest.raises(ConnectionBroken, match="closed"):
            await task


async def test_closing_the_wire_ends_every_call():
    """Calls that wait for a reply, for a connection or for their next attempt all end when the wire is closed."""

    async def script(peer, _):
        await peer.request()
        await asyncio.sleep(10)

    async with serve(script) as server, serve(always(BUSY)) as busy:
        async with Wire(settings(max_connections=2, backoff=0.5, attempts=50, backoff_maximum=0.5)) as wire:
            tasks = [asyncio.create_task(wire.call(get(server.endpoint))) for _ in range(10)]
            tasks += [asyncio.create_task(wire.call(get(busy.endpoint))) for _ in range(3)]
            await asyncio.sleep(0.1)
        results = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert all(isinstance(result, ConnectionBroken) for result in results)
        with pytest.raises(ConnectionBroken, match="closed"):
            await wire.call(get(server.endpoint))


async def test_idle_bulk_connections_expire():
    """Connections of the bulk lane that nobody uses are closed after their time, too."""
    async with serve(always(OK)) as server, Wire(settings(keep_alive=0.1)) as wire:
        await download(wire, get(server.endpoint), "relay")
        await asyncio.sleep(0.4)
        assert server.open == 0
        assert wire.stats.connections == 0


@pytest.mark.parametrize("length", [4, 6])
async def test_relays_refuse_another_size_before_they_write(length):
    """A source that states another size than listed is an unexpected reply, and nothing reaches the destination."""
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\nhello!" % length
    async with (
        serve(always(reply)) as source,
        serve(always(CREATED)) as destination,
        Wire(settings(attempts=1)) as wire,
    ):
        write = put(destination.endpoint, size=5)
        with pytest.raises(UnexpectedReply, match=f"{length} bytes instead of 5"):
            await wire.relay(get(source.endpoint), lambda _: write, Joined, size=5)
        assert destination.seen == []


@pytest.mark.parametrize("body", [b"4\r\nhell\r\n0\r\n\r\n", b"6\r\nhello!\r\n0\r\n\r\n"])
async def test_relays_of_unstated_size_are_counted(body):
    """A chunked source with more or fewer bytes than listed never ends as written."""
    reply = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body
    async with (
        serve(always(reply)) as source,
        serve(always(CREATED)) as destination,
        Wire(settings(attempts=1)) as wire,
    ):
        with pytest.raises(UnexpectedReply):
            await wire.relay(get(source.endpoint), lambda _: put(destination.endpoint, size=5), Joined, size=5)


async def test_relays_report_bytes_and_obey_the_limiter():
    """Each chunk is asked of the limiter and reported; its waits are kept."""
    taken, moved_bytes = [], []

    class Limiter:
        def take(self, nbytes: int) -> float:
            taken.append(nbytes)
            return 0.05

    body = bytes(300_000)
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with serve(always(head, body)) as source, serve(always(CREATED)) as destination:
        async with Wire(settings(buffer_size=100_000), limiter=Limiter()) as wire:
            began = time.monotonic()
            done = await wire.relay(
                get(source.endpoint),
                lambda head: put(destination.endpoint, size=len(body)),
                Joined,
                size=len(body),
                on_bytes=moved_bytes.append,
            )
            assert time.monotonic() - began >= 0.05 * len(taken)
            assert sum(taken) == sum(moved_bytes) == done.size == len(body)
            assert wire.stats.bytes_in == wire.stats.bytes_out == len(body)
            assert len(taken) >= 3


async def test_relays_hash_each_attempt_anew():
    """After a broken attempt the digests are those of the bytes that arrived, not of both attempts."""

    async def script(peer, number):
        await peer.request()
        await peer.send(OK[:-2] if number == 0 else OK)

    async with serve(script) as source, serve(always(CREATED)) as destination, Wire(settings()) as wire:
        done = await wire.relay(get(source.endpoint), lambda _: put(destination.endpoint, size=5), Joined, size=5)
        assert done.digests.data == b"hello"
        assert wire.stats.retries == 1


async def test_many_relays_share_few_threads_and_connections():
    """Forty relays over four threads keep to four connections a side and arrive whole."""
    async with serve(always(OK)) as source, serve(always(CREATED)) as destination:
        async with Wire(settings(bulk_threads=4)) as wire:
            relays = [
                wire.relay(get(source.endpoint), lambda _: put(destination.endpoint, size=5), Joined, size=5)
                for _ in range(40)
            ]
            for done in await asyncio.gather(*relays):
                assert done.digests.data == b"hello"
                assert done.written == "w"
            assert source.most_open <= 4
            assert destination.most_open <= 4
