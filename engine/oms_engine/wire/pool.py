"""Keep-alive connections of one endpoint on the event loop."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from typing import cast

from oms_engine.errors import ConnectionBroken
from oms_engine.netguard import public_only
from oms_engine.pace import Pace
from oms_engine.store import Endpoint
from oms_engine.wire.codec import HEAD_LIMIT
from oms_engine.wire.dns import Resolver
from oms_engine.wire.http1 import Connection
from oms_engine.wire.proxy import Proxy, route_text, tunnel_failure
from oms_engine.wire.retry import ConnectFailed
from oms_engine.wire.settings import WireSettings, WireStats
from oms_engine.wire.tls import connect_error


class Pool:
    """Connections to one endpoint: the one used last is used next, so surplus ones grow old and are closed."""

    def __init__(
        self,
        endpoint: Endpoint,
        settings: WireSettings,
        stats: WireStats,
        resolver: Resolver,
        *,
        context: ssl.SSLContext | None,
        proxy: Proxy | None,
    ) -> None:
        self.endpoint = endpoint
        self.settings = settings
        self.stats = stats
        self.idle: list[Connection] = []
        self.pace = Pace()
        self.reached = False
        """A connection has been made at least once."""
        plain_proxy = proxy is not None and context is None
        self.extra = f"User-Agent: {settings.user_agent}\r\n" + (proxy.header if proxy and plain_proxy else "")
        """Ready header lines of every request."""
        self.prefix = f"http://{endpoint.netloc}" if plain_proxy else ""
        """What stands before the path in the request line."""
        self._all: set[Connection] = set()
        self._opening = 0
        self._closed = False
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._resolver = resolver
        self._context = context
        self._proxy = proxy
        self._loop = asyncio.get_running_loop()

    @property
    def unused(self) -> bool:
        """Whether nobody would miss it: no connection, nobody who waits, no word to slow down."""
        return not (self._all or self._opening or self._waiters or self.pace.not_before)

    async def acquire(self, *, fresh: bool = False) -> Connection:
        """Return a connection that is kept or opened, waiting for one when all are in use.

        Raises:
            ConnectionBroken: none can be opened.
        """
        while True:
            if self._closed:
                raise ConnectionBroken("the wire was closed")
            if self.idle and not fresh:
                return self.idle.pop()
            if len(self._all) + self._opening < self.settings.max_connections:
                return await self._open()
            if self.idle:
                self.idle[0].abort()
                continue
            connection = await self._wait()
            if connection is not None and not connection.closed:
                return connection

    async def _wait(self) -> Connection | None:
        """Wait for a connection to be handed over, or for room (None)."""
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            return await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                connection = waiter.result()
                if connection is not None and not connection.closed:
                    self.release(connection)
                else:
                    self._wake(None)
            raise

    def release(self, connection: Connection) -> None:
        """Take back a connection whose reply is complete."""
        if not self._waiters or not self._wake(connection):
            connection.stamp = self._loop.time()
            self.idle.append(connection)

    def forget(self, connection: Connection) -> None:
        """Drop a closed connection and let a waiter open another."""
        if connection in self._all:
            self._all.discard(connection)
            self.stats.loop_connections -= 1
        if connection in self.idle:
            self.idle.remove(connection)
        self._wake(None)

    def _wake(self, connection: Connection | None) -> bool:
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return True
        return False

    def sweep(self, now: float) -> None:
        """Enforce timeouts and close connections that have been idle too long."""
        oldest = now - self.settings.keep_alive
        while self.idle and self.idle[0].stamp < oldest:
            self.idle[0].abort()
        for connection in list(self._all):
            connection.check(now)

    def close(self) -> None:
        """Cut every connection; whoever waits for one is told."""
        self._closed = True
        for connection in list(self._all):
            connection.abort()
        while self._wake(None):
            pass

    async def _open(self) -> Connection:
        self._opening += 1
        where = route_text(self.endpoint, self._proxy)
        try:
            async with asyncio.timeout(self.settings.connect_timeout):
                connection = await self._connect()
        except TimeoutError:
            self._wake(None)
            raise ConnectFailed(f"no connection to {where} within {self.settings.connect_timeout:g} s") from None
        except (OSError, ValueError) as error:
            self._wake(None)
            raise connect_error(error, where) from None
        except BaseException:
            self._wake(None)
            raise
        finally:
            self._opening -= 1
        if self._closed:
            connection.abort()
        if connection.closed:
            self._wake(None)
            raise ConnectionBroken(f"the connection to {where} was closed at once")
        self.reached = True
        self._all.add(connection)
        self.stats.loop_connections += 1
        return connection

    async def _connect(self) -> Connection:
        host, port = (self._proxy.host, self._proxy.port) if self._proxy else (self.endpoint.host, self.endpoint.port)
        addresses = await self._resolver.resolve(host, port)
        if self.endpoint.public:
            addresses = await self._judged(addresses)
        failure: OSError | None = None
        for address in addresses:
            try:
                return await self._connect_to(address, port)
            except ssl.SSLError:
                raise
            except OSError as error:
                failure = error
        self._resolver.forget(host, port)
        raise failure or OSError(f"{host} has no address")

    async def _judged(self, addresses: list[str]) -> list[str]:
        """Return the addresses that a URL out of a list may be fetched from.

        A proxy resolves the name for itself: all that can be done here is to ask whether it may be fetched at all.

        Raises:
            AddressRefused: it leads into a private network.
        """
        if self._proxy is None:
            return public_only(self.endpoint.host, addresses)
        public_only(self.endpoint.host, await self._resolver.resolve(self.endpoint.host, self.endpoint.port))
        return addresses

    async def _connect_to(self, address: str, port: int) -> Connection:
        connection = Connection(self, self._loop)
        name = self.endpoint.host if self._context else None
        if self._proxy is None or self._context is None:
            context = None if self._proxy else self._context
            await self._loop.create_connection(
                lambda: cast("asyncio.Protocol", connection),
                address,
                port,
                ssl=context,
                server_hostname=name if context else None,
            )
            return connection
        tunnel = _Tunnel(self._loop)
        transport, _ = await self._loop.create_connection(lambda: tunnel, address, port)
        try:
            transport.write(self._proxy.connect_head(self.endpoint))
            await tunnel.ready
            secured = await self._loop.start_tls(transport, tunnel, self._context, server_hostname=name)
        except BaseException:
            transport.abort()
            raise
        assert secured is not None
        secured.set_protocol(cast("asyncio.Protocol", connection))
        connection.connection_made(secured)
        return connection


class _Tunnel(asyncio.Protocol):
    """Awaits a proxy's answer to CONNECT."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.ready: asyncio.Future[None] = loop.create_future()
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        end = self._buffer.find(b"\r\n\r\n")
        if self.ready.done() or (end < 0 and len(self._buffer) <= HEAD_LIMIT):
            return
        failure = tunnel_failure(self._buffer, end)
        if failure is None:
            self.ready.set_result(None)
        else:
            self.ready.set_exception(failure)

    def connection_lost(self, _exc: Exception | None) -> None:
        if not self.ready.done():
            self.ready.set_exception(OSError("the proxy closed the connection"))
