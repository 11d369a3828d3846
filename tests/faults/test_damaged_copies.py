"""A copy that arrived damaged is never taken for a good one: not by a later run, not where it cannot be deleted."""

import asyncio
import os
import sqlite3
import time
from contextlib import closing, suppress
from dataclasses import replace

import pytest

from oms_adapters.sandbox import Answer, Delay, Fault, FlipStoredBit, Match, ServePage, StoreOther, WrongLength
from oms_engine.model import ConsistencyCheck, OverwriteMode
from oms_engine.store import MIB
from support.migrations import opener, requests_of

DAMAGE = Fault(Match(operation="PutObject", key="k5"), FlipStoredBit(3), times=None)
DELETE = Match(operation="DeleteObject", key="k5")


@pytest.fixture
def filled(world):
    """A few small objects."""
    world.source.put_many((f"k{number}", os.urandom(900 + number)) for number in range(9))
    return world


def doubts(world):
    """Return the keys in doubt, as the state file has them at this moment."""
    with closing(sqlite3.connect(world.state)) as file:
        return [key.decode() for (key,) in file.execute("SELECT key FROM doubt")]


@pytest.mark.parametrize("rule", [OverwriteMode.SIZE_LAST_MODIFIED, OverwriteMode.NO_OVERWRITE])
def test_a_damaged_copy_that_cannot_be_deleted_is_copied_again(filled, rule):
    """Where DELETE is denied the failure says that the damaged copy is still there, and the next run replaces it."""
    filled.obs.faults.add(DAMAGE)
    filled.obs.faults.add(Fault(DELETE, Answer(403, "AccessDenied"), times=None))
    ran = filled.run(overwrite=rule)
    assert ran.codes() == {"k5": "CHECK_DST_OBJ_CONSISTENCY_FAILURE"}
    assert "a damaged copy is still there" in ran.failures[0].message
    assert filled.destination.get("k5") != filled.source.get("k5")
    filled.obs.faults.clear()
    again = filled.run(overwrite=rule)
    assert again.counts == (9, 1, 8, 0)
    filled.check_clean(again)
    assert filled.run(overwrite=rule).counts == (9, 0, 9, 0)


def test_a_doubt_is_written_down_before_a_copy_is_taken_back(filled):
    """While the DELETE of a damaged copy is under way the state file names its key; afterwards it does not."""
    filled.obs.faults.add(replace(DAMAGE, times=1))
    filled.obs.faults.add(Fault(DELETE, Delay(1.0)))
    seen = []

    async def watch(_migration):
        while not seen:
            await asyncio.sleep(0.02)
            if not any(entry.operation == "DeleteObject" for entry in filled.obs.log) and filled.state.exists():
                with suppress(sqlite3.OperationalError):  # not made yet
                    seen.extend(doubts(filled))

    filled.check_clean(filled.run(meanwhile=watch))
    assert seen == ["k5"]
    assert doubts(filled) == []


@pytest.mark.parametrize("skew", [0, 300])
def test_other_bytes_of_the_same_size_and_second_are_copied(filled, skew):
    """A source replaced in the second of its copy, or under a destination clock ahead, is copied: the MD5s differ."""
    filled.obs.clock_skew = skew
    filled.check_clean(filled.run())
    filled.source.put("k5", os.urandom(905), mtime=float(int(time.time())) if skew else 1000.0)
    filled.obs.clear_log()
    ran = filled.run()
    assert ran.counts == (9, 1, 8, 0)
    filled.check_clean(ran)
    assert requests_of(filled.obs, filled.destination.name)["PutObject"] == 1


@pytest.mark.parametrize("size", [905, 2 * MIB])
def test_a_damaged_copy_of_an_upload_of_one_part_is_copied_again(filled, size):
    """A copy of the same size whose MD5 is not that behind the source's ETag is replaced, though the state is lost."""
    filled.source.put("k5", os.urandom(size), etag=f"multipart:{8 * MIB}", mtime=1000.0)
    filled.destination.put("k5", os.urandom(size))
    ran = filled.run()
    assert ran.counts == (9, 9, 0, 0)
    filled.check_clean(ran)
    filled.state.unlink()
    filled.obs.clear_log()
    assert filled.run().counts == (9, 0, 9, 0)
    assert requests_of(filled.obs, filled.destination.name)["HeadObject"] <= 1  # whether the store folds case


def test_odd_etags_of_one_part_are_no_evidence(filled):
    """Where a source makes the ETag of an upload of one part otherwise, one object is read to find out, none is copied."""
    bodies = {f"k{number}": os.urandom(900 + number) for number in range(9)}
    for key, body in bodies.items():
        filled.source.put(key, body, etag="opaque-1", mtime=1000.0)
        filled.destination.put(key, body)
    filled.s3.clear_log()
    assert filled.run().counts == (9, 0, 9, 0)
    assert requests_of(filled.s3, filled.source.name)["GetObject"] == 1


