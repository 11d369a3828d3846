"""List files in memory behind the engine's own calls, read chunk by chunk."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

from oms_engine.errors import NotFound
from oms_engine.model import Attributes, ListedObject, ListPage, ObjectHead, Span
from oms_engine.store import Call, Capabilities, Endpoint, Reply, Request


class MemoryLists:
    """Text files of a bucket: listed, asked for, read."""

    label = "memory://lists"

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = dict(files)
        self.endpoint = Endpoint("http", "memory", 80)
        self.capabilities = Capabilities()

    def _call(self, read: Any) -> Call[Any]:
        request = Request("GET", self.endpoint, "/", (), {})
        return Call(request, lambda request, _now: request, lambda _reply: read(), self.label, "call")

    def list_page(self, prefix: str, *, start_after: str = "", limit: int = 1000) -> Call[ListPage]:
        """Return all files of a folder, on one page."""
        names = sorted(name for name in self.files if name.startswith(prefix) and name > start_after)
        return self._call(lambda: ListPage([ListedObject(name, 1, 0.0, name, "") for name in names[:limit]], None))

    def head(self, key: str) -> Call[ObjectHead]:
        """Return what is known of a file; its ETag follows its bytes."""

        def read() -> ObjectHead:
            if key not in self.files:
                raise NotFound("no such key", store=self.label, operation="head", key=key)
            body = self.files[key]
            return ObjectHead(key, len(body), f"etag-{hash(body)}", 0.0, Attributes(content_type="text/plain"))

        return self._call(read)

    def read(self, key: str, *, span: Span | None = None, if_match: str | None = None) -> Call[bytes]:
        """Return the bytes of a span."""
        del if_match
        body = self.files[key]
        return self._call(lambda: body if span is None else body[span.first : span.last + 1])


class Reader:
    """Performs calls at once; bodies come in chunks of a few bytes."""

    def __init__(self, chunk: int) -> None:
        self._chunk = chunk

    async def call(self, call: Call[Any]) -> Any:
        """Perform a call."""
        return call.read(Reply(200, {}, b""))

    @asynccontextmanager
    async def stream(self, call: Call[bytes]) -> AsyncIterator[Any]:
        """Perform a read."""
        body = call.read(Reply(200, {}, b""))

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(body), self._chunk):
                yield body[start : start + self._chunk]

        yield None, chunks()
