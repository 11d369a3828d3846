"""Looking into buckets before anything is migrated: lists, regions, prefixes, CDNs, URL lists. Nothing is changed.

All is asked by the adapters' calls over one wire. It lives on an event loop of its own thread: a store that sends
8 MiB of XML, or nothing at all, delays no other call of the API. How many of these calls one caller may have under way
is bounded. Every failure of a store becomes OMS's code for the operation; its text names the store's own answer, never
a credential.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import replace
from typing import Any, NamedTuple, TypeVar

from oms_adapters.cdn import CdnConfig, CdnStore
from oms_adapters.config import StoreConfig
from oms_adapters.registry import adapter_for, open_store
from oms_engine.errors import (
    AccessDenied,
    BadCredentials,
    BucketNotFound,
    ConfigError,
    NotFound,
    StoreError,
    TaskError,
)
from oms_engine.frozen import dataclass
from oms_engine.listkeys import UrlListKeys
from oms_engine.model import ListedObject, ObjectHead, key_before, same_etag
from oms_engine.store import MIB, BucketStore
from oms_engine.wire import Wire, WireSettings
from oms_worker.errors import Busy, Refused
from oms_worker.loop_thread import LoopThread
from oms_worker.running import RunPlan
from oms_worker.services import prechecks
from oms_worker.services.caller import Caller
from oms_worker.services.regions import regions_of
from oms_worker.settings import ServiceSettings

T = TypeVar("T")

LIST_BUCKETS, REGION, LIST_OBJECTS, NO_ACCESS = "OMS.0153", "OMS.0155", "OMS.0302", "OMS.1014"
NO_DESTINATION = "OMS.1020"
MAX_PAGES = 50
"""Pages of the store behind one page of the API: a folder of a million objects is one entry, but must be crossed."""
LAST = "\U0010ffff"
"""Sorts behind everything that a folder holds."""
MAX_BUCKET_PAGES = 100
"""Pages of an account's list of buckets; clouds allow an account at most 10,000 buckets, 1000 stand on a page."""
REPLY_LIMIT = 8 * MIB
"""Largest reply of a store that is read: a page of 5000 Azure blobs is some 4 MiB."""
CALLS_OF_ONE = 8
"""Calls of one user under way; further ones are answered with OMS.2004."""
CALLS_AT_ONCE = 64
"""Calls of all users under way."""
CHECKED_KEYS = 5
"""Objects that are tried through a CDN when none are named."""
SECONDS = 50.0
"""The official SDK gives up after 120 s, Terraform's provider earlier."""


class Record(NamedTuple):
    """An entry of a folder: an object, or a folder (``size`` None)."""

    name: str
    size: int | None


class Page(NamedTuple):
    """Entries of a folder, and the marker of the next page; None when nothing follows."""

    records: list[Record]
    next_marker: str | None


@dataclass(frozen=True, slots=True)
class CheckedKey:
    """An object that was tried through a CDN."""

    key: str
    in_bucket: bool
    is_object_existing: bool = False
    """The bucket has it, and the CDN finds it, whether or not it hands it out."""
    served: bool = False
    is_etag_matching: bool = False
    """The CDN states the ETag that the bucket states."""


