"""Large objects in parts while things go wrong: pauses, ended uploads, replaced sources, lost replies, damaged parts."""

import asyncio
import os
import re
import time
from dataclasses import replace

import pytest

from oms_adapters.sandbox import (
    Answer,
    Cut,
    Delay,
    ErrorIn200,
    Fault,
    FlipBit,
    FlipStoredBit,
    IgnoreConditions,
    LoseReply,
    Match,
    Unversioned,
)
from oms_engine.errors import TaskError
from oms_engine.model import ConsistencyCheck, OverwriteMode
from oms_engine.store import MIB
from oms_engine.task import TaskState
from oms_engine.wire import Wire
from oms_worker.sqlite_ledger import SqliteLedger
from support.migrations import QUICK, opener, quick, requests_of

SLOW_PARTS = Fault(Match(operation="UploadPart"), Delay(0.25), times=None)
SLOWER_PARTS = Fault(Match(operation="UploadPart"), Delay(1.5), times=None)
"""Slow enough for a source object to be replaced meanwhile, on a busy machine too."""
TWO_AT_ONCE = quick(wire=replace(QUICK.wire, bulk_threads=2))
TRANSIENT = [
    Answer(503, "SlowDown", retry_after=0.05),
    Answer(500, "InternalError"),
    Answer(500, "InternalError", early=True),
    Cut(),
    Cut(head=10),
    LoseReply(),
]


async def until(condition):
    """Wait until a condition holds."""
    while not condition():
        await asyncio.sleep(0.02)


def parts_stored(world):
    """Return how many parts lie in uploads in flight."""
    return sum(len(upload.parts) for upload in world.destination.uploads())


def parts_sent(world):
    """Return the numbers of parts that reached the destination, sorted."""
    entries = [entry for entry in world.obs.log if entry.operation == "UploadPart" and entry.status == 200]
    return sorted(int(re.search(r"partNumber=([0-9]+)", entry.query)[1]) for entry in entries)


@pytest.fixture
def big(world):
    """70 MiB in five parts."""
    body = os.urandom(70 * MIB)
    world.source.put("big", body)
    return body


def test_a_pause_keeps_the_parts_that_were_proved(world, big):
    """A paused large object goes on with the parts it has: none that was proved is sent again."""
    world.obs.faults.add(SLOW_PARTS)

    async def pause(migration):
        await until(lambda: parts_stored(world) >= 1)
        migration.pause()

    paused = world.run(meanwhile=pause, settings=TWO_AT_ONCE)
    assert paused.result.state is TaskState.PAUSED
    assert paused.result.counters.waiting == 1
    ledger = SqliteLedger(world.state)
    proved = {part.number for part in ledger.parts("big")}
    ledger.close()
    assert proved
    world.obs.faults.clear(), world.obs.clear_log()
    world.check_clean(world.run())
    assert parts_sent(world) == sorted(set(range(1, 6)) - proved)


def test_a_source_replaced_while_paused(world, big):
    """The parts of another version are never joined: the old upload is aborted and the object copied as it is now."""
    world.obs.faults.add(SLOW_PARTS)

    async def pause(migration):
        await until(lambda: parts_stored(world) >= 1)
        migration.pause()

    assert world.run(meanwhile=pause, settings=TWO_AT_ONCE).result.state is TaskState.PAUSED
    world.obs.faults.clear(), world.obs.clear_log()
    world.source.put("big", os.urandom(70 * MIB))
    world.check_clean(world.run())
    assert parts_sent(world) == list(range(1, 6))
    assert requests_of(world.obs, world.destination.name)["AbortMultipartUpload"] == 1


def test_an_upload_ended_by_somebody_else_is_begun_anew(world, big):
    """When the upload vanishes under us the object is uploaded again from its first part."""
    world.obs.faults.add(SLOW_PARTS)

    async def abort(_migration):
        await until(lambda: parts_stored(world) >= 1)
        async with Wire() as wire:
            for upload in world.destination.uploads():
                await wire.call(world.open_destination().abort_upload(upload.key, upload.upload_id))
        world.obs.faults.clear()

    ran = world.run(meanwhile=abort, settings=TWO_AT_ONCE)
    world.check_clean(ran)
    assert requests_of(world.obs, world.destination.name)["CreateMultipartUpload"] == 2


