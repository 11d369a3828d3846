"""What the wire does with signatures that expire: fetched before they are needed, once, and forgiven while possible."""

# ruff: noqa: SIM117 - one line per side reads better
import asyncio
import time

import pytest

from faults.wire_scripted import (
    LANES,
    OK,
    Joined,
    always,
    download,
    get,
    put,
    raise_for,
    replies,
    serve,
    settings,
)
from oms_engine.errors import AccessDenied, Unavailable
from oms_engine.store import Call, Endpoint, Request
from oms_engine.wire import Wire

GRANT = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nnew"
REFUSED = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno"
BUSY = b"HTTP/1.1 500 Oops\r\nContent-Length: 4\r\n\r\noops"
STORED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Pass:
    """A token that is fetched from a server and lasts until it is spoilt."""

    def __init__(self, endpoint: Endpoint, *, due: bool = True, usable: bool = False) -> None:
        self.endpoint = endpoint
        self.is_due, self.is_usable = due, usable
        self.word = "old" if usable else "none"

    def due(self, now: float) -> bool:
        """Say whether it must be fetched."""
        assert abs(now - time.time()) < 60
        return self.is_due

    def usable(self, now: float) -> bool:
        """Say whether it may still be used."""
        assert abs(now - time.time()) < 60
        return self.is_usable

    def renewal(self) -> Call[None]:
        """Describe how it is fetched."""

        def read(reply):
            raise_for(reply)
            self.word = reply.body.decode()
            self.is_due = False

        request = Request("POST", self.endpoint, "/token", (), {}, b"please")
        return Call(request, lambda request, _: request, read, "gs://bucket", "renew")

    def signs(self, call):
        """Return a call that is signed with it."""

        def sign(request, _):
            return request._replace(headers=request.headers | {"Authorization": self.word})

        return Call(call.request, sign, call.read, call.store, call.operation, self)


@pytest.mark.parametrize("lane", LANES)
async def test_it_is_fetched_before_the_first_call_is_signed(lane):
    """Every lane fetches what a call is signed with, and signs with what came."""
    async with serve(always(GRANT)) as tokens, serve(always(OK)) as store, Wire(settings()) as wire:
        token = Pass(tokens.endpoint)
        assert await download(wire, token.signs(get(store.endpoint)), lane) == b"hello"
        assert [seen.headers["authorization"] for seen in store.seen] == ["new"]
        assert [seen.body for seen in tokens.seen] == [b"please"]


async def test_it_is_fetched_once_for_all_who_wait():
    """Fifty calls that start together cost one renewal."""
    async with serve(always(GRANT, pause=0.05)) as tokens, serve(always(OK)) as store, Wire(settings()) as wire:
        token = Pass(tokens.endpoint)
        await asyncio.gather(*(wire.call(token.signs(get(store.endpoint))) for _ in range(50)))
        assert len(tokens.seen) == 1
        assert {seen.headers["authorization"] for seen in store.seen} == {"new"}


async def test_it_is_not_fetched_while_it_lasts():
    """A token that is not due costs no request."""
    async with serve(always(GRANT)) as tokens, serve(always(OK)) as store, Wire(settings()) as wire:
        token = Pass(tokens.endpoint, due=False, usable=True)
        await wire.call(token.signs(get(store.endpoint)))
        assert (tokens.seen, store.seen[0].headers["authorization"]) == ([], "old")


async def test_a_writer_in_a_thread_waits_for_it():
    """The destination's token is fetched too, although its call begins in the relay's thread."""
    async with serve(always(GRANT)) as tokens, serve(always(OK)) as source, serve(always(STORED)) as store:
        async with Wire(settings()) as wire:
            token = Pass(tokens.endpoint)
            write = token.signs(put(store.endpoint, size=5))
            await wire.relay(get(source.endpoint), lambda _: write, Joined, size=5)
            assert (store.seen[0].body, store.seen[0].headers["authorization"]) == (b"hello", "new")


async def test_a_failed_renewal_is_forgiven_while_the_old_one_lasts():
    """A renewal that fails ahead of time does no harm."""
    async with serve(always(REFUSED)) as tokens, serve(always(OK)) as store, Wire(settings()) as wire:
        token = Pass(tokens.endpoint, usable=True)
        await wire.call(token.signs(get(store.endpoint)))
        assert store.seen[0].headers["authorization"] == "old"


async def test_a_refused_renewal_is_told_at_once():
    """A refusal that is final is raised by the call that needed the token, after one request."""
    async with serve(always(REFUSED)) as tokens, serve(always(OK)) as store, Wire(settings()) as wire:
        with pytest.raises(AccessDenied) as caught:
            await wire.call(Pass(tokens.endpoint).signs(get(store.endpoint)))
        assert (caught.value.store, caught.value.operation) == ("s3://src", "read")
        assert (len(tokens.seen), store.seen) == (1, [])


async def test_a_renewal_is_tried_again_as_often_as_the_call():
    """A transient failure of the renewal is retried within the attempts of the call, not multiplied by them."""
    async with serve(replies(BUSY, BUSY, GRANT)) as tokens, serve(always(OK)) as store, Wire(settings()) as wire:
        await wire.call(Pass(tokens.endpoint).signs(get(store.endpoint)))
        assert len(tokens.seen) == 3
    async with serve(always(BUSY)) as tokens, serve(always(OK)) as store, Wire(settings(attempts=3)) as wire:
        with pytest.raises(Unavailable):
            await wire.call(Pass(tokens.endpoint).signs(get(store.endpoint)))
        assert len(tokens.seen) == 3
