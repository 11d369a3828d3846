"""Sending a reply: as the protocol wants it, or broken in the way a fault asks for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from http import HTTPStatus

from oms_adapters.sandbox.blob import Blob
from oms_adapters.sandbox.faults import Action, Chunked, Cut, Delay, FlipBit, Truncate, WrongLength
from oms_adapters.sandbox.http import Exchange
from oms_adapters.sandbox.reply import Reply

_LENGTHLESS = {204, 304}


async def send(exchange: Exchange, reply: Reply, action: Action | None) -> None:
    """Send a reply.

    Raises:
        Closed: after a reply that leaves the connection unusable.
    """
    if isinstance(action, FlipBit):
        body = Blob([b"".join(reply.body())]).flipped(action.offset)
        reply = replace(reply, blob=body, first=0)
    if isinstance(action, Chunked) and not reply.bodiless:
        await exchange.reply(reply.status, reply.headers, _pieces(reply, action.size))
    elif isinstance(action, Cut | Truncate | WrongLength):
        await _broken(exchange, reply, action)
    elif isinstance(action, Delay) and action.within_body:
        await _slow(exchange, reply, action.seconds)
    else:
        await exchange.reply(reply.status, _with_length(reply, reply.size), reply.body())


async def _broken(exchange: Exchange, reply: Reply, action: Cut | Truncate | WrongLength) -> None:
    by = action.by if isinstance(action, WrongLength) else 0
    head = _head(reply.status, _with_length(reply, max(reply.size + by, 0)))
    if isinstance(action, Cut) and action.head is not None:
        await exchange.raw(head[: action.head])
        raise exchange.abort(reset=action.reset)
    left = reply.size
    if isinstance(action, Cut):
        left = min(action.body or 0, reply.size)
    elif isinstance(action, Truncate):
        left = max(reply.size - action.missing, 0)
    await exchange.raw(head)
    for piece in replace(reply, size=left).body():
        await exchange.raw(piece)
    raise exchange.abort(reset=isinstance(action, Cut) and action.reset)


async def _slow(exchange: Exchange, reply: Reply, seconds: float) -> None:
    await exchange.raw(_head(reply.status, _with_length(reply, reply.size)))
    half = reply.size // 2
    for piece in replace(reply, size=half).body():
        await exchange.raw(piece)
    await asyncio.sleep(seconds)
    for piece in replace(reply, first=reply.first + half, size=reply.size - half).body():
        await exchange.raw(piece)
    raise exchange.abort()


def _pieces(reply: Reply, size: int) -> Iterable[memoryview]:
    for view in reply.body():
        for at in range(0, len(view), size):
            yield memoryview(view)[at : at + size]


def _with_length(reply: Reply, size: int) -> list[tuple[str, str]]:
    return reply.headers if reply.status in _LENGTHLESS else [*reply.headers, ("Content-Length", str(size))]


def _head(status: int, headers: list[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers)]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")