def test_a_source_replaced_in_the_middle_is_copied_in_its_new_state(world, big):
    """A source object replaced while its parts move is copied once more, as it is then; the first upload is aborted."""
    world.obs.faults.add(SLOWER_PARTS)
    other = os.urandom(40 * MIB)

    async def exchange(_migration):
        await until(lambda: parts_stored(world) >= 1)
        world.source.put("big", other)
        world.obs.faults.clear()

    ran = world.run(meanwhile=exchange, settings=TWO_AT_ONCE)
    assert ran.counts == (1, 1, 0, 0)
    world.check_clean(ran)


@pytest.mark.parametrize("grow", [0, 99_999])
def test_a_source_that_ignores_if_match_gives_no_mixture(world, big, grow):
    """Where the source answers whatever version it has, each part's own ETag and total tell that it was replaced."""
    world.s3.faults.add(Fault(Match(operation="GetObject"), IgnoreConditions(), times=None))
    world.obs.faults.add(SLOWER_PARTS)
    other = os.urandom(len(big) + grow)

    async def exchange(_migration):
        await until(lambda: parts_stored(world) >= 1)
        world.source.put("big", other)
        world.obs.faults.clear()

    ran = world.run(meanwhile=exchange, settings=TWO_AT_ONCE)
    assert ran.counts == (1, 1, 0, 0)
    world.check_clean(ran)
    assert requests_of(world.obs, world.destination.name)["CreateMultipartUpload"] == 2


def test_parts_that_state_no_version_give_no_mixture(world, big):
    """Where replies to ranged reads state neither ETag nor time, a HEAD before the parts are joined tells of a new one."""
    world.s3.faults.add(Fault(Match(operation="GetObject"), Unversioned(), times=None))
    world.obs.faults.add(SLOWER_PARTS)
    other = os.urandom(len(big))

    async def exchange(_migration):
        await until(lambda: parts_stored(world) >= 1)
        world.source.put("big", other)
        world.obs.faults.clear()

    ran = world.run(meanwhile=exchange, settings=TWO_AT_ONCE)
    assert ran.counts == (1, 1, 0, 0)
    world.check_clean(ran)
    assert requests_of(world.obs, world.destination.name)["CreateMultipartUpload"] == 2


@pytest.mark.parametrize("size", [1000, 3 * MIB])
def test_a_source_replaced_after_the_listing_is_copied_as_it_is(world, size):
    """An object replaced by one of its size between listing and read is noticed, though If-Match is ignored."""
    world.source.put("k", os.urandom(size))
    world.s3.faults.add(Fault(Match(operation="GetObject"), IgnoreConditions(), times=None))
    world.s3.faults.add(Fault(Match(operation="ListObjectsV2"), Delay(0.3, within_body=True), times=1))

    async def exchange(_migration):
        await until(lambda: any(entry.operation == "ListObjectsV2" for entry in world.s3.log))
        world.source.put("k", os.urandom(size))

    ran = world.run(meanwhile=exchange)
    world.check_clean(ran)


def test_an_object_of_that_size_is_not_taken_for_the_join(world):
    """A completion whose upload is unknown proves nothing by an object of the same size that lies there."""
    world.source.put("big", os.urandom(40 * MIB))
    world.destination.put("big", os.urandom(40 * MIB))
    world.obs.faults.add(Fault(Match(operation="CompleteMultipartUpload"), Answer(404, "NoSuchUpload")))
    world.check_clean(world.run(overwrite=OverwriteMode.FULL_OVERWRITE))
    assert requests_of(world.obs, world.destination.name)["CreateMultipartUpload"] == 2


def test_a_source_replaced_by_a_small_one(world, big):
    """A large source replaced by a small object ends as the small one."""
    world.obs.faults.add(SLOW_PARTS)

    async def exchange(_migration):
        await until(lambda: parts_stored(world) >= 1)
        world.source.put("big", b"small now")

    world.check_clean(world.run(meanwhile=exchange, settings=TWO_AT_ONCE))


