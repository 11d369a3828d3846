"""A bucket spoken to in the S3 protocol: one implementation for every cloud of the family, told apart by a profile.

Nothing here opens a socket: each method returns a described call.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from hashlib import md5 as md5_of
from typing import TypeVar

from mypy_extensions import mypyc_attr

from oms_adapters.dialects.errors import Asked, error_of
from oms_adapters.dialects.heads import HeadReader, range_fault, render_md5, render_options
from oms_adapters.dialects.listing import parse_listing
from oms_adapters.dialects.open_uploads import parse_uploads
from oms_adapters.dialects.parts import joined_crc64, parse_parts
from oms_adapters.dialects.profile import S3Profile
from oms_adapters.dialects.substance import PAGE, Hollow, hollow
from oms_adapters.dialects.xml import escape, find_text, is_error, parse_location, parse_xml
from oms_adapters.signing.quoting import Query, quote_key
from oms_engine.errors import (
    ConditionFailed,
    InvalidRequest,
    NotFound,
    RangeIgnored,
    StoreError,
    UnexpectedReply,
    UploadGone,
)
from oms_engine.model import (
    ListPage,
    ObjectHead,
    PartsPage,
    Restore,
    RestoreTier,
    Span,
    UploadsPage,
    WriteOptions,
    Written,
    WrittenPart,
    same_etag,
    strong_etag,
)
from oms_engine.store import Call, Endpoint, Reply, Request, Signer

T = TypeVar("T")

ALREADY_READABLE = frozenset({"InvalidObjectState", "ObjectHasAlreadyRestored", "RestoreNonArchiveObject"})
"""A restore refused with these codes concerns an object that is not archived. The last is COS's:
https://www.tencentcloud.com/document/product/436/7730"""


