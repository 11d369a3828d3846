"""Alibaba Cloud OSS's own signatures in the Authorization header: version 4 (HMAC-SHA256), version 1 (HMAC-SHA1).

https://www.alibabacloud.com/help/en/oss/developer-reference/recommend-to-use-signature-version-4
https://www.alibabacloud.com/help/en/oss/developer-reference/include-signatures-in-the-authorization-header

Both sign ``/bucket/key`` whichever way the bucket is named in the request. Version 4 signs it percent-encoded as it is
sent, and every query parameter; version 1 signs it decoded, and the parameters of a list.
"""

from __future__ import annotations

import hmac
from binascii import b2a_base64
from collections.abc import Callable
from functools import lru_cache
from hashlib import sha1, sha256
from time import gmtime, strftime
from urllib.parse import unquote_to_bytes

from oms_adapters.signing.mac import KeyedHash
from oms_adapters.signing.obs import BLANKS, http_date
from oms_adapters.signing.quoting import Query, quote_value
from oms_engine.model import Credentials
from oms_engine.store import Request

UNSIGNED = "UNSIGNED-PAYLOAD"
"""The only payload that version 4 takes: https://www.alibabacloud.com/help/en/oss/support/0002-00000214"""
ALGORITHM = "OSS4-HMAC-SHA256"

SUB_RESOURCES = frozenset(
    """accessPoint accessPointPolicy acl append asyncFetch bucketArchiveDirectRead bucketInfo callback callback-var
    cname comp continuation-token cors delete encryption endTime group httpsConfig inventory inventoryId lifecycle link
    live location logging metaQuery objectInfo objectMeta partNumber policy position publicAccessBlock qos qosInfo
    qosRequester redundancyTransition referer regionList replication replicationLocation replicationProgress
    requestPayment requesterQosInfo resourceGroup resourcePool resourcePoolBuckets resourcePoolInfo
    response-cache-control response-content-disposition response-content-encoding response-content-language
    response-content-type response-expires restore security-token sequential startTime stat status style styleName
    symlink tagging transferAcceleration uploadId uploads versionId versioning versions vod website worm wormExtend
    wormId x-oss-ac-forward-allow x-oss-ac-source-ip x-oss-ac-subnet-mask x-oss-ac-vpc-id x-oss-access-point-name
    x-oss-async-process x-oss-process x-oss-redundancy-transition-taskid x-oss-request-payer
    x-oss-target-redundancy-type x-oss-traffic-limit x-oss-write-get-object-response""".split()  # noqa: SIM905 - a table
)
"""Query parameters that version 1 signs (the vendor's page above and its SDK, ``oss2/auth.py``)."""


def resource_path(path: str, bucket: str | None) -> str:
    """Return ``/bucket/key`` as it is encoded; ``bucket`` is given when the host names it and the path does not.

    The bucket itself is signed with a slash behind it, which a path-style request leaves out.
    """
    full = f"/{bucket}{path}" if bucket else path
    return full if full == "/" or full.find("/", 1) > 0 else f"{full}/"


def _signed_headers(headers: dict[str, str]) -> dict[str, str]:
    return {name.lower(): value.strip(BLANKS) for name, value in headers.items()}


class OssV1:
    """A signer with one account's credentials for one bucket; ``bucket`` is None when the path names it."""

    __slots__ = ("_bucket", "_credentials", "_keyed")

    def __init__(self, credentials: Credentials, bucket: str | None) -> None:
        self._credentials = credentials
        self._bucket = bucket
        self._keyed = KeyedHash(credentials.secret_key.reveal().encode(), sha1)

    def __call__(self, request: Request, now: float) -> Request:
        """Return the request with Date and Authorization headers."""
        headers = request.headers.copy()
        if self._credentials.token:
            headers["x-oss-security-token"] = self._credentials.token.reveal()
        headers["date"] = http_date(int(now))
        lower = _signed_headers(headers)
        date = lower.get("x-oss-date") or lower["date"]
        special = "".join([f"{name}:{lower[name]}\n" for name in sorted(lower) if name.startswith("x-oss-")])
        text = f"{request.method}\n{lower.get('content-md5', '')}\n{lower.get('content-type', '')}\n{date}\n{special}"
        resource = unquote_to_bytes(resource_path(request.path, self._bucket)) + _sub_resources(request.query)
        digest = self._keyed(text.encode("latin-1") + resource).digest()
        headers["authorization"] = f"OSS {self._credentials.access_key}:{b2a_base64(digest, newline=False).decode()}"
        return request._replace(headers=headers)