class BucketService:
    """Looks into buckets. Opened with :func:`open_buckets`."""

    def __init__(self, loop: LoopThread, wire: Wire, settings: ServiceSettings) -> None:
        self._loop = loop
        self._wire = wire
        self._settings = settings
        self._slow = prechecks.SlowPlaces()
        self._under_way: Counter[tuple[str, str]] = Counter()

    async def _run(self, caller: Caller, work: Coroutine[Any, Any, T]) -> T:
        """Run a look on the wire's own loop.

        Raises:
            Busy: OMS.2004, the caller, or all callers together, have too many under way.
        """
        who = (caller.project_id, caller.user)
        if self._under_way[who] >= CALLS_OF_ONE or self._under_way.total() >= CALLS_AT_ONCE:
            work.close()
            raise Busy("OMS.2004", "Too many calls that look into buckets are under way; wait for their answers.")
        self._under_way[who] += 1
        try:
            return await self._loop.run(work)
        finally:
            self._under_way[who] -= 1
            if not self._under_way[who]:
                del self._under_way[who]

    async def precheck(self, caller: Caller, plan: RunPlan, *, scope: bool = True) -> int | None:
        """Look at what a task that is to be created names; without ``scope`` at buckets and CDN alone.

        Where too many calls are under way, or a bucket was slow a moment ago, nothing is looked at: the task finds out.

        Returns:
            How many list files there are, where that was found out.

        Raises:
            Refused: as ``prechecks.py`` says.
        """
        if not self._settings.work.check_at_creation or self._slow.holds(plan):
            return None
        with suppress(Busy):
            began = time.monotonic()
            counted = await self._run(caller, prechecks.precheck(self._wire, plan, scope=scope))
            self._slow.note(plan, time.monotonic() - began)
            return counted
        return None

    async def buckets(self, caller: Caller, account: StoreConfig) -> list[str]:
        """Return the names of an account's buckets.

        Raises:
            Refused: OMS.0153.
        """
        caller.require("oms:bucket:list")
        return await self._run(caller, self._buckets(self._placed(account)))

    async def _buckets(self, config: StoreConfig) -> list[str]:
        with told(LIST_BUCKETS):
            async with asyncio.timeout(SECONDS):
                account = adapter_for(config.cloud_type).account(config)
                names: list[str] = []
                marker = ""
                for _ in range(MAX_BUCKET_PAGES):
                    page = await self._wire.call(account.list_buckets(marker))
                    names += [bucket.name for bucket in page.buckets]
                    if page.next_marker is None or page.next_marker == marker:
                        break
                    marker = page.next_marker
                return names

    async def region(self, caller: Caller, config: StoreConfig) -> dict[str, Any]:
        """Return the region of a bucket, and whether it is one that can be migrated from.

        Raises:
            Refused: OMS.0155.
        """
        caller.require("oms:bucket:get")
        name = await self._run(caller, self._region(self._placed(config)))
        return {"id": name, "name": name, "support": name in regions_of(config.cloud_type, self._settings)}

    async def _region(self, config: StoreConfig) -> str:
        with told(REGION):
            async with asyncio.timeout(SECONDS):
                return await self._wire.call(adapter_for(config.cloud_type).account(config).bucket_region())

    def _placed(self, config: StoreConfig) -> StoreConfig:
        """Return where to ask when the region is not known: at the first one of the settings, if they know any."""
        if config.region or config.endpoint:
            return config
        places = self._settings.endpoints.get(config.cloud_type, {})
        for region, place in places.items():
            return place.place(replace(config, region=region))
        return config

    async def objects(self, caller: Caller, config: StoreConfig, folder: str, after: str, size: int) -> Page:
        """Return at most ``size`` entries of a folder that sort after ``after``; folders in it are one entry each.

        Raises:
            Refused: OMS.0302, OMS.1014.
        """
        caller.require("oms:bucket:list")
        return await self._run(caller, self._objects(config, folder, after, size))

    async def _objects(self, config: StoreConfig, folder: str, after: str, size: int) -> Page:
        with told(LIST_OBJECTS):
            async with asyncio.timeout(SECONDS):
                return await self._folder(open_store(config), folder, after, size)

    async def _folder(self, store: BucketStore, folder: str, after: str, size: int) -> Page:
        records: list[Record] = []
        start = behind = after + LAST if after.endswith("/") else after
        token: str | None = None
        for _ in range(MAX_PAGES):
            page = await self._wire.call(store.list_page(folder, start_after=start, token=token))
            # Not every store starts where it is asked to.
            objects = [item for item in page.objects if key_before(behind, item.key)] if behind else page.objects
            for entry in entries_of(objects, folder, start):
                if len(records) == size:
                    return Page(records, records[-1].name)
                records.append(entry)
            if page.next_start is None:
                return Page(records, None)
            inside = records[-1].name if records and records[-1].size is None else ""
            jump = bool(inside) and page.next_start.startswith(inside)
            start, token = (inside + LAST, None) if jump else (page.next_start, page.token)
            behind = start if jump else behind
        return Page(records, records[-1].name if records else None)

    async def has_prefix(self, caller: Caller, config: StoreConfig, prefix: str) -> bool:
        """Whether any object of a bucket starts with a prefix.

        Raises:
            Refused: OMS.0302, OMS.1014.
        """
        caller.require("oms:bucket:check")
        return await self._run(caller, self._has_prefix(config, prefix))

    async def _has_prefix(self, config: StoreConfig, prefix: str) -> bool:
        with told(LIST_OBJECTS):
            async with asyncio.timeout(SECONDS):
                page = await self._wire.call(open_store(config).list_page(prefix, limit=1))
        return bool(page.objects)

    async def check_cdn(
        self, caller: Caller, config: StoreConfig, cdn: CdnConfig, keys: Sequence[str]
    ) -> dict[str, Any]:
        """Try objects of a bucket through a CDN: those named, else the first five.

        Raises:
            Refused: OMS.0302, OMS.1014.
        """
        caller.require("oms:bucket:check")
        return await self._run(caller, self._check_cdn(config, cdn, keys))

    async def _check_cdn(self, config: StoreConfig, cdn: CdnConfig, keys: Sequence[str]) -> dict[str, Any]:
        with told(LIST_OBJECTS):
            async with asyncio.timeout(SECONDS):
                store = open_store(config)
                fronted = CdnStore(store, cdn, config.credentials)
                named = list(keys) or [entry.key for entry in await self._first(store)]
                checked = [await self._try(store, fronted, key) for key in named]
        return {
            "is_same_cloud_type": is_of_cloud(config.cloud_type, cdn),
            "is_download_available": can_download(checked),
            "checked_keys": [
                {
                    "key": one.key,
                    "is_etag_matching": one.is_etag_matching,
                    "is_object_existing": one.is_object_existing,
                }
                for one in checked
            ],
        }

    async def _first(self, store: BucketStore) -> list[ListedObject]:
        page = await self._wire.call(store.list_page("", limit=CHECKED_KEYS * 20))
        return [entry for entry in page.objects if not entry.key.endswith("/")][:CHECKED_KEYS]

    async def _try(self, store: BucketStore, fronted: CdnStore, key: str) -> CheckedKey:
        try:
            head: ObjectHead = await self._wire.call(store.head(key))
        except NotFound:
            return CheckedKey(key, in_bucket=False)
        try:
            async with self._wire.stream(fronted.read(key)) as (served, _):
                same = bool(served.etag) and same_etag(served.etag, head.etag)
                return CheckedKey(key, True, True, True, same)
        except AccessDenied:  # it refuses, so it is not known to lack the object
            return CheckedKey(key, in_bucket=True, is_object_existing=True)
        except StoreError:
            return CheckedKey(key, in_bucket=True)

    async def check_url_list(self, caller: Caller, config: StoreConfig, key: str) -> None:
        """Hold a URL list file, or a folder of them, against every rule of its format.

        Raises:
            Refused: TRF.0013 - TRF.0019, TRF.0301; OMS.1020 the keys do not open the bucket, or it is not there.
        """
        caller.require("oms::checkUrlSourceListFileFormat")
        await self._run(caller, self._check_url_list(config, key))

    async def _check_url_list(self, config: StoreConfig, key: str) -> None:
        try:
            async with asyncio.timeout(SECONDS):
                await _check_lines(UrlListKeys(self._wire, open_store(config), key))
        except TaskError as error:
            closed = isinstance(error.__cause__, BadCredentials | AccessDenied | BucketNotFound)
            raise Refused(NO_DESTINATION if closed else error.code, str(error), http_status=400) from None
        except TimeoutError:
            return  # every line that was read in time is in order


