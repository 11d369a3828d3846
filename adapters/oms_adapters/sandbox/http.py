"""The HTTP/1.1 server of the sandbox: h11 on asyncio.

h11 parses what our own client writes, and refuses what is not HTTP: an outside judge. Nothing here knows a cloud.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from http import HTTPStatus

import h11

from oms_adapters.sandbox.stream import ClientGone, Stream

HEAD_LIMIT = 64 * 1024
SMALL = 64 * 1024

Headers = Sequence[tuple[str, str]]


class Closed(Exception):
    """The handler has closed the connection on purpose: nothing more is sent."""


class Exchange:
    """One request and its reply on a connection."""

    def __init__(self, connection: Connection, request: h11.Request) -> None:
        self._connection = connection
        self.method = request.method.decode("ascii")
        self.target = request.target.decode("ascii")
        self.must_close = False
        self.headers = [(name.decode("ascii"), _text(value)) for name, value in request.headers]

    async def body(self) -> AsyncIterator[bytes]:
        """Yield the request's body; sends 100 Continue first when the client waits for it.

        Raises:
            ClientGone: the body ended early.
        """
        while True:
            event = await self._connection.next_event()
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                return
            else:
                raise ClientGone

    @property
    def body_read(self) -> bool:
        """Whether the request has been received to its end."""
        return self._connection.machine.their_state in {h11.DONE, h11.MUST_CLOSE}

    @property
    def waiting(self) -> bool:
        """Whether the client waits for 100 Continue before it sends its body."""
        return self._connection.machine.they_are_waiting_for_100_continue

    async def discard(self) -> None:
        """Read the rest of the body, unless the client still waits to be asked for it."""
        if self.waiting:
            return
        while not self.body_read:
            if isinstance(await self._connection.next_event(), h11.EndOfMessage | h11.ConnectionClosed):
                return

    async def reply(self, status: int, headers: Headers, body: Iterable[bytes | memoryview] = ()) -> None:
        """Send a whole reply as the protocol wants it. Small ones go out in one write."""
        self.must_close = self.waiting  # whether its body follows, nobody can tell
        await self._connection.send_reply(status, headers, body)

    async def raw(self, data: bytes | memoryview) -> None:
        """Send bytes as they are, whatever the protocol says; the connection must be closed afterwards."""
        await self._connection.stream.write(data)

    def abort(self, *, reset: bool = False) -> Closed:
        """Drop the connection and return the exception to raise."""
        if reset:
            self._connection.stream.reset()
        else:
            self._connection.stream.close()
        return Closed()


Handler = Callable[[Exchange], Awaitable[None]]


class Connection:
    """One client connection: requests in turn until either side has enough."""

    def __init__(self, stream: Stream) -> None:
        self.machine = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_LIMIT)
        self.stream = stream

    async def next_event(self) -> h11.Event | type[h11.PAUSED]:
        """Return the next event of the request that is being received."""
        while True:
            event = self.machine.next_event()
            if event is not h11.NEED_DATA:
                return event  # type: ignore[return-value]
            if self.machine.they_are_waiting_for_100_continue:
                await self.stream.write(
                    self.machine.send(h11.InformationalResponse(status_code=100, headers=[])) or b""
                )
            self.machine.receive_data(await self.stream.read())

    async def send_reply(self, status: int, headers: Headers, body: Iterable[bytes | memoryview]) -> None:
        """Send head and body, gathered while they are small."""
        head = h11.Response(
            status_code=status,
            headers=[(name.encode("ascii"), value.encode("latin-1")) for name, value in headers],
            reason=_reason(status),
        )
        waiting = [self.machine.send(head) or b""]
        gathered = 0
        for piece in body:
            # h11 passes the piece through untouched; only its framing is bytes of its own
            waiting.extend(self.machine.send_with_data_passthrough(h11.Data(data=piece)) or [])  # type: ignore[arg-type]
            gathered += len(piece)
            if gathered > SMALL:
                await self.stream.write(b"".join(waiting))
                waiting, gathered = [], 0
        waiting.append(self.machine.send(h11.EndOfMessage()) or b"")
        await self.stream.write(b"".join(waiting))


async def serve_connection(stream: Stream, handler: Handler) -> None:
    """Serve one connection until it closes."""
    connection = Connection(stream)
    try:
        while await _serve_one(connection, handler):
            connection.machine.start_next_cycle()
    except (ClientGone, Closed, asyncio.CancelledError):
        pass
    except h11.RemoteProtocolError as error:
        with contextlib.suppress(ClientGone):
            await connection.stream.write(
                b"HTTP/1.1 %d Bad Request\r\ncontent-length: 0\r\nconnection: close\r\n\r\n" % error.error_status_hint
            )
    finally:
        stream.close()


async def _serve_one(connection: Connection, handler: Handler) -> bool:
    event = await connection.next_event()
    if not isinstance(event, h11.Request):
        return False
    exchange = Exchange(connection, event)
    await handler(exchange)
    machine = connection.machine
    if exchange.must_close:
        return False
    await exchange.discard()
    return machine.our_state is h11.DONE and machine.their_state is h11.DONE


def _text(value: bytes) -> str:
    """Return a header value as latin-1 text of its bytes."""
    return value.decode("latin-1")


def _reason(status: int) -> bytes:
    try:
        return HTTPStatus(status).phrase.encode("ascii")
    except ValueError:
        return b""
