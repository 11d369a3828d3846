"""Connections before there is a request: how many there may be, how long a head may take, what is no HTTP at all."""

from __future__ import annotations

import asyncio
import uuid
from collections import Counter
from typing import Any, ClassVar, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from oms_worker.api.replies import refusal
from oms_worker.errors import ApiError, Busy
from oms_worker.settings import Limits

MAX_HEAD: Final = 65_536
"""Bytes of a request's head; a token alone may have 16,384."""


class OmsHttp(H11Protocol):
    """uvicorn's protocol with limits; its own refusals are coded, as JSON, with a request id, as every other one is."""

    limits = Limits()
    of_address: ClassVar[Counter[str]] = Counter()
    """Open connections by the address they come from."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a connection, unless there are too many."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._address = self.client[0] if self.client else ""
        self.of_address[self._address] += 1
        self._head_timer: asyncio.TimerHandle | None = None
        if len(self.connections) > self.limits.connections:
            self._refuse(Busy("OMS.2004", "Too many connections are open."))
        elif self.of_address[self._address] > self.limits.connections_per_address:
            self._refuse(Busy("OMS.2004", "Too many connections of one address are open."))
        else:
            self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Count it no longer."""
        self._head_came()
        self.of_address[self._address] -= 1
        if not self.of_address[self._address]:
            del self.of_address[self._address]
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes; a head that was begun must be complete in time."""
        self._await_head()
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._head_came()

    def _await_head(self) -> None:
        under_way = self.cycle is not None and not self.cycle.response_complete
        if self._head_timer is None and not under_way:
            self._head_timer = self.loop.call_later(self.limits.head_seconds, self._head_late)

    def _head_came(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self._refuse(ApiError("OMS.0004", "The request's head comes too slowly.", http_status=408))

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, and close."""
        self._refuse(ApiError("OMS.0004", f"{msg} A request's head has at most {MAX_HEAD} bytes."))

    def _refuse(self, error: ApiError) -> None:
        if self.conn.our_state not in (h11.IDLE, h11.SEND_RESPONSE):
            self.transport.close()
            return
        reply = refusal(error)
        headers = [*reply.raw_headers, (b"x-request-id", uuid.uuid4().hex.encode()), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=reply.status_code, headers=headers),
            h11.Data(data=bytes(reply.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


def limited_http(limits: Limits) -> type[OmsHttp]:
    """Return the protocol of a server with these limits and counts of its own."""
    made: dict[str, Any] = {"limits": limits, "of_address": Counter()}
    return type("OmsHttp", (OmsHttp,), made)
