"""The web as a source (``cloud_type`` URLSource): the entries of a URL list, read with HEAD and GET.

A key is an entry of the list (:mod:`oms_engine.urlkeys`): the destination's name and the URL it comes from. Nothing can
be listed and nothing is written. Redirects are followed, to any host; only addresses of the public internet are
connected to (:mod:`oms_engine.netguard`) unless ``allow_private`` is set.
"""

from __future__ import annotations

from typing import Final, NoReturn

from oms_adapters.config import StoreConfig, known_extra
from oms_adapters.control import Account
from oms_adapters.webreply import HEADERS, check_span, error_of, read_head
from oms_engine.errors import ConditionFailed, ConfigError, ObjectError, Unsupported
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
)
from oms_engine.store import BucketStore, Call, Capabilities, Endpoint, Reply, Request
from oms_engine.urlkeys import parse_entry
from oms_engine.weburl import web_request, web_url

LABEL: Final = "urls"
EXTRA: dict[str, type] = {"allow_private": bool}
"""``allow_private`` True: URLs may lead to loopback, private, link-local and metadata addresses too."""

BAD_URL: Final = "GET_SRC_URL_INVALID_FAILURE"
NAME_TAKEN: Final = "DST_OBJ_KEY_DUPLICATE_FAILURE"

CAPABILITIES = Capabilities(lists=False, etag_is_md5=False, multipart=False, restore=False, requester_pays=False)


class UrlStore:
    """What URL lists name, as a store that is only read; see :class:`oms_engine.store.Store`."""

    label = LABEL
    cloud_type = "URLSource"
    bucket = LABEL
    endpoint = Endpoint("http", "url-list.invalid", 80)
    """No host of its own: each entry names one. https://www.rfc-editor.org/rfc/rfc6761#section-6.4"""
    capabilities = CAPABILITIES

    def __init__(self, *, allow_private: bool = False) -> None:
        self._public = not allow_private

    def head(self, key: str) -> Call[ObjectHead]:
        """State what is at an entry's URL; its size is None where the server does not state it.

        Raises:
            ObjectError: the entry has no URL that can be asked, or its name was given to another one.
        """
        return self._call("HEAD", "head", key, None, None)

    def read(self, key: str, *, span: Span | None = None, if_match: str | None = None) -> Call[ObjectHead]:
        """Read what is at an entry's URL, or a range of it.

        ``if_match`` is held against the reply: servers behind one name need not agree on conditions.

        Raises:
            ObjectError: as :meth:`head`.
        """
        return self._call("GET", "read", key, span, if_match)

    def _call(self, method: str, operation: str, key: str, span: Span | None, if_match: str | None) -> Call[ObjectHead]:
        name, request = self._request(method, key, span)
        where = f"{method} {web_url(request, query=False)}"
        names = {"store": LABEL, "operation": operation, "key": name}

        def read(reply: Reply) -> ObjectHead:
            if reply.status not in {200, 206}:
                raise error_of(reply, where, **names)
            check_span(reply, span, **names)
            head = _versioned(read_head(key, reply), reply)
            if if_match is not None and not same_etag(head.etag, if_match):
                message = f"another version is served now ({where})"
                raise ConditionFailed(message, store=LABEL, operation=operation, key=name)
            return head

        return Call(request, _unsigned, read, LABEL, operation, trail=[])

    def _request(self, method: str, entry: str, span: Span | None) -> tuple[str, Request]:
        name, url, conflict = parse_entry(entry)
        if conflict:
            message = f"an earlier line of the list gives this name to another URL than {url.partition('?')[0]}"
            raise ObjectError(f"{message}: only one of them can have it, name the other differently", code=NAME_TAKEN)
        headers = dict(HEADERS)
        if span is not None:
            headers["range"] = f"bytes={span.first}-{span.last}"
        try:
            return name, web_request(method, url, headers, public=self._public)
        except ValueError as error:
            raise ObjectError(f"{error} (the URL of {name!r})", code=BAD_URL) from None

    # -- what the web does not offer --------------------------------------------------------------------------------

    def list_page(
        self, prefix: str, *, start_after: str = "", limit: int = 1000, token: str | None = None
    ) -> Call[ListPage]:
        """Not offered: see ``capabilities.lists``."""
        del prefix, start_after, limit, token
        self._no("list_page")

    def write(self, key: str, *, size: int, options: WriteOptions, body: bytes | None = None) -> Call[Written]:
        """Not offered."""
        del key, size, options, body
        self._no("write")

    def delete(self, key: str, *, version: str = "") -> Call[None]:
        """Not offered."""
        del key, version
        self._no("delete")

    def start_upload(self, key: str, *, options: WriteOptions) -> Call[str]:
        """Not offered."""
        del key, options
        self._no("start_upload")

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
        """Not offered."""
        del key, upload_id, number, size, body, md5, crc64
        self._no("write_part")

    def complete_upload(
        self, key: str, upload_id: str, parts: list[WrittenPart], *, announced: bool = True
    ) -> Call[Written]:
        """Not offered."""
        del key, upload_id, parts, announced
        self._no("complete_upload")

    def abort_upload(self, key: str, upload_id: str) -> Call[None]:
        """Not offered."""
        del key, upload_id
        self._no("abort_upload")

    def list_parts(self, key: str, upload_id: str, *, after: int = 0) -> Call[PartsPage]:
        """Not offered."""
        del key, upload_id, after
        self._no("list_parts")

    def list_uploads(self, prefix: str, *, after: tuple[str, str] | None = None) -> Call[UploadsPage]:
        """Not offered."""
        del prefix, after
        self._no("list_uploads")

    def restore(self, key: str, *, days: int, tier: RestoreTier, storage_class: str = "") -> Call[Restore]:
        """Not offered."""
        del key, days, tier, storage_class
        self._no("restore")

    @staticmethod
    def _no(operation: str) -> NoReturn:
        raise Unsupported("a URL is only read, with HEAD and GET", store=LABEL, operation=operation)


def _unsigned(request: Request, _now: float) -> Request:
    return request


def _versioned(head: ObjectHead, reply: Reply) -> ObjectHead:
    """Give an object without ETag its time for one: parts of two versions must not be joined."""
    time = reply.headers.get("last-modified", "")
    if head.etag or not head.last_modified:
        return head
    return ObjectHead(head.key, head.size, f"modified {time}", head.last_modified, head.attributes)


class UrlSourceAdapter:
    """Opens the web as a source; see :class:`oms_adapters.registry.Adapter`."""

    cloud_type = "URLSource"
    scheme = "urls"

    def open(self, config: StoreConfig) -> BucketStore:
        """Return the web as a store; nothing is sent."""
        allow = known_extra(config, EXTRA).get("allow_private", False)
        return UrlStore(allow_private=bool(allow))

    def endpoint_for(self, region: str) -> str:
        """Refuse: URLs have no regions."""
        raise ConfigError(f"a URL list has no region; leave {region!r} out")

    def account(self, config: StoreConfig) -> Account:
        """Refuse: URLs have neither buckets nor regions."""
        raise ConfigError(f"{config.cloud_type} has no buckets and no regions; give a URL list")


ADAPTER = UrlSourceAdapter()
