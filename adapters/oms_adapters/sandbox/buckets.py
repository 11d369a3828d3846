"""Operations on buckets and listings."""

from __future__ import annotations

import re

from oms_adapters.sandbox.context import Context
from oms_adapters.sandbox.core import Bucket, Object, Upload
from oms_adapters.sandbox.dialect import parse_token
from oms_adapters.sandbox.orders import list_page
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.reply import Reply, xml_reply
from oms_adapters.sandbox.xmltext import document, iso_time, parse, tag, text_of, url_encoded

PAGE = 1000


def list_buckets(context: Context) -> Reply:
    """List all buckets of the cloud."""
    region = context.state.settings.region
    buckets = [
        f"<Bucket>{tag('Name', bucket.name)}{tag('CreationDate', iso_time(bucket.created))}"
        f"{context.dialect.render_bucket(region)}</Bucket>"
        for bucket in sorted(context.state.core.buckets.values(), key=lambda bucket: bucket.name)
    ]
    owner = "<Owner><ID>sandbox</ID><DisplayName>sandbox</DisplayName></Owner>"
    parts = [owner, f"<Buckets>{''.join(buckets)}</Buckets>"]
    return xml_reply(document("ListAllMyBucketsResult", context.dialect.xmlns, parts))


def head_bucket(context: Context) -> Reply:
    """State a bucket's region."""
    headers = [(context.dialect.bucket_region_header, context.state.settings.region)]
    if context.bucket().file_system:
        headers.append((context.dialect.prefix + "fs-file-interface", "Enabled"))
    return Reply(200, [*headers, ("content-type", "application/xml")], bodiless=True)


def get_api_version(context: Context) -> Reply:
    """Answer OBS's protocol negotiation (``HEAD ?apiversion``), which is not signed.

    https://support.huaweicloud.com/intl/en-us/sdk-python-devg-obs/obs_22_0601.html
    """
    headers = [("x-obs-api", "3.0")] if context.dialect.name == "obs" else []
    return Reply(200, headers, bodiless=True)


def get_location(context: Context) -> Reply:
    """State a bucket's region as a document."""
    context.bucket()
    root, text = context.dialect.render_location(context.state.settings.region)
    return xml_reply(document(root, context.dialect.xmlns, [text]))


def create_bucket(context: Context) -> Reply:
    """Create a bucket; one that exists is refused."""
    name = context.incoming.bucket
    if not re.fullmatch(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", name):
        raise Refusal("InvalidBucketName")
    if name in context.state.core.buckets:
        raise Refusal("BucketAlreadyOwnedByYou")
    bucket = context.state.core.buckets[name] = Bucket(name, created=context.now)
    bucket.file_system = context.header("fs-file-interface") == "Enabled"
    return Reply(200, [("location", f"/{name}")])


def delete_bucket(context: Context) -> Reply:
    """Delete an empty bucket."""
    bucket = context.bucket()
    if bucket.objects:
        raise Refusal("BucketNotEmpty")
    del context.state.core.buckets[bucket.name]
    return Reply(204)


def list_objects(context: Context) -> Reply:
    """List a page of objects, version 1 or 2."""
    incoming, bucket = context.incoming, context.bucket()
    limit = _limit(incoming.text_query("max-keys", str(PAGE)))
    if incoming.query.get("encoding-type") not in {None, "", "url"}:
        raise Refusal("InvalidArgument", "Invalid Encoding Method specified in Request")
    if incoming.operation == "ListObjectsV2":
        if incoming.query.get("continuation-token") == "" and not context.dialect.takes_empty_token:
            raise Refusal("InvalidArgument", "The continuation token provided is incorrect")
        token = incoming.text_query("continuation-token")
        after = parse_token(token) if token else incoming.bytes_query("start-after")
        listing = list_page(context, bucket, limit=limit, start=after, token=after if token else None)
    else:
        after = incoming.bytes_query("marker")
        listing = list_page(context, bucket, limit=limit, token=after)  # the one way to go on
    lag = context.state.settings.list_lag
    if lag:
        listing = listing._replace(
            entries=[entry for entry in listing.entries if not _late(entry[1], context.now - lag)]
        )
    reply = xml_reply(context.dialect.render_list(incoming, listing, text_of(after)))
    return with_charge(context, bucket, reply)


def _late(item: Object | None, since: float) -> bool:
    return item is not None and item.mtime > since


def delete_objects(context: Context) -> Reply:
    """Delete up to 1000 objects named in a document; missing ones count as deleted."""
    bucket = context.bucket()
    root = parse(context.body.whole(), "Delete")
    quiet = root.findtext("Quiet", "false").strip() == "true"
    keys = [node.findtext("Key", "") for node in root.iter("Object")]
    if not 0 < len(keys) <= PAGE:
        raise Refusal("MalformedXML")
    for key in keys:
        bucket.delete(key.encode("utf-8", "surrogateescape"))
    parts = [] if quiet else [f"<Deleted>{tag('Key', key)}</Deleted>" for key in keys]
    return xml_reply(document("DeleteResult", context.dialect.xmlns, parts))


def list_uploads(context: Context) -> Reply:
    """List uploads in flight by key and id, at most 1000."""
    incoming, bucket = context.incoming, context.bucket()
    prefix, marker = incoming.bytes_query("prefix"), incoming.bytes_query("key-marker")
    after = incoming.text_query("upload-id-marker")
    encode = url_encoded if incoming.query.get("encoding-type") == "url" and context.dialect.list_url_encode else str
    uploads = sorted(bucket.uploads.values(), key=lambda upload: (upload.key, upload.upload_id))
    chosen = [
        upload
        for upload in uploads
        if upload.key.startswith(prefix)
        and (upload.key > marker or (after and upload.key == marker and upload.upload_id > after))
    ]
    page = chosen[: _limit(incoming.text_query("max-uploads", str(PAGE)))]
    parts = [tag("Bucket", bucket.name), tag("KeyMarker", encode(text_of(marker))), tag("MaxUploads", PAGE)]
    parts += [tag("EncodingType", "url")] if encode is not str else []
    if len(page) < len(chosen):
        parts.append(tag("NextKeyMarker", encode(text_of(page[-1].key))))
        parts.append(tag("NextUploadIdMarker", page[-1].upload_id))
    parts.append(tag("IsTruncated", "true" if len(page) < len(chosen) else "false"))
    parts += [_upload_document(context, upload, encode(text_of(upload.key))) for upload in page]
    return xml_reply(document("ListMultipartUploadsResult", context.dialect.xmlns, parts))


def with_charge(context: Context, bucket: Bucket, reply: Reply) -> Reply:
    """State in the reply that the requester was charged, where he is."""
    if bucket.requester_pays:
        reply.headers.append((context.dialect.prefix + "request-charged", "requester"))
    return reply


def _upload_document(context: Context, upload: Upload, key: str) -> str:
    word = context.dialect.render_class(upload.stored.storage_class)
    return (
        f"<Upload>{tag('Key', key)}{tag('UploadId', upload.upload_id)}"
        f"{tag('StorageClass', word)}{tag('Initiated', iso_time(upload.started))}</Upload>"
    )


def _limit(text: str) -> int:
    if not text.isdigit():
        raise Refusal("InvalidArgument", "max-keys must be an integer between 0 and 2147483647")
    return min(int(text), PAGE)