def test_a_source_deleted_in_the_middle_fails(world, big):
    """A source object deleted while its parts move fails, and its upload is aborted."""
    world.obs.faults.add(SLOW_PARTS)

    async def delete(_migration):
        await until(lambda: parts_stored(world) >= 1)
        world.source.delete("big")

    ran = world.run(meanwhile=delete, settings=TWO_AT_ONCE)
    assert ran.codes() == {"big": "GET_SRC_OBJ_FAILURE"}


def test_a_source_that_keeps_changing_fails(world, big):
    """A source object replaced again and again fails as changed; no upload is left."""
    world.obs.faults.add(SLOW_PARTS)

    async def keep_replacing(_migration):
        known = set()
        while True:
            fresh = {upload.upload_id for upload in world.destination.uploads() if upload.parts} - known
            if fresh:
                known |= fresh
                world.source.put("big", os.urandom(70 * MIB))
            await asyncio.sleep(0.02)

    ran = world.run(meanwhile=keep_replacing, settings=TWO_AT_ONCE)
    assert ran.codes() == {"big": "SRC_OBJ_CHANGED_FAILURE"}
    assert world.arrived() == {}


@pytest.mark.parametrize("skew", [0, -3600, 3600])
def test_a_lost_reply_to_the_completion(world, skew):
    """When the reply to the completion is lost the object is found complete, whatever the destination's clock says."""
    world.obs.clock_skew = skew if abs(skew) < 900 else skew / 5  # stores refuse more than 15 minutes
    world.source.put("big", os.urandom(40 * MIB), mtime=time.time() - 9000)
    world.obs.faults.add(Fault(Match(operation="CompleteMultipartUpload"), LoseReply()))
    ran = world.run()
    world.check_clean(ran)
    assert requests_of(world.obs, world.destination.name)["CreateMultipartUpload"] == 1


def test_an_error_within_a_200_is_tried_again(world, big):
    """An error document in the 200 reply to a completion is no success."""
    world.obs.faults.add(Fault(Match(operation="CompleteMultipartUpload"), ErrorIn200(), times=2))
    world.check_clean(world.run())


def test_a_damaged_part_is_sent_again(world, big):
    """A part that is stored damaged is noticed by its ETag and sent again."""
    world.obs.faults.add(Fault(Match(operation="UploadPart", part=3), FlipStoredBit(1000), times=2))
    world.check_clean(world.run())
    assert parts_sent(world) == [1, 2, 3, 3, 3, 4, 5]


def test_a_part_that_is_damaged_every_time_fails_the_object(world, big):
    """A part that never arrives whole fails the object; neither object nor upload is left."""
    world.obs.faults.add(Fault(Match(operation="UploadPart", part=3), FlipStoredBit(1000), times=None))
    ran = world.run()
    assert ran.codes() == {"big": "CHECK_DST_OBJ_CONSISTENCY_FAILURE"}
    assert world.arrived() == {}


@pytest.mark.parametrize(
    ("operation", "action"),
    [
        *(("UploadPart", action) for action in TRANSIENT),
        *(("CompleteMultipartUpload", action) for action in TRANSIENT[:5]),
        *(("CreateMultipartUpload", action) for action in TRANSIENT[3:]),
        ("GetObject", Cut(body=MIB)),
    ],
    ids=repr,
)
def test_transient_faults_in_every_phase(world, operation, action):
    """A fault that passes, in any phase of an upload, costs retries and nothing else."""
    world.source.put("big", os.urandom(18 * MIB))
    cloud = world.s3 if operation == "GetObject" else world.obs
    number = cloud.faults.add(Fault(Match(operation=operation), action, times=3))
    ran = world.run()
    assert cloud.faults.hits(number) == 3
    world.check_copy(ran)
    assert ran.counts == (1, 1, 0, 0)
    assert ran.result.counters.migrated_bytes == 18 * MIB


