"""Endpoints as text: which can stand in a request, and which a redirect names."""

from __future__ import annotations

from urllib.parse import urlsplit

from oms_engine.errors import InvalidRequest
from oms_engine.store import Endpoint


def check_endpoint(endpoint: Endpoint) -> None:
    """Refuse an endpoint that cannot stand in a request."""
    host = endpoint.host
    if (
        endpoint.scheme not in ("http", "https")
        or not host
        or not host.isascii()
        or not host.isprintable()
        or set(host) & set(" /?#@\\")
    ):
        raise InvalidRequest("the endpoint is no http or https host")


def endpoint_or_none(location: str) -> Endpoint | None:
    """Return the endpoint of an absolute http URL, None for anything else."""
    try:
        parts = urlsplit(location)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    return Endpoint(parts.scheme, parts.hostname, port or (443 if parts.scheme == "https" else 80))
