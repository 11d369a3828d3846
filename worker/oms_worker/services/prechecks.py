"""What OMS looks at before it creates a task: are buckets, objects, list file and CDN there?

Only what a store states without doubt refuses a task. A store that is slow, down or denies something leaves the answer
to the task itself, which waits for it and states the reason of its end.

==========================================================================  ==========
found out                                                                   refused
==========================================================================  ==========
the source bucket does not exist                                            OMS.0089
none of the named objects exists (task_type object)                         OMS.0089
the first object of the list does not exist (task_type list)                OMS.0089
no object has the prefix, or the bucket is empty (task_type prefix)         OMS.0306
the destination bucket, or that of the list file, does not exist            OMS.1020
the list file is missing, too large, archived, or breaks a rule of lists    TRF.0013 …
no object can be read through the CDN                                       OMS.0081
==========================================================================  ==========
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from oms_adapters.cdn import CdnStore
from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.errors import Archived, BucketNotFound, ConditionFailed, NotFound, OmsError, StoreError, TaskError
from oms_engine.listkeys import ListKeys, UrlListKeys
from oms_engine.model import ListedObject, TaskType
from oms_engine.store import MIB, BucketStore
from oms_engine.wire import Wire
from oms_worker.errors import Refused
from oms_worker.running import RunPlan

SECONDS = 5.0
"""Whoever creates a task waits no longer for what stores have to say."""
SLOW_SECONDS, REST_SECONDS = 1.0, 60.0
"""A look that took longer is not repeated for so long."""
MOST_KEYS = 20
"""Named objects, or prefixes, that are looked for; with more, the task finds out."""
LIST_BYTES = 4 * MIB
"""Of a list, from its beginning."""
CDN_KEYS = 3
"""Objects that are tried through a CDN."""

NO_SOURCE, NOTHING, NO_DESTINATION, NO_CDN = "OMS.0089", "OMS.0306", "OMS.1020", "OMS.0081"
LISTS = frozenset({TaskType.LIST, TaskType.URL_LIST})


class SlowPlaces:
    """Pairs of buckets that lately took long to answer: they are not asked again at every creation."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: dict[tuple[str | None, ...], float] = {}

    def holds(self, plan: RunPlan) -> bool:
        """Whether a task's buckets were slow within the last minute."""
        return self._until.get(_places(plan), 0.0) > self._clock()

    def note(self, plan: RunPlan, seconds: float) -> None:
        """Remember how long a task's buckets took."""
        if seconds > SLOW_SECONDS:
            now = self._clock()
            self._until = {place: until for place, until in self._until.items() if until > now}
            self._until[_places(plan)] = now + REST_SECONDS


def _places(plan: RunPlan) -> tuple[str | None, ...]:
    source, destination = (
        (config.cloud_type, config.endpoint, config.region, config.bucket) for config in (plan.source, plan.destination)
    )
    return (*source, *destination)


async def precheck(wire: Wire, plan: RunPlan, *, scope: bool = True) -> int | None:
    """Look at what a task names; without ``scope`` at buckets and CDN alone.

    Returns:
        How many list files there are, where that was found out.

    Raises:
        Refused: as the table says.
    """
    looks: list[Awaitable[int | None]] = [_destination(wire, plan), _source(wire, plan, scope=scope)]
    if plan.listing is not None and scope:
        looks.append(_list(wire, plan, plan.listing))
    return await _all(looks)


async def _all(looks: Sequence[Awaitable[int | None]]) -> int | None:
    """Run looks side by side until the first refuses, or the time is over; return what one of them counted."""
    counted: int | None = None
    tasks = [asyncio.ensure_future(look) for look in looks]
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                for done in asyncio.as_completed(tasks):
                    counted = await _quietly(done) or counted
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return counted


async def _quietly(look: Awaitable[int | None]) -> int | None:
    """Wait for a look; what it could not find out is left to the task."""
    try:
        return await look
    except Refused:
        raise
    except OmsError:
        return None


async def _destination(wire: Wire, plan: RunPlan) -> None:
    await _bucket(wire, plan.destination, plan.spec.save_prefix)


