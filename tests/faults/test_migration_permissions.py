"""Keys that may do little: a run asks only for what it needs, where it needs it, and says what it lacks."""

import pytest

from oms_adapters.sandbox import Answer, Fault, Match
from oms_engine.model import ConsistencyCheck, OverwriteMode, TaskType
from oms_engine.task import Scope, TaskState
from support.migrations import quick

DENIED = Answer(403, "AccessDenied")
LISTS = "ListObjects*"


@pytest.fixture
def filled(world):
    """Some objects under two folders."""
    world.source.put_many((f"a/{number:02}", b"x" * number) for number in range(30))
    world.source.put_many((f"b/{number:02}", b"y" * number) for number in range(5))
    return world


def deny(cloud, operation, **match):
    """Refuse an operation for good."""
    cloud.faults.add(Fault(Match(operation=operation, **match), DENIED, times=None))


@pytest.mark.parametrize("mode", [OverwriteMode.SIZE_LAST_MODIFIED, OverwriteMode.FULL_OVERWRITE])
def test_the_destination_is_listed_under_its_prefix_alone(filled, mode):
    """A key that may list one folder of the destination is enough to migrate into it."""
    ran = filled.run(save_prefix="backup/", overwrite=mode)
    filled.check_clean(ran, mapped=lambda key: f"backup/{key}")
    asked = [entry.query for entry in filled.obs.log if entry.operation.startswith("ListObjects")]
    assert asked
    # The record folder holds notes of uploads that an earlier run left open; without the permission they go unread.
    folders = ("prefix=backup%2F", "prefix=oms%2Ftask%2Fopen_uploads%2F")
    assert all(any(folder in query for folder in folders) for query in asked)


def test_the_source_is_listed_under_its_prefix_alone(filled):
    """A key that may list one folder of the source is enough to migrate it, also where a store is looked after."""
    ran = filled.run(scope=Scope(keys=("a/",)), strip_prefix="a/", save_prefix="new/")
    filled.check_clean(ran, mapped=lambda key: f"new/{key[2:]}", scope=lambda key: key.startswith("a/"))
    asked = [entry.query for entry in filled.s3.log if entry.operation.startswith("ListObjects")]
    assert all("prefix=a%2F" in query for query in asked)


def test_named_keys_need_no_listing_of_the_source(filled):
    """Objects that are named are read, though the source cannot be listed."""
    deny(filled.s3, LISTS)
    keys = ("a/01", "a/02")
    ran = filled.run(scope=Scope(task_type=TaskType.OBJECT, keys=keys))
    filled.check_clean(ran, scope=lambda key: key in keys)


def test_a_prefix_needs_a_listing_of_the_source(filled):
    """What is to be listed and cannot be ends the task before it begins."""
    deny(filled.s3, LISTS)
    ran = filled.run(books=False)
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, "TRF.0152")
    assert ran.counts == (0, 0, 0, 0)


@pytest.mark.parametrize("operation", [LISTS, "HeadObject"])
def test_a_destination_that_is_only_written_takes_everything(filled, operation):
    """Overwriting always asks nothing of the destination: a key that may neither list nor look is enough."""
    deny(filled.obs, LISTS)
    deny(filled.obs, operation)
    ran = filled.run(overwrite=OverwriteMode.FULL_OVERWRITE, check=ConsistencyCheck.NO_CHECK)
    filled.check_clean(ran)


@pytest.mark.parametrize("mode", [OverwriteMode.NO_OVERWRITE, OverwriteMode.SIZE_LAST_MODIFIED])
def test_what_cannot_be_listed_is_asked_for_object_by_object(filled, mode):
    """Where the destination cannot be listed, HEAD says what is there: nothing is copied twice."""
    deny(filled.obs, LISTS)
    filled.check_clean(filled.run(overwrite=mode))
    again = filled.run(overwrite=mode)
    assert again.counts == (35, 0, 35, 0)


def test_a_destination_that_says_nothing_is_refused_in_one_sentence(filled):
    """Where neither listing nor HEAD is allowed and the rule compares, the task ends before it reads anything."""
    deny(filled.obs, LISTS)
    deny(filled.obs, "HeadObject")
    ran = filled.run(save_prefix="to/", books=False)
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, "TRF.0051")
    assert "overwrite always" in ran.result.error_message
    assert "'to/'" in ran.result.error_message
    assert not [entry for entry in filled.s3.log if entry.operation == "GetObject"]


@pytest.mark.parametrize("record", [True, False])
def test_reasons_are_told_where_no_list_tells_them(filled, record):
    """Where the failed list cannot be written, or is not wanted, the result says why objects failed."""
    filled.obs.faults.add(Fault(Match(key="oms/task/*"), DENIED, times=None))
    deny(filled.s3, "GetObject", key="a/00")
    ran = filled.run(books=False, record_failed=record)
    assert ran.result.error_code == "TRF.0062"
    assert set(ran.result.failure_samples) == {"GET_SRC_OBJ_FAILURE"}
    assert "'a/00'" in ran.result.failure_samples["GET_SRC_OBJ_FAILURE"]
    assert "AccessDenied" in ran.result.error_message


FULL = [
    (403, "QuotaExceeded"),
    (400, "XMinioAdminBucketQuotaExceeded"),
    (507, "XMinioStorageFull"),
    (403, "InsufficientStorageSpace"),
    (507, "NeverHeardOf"),
]


@pytest.mark.parametrize(("status", "word"), FULL)
@pytest.mark.parametrize("operation", ["PutObject", "UploadPart", "InitiateMultipartUpload", "CreateMultipartUpload"])
def test_a_full_destination_ends_the_task_with_the_stores_word(filled, status, word, operation):
    """A quota or capacity that is used up ends the task, is never called a permission, and fails no object."""
    filled.source.put("large", b"z" * (17 << 20))
    match = Match(operation=operation, bucket=filled.destination.name)
    filled.obs.faults.add(Fault(match, Answer(status, word), times=None))
    ran = filled.run(books=False, settings=quick(connections=8))
    if operation not in {entry.operation for entry in filled.obs.log}:
        assert ran.result.error_code is None
        return
    assert (ran.result.state, ran.result.error_code) == (TaskState.FAILED, "TRF.0055")
    assert word in ran.result.error_message
    assert "permission" not in ran.result.error_message
    assert ran.result.counters.failed == 0
