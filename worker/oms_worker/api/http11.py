"""What is answered to bytes that are no HTTP request, or whose head is too long, before there is a request at all."""

from __future__ import annotations

import uuid
from typing import Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from oms_worker.api.replies import refusal
from oms_worker.errors import ApiError

MAX_HEAD: Final = 65_536
"""Bytes of a request's head; a token alone may have 16,384."""


class OmsHttp(H11Protocol):
    """uvicorn's protocol, whose own refusal is told as every other one is: coded, as JSON, with a request id."""

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be read, and close."""
        reply = refusal(ApiError("OMS.0004", f"{msg} A request's head has at most {MAX_HEAD} bytes."))
        headers = [*reply.raw_headers, (b"x-request-id", uuid.uuid4().hex.encode()), (b"connection", b"close")]
        for event in (
            h11.Response(status_code=reply.status_code, headers=headers),
            h11.Data(data=bytes(reply.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()
