"""Stores that answer with success and have stored nothing, or less."""

import os
from dataclasses import replace

import pytest

from oms_adapters.sandbox import Fault, Hollow, LosePart, Match
from oms_engine.model import ConsistencyCheck, OverwriteMode
from oms_engine.store import MIB
from support.migrations import QUICK, quick, requests_of

BODIES = {
    "error": b"<Error><Code>InternalError</Code></Error>",
    "page": b"<html><body>login</body></html>",
    "empty": b"",
    "hollow": b"<CompleteMultipartUploadResult></CompleteMultipartUploadResult>",
}
BRIEF = quick(wire=replace(QUICK.wire, attempts=2))


@pytest.fixture
def filled(world):
    """A small object, one that streams, one that moves in parts."""
    for key, size in (("small", 1000), ("streamed", 2 * MIB), ("big", 17 * MIB)):
        world.source.put(key, os.urandom(size))
    return world


@pytest.mark.parametrize("check", [ConsistencyCheck.SIZE_LAST_MODIFIED, ConsistencyCheck.NO_CHECK])
@pytest.mark.parametrize("body", BODIES)
def test_a_success_without_substance_migrates_nothing(filled, body, check):
    """Where every write is answered 200 and nothing is stored, every object fails; no upload is left."""
    for operation in ("PutObject", "CompleteMultipartUpload"):
        for key in ("small", "streamed", "big"):
            filled.obs.faults.add(Fault(Match(operation=operation, key=key), Hollow(BODIES[body]), times=None))
    ran = filled.run(settings=BRIEF, check=check)
    assert ran.counts == (3, 0, 0, 3)
    assert filled.arrived() == {}


@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart", "CompleteMultipartUpload", "CreateMultipartUpload"])
def test_a_success_without_substance_that_passes_costs_retries_only(filled, operation, body):
    """An empty success now and then is noticed and the work done again."""
    fault = Fault(Match(operation=operation, key="[sb]*"), Hollow(BODIES[body]), times=1)
    number = filled.obs.faults.add(fault)
    filled.check_clean(filled.run())
    assert filled.obs.faults.hits(number) == 1


def test_an_old_object_is_not_taken_for_the_copy(world):
    """A write that stored nothing does not become a success by an older object of the same size that lies there."""
    world.source.put("k", b"new bytes")
    world.destination.put("k", b"old bytes", mtime=1000.0)
    world.obs.faults.add(Fault(Match(operation="PutObject", key="k"), Hollow(), times=None))
    for rule in (OverwriteMode.SIZE_LAST_MODIFIED, OverwriteMode.FULL_OVERWRITE):
        ran = world.run(overwrite=rule, settings=BRIEF)
        assert ran.counts == (1, 0, 0, 1)
        assert world.destination.keys().count("k") <= 1


def test_a_joined_object_that_lacks_a_part_is_made_anew(world):
    """A completion that states the right ETag while the store lost a part is noticed by its size; the copy is redone."""
    world.source.put("big", os.urandom(40 * MIB))
    number = world.obs.faults.add(Fault(Match(operation="CompleteMultipartUpload"), LosePart()))
    world.check_clean(world.run())
    assert world.obs.faults.hits(number) == 1
    assert requests_of(world.obs, world.destination.name)["CreateMultipartUpload"] == 2


def test_a_joined_object_that_always_lacks_a_part_fails(world):
    """A store that loses a part each time fails the object, and the short copy is taken back."""
    world.source.put("big", os.urandom(40 * MIB))
    world.obs.faults.add(Fault(Match(operation="CompleteMultipartUpload"), LosePart(), times=None))
    ran = world.run()
    assert ran.codes() == {"big": "CHECK_DST_OBJ_CONSISTENCY_FAILURE"}
    assert world.arrived() == {}
