"""Uploads that nobody goes on with: each of ours is aborted, none of anybody else's."""

import asyncio
import os
from dataclasses import replace

import pytest
import uvloop

from oms_adapters.sandbox import Answer, Delay, Fault, LoseReply, Match
from oms_engine.model import Attributes, WriteOptions
from oms_engine.store import MIB
from oms_engine.task import TaskState
from oms_engine.wire import Wire
from support.migrations import QUICK, quick, requests_of

DENIED = Fault(Match(operation="AbortMultipartUpload"), Answer(403, "AccessDenied"), times=None)


@pytest.fixture
def big(world):
    """40 MiB in three parts."""
    world.source.put("big", os.urandom(40 * MIB))
    return world


def open_upload(world, key, *, part=False):
    """Open somebody else's upload at the destination; return its id."""
    store = world.open_destination()

    async def begin():
        async with Wire() as wire:
            upload = await wire.call(store.start_upload(key, options=WriteOptions(attributes=Attributes())))
            if part:
                await wire.call(store.write_part(key, upload, 1, size=3, body=b"abc"))
            return upload

    upload = uvloop.run(begin())
    world.others.add(upload)
    return upload


def still_open(world):
    """Return the ids of uploads that are open at the destination."""
    return {upload.upload_id for upload in world.destination.uploads()}


def paused(world):
    """Pause a run in the middle of its large object: an upload with some of its parts is left for the next one."""
    world.obs.faults.add(Fault(Match(operation="UploadPart"), Delay(0.25), times=None))

    async def pause(migration):
        while not any(upload.parts for upload in world.destination.uploads()):
            await asyncio.sleep(0.01)
        migration.pause()

    ran = world.run(meanwhile=pause, settings=quick(wire=replace(QUICK.wire, bulk_threads=1)))
    assert ran.result.state is TaskState.PAUSED
    assert still_open(world)
    world.obs.faults.clear()


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("processes", [1, 2])
def test_an_upload_whose_opening_nobody_heard_of_is_aborted(big, times, processes):
    """The reply is lost, the request repeated: the run's end finds the first upload and aborts it."""
    number = big.obs.faults.add(Fault(Match(operation="CreateMultipartUpload"), LoseReply(), times=times))
    ran = big.run(settings=quick(processes=processes))
    big.check_clean(ran)
    assert big.obs.faults.hits(number) == times
    assert requests_of(big.obs, big.destination.name)["AbortMultipartUpload"] == times
    assert ran.result.open_uploads == 0


def test_an_object_of_unknown_fate_that_fails_leaves_no_upload(big):
    """Every reply is lost until the object fails: all the uploads that were opened are aborted."""
    big.obs.faults.add(Fault(Match(operation="CreateMultipartUpload"), LoseReply(), times=None))
    ran = big.run()
    assert ran.codes() == {"big": "INIT_DST_OBJ_MULTIPART_FAILURE"}
    assert requests_of(big.obs, big.destination.name)["AbortMultipartUpload"] >= 2


@pytest.mark.parametrize("part", [False, True], ids=["empty", "with a part"])
@pytest.mark.parametrize("key", ["big", "big2", "bi", "other/big"])
def test_uploads_of_others_stay(big, key, part):
    """Somebody else's upload is never aborted, be it of the very key whose opening nobody heard of."""
    theirs = open_upload(big, key, part=part)
    big.obs.faults.add(Fault(Match(operation="CreateMultipartUpload"), LoseReply()))
    big.check_clean(big.run())
    assert still_open(big) == {theirs}


def test_an_upload_that_another_opens_meanwhile_stays(big):
    """One with parts was opened by somebody who knows its id: it is none of ours, though its time would fit."""
    lost = big.obs.faults.add(Fault(Match(operation="CreateMultipartUpload"), LoseReply()))
    theirs = set()

    async def meanwhile(_migration):
        store = big.open_destination()
        while not big.obs.faults.hits(lost):
            await asyncio.sleep(0.001)
        async with Wire() as wire:
            upload = await wire.call(store.start_upload("big", options=WriteOptions(attributes=Attributes())))
            await wire.call(store.write_part("big", upload, 1, size=1, body=b"x"))
            theirs.add(upload)
            big.others.add(upload)

    big.check_clean(big.run(meanwhile=meanwhile))
    assert still_open(big) == theirs


