"""A received request, taken apart: bucket, key, query and headers, and the operation it names."""

from __future__ import annotations

from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

from oms_adapters.sandbox.refusal import Refusal

MAX_KEY = 1024  # bytes, https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-keys.html

_BUCKET_QUERIES = {
    ("GET", "location"): "GetBucketLocation",
    ("GET", "uploads"): "ListMultipartUploads",
    ("POST", "delete"): "DeleteObjects",
    ("HEAD", "apiversion"): "GetApiVersion",
}
_BUCKET_METHODS = {"GET": "ListObjects", "HEAD": "HeadBucket", "PUT": "CreateBucket", "DELETE": "DeleteBucket"}
_KEY_QUERIES = {
    ("POST", "append"): "AppendObject",
    ("POST", "uploads"): "CreateMultipartUpload",
    ("PUT", "uploadId"): "UploadPart",
    ("GET", "uploadId"): "ListParts",
    ("POST", "uploadId"): "CompleteMultipartUpload",
    ("DELETE", "uploadId"): "AbortMultipartUpload",
    ("POST", "restore"): "RestoreObject",
}
_KEY_METHODS = {"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}
# Sub-resources the sandbox does not have: answered 501, never taken for the plain operation.
_FOREIGN = {
    "acl", "cors", "encryption", "lifecycle", "logging", "metadata", "policy", "replication", "requestPayment",
    "storageClass", "storagePolicy", "tagging", "versioning", "versions", "website", "rename", "select",
    "bucketInfo", "quota", "stat", "symlink", "notification", "inventory", "retention", "legal-hold", "object-lock",
    "torrent", "attributes",
}  # fmt: skip


@dataclass(slots=True)
class Incoming:
    """One request as a cloud sees it."""

    method: str
    path: str
    """Percent-encoded, as received."""
    raw_query: str
    headers: dict[str, str]
    """By lower-case name, latin-1 text; repeated ones joined by a comma."""
    bucket: str = ""
    key: bytes = b""
    query: dict[str, str | None] = field(default_factory=dict)
    """Decoded; None where a name came without ``=``."""
    operation: str = ""
    virtual_host: bool = False
    domain: str = ""
    """The domain bound to the bucket, where the request names one."""

    @property
    def part(self) -> int | None:
        """Part number of an UploadPart, when it is one."""
        number = self.query.get("partNumber")
        return int(number) if number and number.isdigit() else None

    def text_query(self, name: str, default: str = "") -> str:
        """Return a query value as text, ``default`` when it is missing or bare."""
        return self.query.get(name) or default

    def bytes_query(self, name: str) -> bytes:
        """Return a query value as the bytes the client encoded."""
        return self.text_query(name).encode("utf-8", "surrogateescape")


def parse_request(method: str, target: str, headers: list[tuple[str, str]], domains: tuple[str, ...]) -> Incoming:
    """Take a request apart.

    Raises:
        Refusal: InvalidURI, KeyTooLongError, NotImplemented, MethodNotAllowed.
    """
    path, _, raw_query = target.partition("?")
    if not path.startswith("/"):
        raise Refusal("InvalidURI")
    incoming = Incoming(method, path, raw_query, _joined(headers))
    _locate(incoming, domains)
    incoming.query = _parse_query(raw_query)
    incoming.operation = _operation(incoming)
    return incoming


def relocate(incoming: Incoming, bound: dict[str, str]) -> None:
    """Find the bucket of a request that names a domain bound to it: all of the path is the key."""
    bucket = bound.get(incoming.headers.get("host", "").rsplit(":", 1)[0])
    if bucket is not None:
        incoming.bucket, incoming.key = bucket, unquote_to_bytes(incoming.path[1:])
        incoming.virtual_host, incoming.domain = True, incoming.headers["host"].rsplit(":", 1)[0]
        incoming.operation = _operation(incoming)


def check_key(incoming: Incoming) -> None:
    """Refuse a key that is too long.

    Raises:
        Refusal: KeyTooLongError.
    """
    if len(incoming.key) > MAX_KEY:
        raise Refusal("KeyTooLongError")


def _joined(headers: list[tuple[str, str]]) -> dict[str, str]:
    joined: dict[str, str] = {}
    for name, value in headers:
        joined[name] = f"{joined[name]},{value}" if name in joined else value
    return joined


def _locate(incoming: Incoming, domains: tuple[str, ...]) -> None:
    host = incoming.headers.get("host", "").rsplit(":", 1)[0]
    domain = next((domain for domain in domains if host.endswith("." + domain)), None)
    rest = incoming.path[1:]
    if domain is not None:
        incoming.virtual_host = True
        incoming.bucket = host[: -len(domain) - 1]
    else:
        incoming.bucket, _, rest = rest.partition("/")
    incoming.key = unquote_to_bytes(rest)


def _parse_query(raw: str) -> dict[str, str | None]:
    pairs: dict[str, str | None] = {}
    for item in raw.split("&") if raw else ():
        name, equals, value = item.partition("=")
        pairs[_decode(name)] = _decode(value) if equals else None
    return pairs


def _decode(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode("utf-8", "surrogateescape")


def _is_foreign(method: str, query: dict[str, str | None]) -> bool:
    lone = ("partNumber" in query and "uploadId" not in query) or ("versionId" in query and method != "DELETE")
    return lone or bool(_FOREIGN & query.keys())


def _operation(incoming: Incoming) -> str:
    method, query = incoming.method, incoming.query
    if not incoming.bucket:
        operation = {"GET": "ListBuckets", "HEAD": "GetApiVersion"}.get(method)
    elif _is_foreign(method, query):
        raise Refusal("NotImplemented")
    else:
        named, plain = (_KEY_QUERIES, _KEY_METHODS) if incoming.key else (_BUCKET_QUERIES, _BUCKET_METHODS)
        operation = next((named[method, name] for name in query if (method, name) in named), plain.get(method))
    if operation is None:
        raise Refusal("MethodNotAllowed")
    return "ListObjectsV2" if operation == "ListObjects" and query.get("list-type") == "2" else operation
