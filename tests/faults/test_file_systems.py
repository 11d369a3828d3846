"""OBS's parallel file systems: detected, walked and written as such, or refused in one sentence."""

import os

import pytest

from oms_engine.model import StoragePolicy
from oms_engine.task import TaskState
from support.migrations import opener, requests_of

KEYS = ["a-1", "a/b", "a/c/d", "a/c/e", "a0", "z/last", "b"]


@pytest.fixture
def file_system(world):
    """A parallel file system as the destination, which lists folder by folder."""
    world.destination.make_file_system()
    world.obs.list_order = "path"
    return world


@pytest.mark.parametrize("storage", [None, StoragePolicy.STANDARD])
def test_a_file_system_is_written_without_class_and_compared_as_it_lists(file_system, storage):
    """Its folders and its order are no hindrance: all arrives, and the next run has nothing to do."""
    file_system.source.put_many([(key, os.urandom(90)) for key in KEYS])
    ran = file_system.run(storage=storage)
    file_system.check_clean(ran)
    assert file_system.run(storage=storage).counts == (len(KEYS), 0, len(KEYS), 0)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"storage": StoragePolicy.IA}, "no storage classes"),
        ({"storage": StoragePolicy.SRC_STORAGE_MAPPING}, "no storage classes"),
        ({"kms": True}, "no KMS"),
    ],
)
def test_what_a_file_system_does_not_have_ends_the_task_before_it_writes(file_system, fields, sentence):
    """A class or KMS is refused in one sentence, and no object is written."""
    file_system.source.put("k", b"x")
    ran = file_system.run(**fields)
    assert ran.result.state is TaskState.FAILED
    assert ran.result.error_code == "TRF.0061"
    assert "is a parallel file system" in ran.result.error_message
    assert sentence in ran.result.error_message
    assert requests_of(file_system.obs, file_system.destination.name)["PutObject"] == 0


def test_a_file_beside_a_folder_of_its_name_fails_by_name(file_system):
    """``a`` and ``a/b`` cannot both be files: the second fails, with the reason, the rest arrives."""
    file_system.source.put_many([(key, b"x") for key in ("a", "a/b", "c")])
    ran = file_system.run()
    assert ran.counts == (3, 2, 0, 1)
    assert "rename one of the two" in ran.failures[0].message


def test_a_file_system_is_a_source(world):
    """Folder by folder, its folders as objects without bytes."""
    bucket = world.obs.create_bucket(f"{world.source.name}-fs")
    bucket.put_many([(key, os.urandom(90)) for key in KEYS] + [(folder, b"") for folder in ("a/", "a/c/", "z/")])
    bucket.make_file_system()
    world.obs.list_order = "path"
    world.source = bucket
    ran = world.run(source=opener(world.obs, bucket.name))
    world.check_clean(ran)
    assert ran.counts[0] == len(KEYS) + 3


def test_buckets_are_not_asked_what_the_task_does_not_need(world):
    """Without class and KMS no bucket is asked whether it is a file system."""
    world.source.put("k", b"x")
    world.check_clean(world.run())
    assert requests_of(world.obs, world.destination.name)["HeadBucket"] == 0
