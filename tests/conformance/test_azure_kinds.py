"""Azure's accounts of other kinds and ages: hierarchical name spaces, marked blobs, services that know older versions."""

from functools import partial

import pytest

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_adapters.sandbox import Sandbox
from oms_engine.task import Scope, TaskState

MARK = {"hdi_isfolder": "true"}
BLOBS = {"A/dat1": b"1", "A-B": b"2", "A/deep/x": b"3", "data.csv": b"4", "data/x": b"5"}
FOLDERS = ("A", "A/deep", "data", "empty")


@pytest.fixture
def azure():
    """An account whose service can be told how it is."""
    with Sandbox(clouds=["azure"]) as running:
        yield running.azure


def filled(azure, *, hierarchical):
    """Fill a container with blobs and the folders they lie in, listed as such an account lists."""
    azure.hierarchical = hierarchical
    azure.list_order = "path" if hierarchical else "utf16"
    bucket = azure.create_bucket("tree")
    for key, body in BLOBS.items():
        bucket.put(key, body)
    for key in FOLDERS:
        bucket.put(key, b"", user=MARK)


def task_of(azure, **extra):
    """Return the source of a migration."""
    config = StoreConfig("Azure", "tree", endpoint=azure.url, credentials=azure.credentials, extra=extra)
    return {"source": partial(open_store, config), "scope": Scope(keys=("",))}


MARKED = dict.fromkeys((f"{name}/" for name in FOLDERS), b"")


@pytest.mark.parametrize(
    ("hierarchical", "word", "expected"),
    [
        (True, "plain", BLOBS),
        (True, "skip", BLOBS),
        (True, "keep", BLOBS | MARKED),
        (False, "plain", BLOBS | dict.fromkeys(FOLDERS, b"")),
        (False, "skip", BLOBS),
        (False, "keep", BLOBS | MARKED),
    ],
)
def test_trees_are_migrated_as_asked(azure, world, hierarchical, word, expected):
    """Every file arrives, whatever the order of the listing; directories as the option has it; the next run moves nothing."""
    filled(azure, hierarchical=hierarchical)
    task = task_of(azure, directories=word)
    done = world.run(**task)
    assert done.counts == (len(expected), len(expected), 0, 0), done.result.reasons
    assert {key: world.destination.get(key) for key in expected} == expected
    again = world.run(**task)
    assert again.counts == (len(expected), 0, len(expected), 0), again.result.reasons


def test_an_older_service_is_spoken_to_in_its_version(azure, world):
    """A service that refuses the newest version says which option helps, and is migrated whole with it."""
    filled(azure, hierarchical=False)
    azure.newest_version = "2019-12-12"
    config = StoreConfig("Azure", "tree", endpoint=azure.url, credentials=azure.credentials)
    refused = world.run(source=partial(open_store, config), scope=Scope(keys=("",)), books=False)
    assert refused.result.state is TaskState.FAILED
    assert "list_start_from=false" in refused.result.error_message
    for extra in ({"list_start_from": False}, {"api_version": "2019-12-12"}):
        done = world.run(**task_of(azure, directories="skip", **extra))
        assert sum(done.counts[1:3]) == len(BLOBS)
        assert done.counts[3] == 0
