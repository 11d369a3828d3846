"""Blocking HTTP/1.1 connections for the bulk lane, and their pools. Same codec as the event loop's."""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator

from oms_engine.errors import ConnectionBroken, TimedOut, UnexpectedReply
from oms_engine.netguard import public_only
from oms_engine.store import Endpoint, Request
from oms_engine.wire.codec import (
    CHUNKED,
    HEAD_LIMIT,
    UNTIL_CLOSE,
    ChunkedDecoder,
    body_framing,
    keeps_alive,
    parse_head,
    render_head,
)
from oms_engine.wire.dns import name_to_ask, plain_name, resolve_now
from oms_engine.wire.http1 import ERROR_LIMIT
from oms_engine.wire.proxy import Proxy, route_text, tunnel_failure
from oms_engine.wire.retry import ConnectFailed, StaleConnection
from oms_engine.wire.settings import WireSettings, WireStats
from oms_engine.wire.tls import connect_error

TLS_FILL = 256 * 1024
"""How much is collected from TLS records before it is passed on."""
_NEAR = 0.002
_NEAR_BUFFER = 1_000_000
"""Connected within 2 ms: a fixed send buffer, which holds more than such a way can, wakes both ends less often than one
that grows (6 % of the time of 200 x 4 MB). Farther away the kernel's growing one may become larger."""

_READ = 64 * 1024
_READ_HEAD = 8 * 1024
_SURELY_OPEN = 0.1
"""Seconds: no store closes a kept connection sooner. One whose server ended in that time costs an attempt."""

_MORE = getattr(socket, "MSG_MORE", 0)  # Linux has it
_IDLE_PER_ENDPOINT = 64


