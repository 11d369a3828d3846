"""Tencent COS's signature: HMAC-SHA1 with a key of its own for a span of time, in the Authorization header.

https://www.tencentcloud.com/document/product/436/7778

The path is signed decoded, byte by byte. Query parameters and headers are signed by name and value, both encoded.
"""

from __future__ import annotations

import hmac
from hashlib import sha1
from urllib.parse import quote, unquote_to_bytes

from oms_adapters.signing.mac import KeyedHash
from oms_adapters.signing.quoting import Query, quote_value
from oms_engine.model import Credentials
from oms_engine.store import Request

SKEW = 15 * 60
"""Seconds before and after which a signature is accepted too, so that a clock that is a little off does no harm."""

WINDOW = 300
"""Seconds one key is used for: the key depends on nothing but the span of time that it signs for."""

SIGNED_HEADERS = frozenset(
    """cache-control content-disposition content-encoding content-md5 content-type expires host if-match
    if-modified-since if-none-match if-unmodified-since origin range""".split()  # noqa: SIM905 - a table
)
"""What the vendor's SDK signs beside ``x-cos-`` (``qcloud_cos/cos_auth.py``), less what the wire adds."""


def canonical_pairs(pairs: list[tuple[str, str]]) -> tuple[str, str]:
    """Return the names joined by ``;`` and the pairs joined by ``&``, sorted by lower-case name."""
    pairs.sort()
    return ";".join([name for name, _ in pairs]), "&".join([f"{name}={value}" for name, value in pairs])


def canonical_query(query: Query) -> tuple[str, str]:
    """Return names and pairs of the query as they are signed; a bare name has an empty value."""
    return canonical_pairs([(quote_value(name).lower(), quote_value(value or "")) for name, value in query])


def canonical_headers(headers: dict[str, str], host: str) -> tuple[str, str]:
    """Return names and pairs of the headers as they are signed, ``host`` among them."""
    signed = [("host", host)]
    for name, value in headers.items():
        lower = name.lower()
        if lower in SIGNED_HEADERS or lower.startswith("x-cos-"):
            signed.append((lower, value))
    # A header's value is latin-1 text of the bytes that are sent; those bytes are what is encoded.
    return canonical_pairs([(quote_value(name), quote_bytes(value)) for name, value in signed])


def quote_bytes(value: str) -> str:
    """Return a header value's bytes, percent-encoded."""
    return quote(value.encode("latin-1"), "~")


class CosSignature:
    """A signer with one account's credentials."""

    __slots__ = ("_access_key", "_entry", "_secret", "_token")

    def __init__(self, credentials: Credentials) -> None:
        self._access_key = credentials.access_key
        self._secret = credentials.secret_key
        self._token = credentials.token
        self._entry: tuple[int, str, KeyedHash] | None = None

    def __call__(self, request: Request, now: float) -> Request:
        """Return the request with its Authorization header, and the token where there is one."""
        method, endpoint, path, query, given, body, body_size = request
        headers = given.copy()
        if self._token:
            headers["x-cos-security-token"] = self._token.reveal()
        times, keyed = self._key(int(now) // WINDOW * WINDOW)
        names, lines = canonical_headers(headers, endpoint.netloc)
        parameters, pairs = canonical_query(query) if query else ("", "")
        decoded = unquote_to_bytes(path) if "%" in path else path.encode()
        text = b"%s\n%s\n%s\n%s\n" % (method.lower().encode(), decoded, pairs.encode(), lines.encode())
        signature = keyed(f"sha1\n{times}\n{sha1(text).hexdigest()}\n".encode()).hexdigest()
        headers["authorization"] = (
            f"q-sign-algorithm=sha1&q-ak={self._access_key}&q-sign-time={times}&q-key-time={times}"
            f"&q-header-list={names}&q-url-param-list={parameters}&q-signature={signature}"
        )
        return Request(method, endpoint, path, query, headers, body, body_size)

    def _key(self, since: int) -> tuple[str, KeyedHash]:
        """Return the span of time that starts at ``since``, and the hash keyed for it."""
        entry = self._entry
        if entry is None or entry[0] != since:
            times = f"{since - SKEW};{since + WINDOW + SKEW}"
            key = hmac.digest(self._secret.reveal().encode(), times.encode(), "sha1").hex()
            self._entry = entry = (since, times, KeyedHash(key.encode(), sha1))
        return entry[1], entry[2]
