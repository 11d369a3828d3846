"""S3's protocol as its other vendors speak it: what their gateways lack or want otherwise, beyond words and limits."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import TypeVar

from oms_adapters.dialects.profile import S3Profile
from oms_adapters.dialects.s3 import S3Dialect
from oms_engine.errors import InvalidRequest, UnexpectedReply
from oms_engine.frozen import dataclass
from oms_engine.model import ListPage, RestoreTier, UploadsPage, WriteOptions, Written
from oms_engine.store import Call, Endpoint, Reply, Signer

T = TypeVar("T")

_BROKEN_KEY = re.compile(rb"<Key>[^<]*\r")
_REPLACEMENT = "\ufffd"
_ENCODED = b"<EncodingType>url</EncodingType>"


@dataclass(frozen=True, slots=True)
class Terms:
    """What a vendor's gateway lacks or wants otherwise."""

    list_url_encode: bool = True
    """Whether listings come percent-encoded when asked to."""
    restore_tiers: bool = True
    """Whether a restore may name its speed."""
    restore_tiers_of: tuple[str, ...] = ()
    """Classes whose restore names its speed where others' may not."""
    restore_max_days: int | None = None
    """Longest life of a restored copy; a longer one is cut to it."""
    restore_max_days_of: Mapping[str, int] = field(default_factory=dict)
    """Class -> its longest life, where it is another one."""


class PresetDialect(S3Dialect):
    """One opened bucket of an S3-speaking vendor."""

    def __init__(
        self,
        profile: S3Profile,
        terms: Terms,
        *,
        bucket: str,
        endpoint: Endpoint,
        path_style: bool,
        signer: Signer,
        payer: bool = False,
    ) -> None:
        super().__init__(profile, bucket=bucket, endpoint=endpoint, path_style=path_style, signer=signer, payer=payer)
        self._terms = terms

    def list_page(
        self, prefix: str, *, start_after: str = "", limit: int = 1000, token: str | None = None
    ) -> Call[ListPage]:
        """See :meth:`oms_engine.store.Store.list_page`."""
        call = super().list_page(prefix, start_after=start_after, limit=limit, token=token)

        def read(reply: Reply) -> ListPage:
            page = call.read(reply)
            if _ENCODED not in reply.body:  # not asked for, or left alone by the gateway
                refuse_lossy(reply.body, page, self.label)
            return page

        return (call if self._terms.list_url_encode else _unencoded(call))._replace(read=read)

    def list_uploads(self, prefix: str, *, after: tuple[str, str] | None = None) -> Call[UploadsPage]:
        """See :meth:`oms_engine.store.MultipartStore.list_uploads`."""
        call = super().list_uploads(prefix, after=after)
        return call if self._terms.list_url_encode else _unencoded(call)

    def write(self, key: str, *, size: int, options: WriteOptions, body: bytes | None = None) -> Call[Written]:
        """See :meth:`oms_engine.store.Store.write`."""
        self._check_class(key, options)
        return super().write(key, size=size, options=options, body=body)

    def start_upload(self, key: str, *, options: WriteOptions) -> Call[str]:
        """See :meth:`oms_engine.store.MultipartStore.start_upload`."""
        self._check_class(key, options)
        return super().start_upload(key, options=options)

    def _check_class(self, key: str, options: WriteOptions) -> None:
        wanted, offered = options.storage_class, self._profile.class_words
        if wanted is not None and wanted not in offered:
            raise InvalidRequest(
                f"the store takes no objects in class {wanted}; it offers {', '.join(offered) or 'its own one only'}",
                store=self.label,
                operation="write",
                key=key,
            )

    def _restore_terms(self, days: int, tier: RestoreTier, storage_class: str) -> str:
        terms = self._terms
        days = min(days, terms.restore_max_days_of.get(storage_class, terms.restore_max_days or days))
        if not terms.restore_tiers and storage_class not in terms.restore_tiers_of:
            return f"<Days>{days}</Days>"
        return super()._restore_terms(days, tier, storage_class)


def _unencoded(call: Call[T]) -> Call[T]:
    query = tuple(pair for pair in call.request.query if pair[0] != "encoding-type")
    return call._replace(request=call.request._replace(query=query))


def refuse_lossy(body: bytes, page: ListPage, store: str) -> None:
    """Refuse a listing in plain XML whose keys may not be the stored ones.

    XML holds no control characters: a reader folds a carriage return to a newline, and some writers put U+FFFD in place
    of what XML cannot hold (Go's encoding/xml: https://pkg.go.dev/encoding/xml#EscapeText). Either key would be
    another object's.

    Raises:
        UnexpectedReply: there is such a key; the message shows it.
    """
    suspect = next((item.key for item in page.objects if _REPLACEMENT in item.key), None)
    if suspect is None and _BROKEN_KEY.search(body):
        suspect = next((item.key for item in page.objects if "\n" in item.key or "\r" in item.key), "\r")
    if suspect is not None:
        raise UnexpectedReply(
            f"the listing cannot show a key exactly ({suspect!r}): the store lists in plain XML, which holds no "
            "control characters; rename that object at the source",
            store=store,
            operation="list_page",
        )
