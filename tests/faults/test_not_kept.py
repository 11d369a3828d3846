"""Destinations that take metadata and classes with a success and do not keep them: noticed at once, in every lane."""

from functools import partial

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_engine.model import OverwriteMode, StoragePolicy
from oms_engine.store import MIB
from oms_engine.task import TaskState
from support.front import fronting
from support.migrations import quick, requests_of

RULES = {
    "metadata": {"metadata": True},
    "class": {"storage": StoragePolicy.IA},
    "both": {"metadata": True, "storage": StoragePolicy.IA},
}


@pytest.fixture
def behind(world):
    """A front before the destination that forgets what lies beside the bytes, and what opens the bucket through it."""
    with fronting(world.obs.url) as front:
        front.behind = forget
        config = StoreConfig(
            "HuaweiCloud", world.destination.name, endpoint=front.url, region=world.obs.region, addressing="path",
            credentials=world.obs.credentials,
        )  # fmt: skip
        yield front, partial(open_store, config)


def forget(passing):
    """State neither metadata nor class of any object."""
    if passing.reads_object:
        lost = [name for name in passing.reply if name.startswith("x-obs-meta-") or name == "x-obs-storage-class"]
        for name in lost:
            del passing.reply[name]


def fill(world, small=50, **more):
    """Put small objects, one that is streamed and one that is moved in parts."""
    more = more or {"user": {"colour": "red"}}
    for number in range(small):
        world.source.put(f"small-{number:03}", b"x" * number, **more)
    world.source.put("streamed", bytes(2 * MIB), **more)
    world.source.put("zbig", bytes(17 * MIB), **more)


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES)
@pytest.mark.parametrize("small", [0, 50])
def test_a_store_that_forgets_ends_the_run(world, behind, rules, small):
    """No copy counts, none stays that a later run would take for good, and the same run through a good store copies all."""
    _, destination = behind
    fill(world, small)
    ran = world.run(destination=destination, **rules)
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, "TRF.0061")
    assert 'dialect = "s3"' in ran.result.error_message
    assert ran.result.counters.migrated == 0
    assert world.arrived() == {}
    world.state.unlink()
    again = world.run(**rules)
    assert (again.result.counters.migrated, again.result.counters.skipped) == (small + 2, 0)
    arrived = world.arrived().values()
    assert {item.user.get("colour") for item in arrived} == ({"red"} if rules.get("metadata") else {None})
    assert {item.storage_class for item in arrived} == ({"WARM"} if rules.get("storage") else {"STANDARD"})


def test_a_version_that_lost_its_metadata_hides_nothing(world, behind):
    """Where the destination keeps versions, the copy that is taken back leaves the object before it as the current one."""
    _, destination = behind
    world.destination.keep_versions()
    world.destination.put("small-000", b"before")
    fill(world, 1)
    ran = world.run(destination=destination, metadata=True, overwrite=OverwriteMode.FULL_OVERWRITE)
    assert ran.result.error_code == "TRF.0061"
    assert world.destination.versions("small-000") == [b"before"]


def test_one_look_is_enough(world):
    """Once a copy came back as it was written, no other one is asked for."""
    fill(world, 200)
    ran = world.run(metadata=True, settings=quick(connections=4))
    assert ran.result.counters.migrated == 202
    assert 1 <= requests_of(world.obs, world.destination.name)["HeadObject"] <= 12  # of 4 at once, and of large ones


@pytest.mark.parametrize("more", [{"headers": {"cache-control": "no-store"}}, {"user": {"colour": "red"}}], ids=str)
def test_what_says_nothing_is_not_asked_for(world, behind, more):
    """Objects without user metadata, and rules without it, cost no request, and a forgetful store does no harm."""
    _, destination = behind
    fill(world, 20, **more)
    ran = world.run(destination=destination, metadata="user" not in more, storage=StoragePolicy.STANDARD)
    assert ran.result.counters.migrated == 22


def test_a_key_that_may_only_write_goes_on(world, behind):
    """Where HEAD is denied nobody sees what is kept: the run goes on, as its other looks do."""
    front, destination = behind

    def deny(passing):
        if passing.method == "HEAD":
            passing.status, passing.reply, passing.body = 403, {}, b""

    front.behind = deny
    for number in range(60):
        world.source.put(f"small-{number:03}", b"x", user={"colour": "red"})
    ran = world.run(destination=destination, metadata=True, settings=quick(connections=4))
    assert ran.result.counters.migrated == 60
    asked = [passing for passing in front.log if passing.method == "HEAD" and "/small-" in passing.target]
    assert 1 <= len(asked) <= 8
