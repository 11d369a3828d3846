"""One cloud at work: each request is matched with faults, authenticated, received, performed, answered and logged."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from oms_adapters.sandbox import buckets, objects, uploads
from oms_adapters.sandbox.blob import Blob
from oms_adapters.sandbox.context import Context, State
from oms_adapters.sandbox.core import plain_etag
from oms_adapters.sandbox.dialect import Account
from oms_adapters.sandbox.faults import (
    Action,
    Answer,
    Cut,
    Delay,
    DemandMd5,
    ErrorIn200,
    FaultTable,
    FlipRequestBit,
    FlipStoredBit,
    Garbage,
    Hollow,
    IgnoreConditions,
    LosePart,
    LoseReply,
    LoseWrite,
    Redirect,
    ServePage,
    StoreOther,
    Unversioned,
)
from oms_adapters.sandbox.folding import folded
from oms_adapters.sandbox.http import Exchange
from oms_adapters.sandbox.misbehave import send
from oms_adapters.sandbox.receive import receive
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.reply import Reply, xml_reply
from oms_adapters.sandbox.request import Incoming, relocate
from oms_adapters.sandbox.xmltext import HEAD, http_time, text_of

LOG_LIMIT = 500_000

_OPERATIONS: dict[str, Callable[[Context], Reply]] = {
    "ListBuckets": buckets.list_buckets,
    "HeadBucket": buckets.head_bucket,
    "CreateBucket": buckets.create_bucket,
    "DeleteBucket": buckets.delete_bucket,
    "GetBucketLocation": buckets.get_location,
    "GetApiVersion": buckets.get_api_version,
    "ListObjects": buckets.list_objects,
    "ListObjectsV2": buckets.list_objects,
    "ListMultipartUploads": buckets.list_uploads,
    "DeleteObjects": buckets.delete_objects,
    "GetObject": objects.get_object,
    "HeadObject": objects.head_object,
    "PutObject": objects.put_object,
    "AppendObject": objects.append_object,
    "DeleteObject": objects.delete_object,
    "RestoreObject": objects.restore_object,
    "CreateMultipartUpload": uploads.create_upload,
    "UploadPart": uploads.upload_part,
    "ListParts": uploads.list_parts,
    "CompleteMultipartUpload": uploads.complete_upload,
    "AbortMultipartUpload": uploads.abort_upload,
}


class LogEntry(NamedTuple):
    """One request as the cloud saw it."""

    method: str
    bucket: str
    key: str
    query: str
    status: int
    """0 when no reply was sent."""
    operation: str
    when: float
    """By the machine's clock."""
    fault: str
    """The action's name, empty when the cloud behaved."""