def test_an_encrypted_destination_is_not_copied_for_ever(filled, clouds):
    """Under KMS listed ETags are no MD5s: a HEAD says so, and what is not older is skipped."""
    filled.destination = clouds.obs.create_bucket("by-default", default_encryption="kms")
    place = opener(clouds.obs, "by-default")
    assert filled.run(destination=place).counts == (9, 9, 0, 0)
    assert filled.run(destination=place).counts == (9, 0, 9, 0)


@pytest.mark.parametrize("size", [905, 2 * MIB, 17 * MIB])
def test_what_does_not_stand_as_written_is_copied_again(filled, size):
    """Other bytes of the same size found under a key just written are no copy: not at once, nor in a later run.

    The source states opaque ETags, so that size and time alone would call the two equal.
    """
    filled.source.put("k5", os.urandom(size))
    opaque = opener(filled.s3, filled.source.name, extra={"etag_is_md5": False})
    for operation in ("PutObject", "CompleteMultipartUpload"):
        filled.obs.faults.add(Fault(Match(operation=operation, key="k5"), StoreOther(), times=None))
    ran = filled.run(source=opaque)
    assert ran.codes() == {"k5": "CHECK_DST_OBJ_CHANGED_FAILURE"}
    assert filled.run(source=opaque).codes() == {"k5": "CHECK_DST_OBJ_CHANGED_FAILURE"}
    filled.obs.faults.clear()
    again = filled.run(source=opaque)
    assert again.counts == (9, 1, 8, 0)
    filled.check_copy(again)
    assert filled.run(source=opaque).counts == (9, 0, 9, 0)


@pytest.mark.parametrize("size", [905, 2 * MIB, 17 * MIB])
def test_an_object_that_is_served_short_fails_by_name(filled, size):
    """Where GET and HEAD agree on fewer bytes than are listed under the same ETag, these are not the object."""
    filled.source.put("k5", os.urandom(size))
    for operation in ("GetObject", "HeadObject"):
        filled.s3.faults.add(Fault(Match(operation=operation, key="k5"), WrongLength(-3), times=None))
    ran = filled.run(source=opener(filled.s3, filled.source.name, extra={"etag_is_md5": False}))
    assert ran.counts == (9, 8, 0, 1)
    assert set(ran.codes()) == {"k5"}
    assert "k5" not in filled.arrived()


@pytest.mark.parametrize("size", [905, 2 * MIB])
def test_a_reply_without_an_etag_proves_nothing_by_itself(filled, size):
    """Bytes that come without the ETag that is listed are held against what HEAD states of the object."""
    filled.source.put("k5", os.urandom(size))
    filled.s3.faults.add(Fault(Match(operation="GetObject", key="k5"), ServePage(), times=None))
    ran = filled.run()
    assert ran.counts == (9, 8, 0, 1)
    assert ran.codes() == {"k5": "CHECK_DST_OBJ_CONSISTENCY_FAILURE"}
    assert "k5" not in filled.arrived()


@pytest.mark.parametrize(("times", "uploads"), [(1, 2), (None, 2)])
def test_an_upload_whose_etag_is_not_that_of_its_parts_is_made_again(filled, times, uploads):
    """A part was damaged after its reply: another upload mends it. What has the same ETag again is one of its own kind."""
    filled.source.put("k5", os.urandom(17 * MIB))
    done = Match(operation="CompleteMultipartUpload", key="k5")
    filled.obs.faults.add(Fault(done, StoreOther(stated=True), times=times))
    ran = filled.run()
    assert ran.counts == (9, 9, 0, 0)
    assert requests_of(filled.obs, filled.destination.name)["CompleteMultipartUpload"] == uploads
    assert ran.methods()["k5"] == "md5"  # the source's, and for what is stored the CRC-64 that OBS states
    if times:
        filled.check_clean(ran)


def test_no_check_deletes_nothing(filled):
    """With no_check a copy that differs fails by name and stays; a later run copies it again."""
    filled.obs.faults.add(DAMAGE)
    ran = filled.run(check=ConsistencyCheck.NO_CHECK)
    assert ran.codes() == {"k5": "CHECK_DST_OBJ_CONSISTENCY_FAILURE"}
    assert requests_of(filled.obs, filled.destination.name)["DeleteObject"] == 0
    filled.obs.faults.clear()
    filled.check_clean(filled.run(check=ConsistencyCheck.NO_CHECK))
