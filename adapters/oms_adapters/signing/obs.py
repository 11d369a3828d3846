"""OBS's own signature: HMAC-SHA1 in the Authorization header.

https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0010.html

The canonical resource is ``/bucket`` plus the path as it is sent (encoded), plus the sub-resources of the query.
"""

from __future__ import annotations

from binascii import b2a_base64
from functools import lru_cache
from hashlib import sha1
from time import gmtime

from oms_adapters.signing.mac import KeyedHash
from oms_adapters.signing.quoting import Query
from oms_engine.model import Credentials
from oms_engine.store import Request

SUB_RESOURCES = frozenset(
    """acl append attname backtosource bucketstatus cors customdomain delete deletebucket directcoldaccess dispolicy
    encryption fileinterface inventory length lifecycle location logging metadata mirrorbacktosource modify name
    notification object-lock obsalias obsbucketalias obscompresspolicy partnumber policy policystatus position
    publicaccessblock quota rename replication requestpayment response-cache-control response-content-disposition
    response-content-encoding response-content-language response-content-type response-expires restore retention
    storageclass storageinfo storagepolicy tagging torrent truncate uploadid uploads versionid versioning versions
    website x-image-process x-image-save-bucket x-image-save-object x-obs-accesslabel x-obs-security-token
    x-oss-process""".split()  # noqa: SIM905 - a table reads better than sixty quoted words
)
"""Query parameters that are signed, in lower case (the vendor's page above and its SDK, ``obs/const.py``)."""

BLANKS = " \t"
"""What may stand around a header's value: of latin-1 text, where each character is a byte, nothing else is stripped.
U+00A0 and U+0085 are the tails of UTF-8 letters there, and white space to ``str.strip``."""

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@lru_cache(maxsize=8)
def http_date(second: int) -> str:
    """Return an instant as HTTP's Date header has it; independent of the locale."""
    t = gmtime(second)
    clock = f"{t.tm_hour:02}:{t.tm_min:02}:{t.tm_sec:02}"
    return f"{_DAYS[t.tm_wday]}, {t.tm_mday:02} {_MONTHS[t.tm_mon - 1]} {t.tm_year} {clock} GMT"


def canonical_resource(path: str, query: Query, bucket: str | None) -> str:
    """Return the resource that is signed; ``bucket`` is given when the host names it and the path does not."""
    resource = f"/{bucket}{path}" if bucket else path
    if not query:
        return resource
    signed = sorted(
        [pair for pair in query if pair[0].lower() in SUB_RESOURCES or pair[0].lower().startswith("x-obs-")]
    )
    if not signed:
        return resource
    text = "&".join([name if value is None else f"{name}={value}" for name, value in signed])
    return f"{resource}?{text}" if text.isascii() else f"{resource}?{text.encode().decode('latin-1')}"


class ObsSignature:
    """A signer with one account's credentials for one bucket.

    ``bucket`` is None when the path names the bucket (path style).
    """

    __slots__ = ("_bucket", "_credentials", "_keyed")

    def __init__(self, credentials: Credentials, bucket: str | None) -> None:
        self._credentials = credentials
        self._bucket = bucket
        self._keyed = KeyedHash(credentials.secret_key.reveal().encode(), sha1)

    def __call__(self, request: Request, now: float) -> Request:
        """Return the request with Date and Authorization headers."""
        method, endpoint, path, query, given, body, body_size, _ = request
        headers = given.copy()
        if self._credentials.token:
            headers["x-obs-security-token"] = self._credentials.token.reveal()
        lower = {name.lower(): value for name, value in headers.items()}
        date = ""
        if "x-obs-date" not in lower:
            headers["date"] = date = http_date(int(now))
        special = "".join(
            [f"{name}:{lower[name].strip(BLANKS)}\n" for name in sorted(lower) if name.startswith("x-obs-")]
        )
        text = (
            f"{method}\n{lower.get('content-md5', '')}\n{lower.get('content-type', '')}\n{date}\n{special}"
            f"{canonical_resource(path, query, self._bucket)}"
        )
        digest = self._keyed(text.encode("latin-1")).digest()
        headers["authorization"] = f"OBS {self._credentials.access_key}:{b2a_base64(digest, newline=False).decode()}"
        return Request(method, endpoint, path, query, headers, body, body_size)
