"""Errors of the S3 family: what a reply that is no success means. The tables are in ``codes``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from oms_adapters.dialects.codes import CODES, SENTENCES, SPECIAL, STATUSES, WRONG_REGION
from oms_adapters.dialects.profile import S3Profile
from oms_adapters.dialects.xml import find_text, parse_xml
from oms_engine.errors import (
    AccessDenied,
    BucketNotFound,
    NotFound,
    Redirected,
    StorageFull,
    StoreError,
    Unavailable,
    UnexpectedReply,
    UploadGone,
)
from oms_engine.frozen import dataclass
from oms_engine.store import Reply

BUCKET_CALLS = frozenset({"list_page", "list_uploads", "location"})
"""Calls that name no object: an empty 404 means the bucket."""

UPLOAD_CALLS = frozenset({"write_part", "complete_upload", "list_parts", "abort_upload"})
"""Calls to an upload: Ceph 16 answers ListParts of an aborted one with NoSuchKey, others with an empty 404."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What was asked, for the error that names it."""

    store: str
    operation: str
    key: str | None
    url: str
    """Scheme and host, then the path: what a redirect that states only a host is completed with."""


class _Stated(NamedTuple):
    """What a reply says about its error, as far as it says anything."""

    code: str = ""
    message: str = ""
    request_id: str = ""
    endpoint: str = ""
    region: str = ""


def _read(reply: Reply, prefix: str) -> _Stated:
    request_id = reply.headers.get(f"{prefix}request-id", "")
    region = reply.headers.get(f"{prefix}bucket-region", "")
    silent = _Stated(request_id=request_id, region=region)
    if not reply.body.lstrip().startswith(b"<"):
        return silent
    try:
        root = parse_xml(reply.body)
    except UnexpectedReply:
        return silent
    return _Stated(
        find_text(root, "Code"),
        find_text(root, "Message").strip(),
        request_id or find_text(root, "RequestId") or find_text(root, "RequestID"),
        find_text(root, "Endpoint"),
        region or find_text(root, "Region"),
    )


CAP_EXCEEDED = "storage cap exceeded"
"""Backblaze's own words for a full account, under the code AccessDenied:
https://www.backblaze.com/apidocs/b2-upload-file (``cap_exceeded``, 403)"""


def _class_of(stated: _Stated, status: int, operation: str, own: Mapping[str, type[StoreError]]) -> type[StoreError]:
    found = own.get(stated.code) or CODES.get(stated.code)
    if found is AccessDenied and CAP_EXCEEDED in stated.message.lower():
        return StorageFull
    if found is None:
        found = STATUSES.get(status) or (Unavailable if status >= 500 else UnexpectedReply)
        if found is NotFound and operation in BUCKET_CALLS:
            found = BucketNotFound
    return UploadGone if found is NotFound and operation in UPLOAD_CALLS else found


def _location(reply: Reply, stated: _Stated, asked: Asked, profile: S3Profile) -> str:
    """Return the URL to go to: Location, else the Endpoint element or the region's host with the path asked for."""
    if location := reply.headers.get("location"):
        return location
    scheme, _, rest = asked.url.partition("://")
    host, slash, path = rest.partition("/")
    bucket, endpoint = asked.store.rpartition("/")[2], stated.endpoint
    # A path-style request is answered with the virtual host's name, which must not name the bucket twice.
    if endpoint.startswith(f"{bucket}.") and not host.startswith(f"{bucket}."):
        endpoint = endpoint.removeprefix(f"{bucket}.")
    if not endpoint and stated.region and profile.host_in_region is not None:
        endpoint = profile.host_in_region(host, stated.region) or ""
    return f"{scheme}://{endpoint}{slash}{path}" if endpoint not in {"", host} else ""


def error_of(reply: Reply, asked: Asked, profile: S3Profile, *, status: int | None = None) -> StoreError:
    """Return the error a reply means. ``status`` replaces the reply's where an error stands inside a 200."""
    stated = _read(reply, profile.header_prefix)
    kind = _class_of(stated, status or reply.status, asked.operation, profile.codes)
    text = profile.sentences.get(stated.code) or SPECIAL.get(stated.code) or SENTENCES[kind]
    if stated.message:
        text = f"{text} ({stated.message})"
    if stated.region and (kind is Redirected or stated.code == WRONG_REGION):
        text = f"{text}; the bucket is in region {stated.region}"
    details = {
        "store": asked.store,
        "operation": asked.operation,
        "key": asked.key,
        "status": reply.status,
        "vendor_code": stated.code,
        "request_id": stated.request_id,
    }
    location = _location(reply, stated, asked, profile) if kind is Redirected or stated.code == WRONG_REGION else ""
    if kind is Redirected or location:
        return Redirected(text, location=location, **details)
    return kind(text, **details)  # type: ignore[arg-type]
