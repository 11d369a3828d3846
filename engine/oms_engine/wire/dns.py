"""Names to addresses on the event loop, remembered briefly; simultaneous questions are asked once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Any, cast

_REMEMBERED = 4096
"""Names kept before the expired ones are forgotten."""


def name_to_ask(host: str) -> str:
    """Return the name whose addresses are those of ``host``: ``localhost`` for every name under it, as RFC 6761 says.

    Not every system's resolver knows, and a store on this machine may be reached as ``bucket.localhost``:
    https://www.rfc-editor.org/rfc/rfc6761#section-6.3
    """
    return "localhost" if host.endswith(".localhost") else host


def plain_name(host: str) -> str:
    """Return an ASCII name as bytes, which :mod:`socket` takes as they are: for a str it loads IDNA's tables, 3 ms."""
    return cast("str", host.encode("ascii")) if host.isascii() else host


def resolve_now(host: str, port: int) -> list[str]:
    """Return the addresses of a host. Blocks.

    Raises:
        OSError: the name cannot be resolved.
    """
    return _addresses(host, socket.getaddrinfo(name_to_ask(host), port, type=socket.SOCK_STREAM))


def _addresses(host: str, found: Sequence[tuple[Any, ...]]) -> list[str]:
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    if not addresses:
        raise OSError(f"{host} has no address")
    return addresses


class Resolver:
    """Resolves host names. Successive answers start at successive addresses, so connections spread over them."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._known: dict[tuple[str, int], tuple[float, list[str]]] = {}
        self._asked: dict[tuple[str, int], asyncio.Task[list[str]]] = {}
        self._turn = 0

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses of a host, best first.

        Raises:
            OSError: the name cannot be resolved.
        """
        loop = asyncio.get_running_loop()
        name = (host, port)
        until, addresses = self._known.get(name, (0.0, []))
        if until <= loop.time():
            task = self._asked.get(name)
            if task is None:
                task = self._asked[name] = loop.create_task(self._ask(host, port))
                task.add_done_callback(lambda done: self._answered(name, done))
            addresses = await asyncio.shield(task)
            if len(self._known) >= _REMEMBERED:
                self._known = {host: entry for host, entry in self._known.items() if entry[0] > loop.time()}
            self._known[name] = (loop.time() + self._seconds, addresses)
        self._turn += 1
        start = self._turn % len(addresses)
        return addresses[start:] + addresses[:start]

    def forget(self, host: str, port: int) -> None:
        """Ask anew next time: no address took a connection."""
        self._known.pop((host, port), None)

    async def close(self) -> None:
        """Drop questions under way."""
        for task in list(self._asked.values()):
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)

    def _answered(self, name: tuple[str, int], task: asyncio.Task[list[str]]) -> None:
        self._asked.pop(name, None)
        if not task.cancelled():
            task.exception()  # everyone who asked may be gone: then it is nobody's news

    @staticmethod
    async def _ask(host: str, port: int) -> list[str]:
        found = await asyncio.get_running_loop().getaddrinfo(name_to_ask(host), port, type=socket.SOCK_STREAM)
        return _addresses(host, found)
