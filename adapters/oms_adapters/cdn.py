"""A bucket behind a CDN (OMS's ``source_cdn``): listed and described by the bucket, read through the CDN's domain.

What the CDN serves is believed only when it is the object the bucket states now: the same size and time, and the same
ETag where both have one of a kind. Nothing of the bucket's protocol goes to the CDN: no vendor's header, no secret,
only what the CDN's own URL authentication asks for.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Final

from oms_adapters.signing.cdn import BY_CREDENTIALS, BY_KEY, STYLES, Asked, CdnAuth, Style, sign_target
from oms_adapters.signing.quoting import quote_key
from oms_adapters.webreply import HEADERS, check_span, error_of, read_head
from oms_engine.errors import AccessDenied, ConditionFailed, ConfigError, NotFound, Redirected, StoreError
from oms_engine.frozen import dataclass
from oms_engine.model import (
    Credentials,
    ListPage,
    ObjectHead,
    PartsPage,
    Restore,
    RestoreTier,
    Secret,
    Span,
    UploadsPage,
    WriteOptions,
    Written,
    WrittenPart,
    same_etag,
    strong_etag,
)
from oms_engine.store import BucketStore, Call, Endpoint, Reply, Request

BAD_DOMAIN: Final = "OMS.0081"
KEY_MISSING: Final = "OMS.1032"
BAD_TYPE: Final = "OMS.1003"

_DOMAIN = re.compile(r"(?!.*[.][.])[A-Za-z0-9](?:[A-Za-z0-9.\-]{0,251}[A-Za-z0-9])?(?::([0-9]{1,5}))?")
_COMPARABLE = re.compile(r"([0-9a-fA-F]{32})(-[0-9]+)?")
"""ETags that mean the same everywhere: an MD5, or that of parts; a CDN may state one of its own."""


class CdnStale(ConditionFailed):
    """The CDN serves another version of the object than the bucket holds, or does not tell which."""

    code = "CHECK_SRC_CDN_OBJ_STALE_FAILURE"


class CdnRefused(AccessDenied):
    """The CDN refuses: hotlink protection, or its URL authentication."""

    code = "GET_SRC_CDN_OBJ_REFUSED_FAILURE"


class CdnMissing(NotFound):
    """The CDN does not find what the bucket has."""

    code = "GET_SRC_CDN_OBJ_MISSING_FAILURE"


@dataclass(frozen=True, slots=True)
class CdnConfig:
    """How the objects of a bucket are read through a CDN; see :func:`parse_cdn`."""

    endpoint: Endpoint
    auth: CdnAuth = CdnAuth.NONE
    key: Secret = Secret("")
    style: Style = Style()


def parse_cdn(
    domain: str,
    *,
    protocol: str = "https",
    auth: str = "NONE",
    key: Secret | None = None,
    signs: bool = True,
    public: bool = False,
    options: Mapping[str, str | bool] | None = None,
) -> CdnConfig:
    """Judge OMS's ``source_cdn``; words are taken in any case.

    ``signs`` says whether the source bucket has credentials: two types sign with them. ``public`` refuses a domain that
    leads to a private address, for whoever lets others name the domain. ``options`` are of
    :class:`oms_adapters.signing.cdn.Style`.

    Raises:
        ConfigError: OMS.0081 domain or protocol, OMS.1003 unknown type, OMS.1032 the key is missing.
    """
    scheme = protocol.strip().lower()
    found = _DOMAIN.fullmatch(domain)
    if found is None or int(found[1] or 1) not in range(1, 65_536):
        raise ConfigError(
            f"the CDN domain {domain!r} is no domain: write it alone, like cdn.example.com", code=BAD_DOMAIN
        )
    if scheme not in {"http", "https"}:
        raise ConfigError(f"the CDN protocol {protocol!r} is unknown: http or https", code=BAD_DOMAIN)
    words = {kind.value: kind for kind in CdnAuth}
    kind = words.get(auth.strip().upper())
    if kind is None:
        raise ConfigError(f"the CDN authentication {auth!r} is unknown: one of {', '.join(words)}", code=BAD_TYPE)
    secret = key or Secret("")
    if kind in BY_KEY and not secret:
        raise ConfigError(f"CDN authentication {kind} needs its key: give authentication_key", code=KEY_MISSING)
    if kind in BY_KEY and not re.fullmatch(r"[!-~]+", secret.reveal()):
        raise ConfigError(
            "the CDN's authentication key holds a space or another impossible character", code=KEY_MISSING
        )
    if kind in BY_CREDENTIALS and not signs:
        raise ConfigError(f"CDN authentication {kind} signs with the source's access key: give one", code=KEY_MISSING)
    default = 443 if scheme == "https" else 80
    return CdnConfig(
        Endpoint(scheme, domain.partition(":")[0], int(found[1] or default), public),
        kind,
        secret,
        _style(kind, options or {}),
    )


_PARAMETER = re.compile(r"[A-Za-z0-9_.~-]{1,64}")


def _style(kind: CdnAuth, options: Mapping[str, str | bool]) -> Style:
    known = STYLES.get(kind, frozenset())
    for name, value in options.items():
        if name not in known:
            words = f"it has {', '.join(sorted(known))}" if known else "it has none"
            raise ConfigError(f"CDN authentication {kind} has no option {name!r}: {words}", code=BAD_TYPE)
        wanted = bool if name in {"hex_time", "in_query"} else str
        if not isinstance(value, wanted) or (isinstance(value, str) and not _PARAMETER.fullmatch(value)):
            what = "true or false" if wanted is bool else "the name of a parameter"
            raise ConfigError(f"option {name} of the CDN is {value!r}; write {what}", code=BAD_TYPE)
    if kind is CdnAuth.ALIYUN_C and options and not options.get("in_query"):
        raise ConfigError(
            "names of parameters need in_query=true: without it nothing stands in the query", code=BAD_TYPE
        )
    return Style(**options)  # type: ignore[arg-type]


class CdnStore:
    """A bucket whose reads go to a CDN. See :class:`oms_engine.store.FrontedStore`."""

    def __init__(self, store: BucketStore, cdn: CdnConfig, credentials: Credentials | None) -> None:
        self.label = store.label
        self.cloud_type = store.cloud_type
        self.bucket = store.bucket
        self.endpoint = store.endpoint
        self.capabilities = store.capabilities
        self.read_endpoint = cdn.endpoint
        self._store = store
        self._cdn = cdn
        self._credentials = credentials

    # -- read through the CDN ---------------------------------------------------------------------------------------

    def read(self, key: str, *, span: Span | None = None, if_match: str | None = None) -> Call[ObjectHead]:
        """Read an object as the CDN has it; ``if_match`` is held against its ETag here, a CDN need not know it."""

        def check(served: ObjectHead) -> ObjectHead:
            if if_match is not None and not same_etag(served.etag, if_match):
                raise self._error(CdnStale, key, f"the CDN serves ETag {served.etag!r} instead of {if_match!r}")
            return served

        return self._get(key, span, check)

    def read_stated(self, stated: ObjectHead, *, span: Span | None = None) -> Call[ObjectHead]:
        """Read the object that the bucket states; the value is ``stated``."""

        def check(served: ObjectHead) -> ObjectHead:
            fault = difference(stated, served)
            if fault is not None:
                message = f"the CDN serves another version: {fault}. Refresh its cache, then run the task again"
                raise self._error(CdnStale, stated.key, message)
            return stated

        return self._get(stated.key, span, check)

    def _get(self, key: str, span: Span | None, check: Callable[[ObjectHead], ObjectHead]) -> Call[ObjectHead]:
        headers = dict(HEADERS)
        if span is not None:
            headers["range"] = f"bytes={span.first}-{span.last}"
        names = {"store": self.label, "operation": "read", "key": key}

        def read(reply: Reply) -> ObjectHead:
            if reply.status not in {200, 206}:
                raise self._refusal(reply, key)
            check_span(reply, span, **names)
            return check(read_head(key, reply))

        request = Request("GET", self._cdn.endpoint, f"/{quote_key(key)}", (), headers)
        return Call(request, self._sign, read, self.label, "read")

    def _sign(self, request: Request, now: float) -> Request:
        origin = f"{request.endpoint.scheme}://{request.endpoint.netloc}"
        asked = Asked(origin, self.bucket, self._cdn.key, self._credentials, self._cdn.style)
        path, query = sign_target(self._cdn.auth, asked, request.path, now=now, nonce=secrets.token_hex(8))
        return request._replace(path=path, raw_query=query)

    def _refusal(self, reply: Reply, key: str) -> StoreError:
        where = f"the CDN {self._cdn.endpoint.netloc}"
        if reply.status in {401, 403}:
            text = f"{where} refuses: is it protected against hotlinks, or is its URL authentication another one"
            own = f" than {self._cdn.auth}?" if self._cdn.auth is not CdnAuth.NONE else ", and not set?"
            return self._error(CdnRefused, key, text + own, reply.status)
        if reply.status in {404, 410}:
            return self._error(
                CdnMissing, key, f"{where} does not find the object: is it for this bucket?", reply.status
            )
        error = error_of(reply, where, store=self.label, operation="read", key=key)
        if isinstance(error, Redirected):
            error.location = self._upgrade(error.location)
        return error

    def _upgrade(self, location: str) -> str:
        """Return the https side of the CDN's own domain when that is where it redirects to, else nothing."""
        there = f"https://{self._cdn.endpoint.host}"
        return there if location == there or location.startswith((f"{there}/", f"{there}:443/")) else ""

    def _error(self, kind: type[StoreError], key: str, text: str, status: int = 0) -> StoreError:
        return kind(text, store=self.label, operation="read", key=key, status=status)

    # -- asked of the bucket ----------------------------------------------------------------------------------------

    def list_page(
        self, prefix: str, *, start_after: str = "", limit: int = 1000, token: str | None = None
    ) -> Call[ListPage]:
        """List the bucket."""
        return self._store.list_page(prefix, start_after=start_after, limit=limit, token=token)

    def head(self, key: str) -> Call[ObjectHead]:
        """State the bucket's object."""
        return self._store.head(key)

    def write(self, key: str, *, size: int, options: WriteOptions, body: bytes | None = None) -> Call[Written]:
        """Store an object in the bucket."""
        return self._store.write(key, size=size, options=options, body=body)

    def delete(self, key: str, *, version: str = "") -> Call[None]:
        """Delete the bucket's object."""
        return self._store.delete(key, version=version)

    def start_upload(self, key: str, *, options: WriteOptions) -> Call[str]:
        """Open an upload in the bucket."""
        return self._store.start_upload(key, options=options)

    def write_part(
        self,
        key: str,
        upload_id: str,
        number: int,
        *,
        size: int,
        body: bytes | None = None,
        md5: bytes | None = None,
        crc64: int | None = None,
    ) -> Call[WrittenPart]:
        """Store a part in the bucket."""
        return self._store.write_part(key, upload_id, number, size=size, body=body, md5=md5, crc64=crc64)

    def complete_upload(
        self, key: str, upload_id: str, parts: list[WrittenPart], *, announced: bool = True
    ) -> Call[Written]:
        """Join the parts in the bucket."""
        return self._store.complete_upload(key, upload_id, parts, announced=announced)

    def abort_upload(self, key: str, upload_id: str) -> Call[None]:
        """Drop an upload in the bucket."""
        return self._store.abort_upload(key, upload_id)

    def list_parts(self, key: str, upload_id: str, *, after: int = 0) -> Call[PartsPage]:
        """List the parts in the bucket."""
        return self._store.list_parts(key, upload_id, after=after)

    def list_uploads(self, prefix: str, *, after: tuple[str, str] | None = None) -> Call[UploadsPage]:
        """List the uploads in the bucket."""
        return self._store.list_uploads(prefix, after=after)

    def restore(self, key: str, *, days: int, tier: RestoreTier, storage_class: str = "") -> Call[Restore]:
        """Ask the bucket to make an archived object readable."""
        return self._store.restore(key, days=days, tier=tier, storage_class=storage_class)


def difference(stated: ObjectHead, served: ObjectHead) -> str | None:
    """Return what tells the object a CDN serves from the one the bucket states, None when nothing does.

    Times are compared in whole seconds, as HTTP dates have them. A CDN that states no time must state the ETag.
    """
    if None not in {stated.size, served.size} and stated.size != served.size:
        return f"it has {served.size} bytes, the bucket's {stated.size}"
    ours, theirs = _COMPARABLE.fullmatch(strong_etag(stated.etag)), _COMPARABLE.fullmatch(strong_etag(served.etag))
    alike = bool(ours and theirs and bool(ours[2]) == bool(theirs[2]))
    if ours and theirs and alike and ours[0].lower() != theirs[0].lower():
        return f"its ETag is {served.etag}, the bucket's {stated.etag}"
    if served.last_modified and stated.last_modified:
        if math.floor(stated.last_modified) != math.floor(served.last_modified):
            older = "older" if served.last_modified < stated.last_modified else "newer"
            return f"it is {older} than the bucket's"
        return None
    return None if alike else "it states neither its time nor a comparable ETag"
