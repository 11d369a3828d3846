"""Bodies of requests: read whole, up to a size, not slower than a rate, and within a budget of all bodies."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import Receive, Scope

from oms_engine.store import MIB
from oms_worker.errors import ApiError, Busy
from oms_worker.settings import Limits

MAX_BODY: Final = 12 * MIB
GRACE_SECONDS: Final = 10.0
"""Every body has this long; a larger one as long as its rate gives it."""


class BodyBudget:
    """Bytes of all bodies that are held at once."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0

    def take(self, size: int) -> None:
        """Hold more bytes.

        Raises:
            Busy: OMS.2004, there is no room.
        """
        if self._held + size > self._most:
            raise Busy("OMS.2004", "Too many requests with large bodies are under way.")
        self._held += size

    def give(self, size: int) -> None:
        """Give bytes back."""
        self._held -= size


class BodyReader:
    """Reads the body of one request."""

    def __init__(self, scope: Scope, receive: Receive, budget: BodyBudget, limits: Limits) -> None:
        self._receive = receive
        self._budget = budget
        self._rate = limits.body_bytes_per_second
        self._stated = _stated_length(scope)
        self._size = self._held = 0
        self._began = asyncio.get_running_loop().time()
        self.complete = self._stated == 0
        """Whether the last byte came."""

    async def read(self, limit: int) -> bytes:
        """Return the whole body.

        Raises:
            ApiError: APIGW.0201 it is larger than ``limit``; OMS.0004 it was cut, or comes too slowly.
            Busy: the budget of all bodies is used up.
        """
        if self._stated > limit:
            raise _too_large(limit)
        parts: list[bytes] = []
        more = True
        while more:
            part, more = await self._next()
            if self._size > limit:
                raise _too_large(limit)
            self._budget.take(len(part))
            self._held += len(part)
            parts.append(part)
        self.complete = True
        return b"".join(parts)

    async def discard(self, limit: int) -> None:
        """Read a small body away, so that the connection serves further requests; leave a large one where it is."""
        if self.complete or self._stated > limit:
            return
        more = True
        while more and self._size <= limit:
            _, more = await self._next()
        self.complete = not more

    def release(self) -> None:
        """Give the budget back."""
        self._budget.give(self._held)
        self._held = 0

    async def _next(self) -> tuple[bytes, bool]:
        deadline = self._began + GRACE_SECONDS + self._size / self._rate
        try:
            async with asyncio.timeout_at(deadline):
                message = await self._receive()
        except TimeoutError:
            raise ApiError("OMS.0004", "The body comes too slowly.", http_status=408) from None
        if message["type"] == "http.disconnect":
            raise ApiError("OMS.0004", "The request was cut.")
        part: bytes = message.get("body", b"")
        self._size += len(part)
        return part, bool(message.get("more_body", False))


def _stated_length(scope: Scope) -> int:
    stated = next((value for name, value in scope["headers"] if name == b"content-length"), None)
    if stated is not None and stated.isdigit():
        return int(stated)
    chunked = any(name == b"transfer-encoding" for name, _ in scope["headers"])
    return 1 if chunked else 0


def _too_large(limit: int) -> ApiError:
    return ApiError("APIGW.0201", f"At most {limit} bytes are taken.", http_status=413)
