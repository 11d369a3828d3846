"""Large bodies: one blocking GET streamed into one blocking PUT, in a thread.

A thread with a large reused buffer costs a third of the event loop's CPU per byte: the kernel fills it in one call
(``MSG_WAITALL``), hashing and sending release the GIL. Under TLS the records (16 KiB at most) are collected up to
256 KiB before they are hashed and sent; record by record is slower than the whole relay should be.
"""

from __future__ import annotations

import mmap
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from oms_engine.errors import OtherSize, StoreError, UnexpectedReply
from oms_engine.frozen import dataclass
from oms_engine.model import ObjectHead
from oms_engine.store import AnyCall, Call, Endpoint, Renewable, Reply, Request
from oms_engine.wire.blocking import BlockingConnection
from oms_engine.wire.blocking_pools import BlockingPools
from oms_engine.wire.codec import CHUNKED
from oms_engine.wire.renewal import is_due
from oms_engine.wire.retry import StaleConnection, read_reply
from oms_engine.wire.settings import Hashing, RateLimiter, WireSettings
from oms_engine.wire.threads import Threads

W = TypeVar("W")
D = TypeVar("D", bound=Hashing)


@dataclass(frozen=True, slots=True)
class Relayed(Generic[W, D]):
    """What a relay has done."""

    head: ObjectHead
    """What the source stated beside the bytes."""
    written: W
    """What the destination said (``Written`` or ``WrittenPart``)."""
    digests: D
    """Of the bytes that were passed on."""
    size: int


class Cancelled(Exception):
    """The relay was told to stop."""


