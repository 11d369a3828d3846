"""Blocking HTTP/1.1 connections for the bulk lane, and their pools. Same codec as the event loop's."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import time
from collections.abc import Iterator

from oms_engine.errors import ConnectionBroken, TimedOut, UnexpectedReply
from oms_engine.store import Endpoint, Request
from oms_engine.wire.codec import (
    CHUNKED,
    HEAD_LIMIT,
    UNTIL_CLOSE,
    ChunkedDecoder,
    body_framing,
    check_interim,
    keeps_alive,
    parse_head,
    render_head,
)
from oms_engine.wire.http1 import ERROR_LIMIT
from oms_engine.wire.retry import StaleConnection
from oms_engine.wire.settings import WireSettings
from oms_engine.wire.watch import Watch

TLS_FILL = 256 * 1024
"""How much is collected from TLS records before it is passed on."""
_READ = 64 * 1024
_READ_HEAD = 8 * 1024
_MORE = getattr(socket, "MSG_MORE", 0)  # Linux has it


class BlockingConnection:
    """One connection, used by one thread at a time. Timeouts and breaks come out as StoreErrors."""

    def __init__(
        self, sock: socket.socket, endpoint: Endpoint, settings: WireSettings, *, extra: str, prefix: str
    ) -> None:
        self.sock = sock
        self.endpoint = endpoint
        self.framing = 0
        self.stamp = 0.0
        # One wait may collect bytes for as long as the watch looks at, no longer.
        longest = settings.min_rate_seconds if settings.min_rate else settings.idle_timeout
        self._idle_timeout = min(settings.idle_timeout, longest)
        self._extra = extra
        self._prefix = prefix
        self._tls = isinstance(sock, ssl.SSLSocket)
        self._method = ""
        self._rest = b""
        self._alive = False
        self._sent_all = True
        self._got_all = True
        self._served = 0
        self._timeout = 0.0
        self._left = 0
        self._interim = 0
        self._watch = Watch(settings.min_rate, settings.min_rate_seconds)
        self._least = f"fewer than {settings.min_rate:g} bytes/s over {settings.min_rate_seconds:g} s"

    @property
    def reusable(self) -> bool:
        """Whether another request may follow."""
        return self._alive and self._sent_all and self._got_all and not self._rest

    def spoil(self) -> None:
        """Never use it again."""
        self._alive = False

    def shutdown(self) -> None:
        """Wake a thread that waits on it; callable from another thread."""
        with contextlib.suppress(OSError):
            # Of the plain socket: an SSLSocket's own shutdown would touch TLS state in use by the other thread.
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def close(self) -> None:
        """Close the socket."""
        with contextlib.suppress(OSError):
            self.sock.close()

    # -- sending ----------------------------------------------------------------------------------------------------

    def send_request(self, request: Request) -> None:
        """Send the head and a body carried by the request itself; a streamed one follows by :meth:`send_body`."""
        head = render_head(request, extra=self._extra, prefix=self._prefix)
        self._method = request.method
        self._alive = True
        self._got_all = False
        self._sent_all = request.body_size is None
        self._left = request.body_size or 0
        self._interim = 0
        self._watch.reset()
        self._set_timeout(self._idle_timeout)
        try:
            if self._left and not self._tls:
                self.sock.sendall(head, _MORE)  # leaves with the first bytes of the body
            else:
                self.sock.sendall(head + request.body)
        except OSError as error:
            # The reply may be there all the same (an early refusal); reading finds out.
            self._alive = False
            if not isinstance(error, (ConnectionError, ssl.SSLError)):
                raise self._broken(error) from None

    def send_body(self, data: memoryview) -> bool:
        """Send bytes of a streamed body; False when the store has stopped reading."""
        self._set_timeout(self._idle_timeout)
        size, sent = len(data), 0
        try:
            while sent < size:
                began = time.monotonic()
                some = self.sock.send(data[sent:] if sent else data)
                self._count(began, some)
                sent += some
        except (ConnectionError, ssl.SSLError):
            self._alive = False
            return False
        except OSError as error:
            raise self._broken(error) from None
        self._left -= size
        self._sent_all = self._left <= 0
        return True

    def has_news(self) -> bool:
        """Whether there is something to read, be it the end. By poll: select takes no descriptor above 1,023."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)  # breaks and hang-ups are told unasked
        return bool(poll.poll(0))

    def answers_early(self) -> bool:
        """Whether the store has answered or hung up; asked while the body is still being sent.

        An interim reply is no answer, asked for or not (RFC 9110, 15.2).

        Raises:
            UnexpectedReply: what it sends is no HTTP.
        """
        if not self.has_news():
            return False
        try:
            data = self._recv_waiting()
        except (ssl.SSLWantReadError, BlockingIOError):
            return False  # session tickets: TLS 1.3 sends them after the handshake
        except OSError:
            return True
        if not data:
            return True
        self._rest += data
        return self._answer_begun()

    def _recv_waiting(self) -> bytes:
        """Receive what is there, without waiting."""
        if not self._tls:
            return self.sock.recv(_READ, socket.MSG_DONTWAIT)
        self.sock.settimeout(0)
        self._timeout = -1.0
        return self.sock.recv(_READ)

    def _answer_begun(self) -> bool:
        """Take interim replies off the front of what was received; whether anything else stands behind them."""
        while (end := self._rest.find(b"\r\n\r\n")) >= 0:
            status, _ = parse_head(self._rest[: end + 2])
            if status >= 200:
                return True
            self._pass_over(status)
            self._rest = self._rest[end + 4 :]
        begun = self._rest
        return len(begun) > HEAD_LIMIT or not b"HTTP/1.".startswith(begun[:7]) or begun[9:10] not in {b"", b"1"}

    def _pass_over(self, interim: int) -> None:
        self._interim += 1
        check_interim(interim, self._interim)

    # -- receiving --------------------------------------------------------------------------------------------------

    def read_head(self, first_byte_timeout: float) -> tuple[int, dict[str, str]]:
        """Read the head of the reply, interim replies skipped.

        Raises:
            StaleConnection: a kept connection that had been closed.
        """
        began = time.monotonic()
        self._set_timeout(first_byte_timeout)
        data = self._rest
        while True:
            end = data.find(b"\r\n\r\n")
            if end >= 0:
                status, headers = parse_head(data[: end + 2])
                if status >= 200:
                    break
                self._pass_over(status)
                data = data[end + 4 :]
                left = first_byte_timeout - (time.monotonic() - began)
                if left <= 0:  # they buy no time: some proxies send one every few seconds, for ever
                    raise TimedOut(f"no reply within {first_byte_timeout:g} s")
                self._set_timeout(left)
                continue
            if len(data) > HEAD_LIMIT or not b"HTTP/1.".startswith(data[:7]):
                raise UnexpectedReply("the reply is no HTTP/1.1 message")
            piece = self._recv(_READ_HEAD, stale=self._served > 0 and not data, counted=bool(data))
            if not data:
                self._set_timeout(self._idle_timeout)
            data += piece
        self.framing = body_framing(self._method, status, headers)
        self._alive = self._alive and keeps_alive(data[:end], headers)
        self._rest = data[end + 4 :]
        self._served += 1
        if self.framing == 0:
            self._got_all = True
        return status, headers

    def read_rest(self) -> bytes:
        """Read the whole body, which must be small."""
        if self.framing == 0:
            return b""
        pieces = []
        size = 0
        for piece in self.body(memoryview(bytearray(_READ))):
            pieces.append(bytes(piece))
            size += len(piece)
            if size > ERROR_LIMIT:
                self.spoil()
                break
        return b"".join(pieces)

    def body(self, buffer: memoryview) -> Iterator[memoryview]:
        """Yield the body in pieces of the buffer; each is gone when the next is asked for."""
        if self.framing >= 0:
            yield from self._sized_body(buffer)
        else:
            yield from self._open_body()
        self._got_all = True

    def _sized_body(self, buffer: memoryview) -> Iterator[memoryview]:
        left = self.framing
        size = min(len(buffer), TLS_FILL) if self._tls else len(buffer)
        while left:
            want = min(left, size)
            filled = min(len(self._rest), want)
            buffer[:filled] = self._rest[:filled]
            self._rest = self._rest[filled:]
            while filled < want:
                filled += self._recv_into(buffer[filled:want])
            left -= filled
            if not left:
                self._got_all = True
            yield buffer[:filled]

    def _open_body(self) -> Iterator[memoryview]:
        decoder = ChunkedDecoder() if self.framing == CHUNKED else None
        data, self._rest = self._rest, b""
        while True:
            out = decoder.feed(data) if decoder else data
            if out:
                yield memoryview(out)
            if decoder is not None and decoder.done:
                self._rest = decoder.unused
                return
            data = self._recv(_READ, eof=self.framing == UNTIL_CLOSE)
            if not data:
                self.spoil()
                return

    def _recv(self, most: int, *, stale: bool = False, eof: bool = False, counted: bool = True) -> bytes:
        began = time.monotonic()
        try:
            data = self.sock.recv(most)
            if counted:
                self._count(began, len(data))
        except OSError as error:
            if stale and isinstance(error, ConnectionError):
                raise StaleConnection("the store closed the kept connection") from None
            raise self._broken(error) from None
        if not data and not eof:
            if stale:
                raise StaleConnection("the store closed the kept connection")
            raise ConnectionBroken("the store closed the connection before the end of its reply")
        return data

    def _recv_into(self, view: memoryview) -> int:
        self._set_timeout(self._idle_timeout)
        began = time.monotonic()
        try:
            # MSG_WAITALL returns a part of it when the timeout strikes; an SSLSocket takes no flags.
            got = self.sock.recv_into(view) if self._tls else self.sock.recv_into(view, 0, socket.MSG_WAITALL)
        except OSError as error:
            raise self._broken(error) from None
        if not got:
            raise ConnectionBroken("the store closed the connection before the end of its reply")
        self._count(began, got)
        return got

    def _count(self, began: float, size: int) -> None:
        """Count bytes and the time spent waiting for them.

        Raises:
            TimedOut: they trickle.
        """
        if self._watch.too_slow(time.monotonic() - began, size):
            self._alive = False
            raise TimedOut(self._least)

    def _broken(self, error: OSError) -> ConnectionBroken | TimedOut:
        self._alive = False
        if isinstance(error, (BlockingIOError, TimeoutError)):
            return TimedOut(f"nothing moved for {self._timeout:g} s")
        return ConnectionBroken(f"the connection broke ({error})")

    def _set_timeout(self, seconds: float) -> None:
        """Bound each wait. Plain sockets stay blocking (for MSG_WAITALL) and let the kernel keep the time."""
        if seconds == self._timeout:
            return
        self._timeout = seconds
        try:
            if self._tls:
                self.sock.settimeout(seconds)
            else:
                limit = struct.pack("@ll", int(seconds), max(1, int(seconds % 1 * 1e6)))
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        except OSError as error:
            raise self._broken(error) from None
