"""Whole migrations from a COS to an OBS over real sockets, each of which verifies signatures by its vendor's own code."""

import functools
import os

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_adapters.sandbox import Answer, Cut, Fault, Match, Sandbox
from oms_engine.model import ConsistencyCheck, StoragePolicy
from oms_engine.store import MIB
from oms_engine.task import MigrationSpec, RestorePolicy
from support.migrations import World, opener

APP = "1250000000"
ODD_KEYS = [
    "a/../b",
    "a//b",
    "/a",
    "//",
    ".",
    "..",
    "./x",
    "dir/",
    " lead",
    "%41",
    "a+b",
    "new\nline",
    "中文/名字",
    "k" * 850,
]


class CosWorld(World):
    """A COS bucket to migrate from, an OBS bucket to migrate to."""

    def __init__(self, clouds, number, directory):
        self.clouds, self.s3, self.obs = clouds, clouds.cos, clouds.obs
        self.source = clouds.cos.create_bucket(f"src-{number}-{APP}")
        self.destination = clouds.obs.create_bucket(f"dst-{number}")
        self.directory, self.state = directory, directory / "state.sqlite"
        config = StoreConfig(
            "Tencent",
            f"src-{number}",
            endpoint=clouds.cos.url,
            region="ap-guangzhou",
            credentials=clouds.cos.credentials,
            extra={"app_id": APP},
        )
        self.open_source = functools.partial(open_store, config)
        self.open_destination = opener(self.obs, self.destination.name)

    def spec(self, **fields):
        """Return a task between the two buckets."""
        return MigrationSpec(f"cos://{self.source.name}", f"obs://{self.destination.name}", **fields)


@pytest.fixture(scope="module")
def two_clouds():
    """A COS and an OBS in a process of their own."""
    with Sandbox(clouds=["cos", "obs"], process=True) as sandbox:
        yield sandbox


@pytest.fixture
def cos_world(two_clouds, tmp_path, request):
    """Empty buckets of the test's own."""
    yield CosWorld(two_clouds, abs(hash(request.node.name)) % 10**6, tmp_path)
    two_clouds.cos.faults.clear()


def test_everything_arrives(cos_world):
    """Odd keys, headers, metadata and encoded bodies arrive as they are, classes as they are mapped."""
    source = cos_world.source
    source.put_many((key, b"body of " + key.encode()) for key in ODD_KEYS)
    headers = {"content-type": "text/x", "content-encoding": "gzip", "cache-control": "no-store", "expires": "never"}
    source.put("full", b"\x1f\x8b no gzip", headers=headers, user={"a": "one", "b": "%E4%B8%AD"})
    source.put("seldom", b"x", storage_class="MAZ_STANDARD_IA")
    ran = cos_world.run(metadata=True, storage=StoragePolicy.SRC_STORAGE_MAPPING)
    assert ran.counts == (len(ODD_KEYS) + 2,) * 2 + (0, 0)
    cos_world.check_clean(ran, classes={key: "WARM" if key == "seldom" else "STANDARD" for key in source.keys()})  # noqa: SIM118
    full = cos_world.arrived()["full"]
    assert (full.headers, full.user) == (headers, {"a": "one", "b": "%E4%B8%AD"})


@pytest.mark.parametrize("size", [9 * MIB, 40 * MIB + 1])
def test_large_objects_are_held_against_their_crc64(cos_world, size):
    """Large objects, in one write and in parts, pass the check by the CRC-64 that COS states."""
    cos_world.source.put("big", os.urandom(size), crc64=True)
    ran = cos_world.run(check=ConsistencyCheck.CRC64)
    cos_world.check_clean(ran)
    assert ran.methods() == {"big": "crc64"}


def test_archived_objects_are_restored_first(cos_world):
    """Archived objects are restored and then migrated."""
    cos_world.clouds.cos.restore_seconds = 0.3
    for word in ("ARCHIVE", "DEEP_ARCHIVE", "MAZ_ARCHIVE"):
        cos_world.source.put(word, b"cold", storage_class=word)
    ran = cos_world.run(restore=RestorePolicy(poll_seconds=0.1))
    cos_world.check_clean(ran)
    assert ran.counts == (3, 3, 0, 0)


def test_faults_on_the_way_are_overcome(cos_world):
    """Cut bodies and refused requests are repeated; every object arrives whole."""
    cos_world.source.put_many((f"k{number}", os.urandom(5000)) for number in range(30))
    cos_world.clouds.cos.faults.add(Fault(Match(operation="GetObject", key="k1*"), Cut(body=100), times=5))
    cos_world.clouds.cos.faults.add(Fault(Match(operation="GetObject", key="k2*"), Answer(), times=5))
    cos_world.check_clean(cos_world.run())
