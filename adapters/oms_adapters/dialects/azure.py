"""A container spoken to in the Blob REST API: https://learn.microsoft.com/en-us/rest/api/storageservices/.

Azure has no multipart uploads: blocks of a blob wait until a list commits some of them, with the blob's headers. An
upload's id here holds what names its blocks and those headers, so nothing is sent to open one, or to drop it: blocks
that nobody commits vanish after a week.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeVar

from oms_adapters.dialects.azure_blocks import block_id, parse_blocks, parse_upload_id, render_upload_id
from oms_adapters.dialects.azure_errors import error_of
from oms_adapters.dialects.azure_heads import read_head, read_written, render_attributes, stated_md5
from oms_adapters.dialects.azure_listing import DIRECTORY, MARKER, Directories, parse_blobs
from oms_adapters.dialects.heads import range_fault, render_md5
from oms_adapters.dialects.paging import make_page
from oms_adapters.dialects.substance import PAGE, Hollow, hollow
from oms_adapters.dialects.xml import is_error
from oms_adapters.signing.quoting import Query, quote_key, quote_value
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
    StorageClass,
    UploadsPage,
    WriteOptions,
    Written,
    WrittenPart,
    same_etag,
)
from oms_engine.store import Call, Capabilities, Endpoint, Reply, Request, Signer

T = TypeVar("T")

PRIORITIES = {RestoreTier.EXPEDITED: "High", RestoreTier.STANDARD: "Standard", RestoreTier.BULK: "Standard"}
"""https://learn.microsoft.com/en-us/azure/storage/blobs/archive-rehydrate-overview#rehydration-priority"""


