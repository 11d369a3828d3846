"""Servers that play scripts on real sockets, and the calls that meet them."""

import asyncio
import contextlib
import os
import ssl
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import uvloop

from oms_engine.errors import (
    AccessDenied,
    NotFound,
    Redirected,
    Throttled,
    Unavailable,
)
from oms_engine.model import Attributes, ObjectHead
from oms_engine.store import Call, Endpoint, Reply, Request
from oms_engine.wire import Wire, WireSettings

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nETag: e\r\n\r\nhello"
CREATED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nETag: w\r\n\r\n"


@dataclass
class Seen:
    """A request as the server read it."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes = b""


class Peer:
    """The server's end of one connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: list[Seen]) -> None:
        self.reader = reader
        self.writer = writer
        self.seen = seen

    async def request(self, *, body: bool = True) -> Seen | None:
        """Read a request, None at the end of the connection."""
        try:
            head = await self.reader.readuntil(b"\r\n\r\n")
        except (asyncio.IncompleteReadError, ConnectionError):
            return None
        first, *lines = head.decode("latin-1")[:-4].split("\r\n")
        method, target, _ = first.split(" ")
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        seen = Seen(method, target, headers)
        self.seen.append(seen)
        if body:
            seen.body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        return seen

    async def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Send pieces, each in its own segment when there is a pause."""
        for piece in pieces:
            self.writer.write(piece)
            await self.writer.drain()
            await asyncio.sleep(pause)

    def reset(self) -> None:
        """Cut the connection."""
        self.writer.transport.abort()


Script = Callable[[Peer, int], Awaitable[None]]


@dataclass
class Server:
    """A running server."""

    endpoint: Endpoint
    seen: list[Seen] = field(default_factory=list)
    connections: int = 0
    open: int = 0
    most_open: int = 0


@contextlib.asynccontextmanager
async def serve(script: Script, *, context: ssl.SSLContext | None = None, host: str = "127.0.0.1"):
    """Play a script on each connection; it is given the connection and its number from 0."""
    server = Server(Endpoint("https" if context else "http", host, 0))
    failures: list[BaseException] = []
    tasks: set[asyncio.Task] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        number = server.connections
        server.connections += 1
        server.open += 1
        server.most_open = max(server.most_open, server.open)
        tasks.add(asyncio.current_task())
        try:
            await script(Peer(reader, writer, server.seen), number)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except BaseException as error:
            failures.append(error)
        finally:
            server.open -= 1
            writer.close()
            tasks.discard(asyncio.current_task())

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=context)
    server.endpoint = server.endpoint._replace(port=listener.sockets[0].getsockname()[1])
    try:
        yield server
    finally:
        # A connection made just now is taken first: asyncio leaks the socket of one it accepts while the server closes
        # (the transport's attachment fails, https://github.com/python/cpython/blob/3.11/Lib/asyncio/base_events.py).
        for _ in range(3):
            await asyncio.sleep(0)
        listener.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(list(tasks), timeout=2)
        await asyncio.sleep(0)
        if failures:
            raise failures[0]


def always(*pieces: bytes, pause: float = 0.0, close: bool = False) -> Script:
    """Answer every request with the same bytes."""

    async def script(peer: Peer, _: int) -> None:
        while await peer.request():
            await peer.send(*pieces, pause=pause)
            if close:
                return

    return script


def replies(*answers: bytes) -> Script:
    """Answer the n-th request of all connections with the n-th bytes, the last one again and again."""
    count = iter(range(10**6))

    async def script(peer: Peer, _: int) -> None:
        while await peer.request():
            await peer.send(answers[min(next(count), len(answers) - 1)])

    return script


def sign(request: Request, now: float) -> Request:
    """Sign visibly, so a test can tell that it was signed for this endpoint and anew."""
    return request._replace(headers=request.headers | {"Authorization": f"{request.endpoint.port} {now}"})


def raise_for(reply: Reply) -> None:
    """Map statuses as an adapter would."""
    if reply.status in {301, 307, 308}:
        raise Redirected("elsewhere", location=reply.headers["location"], status=reply.status)
    kinds = {403: AccessDenied, 404: NotFound, 429: Throttled, 503: Throttled, 500: Unavailable}
    if reply.status in kinds:
        raise kinds[reply.status](reply.body.decode("latin-1"), status=reply.status)
    assert 200 <= reply.status < 300, reply


def read_head(reply: Reply) -> ObjectHead:
    """Read the head of a GET."""
    raise_for(reply)
    return ObjectHead("k", None, reply.headers.get("etag", ""), 0.0, Attributes())


def read_written(reply: Reply) -> str:
    """Read the answer to a PUT."""
    raise_for(reply)
    return reply.headers.get("etag", "")


def get(endpoint: Endpoint, path: str = "/b/k", *, store: str = "s3://src", method: str = "GET") -> Call[ObjectHead]:
    """Describe a GET."""
    return Call(Request(method, endpoint, path, (), {}), sign, read_head, store, "read")


def put(endpoint: Endpoint, body: bytes = b"", size: int | None = None, path: str = "/b/k") -> Call[str]:
    """Describe a PUT."""
    return Call(Request("PUT", endpoint, path, (), {}, body, size), sign, read_written, "obs://dst", "write")


class Joined:
    """Keeps what it is fed, in place of a hash."""

    def __init__(self) -> None:
        self.data = b""

    def update(self, data: memoryview) -> None:
        """Take bytes."""
        self.data += bytes(data)


def settings(**changes) -> WireSettings:
    """Return settings that fail fast."""
    quick = {"backoff": 0.01, "backoff_maximum": 0.05, "attempts": 3, "connect_timeout": 5.0}
    return WireSettings(**(quick | changes))


LOOPS = {"asyncio": asyncio.DefaultEventLoopPolicy(), "uvloop": uvloop.EventLoopPolicy()}
LANES = ["fetch", "stream", "relay"]


async def download(wire: Wire, call: Call[ObjectHead], lane: str, *, size: int = 5) -> bytes:
    """Read a body through a lane; a relay goes to a healthy destination, which must receive the same bytes."""
    if lane == "fetch":
        return (await wire.fetch(call, limit=1 << 26))[1]
    if lane == "stream":
        async with wire.stream(call) as (_, body):
            return b"".join([piece async for piece in body])
    async with serve(always(CREATED)) as destination:
        relayed = await wire.relay(call, lambda _: put(destination.endpoint, size=size), Joined, size=size)
        assert destination.seen[-1].body == relayed.digests.data
        assert relayed.size == size
        return relayed.digests.data


async def upload(wire: Wire, endpoint: Endpoint, lane: str, *, body: bytes = b"x" * 1000) -> str:
    """Write a body through a lane; a relay takes it from a healthy source."""
    if lane == "call":
        return await wire.call(put(endpoint, body))
    head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body)
    async with serve(always(head, body)) as source:
        relayed = await wire.relay(
            get(source.endpoint), lambda _: put(endpoint, size=len(body)), Joined, size=len(body)
        )
        return relayed.written


def open_sockets() -> set[str]:
    """Return this process's TCP sockets (empty where there is no /proc); uvloop keeps a socket pair of its own."""
    found = set()
    for number in os.listdir("/proc/self/fd") if os.path.isdir("/proc/self/fd") else ():
        with contextlib.suppress(OSError):
            found.add(os.readlink(f"/proc/self/fd/{number}"))
    if not found:
        return found
    with open("/proc/self/net/tcp") as table:
        return found & {f"socket:[{line.split()[9]}]" for line in table.readlines()[1:]}


@contextlib.asynccontextmanager
async def nothing_leaks():
    """Fail when tasks, sockets or bulk threads outlive the block."""
    tasks = asyncio.all_tasks()
    sockets = open_sockets()
    yield
    for _ in range(20):
        left = asyncio.all_tasks() - tasks - {asyncio.current_task()}
        threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("wire-bulk")]
        more = open_sockets() - sockets
        if not left and not threads and not more:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"left behind: {left} {threads} {more}")
