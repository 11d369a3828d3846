"""What every request passes, outermost first: request id, limits, authentication, the last resort for errors.

Pure ASGI, because some signatures cover a body that must be read first. Credentials are taken from the head and looked
up before a body is read; a stranger's body is read up to 64 KiB only. Bodies are read whole, within a budget of all
bodies and not slower than a rate: the largest that OMS takes is 12 MB
(https://support.huaweicloud.com/intl/en-us/api-oms/oms_api_0004.html).
"""

from __future__ import annotations

import logging
import re
import time
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from oms_engine.model import Secret
from oms_engine.store import KIB, MIB
from oms_worker.api import auth
from oms_worker.api.body_reader import MAX_BODY, BodyBudget, BodyReader
from oms_worker.api.context import Context
from oms_worker.api.replays import Replays
from oms_worker.api.replies import answer_at
from oms_worker.errors import ApiError, Unauthorized
from oms_worker.journal_log import REQUEST_ID
from oms_worker.services.caller import Caller
from oms_worker.services.users import Signer

PUBLIC_BODY = 64 * KIB
"""Of a request without credentials."""
MAX_TOKEN = 16_384
PUBLIC = re.compile(r"/|/v[12]/?|/healthz|/readyz|/metrics|/openapi\.json|/v3/auth/tokens", re.ASCII)
"""Asked without credentials: versions, health, figures, the document, and what gives credentials."""

OPTIONAL = re.compile(r"/v3\.0/OS-CREDENTIAL/securitytokens", re.ASCII)
"""Asked with credentials, or with a token in the body."""

logger = logging.getLogger("openoms.api")

Noted = Callable[[Scope, int], None]
"""Called at the end of every request with its scope and HTTP status."""


class Gate:
    """The outermost layer of the API."""

    def __init__(self, app: ASGIApp, context: Context, noted: Noted | None = None) -> None:
        self._app = app
        self._context = context
        self._noted = noted
        self._limits = context.settings.limits
        self._bodies = BodyBudget(self._limits.body_memory_mib * MIB)
        self._replays = Replays()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope["request_id"], scope["began"] = uuid.uuid4().hex, time.perf_counter()
        REQUEST_ID.set(scope["request_id"])
        sender = _Sender(send, scope["request_id"])
        try:
            await self._admit(scope, receive, sender)
        except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, the client is told in OMS's form
            reply = answer_at(scope, error)
            if not isinstance(error, ApiError):
                _report(error, scope)
            if not sender.started:
                await reply(scope, receive, sender)
        finally:
            if self._noted is not None:
                self._noted(scope, sender.status)

    async def _admit(self, scope: Scope, receive: Receive, send: _Sender) -> None:
        reader = BodyReader(scope, receive, self._bodies, self._limits)
        try:
            body = await self._body(scope, reader)
            with self._once(scope, send):
                await self._app(scope, _replay(body, receive), send)
        finally:
            send.closing = not reader.complete
            reader.release()

    @contextmanager
    def _once(self, scope: Scope, send: _Sender) -> Iterator[None]:
        """Let a signed request be served once, unless it changes nothing.

        Raises:
            Unauthorized: it came already.
        """
        signature = scope.get("signature")
        if signature is None or self._limits.replays:
            yield
            return
        self._replays.admit(scope, signature)
        try:
            yield
        finally:
            if send.status >= 400:
                self._replays.forget(signature)

    async def _body(self, scope: Scope, reader: BodyReader) -> bytes:
        """Find out who calls, and read the body.

        Raises:
            ApiError: nobody who is known, a body too large or too slow, or no room for it.
        """
        if not _needs_credentials(scope):
            return await reader.read(PUBLIC_BODY)
        try:
            verified = await self._caller(scope)
        except Unauthorized:
            await reader.discard(PUBLIC_BODY)
            raise
        body = await reader.read(MAX_BODY)
        scope["caller"] = verified(body)
        return body

    async def _caller(self, scope: Scope) -> Callable[[bytes], Caller]:
        """Find out from the head who calls; return what verifies the body and gives the caller.

        Raises:
            Unauthorized: the head alone tells that nobody does.
        """
        headers = [(name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"]]
        given = dict(headers)
        token = given.get("x-auth-token", "")
        if token:
            if len(token) > MAX_TOKEN:
                code = "S3M.0163" if scope["path"].startswith("/v1/") else "OMS.0068"
                raise Unauthorized(code, f"A token has at most {MAX_TOKEN} characters.")
            caller = await self._context.users.caller_of_token(Secret(token))
            return lambda _body: caller
        if "authorization" not in given:
            raise Unauthorized(auth.REFUSED, "Sign the request, or send X-Auth-Token.")
        request = auth.SignedRequest(scope["method"], _raw_path(scope), scope["query_string"], headers, b"")
        authorization = auth.parse_authorization(given["authorization"])
        scope["signature"] = authorization.signature
        auth.check_date(request, self._context.clock())
        signer = await self._signer(authorization.access_key, given.get("x-security-token", ""))
        if not auth.states_body(request, authorization):

            def verify(body: bytes) -> Caller:
                whole = request._replace(body=body)
                if scope["scheme"] == "http" and not self._limits.unsigned_payload:
                    auth.refuse_unsigned_body(whole, authorization)
                auth.verify(whole, authorization, signer.secret_key, self._context.clock())
                return signer.caller

            return verify
        auth.verify(request, authorization, signer.secret_key, self._context.clock(), head_alone=True)

        def compare(body: bytes) -> Caller:
            auth.refuse_other_body(request._replace(body=body))
            return signer.caller

        return compare

    async def _signer(self, access_key: str, token: str) -> Signer:
        if token:
            return await self._context.users.temporary_signer(access_key, Secret(token[: MAX_TOKEN + 1]))
        return await self._context.users.signer(access_key)


def _needs_credentials(scope: Scope) -> bool:
    if OPTIONAL.fullmatch(scope["path"]):
        return any(name in {b"x-auth-token", b"authorization"} for name, _ in scope["headers"])
    return not PUBLIC.fullmatch(scope["path"])


def _raw_path(scope: Scope) -> bytes:
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0]


def _replay(body: bytes, receive: Receive) -> Callable[[], Awaitable[Message]]:
    """Return what gives the body that was read already, then whatever comes."""
    waiting = [body]

    async def again() -> Message:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return again


class _Sender:
    """Sends, and adds the headers of every reply."""

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._id = request_id.encode()
        self.started = False
        self.status = 500
        self.closing = False
        """The body was not read to its end: the connection cannot be used further."""

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.started = True
            self.status = message["status"]
            message = {**message, "headers": [*message.get("headers", ()), *self._headers()]}
        await self._send(message)

    def _headers(self) -> list[tuple[bytes, bytes]]:
        closing = [(b"connection", b"close")] if self.closing else []
        return [
            (b"x-request-id", self._id),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
            *closing,
        ]


def _report(error: Exception, scope: Scope) -> None:
    logger.error("request %s failed: %s", scope["request_id"], type(error).__name__, exc_info=error)
