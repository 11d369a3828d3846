"""The head of a blob: from and to the headers of the Blob service."""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as NotBase64

from oms_adapters.dialects.heads import stated_etag, stored_coding, whole_size
from oms_adapters.dialects.times import parse_http_date
from oms_engine.model import ArchiveState, Attributes, ObjectHead, Written, strong_etag
from oms_engine.store import Capabilities


def read_head(key: str, headers: dict[str, str], capabilities: Capabilities, *, claims_md5: bool = True) -> ObjectHead:
    """Return the blob that the headers of a HEAD or GET state.

    The Content-MD5 of a blob is what its writer stated. The service validates it neither then nor since:
    https://learn.microsoft.com/en-us/dotnet/api/microsoft.azure.storage.blob.blobrequestoptions.storeblobcontentmd5
    """
    get = headers.get
    tier = get("x-ms-access-tier", "")
    archive = ArchiveState.READABLE
    if get("x-ms-archive-status", "").startswith("rehydrate-pending"):
        archive = ArchiveState.RESTORING
    elif capabilities.is_archived_class(tier):
        archive = ArchiveState.ARCHIVED
    return ObjectHead(
        key,
        whole_size(headers),
        stated_etag(get("etag", "")),
        parse_http_date(get("last-modified", "")),
        Attributes(
            get("content-type"),
            stored_coding(get("content-encoding")),
            get("cache-control"),
            get("content-disposition"),
            get("content-language"),
            None,
            {name[10:]: value for name, value in headers.items() if name.startswith("x-ms-meta-")},
        ),
        tier,
        archive,
        encryption="customer" if "x-ms-encryption-key-sha256" in headers else None,
        claimed_md5=stated_md5(headers) if claims_md5 else None,
    )


def stated_md5(headers: dict[str, str]) -> bytes | None:
    """Return the MD5 of the whole blob; of a range's reply Content-MD5 would be the range's."""
    text = headers.get("x-ms-blob-content-md5")
    if text is None and "content-range" not in headers:
        text = headers.get("content-md5")
    try:
        digest = b64decode(text or "", validate=True)
    except (NotBase64, ValueError):
        return None
    return digest if len(digest) == 16 else None


def read_written(headers: dict[str, str], *, md5: bytes | None) -> Written:
    """Return what the reply to a write states."""
    return Written(strong_etag(headers.get("etag", "")), md5, None, parse_http_date(headers.get("date", "")), None)


def render_attributes(attributes: Attributes) -> dict[str, str]:
    """Return the headers that store attributes; Expires has none here, and user metadata must be C# identifiers.

    https://learn.microsoft.com/en-us/rest/api/storageservices/put-blob
    """
    pairs = (
        ("x-ms-blob-content-type", attributes.content_type),
        ("x-ms-blob-content-encoding", attributes.content_encoding),
        ("x-ms-blob-cache-control", attributes.cache_control),
        ("x-ms-blob-content-disposition", attributes.content_disposition),
        ("x-ms-blob-content-language", attributes.content_language),
    )
    headers = {name: value for name, value in pairs if value is not None}
    return headers | {f"x-ms-meta-{name}": value for name, value in attributes.user.items()}
