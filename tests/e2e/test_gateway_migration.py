"""Whole migrations from each S3-speaking vendor's gateway to an OBS, with the vendor's quirks switched on."""

import functools
import os

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.registry import adapter_for, open_store
from oms_adapters.sandbox import Sandbox
from oms_engine.model import StoragePolicy
from oms_engine.store import MIB
from oms_engine.task import MigrationSpec, RestorePolicy, TaskState
from support.migrations import World, opener

pytestmark = pytest.mark.e2e

ODD_KEYS = [
    "a/../b",
    "a//b",
    "/a",
    "//",
    ".",
    "..",
    "dir/",
    " lead",
    "%41",
    "a+b",
    "new\nline",
    "a&b<c>",
    "中文/名字",
    "😀",
]
CLOUDS = {"qingstor": "QingCloud", "ks3": "KingsoftCloud", "bos": "Baidu", "kodo": "Qiniu", "us3": "UCloud"}
EACH = pytest.mark.parametrize("name", CLOUDS)


class GatewayWorld(World):
    """A bucket behind a gateway to migrate from, an OBS bucket to migrate to."""

    def __init__(self, clouds, name, directory):
        self.clouds, self.obs, self.s3 = clouds, clouds.obs, clouds.clouds[name]
        self.source, self.destination = self.s3.create_bucket("source"), self.obs.create_bucket("destination")
        self.directory, self.state = directory, directory / "state.sqlite"
        config = StoreConfig(CLOUDS[name], "source", endpoint=self.s3.url, credentials=self.s3.credentials)
        self.open_source = functools.partial(open_store, config)
        self.open_destination = opener(self.obs, "destination")

    def spec(self, **fields):
        """Return a task between the two buckets."""
        return MigrationSpec("gateway://source", "obs://destination", **fields)


@pytest.fixture(scope="module")
def clouds():
    """All gateways and an OBS, in a process of their own."""
    with Sandbox(clouds=[*CLOUDS, "obs"], process=True) as sandbox:
        yield sandbox


@EACH
def test_everything_arrives(clouds, name, tmp_path):
    """Odd keys over many pages, headers, metadata and large objects arrive as they are; nothing is taken for an MD5."""
    world = GatewayWorld(clouds, name, tmp_path)
    world.source.put_many((key, b"body of " + key.encode()) for key in ODD_KEYS)
    world.source.put_many((f"many+{number:04}", b"x") for number in range(1100))
    headers = {"content-type": "text/x", "content-encoding": "gzip", "cache-control": "no-store"}
    world.source.put("full", b"\x1f\x8b no gzip", headers=headers, user={"a": "one"})
    world.source.put("parts", os.urandom(21 * MIB), etag=f"multipart:{8 * MIB}")
    ran = world.run(metadata=True)
    assert ran.counts == (len(ODD_KEYS) + 1102,) * 2 + (0, 0)
    world.check_clean(ran)


@EACH
def test_classes_are_mapped(clouds, name, tmp_path):
    """Each class that the vendor reads at once arrives in OMS's class for it."""
    world = GatewayWorld(clouds, name, tmp_path)
    preset = adapter_for(CLOUDS[name]).preset
    words = {"STANDARD": "STANDARD", "IA": "WARM", "ARCHIVE": "COLD", "DEEP_ARCHIVE": "DEEP_ARCHIVE"}
    classes = {word: words[oms] for word, oms in preset.classes.items() if word not in preset.archived}
    for word in classes:
        world.source.put(word, b"x", storage_class=word)
    ran = world.run(storage=StoragePolicy.SRC_STORAGE_MAPPING)
    world.check_clean(ran, classes=classes)


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("ks3", "ARCHIVE"),
        ("ks3", "COLD_ARCHIVE"),
        ("ks3", "DEEP_COLD_ARCHIVE"),
        ("kodo", "GLACIER"),
        ("kodo", "DEEP_ARCHIVE"),
        ("us3", "GLACIER"),
    ],
)
def test_archived_objects_are_restored_first(clouds, name, word, tmp_path):
    """Where the vendor restores through S3's protocol, archived objects are restored and then migrated."""
    world = GatewayWorld(clouds, name, tmp_path)
    clouds.clouds[name].restore_seconds = 0.3
    world.source.put("cold", b"cold", storage_class=word)
    ran = world.run(restore=RestorePolicy(poll_seconds=0.1, days=30))
    world.check_clean(ran)
    assert ran.counts == (1, 1, 0, 0)


def test_archived_objects_fail_visibly_where_nothing_restores_them(clouds, tmp_path):
    """An archived object of a store without a restore call fails with its reason; the others arrive."""
    world = GatewayWorld(clouds, "bos", tmp_path)
    world.source.put("cold", b"cold", storage_class="ARCHIVE")
    world.source.put("warm", b"warm")
    ran = world.run(restore=RestorePolicy(poll_seconds=0.1))
    assert ran.counts == (2, 1, 0, 1)
    assert list(ran.lists["failed"]) == ["cold"]


@pytest.mark.parametrize("key", ["a\x10b", "a\x00b", "\x1f"])
def test_a_key_that_plain_xml_cannot_hold_stops_the_task(clouds, key, tmp_path):
    """Kodo lists in plain XML: a key with a control character ends the task with a sentence; no other key is guessed."""
    world = GatewayWorld(clouds, "kodo", tmp_path)
    world.source.put_many([("before", b"x"), (key, b"x"), ("z", b"x")])
    ran = world.run(books=False)
    assert ran.result.state is not TaskState.SUCCEEDED
    assert "rename that object" in str(ran.result)
    assert not [name for name in world.destination.keys() if "\ufffd" in name]  # noqa: SIM118 - not a dict
