"""The wire: performs described calls. The only owner of sockets."""

from __future__ import annotations

import asyncio
import random
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from types import TracebackType
from typing import Any, Self, TypeVar

from oms_engine.errors import ConnectionBroken, InvalidRequest, Redirected, Retry, StoreError, Throttled
from oms_engine.model import ObjectHead
from oms_engine.pace import Pace
from oms_engine.store import LONG_OPERATIONS, AnyCall, Call, Endpoint, Reply, Request
from oms_engine.weburl import MAX_REDIRECTS, follow_trail
from oms_engine.wire.blocking_pools import BlockingPools
from oms_engine.wire.bulk import BulkLane, Cancelled, Relay, Relayed
from oms_engine.wire.codec import render_head
from oms_engine.wire.dns import Resolver
from oms_engine.wire.drain import Drain
from oms_engine.wire.endpoints import check_endpoint
from oms_engine.wire.pool import Pool
from oms_engine.wire.proxy import Proxy, goes_direct, parse_proxy
from oms_engine.wire.redirects import redirected_or_none
from oms_engine.wire.renewal import Renewals, is_due
from oms_engine.wire.retry import ConnectFailed, Retrier, RetryBudget, StaleConnection, read_reply
from oms_engine.wire.settings import Hashing, RateLimiter, WireSettings, WireStats
from oms_engine.wire.stream import BodyStream
from oms_engine.wire.threads import Errand
from oms_engine.wire.tls import make_context

T = TypeVar("T")
W = TypeVar("W")
D = TypeVar("D", bound=Hashing)

MAX_HOPS = 3
"""Redirects followed for one call to a store."""

POOLS_KEPT = 256
"""Beyond this, endpoints that nobody uses are forgotten."""