def test_a_run_without_mishap_asks_for_nothing_more(big):
    """Where every request was answered no upload is looked for: two listings are all it costs, however many objects."""
    big.source.put_many((f"more{number}", os.urandom(17 * MIB)) for number in range(4))
    big.check_clean(big.run())
    asked = requests_of(big.obs, big.destination.name)
    assert (asked["ListMultipartUploads"], asked["ListParts"], asked["AbortMultipartUpload"]) == (1, 0, 0)


def test_a_refused_abort_is_remembered_and_tried_again(big):
    """A key that may not abort leaves uploads: the result counts them, and each later run tries again."""
    big.obs.faults.add(DENIED)
    big.obs.faults.add(Fault(Match(operation="UploadPart"), Answer(403, "AccessDenied"), times=None))
    ran = big.run()
    assert ran.codes() == {"big": "UPLOAD_DST_OBJ_PART_FAILURE"}
    assert ran.result.open_uploads == ran.uploads == 1
    big.obs.faults.clear()
    big.obs.faults.add(DENIED)
    again = big.run()
    big.check_copy(again)
    assert (again.result.state, again.result.open_uploads) == (TaskState.SUCCEEDED, 1)
    big.obs.faults.clear()
    last = big.run()
    assert last.result.open_uploads == 0
    assert still_open(big) == set()


def test_an_upload_that_cannot_be_aborted_fails_no_object(big):
    """When the source has changed and the old upload cannot be aborted, the new version arrives all the same."""
    paused(big)
    big.obs.faults.add(DENIED)
    big.source.put("big", os.urandom(40 * MIB))
    ran = big.run()
    big.check_clean(ran)
    assert ran.result.open_uploads == 1


def test_a_store_that_lists_no_uploads(big):
    """A key that may not list uploads still migrates; what may be open is counted, and found once it may."""
    listing = Fault(Match(operation="ListMultipartUploads"), Answer(403, "AccessDenied"), times=None)
    big.obs.faults.add(listing)
    big.obs.faults.add(Fault(Match(operation="CreateMultipartUpload"), LoseReply()))
    ran = big.run()
    big.check_clean(ran)
    assert ran.result.open_uploads == 1
    big.obs.faults.clear()
    assert big.run().result.open_uploads == 0


def test_more_open_uploads_than_a_page_holds(big):
    """The upload nobody heard of is found behind a thousand of others, page by page."""
    store = big.open_destination()

    async def fill():
        async with Wire() as wire:
            for _ in range(1001):
                begun = await wire.call(store.start_upload("big", options=WriteOptions(attributes=Attributes())))
                big.others.add(begun)

    uvloop.run(fill())
    big.obs.faults.add(Fault(Match(operation="CreateMultipartUpload"), LoseReply()))
    big.check_clean(big.run())
    assert still_open(big) == big.others


def test_a_destination_that_takes_no_note(big):
    """Where nothing may be written beside the objects the migration does without its note, and says nothing of it."""
    big.obs.faults.add(Fault(Match(operation="PutObject", key="oms/*"), Answer(403, "AccessDenied"), times=None))
    ran = big.run(books=False)
    assert ran.result.complete
    assert big.destination.get("big") == big.source.get("big")
    assert still_open(big) == set()
    denied = [entry for entry in big.obs.log if entry.key.startswith("oms/task/open_uploads/")]
    assert len([entry for entry in denied if entry.operation == "PutObject"]) == 1


def test_a_task_that_runs_elsewhere_keeps_its_uploads(big, tmp_path):
    """A second run of the task with a state of its own leaves the first one's uploads alone while that one lives."""
    paused(big)
    kept = still_open(big)
    first, big.state = big.state, tmp_path / "second.sqlite"
    assert big.run(books=False).result.complete
    assert still_open(big) == kept
    big.state = first
    assert big.run(books=False).result.complete
    assert still_open(big) == set()


def test_an_abort_of_what_is_gone_is_no_error(big):
    """An upload that somebody else ended meanwhile is forgotten."""
    paused(big)
    [upload] = still_open(big)

    async def abort():
        async with Wire() as wire:
            await wire.call(big.open_destination().abort_upload("big", upload))

    uvloop.run(abort())
    big.check_clean(big.run())


def test_a_refused_opening_is_not_looked_for(big):
    """What was refused opened nothing: no upload is looked for at the run's end."""
    big.obs.faults.add(Fault(Match(operation="CreateMultipartUpload"), Answer(403, "AccessDenied"), times=None))
    ran = big.run()
    assert ran.codes() == {"big": "INIT_DST_OBJ_MULTIPART_FAILURE"}
    assert requests_of(big.obs, big.destination.name)["ListMultipartUploads"] == 1