@mypyc_attr(allow_interpreted_subclasses=True)
class S3Dialect:
    """One opened bucket. ``path_style`` puts its name into the path, else it is already in the endpoint's host."""

    def __init__(
        self,
        profile: S3Profile,
        *,
        bucket: str,
        endpoint: Endpoint,
        path_style: bool,
        signer: Signer,
        payer: bool = False,
    ) -> None:
        self.label = f"{profile.scheme}://{bucket}"
        self.cloud_type = profile.cloud_type
        self.bucket = bucket
        self.endpoint = endpoint
        self.capabilities = profile.capabilities
        self._profile = profile
        self._prefix = profile.header_prefix
        self._root = f"/{bucket}" if path_style else ""
        self._sign = signer
        self._reader = HeadReader(profile)
        self._crc64_sent = profile.crc64_header if profile.crc64_sent else None
        payment = {f"{self._prefix}request-payer": "requester"} if payer else {}
        self._reading = {"accept-encoding": "identity", **payment}
        self._writing = payment

    # Reading

    def list_page(
        self, prefix: str, *, start_after: str = "", limit: int = 1000, token: str | None = None
    ) -> Call[ListPage]:
        """See :meth:`oms_engine.store.Store.list_page`."""
        query: list[tuple[str, str | None]] = [("list-type", "2")] if self._profile.list_version == 2 else []
        query += [("encoding-type", "url"), ("max-keys", str(min(limit, self.capabilities.list_limit)))]
        if prefix:
            query.append(("prefix", prefix))
        version = self._profile.list_version
        if token is not None:
            query.append(("continuation-token" if version == 2 else "marker", token))
        elif start_after:
            query.append(("start-after" if version == 2 else "marker", start_after))

        def read(reply: Reply) -> ListPage:
            self._check(reply, "list_page")
            if is_error(reply.body):  # some front ends answer 200 before they know
                raise error_of(reply, self._asked("list_page", None), self._profile, status=500)
            return parse_listing(reply.body, prefix=prefix, start_after=start_after, version=version)

        return self._call("list_page", "GET", None, read, query=tuple(query), headers=self._reading)

    def head(self, key: str) -> Call[ObjectHead]:
        """See :meth:`oms_engine.store.Store.head`."""

        def read(reply: Reply) -> ObjectHead:
            self._check(reply, "head", key)
            return self._reader.head(key, reply.headers)

        return self._call("head", "HEAD", key, read, headers=self._reading)

    def read(self, key: str, *, span: Span | None = None, if_match: str | None = None) -> Call[ObjectHead]:
        """See :meth:`oms_engine.store.Store.read`."""
        headers = self._reading.copy()
        if span is not None:
            # A range of one byte is none to OBS; one that is asked for is an object's last, so its end is left open.
            last = "" if span.first == span.last and self._profile.range_ends_later else span.last
            headers["range"] = f"bytes={span.first}-{last}"
        reader = partial(self._read_object, key, span)
        if if_match is not None and if_match.startswith("W/"):
            reader = partial(self._read_weak, key, span, if_match)
        elif if_match is not None:
            headers["if-match"] = f'"{if_match}"'
        return self._call("read", "GET", key, reader, headers=headers)

    def _read_weak(self, key: str, span: Span | None, etag: str, reply: Reply) -> ObjectHead:
        """Hold a reply against a weak ETag here: If-Match would never match it.

        https://www.rfc-editor.org/rfc/rfc9110#section-13.1.1
        """
        head = self._read_object(key, span, reply)
        if not same_etag(head.etag, etag):
            text = f"the object was replaced: its ETag is {head.etag!r}, not {etag!r}"
            raise ConditionFailed(text, store=self.label, operation="read", key=key, status=reply.status)
        return head

    def _read_object(self, key: str, span: Span | None, reply: Reply) -> ObjectHead:
        self._check(reply, "read", key)
        if span is not None:
            self._check_span(key, span, reply)
        elif reply.status != 200:
            raise self._unexpected("read", key, reply, "a part of the object came though all of it was asked for")
        return self._reader.head(key, reply.headers)

    def _check_span(self, key: str, span: Span, reply: Reply) -> None:
        """Refuse a reply that ignored or changed the range: its bytes would be taken for others.

        Raises:
            RangeIgnored: the object is then read from its beginning.
        """
        text = range_fault(span, reply)
        if text is not None:
            raise RangeIgnored(text, store=self.label, operation="read", key=key, status=reply.status)

    # Writing

    def write(self, key: str, *, size: int, options: WriteOptions, body: bytes | None = None) -> Call[Written]:
        """See :meth:`oms_engine.store.Store.write`."""
        headers = {**self._writing, **render_options(options, self._profile)}
        if options.md5 is not None:
            headers["content-md5"] = render_md5(options.md5)
        if options.crc64 is not None and self._crc64_sent:
            headers[self._crc64_sent] = str(options.crc64)

        def read(reply: Reply) -> Written:
            self._check_done(reply, "write", key)
            return self._reader.written(reply.headers)

        return self._call("write", "PUT", key, read, headers=headers, body=body, size=size)

    def delete(self, key: str, *, version: str = "") -> Call[None]:
        """See :meth:`oms_engine.store.Store.delete`."""
        query: Query = (("versionId", version),) if version else ()

        def read(reply: Reply) -> None:
            self._check_unless(reply, "delete", key, NotFound)

        return self._call("delete", "DELETE", key, read, query=query, headers=self._writing)

    # Multipart

    def start_upload(self, key: str, *, options: WriteOptions) -> Call[str]:
        """See :meth:`oms_engine.store.MultipartStore.start_upload`."""

        def read(reply: Reply) -> str:
            self._check_done(reply, "start_upload", key)
            upload_id = find_text(parse_xml(reply.body), "UploadId")
            if not upload_id:
                raise self._unexpected("start_upload", key, reply, "the reply names no upload")
            return upload_id

        headers = {**self._writing, **render_options(options, self._profile)}
        return self._call("start_upload", "POST", key, read, query=(("uploads", None),), headers=headers)

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
        """See :meth:`oms_engine.store.MultipartStore.write_part`."""
        headers = dict(self._writing)
        if md5 is not None:
            headers["content-md5"] = render_md5(md5)
        if crc64 is not None and self._crc64_sent:
            headers[self._crc64_sent] = str(crc64)

        def read(reply: Reply) -> WrittenPart:
            self._check_done(reply, "write_part", key)
            part = self._reader.part(number, size, reply.headers)
            if not part.etag:
                raise self._unexpected("write_part", key, reply, "the reply states no ETag, so no part can be joined")
            return part

        query = (("partNumber", str(number)), ("uploadId", upload_id))
        return self._call("write_part", "PUT", key, read, query=query, headers=headers, body=body, size=size)

    def complete_upload(
        self, key: str, upload_id: str, parts: list[WrittenPart], *, announced: bool = True
    ) -> Call[Written]:
        """See :meth:`oms_engine.store.MultipartStore.complete_upload`."""
        inner = "".join(
            [f'<Part><PartNumber>{p.number}</PartNumber><ETag>"{escape(p.etag)}"</ETag></Part>' for p in parts]
        )
        body = f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()
        query = (("uploadId", upload_id),)
        headers = {**self._writing, "content-type": "application/xml"}
        if announced and self._crc64_sent and (crc64 := joined_crc64(parts)) is not None:
            headers[self._crc64_sent] = str(crc64)
        reader = partial(self._read_completed, key)
        return self._call("complete_upload", "POST", key, reader, query=query, headers=headers, body=body)

    def _read_completed(self, key: str, reply: Reply) -> Written:
        self._check_done(reply, "complete_upload", key)
        # Ceph before 17 leaves the ETag empty; the caller asks HEAD.
        etag = strong_etag(find_text(parse_xml(reply.body), "ETag"))
        return self._reader.written(reply.headers, etag=etag, single=False)

    def abort_upload(self, key: str, upload_id: str) -> Call[None]:
        """See :meth:`oms_engine.store.MultipartStore.abort_upload`."""

        def read(reply: Reply) -> None:
            self._check_unless(reply, "abort_upload", key, UploadGone)

        return self._call("abort_upload", "DELETE", key, read, query=(("uploadId", upload_id),), headers=self._writing)

    def list_parts(self, key: str, upload_id: str, *, after: int = 0) -> Call[PartsPage]:
        """See :meth:`oms_engine.store.MultipartStore.list_parts`."""

        def read(reply: Reply) -> PartsPage:
            self._check(reply, "list_parts", key)
            try:
                return parse_parts(reply, self._reader.part)
            except ValueError:
                raise self._unexpected("list_parts", key, reply, "a part's number or size is none") from None

        query: Query = (("max-parts", "1000"), ("part-number-marker", str(after)), ("uploadId", upload_id))
        return self._call("list_parts", "GET", key, read, query=query, headers=self._reading)

    def list_uploads(self, prefix: str, *, after: tuple[str, str] | None = None) -> Call[UploadsPage]:
        """See :meth:`oms_engine.store.MultipartStore.list_uploads`."""

        def read(reply: Reply) -> UploadsPage:
            self._check(reply, "list_uploads")
            page = parse_uploads(reply, after)
            if page is None:
                raise error_of(reply, self._asked("list_uploads", None), self._profile, status=500)
            return page

        query: Query = (("uploads", None), ("encoding-type", "url"), ("max-uploads", "1000"))
        query += (("prefix", prefix),) if prefix else ()
        query += (("key-marker", after[0]), ("upload-id-marker", after[1])) if after else ()
        return self._call("list_uploads", "GET", None, read, query=query, headers=self._reading)

    # Bucket

    def location(self, *, by_head: bool = False) -> Call[str]:
        """Ask for the bucket's region, in the store's words; empty where it states none.

        ``by_head``: by HEAD of the bucket, where GetBucketLocation is not offered.
        """

        def read(reply: Reply) -> str:
            self._check(reply, "location")
            return reply.headers.get(f"{self._prefix}bucket-region", "") if by_head else parse_location(reply.body)

        query: Query = () if by_head else (("location", None),)
        return self._call("location", "HEAD" if by_head else "GET", None, read, query=query, headers=self._reading)

    def file_system(self) -> Call[bool] | None:
        """See :meth:`oms_engine.store.TypedStore.file_system`."""
        name = self._profile.file_system_header
        if name is None:
            return None

        def read(reply: Reply) -> bool:
            self._check(reply, "file_system")
            return reply.headers.get(name, "").lower() == "enabled"

        return self._call("file_system", "HEAD", None, read, headers=self._reading)

    # Archive

    def restore(self, key: str, *, days: int, tier: RestoreTier, storage_class: str = "") -> Call[Restore]:
        """See :meth:`oms_engine.store.ArchiveStore.restore`."""
        body = f"<RestoreRequest>{self._restore_terms(days, tier, storage_class)}</RestoreRequest>".encode()
        headers = {**self._writing, "content-md5": render_md5(md5_of(body).digest()), "content-type": "application/xml"}
        reader = partial(self._read_restore, key)
        return self._call("restore", "POST", key, reader, query=(("restore", None),), headers=headers, body=body)

    def _restore_terms(self, days: int, tier: RestoreTier, storage_class: str) -> str:
        job, word = self._profile.restore_element, self._profile.tier_words[tier]
        lasting = "" if storage_class in self._profile.undated_classes else f"<Days>{days}</Days>"
        return f"{lasting}<{job}><Tier>{word}</Tier></{job}>"

    def _read_restore(self, key: str, reply: Reply) -> Restore:
        try:
            self._check(reply, "restore", key)
        except StoreError as error:
            if error.vendor_code == "RestoreAlreadyInProgress":
                return Restore.IN_PROGRESS
            if error.vendor_code in ALREADY_READABLE:
                return Restore.READABLE
            raise
        return Restore.REQUESTED if reply.status == 202 else Restore.READABLE

    # Shared

    def _call(
        self,
        operation: str,
        method: str,
        key: str | None,
        read: Callable[[Reply], T],
        *,
        query: Query = (),
        headers: dict[str, str],
        body: bytes | None = b"",
        size: int = 0,
    ) -> Call[T]:
        if body is None:
            request = Request(method, self.endpoint, self._path(key), query, headers, b"", size)
        else:
            request = Request(method, self.endpoint, self._path(key), query, headers, body)
        return Call(request, self._sign, read, self.label, operation)

    def _path(self, key: str | None) -> str:
        if key is None:
            return self._root or "/"
        try:
            return f"{self._root}/{quote_key(key)}"
        except UnicodeEncodeError:
            raise InvalidRequest("the key holds half a character (a lone surrogate)", store=self.label) from None

    def _asked(self, operation: str, key: str | None) -> Asked:
        endpoint = self.endpoint
        return Asked(self.label, operation, key, f"{endpoint.scheme}://{endpoint.netloc}{self._path(key)}")

    def _check(self, reply: Reply, operation: str, key: str | None = None) -> None:
        if not 200 <= reply.status < 300:
            raise self._error(reply, operation, key)

    def _check_done(self, reply: Reply, operation: str, key: str) -> None:
        """Refuse a reply to a change that is no success, though its status may say so."""
        self._check(reply, operation, key)
        kind = hollow(reply.body) if reply.body else None
        if kind is Hollow.ERROR:
            raise error_of(reply, self._asked(operation, key), self._profile, status=500)
        if kind is Hollow.PAGE:
            raise self._unexpected(operation, key, reply, PAGE)

    def _error(self, reply: Reply, operation: str, key: str | None) -> StoreError:
        return error_of(reply, self._asked(operation, key), self._profile)

    def _check_unless(self, reply: Reply, operation: str, key: str, harmless: type[StoreError]) -> None:
        try:
            self._check_done(reply, operation, key)
        except harmless:
            return

    def _unexpected(self, operation: str, key: str, reply: Reply, text: str) -> UnexpectedReply:
        request_id = reply.headers.get(f"{self._prefix}request-id", "")
        return UnexpectedReply(
            text, store=self.label, operation=operation, key=key, status=reply.status, request_id=request_id
        )
