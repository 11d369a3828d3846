"""HTTP/1.1 on the page: heads to and from bytes, body framing, the chunked coding. Pure, shared by both lanes.

Strict where leniency would let one message pass for two (RFC 9112, sections 5 and 6): bare CR or LF, NUL, spaces in
names and conflicting lengths are refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from urllib.parse import quote

from oms_engine.errors import InvalidRequest, UnexpectedReply
from oms_engine.store import Endpoint, Request

HEAD_LIMIT = 64 * 1024
"""Largest reply head, in bytes. Stores allow 2-8 KiB of user metadata."""

INTERIM_LIMIT = 100
"""Interim replies (1xx) that may come before one reply."""

CHUNKED = -1
UNTIL_CLOSE = -2

_NO_BODY = frozenset((204, 304))
_BODY_METHODS = frozenset(("PUT", "POST"))
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TARGET_FORBIDDEN = re.compile(r"[^!-~]|[?#]")
_QUERY_FORBIDDEN = re.compile(r"[^!-~]|#")
_BREAKS = b"\r\n\0\x0b\x0c"
_VERSIONS = frozenset(("HTTP/1.1 ", "HTTP/1.0 "))
_NAMES_LIMIT = 1024
_names: dict[str, str] = {}
"""Header names seen, as sent -> lower case: each is checked once. Bounded, shared by threads."""


def _lower_name(name: str) -> str | None:
    """Return a header name in lower case, None when it is no token."""
    if _TOKEN.fullmatch(name) is None:
        return None
    lower = name.lower()
    if len(_names) < _NAMES_LIMIT:
        _names[name] = lower
    return lower


def render_query(query: tuple[tuple[str, str | None], ...]) -> str:
    """Render decoded query pairs, each byte outside RFC 3986's unreserved set percent-encoded."""
    return "&".join(
        quote(name, safe="", errors="surrogateescape")
        if value is None
        else f"{quote(name, safe='', errors='surrogateescape')}={quote(value, safe='', errors='surrogateescape')}"
        for name, value in query
    )


def render_target(request: Request) -> str:
    """Render path and query as they stand in the request line.

    Raises:
        InvalidRequest: path or raw query is not percent-encoded, or holds what would start another part.
    """
    path = request.path
    if path[:1] != "/" or _TARGET_FORBIDDEN.search(path) is not None:
        raise InvalidRequest("the request path is not percent-encoded; refused before it was sent")
    if request.raw_query is not None:
        if _QUERY_FORBIDDEN.search(request.raw_query) is not None:
            raise InvalidRequest("the query string is not percent-encoded; refused before it was sent")
        return f"{path}?{request.raw_query}"
    return f"{path}?{render_query(request.query)}" if request.query else path


def _check_names(names: Iterable[str]) -> None:
    for name in names:
        if name not in _names and _lower_name(name) is None:
            raise InvalidRequest(f"{name!r} is no header name; refused before it was sent")


@lru_cache(maxsize=256)
def _host(endpoint: Endpoint) -> str:
    return endpoint.netloc


def render_head(request: Request, *, extra: str = "", prefix: str = "") -> bytes:
    """Render the request line and headers, Host and Content-Length included.

    ``extra`` is ready-made header lines (User-Agent, Proxy-Authorization); ``prefix`` goes before the target
    (``http://host`` towards a proxy).

    Raises:
        InvalidRequest: a name, value or path would not stay inside its own line.
    """
    headers = request.headers
    if not headers.keys() <= _names.keys():
        _check_names(headers)
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    method = request.method
    size = len(request.body) if request.body_size is None else request.body_size
    if size or method in _BODY_METHODS:
        lines.append(f"Content-Length: {size}\r\n")
    text = (
        f"{method} {prefix}{render_target(request)} HTTP/1.1\r\nHost: {_host(request.endpoint)}\r\n"
        f"{''.join(lines)}{extra}\r\n"
    )
    try:
        head = text.encode("latin-1")
    except UnicodeEncodeError:
        raise InvalidRequest("a header value is not latin-1 text; refused before it was sent") from None
    breaks = 2 * (3 + len(lines) + extra.count("\r\n"))
    if len(head) - len(head.translate(None, _BREAKS)) != breaks or not method.isalpha():
        raise InvalidRequest("a header holds a line break or NUL; refused before it was sent")
    return head


def parse_head(head: bytes) -> tuple[int, dict[str, str]]:
    """Parse a reply head up to and including the line break of its last line (without the empty line).

    Names come in lower case, repeated headers joined with ``, ``, folded lines joined with a space.

    Raises:
        UnexpectedReply: it is no HTTP/1 head.
    """
    text = head.decode("latin-1")
    lines = text.split("\r\n")
    if len(head) - len(head.translate(None, _BREAKS)) != 2 * (len(lines) - 1):
        raise UnexpectedReply("the reply head holds a bare line break or NUL")
    first = lines[0]
    code = first[9:12]
    if first[:9] not in _VERSIONS or first[12:13] not in {"", " "}:
        raise UnexpectedReply("the reply is no HTTP/1.1 message")
    if len(code) != 3 or not (code.isascii() and code.isdigit()):
        raise UnexpectedReply("the reply has no status")
    del lines[0], lines[-1]
    if "  " not in text and " \r\n" not in text and "\t" not in text:  # then ": " divides every line as it should
        try:
            headers = {_names[name]: value for name, colon, value in [line.partition(": ") for line in lines] if colon}
        except KeyError:
            return int(code), _parse_fields(lines)
        if len(headers) == len(lines):
            return int(code), headers
    return int(code), _parse_fields(lines)


