"""Google's JSON API over the shared core: as much as google-cloud-storage needs to fill, list and read buckets.

https://cloud.google.com/storage/docs/json_api/v1
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Callable
from email import message_from_bytes
from email.policy import HTTP
from typing import Any
from urllib.parse import parse_qsl, quote, unquote_to_bytes

from oms_adapters.sandbox import objects
from oms_adapters.sandbox.blob import Blob
from oms_adapters.sandbox.context import Context
from oms_adapters.sandbox.core import Bucket, Stored
from oms_adapters.sandbox.orders import list_page
from oms_adapters.sandbox.refusal import Refusal
from oms_adapters.sandbox.reply import Reply
from oms_adapters.sandbox.request import Incoming
from oms_adapters.sandbox.xmltext import iso_time, text_of

PAGE = 1000

_FIELDS = {
    "contentType": "content-type",
    "contentEncoding": "content-encoding",
    "cacheControl": "cache-control",
    "contentDisposition": "content-disposition",
    "contentLanguage": "content-language",
}
_PATH = re.compile(r"(/upload|/download)?/storage/v1/b(?:/([^/]+)(?:(/o)(?:/([^/]+))?)?)?")

_REASONS = {
    "NoSuchKey": "notFound", "NoSuchBucket": "notFound", "PreconditionFailed": "conditionNotMet",
    "AuthenticationRequired": "authError", "AccessDenied": "forbidden", "SlowDown": "rateLimitExceeded",
    "TooManyRequests": "rateLimitExceeded", "InternalError": "backendError", "InvalidArgument": "invalid",
    "BadDigest": "invalid",
}  # fmt: skip


def json_reply(value: Any, status: int = 200) -> Reply:
    """Return a reply that carries a JSON document."""
    body = json.dumps(value).encode()
    return Reply(status, [("content-type", "application/json; charset=UTF-8")], Blob([body]), 0, len(body))


def render_json_error(refusal: Refusal) -> bytes:
    """Return an error as https://cloud.google.com/storage/docs/json_api/v1/status-codes describes it."""
    reason = _REASONS.get(refusal.code, refusal.code)
    one = {"domain": "global", "reason": reason, "message": refusal.message}
    return json.dumps({"error": {"code": refusal.status, "message": refusal.message, "errors": [one]}}).encode()


def parse_json_request(method: str, target: str, headers: list[tuple[str, str]]) -> Incoming | None:
    """Take a request of the JSON API apart; None for one that is none.

    Raises:
        Refusal: MethodNotAllowed.
    """
    path, _, raw = target.partition("?")
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    query: dict[str, str | None] = dict(parse_qsl(raw, keep_blank_values=True, errors="surrogateescape"))
    incoming = Incoming(method, path, raw, dict(headers), query=query)
    incoming.bucket = unquote_to_bytes(found[2] or "").decode()
    incoming.key = unquote_to_bytes(found[4] or "")
    media = query.get("alt") == "media"
    asked = (method, bool(found[2]), bool(found[3]), bool(incoming.key))
    operation = "Json.Insert" if found[1] == "/upload" and method == "POST" else _OPERATIONS.get(asked)
    if operation is None:
        raise Refusal("MethodNotAllowed")
    incoming.operation = "GetObject" if operation == "Json.GetObject" and media else operation
    return incoming


_OPERATIONS = {
    ("GET", False, False, False): "Json.ListBuckets",
    ("POST", False, False, False): "Json.CreateBucket",
    ("GET", True, False, False): "Json.GetBucket",
    ("GET", True, True, False): "Json.ListObjects",
    ("GET", True, True, True): "Json.GetObject",
    ("DELETE", True, True, True): "Json.DeleteObject",
}


def _bucket_resource(context: Context, bucket: Bucket) -> dict[str, Any]:
    return {
        "kind": "storage#bucket", "id": bucket.name, "name": bucket.name, "timeCreated": iso_time(bucket.created),
        "location": context.state.settings.region.upper(), "storageClass": "STANDARD",
    }  # fmt: skip