async def _check_lines(lines: UrlListKeys) -> None:
    await lines.check()
    found = False
    async for _, names in lines.batches(after=0):
        found = found or bool(names)
    if not found:
        raise TaskError("TRF.0017", "the list is empty")


@asynccontextmanager
async def open_buckets(settings: ServiceSettings) -> AsyncIterator[BucketService]:
    """Open the service with a wire of its own: impatient, since somebody waits for the answer."""
    work = settings.work
    wire = WireSettings(
        attempts=3,
        unreached_attempts=2,
        connect_timeout=5.0,
        first_byte_timeout=20.0,
        idle_timeout=20.0,
        max_connections=32,
        reply_limit=REPLY_LIMIT,
        ca_file=str(work.ca_file) if work.ca_file else None,
        verify=work.verify_tls,
        proxy=work.proxy,
        no_proxy=work.no_proxy,
    )
    with LoopThread("openoms-buckets") as loop:
        opened = Wire(wire)
        await loop.run(opened.__aenter__())
        try:
            yield BucketService(loop, opened, settings)
        finally:
            await loop.run(opened.__aexit__(None, None, None))


@contextmanager
def told(code: str) -> Iterator[None]:
    """Turn what a store answers into OMS's code.

    Raises:
        Refused: ``code``, or OMS.1014 for keys that do not open the bucket.
    """
    try:
        yield
    except (BadCredentials, AccessDenied) as error:
        raise Refused(NO_ACCESS, str(error)) from None
    except StoreError as error:
        raise Refused(code, str(error)) from None
    except ConfigError as error:
        raise Refused(error.code or code, str(error)) from None
    except TimeoutError:
        raise Refused(code, f"The store did not answer within {SECONDS:.0f} seconds.") from None


