"""What a plain web server's reply says of an object: no vendor's headers, no error document. For URLs, CDNs. Pure."""

from __future__ import annotations

from oms_adapters.dialects.heads import stated_etag, stated_span, stored_coding, whole_size
from oms_adapters.dialects.times import parse_http_date
from oms_engine.errors import (
    AccessDenied,
    ConditionFailed,
    InvalidRequest,
    NotFound,
    RangeIgnored,
    Redirected,
    StoreError,
    Throttled,
    Unavailable,
    UnexpectedReply,
    Unsupported,
)
from oms_engine.model import Attributes, ObjectHead, Span
from oms_engine.store import Reply

HEADERS = {"accept": "*/*", "accept-encoding": "identity"}
"""The stored bytes are asked for, never a compressed form of them."""

_STATUSES: dict[int, tuple[type[StoreError], str]] = {
    401: (AccessDenied, "the server asks for a login: use a URL that carries its own signature"),
    403: (AccessDenied, "the server refuses: the signature in the URL may have expired, or hotlinks are not welcome"),
    404: (NotFound, "there is nothing at this URL"),
    405: (Unsupported, "the server does not allow this method; a source must answer GET"),
    408: (Unavailable, "the server gave up waiting"),
    410: (NotFound, "what was at this URL is gone for good"),
    412: (ConditionFailed, "the object was replaced"),
    416: (RangeIgnored, "the server does not read this range"),
    429: (Throttled, "the server asks for fewer requests"),
    501: (Unsupported, "the server does not know this method; a source must answer GET"),
    503: (Throttled, "the server asks to come back later"),
}


def read_head(key: str, reply: Reply) -> ObjectHead:
    """Return the object a successful reply states; attributes only as HTTP has them, no user metadata.

    An object without ETag is told from its next version by its time, where the server states one.
    """
    get = reply.headers.get
    time = get("last-modified", "")
    return ObjectHead(
        key,
        whole_size(reply.headers),
        stated_etag(get("etag", "").strip()),
        parse_http_date(time),
        Attributes(
            get("content-type"),
            stored_coding(get("content-encoding")),
            get("cache-control"),
            get("content-disposition"),
            get("content-language"),
            get("expires"),
        ),
    )


def check_span(reply: Reply, span: Span | None, *, store: str, operation: str, key: str) -> None:
    """Refuse a reply that is not the range asked for.

    Raises:
        RangeIgnored: the whole object comes, or another range.
    """
    kind: type[StoreError] = RangeIgnored
    if span is None:
        if reply.status != 206:
            return
        kind, text = UnexpectedReply, "a part came, though the whole object was asked for"
    elif reply.status == 206 and stated_span(reply.headers) == (span.first, span.last):
        return
    else:
        text = "the server does not read ranges as asked"
    raise kind(text, store=store, operation=operation, key=key, status=reply.status)


def error_of(reply: Reply, where: str, *, store: str, operation: str, key: str) -> StoreError:
    """Return the error a reply that is no success means; ``where`` is the URL, without what may be secret in it."""
    status = reply.status
    details = {"store": store, "operation": operation, "key": key, "status": status}
    if status in {301, 302, 303, 307, 308}:
        location = reply.headers.get("location", "")
        shown = location.partition("?")[0]
        text = f"{where} redirects to {shown or 'nowhere'}; that is not followed: too many, not http, or not from https"
        return Redirected(text, location=location, **details)
    known = _STATUSES.get(status)
    if known is None:
        known = (Unavailable if status >= 500 else InvalidRequest if status >= 400 else UnexpectedReply), "no success"
    kind, text = known
    return kind(f"{text} ({where})", **details)  # type: ignore[arg-type]
