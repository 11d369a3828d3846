"""Checksums that go with the bytes: destinations whose replies prove nothing, or that demand one."""

import os

import pytest

from oms_adapters.sandbox import DemandMd5, Fault, FlipRequestBit, Match
from oms_engine.store import MIB
from support.migrations import opener, requests_of

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