def _item(context: Context, key: bytes) -> dict[str, Any]:
    """Return an object as the API states it."""
    item, bucket = context.bucket().get(key), context.incoming.bucket
    stated = dict(context.dialect.render_stored(item, with_crc64=False))
    host = context.incoming.headers.get("host", "")
    when = iso_time(item.mtime, milliseconds=True)
    hashes = dict(pair.split("=", 1) for pair in stated["x-goog-hash"].split(","))
    resource: dict[str, Any] = {
        "kind": "storage#object", "name": text_of(key), "bucket": bucket, "size": str(item.blob.size),
        "generation": stated["x-goog-generation"], "metageneration": "1", "timeCreated": when, "updated": when,
        "storageClass": item.stored.storage_class, "crc32c": hashes["crc32c"],
        "etag": b64encode(stated["x-goog-generation"].encode()).decode(),
        "id": f"{bucket}/{text_of(key)}/{stated['x-goog-generation']}",
        "mediaLink": f"http://{host}/download/storage/v1/b/{bucket}/o/{quote(key, safe='')}?alt=media",
    }  # fmt: skip
    if "md5" in hashes:
        resource["md5Hash"] = hashes["md5"]
    resource |= {field: stated[name] for field, name in _FIELDS.items() if name in item.stored.headers}
    resource.setdefault("contentType", "application/octet-stream")
    if item.stored.user:
        resource["metadata"] = {name: _text(value) for name, value in item.stored.user.items()}
    return resource


def _text(value: str) -> str:
    """Return a header value, latin-1 text of its bytes, as the text those bytes are."""
    return value.encode("latin-1").decode("utf-8", "replace")


def list_buckets(context: Context) -> Reply:
    """List the buckets of the project."""
    found = sorted(context.state.core.buckets.values(), key=lambda bucket: bucket.name)
    return json_reply({"kind": "storage#buckets", "items": [_bucket_resource(context, bucket) for bucket in found]})


def create_bucket(context: Context) -> Reply:
    """Create a bucket."""
    name = json.loads(context.body.whole())["name"]
    bucket = context.state.core.buckets[name] = Bucket(name, created=context.now)
    return json_reply(_bucket_resource(context, bucket))


def get_bucket(context: Context) -> Reply:
    """State a bucket."""
    return json_reply(_bucket_resource(context, context.bucket()))


def list_objects(context: Context) -> Reply:
    """List objects from startOffset on; a page's token is the last name it holds."""
    incoming, bucket = context.incoming, context.bucket()
    limit = min(int(incoming.text_query("maxResults", str(PAGE))), PAGE)
    token = b64decode(incoming.text_query("pageToken")) or None
    start = b"" if token else incoming.bytes_query("startOffset")
    listing = list_page(context, bucket, limit=limit, at=start, token=token)
    keys = [key for key, _ in listing.entries]
    reply: dict[str, Any] = {"kind": "storage#objects", "items": [_item(context, key) for key in keys]}
    if listing.truncated:
        reply["nextPageToken"] = b64encode(listing.place).decode()
    return json_reply(reply)


def get_object(context: Context) -> Reply:
    """State an object."""
    return json_reply(_item(context, context.incoming.key))


def delete_object(context: Context) -> Reply:
    """Delete an object; a missing one is an error here."""
    context.bucket().get(context.incoming.key)
    return objects.delete_object(context)


def insert_object(context: Context) -> Reply:
    """Store an object whose resource and bytes come as the two parts of a multipart/related body."""
    kind = context.incoming.headers.get("content-type", "")
    if context.incoming.text_query("uploadType") != "multipart":
        raise Refusal("NotImplemented")
    body = b"content-type: " + kind.encode("latin-1") + b"\r\n\r\n" + context.body.whole()
    boundary = message_from_bytes(body, policy=HTTP).get_boundary()
    pieces = context.body.whole().split(b"--" + (boundary or "").encode())
    resource = json.loads(pieces[1].partition(b"\r\n\r\n")[2])
    head, _, data = pieces[2].lstrip(b"\r\n").partition(b"\r\n\r\n")
    data = data[:-2]
    key = resource["name"].encode()
    headers = {name: resource[field] for field, name in _FIELDS.items() if resource.get(field)}
    headers.setdefault("content-type", head.decode().partition(":")[2].strip())
    user = {name: value.encode().decode("latin-1") for name, value in (resource.get("metadata") or {}).items()}
    blob = Blob([data])
    if resource.get("md5Hash") and b64decode(resource["md5Hash"]) != blob.md5():
        raise Refusal("BadDigest")
    stored = Stored(headers, user, resource.get("storageClass") or "STANDARD")
    context.bucket().write(key, blob, stored, mtime=context.now)
    return json_reply(_item(context, key))


JSON_OPERATIONS: dict[str, Callable[[Any], Any]] = {
    "Json.ListBuckets": list_buckets,
    "Json.CreateBucket": create_bucket,
    "Json.GetBucket": get_bucket,
    "Json.ListObjects": list_objects,
    "Json.GetObject": get_object,
    "Json.DeleteObject": delete_object,
    "Json.Insert": insert_object,
}
