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
from time import gmtime, strftime

from oms_adapters.signing.quoting import Query, quote_value
from oms_engine.model import Credentials
from oms_engine.store import Request

UNSIGNED = "UNSIGNED-PAYLOAD"
ALGORITHM = "AWS4-HMAC-SHA256"

UNSIGNED_HEADERS = frozenset({"connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"})
"""Headers a proxy may add or change: never signed, as in AWS's own SDK."""

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
    if len(query) < 2:
        return f"{quote_value(query[0][0])}={quote_value(query[0][1] or '')}" if query else ""
    pairs = sorted([(quote_value(name), quote_value(value or "")) for name, value in query])
    return "&".join([f"{name}={value}" for name, value in pairs])


def fold(value: str) -> str:
    """Return a header value as it is signed: outer blanks removed, inner ones single."""
    return _BLANKS.sub(" ", value.strip(" \t")) if " " in value or "\t" in value else value


class SigV4:
    """A signer with one account's credentials; derived keys are kept per host and day.

    ``region_of`` names the region of a host (None: ``region``), so that a redirect to another region is signed for it.
    """

    __slots__ = ("_credentials", "_keys", "_region", "_region_of", "_sign_payload")

    def __init__(
        self,
        credentials: Credentials,
        region: str,
        *,
        sign_payload: bool = False,
        region_of: Callable[[str], str | None] | None = None,
    ) -> None:
        self._credentials = credentials
        self._region = region
        self._region_of = region_of
        self._sign_payload = sign_payload
        self._keys: dict[tuple[str, str], tuple[str, bytes]] = {}

    def __call__(self, request: Request, now: float) -> Request:
        """Return the request with date, payload and Authorization headers."""
        method, endpoint, path, query, given, body, body_size = request
        stamp = _stamp(int(now))
        host = endpoint.netloc
        headers = given.copy()
        headers["x-amz-date"] = stamp
        headers["x-amz-content-sha256"] = payload = self._payload(body, body_size)
        if self._credentials.token:
            headers["x-amz-security-token"] = self._credentials.token.reveal()
        pairs = [(name.lower(), value) for name, value in headers.items()]
        pairs.append(("host", host))
        pairs.sort()
        pairs = [(name, fold(value)) for name, value in pairs if name not in UNSIGNED_HEADERS]
        signed = ";".join([name for name, _ in pairs])
        lines = "".join([f"{name}:{value}\n" for name, value in pairs])
        canonical = f"{method}\n{path}\n{canonical_query(query)}\n{lines}\n{signed}\n{payload}"
        scope, key = self._keys.get((host, stamp[:8])) or self._derive(host, endpoint.host, stamp[:8])
        digest = sha256(canonical.encode("latin-1")).hexdigest()
        signature = hmac.digest(key, f"{ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode(), "sha256").hex()
        headers["authorization"] = (
            f"{ALGORITHM} Credential={self._credentials.access_key}/{scope}, "
            f"SignedHeaders={signed}, Signature={signature}"
        )
        return Request(method, endpoint, path, query, headers, body, body_size)

    def _payload(self, body: bytes, body_size: int | None) -> str:
        if self._sign_payload and body_size is None:
            return sha256(body).hexdigest()
        return UNSIGNED

    def _derive(self, netloc: str, host: str, day: str) -> tuple[str, bytes]:
        region = (self._region_of(host) if self._region_of else None) or self._region
        key = signing_key(self._credentials.secret_key.reveal(), day, region)
        if len(self._keys) > 64:
            self._keys.clear()
        self._keys[netloc, day] = entry = (f"{day}/{region}/s3/aws4_request", key)
        return entry


def anonymous(request: Request, now: float) -> Request:  # noqa: ARG001 - the signature of a Signer
    """Leave the request unsigned: public buckets."""
    return request