def _parse_fields(lines: list[str]) -> dict[str, str]:
    """Read header lines one by one: new names, repeated ones, folded lines, odd spaces; refuse what is none."""
    headers: dict[str, str] = {}
    last = ""
    for line in lines:
        if line[:1] in {" ", "\t"} and last:
            headers[last] = _fold(headers[last], line)
            continue
        name, colon, value = line.partition(":")
        lower = (_names.get(name) or _lower_name(name)) if colon else None
        if lower is None:
            raise UnexpectedReply("the reply head holds a line that is no header")
        value = value.strip(" \t")
        headers[lower] = f"{headers[lower]}, {value}" if lower in headers else value
        last = lower
    return headers


def _fold(value: str, line: str) -> str:
    """Join a folded line (RFC 9112, 5.2) to the value before it."""
    more = line.strip(" \t")
    return f"{value} {more}".strip(" \t")


def check_interim(status: int, count: int) -> None:
    """Judge the ``count``-th interim reply to a request (RFC 9110, 15.2): it is passed over, asked for or not.

    Raises:
        UnexpectedReply: it is no interim reply that can be passed over, or one too many.
    """
    if status == 101:
        raise UnexpectedReply("the store switched protocols without being asked")
    if status < 100 or count > INTERIM_LIMIT:
        raise UnexpectedReply("the store sends interim replies without end")


def keeps_alive(head: bytes, headers: dict[str, str]) -> bool:
    """Whether the connection may carry another request after this reply."""
    connection = headers.get("connection")
    if connection is None:
        return head[7:8] == b"1"
    options = [option.strip() for option in connection.lower().split(",")]
    return "close" not in options and (head[7:8] == b"1" or "keep-alive" in options)


def body_framing(method: str, status: int, headers: dict[str, str]) -> int:
    """Return the body's length in bytes, ``CHUNKED`` or ``UNTIL_CLOSE`` (RFC 9112, section 6.3).

    Raises:
        UnexpectedReply: lengths conflict, or a transfer coding other than chunked is used.
    """
    if method == "HEAD" or status in _NO_BODY or status < 200:
        return 0
    coding = headers.get("transfer-encoding")
    length = headers.get("content-length")
    if length is not None and not (length.isascii() and length.isdigit()):
        length = _one_length(length)
    if coding is not None:
        if coding.lower() != "chunked":
            raise UnexpectedReply("the reply uses a transfer coding other than chunked")
        return CHUNKED
    if length is None:
        return UNTIL_CLOSE
    if len(length) > 19:
        raise UnexpectedReply("the reply's Content-Length is absurd")
    return int(length)


def _one_length(value: str) -> str:
    """Return the one length a repeated Content-Length states."""
    lengths = {part.strip(" \t") for part in value.split(",")}
    length = lengths.pop()
    if lengths or not (length.isascii() and length.isdigit()):
        raise UnexpectedReply("the reply's Content-Length is not one number")
    return length


_SIZE, _DATA, _DATA_END, _TRAILER = range(4)
_LINE_LIMIT = 8 * 1024
_SIZE_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})[ \t]*(?:;[^\r\n\0]*)?")
_TRAILER_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[^\r\n\0]*|[ \t][^\r\n\0]*")


class ChunkedDecoder:
    """Decodes the chunked coding from pieces cut anywhere; trailers are read and dropped.

    ``feed`` returns the data of a piece; once ``done``, ``unused`` holds what came after the end.
    """

    __slots__ = ("_left", "_line", "_state", "_trailer", "done", "unused")

    def __init__(self) -> None:
        self._state = _SIZE
        self._left = 0
        self._line = b""
        self._trailer = 0
        self.done = False
        self.unused = b""

    def feed(self, data: bytes) -> bytes:
        """Return the decoded bytes of ``data``.

        Raises:
            UnexpectedReply: the coding is broken.
        """
        out: list[bytes] = []
        at = 0
        while at < len(data) and not self.done:
            if self._state == _DATA:
                piece = data[at : at + self._left]
                out.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = _DATA_END
            else:
                at = self._feed_line(data, at)
        if self.done:
            self.unused += data[at:]
        return out[0] if len(out) == 1 else b"".join(out)

    def _feed_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        line = self._line + (data[at:] if end < 0 else data[at : end + 1])
        if len(line) > _LINE_LIMIT:
            raise UnexpectedReply("a line of the chunked reply is too long")
        if end < 0:
            self._line = line
            return len(data)
        self._line = b""
        if line[-2:] != b"\r\n":
            raise UnexpectedReply("a line of the chunked reply ends in a bare line feed")
        self._take_line(line[:-2])
        return end + 1

    def _take_line(self, line: bytes) -> None:
        if self._state == _SIZE:
            match = _SIZE_LINE.fullmatch(line)
            if match is None:
                raise UnexpectedReply("a chunk of the reply has no size")
            self._left = int(match[1], 16)
            self._state = _DATA if self._left else _TRAILER
        elif self._state == _DATA_END:
            if line:
                raise UnexpectedReply("a chunk of the reply is longer than its size")
            self._state = _SIZE
        elif not line:
            self.done = True
        else:
            self._trailer += len(line)
            if self._trailer > HEAD_LIMIT or _TRAILER_LINE.fullmatch(line) is None:
                raise UnexpectedReply("the trailer of the chunked reply is malformed")
