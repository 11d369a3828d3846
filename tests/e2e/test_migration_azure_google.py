"""Whole migrations from Azure and from Google into OBS over real sockets."""

import functools
import gzip
import os
from base64 import b64encode
from dataclasses import replace
from hashlib import md5

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_adapters.sandbox import Answer, Fault, FlipBit, Match, Sandbox, put_item
from oms_engine.errors import ConfigError
from oms_engine.model import ConsistencyCheck, Credentials, Secret, StoragePolicy
from oms_engine.store import MIB
from oms_engine.task import RestorePolicy, TaskState
from support.google_account import account_of
from support.migrations import World, opener, quick, requests_of

ODD = [
    "a//b",
    "/a",
    "dir/",
    " lead",
    "trail ",
    "%41",
    "a+b",
    "&=?#;",
    "tab\there",
    "中文/名字",
    "emoji\U0001f600",
    "a\\b",
]


@pytest.fixture(scope="module")
def sandbox():
    """Azure, Google and OBS."""
    with Sandbox(clouds=["azure", "google", "obs"], process=True) as running:
        yield running


class CloudWorld(World):
    """A bucket of a cloud to migrate from, an OBS bucket to migrate to."""

    def __init__(self, cloud, obs, name, open_source, directory):
        self.obs, self.directory, self.state = obs, directory, directory / "state.sqlite"
        self.source, self.destination = cloud.create_bucket(name), obs.create_bucket(f"to-{name}")
        self.open_source, self.open_destination = open_source, opener(obs, f"to-{name}")
        self.label = f"{cloud.name}://{name}"


@pytest.fixture
def azure(sandbox, tmp_path, request):
    """A container to migrate from."""
    name = f"az{abs(hash(request.node.name)) % 10**9}"
    config = StoreConfig("Azure", name, endpoint=sandbox.azure.url, credentials=sandbox.azure.credentials)
    yield CloudWorld(sandbox.azure, sandbox.obs, name, functools.partial(open_store, config), tmp_path)
    sandbox.azure.faults.clear()


@pytest.fixture
def google(sandbox, tmp_path, request):
    """A bucket to migrate from, by a service account."""
    name = f"gs{abs(hash(request.node.name)) % 10**9}"
    keys = Credentials("", Secret(account_of(sandbox.google)))
    config = StoreConfig("Google", name, endpoint=sandbox.google.url, credentials=keys)
    yield CloudWorld(sandbox.google, sandbox.obs, name, functools.partial(open_store, config), tmp_path)
    sandbox.google.faults.clear()


STALE = b64encode(md5(b"of other bytes").digest()).decode()
SIZES = {"small": 3000, "streamed": 2 * MIB, "parts": 17 * MIB}


def fill_stale(azure):
    """Put a blob of each lane whose Content-MD5 is another's, and one beside each whose own it is."""
    for name, size in SIZES.items():
        azure.source.put(name, os.urandom(size), headers={"content-type": "x/y", "content-md5": STALE})
        body = os.urandom(size)
        right = b64encode(md5(body).digest()).decode()
        azure.source.put(f"{name} right", body, headers={"content-type": "x/y", "content-md5": right})


def open_azure(azure, **extra):
    """Return what opens the container with options."""
    return functools.partial(azure.open_source.func, replace(azure.open_source.args[0], extra=extra))


@pytest.mark.parametrize("check", list(ConsistencyCheck))
@pytest.mark.parametrize("mode", ["warn", "ignore"])
def test_a_stale_content_md5_keeps_no_blob_back(azure, mode, check):
    """Nobody validates a blob's Content-MD5: whatever its size, a stale one is warned about and not believed."""
    fill_stale(azure)
    ran = azure.run(source=open_azure(azure, md5=mode), check=check)
    azure.check_copy(ran, attributes=False)
    assert ran.counts == (6, 6, 0, 0)
    told = {key for key, columns in ran.lists["success"].items() if "Content-MD5" in columns[7]}
    assert told == (set(SIZES) if mode == "warn" else set())
    if mode == "warn":
        assert {ran.methods()[key] for key in ("small right", "streamed right")} == {"md5"}


def test_a_stale_content_md5_fails_every_blob_alike_where_it_must_hold(azure):
    """On request a blob whose bytes do not have the stated MD5 fails, large ones too, and the reason names it."""
    fill_stale(azure)
    ran = azure.run(source=open_azure(azure, md5="fail"))
    assert ran.codes() == dict.fromkeys(SIZES, "CHECK_DST_OBJ_CONSISTENCY_FAILURE")
    assert all("Content-MD5 that the source states" in failure.message for failure in ran.failures)
    assert set(azure.arrived()) == {f"{name} right" for name in SIZES}


@pytest.mark.parametrize("key", ["small right", "streamed right"])
def test_a_read_that_was_damaged_is_no_stale_md5(azure, sandbox, key):
    """One bit that flips on the way from a blob whose Content-MD5 is right is noticed by reading it again."""
    fill_stale(azure)
    number = sandbox.azure.faults.add(Fault(Match(operation="GetObject", key=key), FlipBit(50)))
    ran = azure.run()
    assert sandbox.azure.faults.hits(number) == 1
    assert ran.counts == (6, 6, 0, 0)
    azure.check_copy(ran)


def test_an_unknown_way_with_md5s_is_refused(azure):
    """A mistyped option names those there are."""
    with pytest.raises(ConfigError, match="warn, fail, ignore"):
        open_azure(azure, md5="never")()


