"""The Blob service's operations over the shared core: listings, blobs, blocks, tiers."""

from __future__ import annotations

import re
import secrets
from base64 import b64decode, b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from urllib.parse import quote

from oms_adapters.sandbox.blob import Blob
from oms_adapters.sandbox.conditions import check_read, check_write, parse_range
from oms_adapters.sandbox.context import Context
from oms_adapters.sandbox.core import Bucket, Object, Stored
from oms_adapters.sandbox.orders import list_page
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.reply import Reply, xml_reply
from oms_adapters.sandbox.xmltext import HEAD, document, escape, http_time, parse, tag, text_of

PAGE = 5000
FIRST_START_FROM = "2026-02-06"  # https://learn.microsoft.com/en-us/rest/api/storageservices/version-2026-02-06
MAX_NAME = 1024  # characters

Blocks = dict[tuple[str, bytes], dict[str, Blob]]
"""Uncommitted blocks: (container, name) -> id -> bytes."""

NEVER = 1e18

_SYSTEM = ("content-type", "content-encoding", "cache-control", "content-disposition", "content-language")

# What XML 1.0 cannot hold: https://www.w3.org/TR/xml/#charsets
_INVALID = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def _tier_of(context: Context, item: Object) -> tuple[str, str]:
    """Return the tier, and the archive status while a rehydration runs."""
    tier = context.dialect.render_class(item.stored.storage_class)
    target = item.stored.kms_key or "Hot"
    if item.restoring(context.now):
        return tier, f"rehydrate-pending-to-{target.lower()}"
    return (target if item.restored(context.now) else tier), ""


def list_containers(context: Context) -> Reply:
    """List all containers."""
    found = sorted(context.state.core.buckets.values(), key=lambda bucket: bucket.name)
    inner = "".join(
        f"<Container>{tag('Name', bucket.name)}<Properties>{tag('Last-Modified', http_time(bucket.created))}"
        f"{tag('Etag', '0x8DC0000000000')}</Properties></Container>"
        for bucket in found
    )
    return xml_reply(document("EnumerationResults", "", [f"<Containers>{inner}</Containers>", "<NextMarker />"]))


def create_container(context: Context) -> Reply:
    """Create a container; one that exists is refused."""
    name = context.incoming.bucket
    if name in context.state.core.buckets:
        raise Refusal("BucketAlreadyOwnedByYou")
    context.state.core.buckets[name] = Bucket(name, created=context.now)
    return Reply(201, [("etag", '"0x8DC0000000000"'), ("last-modified", http_time(context.now))])


def get_container(context: Context) -> Reply:
    """State a container."""
    bucket = context.bucket()
    return Reply(200, [("etag", '"0x8DC0000000000"'), ("last-modified", http_time(bucket.created))])


def list_blobs(context: Context) -> Reply:
    """List blobs from startFrom on, or behind an opaque marker."""
    incoming, bucket = context.incoming, context.bucket()
    limit = min(int(incoming.text_query("maxresults", str(PAGE))), PAGE)
    token = b64decode(incoming.text_query("marker")) or None
    # A parameter of a newer version is left alone.
    knows = incoming.headers.get("x-ms-version", "") >= FIRST_START_FROM
    start = b"" if token or not knows else incoming.bytes_query("startFrom")
    listing = list_page(context, bucket, limit=limit, at=start, token=token)
    with_user = "metadata" in incoming.text_query("include").split(",")
    parts = [_blob_element(context, key, item, with_user=with_user) for key, item in listing.entries]
    last = b64encode(listing.place).decode()
    marker = f"<NextMarker>{last}</NextMarker>" if last else "<NextMarker />"
    asked = ("prefix", "Prefix"), ("marker", "Marker"), ("startFrom", "StartFrom"), ("maxresults", "MaxResults")
    echo = "".join(
        _text_element(element, incoming.text_query(name)) for name, element in asked if name in incoming.query
    )
    body = (
        f'{HEAD.strip()}<EnumerationResults ServiceEndpoint="http://sandbox/" ContainerName="{incoming.bucket}">'
        f"{echo}<Blobs>{''.join(parts)}</Blobs>{marker}</EnumerationResults>"
    )
    return xml_reply(b"\xef\xbb\xbf" + body.encode("utf-8", "surrogateescape"))


def _text_element(tag_name: str, text: str) -> str:
    if _INVALID.search(text):
        return f'<{tag_name} Encoded="true">{quote(text, safe="", errors="surrogateescape")}</{tag_name}>'
    return f"<{tag_name}>{escape(text)}</{tag_name}>"


