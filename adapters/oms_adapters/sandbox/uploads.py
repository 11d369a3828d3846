"""Operations on multipart uploads."""

from __future__ import annotations

from oms_adapters.sandbox.conditions import check_write
from oms_adapters.sandbox.context import Context
from oms_adapters.sandbox.core import Part, Upload
from oms_adapters.sandbox.objects import stored_by, written_headers
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.reply import Reply, xml_reply
from oms_adapters.sandbox.request import check_key
from oms_adapters.sandbox.xmltext import document, iso_time, parse, tag, text_of

MAX_PARTS = 10_000  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html
PAGE = 1000


def create_upload(context: Context) -> Reply:
    """Open an upload; what its headers say is stored with the object that comes of it."""
    incoming, bucket = context.incoming, context.bucket()
    check_key(incoming)
    stored = stored_by(context, bucket)
    upload = bucket.start(incoming.key, stored, now=context.now)
    parts = [tag("Bucket", bucket.name), tag("Key", text_of(upload.key)), tag("UploadId", upload.upload_id)]
    reply = xml_reply(document("InitiateMultipartUploadResult", context.dialect.xmlns, parts))
    reply.headers += context.dialect.render_encryption(stored)
    return reply


def upload_part(context: Context) -> Reply:
    """Store a part, replacing an earlier one of its number."""
    upload, number = _upload(context), context.incoming.part
    if number is None or not 1 <= number <= MAX_PARTS:
        raise Refusal("InvalidArgument", "Part number must be an integer between 1 and 10000, inclusive")
    announced = context.header(context.dialect.crc64_word) is not None
    part = upload.add_part(number, context.body, now=context.now, announced=announced)
    headers = [("etag", f'"{part.etag}"'), *context.dialect.render_encryption(upload.stored)]
    if upload.stored.keep_crc64 or context.header(context.dialect.crc64_word):
        headers.append((context.dialect.prefix + context.dialect.crc64_word, str(context.body.crc64())))
    return Reply(200, headers)


def list_parts(context: Context) -> Reply:
    """List the stored parts by number."""
    upload, query = _upload(context), context.incoming.text_query
    after, limit = _number(query("part-number-marker", "0")), min(_number(query("max-parts", str(PAGE))), PAGE)
    numbers = sorted(number for number in upload.parts if number > after)
    page = numbers[:limit]
    parts = [
        tag("Bucket", context.incoming.bucket), tag("Key", text_of(upload.key)), tag("UploadId", upload.upload_id),
        tag("StorageClass", context.dialect.render_class(upload.stored.storage_class)), tag("PartNumberMarker", after),
        tag("NextPartNumberMarker", page[-1] if page else 0), tag("MaxParts", limit),
        tag("IsTruncated", "true" if len(page) < len(numbers) else "false"),
    ]  # fmt: skip
    parts += [_part_document(number, upload.parts[number]) for number in page]
    return xml_reply(document("ListPartsResult", context.dialect.xmlns, parts))


def complete_upload(context: Context) -> Reply:
    """Join the parts the request names into the object."""
    incoming, bucket = context.incoming, context.bucket()
    upload = _upload(context)
    check_write(incoming.headers, bucket.objects.get(incoming.key))
    crc64 = context.header(context.dialect.crc64_word)
    if crc64 is not None and not all(part.announced for part in upload.parts.values()):
        if context.state.settings.crc64_joins == "refused":
            raise Refusal("InvalidCRC64")
        crc64 = None if context.state.settings.crc64_joins == "ignored" else crc64
    smallest = context.state.settings.min_part_size
    item = bucket.complete(upload, _wanted(context), smallest=smallest, now=context.now, crc64=crc64)
    parts = [
        tag("Location", f"http://{incoming.headers.get('host', '')}/{bucket.name}/{text_of(upload.key)}"),
        tag("Bucket", bucket.name), tag("Key", text_of(upload.key)), tag("ETag", f'"{item.etag}"'),
    ]  # fmt: skip
    reply = xml_reply(document("CompleteMultipartUploadResult", context.dialect.xmlns, parts))
    reply.headers += [header for header in written_headers(context, item) if header[0] != "etag"]
    return reply


def abort_upload(context: Context) -> Reply:
    """Drop an upload and its parts."""
    upload = _upload(context)
    del context.bucket().uploads[upload.upload_id]
    return Reply(204)


def _upload(context: Context) -> Upload:
    return context.bucket().upload(context.incoming.key, context.incoming.text_query("uploadId"))


def _number(text: str) -> int:
    if not text.isdecimal():
        raise Refusal("InvalidArgument", "Argument must be an integer between 0 and 2147483647")
    return int(text)


def _wanted(context: Context) -> list[tuple[int, str]]:
    root = parse(context.body.whole(), "CompleteMultipartUpload")
    try:
        return [
            (int(node.findtext("PartNumber", "")), node.findtext("ETag", "").strip().strip('"'))
            for node in root.iter("Part")
        ]
    except ValueError:
        raise Refusal("MalformedXML") from None


def _part_document(number: int, part: Part) -> str:
    return (
        f"<Part>{tag('PartNumber', number)}{tag('LastModified', iso_time(part.mtime))}"
        f"<ETag>&quot;{part.etag}&quot;</ETag>{tag('Size', part.blob.size)}</Part>"
    )