class Service:
    """Answers the requests of one cloud."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.faults = FaultTable()
        self.log: deque[LogEntry] = deque(maxlen=LOG_LIMIT)
        self._recent: deque[float] = deque()

    def now(self) -> float:
        """Return the cloud's time."""
        return time.time() + self.state.settings.clock_skew

    def add_account(self, account: Account) -> None:
        """Let a further access key in."""
        self.state.accounts[account.access_key] = account

    async def handle(self, exchange: Exchange) -> None:
        """Answer one request."""
        try:
            domains = self.state.settings.domains
            incoming = self.state.dialect.parse_request(exchange.method, exchange.target, exchange.headers, domains)
            if self.state.settings.bound:
                relocate(incoming, self.state.settings.bound)
        except Refusal as refusal:
            await exchange.discard()
            incoming = Incoming(exchange.method, exchange.target, "", dict(exchange.headers))
            await self._send(exchange, incoming, self._refuse(incoming, refusal), None)
            return
        action = self.faults.strike(incoming)
        await self._before(exchange, incoming, action)
        reply = await self._perform(exchange, incoming, action)
        if isinstance(action, LoseReply):
            self._note(incoming, 0, action)
            raise exchange.abort()
        await self._send(exchange, incoming, reply, action)

    async def _before(self, exchange: Exchange, incoming: Incoming, action: Action | None) -> None:
        if self.state.settings.latency:
            await asyncio.sleep(self.state.settings.latency)
        if isinstance(action, Delay) and not action.within_body:
            await asyncio.sleep(action.seconds)
        if isinstance(action, Cut) and action.head is None and action.body is None:
            self._note(incoming, 0, action)
            raise exchange.abort(reset=action.reset)
        if isinstance(action, Garbage):
            self._note(incoming, 0, action)
            await exchange.discard()
            await exchange.raw(action.data)
            raise exchange.abort()

    async def _perform(self, exchange: Exchange, incoming: Incoming, action: Action | None) -> Reply:
        try:
            return await self._operate(exchange, incoming, action)
        except Refusal as refusal:
            if not (isinstance(action, Answer) and action.early):
                await exchange.discard()
            return self._refuse(incoming, refusal)

    async def _operate(self, exchange: Exchange, incoming: Incoming, action: Action | None) -> Reply:
        self._check_rate()
        _refuse_on_demand(incoming, action)
        dialect = self.state.dialect.for_request(incoming)
        context = Context(self.state, dialect, incoming, self.now())
        if incoming.operation not in dialect.unsigned:
            context.payload_hash = dialect.authenticate(incoming, self.state.accounts, context.now)
            self._check_permission(incoming)
        flip = action.offset if isinstance(action, FlipRequestBit) else None
        context.body = await receive(exchange, incoming, context.payload_hash, flip=flip)
        if isinstance(action, DemandMd5) and not _announces_checksum(incoming):
            raise Refusal("InvalidRequest", "Content-MD5 OR x-amz-checksum- HTTP header is required")
        if isinstance(action, IgnoreConditions | Unversioned):
            incoming.headers.pop("if-match", None)
        if isinstance(action, ErrorIn200):
            return xml_reply(f"{HEAD}<Error><Code>{action.code}</Code><Message/></Error>".encode())
        if isinstance(action, Hollow):
            return Reply(action.status, [], Blob([action.body]), 0, len(action.body))
        if isinstance(action, FlipStoredBit):
            context.body = context.body.flipped(action.offset)
        context.now = self.now()
        if self.state.settings.fold and incoming.key:
            incoming.key = folded(self.state, incoming)
        perform = dialect.operations.get(incoming.operation) or _OPERATIONS[incoming.operation]
        reply = _losing(context, perform, action) if isinstance(action, LoseWrite) else perform(context)
        assert isinstance(reply, Reply)
        return _changed(context, action, reply)

    def _check_permission(self, incoming: Incoming) -> None:
        """Refuse an operation that is denied to the account whose key the signature names."""
        signature = incoming.headers.get("authorization", "")
        for account in self.state.accounts.values():
            if incoming.operation in account.deny and account.access_key in signature:
                raise Refusal("AccessDenied")

    def _check_rate(self) -> None:
        limit = self.state.settings.max_requests_per_second
        if limit is None:
            return
        now = time.monotonic()
        while self._recent and self._recent[0] <= now - 1:
            self._recent.popleft()
        if len(self._recent) >= limit:
            raise Refusal("SlowDown")
        self._recent.append(now)

    def _refuse(self, incoming: Incoming, refusal: Refusal) -> Reply:
        bare = incoming.method == "HEAD" or refusal.status == 304
        dialect = self.state.dialect.for_request(incoming)
        refusal = dialect.translate(refusal)
        document = dialect.render_error(refusal, incoming.path, secrets.token_hex(8).upper())
        reply = Reply(refusal.status, bodiless=True) if bare else xml_reply(document, refusal.status)
        reply.headers += refusal.headers
        if incoming.method == "HEAD":
            reply.headers += dialect.render_head_error(document)
        return reply

    async def _send(self, exchange: Exchange, incoming: Incoming, reply: Reply, action: Action | None) -> None:
        dialect = self.state.dialect.for_request(incoming)
        request_id = secrets.token_hex(8).upper()
        reply.headers += [
            (dialect.prefix + "request-id", request_id),
            (dialect.prefix + "id-2", "sandbox"),
            ("date", http_time(self.now())),
            ("server", dialect.server),
        ]
        if exchange.waiting:
            reply.headers.append(("connection", "close"))
        if dialect.titled_headers:
            reply.headers = [(_titled(name, dialect.prefix), value) for name, value in reply.headers]
        self._note(incoming, reply.status, action)
        await send(exchange, reply, action)

    def _note(self, incoming: Incoming, status: int, action: Action | None) -> None:
        fault = type(action).__name__ if action else ""
        self.log.append(
            LogEntry(incoming.method, incoming.bucket, text_of(incoming.key), incoming.raw_query, status,
                     incoming.operation, time.time(), fault)
        )  # fmt: skip


def _titled(name: str, prefix: str) -> str:
    """Return a header's name as most servers write it; the vendor's own stay in lower case."""
    if name.startswith(prefix):
        return name
    return "ETag" if name == "etag" else name.title()


def _losing(context: Context, perform: Callable[[Context], Reply], action: LoseWrite) -> Reply:
    """Perform a write and undo it, as far as the object is concerned."""
    bucket, key = context.bucket(), context.incoming.key
    before = bucket.objects.get(key)
    reply = perform(context)
    if action.cached and key in bucket.objects:
        bucket.cached[key] = bucket.objects[key]
    if before is None:
        bucket.delete(key)
    else:
        bucket.put(key, before)
    return reply


def _changed(context: Context, action: Action | None, reply: Reply) -> Reply:
    """Return the reply to an operation that was performed; some faults change it, or what was stored."""
    if isinstance(action, ServePage):
        return Reply(200, [("content-type", "text/html")], Blob([b"<html>".ljust(reply.size)]), 0, reply.size)
    if isinstance(action, Unversioned):
        reply.headers = [pair for pair in reply.headers if pair[0] not in {"etag", "last-modified"}]
    if isinstance(action, LosePart | StoreOther):
        objects, key = context.bucket().objects, context.incoming.key
        item = objects[key]
        if isinstance(action, LosePart):
            half = Blob(bytes(piece) for piece in item.blob.read(0, item.blob.size // 2))
            objects[key] = replace(item, blob=half)
        else:
            blob = item.blob.flipped(item.blob.size // 2)
            objects[key] = replace(item, blob=blob, etag=plain_etag(blob, item.stored) + item.etag[32:])
            if action.stated:
                document = reply.blob.whole().replace(item.etag.encode(), objects[key].etag.encode())
                return replace(reply, blob=Blob([document]))
    return reply


def _refuse_on_demand(incoming: Incoming, action: Action | None) -> None:
    if isinstance(action, Answer):
        headers = () if action.retry_after is None else (("retry-after", f"{action.retry_after:g}"),)
        raise Refusal(action.code, status=action.status, headers=headers)
    if isinstance(action, Redirect):
        query = f"?{incoming.raw_query}" if incoming.raw_query else ""
        location = f"{action.location.rstrip('/')}{incoming.path}{query}"
        raise Refusal("TemporaryRedirect", status=action.status, headers=(("location", location),))


def _announces_checksum(incoming: Incoming) -> bool:
    return any(name == "content-md5" or name.startswith("x-amz-checksum-") for name in incoming.headers)