def _is_directory(context: Context, item: Object) -> bool:
    """Whether an account with a hierarchical name space holds this as a directory: the core has it as a marked blob."""
    return context.state.settings.hierarchical and "hdi_isfolder" in item.stored.user


def _blob_element(context: Context, key: bytes, item: Object | None, *, with_user: bool) -> str:
    name = _text_element("Name", text_of(key))
    if item is None:
        return f"<BlobPrefix>{name}</BlobPrefix>"
    tier, status = _tier_of(context, item)
    headers = item.stored.headers
    inner = [
        tag("Creation-Time", http_time(item.mtime)), tag("Last-Modified", http_time(item.mtime)),
        tag("Etag", item.etag), tag("ResourceType", "directory") if _is_directory(context, item) else "",
        tag("Content-Length", item.blob.size),
        tag("Content-Type", headers.get("content-type", context.dialect.default_type)),
        tag("Content-Encoding", headers.get("content-encoding", "")),
        tag("Content-MD5", headers.get("content-md5", "")), tag("BlobType", "BlockBlob"), tag("AccessTier", tier),
        tag("ArchiveStatus", status) if status else "", tag("ServerEncrypted", "true"),
    ]  # fmt: skip
    user = "".join(tag(name, value) for name, value in item.stored.user.items()) if with_user else ""
    metadata = f"<Metadata>{user}</Metadata>" if user else ""
    return f"<Blob>{name}<Properties>{''.join(inner)}</Properties>{metadata}<OrMetadata /></Blob>"


def get_blob(context: Context) -> Reply:
    """Read a blob or a range of it; an archived one is refused until it is rehydrated."""
    item = _found(context)
    tier, status = _tier_of(context, item)
    if status:
        raise Refusal(
            "BlobBeingRehydrated", "This operation is not permitted as the blob is being rehydrated.", status=409
        )
    if tier in context.dialect.archived:
        raise Refusal("InvalidObjectState", "This operation is not permitted on an archived blob.")
    headers = context.incoming.headers
    span = parse_range(headers.get("x-ms-range") or headers.get("range"), item.blob.size)
    stated = _stated(context, item)
    if span is None:
        return Reply(200, stated, item.blob, 0, item.blob.size)
    stated = [(("x-ms-blob-" + name) if name == "content-md5" else name, value) for name, value in stated]
    stated.append(("content-range", f"bytes {span.first}-{span.first + span.size - 1}/{item.blob.size}"))
    return Reply(206, stated, item.blob, span.first, span.size)


def head_blob(context: Context) -> Reply:
    """State a blob."""
    item = _found(context)
    return Reply(200, _stated(context, item), item.blob, 0, item.blob.size, bodiless=True)


def _found(context: Context) -> Object:
    item = context.bucket().get(context.incoming.key)
    check_read(context.incoming.headers, item)
    return item


def _stated(context: Context, item: Object) -> list[tuple[str, str]]:
    tier, status = _tier_of(context, item)
    headers = [(name, value) for name, value in item.stored.headers.items() if name in {*_SYSTEM, "content-md5"}]
    if "content-type" not in item.stored.headers:
        headers.append(("content-type", context.dialect.default_type))
    headers += [(f"x-ms-meta-{name}", value) for name, value in item.stored.user.items()]
    headers += [("etag", f'"{item.etag}"'), ("last-modified", http_time(item.mtime)), ("accept-ranges", "bytes")]
    headers += [("x-ms-blob-type", "BlockBlob"), ("x-ms-access-tier", tier), ("x-ms-server-encrypted", "true")]
    return [*headers, ("x-ms-archive-status", status)] if status else headers


def _stored_by(context: Context) -> Stored:
    """Return what the headers of Put Blob or Put Block List fix."""
    if len(text_of(context.incoming.key)) > MAX_NAME:
        raise Refusal("KeyTooLongError")
    headers = context.incoming.headers
    kept = {
        name: headers[f"x-ms-blob-{name}"] for name in (*_SYSTEM, "content-md5") if headers.get(f"x-ms-blob-{name}")
    }
    tier = context.dialect.parse_class(headers.get("x-ms-access-tier", "Hot"))
    return Stored(kept, context.dialect.parse_user(headers), tier)


def _keep(context: Context, blob: Blob, stored: Stored) -> Reply:
    bucket, key = context.bucket(), context.incoming.key
    check_write(context.incoming.headers, bucket.objects.get(key))
    item = Object(blob, f"0x8{secrets.token_hex(7).upper()}", context.now, stored)
    bucket.put(key, item)
    _blocks(context).pop((bucket.name, key), None)
    return Reply(201, [("etag", f'"{item.etag}"'), ("last-modified", http_time(item.mtime))])