@pytest.fixture(params=["azure", "google"])
def world(request):
    """Either of the two."""
    return request.getfixturevalue(request.param)


def test_everything_arrives(world):
    """Odd keys, packed, empty and large objects arrive byte for byte, with attributes and metadata."""
    headers = {"content-type": "text/x", "content-language": "de", "cache-control": "max-age=60"}
    world.source.put_many(put_item(key, b"body of " + key.encode(), headers=headers, user={"a": "b c"}) for key in ODD)
    packed = gzip.compress(b"text " * 1000, mtime=0)
    world.source.put("packed", packed, headers={"content-type": "text/plain", "content-encoding": "gzip"})
    world.source.put("packed and large", os.urandom(5 * MIB), headers={"content-encoding": "gzip"})
    world.source.put("empty", headers={"content-type": "x/y"})
    world.source.put("large", os.urandom(40 * MIB), headers={"content-type": "x/y"}, user={"large": "1"})
    ran = world.run(metadata=True)
    assert ran.counts == (len(ODD) + 4, len(ODD) + 4, 0, 0)
    world.check_clean(ran)
    there = world.arrived()
    assert there["a//b"].headers == headers
    assert (there["a//b"].user, there["large"].user) == ({"a": "b c"}, {"large": "1"})
    assert there["packed and large"].headers["content-encoding"] == "gzip"
    again = world.run(metadata=True)
    assert again.counts == (len(ODD) + 4, 0, len(ODD) + 4, 0)


def test_many_pages_are_listed(world):
    """Keys of more than one page arrive, each once, by two processes that split the range."""
    many = world.open_source().capabilities.list_limit + 500
    world.source.put_many((f"k/{number:05}", b"%d" % number) for number in range(many))
    ran = world.run(settings=quick(processes=2))
    assert ran.counts == (many, many, 0, 0)
    world.check_clean(ran)


def test_a_busy_store_is_waited_for(world, sandbox):
    """Throttling is retried, whichever words it comes in."""
    cloud = getattr(sandbox, world.label.partition(":")[0])
    cloud.faults.add(Fault(Match(operation="GetObject"), Answer("SlowDown"), times=5))
    world.source.put_many((f"{number}", b"x") for number in range(20))
    ran = world.run()
    assert ran.counts == (20, 20, 0, 0)
    world.check_clean(ran)


def test_tiers_are_mapped_and_archived_blobs_rehydrated(azure, sandbox):
    """Archived blobs are asked for, parked while they rehydrate, copied, and stored in the class that matches."""
    sandbox.azure.restore_seconds = {"High": 0.4, "Standard": 0.4}
    tiers = {"Hot": "STANDARD", "Cool": "WARM", "Cold": "COLD", "Archive": "STANDARD"}
    for tier in tiers:
        azure.source.put_many(put_item(f"{tier}/{n}", b"x%d" % n, storage_class=tier) for n in range(5))
    azure.source.put("Archive/large", os.urandom(20 * MIB), storage_class="Archive")
    policy = RestorePolicy(days=2, poll_seconds=0.1, requests_per_second=1000)
    ran = azure.run(restore=policy, storage=StoragePolicy.SRC_STORAGE_MAPPING)
    azure.check_clean(ran)
    stored = {item.key.partition("/")[0]: item.storage_class for item in azure.arrived().values()}
    assert {tier: stored[tier] for tier in ("Hot", "Cool", "Cold")} == {
        "Hot": "STANDARD",
        "Cool": "WARM",
        "Cold": "COLD",
    }
    assert requests_of(sandbox.azure, azure.source.name)["RestoreObject"] == 6


def test_archived_blobs_fail_without_restore(azure):
    """Without restore they fail with their code."""
    azure.source.put_many([put_item("cold", b"1", storage_class="Archive"), ("warm", b"2")])
    ran = azure.run()
    assert ran.codes() == {"cold": "MIGRATE_SRC_ARCHIVE_OBJ_FAILURE"}


def test_googles_classes_are_mapped(google):
    """No class needs a restore; each has its own at the destination."""
    classes = {"STANDARD": "STANDARD", "NEARLINE": "WARM", "COLDLINE": "COLD", "ARCHIVE": "DEEP_ARCHIVE"}
    google.source.put_many(put_item(word, b"x", storage_class=word) for word in classes)
    ran = google.run(storage=StoragePolicy.SRC_STORAGE_MAPPING)
    google.check_clean(ran, classes=classes)


def test_one_token_serves_a_whole_run(google, sandbox):
    """The token is fetched once per process, however many objects move."""
    sandbox.google.clear_log()
    google.source.put_many((f"{number}", b"x") for number in range(300))
    google.source.put("large", os.urandom(20 * MIB))
    google.check_clean(google.run())
    assert len([entry for entry in sandbox.google.log if entry.operation == "Token"]) == 1


def test_a_wrong_key_ends_the_task(google, sandbox):
    """A service account that gets no token ends the task with the code for refused credentials."""
    keys = Credentials("", Secret(account_of(sandbox.google, number=1)))
    config = StoreConfig("Google", google.source.name, endpoint=sandbox.google.url, credentials=keys)
    ran = google.run(source=functools.partial(open_store, config))
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, "TRF.0151")
    assert "BEGIN" not in str(ran.result.error_message)
