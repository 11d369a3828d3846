"""URLs of the web as requests: taken apart without being rewritten, and followed from redirect to redirect. Pure."""

from __future__ import annotations

import re
from urllib.parse import quote_from_bytes, urljoin, urlsplit

from oms_engine.store import Endpoint, Request

MAX_REDIRECTS = 5
"""Redirects followed for one URL."""

_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_HOST = re.compile(r"[A-Za-z0-9_.:\-]+")
_OUTSIDE = re.compile(r"[^!-~]")


def web_request(method: str, url: str, headers: dict[str, str], *, public: bool) -> Request:
    """Return the request for a URL; path and query are sent exactly as written, a fragment is left out.

    ``public`` lets it be connected to on the public internet only.

    Raises:
        ValueError: no http or https URL, or one with a user name; the text is fit for a message.
    """
    endpoint, target = _parse(url, public=public)
    path, mark, query = target.partition("?")
    return Request(method, endpoint, path or "/", (), headers, raw_query=query if mark else None)


def _parse(url: str, *, public: bool) -> tuple[Endpoint, str]:
    text = _encoded(url).partition("#")[0]
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        raise ValueError("the URL is malformed: write http://host[:port]/path") from None
    if parts.scheme not in {"http", "https"} or not host or not _HOST.fullmatch(host):
        raise ValueError("it is no http or https URL with a host")
    if "@" in parts.netloc:
        raise ValueError("a user name or password in a URL is not supported: use a URL with a signature")
    at = text.index("//") + 2 + len(parts.netloc)
    endpoint = Endpoint(parts.scheme, host, port or (443 if parts.scheme == "https" else 80), public)
    return endpoint, text[at:]


def _encoded(url: str) -> str:
    """Percent-encode what cannot stand in a URL; a Location header may hold raw bytes, read as latin-1."""
    if not _OUTSIDE.search(url):
        return url
    raw = url.encode("latin-1") if max(url) < "\u0100" else url.encode("utf-8", "surrogateescape")
    return quote_from_bytes(raw, safe=_PRINTABLE)


def web_url(request: Request, *, query: bool = True) -> str:
    """Return the URL of a request; without its query, which may hold a signature, for messages."""
    tail = f"?{request.raw_query}" if query and request.raw_query is not None else ""
    return f"{request.endpoint.scheme}://{request.endpoint.netloc}{request.path}{tail}"


def redirected(request: Request, location: str) -> Request:
    """Return the request that a redirect asks for, wherever it leads.

    Raises:
        ValueError: no http or https URL, or from https to http: what was asked for in safety stays there.
    """
    url = urljoin(web_url(request), _encoded(location))
    there = web_request(request.method, url, request.headers, public=request.endpoint.public)
    if request.endpoint.scheme == "https" and there.endpoint.scheme != "https":
        raise ValueError("it leads from https to http")
    return there


def follow_trail(asked: Request, trail: list[Request], location: str) -> bool:
    """Note the next request of a call that is redirected; False when it is not followed."""
    if len(trail) >= MAX_REDIRECTS:
        return False
    try:
        trail.append(redirected(trail[-1] if trail else asked, location))
    except ValueError:
        return False
    return True