def put_blob(context: Context) -> Reply:
    """Store a block blob at once; its MD5 is kept."""
    if context.incoming.headers.get("x-ms-blob-type") != "BlockBlob":
        raise Refusal("InvalidHeaderValue")
    stored = _stored_by(context)
    md5 = b64encode(context.body.md5()).decode()
    reply = _keep(context, context.body, replace(stored, headers={"content-md5": md5, **stored.headers}))
    reply.headers.append(("content-md5", md5))
    return reply


def _blocks(context: Context) -> Blocks:
    blocks: Blocks = context.dialect.blocks  # type: ignore[attr-defined]
    return blocks


def put_block(context: Context) -> Reply:
    """Keep a block until it is committed."""
    bucket, identity = context.bucket(), context.incoming.text_query("blockid")
    kept = _blocks(context).setdefault((bucket.name, context.incoming.key), {})
    if any(len(other) != len(identity) for other in kept):
        raise Refusal("InvalidBlobOrBlock")
    kept[identity] = context.body
    return Reply(201, [("content-md5", b64encode(context.body.md5()).decode())])


def put_block_list(context: Context) -> Reply:
    """Join the blocks a list names into the blob."""
    bucket = context.bucket()
    kept = _blocks(context).get((bucket.name, context.incoming.key), {})
    names = [(node.text or "").strip() for node in parse(context.body.whole(), "BlockList")]
    if any(name not in kept for name in names):
        raise Refusal("InvalidPart", "The specified block list is invalid.")
    return _keep(context, Blob.joined(kept[name] for name in names), _stored_by(context))


def get_block_list(context: Context) -> Reply:
    """List a blob's uncommitted blocks."""
    bucket, key = context.bucket(), context.incoming.key
    kept = _blocks(context).get((bucket.name, key), {})
    if not kept:
        bucket.get(key)
    inner = "".join(f"<Block>{tag('Name', name)}{tag('Size', blob.size)}</Block>" for name, blob in kept.items())
    return xml_reply(
        document("BlockList", "", ["<CommittedBlocks />", f"<UncommittedBlocks>{inner}</UncommittedBlocks>"])
    )


def delete_blob(context: Context) -> Reply:
    """Delete a blob; a missing one is an error."""
    bucket, key = context.bucket(), context.incoming.key
    bucket.get(key)
    bucket.delete(key)
    return Reply(202)


def set_tier(context: Context) -> Reply:
    """Change a blob's tier: at once, or, out of the archive, by a rehydration that takes its time.

    https://learn.microsoft.com/en-us/rest/api/storageservices/set-blob-tier
    """
    bucket, key = context.bucket(), context.incoming.key
    item = bucket.get(key)
    wanted = context.dialect.parse_class(context.header("access-tier") or "")
    tier, status = _tier_of(context, item)
    if status:
        raise Refusal(
            "BlobBeingRehydrated", "This operation is not permitted as the blob is being rehydrated.", status=409
        )
    if tier == "Archive" and wanted != "Archive":
        ready = context.now + context.state.settings.restore_delay(context.header("rehydrate-priority") or "Standard")
        bucket.put(key, replace(item, stored=replace(item.stored, kms_key=wanted)))
        bucket.restore(key, ready=ready, until=NEVER)
        return Reply(202)
    stored = replace(item.stored, storage_class=wanted, kms_key=None)
    bucket.put(key, replace(item, stored=stored, restored_from=None, restored_until=0.0))
    return Reply(200)


def _known_version(operation: Callable[[Context], Reply]) -> Callable[[Any], Any]:
    """Refuse a request of a version that the service does not know, in the words of the real one."""

    def answer(context: Context) -> Reply:
        if context.incoming.headers.get("x-ms-version", "") > context.state.settings.newest_version:
            message = "The value for one of the HTTP headers is not in the correct format. HeaderName: x-ms-version"
            raise Refusal("InvalidHeaderValue", message, status=400)
        return operation(context)

    return answer


_OPERATIONS: dict[str, Callable[[Context], Reply]] = {
    "ListBuckets": list_containers,
    "CreateBucket": create_container,
    "HeadBucket": get_container,
    "ListObjects": list_blobs,
    "GetObject": get_blob,
    "HeadObject": head_blob,
    "PutObject": put_blob,
    "UploadPart": put_block,
    "CompleteMultipartUpload": put_block_list,
    "ListParts": get_block_list,
    "DeleteObject": delete_blob,
    "RestoreObject": set_tier,
}

OPERATIONS: dict[str, Callable[[Any], Any]] = {name: _known_version(one) for name, one in _OPERATIONS.items()}