def _sub_resources(query: Query) -> bytes:
    signed = sorted([(name, value or "") for name, value in query if name in SUB_RESOURCES])
    text = "&".join([f"{name}={value}" if value else name for name, value in signed])
    return f"?{text}".encode("utf-8", "surrogateescape") if text else b""


def signing_key(secret: str, day: str, region: str) -> bytes:
    """Return the key that version 4 derives for one day and region."""
    key = f"aliyun_v4{secret}".encode()
    for part in (day, region, "oss", "aliyun_v4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key


def canonical_query(query: Query) -> str:
    """Return the query as version 4 signs it: encoded, then sorted; a name without value is bare."""
    pairs = sorted([(quote_value(name), quote_value(value or "")) for name, value in query])
    return "&".join([f"{name}={value}" if value else name for name, value in pairs])


@lru_cache(maxsize=1024)
def _order(given: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    """Put the names that version 4 signs in order once: the calls of one kind all have the same ones.

    Return their lines with ``%s`` for each value, and whose values. Of two spellings the last counts.
    """
    spelled = {name.lower(): name for name in given}
    signed = sorted([name for name in spelled if name.startswith("x-oss-") or name in {"content-type", "content-md5"}])
    lines = "".join([f"{name.replace('%', '%%')}:%s\n" for name in signed])
    return lines, tuple(spelled[name] for name in signed)


@lru_cache(maxsize=8)
def _stamp(second: int) -> str:
    return strftime("%Y%m%dT%H%M%SZ", gmtime(second))


class OssV4:
    """A signer with one account's credentials for one bucket; ``bucket`` is None when the path names it.

    ``region_of`` names the region of a host (None: ``region``), so that a redirect to another region is signed for it.
    """

    __slots__ = ("_bucket", "_credentials", "_keys", "_region", "_region_of")

    def __init__(
        self,
        credentials: Credentials,
        region: str,
        bucket: str | None,
        *,
        region_of: Callable[[str], str | None] | None = None,
    ) -> None:
        self._credentials = credentials
        self._region = region
        self._bucket = bucket
        self._region_of = region_of
        self._keys: dict[tuple[str, str], tuple[str, KeyedHash]] = {}

    def __call__(self, request: Request, now: float) -> Request:
        """Return the request with date, payload and Authorization headers."""
        method, endpoint, path, query, given, body, body_size, raw_query = request
        stamp = _stamp(int(now))
        scope, keyed = self._keys.get((endpoint.host, stamp[:8])) or self._derive(endpoint.host, stamp[:8])
        headers = given.copy()
        headers["x-oss-date"] = stamp
        headers["x-oss-content-sha256"] = UNSIGNED
        if self._credentials.token:
            headers["x-oss-security-token"] = self._credentials.token.reveal()
        template, signed = _order(tuple(headers))
        lines = template % tuple([headers[name].strip(BLANKS) for name in signed])
        resource = resource_path(path, self._bucket)
        canonical = f"{method}\n{resource}\n{canonical_query(query) if query else ''}\n{lines}\n\n{UNSIGNED}"
        digest = sha256(canonical.encode("latin-1")).hexdigest()
        signature = keyed(f"{ALGORITHM}\n{stamp}\n{scope}\n{digest}".encode()).hexdigest()
        headers["authorization"] = (
            f"{ALGORITHM} Credential={self._credentials.access_key}/{scope}, Signature={signature}"
        )
        return Request(method, endpoint, path, query, headers, body, body_size, raw_query)

    def _derive(self, host: str, day: str) -> tuple[str, KeyedHash]:
        region = (self._region_of(host) if self._region_of else None) or self._region
        keyed = KeyedHash(signing_key(self._credentials.secret_key.reveal(), day, region), sha256)
        if len(self._keys) > 64:
            self._keys.clear()
        self._keys[host, day] = entry = (f"{day}/{region}/oss/aliyun_v4_request", keyed)
        return entry