class Relay(Generic[W, D]):
    """One attempt at one pair of calls. ``run`` belongs to the thread, ``cancel`` to anyone."""

    def __init__(
        self,
        lane: BulkLane,
        read: Call[ObjectHead],
        write: Callable[[ObjectHead], Call[W]],
        *,
        digests: D,
        size: int,
        on_bytes: Callable[[int], None] | None,
        hold: Callable[[ObjectHead], bool] | None = None,
    ) -> None:
        self._lane = lane
        self._hold = hold
        self._read = read
        self._write = write
        self._digests = digests
        self._size = size
        self._on_bytes = on_bytes
        self._stopped = False
        self._throttled: threading.Event | None = None
        """Wakes the thread when it waits for its share of the bandwidth."""
        self._connections: list[BlockingConnection] = []
        self.requests = 0
        """Requests sent. Counted here, not in the wire's statistics: those belong to the event loop."""
        self.passed = 0
        """Bytes passed on."""
        self.call: AnyCall = read
        """The call under way: the one to blame for an error."""
        self.endpoints: list[Endpoint] = [lane.route(read).endpoint]
        """Where the calls went: the source, then the destination."""

    @property
    def endpoint(self) -> Endpoint:
        """The endpoint of the call under way."""
        return self.endpoints[0 if self.call is self._read else -1]

    def cancel(self) -> None:
        """Stop soon: sockets are shut, which wakes the thread from any wait."""
        self._stopped = True
        if self._throttled is not None:
            self._throttled.set()
        for connection in list(self._connections):
            connection.shutdown()

    def run(self) -> Relayed[W, D]:
        """Move the bytes.

        Raises:
            StoreError: of either store; ``call`` says whose.
            Cancelled: :meth:`cancel` was called.
        """
        try:
            return self._run()
        except StoreError:
            if self._stopped:
                raise Cancelled from None
            raise
        finally:
            for connection in self._connections:
                self._lane.pools.give_back(connection)

    def _open_source(self) -> tuple[ObjectHead, BlockingConnection]:
        """Send the read and return the head it states, and where its body comes from."""
        source, status, headers = self._start(self._read)
        if status >= 300:
            read_reply(self._read, Reply(status, headers, source.read_rest()))
            raise UnexpectedReply(f"status {status} instead of an object")
        head = read_reply(self._read, Reply(status, headers, b""))
        if source.framing >= 0 and source.framing != self._size:
            raise UnexpectedReply(f"the store sends {source.framing} bytes instead of {self._size}")
        return head, source

    def _run(self) -> Relayed[W, D]:
        head, source = self._open_source()
        if self._hold is not None and self._hold(head):
            held = self._take_whole(source)
            write = self.call = self._write(head)
            destination = self._begin(write)
            sent = self._send_held(destination, held)
        else:
            write = self.call = self._write(head)
            destination = self._begin(write)
            sent = self._pump(source, destination)
        status, headers = destination.read_head(self._lane.settings.first_byte_timeout)
        body = destination.read_rest()
        written = read_reply(write, Reply(status, headers, body))
        if sent != self._size:
            raise UnexpectedReply("the store answered before it had the whole body")
        return Relayed(head, written, self._digests, sent)

    def _start(self, call: AnyCall) -> tuple[BlockingConnection, int, dict[str, str]]:
        """Send a bodiless request and return the head of its reply; a stale kept connection is replaced once."""
        connection = self._begin(call)
        try:
            status, headers = connection.read_head(self._lane.settings.first_byte_timeout)
        except StaleConnection:
            connection = self._begin(call, fresh=True)
            status, headers = connection.read_head(self._lane.settings.first_byte_timeout)
        return connection, status, headers

    def _begin(self, call: AnyCall, *, fresh: bool = False) -> BlockingConnection:
        """Sign a call, and send its head and the body it carries itself."""
        if due := is_due(call):
            self._lane.renew(due)
        request: Request = call.sign(self._lane.route(call), time.time())
        if call is not self._read:
            self.endpoints.append(request.endpoint)
        if self._stopped:
            raise Cancelled
        connection = self._lane.pools.take(request.endpoint, fresh=fresh)
        self._connections.append(connection)
        if self._stopped:
            raise Cancelled
        self.requests += 1
        connection.send_request(request)
        return connection

    def _take_whole(self, source: BlockingConnection) -> memoryview:
        """Read the body into memory, so that its digests are known before the first byte is sent."""
        held = memoryview(mmap.mmap(-1, max(1, self._size), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
        buffer = self._lane.buffers.take()
        at = 0
        try:
            for data in source.body(buffer):
                size = len(data)
                if at + size > self._size:
                    raise UnexpectedReply(f"the store sends more than the {self._size} bytes it announced")
                self._digests.update(data)
                held[at : at + size] = data
                at += size
                self._throttle(size)
                if self._stopped:
                    raise Cancelled
                if self._on_bytes is not None:
                    self._on_bytes(size)
        finally:
            self._lane.buffers.give_back(buffer)
        if at != self._size:
            raise UnexpectedReply(f"the store sent {at} bytes instead of {self._size}")
        return held[:at]

    def _send_held(self, destination: BlockingConnection, held: memoryview) -> int:
        """Send a body from memory; returns early, short, when the destination answers before its end."""
        sent, step = 0, self._lane.settings.buffer_size
        while sent < len(held):
            data = held[sent : sent + step]
            if self._stopped:
                raise Cancelled
            if (sent and destination.answers_early()) or not destination.send_body(data):
                return sent
            sent += len(data)
            self.passed += len(data)
        return sent

    def _pump(self, source: BlockingConnection, destination: BlockingConnection) -> int:
        """Pass the body on; returns early, short, when the destination answers before its end."""
        buffer = self._lane.buffers.take()
        try:
            return self._pass_on(source, destination, buffer)
        finally:
            self._lane.buffers.give_back(buffer)

    def _pass_on(self, source: BlockingConnection, destination: BlockingConnection, buffer: memoryview) -> int:
        sent = 0
        read, write = self._read, self.call
        self.call = read
        for data in source.body(buffer):
            self.call = write
            size = len(data)
            if sent + size > self._size:
                fault = UnexpectedReply if source.framing >= 0 else OtherSize  # nobody announced how many would come
                raise fault(f"the store sends more than the {self._size} bytes that were asked for")
            self._digests.update(data)
            self._throttle(size)
            if self._stopped:
                raise Cancelled
            between = 0 < sent < self._size - size  # nothing to answer before, nothing to save behind
            if (between and destination.answers_early()) or not destination.send_body(data):
                source.spoil()
                return sent
            sent += size
            self.passed += size
            if self._on_bytes is not None:
                self._on_bytes(size)
            self.call = read
        if sent != self._size:
            fault = OtherSize if source.framing == CHUNKED else UnexpectedReply
            raise fault(f"the store sent {sent} bytes instead of {self._size}")
        self.call = write
        return sent

    def _throttle(self, size: int) -> None:
        limiter = self._lane.limiter
        delay = limiter.take(size) if limiter is not None else 0.0
        if delay > 0:
            self._throttled = self._throttled or threading.Event()
            if not self._stopped:  # asked after there is what a cancel sets
                self._throttled.wait(delay)


class _Buffers:
    """As many buffers as relays were ever under way at once.

    The last one given back is taken first: it is in the processor's cache, and no memory is touched for nothing.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._free: list[memoryview] = []

    def take(self) -> memoryview:
        """Return a buffer. From any thread."""
        try:
            return self._free.pop()
        except IndexError:
            # Memory is first touched, page by page, when a socket fills it: without the interpreter's lock.
            return memoryview(mmap.mmap(-1, self._size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))

    def give_back(self, buffer: memoryview) -> None:
        """Let the next one have it."""
        self._free.append(buffer)


class BulkLane:
    """Threads for relays, started on demand, with their own connections and one buffer each."""

    def __init__(
        self,
        settings: WireSettings,
        pools: BlockingPools,
        *,
        limiter: RateLimiter | None,
        route: Callable[[AnyCall], Request],
        renew: Callable[[Renewable], None],
    ) -> None:
        self.settings = settings
        self.pools = pools
        self.limiter = limiter
        self.route = route
        """The request of a call, at the endpoint it was redirected to."""
        self.renew = renew
        """Fetch what signs a call anew; returns when it is there."""
        self.threads = Threads(settings.bulk_threads, "wire-bulk")
        self.buffers = _Buffers(settings.buffer_size)

    def close(self) -> None:
        """End the threads, which must have been told to stop, and close the connections."""
        self.threads.close()
        self.pools.close()