@pytest.mark.parametrize(
    ("operation", "code"),
    [
        ("CreateMultipartUpload", "INIT_DST_OBJ_MULTIPART_FAILURE"),
        ("UploadPart", "UPLOAD_DST_OBJ_PART_FAILURE"),
        ("CompleteMultipartUpload", "COMPLETE_DST_OBJ_MULTIPART_FAILURE"),
    ],
)
@pytest.mark.parametrize("status", [403, 500])
def test_a_phase_that_never_works_fails_that_object_alone(world, operation, code, status):
    """A fault of one key that does not pass fails that object with the phase's code, and leaves no upload."""
    world.source.put("bad", os.urandom(17 * MIB))
    world.source.put("good", os.urandom(17 * MIB))
    name = "AccessDenied" if status == 403 else "InternalError"
    world.obs.faults.add(Fault(Match(operation=operation, key="bad"), Answer(status, name), times=None))
    ran = world.run()
    assert ran.codes() == {"bad": code}
    assert set(world.arrived()) == {"good"}
    world.check_copy(ran)


def test_a_part_damaged_on_the_way_is_noticed_by_the_whole(world, clouds):
    """Where the source states a CRC64 of the whole object, a bit that flipped in one part's GET is noticed."""
    world.source = clouds.obs.create_bucket("crc-large")
    world.source.put("big", os.urandom(40 * MIB), crc64=True)
    fault = Fault(Match(operation="GetObject", bucket="crc-large"), FlipBit(12345), after=1)
    number = world.obs.faults.add(fault)
    ran = world.run(source=opener(clouds.obs, "crc-large"), check=ConsistencyCheck.CRC64)
    assert world.obs.faults.hits(number) == 1
    assert ran.methods() == {"big": "crc64"}
    world.check_clean(ran)
    deleted = [entry.key for entry in world.obs.log if entry.operation == "DeleteObject"]
    assert [key for key in deleted if not key.startswith("oms/task/")] == ["big"]


@pytest.mark.parametrize("processes", [1, 2])
def test_a_bit_that_flips_in_a_part_is_noticed_by_the_md5_of_the_whole(world, big, processes):
    """Where the source states an MD5 of the whole, a part that was read damaged is noticed, and the copy is proved by it."""
    number = world.s3.faults.add(Fault(Match(operation="GetObject", bucket=world.source.name), FlipBit(12345), after=1))
    ran = world.run(settings=quick(processes=processes))
    assert world.s3.faults.hits(number) == 1
    assert ran.methods() == {"big": "md5"}
    world.check_clean(ran)
    assert requests_of(world.obs, world.destination.name)["CreateMultipartUpload"] == 2


def test_what_only_looks_like_the_md5_of_a_large_object_is_no_proof(world):
    """Where two reads agree and the ETag does not, it is no MD5: copied by size only, later ones at once."""
    for name in ("big1", "big2", "big3"):
        world.source.put(name, os.urandom(20 * MIB), etag="opaque")
    ran = world.run(settings=TWO_AT_ONCE)
    world.check_clean(ran)
    assert set(ran.methods().values()) == {"size only"}


def test_several_large_objects_at_once(world):
    """Large objects move side by side; each arrives whole."""
    world.source.put_many((f"big{number}", os.urandom(18 * MIB)) for number in range(5))
    world.check_clean(world.run())


def test_form_data_is_written_at_once(world):
    """OBS opens no upload for multipart/form-data: such an object is written by one request, however large."""
    world.source.put("form", os.urandom(40 * MIB), headers={"content-type": "multipart/form-data; boundary=x"})
    world.check_clean(world.run(), attributes=False)
    asked = requests_of(world.obs, world.destination.name)
    assert asked["PutObject"] == 1
    assert not asked["CreateMultipartUpload"]


def test_the_outage_of_a_store_keeps_large_objects_parked(world, big):
    """A destination that goes away in the middle stops the task; its parts stay, and the same command goes on."""
    world.obs.faults.add(SLOW_PARTS)

    async def go_away(_migration):
        await until(lambda: parts_stored(world) >= 2)
        world.obs.faults.clear()
        world.obs.faults.add(Fault(Match(), Cut(), times=None))

    ran = world.run(meanwhile=go_away, settings=TWO_AT_ONCE)
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, "TRF.0061")
    assert ran.counts == (1, 0, 0, 0)
    assert ran.result.counters.waiting == 1
    stored = parts_stored(world)
    assert stored >= 1
    world.obs.faults.clear(), world.obs.clear_log()
    world.check_clean(world.run())
    assert len(parts_sent(world)) <= 5 - stored + 1


def test_task_errors_say_what_to_do():
    """A task's error is one sentence."""
    assert str(TaskError("TRF.0061", "x")) == "x"
