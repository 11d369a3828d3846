"""Accounts as the clouds speak of them: S3's family, Azure, Google. Nothing here opens a socket."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from oms_adapters.control import BucketsPage, BucketSummary
from oms_adapters.dialects.errors import Asked, error_of
from oms_adapters.dialects.profile import S3Profile
from oms_adapters.dialects.s3 import S3Dialect
from oms_adapters.dialects.times import parse_http_date, parse_iso_time
from oms_adapters.dialects.xml import find_text, parse_xml
from oms_adapters.signing.quoting import Query, quote_value
from oms_engine.errors import ConfigError, UnexpectedReply
from oms_engine.store import BucketStore, Call, Endpoint, Renewable, Reply, Request, Signer

if TYPE_CHECKING:
    from xml.etree.ElementTree import Element

READING = {"accept-encoding": "identity"}


class S3Account:
    """An account of a cloud of the S3 family: its buckets are asked of the service, a region of the bucket itself."""

    def __init__(
        self,
        profile: S3Profile,
        *,
        service: Endpoint,
        signer: Signer,
        store: BucketStore | None,
        by_head: bool = False,
        region_of: Callable[[str], str] = str,
    ) -> None:
        """Describe an account.

        Args:
            profile: the cloud's words.
            service: where the list of buckets is asked.
            signer: signs there.
            store: the configured bucket; None: none is configured.
            by_head: the region is what HEAD of the bucket states, not GetBucketLocation.
            region_of: the store's word for a region (empty: it states none) -> the region's name.
        """
        self._profile = profile
        self._service, self._signer = service, signer
        self._store = store
        self._by_head = by_head
        self._region_of = region_of
        self._label = f"{profile.scheme}://"

    def list_buckets(self, marker: str = "") -> Call[BucketsPage]:
        """See :meth:`oms_adapters.control.Account.list_buckets`."""
        query: Query = (("marker", marker),) if marker else ()

        def read(reply: Reply) -> BucketsPage:
            if not 200 <= reply.status < 300:
                raise error_of(reply, Asked(self._label, "list_buckets", None, self._url), self._profile)
            return parse_buckets(reply.body, self._region_of)

        request = Request("GET", self._service, "/", query, READING)
        return Call(request, self._signer, read, self._label, "list_buckets")

    @property
    def _url(self) -> str:
        return f"{self._service.scheme}://{self._service.netloc}/"

    def bucket_region(self) -> Call[str]:
        """See :meth:`oms_adapters.control.Account.bucket_region`.

        Raises:
            ConfigError: no bucket is configured.
        """
        if not isinstance(self._store, S3Dialect):
            raise ConfigError("give the bucket whose region is asked for")
        call = self._store.location(by_head=self._by_head)
        return call._replace(read=lambda reply: self._region_of(call.read(reply)))


def parse_buckets(body: bytes, region_of: Callable[[str], str] = str) -> BucketsPage:
    """Return a page of an S3-like list of buckets.

    https://docs.aws.amazon.com/AmazonS3/latest/API/API_ListBuckets.html; OBS, OSS and COS state ``Location`` too, OSS
    and COS end a page with ``NextMarker``.

    Raises:
        UnexpectedReply: not such a list.
    """
    root = parse_xml(body)
    buckets = root.find("Buckets")
    if root.tag != "ListAllMyBucketsResult":
        raise UnexpectedReply(f"expected a list of buckets, got <{root.tag}>")
    found = [] if buckets is None else [_bucket(element, region_of) for element in buckets.findall("Bucket")]
    truncated = find_text(root, "IsTruncated").strip() == "true"
    marker = find_text(root, "NextMarker").strip()
    if truncated and not marker:
        raise UnexpectedReply("the list of buckets goes on, but does not state from where (NextMarker)")
    return BucketsPage(found, marker if truncated else None)


def _bucket(element: Element, region_of: Callable[[str], str]) -> BucketSummary:
    region = find_text(element, "BucketRegion") or find_text(element, "Location")
    created = find_text(element, "CreationDate").strip().replace("/", "-")
    try:
        moment = parse_iso_time(created)
    except ValueError:
        moment = 0.0
    return BucketSummary(find_text(element, "Name"), region_of(region) if region else "", moment)


class AzureAccount:
    """A storage account: its containers. The Blob service does not state where it is."""

    def __init__(
        self, *, endpoint: Endpoint, root: str, signer: Signer, container: str, region: str, version: str
    ) -> None:
        self._endpoint = endpoint
        self._root = root
        self._signer = signer
        self._container = container
        self._region = region
        self._version = version

    def list_buckets(self, marker: str = "") -> Call[BucketsPage]:
        """See :meth:`oms_adapters.control.Account.list_buckets`.

        https://learn.microsoft.com/en-us/rest/api/storageservices/list-containers2
        """
        query: Query = (("comp", "list"), *((("marker", marker),) if marker else ()))

        def read(reply: Reply) -> BucketsPage:
            self._check(reply, "list_buckets")
            return parse_containers(reply.body)

        return self._call("GET", f"{self._root}/", query, read, "list_buckets")

    def bucket_region(self) -> Call[str]:
        """See :meth:`oms_adapters.control.Account.bucket_region`: the region as configured, once the container answers.

        https://learn.microsoft.com/en-us/rest/api/storageservices/get-container-properties
        """

        def read(reply: Reply) -> str:
            self._check(reply, "bucket_region")
            return self._region

        path = f"{self._root}/{quote_value(self._container)}"
        return self._call("HEAD", path, (("restype", "container"),), read, "bucket_region")

    def _call(self, method: str, path: str, query: Query, read: Callable[[Reply], Any], operation: str) -> Call[Any]:
        request = Request(method, self._endpoint, path, query, {"x-ms-version": self._version, **READING})
        return Call(request, self._signer, read, "az://", operation)

    def _check(self, reply: Reply, operation: str) -> None:
        if not 200 <= reply.status < 300:
            from oms_adapters.dialects.azure_errors import error_of as azure_error  # noqa: PLC0415 - S3 needs none

            raise azure_error(reply, store="az://", operation=operation, key=None)


def parse_containers(body: bytes) -> BucketsPage:
    """Return a page of List Containers.

    Raises:
        UnexpectedReply: not such a page.
    """
    root = parse_xml(body)
    containers = root.find("Containers")
    if root.tag != "EnumerationResults" or containers is None:
        raise UnexpectedReply(f"expected a list of containers, got <{root.tag}>")
    found = [
        BucketSummary(
            find_text(element, "Name"), "", parse_http_date(element.findtext("Properties/Last-Modified") or "")
        )
        for element in containers.findall("Container")
    ]
    return BucketsPage(found, find_text(root, "NextMarker").strip() or None)


class GoogleAccount:
    """A project of Google Cloud: its buckets, by the JSON API.

    https://cloud.google.com/storage/docs/json_api/v1/buckets/list
    """

    def __init__(
        self,
        *,
        endpoint: Endpoint,
        signer: Signer,
        token: Renewable | None,
        project: str,
        bucket: str,
        payer: str,
    ) -> None:
        self._endpoint = endpoint
        self._signer = signer
        self._token = token
        self._project = project
        self._bucket = bucket
        self._headers = {**READING, **({"x-goog-user-project": payer} if payer else {})}

    def list_buckets(self, marker: str = "") -> Call[BucketsPage]:
        """See :meth:`oms_adapters.control.Account.list_buckets`."""
        query: Query = (("project", self._project), *((("pageToken", marker),) if marker else ()))

        def read(reply: Reply) -> BucketsPage:
            page = self._json(reply, "list_buckets")
            try:
                found = [_google_bucket(item) for item in page.get("items", ())]
            except (KeyError, ValueError, TypeError, AttributeError):
                raise UnexpectedReply("the reply is no list of buckets", status=reply.status) from None
            return BucketsPage(found, str(page.get("nextPageToken") or "") or None)

        return self._call("/storage/v1/b", query, read, "list_buckets")

    def bucket_region(self) -> Call[str]:
        """See :meth:`oms_adapters.control.Account.bucket_region`."""

        def read(reply: Reply) -> str:
            return str(self._json(reply, "bucket_region").get("location") or "").lower()

        return self._call(f"/storage/v1/b/{quote_value(self._bucket)}", (), read, "bucket_region")

    def _call(self, path: str, query: Query, read: Callable[[Reply], Any], operation: str) -> Call[Any]:
        request = Request("GET", self._endpoint, path, query, self._headers)
        return Call(request, self._signer, read, "gs://", operation, self._token)

    def _json(self, reply: Reply, operation: str) -> dict[str, Any]:
        if reply.status != 200:
            from oms_adapters.dialects.google import json_error  # noqa: PLC0415 - the other clouds load without it

            raise json_error(reply, store="gs://", operation=operation)
        try:
            page = json.loads(reply.body)
        except (ValueError, RecursionError):
            page = None
        if not isinstance(page, dict):
            raise UnexpectedReply("the reply is no JSON object", status=reply.status)
        return page


def _google_bucket(item: dict[str, Any]) -> BucketSummary:
    created = item.get("timeCreated")
    moment = datetime.fromisoformat(created).timestamp() if created else 0.0
    return BucketSummary(str(item["name"]), str(item.get("location") or "").lower(), moment)
