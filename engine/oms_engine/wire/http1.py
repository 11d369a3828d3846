"""One keep-alive HTTP/1.1 connection on the event loop: one request at a time, one future each.

The quick path is a reply that arrives whole in one piece: parse, hand over, no task, timer or copy besides. The
connection returns itself to its pool when its reply is complete, before the caller wakes.
"""

from __future__ import annotations

import asyncio
from typing import Protocol, cast

from oms_engine.errors import ConnectionBroken, StoreError, TimedOut, UnexpectedReply
from oms_engine.store import Reply
from oms_engine.wire.codec import (
    CHUNKED,
    HEAD_LIMIT,
    UNTIL_CLOSE,
    ChunkedDecoder,
    body_framing,
    check_interim,
    keeps_alive,
    parse_head,
)
from oms_engine.wire.retry import ReplyTooLarge, StaleConnection
from oms_engine.wire.settings import WireSettings, WireStats
from oms_engine.wire.stream import BodyStream
from oms_engine.wire.watch import Watch

ERROR_LIMIT = 1024 * 1024
"""Largest body of an error reply that is read."""

_JOIN = 32 * 1024
"""Bodies up to this size are sent in one piece with their head: copying costs less than a second TLS record."""

_IDLE, _HEAD, _BODY = range(3)


class Owner(Protocol):
    """What a connection needs of its pool."""

    settings: WireSettings
    stats: WireStats

    def release(self, connection: Connection) -> None:
        """Take back a connection whose reply is complete."""
        ...

    def forget(self, connection: Connection) -> None:
        """Drop a connection that is closed."""
        ...