class AzureDialect:
    """One opened container. ``root`` is the account's part of the path, empty where the host names the account."""

    cloud_type = "Azure"

    def __init__(
        self,
        *,
        bucket: str,
        endpoint: Endpoint,
        root: str,
        signer: Signer,
        capabilities: Capabilities,
        class_words: Mapping[StorageClass, str],
        rehydrate_to: str,
        claims_md5: bool = True,
        version: str,
        directories: Directories = Directories.PLAIN,
    ) -> None:
        self.label = f"az://{bucket}"
        self.bucket = bucket
        self.endpoint = endpoint
        self.capabilities = capabilities
        self._container = f"{root}/{quote_value(bucket)}"
        self._sign = signer
        self._class_words = class_words
        self._rehydrate_to = rehydrate_to
        self._claims_md5 = claims_md5
        self._version = version
        self._directories = directories

    # Reading

    def list_page(
        self, prefix: str, *, start_after: str = "", limit: int = 5000, token: str | None = None
    ) -> Call[ListPage]:
        """See :meth:`oms_engine.store.Store.list_page`."""
        limit = min(limit, self.capabilities.list_limit)
        query: list[tuple[str, str | None]] = [("restype", "container"), ("comp", "list")]
        if prefix:
            query.append(("prefix", prefix))
        if self._directories is not Directories.PLAIN:
            query.append(("include", "metadata"))
        asked = limit
        if token is not None:
            query.append(("marker", token))
        elif start_after > prefix and self.capabilities.list_start_anywhere:
            # It starts *at* the key, which so comes once more.
            query.append(("startFrom", start_after))
            asked = min(limit + 1, self.capabilities.list_limit)
        query.append(("maxresults", str(asked)))
        read = partial(self._read_page, prefix, start_after, limit)
        return self._call("list_page", "GET", None, read, query=tuple(query))

    def _read_page(self, prefix: str, start_after: str, limit: int, reply: Reply) -> ListPage:
        self._check(reply, "list_page")
        if is_error(reply.body):
            raise error_of(reply._replace(status=500), store=self.label, operation="list_page", key=None)
        objects, marker = parse_blobs(reply.body, self._directories)
        return make_page(objects, start_after, prefix=prefix, limit=limit, token=marker)

    def head(self, key: str) -> Call[ObjectHead]:
        """See :meth:`oms_engine.store.Store.head`."""

        def read(reply: Reply) -> ObjectHead:
            self._check(reply, "head", key)
            return self._stated(key, reply, "head")

        return self._call("head", "HEAD", self._stored(key), read)

    def _stored(self, key: str) -> str:
        """Return the name under which a key is stored: that of a kept directory has no slash at its end."""
        return key[:-1] if self._directories is Directories.KEEP and key.endswith("/") else key

    def _stated(self, key: str, reply: Reply, operation: str) -> ObjectHead:
        head = read_head(key, reply.headers, self.capabilities, claims_md5=self._claims_md5)
        if self._stored(key) == key:
            return head
        kind, marker = reply.headers.get("x-ms-resource-type", ""), head.attributes.user.get(MARKER, "")
        if kind.lower() != DIRECTORY and marker.lower() != "true":
            text = f"no directory lies at {self._stored(key)!r} (directories=keep looks for it there)"
            raise NotFound(text, store=self.label, operation=operation, key=key, status=reply.status)
        user = {name: value for name, value in head.attributes.user.items() if name != MARKER}
        return head._replace(attributes=replace(head.attributes, user=user))

    def read(self, key: str, *, span: Span | None = None, if_match: str | None = None) -> Call[ObjectHead]:
        """See :meth:`oms_engine.store.Store.read`."""
        headers = {"accept-encoding": "identity"}
        if span is not None:
            headers["x-ms-range"] = f"bytes={span.first}-{span.last}"
        weak = if_match if if_match is not None and if_match.startswith("W/") else None
        if if_match is not None and weak is None:
            headers["if-match"] = f'"{if_match}"'

        def read(reply: Reply) -> ObjectHead:
            self._check(reply, "read", key)
            self._check_span(key, span, reply)
            head = self._stated(key, reply, "read")
            if weak is not None and not same_etag(head.etag, weak):  # If-Match would never match a weak one
                text = f"the blob was replaced: its ETag is {head.etag!r}, not {weak!r}"
                raise ConditionFailed(text, store=self.label, operation="read", key=key, status=reply.status)
            return head

        return self._call("read", "GET", self._stored(key), read, headers=headers)

    def _check_span(self, key: str, span: Span | None, reply: Reply) -> None:
        """Refuse a reply that ignored or changed the range: its bytes would be taken for others."""
        if span is None:
            if reply.status == 206:
                raise self._unexpected("read", key, reply, "a part of the blob came though all of it was asked for")
        elif (text := range_fault(span, reply)) is not None:
            raise RangeIgnored(text, store=self.label, operation="read", key=key, status=reply.status)

    # Writing

    def write(self, key: str, *, size: int, options: WriteOptions, body: bytes | None = None) -> Call[Written]:
        """See :meth:`oms_engine.store.Store.write`."""
        headers = {"x-ms-blob-type": "BlockBlob", **self._render_options(options)}
        if options.md5 is not None:
            headers["content-md5"] = render_md5(options.md5)

        def read(reply: Reply) -> Written:
            self._check_done(reply, "write", key)
            return read_written(reply.headers, md5=stated_md5(reply.headers))

        return self._call("write", "PUT", key, read, headers=headers, body=body, size=size)

    def _render_options(self, options: WriteOptions) -> dict[str, str]:
        headers = render_attributes(options.attributes)
        if options.storage_class is not None:
            headers["x-ms-access-tier"] = self._class_words[options.storage_class]
        return headers

    def delete(self, key: str, *, version: str = "") -> Call[None]:
        """See :meth:`oms_engine.store.Store.delete`."""
        del version

        def read(reply: Reply) -> None:
            self._check_unless(reply, "delete", key, NotFound)

        return self._call("delete", "DELETE", key, read)

    # Blocks

    def start_upload(self, key: str, *, options: WriteOptions) -> Call[str]:
        """See :meth:`oms_engine.store.MultipartStore.start_upload`. Asks only whether the container can be reached."""
        upload_id = render_upload_id(secrets.token_hex(8), self._render_options(options))

        def read(reply: Reply) -> str:
            self._check_unless(reply, "start_upload", key, NotFound)
            return upload_id

        return self._call("start_upload", "HEAD", key, read)

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
        """See :meth:`oms_engine.store.MultipartStore.write_part`. A part's ETag is its block's id."""
        del crc64  # Azure's is of another polynomial
        block = block_id(parse_upload_id(upload_id)[0], number)
        headers = {} if md5 is None else {"content-md5": render_md5(md5)}

        def read(reply: Reply) -> WrittenPart:
            self._check_done(reply, "write_part", key)
            return WrittenPart(number, block, size, stated_md5(reply.headers))

        query: Query = (("comp", "block"), ("blockid", block))
        return self._call("write_part", "PUT", key, read, query=query, headers=headers, body=body, size=size)

    def complete_upload(
        self, key: str, upload_id: str, parts: list[WrittenPart], *, announced: bool = True
    ) -> Call[Written]:
        """See :meth:`oms_engine.store.MultipartStore.complete_upload`."""
        del announced
        token, headers = parse_upload_id(upload_id)
        inner = "".join([f"<Uncommitted>{block_id(token, part.number)}</Uncommitted>" for part in parts])
        body = f'<?xml version="1.0" encoding="utf-8"?><BlockList>{inner}</BlockList>'.encode()

        def read(reply: Reply) -> Written:
            self._check_done(reply, "complete_upload", key)
            # Content-MD5 is that of the list, not of the blob.
            return read_written(reply.headers, md5=None)

        query: Query = (("comp", "blocklist"),)
        return self._call("complete_upload", "PUT", key, read, query=query, headers=headers, body=body)

    def abort_upload(self, key: str, upload_id: str) -> Call[None]:
        """See :meth:`oms_engine.store.MultipartStore.abort_upload`. There is nothing to tell the service."""
        del upload_id

        def read(reply: Reply) -> None:
            self._check_unless(reply, "abort_upload", key, NotFound)

        return self._call("abort_upload", "HEAD", key, read)

    def list_parts(self, key: str, upload_id: str, *, after: int = 0) -> Call[PartsPage]:
        """See :meth:`oms_engine.store.MultipartStore.list_parts`."""
        token = parse_upload_id(upload_id)[0]

        def read(reply: Reply) -> PartsPage:
            self._check(reply, "list_parts", key)
            parts = parse_blocks(reply.body, token)
            if not parts:
                raise UploadGone("no block of the upload is left", store=self.label, operation="list_parts", key=key)
            return PartsPage([part for part in parts if part.number > after], None)

        query: Query = (("comp", "blocklist"), ("blocklisttype", "uncommitted"))
        return self._call("list_parts", "GET", key, read, query=query)

    def list_uploads(self, prefix: str, *, after: tuple[str, str] | None = None) -> Call[UploadsPage]:
        """See :meth:`oms_engine.store.MultipartStore.list_uploads`. Azure keeps blocks, not uploads: always empty."""
        del after

        def read(reply: Reply) -> UploadsPage:
            self._check(reply, "list_uploads")
            return UploadsPage([], None)

        query: Query = (("restype", "container"), ("comp", "list"), ("prefix", prefix), ("maxresults", "1"))
        return self._call("list_uploads", "GET", None, read, query=query)

    # Archive

    def restore(self, key: str, *, days: int, tier: RestoreTier, storage_class: str = "") -> Call[Restore]:
        """See :meth:`oms_engine.store.ArchiveStore.restore`. A rehydrated blob stays so: Azure knows no ``days``."""
        del days, storage_class
        headers = {"x-ms-access-tier": self._rehydrate_to, "x-ms-rehydrate-priority": PRIORITIES[tier]}

        def read(reply: Reply) -> Restore:
            try:
                self._check(reply, "restore", key)
            except StoreError as error:
                if error.vendor_code == "BlobBeingRehydrated":
                    return Restore.IN_PROGRESS
                raise
            return Restore.REQUESTED if reply.status == 202 else Restore.READABLE

        return self._call("restore", "PUT", key, read, query=(("comp", "tier"),), headers=headers)

    # Shared

    def _call(
        self,
        operation: str,
        method: str,
        key: str | None,
        read: Callable[[Reply], T],
        *,
        query: Query = (),
        headers: dict[str, str] | None = None,
        body: bytes | None = b"",
        size: int = 0,
    ) -> Call[T]:
        try:
            path = self._container if key is None else f"{self._container}/{quote_key(key)}"
        except UnicodeEncodeError:
            raise InvalidRequest("the key holds half a character (a lone surrogate)", store=self.label) from None
        given = {"x-ms-version": self._version, **(headers or {})}
        if body is None:
            request = Request(method, self.endpoint, path, query, given, b"", size)
        else:
            request = Request(method, self.endpoint, path, query, given, body)
        return Call(request, self._sign, read, self.label, operation)

    def _check(self, reply: Reply, operation: str, key: str | None = None) -> None:
        if not 200 <= reply.status < 300:
            raise error_of(reply, store=self.label, operation=operation, key=key)

    def _check_done(self, reply: Reply, operation: str, key: str) -> None:
        """Refuse a reply to a change that is no success, though its status may say so."""
        self._check(reply, operation, key)
        kind = hollow(reply.body) if reply.body else None
        if kind is Hollow.ERROR:
            raise error_of(reply._replace(status=500), store=self.label, operation=operation, key=key)
        if kind is Hollow.PAGE:
            raise self._unexpected(operation, key, reply, PAGE)

    def _check_unless(self, reply: Reply, operation: str, key: str, harmless: type[StoreError]) -> None:
        try:
            self._check_done(reply, operation, key)
        except harmless:
            return

    def _unexpected(self, operation: str, key: str, reply: Reply, text: str) -> UnexpectedReply:
        request_id = reply.headers.get("x-ms-request-id", "")
        return UnexpectedReply(
            text, store=self.label, operation=operation, key=key, status=reply.status, request_id=request_id
        )
