"""A web server for the sources of URL lists and for CDNs, with the manners and the bad manners of real ones."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Page:
    """What is at a path, and how it behaves."""

    body: bytes = b""
    content_type: str = "text/html"
    etag: str | None = None
    modified: float | None = None
    headers: dict[str, str] = field(default_factory=dict)
    head_status: int = 200
    get_status: int = 200
    location: str | None = None
    ranges: bool = True
    length: bool = True
    """False: chunked, without Content-Length, also in the reply to HEAD."""
    short: int = 0
    """Bytes of the body that are announced and never sent."""
    more: bytes = b""
    """GET sends these behind the body that HEAD announced."""
    chunks: int = 64 * 1024
    break_after: int | None = None
    """GET breaks after this many bytes, the first ``breaks`` times."""
    breaks: int = 0


@dataclass(frozen=True)
class Asked:
    """One request."""

    method: str
    target: str
    headers: dict[str, str]
    server: str


class WebServer:
    """Pages by path on one loopback address. ``decide`` may answer instead of the pages."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        self.pages: dict[str, Page] = {}
        self.decide: Callable[[Asked], Page | None] | None = None
        self.log: list[Asked] = []
        handler = type("Handler", (_Handler,), {"web": self})
        self._server = _Server((host, port), handler)
        self.host, self.port = str(self._server.server_address[0]), self._server.server_port
        self.url = f"http://{self.host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def asked(self, method: str) -> list[str]:
        """Return the targets asked for with a method."""
        return [entry.target for entry in self.log if entry.method == method]


@contextmanager
def serving(host: str = "127.0.0.1", port: int = 0) -> Iterator[WebServer]:
    """Run a server."""
    server = WebServer(host, port)
    try:
        yield server
    finally:
        server.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 511
    """As nginx and Apache have it. With Python's 5, a burst of connections waits for the kernel's retransmissions: 1 s,
    2 s, up to a minute."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    web: WebServer

    def do_HEAD(self) -> None:
        self._answer(head=True)

    def do_GET(self) -> None:
        self._answer(head=False)

    def _answer(self, *, head: bool) -> None:
        asked = Asked(
            self.command, self.path, {name.lower(): value for name, value in self.headers.items()}, self.web.host
        )
        self.web.log.append(asked)
        page = self.web.decide(asked) if self.web.decide else self.web.pages.get(self.path)
        if page is None:
            page = Page(head_status=404, get_status=404)
        status = page.head_status if head else page.get_status
        first, last = 0, len(page.body) - 1
        wanted = asked.headers.get("range", "")
        if wanted and page.ranges and status == 200:
            first, last = (int(part) for part in wanted.removeprefix("bytes=").split("-"))
            status = 206 if first < len(page.body) else 416
        body = page.body[first : last + 1] if status in {200, 206} else b""
        self.send_response(status)
        if status == 206:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(page.body)}")
        self._describe(page)
        if page.length:
            more = 0 if head else len(page.more)
            self.send_header("Content-Length", str(len(body) + page.short + more))
        else:
            self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if not head:
            self._send(page, body + page.more)

    def _describe(self, page: Page) -> None:
        self.send_header("Content-Type", page.content_type)
        if page.etag is not None:
            self.send_header("ETag", page.etag)
        if page.modified is not None:
            self.send_header("Last-Modified", formatdate(page.modified, usegmt=True))
        if page.location is not None:
            self.send_header("Location", page.location)
        for name, value in page.headers.items():
            self.send_header(name, value)

    def _send(self, page: Page, body: bytes) -> None:
        if page.breaks:
            page.breaks -= 1
            self.wfile.write(body[: page.break_after] if page.length else b"")
            self.close_connection = True
            return
        if page.length:
            self.wfile.write(body)
        else:
            for start in range(0, len(body), page.chunks):
                piece = body[start : start + page.chunks]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        if page.short:
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        pass


def modified(page_age: float = 3600.0) -> float:
    """Return a time in the past, in whole seconds."""
    return float(int(time.time() - page_age))
