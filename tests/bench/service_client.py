"""A small signing client of the API for the benchmark: what it costs itself must not be what is measured.

Raw HTTP/1.1 over kept connections; signatures by the function that the service verifies with, which the tests hold
against the official SDK's.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from oms_engine.model import Secret
from oms_worker.api.auth import ALGORITHM, SignedRequest, signature_of


@dataclass(frozen=True)
class Keys:
    """Who calls, and where the service listens."""

    host: str
    port: int
    access_key: str
    secret_key: str = field(repr=False)
    project: str = ""


@dataclass(frozen=True)
class Reply:
    """An answer, and the seconds from the request's first byte to the answer's last."""

    status: int
    body: Any
    seconds: float


class Client:
    """One connection: ``async with Client(keys) as client``."""

    def __init__(self, keys: Keys) -> None:
        self._keys = keys

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(self._keys.host, self._keys.port)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def call(self, method: str, path: str, query: str = "", body: Any = None) -> Reply:
        """Make a call of the project, ``/v2/<project>`` before its path, and read the answer."""
        data = b"" if body is None else json.dumps(body).encode()
        request = self._render(method, f"/v2/{self._keys.project}{path}", query, data)
        began = time.perf_counter()
        self._writer.write(request)
        head = await self._reader.readuntil(b"\r\n\r\n")
        fields = _fields(head)
        answer = await self._reader.readexactly(int(fields.get("content-length", "0")))
        seconds = time.perf_counter() - began
        return Reply(int(head[9:12]), json.loads(answer) if answer else None, seconds)

    def _render(self, method: str, path: str, query: str, data: bytes) -> bytes:
        headers = {
            "host": f"{self._keys.host}:{self._keys.port}",
            "x-sdk-date": time.strftime("%Y%m%dT%H%M%SZ", time.gmtime()),
            "content-type": "application/json",
        }
        names = sorted(headers)
        signed = SignedRequest(method, path.encode(), query.encode(), tuple(headers.items()), data)
        signature = signature_of(signed, names, Secret(self._keys.secret_key))
        headers["authorization"] = (
            f"{ALGORITHM} Access={self._keys.access_key}, SignedHeaders={';'.join(names)}, Signature={signature}"
        )
        headers["content-length"] = str(len(data))
        target = f"{path}?{query}" if query else path
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        return "\r\n".join(lines).encode() + data


def _fields(head: bytes) -> Mapping[str, str]:
    lines = head.decode("latin-1").split("\r\n")[1:]
    pairs = (line.partition(":") for line in lines if line)
    return {name.lower(): value.strip() for name, _, value in pairs}