async def _bucket(wire: Wire, where: StoreConfig, prefix: str) -> None:
    try:
        await wire.call(open_store(where).list_page(prefix, limit=1))
    except BucketNotFound:
        raise Refused(NO_DESTINATION, f"Bucket {where.bucket!r} does not exist.") from None


async def _source(wire: Wire, plan: RunPlan, *, scope: bool) -> None:
    kind, keys = plan.spec.scope.task_type, plan.spec.scope.keys
    store = open_store(plan.source)
    if not store.capabilities.lists:
        return
    try:
        found = await _found(wire, store, kind, keys, scope=scope)
    except BucketNotFound:
        raise Refused(NO_SOURCE, f"Bucket {plan.source.bucket!r} does not exist.") from None
    if found and plan.source.cdn is not None:
        await _cdn(wire, plan, store, found)


async def _found(
    wire: Wire, store: BucketStore, kind: TaskType, keys: Sequence[str], *, scope: bool
) -> list[ListedObject]:
    """Return some of the objects that a task covers.

    Raises:
        Refused: there is none.
    """
    if kind in LISTS:
        keys = ("",)
    found: list[ListedObject] = []
    certain = len(keys) <= MOST_KEYS
    for key in keys[:MOST_KEYS]:
        if kind is TaskType.OBJECT and not key.endswith("/"):
            with suppress(NotFound):
                head = await wire.call(store.head(key))
                found.append(ListedObject(key, head.size or 0, head.last_modified, head.etag, head.storage_class))
        else:
            page = await wire.call(store.list_page(key, limit=CDN_KEYS * MOST_KEYS))
            found += page.objects
            certain = certain and page.next_start is None
        if found:
            return found
    if certain and scope and kind not in LISTS:
        raise Refused(NO_SOURCE if kind is TaskType.OBJECT else NOTHING)
    return []


async def _list(wire: Wire, plan: RunPlan, where: StoreConfig) -> int | None:
    key = plan.spec.scope.list_key
    assert key is not None
    urls = plan.spec.scope.task_type is TaskType.URL_LIST
    keys = (UrlListKeys if urls else ListKeys)(wire, open_store(where), key)
    try:
        await keys.check()
        first = await keys.first()
        if not urls:
            await _first(wire, plan, first)
        await _lines(keys)
    except TaskError as error:
        cause = error.__cause__
        if isinstance(cause, NotFound | BucketNotFound):  # an answer to HEAD has no body that states which
            with suppress(StoreError):
                await _bucket(wire, where, key)
        if not isinstance(cause, StoreError) or isinstance(cause, NotFound | Archived | ConditionFailed):
            raise Refused(error.code, str(error), http_status=400) from None
    return len(keys.files) or None


async def _lines(keys: ListKeys | UrlListKeys) -> None:
    """Hold the first lines of a list against the rules; the task looks at all of them."""
    left = LIST_BYTES
    for file in keys.files:
        parser = keys.parsers(f"list file {file.key!r}")
        async for chunk in keys.chunks(file):
            parser.feed(chunk)
            left -= len(chunk)
            if left <= 0:
                return
        parser.finish()


async def _first(wire: Wire, plan: RunPlan, key: str) -> None:
    with suppress(StoreError):
        try:
            await wire.call(open_store(plan.source).head(key))
        except NotFound:
            raise Refused(NO_SOURCE, f"The first object of the list is {key!r}.") from None


async def _cdn(wire: Wire, plan: RunPlan, store: BucketStore, found: Sequence[ListedObject]) -> None:
    """Read the beginning of some objects through the CDN.

    Raises:
        Refused: none can be read there.
    """
    assert plan.source.cdn is not None
    fronted = CdnStore(store, plan.source.cdn, plan.source.credentials)
    said = ""
    for entry in [entry for entry in found if not entry.key.endswith("/")][:CDN_KEYS]:
        head = await wire.call(store.head(entry.key))
        try:
            async with wire.stream(fronted.read_stated(head)):
                return
        except ConditionFailed:  # it serves another version: the task says so of each object
            return
        except StoreError as error:
            said = str(error)
    if said:
        raise Refused(NO_CDN, f"No object can be read through it: {said}")
