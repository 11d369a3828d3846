"""AWS Signature Version 4 for S3, in the Authorization header.

https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html

Bodies are not hashed (``UNSIGNED-PAYLOAD``): their integrity is guarded by Content-MD5 and by TLS, and hashing 8 KB
costs more than the whole signature. ``sign_payload`` hashes bodies that are in memory, for stores that insist.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha256
from operator import itemgetter
from time import gmtime, strftime
from typing import NamedTuple

from oms_adapters.signing.mac import KeyedHash
from oms_adapters.signing.quoting import Query, quote_value
from oms_engine.model import Credentials
from oms_engine.store import Endpoint, Request

UNSIGNED = "UNSIGNED-PAYLOAD"
ALGORITHM = "AWS4-HMAC-SHA256"

UNSIGNED_HEADERS = frozenset(
    """accept-encoding baggage connection expect keep-alive proxy-authenticate proxy-authorization te traceparent
    tracestate trailer transfer-encoding upgrade user-agent x-amzn-trace-id""".split()  # noqa: SIM905 - a table
)
"""Headers a proxy may add or change: never signed, as in AWS's own SDK (botocore/auth.py), which sends Accept-Encoding
unsigned too. Google's front end rewrites it before it verifies: https://github.com/aws/aws-sdk-go-v2/issues/1816"""

_BLANKS = re.compile(r"[ \t]+")


@lru_cache(maxsize=8)
def _stamp(second: int) -> str:
    return strftime("%Y%m%dT%H%M%SZ", gmtime(second))


def signing_key(secret: str, day: str, region: str, service: str = "s3") -> bytes:
    """Return the key derived for one day, region and service."""
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def canonical_query(query: Query) -> str:
    """Return the query as it is signed: encoded, then sorted; a bare name gets ``=``."""
    pairs = sorted([(quote_value(name), quote_value(value or "")) for name, value in query])
    return "&".join([f"{name}={value}" for name, value in pairs])


def fold(value: str) -> str:
    """Return a header value as it is signed: outer blanks removed, inner ones single."""
    return _BLANKS.sub(" ", value.strip(" \t"))


class _Order(NamedTuple):
    """How headers of one set of names are signed."""

    names: str
    """In lower case and in order, separated by ``;``."""
    template: str
    """Their lines, that of the host ready, with ``%s`` for each other value."""
    values: Callable[[dict[str, str]], object]
    """Takes the values in that order."""


def canonical_headers(headers: dict[str, str], host: str) -> tuple[str, str]:
    """Return the names that are signed, and the lines of names and values; ``host`` is signed as a header."""
    names, template, values = _order(tuple(headers), host)
    lines = template % values(headers)
    if " " in lines or "\t" in lines:
        lines = template % values({name: fold(value) for name, value in headers.items()})
    return names, lines


@lru_cache(maxsize=1024)
def _order(given: tuple[str, ...], host: str) -> _Order:
    """Put names in order once: the calls of one kind all have the same ones. Of two spellings the last counts."""
    spelled = {name.lower(): name for name in given}
    names = sorted({*spelled, "host"} - UNSIGNED_HEADERS)
    lines = {name: f"{name.replace('%', '%%')}:%s" for name in spelled} | {"host": f"host:{host}".replace("%", "%%")}
    values = [spelled[name] for name in names if name != "host"]
    template = "\n".join([lines[name] for name in names])
    return _Order(";".join(names), template, itemgetter(*values) if values else _nothing)


def _nothing(_headers: dict[str, str]) -> tuple[()]:
    return ()


class SigV4:
    """A signer with one account's credentials; derived keys are kept per host and day.

    ``region_of`` names the region of a host (None: ``region``), so that a redirect to another region is signed for it.
    """

    __slots__ = ("_access_key", "_keys", "_region", "_region_of", "_secret", "_sign_payload", "_token")

    def __init__(
        self,
        credentials: Credentials,
        region: str,
        *,
        sign_payload: bool = False,
        region_of: Callable[[str], str | None] | None = None,
    ) -> None:
        self._access_key = credentials.access_key
        self._secret = credentials.secret_key
        self._token = credentials.token
        self._region = region
        self._region_of = region_of
        self._sign_payload = sign_payload
        self._keys: dict[tuple[Endpoint, str], tuple[str, str, KeyedHash]] = {}

    def __call__(self, request: Request, now: float) -> Request:
        """Return the request with date, payload and Authorization headers."""
        method, endpoint, path, query, given, body, body_size, _ = request
        stamp = _stamp(int(now))
        host, scope, keyed = self._keys.get((endpoint, stamp[:8])) or self._derive(endpoint, stamp[:8])
        headers = given.copy()
        headers["x-amz-date"] = stamp
        headers["x-amz-content-sha256"] = payload = self._payload(body, body_size) if self._sign_payload else UNSIGNED
        if self._token:
            headers["x-amz-security-token"] = self._token.reveal()
        signed, lines = canonical_headers(headers, host)
        canonical = f"{method}\n{path}\n{canonical_query(query) if query else ''}\n{lines}\n\n{signed}\n{payload}"
        digest = sha256(canonical.encode("latin-1")).hexdigest()
        signature = keyed(f"{ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode()).hexdigest()
        headers["authorization"] = (
            f"{ALGORITHM} Credential={self._access_key}/{scope}, SignedHeaders={signed}, Signature={signature}"
        )
        return Request(method, endpoint, path, query, headers, body, body_size)

    def _payload(self, body: bytes, body_size: int | None) -> str:
        return sha256(body).hexdigest() if body_size is None else UNSIGNED

    def _derive(self, endpoint: Endpoint, day: str) -> tuple[str, str, KeyedHash]:
        region = (self._region_of(endpoint.host) if self._region_of else None) or self._region
        keyed = KeyedHash(signing_key(self._secret.reveal(), day, region), sha256)
        if len(self._keys) > 64:
            self._keys.clear()
        self._keys[endpoint, day] = entry = (endpoint.netloc, f"{day}/{region}/s3/aws4_request", keyed)
        return entry


def anonymous(request: Request, now: float) -> Request:  # noqa: ARG001 - the signature of a Signer
    """Leave the request unsigned: public buckets."""
    return request