class BlockingConnection:
    """One connection, used by one thread at a time. Timeouts and breaks come out as StoreErrors."""

    def __init__(
        self, sock: socket.socket, endpoint: Endpoint, settings: WireSettings, *, extra: str, prefix: str
    ) -> None:
        self.sock = sock
        self.endpoint = endpoint
        self.framing = 0
        self.stamp = 0.0
        self._idle_timeout = settings.idle_timeout
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
        try:
            self.sock.sendall(data)
        except (ConnectionError, ssl.SSLError):
            self._alive = False
            return False
        except OSError as error:
            raise self._broken(error) from None
        self._left -= len(data)
        self._sent_all = self._left <= 0
        return True

    def has_news(self) -> bool:
        """Whether there is something to read, be it the end. By poll: select takes no descriptor above 1,023."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)  # breaks and hang-ups are told unasked
        return bool(poll.poll(0))

    def answers_early(self) -> bool:
        """Whether the store has answered or hung up; asked while the body is still being sent."""
        return self.has_news() and not self._tls_noise()

    def _tls_noise(self) -> bool:
        """Whether the readable bytes are session tickets, not an answer: TLS 1.3 sends them after the handshake."""
        if not isinstance(self.sock, ssl.SSLSocket):
            return False
        self.sock.settimeout(0)
        self._timeout = -1.0
        try:
            self._rest += self.sock.recv(_READ)
        except (ssl.SSLWantReadError, BlockingIOError):
            return True
        except OSError:
            return False
        return False

    # -- receiving --------------------------------------------------------------------------------------------------

    def read_head(self, first_byte_timeout: float) -> tuple[int, dict[str, str]]:
        """Read the head of the reply, interim replies skipped.

        Raises:
            StaleConnection: a kept connection that had been closed.
        """
        self._set_timeout(first_byte_timeout)
        data = self._rest
        while True:
            end = data.find(b"\r\n\r\n")
            if end >= 0:
                status, headers = parse_head(data[: end + 2])
                if status >= 200:
                    break
                data = data[end + 4 :]
                continue
            if len(data) > HEAD_LIMIT or not b"HTTP/1.".startswith(data[:7]):
                raise UnexpectedReply("the reply is no HTTP/1.1 message")
            piece = self._recv(_READ_HEAD, stale=self._served > 0 and not data)
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

    def _recv(self, most: int, *, stale: bool = False, eof: bool = False) -> bytes:
        try:
            data = self.sock.recv(most)
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
        try:
            # MSG_WAITALL returns a part of it when the timeout strikes; an SSLSocket takes no flags.
            got = self.sock.recv_into(view) if self._tls else self.sock.recv_into(view, 0, socket.MSG_WAITALL)
        except OSError as error:
            raise self._broken(error) from None
        if not got:
            raise ConnectionBroken("the store closed the connection before the end of its reply")
        return got

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
                limit = struct.pack("@ll", int(seconds), int(seconds % 1 * 1e6))
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        except OSError as error:
            raise self._broken(error) from None


class BlockingPools:
    """Kept blocking connections by endpoint. Thread-safe."""

    def __init__(
        self,
        settings: WireSettings,
        stats: WireStats,
        *,
        context: Callable[[], ssl.SSLContext],
        proxy_for: Callable[[Endpoint], Proxy | None],
    ) -> None:
        self._settings = settings
        self._stats = stats
        self._context = context
        self._proxy_for = proxy_for
        self._lock = threading.Lock()
        self._idle: dict[Endpoint, list[BlockingConnection]] = {}
        self._closed = False

    def take(self, endpoint: Endpoint, *, fresh: bool = False) -> BlockingConnection:
        """Return a kept connection that is still open, or a new one.

        Raises:
            ConnectionBroken: none can be opened.
        """
        while not fresh:
            with self._lock:
                idle = self._idle.get(endpoint)
                if not idle:
                    break
                connection = idle.pop()
            unused = time.monotonic() - connection.stamp
            if unused < _SURELY_OPEN:
                return connection
            if unused <= self._settings.keep_alive and not connection.has_news():
                return connection
            self._drop(connection)
        return self._open(endpoint)

    def give_back(self, connection: BlockingConnection) -> None:
        """Keep a connection if another request may follow, else close it."""
        if connection.reusable:
            connection.stamp = time.monotonic()
            with self._lock:
                idle = self._idle.setdefault(connection.endpoint, [])
                if not self._closed and len(idle) < _IDLE_PER_ENDPOINT:
                    idle.append(connection)
                    return
        self._drop(connection)

    def sweep(self) -> None:
        """Close kept connections that nobody has used for their time."""
        oldest = time.monotonic() - self._settings.keep_alive
        with self._lock:
            old = [one for idle in self._idle.values() for one in idle if one.stamp < oldest]
            for connection in old:
                self._idle[connection.endpoint].remove(connection)
            self._idle = {endpoint: idle for endpoint, idle in self._idle.items() if idle}
        for connection in old:
            self._drop(connection)

    def close(self) -> None:
        """Close the kept connections."""
        with self._lock:
            self._closed = True
            kept = [connection for idle in self._idle.values() for connection in idle]
            self._idle.clear()
        for connection in kept:
            self._drop(connection)

    def _drop(self, connection: BlockingConnection) -> None:
        connection.close()
        with self._lock:
            self._stats.bulk_connections -= 1

    def _open(self, endpoint: Endpoint) -> BlockingConnection:
        proxy = self._proxy_for(endpoint)
        where = route_text(endpoint, proxy)
        try:
            sock = self._connect(endpoint, proxy)
        except TimeoutError:
            raise ConnectFailed(f"no connection to {where} within {self._settings.connect_timeout:g} s") from None
        except (OSError, ValueError) as error:
            raise connect_error(error, where) from None
        with self._lock:
            self._stats.bulk_connections += 1
        plain_proxy = proxy is not None and endpoint.scheme != "https"
        extra = f"User-Agent: {self._settings.user_agent}\r\n" + (proxy.header if proxy and plain_proxy else "")
        prefix = f"http://{endpoint.netloc}" if plain_proxy else ""
        return BlockingConnection(sock, endpoint, self._settings, extra=extra, prefix=prefix)

    def _connect(self, endpoint: Endpoint, proxy: Proxy | None) -> socket.socket:
        to = (proxy.host, proxy.port) if proxy else (endpoint.host, endpoint.port)
        hosts = [name_to_ask(to[0])]
        if endpoint.public:
            judged = public_only(endpoint.host, resolve_now(endpoint.host, endpoint.port))
            hosts = hosts if proxy else judged
        began = time.monotonic()
        sock = _dial(hosts, to[1], self._settings.connect_timeout)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if time.monotonic() - began < _NEAR:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _NEAR_BUFFER)
            if endpoint.scheme == "https":
                if proxy is not None:
                    _tunnel(sock, proxy, endpoint)
                return self._context().wrap_socket(sock, server_hostname=endpoint.host)
            sock.settimeout(None)
        except BaseException:
            sock.close()
            raise
        return sock


def _dial(hosts: list[str], port: int, timeout: float) -> socket.socket:
    """Connect to the first host or address that takes a connection."""
    for host in hosts[:-1]:
        with contextlib.suppress(OSError):
            return socket.create_connection((plain_name(host), port), timeout)
    return socket.create_connection((plain_name(hosts[-1]), port), timeout)


def _tunnel(sock: socket.socket, proxy: Proxy, endpoint: Endpoint) -> None:
    """Ask a proxy for a tunnel."""
    sock.sendall(proxy.connect_head(endpoint))
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0 and len(data) <= HEAD_LIMIT:
        piece = sock.recv(4096)
        if not piece:
            raise OSError("the proxy closed the connection")
        data += piece
    failure = tunnel_failure(data, end)
    if failure is not None:
        raise failure
