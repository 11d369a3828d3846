"""HTTP proxies: which requests go through one, and what it is told."""

from __future__ import annotations

import base64
import ipaddress
from dataclasses import field
from urllib.parse import unquote_to_bytes, urlsplit

from oms_engine.errors import ConfigError, StoreError
from oms_engine.frozen import dataclass
from oms_engine.store import Endpoint
from oms_engine.wire.codec import parse_head


@dataclass(frozen=True, slots=True)
class Proxy:
    """An HTTP proxy, and its credentials as a ready header value."""

    host: str
    port: int
    authorization: str | None = field(default=None, repr=False)

    @property
    def header(self) -> str:
        """The Proxy-Authorization line, or nothing."""
        return f"Proxy-Authorization: {self.authorization}\r\n" if self.authorization else ""

    def connect_head(self, endpoint: Endpoint) -> bytes:
        """Render the CONNECT request for a tunnel to an https endpoint."""
        host = f"[{endpoint.host}]" if ":" in endpoint.host else endpoint.host
        target = f"{host}:{endpoint.port}"
        return f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n{self.header}\r\n".encode("ascii")


def parse_proxy(url: str) -> Proxy:
    """Parse ``http://[user:password@]host[:port]``.

    Raises:
        ConfigError: it is no such URL. The text never shows the URL: it may hold a password.
    """
    try:
        parts = urlsplit(url if "://" in url else f"http://{url}")
        port = parts.port
    except ValueError:
        raise ConfigError("the proxy URL is malformed; write http://host:port") from None
    if parts.scheme != "http" or not parts.hostname:
        raise ConfigError("the proxy must be an http:// URL; proxies over TLS or SOCKS are not supported")
    authorization = None
    if parts.username is not None:
        plain = unquote_to_bytes(parts.username) + b":" + unquote_to_bytes(parts.password or "")
        authorization = "Basic " + base64.b64encode(plain).decode("ascii")
    return Proxy(parts.hostname, port or 80, authorization)


def route_text(endpoint: Endpoint, proxy: Proxy | None) -> str:
    """Name where a connection leads in messages: through a proxy it is the proxy that may be unreachable."""
    through = f" through the proxy {proxy.host}:{proxy.port}" if proxy else ""
    return f"{endpoint.host}:{endpoint.port}{through}"


def goes_direct(endpoint: Endpoint, no_proxy: tuple[str, ...]) -> bool:
    """Whether an endpoint is exempt from the proxy."""
    return any(_matches(endpoint, entry.strip().lower()) for entry in no_proxy)


def _matches(endpoint: Endpoint, entry: str) -> bool:
    host = endpoint.host.lower()
    if entry == "*" or entry in (host, f"{host}:{endpoint.port}"):
        return True
    suffix = entry.removeprefix("*").removeprefix(".")
    if suffix and host.endswith(f".{suffix}"):
        return True
    try:
        return ipaddress.ip_address(host) in ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return False


def tunnel_failure(data: bytes, end: int) -> OSError | None:
    """Return what is wrong with a proxy's answer to CONNECT, None when the tunnel stands."""
    try:
        status, _ = parse_head(data[: end + 2])
    except StoreError:
        return OSError("the proxy's answer is no HTTP")
    if not 200 <= status < 300:
        return OSError(f"the proxy refused the tunnel with status {status}")
    return OSError("the proxy sent bytes before the tunnel was used") if len(data) > end + 4 else None
