"""Checksums that go with the bytes: destinations whose replies prove nothing, or that demand one."""

import os

import pytest

from oms_adapters.sandbox import DemandMd5, Fault, FlipBit, FlipRequestBit, Match, put_item
from oms_engine.store import MIB
from support.migrations import opener, quick, requests_of

PART = 5 * MIB


@pytest.fixture
def filled(world):
    """One object of each kind: held, streamed with and without an MD5 at the source, in parts."""
    world.source.put("small", os.urandom(1000))
    world.source.put("streamed", os.urandom(2 * MIB))
    world.source.put("composite", os.urandom(7 * MIB), etag=f"multipart:{PART}")
    world.source.put("zbig", os.urandom(40 * MIB))
    return world


KEYS = ["small", "streamed", "composite", "zbig"]


@pytest.mark.parametrize("kms", [False, True], ids=["option", "kms by default"])
def test_damage_on_the_way_to_a_store_of_opaque_etags_is_refused(filled, clouds, kms):
    """Where no ETag is an MD5, one goes with each write and part: a bit that flips on the way is refused and sent anew."""
    filled.destination = clouds.obs.create_bucket("opaque", default_encryption="kms" if kms else None)
    hits = [
        filled.obs.faults.add(Fault(Match(operation="PutObject", key=key), FlipRequestBit(500))) for key in KEYS[:3]
    ]
    hits.append(filled.obs.faults.add(Fault(Match(operation="UploadPart", part=2), FlipRequestBit(500), times=2)))
    place = opener(clouds.obs, "opaque", extra={} if kms else {"etag_is_md5": False})
    filled.check_clean(filled.run(destination=place))
    assert [filled.obs.faults.hits(number) for number in hits] == [1, 1, 1, 2]


def test_a_store_that_demands_checksums_gets_them(filled):
    """Where every write and part must announce a checksum, as with Object Lock, all objects and the lists arrive."""
    for operation in ("PutObject", "UploadPart"):
        filled.obs.faults.add(Fault(Match(operation=operation), DemandMd5(), times=None))
    ran = filled.run()
    filled.check_clean(ran)
    assert set(ran.lists["success"]) == set(KEYS)


def test_parts_for_a_store_whose_replies_prove_them_are_sent_once(filled):
    """Ordinary stores are streamed to: each part is sent once."""
    filled.check_clean(filled.run())
    assert requests_of(filled.obs, filled.destination.name)["UploadPart"] == 3


def test_what_nothing_proves_is_called_by_its_size_only(filled):
    """Composite ETags of a cut that is not known prove nothing: list and balance say by what each object was proved."""
    ran = filled.run()
    assert ran.methods() == {"small": "md5", "streamed": "md5", "composite": "size only", "zbig": "md5"}
    assert ran.result.proved == {"md5": 3, "size only": 1}
    assert filled.run().result.proved == {}


@pytest.mark.parametrize("size", [1000, 3 * MIB])
def test_a_composite_etag_of_one_part_is_proved(world, size):
    """The ETag of one joined part is the MD5 of its MD5: a bit that flips on the way from the source is noticed."""
    world.source.put("k", os.urandom(size), etag=f"multipart:{PART}")
    assert world.source.object("k").etag.endswith("-1")
    world.s3.faults.add(Fault(Match(operation="GetObject"), FlipBit(100)))
    ran = world.run()
    assert ran.methods() == {"k": "md5"}
    world.check_clean(ran)


def test_a_composite_etag_proves_what_was_cut_alike(world):
    """A large object is cut as its source was: a bit that flips in one part's read is noticed by the joined ETag."""
    world.source.put("big", os.urandom(40 * MIB), etag=f"multipart:{8 * MIB}")
    number = world.s3.faults.add(Fault(Match(operation="GetObject"), FlipBit(100), after=2))
    ran = world.run()
    assert world.s3.faults.hits(number) == 1
    assert ran.methods() == {"big": "md5"}
    world.check_clean(ran)


def test_odd_composite_etags_cost_one_more_read_and_no_object(world, clouds):
    """Where a second read gives the same bytes the ETag means something else: by size only, and the others read once."""
    world.source = clouds.s3.create_bucket("odd", default_encryption=None)
    world.source.put_many(put_item(f"k{number}", os.urandom(900), etag=f"multipart:{PART}") for number in range(6))
    world.s3.faults.add(Fault(Match(operation="GetObject", bucket="odd"), FlipBit(100), times=None))
    ran = world.run(source=opener(clouds.s3, "odd"), settings=quick(connections=1))
    assert ran.methods() == {f"k{number}": "size only" for number in range(6)}
    assert requests_of(world.s3, "odd")["GetObject"] == 7


def test_damage_in_every_read_fails_where_other_composite_etags_hold(world):
    """An object of one part that arrives damaged twice alike fails by name once other objects' ETags proved theirs."""
    world.source.put_many(put_item(f"a{number}", os.urandom(900), etag=f"multipart:{PART}") for number in range(3))
    world.source.put("z", os.urandom(900), etag=f"multipart:{PART}")
    world.s3.faults.add(Fault(Match(operation="GetObject", key="z"), FlipBit(100), times=None))
    ran = world.run(settings=quick(connections=1))
    assert ran.methods() == {f"a{number}": "md5" for number in range(3)}
    assert list(ran.lists["failed"]) == ["z"]
    assert "z" not in list(world.destination.keys())
