"""The body of a streamed reply, between the connection that feeds it and whoever reads it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from typing import Protocol

from oms_engine.errors import StoreError


class Pausable(Protocol):
    """What a stream asks of its connection."""

    def pause(self) -> None:
        """Stop reading from the socket."""
        ...

    def resume(self) -> None:
        """Go on reading."""
        ...

    def abort(self) -> None:
        """Cut the connection now."""
        ...


class BodyStream:
    """The bytes of a streamed reply, as they come; pauses the socket while its reader is behind."""

    __slots__ = ("_connection", "_error", "_high", "_pieces", "_size", "_wakeup", "done", "paused")

    def __init__(self, connection: Pausable, high: int) -> None:
        self._connection = connection
        self._high = high
        self._pieces: deque[bytes] = deque()
        self._size = 0
        self._wakeup: asyncio.Future[None] | None = None
        self._error: StoreError | None = None
        self.paused = False
        self.done = False

    def feed(self, data: bytes) -> None:
        """Add bytes."""
        if not data:
            return
        self._pieces.append(data)
        self._size += len(data)
        if self._size > self._high and not self.paused:
            self.paused = True
            self._connection.pause()
        self._wake()

    def end(self, error: StoreError | None) -> None:
        """State the end, good or bad."""
        self.done = True
        self._error = error
        if self.paused:
            self.paused = False
            self._connection.resume()
        self._wake()

    def close(self) -> None:
        """Give up the rest."""
        if not self.done:
            self._connection.abort()

    def _wake(self) -> None:
        if self._wakeup is not None and not self._wakeup.done():
            self._wakeup.set_result(None)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            while self._pieces:
                data = self._pieces.popleft()
                self._size -= len(data)
                if self.paused and self._size <= self._high // 2:
                    self.paused = False
                    self._connection.resume()
                yield data
            if self.done:
                break
            self._wakeup = asyncio.get_running_loop().create_future()
            await self._wakeup
        if self._error is not None:
            raise self._error