def entries_of(objects: Sequence[ListedObject], folder: str, start: str) -> Iterator[Record]:
    """Fold a listing into the entries of a folder: what lies deeper is its folder, once; the folder itself is none."""
    last = start.removesuffix(LAST)
    for item in objects:
        if item.key == folder or (last.endswith("/") and last != folder and item.key.startswith(last)):
            continue
        name, slash, _ = item.key[len(folder) :].partition("/")
        if not slash:
            yield Record(item.key, item.size)
            continue
        last = f"{folder}{name}/"
        yield Record(last, None)


def can_download(checked: Sequence[CheckedKey]) -> bool:
    """Whether source data can be downloaded through a CDN: every object that the bucket has, and it has some."""
    there = [one for one in checked if one.in_bucket]
    return bool(there) and all(one.served for one in there)


_CDN_HOSTS = {
    "AWS": (".cloudfront.net", ".amazonaws.com"),
    "Azure": (".azureedge.net", ".azurefd.net", ".windows.net"),
    "Aliyun": (".kunlunsl.com", ".alikunlun.com", ".kunlunaq.com", ".aliyuncs.com", ".w.cdngslb.com"),
    "Tencent": (".cdn.dnsv1.com", ".myqcloud.com", ".tencentcos.cn"),
    "HuaweiCloud": (".cdnhwc1.com", ".cdnhwc2.com", ".cdnhwc3.com", ".myhuaweicloud.com"),
    "KingsoftCloud": (".ksyuncdn.com", ".ksyuncs.com"),
    "Qiniu": (".qiniucdn.com", ".clouddn.com", ".qiniudns.com", ".qbox.me"),
    "Baidu": (".bcebos.com", ".bdydns.com", ".jomodns.com"),
    "Google": (".googleapis.com", ".googleusercontent.com"),
    "UCloud": (".ufileos.com", ".ucloud.com.cn"),
    "QingCloud": (".qingstor.com",),
}
"""Names under which clouds give out CDN domains; a customer's own domain does not tell whose it is."""


def is_of_cloud(cloud: str, cdn: CdnConfig) -> bool:
    """Whether a CDN belongs to the cloud of its source: by its host, or by whose authentication it asks for."""
    mark = {"Aliyun": "ALIYUN", "Tencent": "TENCENT", "Azure": "AZURE", "Qiniu": "QINIU", "KingsoftCloud": "KSYUN"}
    by_auth = cloud in mark and cdn.auth.value.startswith(mark[cloud])
    return by_auth or cdn.endpoint.host.lower().endswith(_CDN_HOSTS.get(cloud, ("\0",)))
