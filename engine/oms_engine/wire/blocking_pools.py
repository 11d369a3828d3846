"""Kept blocking connections of the bulk lane, by endpoint."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable

from oms_engine.netguard import public_only
from oms_engine.store import Endpoint
from oms_engine.wire.blocking import BlockingConnection
from oms_engine.wire.codec import HEAD_LIMIT
from oms_engine.wire.dns import name_to_ask, plain_name, resolve_now
from oms_engine.wire.proxy import Proxy, route_text, tunnel_failure
from oms_engine.wire.retry import ConnectFailed
from oms_engine.wire.settings import WireSettings, WireStats
from oms_engine.wire.tls import connect_error

_NEAR = 0.002
_NEAR_BUFFER = 1_000_000
"""Connected within 2 ms: a fixed send buffer, which holds more than such a way can, wakes both ends less often than one
that grows (6 % of the time of 200 x 4 MB). Farther away the kernel's growing one may become larger."""

_SURELY_OPEN = 0.1
"""Seconds: no store closes a kept connection sooner. One whose server ended in that time costs an attempt."""

_IDLE_PER_ENDPOINT = 64


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
    until = time.monotonic() + (sock.gettimeout() or 0.0)
    sock.sendall(proxy.connect_head(endpoint))
    data = b""
    while (end := data.find(b"\r\n\r\n")) < 0 and len(data) <= HEAD_LIMIT:
        if time.monotonic() > until:
            raise TimeoutError("the proxy's answer trickles")
        piece = sock.recv(4096)
        if not piece:
            raise OSError("the proxy closed the connection")
        data += piece
    failure = tunnel_failure(data, end)
    if failure is not None:
        raise failure
