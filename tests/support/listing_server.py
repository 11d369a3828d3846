"""A very fast server of two endless listings: numbered keys, equal on both sides; writes are taken and dropped."""

from __future__ import annotations

import asyncio
import threading
from typing import Self
from urllib.parse import parse_qs, unquote, urlsplit

PAGE = 1000
_ROW = (
    "<Contents><Key>{key}</Key><LastModified>{time}</LastModified><ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag>"
    "<Size>0</Size><StorageClass>STANDARD</StorageClass></Contents>"
)


def key_of(number: int) -> str:
    """Return the key of that number."""
    return f"flat/{number:09}"


class ListingServer:
    """Lists ``count`` keys to S3's and OBS's calls alike, on 127.0.0.1, in a thread."""

    def __init__(self, count: int, *, latency: float = 0.0) -> None:
        self.count = count
        self.latency = latency
        """Seconds each request waits."""
        self.written = 0
        """Bytes of all writes."""
        self.lines = 0
        """Line feeds of all writes."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._server = asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(5)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._server.close)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    async def _start(self) -> asyncio.Server:
        return await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 26)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                method, target, _ = head.split(" ", 2)
                size = next(
                    (int(line[15:]) for line in head.split("\r\n") if line.lower().startswith("content-length:")), 0
                )
                self.lines += (await reader.readexactly(size)).count(b"\n")
                self.written += size
                if self.latency:
                    await asyncio.sleep(self.latency)
                body = self._page(target) if method == "GET" else b""
                writer.write(b'HTTP/1.1 200 OK\r\netag: "x"\r\ncontent-length: %d\r\n\r\n' % len(body) + body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _page(self, target: str) -> bytes:
        query = parse_qs(urlsplit(target).query, keep_blank_values=True)
        after = unquote((query.get("start-after") or query.get("marker") or [""])[0])
        limit = int(query["max-keys"][0])
        first = 0
        if after:
            digits = after.removeprefix("flat/")
            first = int(digits) + 1 if digits.isdigit() and len(digits) == 9 else self._first_after(after)
        last = min(first + limit, self.count)
        when = "2020-01-01T00:00:00.000Z" if "list-type" in query else "2021-01-01T00:00:00.000Z"
        rows = "".join([_ROW.format(key=key_of(number), time=when) for number in range(first, last)])
        more = last < self.count
        following = f"<NextMarker>{key_of(last - 1)}</NextMarker>" if more and last > first else ""
        return (
            f"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>{str(more).lower()}</IsTruncated>{following}{rows}"
            "</ListBucketResult>"
        ).encode()

    def _first_after(self, after: str) -> int:
        low, high = 0, self.count
        while low < high:
            middle = (low + high) // 2
            if key_of(middle) <= after:
                low = middle + 1
            else:
                high = middle
        return low
