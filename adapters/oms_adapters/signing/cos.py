"""Tencent COS's signature: HMAC-SHA1 with a key of its own for a span of time, in the Authorization header.

https://www.tencentcloud.com/document/product/436/7778

The path is signed decoded, byte by byte. Query parameters and headers are signed by name and value, both encoded.
"""

from __future__ import annotations

import hmac
import re
from functools import lru_cache
from hashlib import sha1
from urllib.parse import unquote_to_bytes

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


_ODD = re.compile(r"[^A-Za-z0-9_.~-]")
"""What is encoded of a header's value. Few characters are, so this is faster than :func:`urllib.parse.quote`."""


def canonical_query(query: Query) -> tuple[str, str]:
    """Return the names and the pairs of the query as they are signed; a bare name has an empty value."""
    pairs = sorted([(quote_value(name).lower(), quote_value(value or "")) for name, value in query])
    return ";".join([name for name, _ in pairs]), "&".join([f"{name}={value}" for name, value in pairs])


def canonical_headers(headers: dict[str, str], host: str) -> tuple[str, str]:
    """Return the names and the pairs of the headers as they are signed, ``host`` among them.

    A value is latin-1 text of the bytes that are sent; those bytes are what is encoded.
    """
    names, template, signed = _order(tuple(headers), host)
    return names, template % tuple([_ODD.sub(_quoted, headers[name]) for name in signed])


def _quoted(found: re.Match[str]) -> str:
    return f"%{ord(found[0]):02X}"


@lru_cache(maxsize=1024)
def _order(given: tuple[str, ...], host: str) -> tuple[str, str, tuple[str, ...]]:
    """Put names in order once: the calls of one kind all have the same ones. Of two spellings the last counts.

    Return the names as they are stated, the pairs with ``%s`` for each value but the host's, and whose values.
    """
    spelled = {name.lower(): name for name in given if _is_signed(name.lower())}
    quoted = sorted([(quote_value(name).lower(), name) for name in {*spelled, "host"}])
    own = quote_value(host).replace("%", "%%")
    template = "&".join([f"{text.replace('%', '%%')}={own if name == 'host' else '%s'}" for text, name in quoted])
    return ";".join([text for text, _ in quoted]), template, tuple(spelled[n] for _, n in quoted if n != "host")


def _is_signed(name: str) -> bool:
    return name in SIGNED_HEADERS or name.startswith("x-cos-")


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
        method, endpoint, path, query, given, body, body_size, raw_query = request
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
        return Request(method, endpoint, path, query, headers, body, body_size, raw_query)

    def _key(self, since: int) -> tuple[str, KeyedHash]:
        """Return the span of time that starts at ``since``, and the hash keyed for it."""
        entry = self._entry
        if entry is None or entry[0] != since:
            times = f"{since - SKEW};{since + WINDOW + SKEW}"
            key = hmac.digest(self._secret.reveal().encode(), times.encode(), "sha1").hex()
            self._entry = entry = (since, times, KeyedHash(key.encode(), sha1))
        return entry[1], entry[2]
