"""Stores that list in orders of their own, on either side: every key has one end, whatever interrupts the run."""

import asyncio
import os

import pytest

from oms_engine.compare import CheckSummary, Mark, Side, compare
from oms_engine.model import OverwriteMode
from oms_engine.task import TaskState
from oms_engine.wire import Wire
from support.migrations import QUICK, opener, quick, requests_of

FOLDERS = ["pkg/", "pkg-1/", "pkg.conda/", "pkg", "z/a-", "z/a/", "（a）", "😀", "a/b/c/"]
KEYS = [f"{folder}{number:02}" for folder in FOLDERS for number in range(30)]
ORDERS = ["utf16", "path", "shuffled"]
STARTS = ["order", "bytes", "ignored"]
NOTE = "the {} does not list its keys in the order of their bytes: its listing was read whole and sorted"


def fill(bucket, keys=KEYS):
    """Store small objects of different lengths."""
    bucket.put_many((key, os.urandom(20 + number % 50)) for number, key in enumerate(keys))


def disorder(cloud, order, starts="order", page=25):
    """Have a cloud list in another order, in short pages."""
    cloud.list_order, cloud.list_starts, cloud.list_page = order, starts, page


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("starts", STARTS)
@pytest.mark.parametrize("order", ORDERS)
def test_a_source_in_any_order_is_migrated(world, order, starts, processes):
    """Every object arrives once and stands once in the lists, and the run says what it did."""
    fill(world.source)
    disorder(world.s3, order, starts)
    ran = world.run(settings=quick(processes=processes))
    world.check_clean(ran)
    assert ran.counts == (len(KEYS), len(KEYS), 0, 0)
    assert ran.result.note == NOTE.format("source")


@pytest.mark.parametrize("starts", STARTS)
@pytest.mark.parametrize("order", ["utf8", *ORDERS])
def test_a_run_that_was_paused_goes_on(world, order, starts):
    """A paused run is resumed again and again: nothing is lost, and each key stands once in the lists."""
    fill(world.source)
    disorder(world.s3, order, starts)
    runs = 0
    while True:
        runs += 1

        async def pause(migration, after=40 * runs):
            while migration.progress.counters.migrated < after:
                await asyncio.sleep(0.001)
            migration.pause()

        settings = quick(connections=8) if runs < 4 else QUICK
        ran = world.run(settings=settings, meanwhile=pause if runs < 4 else None)
        if ran.result.complete:
            break
        assert ran.result.state is TaskState.PAUSED
    world.check_clean(ran)
    assert sum(ran.counts[1:3]) == len(KEYS)


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("order", ORDERS)
def test_a_destination_in_any_order_is_compared(world, order, processes):
    """What lies at the destination is found there: the second run moves nothing, the third with the state lost neither."""
    fill(world.source)
    world.run()
    disorder(world.obs, order)
    disorder(world.s3, "utf8")
    for _ in range(2):
        ran = world.run(settings=quick(processes=processes))
        world.check_clean(ran)
        assert ran.result.note == NOTE.format("destination")
        assert ran.counts == (len(KEYS), 0, len(KEYS), 0)
        world.state.unlink()


@pytest.mark.parametrize("order", ORDERS)
def test_nothing_is_overwritten_that_may_not_be(world, order):
    """With NO_OVERWRITE, objects that a disordered listing has not shown yet are looked for one by one."""
    fill(world.source)
    fill(world.destination)
    before = {item.key: world.destination.get(item.key) for item in world.destination.objects()}
    disorder(world.obs, order)
    ran = world.run(overwrite=OverwriteMode.NO_OVERWRITE)
    assert ran.counts == (len(KEYS), 0, len(KEYS), 0)
    assert {key: world.destination.get(key) for key in before} == before


@pytest.mark.parametrize("order", ORDERS)
def test_both_sides_in_orders_of_their_own(world, order):
    """Source and destination list in different orders."""
    fill(world.source)
    fill(world.destination, KEYS[::3])
    disorder(world.s3, order, "ignored")
    disorder(world.obs, "path" if order != "path" else "shuffled", "ignored")
    world.check_clean(world.run(overwrite=OverwriteMode.FULL_OVERWRITE))
    world.check_clean(world.run())


def test_disorder_that_shows_late_is_not_too_late(world):
    """Thousands of keys in order, then one that is not: what was counted so far is counted anew, once."""
    early = [f"a/{number:05}" for number in range(2400)]
    fill(world.source, [*early, *KEYS])
    disorder(world.s3, "path", "bytes", page=200)
    ran = world.run(settings=quick(processes=2))
    world.check_clean(ran)
    assert ran.counts == (len(early) + len(KEYS), len(early) + len(KEYS), 0, 0)


@pytest.mark.parametrize("order", ["utf8", "path"])
def test_a_listing_is_cut_only_where_its_order_is_proved(world, order):
    """A source that nobody vouches for is cut for further slots, and listed from its beginning beside: nothing is lost."""
    keys = [f"{folder}/{number:04}" for folder in ("k", "k-1", "k.2", "l") for number in range(700)]
    fill(world.source, keys)
    disorder(world.s3, order, "bytes", page=100)
    world.s3.latency = 0.005
    ran = world.run(settings=quick(processes=2))
    world.check_clean(ran)
    assert ran.counts == (len(keys), len(keys), 0, 0)
    assert requests_of(world.s3, world.source.name)["ListObjectsV2"] > len(keys) / 100


@pytest.mark.parametrize("holes", [False, True])
@pytest.mark.parametrize("starts", STARTS)
def test_tokens_lead_through_a_listing(world, starts, holes):
    """A gateway that ignores start-after, or gives pages without objects, is followed by its tokens."""
    fill(world.source)
    disorder(world.s3, "utf8", starts, page=7)
    world.s3.list_holes = holes
    ran = world.run()
    world.check_clean(ran)
    assert ran.counts == (len(KEYS), len(KEYS), 0, 0)
    assert ran.result.note == ""


@pytest.mark.parametrize("order", ["utf8", *ORDERS])
def test_a_check_compares_in_any_order(world, order):
    """Two folders are compared key by key, whatever the order of either side."""
    fill(world.source)
    fill(world.destination, KEYS[1:])
    disorder(world.s3, order, "ignored")
    disorder(world.obs, "utf16" if order != "utf16" else "path", "ignored")

    async def run():
        summary = CheckSummary()
        source, destination = (
            Side(opener(cloud, bucket.name)())
            for cloud, bucket in ((world.s3, world.source), (world.obs, world.destination))
        )
        async with Wire(QUICK.wire) as wire:
            return [found async for found in compare(wire, source, destination, summary)]

    found = asyncio.run(run())
    assert sorted(entry.key for entry in found) == sorted(KEYS)
    assert [entry.key for entry in found if entry.mark is Mark.ONLY_SOURCE] == KEYS[:1]
    assert not [entry for entry in found if entry.mark is Mark.ONLY_DESTINATION]