class Wire:
    """Performs calls over HTTP/1.1, with pools, retries, redirects and pacing. ``async with Wire(settings) as wire``.

    All methods belong to the event loop the wire was opened on. Errors are the StoreErrors of ``call.read``, or the
    wire's own (ConnectionBroken, TimedOut, UnexpectedReply, InvalidRequest), with store and operation filled in, after
    retries by their own verdicts.
    """

    def __init__(self, settings: WireSettings | None = None, *, limiter: RateLimiter | None = None) -> None:
        self.settings = settings or WireSettings()
        self.stats = WireStats()
        self._limiter = limiter
        self._proxy = parse_proxy(self.settings.proxy) if self.settings.proxy else None
        self._context: ssl.SSLContext | None = None
        if self.settings.ca_file is not None and self.settings.verify:
            self._tls()
        self._pools: dict[Endpoint, Pool] = {}
        self._moved: dict[tuple[str, Endpoint], Endpoint] = {}
        self._budget = RetryBudget(self.settings, self.stats)
        self._resolver = Resolver(self.settings.dns_seconds)
        self._relays: set[Relay[Any, Any]] = set()
        self._renewals: Renewals
        self._bulk: BulkLane | None = None
        self._sweeper: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop
        self._closed = False
        self._hurried = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        # Hours pass between renewals: no kept connection is worth a try.
        self._renewals = Renewals(partial(self._attempt, limit=self.settings.reply_limit, fresh=True))
        times = self.settings
        self._every = min(1.0, max(0.02, min(self._shortest(), times.keep_alive) / 4))
        self._sweep()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for relay in list(self._relays):
            relay.cancel()
        pools, self._pools = self._pools, {}
        for pool in pools.values():
            pool.close()
        await self._resolver.close()
        if self._bulk is not None and self._bulk.threads.idle:
            self._bulk.close()
        elif self._bulk is not None:
            await asyncio.to_thread(self._bulk.close)
        await asyncio.sleep(0)  # lets transports report their end

    def _shortest(self) -> float:
        times = self.settings
        return min(times.first_byte_timeout, times.idle_timeout, times.min_rate_seconds, times.completion_timeout)

    def hurry(self) -> None:
        """End every wait between attempts now, and begin none: what would be tried again fails with its last error."""
        self._hurried.set()

    def calm(self) -> None:
        """Wait and try again from now on, as before :meth:`hurry`."""
        self._hurried.clear()

    async def rest(self, seconds: float) -> bool:
        """Sleep; False as soon as the wire is hurried."""
        if seconds and not self._hurried.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self._hurried.wait()
        return not self._hurried.is_set()

    # -- calls ------------------------------------------------------------------------------------------------------

    async def call(self, call: Call[T], *, final: type[StoreError] | None = None) -> T:
        """Perform a call; its reply is held in memory, up to ``reply_limit``. An error of ``final`` is not retried.

        A redirect is followed all the same.
        """
        try:
            return (await self._attempt(call, self.settings.reply_limit))[0]
        except StoreError as error:
            if final is not None and isinstance(error, final) and not isinstance(error, Redirected):
                raise self._name(error, call) from None
            limit = self.settings.reply_limit
            again = await self._again(error, lambda: call, lambda fresh: self._attempt(call, limit, fresh=fresh))
            return again[0]

    async def fetch(self, call: Call[T], *, limit: int) -> tuple[T, bytes]:
        """Perform a read; return its value and its body of at most ``limit`` bytes.

        Raises:
            UnexpectedReply: the body is longer; not retried.
        """
        try:
            return await self._attempt(call, limit)
        except StoreError as error:
            return await self._again(error, lambda: call, lambda fresh: self._attempt(call, limit, fresh=fresh))

    @asynccontextmanager
    async def stream(self, call: Call[T]) -> AsyncIterator[tuple[T, AsyncIterator[bytes]]]:
        """Perform a read; give its value and its body piece by piece.

        Retries end with the head: a body that breaks raises to its reader. Leaving the block drops what is unread.
        """
        try:
            value, body = await self._open_stream(call)
        except StoreError as error:
            value, body = await self._again(error, lambda: call, lambda fresh: self._open_stream(call, fresh=fresh))
        try:
            yield value, aiter(body)
        except StoreError as error:
            raise self._name(error, call) from None
        finally:
            body.close()

    async def relay(
        self,
        read: Call[ObjectHead],
        write: Callable[[ObjectHead], Call[W]],
        digests: Callable[[], D],
        *,
        size: int,
        on_bytes: Callable[[int], None] | None = None,
        at_once: int | None = None,
        hold: Callable[[ObjectHead], bool] | None = None,
    ) -> Relayed[W, D]:
        """Stream a GET of ``size`` bytes into a PUT, in a thread; the pair is retried by either error's verdict.

        Where ``hold`` says so, all bytes are read into memory before ``write`` is asked: it then knows their digests.

        Of relays that were asked for, ``at_once`` move bytes; the others wait for the next thread that is done.
        ``digests`` is asked for a new object per attempt. ``on_bytes`` is called from the thread, for failed attempts
        too. Cancelling shuts both sockets and waits for the thread to let go.
        """
        blamed: AnyCall = read

        async def attempt(_: bool) -> Relayed[W, D]:
            nonlocal blamed
            relay = Relay(self._lane(), read, write, digests=digests(), size=size, on_bytes=on_bytes, hold=hold)
            try:
                return await self._relay_once(relay, at_once)
            finally:
                blamed = relay.call

        try:
            return await attempt(False)
        except StoreError as error:
            return await self._again(error, lambda: blamed, attempt)

    async def drain(self, read: Call[ObjectHead], digests: Callable[[], D], *, size: int) -> Relayed[None, D]:
        """Read ``size`` bytes in a thread and keep nothing but their digests; retried as :meth:`relay` is."""

        async def attempt(_: bool) -> Relayed[None, D]:
            return await self._relay_once(Drain(self._lane(), read, digests=digests(), size=size), None)

        try:
            return await attempt(False)
        except StoreError as error:
            return await self._again(error, lambda: read, attempt)

    def pace(self, endpoint: Endpoint) -> Pace:
        """Return the pace of an endpoint, or of the one it was redirected to."""
        if self._moved:
            endpoint = next((to for (_, old), to in self._moved.items() if old == endpoint), endpoint)
        return (self._pools.get(endpoint) or self._pool(endpoint)).pace

    # -- one attempt ------------------------------------------------------------------------------------------------

    async def _attempt(self, call: Call[T], limit: int, *, fresh: bool = False) -> tuple[T, bytes]:
        if call.renewable is not None and (due := is_due(call)):
            await self._renewals.renew(due)
        request = call.sign(self._route(call) if self._moved or call.trail else call.request, time.time())
        pool = self._pools.get(request.endpoint) or self._pool(request.endpoint)
        if pool.pace.not_before:
            await self._hold(pool)
        head = render_head(request, extra=pool.extra, prefix=pool.prefix)
        connection = pool.idle.pop() if pool.idle and not fresh else await pool.acquire(fresh=fresh)
        stats = self.stats
        stats.requests += 1
        stats.bytes_out += len(request.body)
        waiter = connection.send(request.method, head, request.body, limit, False, call.operation in LONG_OPERATIONS)
        sent = connection.stamp
        try:
            reply = await waiter
        except asyncio.CancelledError:
            if connection.waiter is waiter:
                connection.abort()
            raise
        value = self._read(call, reply, pool)
        pool.pace.ok(self._loop.time() - sent)
        return value, reply.body

    async def _open_stream(self, call: Call[T], *, fresh: bool = False) -> tuple[T, BodyStream]:
        if call.renewable is not None and (due := is_due(call)):
            await self._renewals.renew(due)
        request = call.sign(self._route(call), time.time())
        pool = self._pool(request.endpoint)
        await self._hold(pool)
        head = render_head(request, extra=pool.extra, prefix=pool.prefix)
        connection = await pool.acquire(fresh=fresh)
        self.stats.requests += 1
        waiter = connection.send(request.method, head, request.body, 0, streaming=True)
        body = connection.opened()
        try:
            reply = await waiter
        except asyncio.CancelledError:
            connection.abort()
            raise
        if reply.status >= 300:
            self._read(call, reply, pool)
            raise InvalidRequest(f"status {reply.status} cannot be streamed")
        try:
            return self._read(call, reply, pool), body
        except BaseException:
            body.close()
            raise

    async def _relay_once(self, relay: Relay[W, D], at_once: int | None) -> Relayed[W, D]:
        await self._hold(self._pool(relay.endpoint))
        self._relays.add(relay)
        errand = Errand(relay.run)
        self._lane().threads.submit(errand, at_once=at_once)
        try:
            relayed = await errand.outcome
        except asyncio.CancelledError:
            relay.cancel()
            await errand.ended()
            raise
        except Cancelled:
            raise ConnectionBroken("the wire was closed") from None
        except StoreError as error:
            self._name(error, relay.call)
            if not self._closed:
                self._feed(self._pool(relay.endpoint), error)
            raise
        finally:
            self._relays.discard(relay)
            self.stats.requests += relay.requests
            self.stats.bytes_in += relay.passed
            self.stats.bytes_out += relay.passed
        for endpoint in relay.endpoints:
            pool = self._pool(endpoint)
            pool.reached = True
            pace = pool.pace
            pace.ok(pace.latency)  # how long a large body takes says nothing about the store's latency
        return relayed

    # -- what happens to errors ---------------------------------------------------------------------------------------

    def _read(self, call: Call[T], reply: Reply, pool: Pool) -> T:
        try:
            return read_reply(call, reply)
        except StoreError as error:
            self._feed(pool, error)
            raise

    def _feed(self, pool: Pool, error: StoreError) -> None:
        """Tell the pace what a store answered."""
        if error.retry is Retry.SLOW_DOWN:
            self.stats.throttled += 1
            pool.pace.slow_down(error.retry_after)

    async def _again(
        self, error: StoreError, blamed: Callable[[], AnyCall], attempt: Callable[[bool], Awaitable[T]]
    ) -> T:
        """Go on after a first failed attempt: follow redirects, wait, repeat; raise what is final.

        ``blamed`` tells which call the last error came from; ``attempt`` takes whether to avoid kept connections.
        """
        retrier = Retrier(self.settings, self._budget)
        hops = 0
        while True:
            call = blamed()
            self._name(error, call)
            if isinstance(error, Redirected) and hops < MAX_REDIRECTS and self._follow(call, error, hops):
                hops += 1
            else:
                long = call.operation in LONG_OPERATIONS
                reached = self._reached(call, error)
                delay = None if self._closed else retrier.delay_or_none(error, reached=reached, long=long)
                if delay is None or not (await self.rest(delay) or delay == 0):
                    raise error
                self.stats.retries += 1
            try:
                return await attempt(isinstance(error, StaleConnection))
            except StoreError as again:
                error = again

    def _reached(self, call: AnyCall, error: StoreError) -> bool:
        """Whether the endpoint of a failed call has ever taken a connection."""
        return not isinstance(error, ConnectFailed) or self._pool(self._route(call).endpoint).reached

    def _follow(self, call: AnyCall, error: Redirected, hops: int) -> bool:
        """Remember the endpoint a store names, or the URL the web names; False when it cannot be followed."""
        if call.trail is not None:
            return follow_trail(call.request, call.trail, error.location)
        if hops >= MAX_HOPS:
            return False
        endpoint = redirected_or_none(self._route(call).endpoint, error.location)
        if endpoint is None:
            return False
        self._moved[call.store, call.request.endpoint] = endpoint
        return True

    @staticmethod
    def _name(error: StoreError, call: AnyCall) -> StoreError:
        """Say whose error it is, where it does not say so itself."""
        error.store = error.store or call.store
        error.operation = error.operation or call.operation
        return error

    # -- parts --------------------------------------------------------------------------------------------------------

    def _route(self, call: AnyCall) -> Request:
        """Return a call's request, at the endpoint its store was redirected to or as the web's last redirect has it."""
        if call.trail:
            return call.trail[-1]
        moved = self._moved.get((call.store, call.request.endpoint))
        request: Request = call.request
        return request if moved is None else request._replace(endpoint=moved)

    async def _hold(self, pool: Pool) -> None:
        """Wait until the store will be asked again.

        Raises:
            Throttled: not any more, as the run stops.
        """
        while (delay := pool.pace.not_before - time.monotonic()) > 0:  # the pace may move it on
            if not await self.rest(delay + random.uniform(0, min(0.2, delay))):
                raise Throttled("the store asked for a pause, and the run stops")
        pool.pace.not_before = 0.0

    def _pool(self, endpoint: Endpoint) -> Pool:
        pool = self._pools.get(endpoint)
        if pool is None:
            if self._closed:
                raise ConnectionBroken("the wire was closed")
            check_endpoint(endpoint)
            context = self._tls() if endpoint.scheme == "https" else None
            proxy = self._proxy_for(endpoint)
            pool = Pool(endpoint, self.settings, self.stats, self._resolver, context=context, proxy=proxy)
            self._pools[endpoint] = pool
        return pool

    def _proxy_for(self, endpoint: Endpoint) -> Proxy | None:
        return None if self._proxy is None or goes_direct(endpoint, self.settings.no_proxy) else self._proxy

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = make_context(ca_file=self.settings.ca_file, verify=self.settings.verify)
        return self._context

    def _lane(self) -> BulkLane:
        if self._bulk is None:
            pools = BlockingPools(self.settings, self.stats, context=self._tls, proxy_for=self._proxy_for)
            self._bulk = BulkLane(
                self.settings,
                pools,
                limiter=self._limiter,
                route=self._route,
                renew=self._renewals.renew_from_thread,
            )
        return self._bulk

    def _sweep(self) -> None:
        """Look after every pool: the one timer of the wire."""
        now = self._loop.time()
        for pool in self._pools.values():
            pool.sweep(now)
        if len(self._pools) > POOLS_KEPT:  # a URL list may name a million hosts
            self._pools = {endpoint: pool for endpoint, pool in self._pools.items() if not pool.unused}
        if self._bulk is not None:
            self._bulk.pools.sweep()
        self._sweeper = self._loop.call_later(self._every, self._sweep)
