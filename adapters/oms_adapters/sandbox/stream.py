"""Bytes of one connection: pieces as they arrive, with back-pressure both ways, and no copy on the way in."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, cast

HIGH_WATER = 4 << 20
"""Bytes that may wait unread before the client is held back."""


class ClientGone(Exception):
    """The client closed or broke the connection within a request."""


class Stream(asyncio.Protocol):
    """One accepted connection, served by a coroutine in a task of its own."""

    def __init__(self, serve: Callable[[Stream], Coroutine[Any, Any, None]]) -> None:
        self._serve = serve
        self._pieces: deque[bytes] = deque()
        self._waiting = 0
        self._ended = False
        self._lost = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start serving."""
        self._transport = cast("asyncio.Transport", transport)
        self._task = asyncio.get_running_loop().create_task(self._serve(self))

    def data_received(self, data: bytes) -> None:
        """Keep a piece until it is read."""
        self._pieces.append(data)
        self._waiting += len(data)
        if self._waiting > HIGH_WATER:
            self._transport.pause_reading()
        self._readable.set()

    def eof_received(self) -> bool:
        """Note that the client sends no more; it may still listen, except over TLS."""
        self._ended = True
        self._readable.set()
        return self._transport.get_extra_info("sslcontext") is None

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake whoever waits for the client."""
        del exc
        self._ended = self._lost = True
        self._readable.set()
        self._writable.set()

    def pause_writing(self) -> None:
        """Hold the server back."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let the server go on."""
        self._writable.set()

    async def read(self) -> bytes:
        """Return the next piece, empty at the end."""
        while not self._pieces:
            if self._ended:
                return b""
            self._readable.clear()
            await self._readable.wait()
        data = self._pieces.popleft()
        if self._waiting > HIGH_WATER >= self._waiting - len(data) and not self._lost:
            self._transport.resume_reading()
        self._waiting -= len(data)
        return data

    async def write(self, data: bytes | memoryview) -> None:
        """Send bytes, waiting while the client does not take them.

        Raises:
            ClientGone: the client is not there any more.
        """
        if self._lost:
            raise ClientGone
        self._transport.write(data)
        await self._writable.wait()

    def reset(self) -> None:
        """Drop the connection so that the client sees a reset (TCP RST)."""
        linger_never = struct.pack("ii", 1, 0)
        self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger_never)
        self._transport.abort()

    def close(self) -> None:
        """Close the connection once everything written is sent."""
        self._transport.close()
