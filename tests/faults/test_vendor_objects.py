"""What vendors state of their objects that S3 does not: appended ones, forms, versions, CRC-64 of parts, odd ranges."""

import os

import pytest

from oms_adapters.sandbox import Fault, FlipStoredBit, Match
from oms_engine.model import ConsistencyCheck, OverwriteMode
from oms_engine.store import MIB
from support.migrations import opener, quick, requests_of

DAMAGE = Fault(Match(operation="PutObject", key="k"), FlipStoredBit(3), times=None)


@pytest.fixture
def obs_source(world):
    """An OBS bucket as the source."""
    bucket = world.obs.create_bucket(f"{world.source.name}-obs")
    world.source = bucket
    return bucket, {"source": opener(world.obs, bucket.name)}


@pytest.mark.parametrize("size", [900, 300_000, 18 * MIB])
@pytest.mark.parametrize("check", [ConsistencyCheck.SIZE_LAST_MODIFIED, ConsistencyCheck.CRC64])
def test_appended_objects_of_obs_are_migrated(world, obs_source, size, check):
    """An object whose ETag is the MD5 of its last piece is copied, small and in parts, and stays copied."""
    bucket, opened = obs_source
    bucket.put("log", os.urandom(size), etag=f"appended:{size // 3}", mtime=1000.0)
    ran = world.run(check=check, **opened)
    world.check_clean(ran)
    assert world.run(check=check, **opened).counts == (1, 0, 1, 0)


@pytest.mark.parametrize("joins", ["computed", "ignored", "refused"])
@pytest.mark.parametrize("check", [ConsistencyCheck.SIZE_LAST_MODIFIED, ConsistencyCheck.CRC64])
def test_large_copies_arrive_whatever_obs_makes_of_their_crc64(world, joins, check):
    """Parts are joined where OBS computes, ignores or refuses the CRC-64 of parts that came without theirs."""
    world.obs.crc64_joins = joins
    world.source.put_many([(f"large{number}", os.urandom(18 * MIB + 5)) for number in range(2)])
    ran = world.run(check=check)
    world.check_clean(ran)
    if check is ConsistencyCheck.CRC64:
        assert all(world.destination.object(key).crc64 is not None for key in ("large0", "large1"))


def test_a_last_part_of_one_byte_is_read_from_obs(world, obs_source):
    """OBS answers a range that ends where it begins with all of the object: no such range is asked for."""
    bucket, opened = obs_source
    bucket.put("odd", os.urandom(32 * MIB + 1), mtime=1000.0)
    world.check_clean(world.run(**opened))
    assert requests_of(world.obs, bucket.name)["GetObject"] == 3  # none was read anew as a whole


def test_a_damaged_version_is_deleted_and_the_one_before_it_is_current_again(world):
    """Where the destination keeps versions, a failed copy hides nothing."""
    world.destination.put("k", b"good" * 100, mtime=1000.0)
    world.destination.keep_versions()
    world.source.put("k", os.urandom(500))
    world.obs.faults.add(DAMAGE)
    ran = world.run()
    assert ran.codes() == {"k": "CHECK_DST_OBJ_CONSISTENCY_FAILURE"}
    assert world.destination.versions("k") == [b"good" * 100]
    assert world.destination.get("k") == b"good" * 100


def test_suspended_versions_lose_the_damaged_copy_alone(world):
    """While versioning is suspended the copy is the null version, and it alone is deleted."""
    world.destination.keep_versions()
    world.destination.put("k", b"good" * 100, mtime=1000.0)
    world.destination.keep_versions("suspended")
    world.source.put("k", os.urandom(500))
    world.obs.faults.add(DAMAGE)
    assert world.run().codes() == {"k": "CHECK_DST_OBJ_CONSISTENCY_FAILURE"}
    assert world.destination.versions("k") == [b"good" * 100]


def test_a_damaged_version_under_worm_is_said_to_stay_and_copied_anew_later(world):
    """A version that may not be deleted is named in the failure, nothing hides it, and the next run copies again."""
    world.destination.keep_versions(locked=True)
    world.source.put("k", os.urandom(500))
    world.obs.faults.add(DAMAGE)
    ran = world.run()
    assert ran.codes() == {"k": "CHECK_DST_OBJ_CONSISTENCY_FAILURE"}
    assert "a damaged copy is still there" in ran.failures[0].message
    assert "keeps versions" in ran.failures[0].message
    assert None not in world.destination.versions("k")
    world.obs.faults.clear()
    again = world.run()
    world.check_clean(again)
    assert again.counts == (1, 1, 0, 0)


@pytest.mark.parametrize("size", [900, 300_000])
def test_streamed_copies_in_versioned_buckets_are_taken_back_too(world, size):
    """A body that is streamed is taken back by its version as well."""
    world.destination.put("k", b"good", mtime=1000.0)
    world.destination.keep_versions()
    world.source.put("k", os.urandom(size))
    world.obs.faults.add(DAMAGE)
    world.run(overwrite=OverwriteMode.FULL_OVERWRITE, settings=quick(small_object_bytes=1000))
    assert world.destination.versions("k") == [b"good"]