class Connection:
    """See the module's head. Not for use by more than one call at a time; the pool sees to that.

    An ``asyncio.Protocol`` in all but its bases: compiled, a class without Python bases keeps its fields in a struct.
    """

    __slots__ = (
        "_alive",
        "_began",
        "_buffer",
        "_decoder",
        "_framing",
        "_got",
        "_interim",
        "_limit",
        "_long",
        "_looked",
        "_loop",
        "_method",
        "_opened",
        "_pieces",
        "_reply",
        "_seen",
        "_state",
        "_stream",
        "_streaming",
        "_transport",
        "_unsent",
        "_watch",
        "_watched",
        "closed",
        "owner",
        "served",
        "stamp",
        "waiter",
    )

    def __init__(self, owner: Owner, loop: asyncio.AbstractEventLoop) -> None:
        self.owner = owner
        self._loop = loop
        self._transport: asyncio.Transport = cast("asyncio.Transport", None)
        self._state = _IDLE
        self._buffer = b""
        self._method = ""
        self._limit = 0
        self._streaming = False
        self._stream: BodyStream | None = None
        self._opened: BodyStream | None = None
        self._reply: Reply | None = None
        self._alive = True
        self._framing = 0
        self._got = 0
        self._pieces: list[bytes] = []
        self._decoder: ChunkedDecoder | None = None
        self._unsent = 0
        self._interim = 0
        self._long = False
        self._began = 0.0
        self._watch = Watch(owner.settings.min_rate, owner.settings.min_rate_seconds)
        self._watched = -1
        """Number of the exchange that the watch is about."""
        self._looked = 0.0
        self._seen = 0
        self.waiter: asyncio.Future[Reply] | None = None
        self.served = 0
        self.closed = False
        self.stamp = 0.0

    # -- the caller's side ------------------------------------------------------------------------------------------

    def send(
        self, method: str, head: bytes, body: bytes, limit: int, streaming: bool = False, long: bool = False
    ) -> asyncio.Future[Reply]:
        """Send a request; the future is its reply, or for ``streaming`` the head of a 2xx reply.

        ``long`` gives the store the time that its work on a large object takes.
        """
        self._state = _HEAD
        self._method = method
        self._limit = limit
        self._streaming = streaming
        self._interim = 0
        self._long = long
        self._opened = BodyStream(self, self.owner.settings.stream_buffer) if streaming else None
        self.stamp = self._began = self._loop.time()
        waiter = self.waiter = self._loop.create_future()
        if len(body) <= _JOIN:
            self._transport.write(head + body)
        else:
            self._transport.write(head)
            self._transport.write(body)
        return waiter

    def opened(self) -> BodyStream:
        """Return the body of the reply to come; ask right after a streaming :meth:`send`."""
        assert self._opened is not None
        return self._opened

    def abort(self) -> None:
        """Cut the connection now."""
        if not self.closed:
            self.closed = True
            self.owner.forget(self)
            if self._transport is not None:
                self._transport.abort()

    def check(self, now: float) -> None:
        """Enforce the timeouts; called by the sweep of the pool."""
        if self._state == _IDLE:
            return
        settings = self.owner.settings
        idle, first_byte = settings.idle_timeout, settings.first_byte_timeout
        if self._long:
            idle = first_byte = max(settings.completion_timeout, first_byte)
            if now - self._began > settings.completion_limit:
                self._fail(TimedOut(f"no whole reply within {settings.completion_limit:g} s"))
                return
        unsent = self._transport.get_write_buffer_size()
        waiting = bool(unsent or self._buffer or self._state == _BODY)
        if self._trickles(now, unsent, waiting):
            self._fail(TimedOut(f"fewer than {settings.min_rate:g} bytes/s over {settings.min_rate_seconds:g} s"))
        elif unsent != self._unsent:
            self._unsent = unsent
            self.stamp = now
        elif self._stream is not None and self._stream.paused:
            self.stamp = now
        elif waiting:
            if now - self.stamp > idle:
                self._fail(TimedOut(f"nothing moved for {idle:g} s"))
        elif now - self.stamp > first_byte:
            self._fail(TimedOut(f"no reply within {first_byte:g} s"))

    def _trickles(self, now: float, unsent: int, waiting: bool) -> bool:
        """Whether what the other end takes or gives is below the least rate; asked now and then, never per byte."""
        got = self._got + len(self._buffer)
        moved = abs(unsent - self._unsent) + abs(got - self._seen)
        seconds = now - self._looked
        self._looked, self._seen = now, got
        if self._watched != self.served:
            self._watched = self.served
            self._watch.reset()
            return False
        if not waiting or self._long or (self._stream is not None and self._stream.paused):
            self._watch.reset()
            return False
        return self._watch.too_slow(seconds, moved)

    def pause(self) -> None:
        """Stop reading from the socket."""
        if not self.closed:
            self._transport.pause_reading()

    def resume(self) -> None:
        """Go on reading."""
        if not self.closed:
            self._transport.resume_reading()

    # -- the transport's side ---------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Take bytes off the socket."""
        try:
            if self._state == _HEAD:
                self._take_head(self._buffer + data if self._buffer else data)
            elif self._state == _BODY:
                self.stamp = self._loop.time()
                self._take_body(data)
            else:
                self.abort()
        except StoreError as error:
            self._fail(error)

    def pause_writing(self) -> None:
        """Let the transport hold what it was given: bodies written here are small, and timeouts watch the rest."""

    def resume_writing(self) -> None:
        """See :meth:`pause_writing`."""

    def eof_received(self) -> bool | None:
        """End a body that lasts until the close."""
        if self._state == _BODY and self._framing == UNTIL_CLOSE:
            self._alive = False
            self._finish()
        return None

    def connection_lost(self, exc: Exception | None) -> None:
        """End whatever is still going on."""
        if not self.closed:
            self.closed = True
            self.owner.forget(self)
        if self._state == _IDLE:
            return
        if self._state == _BODY and self._framing == UNTIL_CLOSE and exc is None:
            self._finish()
        elif self._state == _HEAD and self.served and not self._buffer:
            self._fail(StaleConnection("the store closed the kept connection"))
        else:
            where = "in the middle of its reply" if self._state == _BODY or self._buffer else "before it answered"
            self._fail(ConnectionBroken(f"the store closed the connection {where}" + (f" ({exc})" if exc else "")))

    # -- the reply --------------------------------------------------------------------------------------------------

    def _take_head(self, data: bytes) -> None:
        while True:
            end = data.find(b"\r\n\r\n")
            if end < 0 or end > HEAD_LIMIT:
                self._wait_for_head(data)
                return
            head = data[: end + 2]
            status, headers = parse_head(head)
            if status >= 200:
                break
            self._interim += 1
            check_interim(status, self._interim)
            self._buffer = b""
            if self._long:  # elsewhere they buy no time: some proxies send one every few seconds, for ever
                self.stamp = self._loop.time()
            data = data[end + 4 :]
            if not data:
                return
        framing = body_framing(self._method, status, headers)
        if status >= 300 and self._limit < ERROR_LIMIT:
            self._limit = ERROR_LIMIT
        self._alive = keeps_alive(head, headers) and not (framing == CHUNKED and "content-length" in headers)
        self._framing = framing
        rest = data[end + 4 :]
        if len(rest) == framing and framing <= self._limit and not (self._streaming and status < 300):
            self._complete(Reply(status, headers, rest))
            return
        self._start_body(Reply(status, headers, b""), rest)

    def _wait_for_head(self, data: bytes) -> None:
        if not b"HTTP/1.".startswith(data[:7]):
            raise UnexpectedReply("the reply is no HTTP/1.1 message")
        if len(data) > HEAD_LIMIT:
            raise UnexpectedReply("the reply head exceeds 64 KiB")
        self._buffer = data
        self.stamp = self._loop.time()

    def _start_body(self, reply: Reply, rest: bytes) -> None:
        self._state = _BODY
        self._buffer = b""
        self._reply = reply
        self._got = 0
        self._pieces = []
        self._decoder = ChunkedDecoder() if self._framing == CHUNKED else None
        self.stamp = self._loop.time()
        if self._streaming and reply.status < 300:
            self._stream, self._opened = self._opened, None
            if self.waiter is not None and not self.waiter.done():
                self.waiter.set_result(reply)
        elif self._framing > self._limit:
            raise ReplyTooLarge(f"the reply's body of {self._framing} bytes exceeds {self._limit}")
        if rest or not self._framing:
            self._take_body(rest)

    def _take_body(self, data: bytes) -> None:
        if self._decoder is not None:
            data = self._decoder.feed(data)
            done = self._decoder.done
            extra = self._decoder.unused
        elif self._framing >= 0:
            left = self._framing - self._got
            done, data, extra = len(data) >= left, data[:left], data[left:]
        else:
            done, extra = False, b""
        self._got += len(data)
        if self._stream is not None:
            self._stream.feed(data)
        elif self._got > self._limit:
            raise ReplyTooLarge(f"the reply's body exceeds {self._limit} bytes")
        elif data:
            self._pieces.append(data)
        if done:
            self._alive = self._alive and not extra
            self._finish()

    def _finish(self) -> None:
        stream, reply = self._stream, self._reply
        assert reply is not None
        self._decoder = self._reply = None
        if stream is None:
            pieces, self._pieces = self._pieces, []
            self._complete(Reply(reply.status, reply.headers, b"".join(pieces)))
        else:
            self._stream = None
            self.owner.stats.bytes_in += self._got
            self._end_exchange()
            stream.end(None)

    def _complete(self, reply: Reply) -> None:
        waiter = self.waiter
        self.owner.stats.bytes_in += len(reply.body)
        self._end_exchange()
        if waiter is not None and not waiter.done():
            waiter.set_result(reply)

    def _end_exchange(self) -> None:
        """Go back to the pool, or close where another request could not be told from this one's remains."""
        self._state = _IDLE
        self._buffer = b""
        self.waiter = None
        self.served += 1
        if self._alive and not self.closed and not self._transport.get_write_buffer_size():
            self.owner.release(self)
        else:
            self.abort()

    def _fail(self, error: StoreError) -> None:
        waiter, self.waiter = self.waiter, None
        stream, self._stream = self._stream, None
        self._state = _IDLE
        self.abort()
        if waiter is not None and not waiter.done():
            waiter.set_exception(error)
        elif stream is not None:
            stream.end(error)
