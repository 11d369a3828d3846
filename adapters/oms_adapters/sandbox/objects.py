"""Operations on objects."""

from __future__ import annotations

from dataclasses import replace

from oms_adapters.sandbox.blob import Blob
from oms_adapters.sandbox.buckets import with_charge
from oms_adapters.sandbox.conditions import Range, check_read, check_write
from oms_adapters.sandbox.context import Context
from oms_adapters.sandbox.core import DAY, Bucket, Object, Stored
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.reply import Reply
from oms_adapters.sandbox.request import check_key
from oms_adapters.sandbox.xmltext import http_time


def get_object(context: Context) -> Reply:
    """Read an object or a range of it; an archived one is refused until it is restored."""
    bucket, item = _found(context)
    if item.stored.storage_class in context.dialect.archived and not item.restored(context.now):
        raise Refusal("InvalidObjectState", "The operation is not valid for the object's storage class")
    return with_charge(context, bucket, _reading(context, item))


def head_object(context: Context) -> Reply:
    """State an object."""
    cached = context.bucket().cached.get(context.incoming.key)
    bucket, item = (context.bucket(), cached) if cached is not None else _found(context)
    reply = _reading(context, item)
    reply.bodiless = True
    return with_charge(context, bucket, reply)


def put_object(context: Context) -> Reply:
    """Store the request's body as an object."""
    incoming, bucket = context.incoming, context.bucket()
    check_key(incoming)
    if context.header("copy-source") is not None:
        raise Refusal("NotImplemented")
    check_write(incoming.headers, bucket.objects.get(incoming.key))
    item = bucket.write(incoming.key, context.body, stored_by(context, bucket), mtime=context.now)
    return Reply(200, written_headers(context, item))


def append_object(context: Context) -> Reply:
    """Add the request's body to an appendable object, or begin one.

    https://support.huaweicloud.com/intl/en-us/api-obs/obs_04_0088.html,
    https://help.aliyun.com/en/oss/developer-reference/appendobject,
    https://www.tencentcloud.com/document/product/436/7741
    """
    incoming, bucket, word = context.incoming, context.bucket(), context.incoming.text_query("position")
    check_key(incoming)
    if not word.isdecimal():
        raise Refusal("InvalidArgument", "position must be an integer")
    stored = stored_by(context, bucket)
    item = bucket.append(incoming.key, context.body, stored, position=int(word), mtime=context.now)
    return Reply(200, [*written_headers(context, item), next_append(context, item)])


def next_append(context: Context, item: Object) -> tuple[str, str]:
    """Return the header that states where the next piece of an appendable object goes."""
    return context.dialect.prefix + "next-append-position", str(item.blob.size)


def delete_object(context: Context) -> Reply:
    """Delete an object, or one of its versions; a missing one is no error."""
    bucket, key, version = context.bucket(), context.incoming.key, context.incoming.text_query("versionId")
    prefix = context.dialect.prefix
    if version:
        marker = bucket.delete_version(key, version)
    else:
        bucket.delete(key)
        marker = bucket.versioning != ""
        version = list(bucket.versions[key])[-1] if marker else ""
    headers = [(prefix + "version-id", version)] if version else []
    return Reply(204, [*headers, (prefix + "delete-marker", "true")] if marker else headers)


def restore_object(context: Context) -> Reply:
    """Ask for an archived object: 202 at first, 409 while it runs, 200 (a longer life) once it is readable."""
    bucket = context.bucket()
    item = bucket.get(context.incoming.key)
    if item.stored.storage_class not in context.dialect.archived:
        raise Refusal(context.dialect.restore_refused, "Restore is not allowed for the object's current storage class")
    days, tier = context.dialect.parse_restore(context.body.whole(), item.stored.storage_class)
    if item.restoring(context.now):
        raise Refusal("RestoreAlreadyInProgress")
    if item.restored(context.now) and item.restored_from is not None:
        bucket.restore(context.incoming.key, ready=item.restored_from, until=context.now + days * DAY)
        return Reply(200)
    ready = context.now + context.state.settings.restore_delay(tier)
    bucket.restore(context.incoming.key, ready=ready, until=ready + days * DAY)
    return Reply(202)


def stored_by(context: Context, bucket: Bucket) -> Stored:
    """Return what the request's headers fix for the object it writes."""
    stored = context.dialect.parse_stored(context.incoming, bucket.default_encryption)
    if bucket.file_system:
        check_path(context, bucket)
    policy = context.state.settings.crc64
    return stored if policy == "sent" else replace(stored, keep_crc64=policy == "always")


def check_path(context: Context, bucket: Bucket) -> None:
    """Refuse what a parallel file system does not take, and make the folders of the key.

    https://support.huaweicloud.com/pfsfg-obs/obs_13_0004.html

    Raises:
        Refusal: FsNotSupport for a class or encryption, FsObjectConflict for a file where a folder is, or the reverse.
    """
    if context.header("storage-class") or context.header("server-side-encryption"):
        raise Refusal("FsNotSupport")
    names = context.incoming.key.split(b"/")
    folders = [b"/".join(names[:depth]) for depth in range(1, len(names))]
    if any(folder in bucket.objects for folder in folders) or context.incoming.key + b"/" in bucket.objects:
        raise Refusal("FsObjectConflict")
    for folder in folders:
        if folder + b"/" not in bucket.objects and folder + b"/" != context.incoming.key:
            bucket.write(folder + b"/", Blob(), Stored(), mtime=context.now)


def written_headers(context: Context, item: Object) -> list[tuple[str, str]]:
    """Return the headers that a successful write answers."""
    headers = [("etag", f'"{item.etag}"'), *context.dialect.render_encryption(item.stored), *_version(context, item)]
    if item.crc64 is not None:
        headers.append((context.dialect.prefix + context.dialect.crc64_word, str(item.crc64)))
    return headers


def _found(context: Context) -> tuple[Bucket, Object]:
    bucket = context.bucket()
    item = bucket.get(context.incoming.key)
    check_read(context.incoming.headers, item)
    return bucket, item


def _reading(context: Context, item: Object) -> Reply:
    span = context.dialect.parse_range(context.incoming.headers, item.blob.size)
    headers = [
        ("last-modified", http_time(item.mtime)),
        ("etag", f'"{item.etag}"'),
        ("accept-ranges", "bytes"),
        *context.dialect.render_stored(item, with_crc64=True),
        *_restore_header(context, item),
        *_version(context, item),
    ]
    if span is None:
        return Reply(200, headers, item.blob, 0, item.blob.size)
    headers.append(("content-range", _content_range(span, item.blob.size)))
    return Reply(206, headers, item.blob, span.first, span.size)


def _version(context: Context, item: Object) -> list[tuple[str, str]]:
    return [(context.dialect.prefix + "version-id", item.version)] if item.version else []


def _content_range(span: Range, size: int) -> str:
    return f"bytes {span.first}-{span.first + span.size - 1}/{size}"


def _restore_header(context: Context, item: Object) -> list[tuple[str, str]]:
    """State a restore that runs or has ended: https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html."""
    name = context.dialect.prefix + "restore"
    if item.restoring(context.now):
        return [(name, 'ongoing-request="true"')]
    if item.restored(context.now):
        return [(name, f'ongoing-request="false", expiry-date="{http_time(item.restored_until)}"')]
    return []
