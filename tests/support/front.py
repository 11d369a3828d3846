"""Something between a client and a store: a proxy that changes requests and replies as fronts of real stores do."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

BETWEEN = {"connection", "transfer-encoding", "content-length", "keep-alive"}


@dataclass
class Passing:
    """One exchange on its way: the hooks change it in place."""

    method: str
    target: str
    headers: dict[str, str]
    """Of the request; names in lower case."""
    status: int = 0
    reply: dict[str, str] = field(default_factory=dict)
    """Headers of the reply; names in lower case."""
    body: bytes = b""
    length: bool = True
    """False: the reply is chunked."""

    @property
    def reads_object(self) -> bool:
        """Whether an object is read or looked at, no listing and no part of the store's other calls."""
        return self.method in {"GET", "HEAD"} and urlsplit(self.target).path.count("/") > 1 and "?" not in self.target


Hook = Callable[[Passing], None]


class Front:
    """A proxy before one store on loopback; ``before`` sees each request, ``behind`` each reply."""

    def __init__(self, upstream: str) -> None:
        self.before: Hook = lambda passing: None
        self.behind: Hook = lambda passing: None
        self.log: list[Passing] = []
        at = urlsplit(upstream)
        handler = type("Handler", (_Handler,), {"front": self, "upstream": (at.hostname, at.port)})
        self._server = _Server(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


@contextmanager
def fronting(upstream: str) -> Iterator[Front]:
    """Run a front before a store."""
    front = Front(upstream)
    try:
        yield front
    finally:
        front.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256

    def handle_error(self, request: object, client_address: object) -> None:
        """Connections that a client drops are its own affair."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    front: Front
    upstream: tuple[str, int]

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        passing = Passing(self.command, self.path, {name.lower(): value for name, value in self.headers.items()})
        self.front.log.append(passing)
        self.front.before(passing)
        there = http.client.HTTPConnection(*self.upstream)
        try:
            there.putrequest(passing.method, passing.target, skip_host=True, skip_accept_encoding=True)
            for name, value in passing.headers.items():
                there.putheader(name, value)
            there.endheaders(body)
            answer = there.getresponse()
            passing.status, passing.body = answer.status, answer.read()
            passing.reply = {name.lower(): value for name, value in answer.getheaders()}
        finally:
            there.close()
        if self.command != "HEAD":
            passing.reply.pop("content-length", None)
        self.front.behind(passing)
        self._answer(passing)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass_on

    def _answer(self, passing: Passing) -> None:
        self.send_response_only(passing.status)
        for name, value in passing.reply.items():
            if name not in BETWEEN or (name == "content-length" and self.command == "HEAD"):
                self.send_header(name, value)
        chunked = not passing.length and self.command != "HEAD" and passing.status != 204
        if chunked:
            self.send_header("transfer-encoding", "chunked")
        elif self.command != "HEAD" and passing.status != 204:
            self.send_header("content-length", str(len(passing.body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        if not chunked:
            self.wfile.write(passing.body)
            return
        for at in range(0, len(passing.body), 65536):
            piece = passing.body[at : at + 65536]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        self.wfile.write(b"0\r\n\r\n")
