"""What a migration came to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.model import Credentials, Secret
from oms_engine.task import Counters, MigrationSpec, Progress, Result, TaskState
from openoms.discarding import Discarded, discarded_lines
from openoms.plan import Plan
from openoms.report import ExitCode, balance_lines, exit_code, progress_line, seconds_left, task_response
from openoms.settings import Side
from openoms.urls import parse_url

CREDENTIALS = Credentials("AKAK", Secret("sksk-secret"))
PLAN = Plan(
    MigrationSpec("s3://src", "obs://dst"),
    Side(parse_url("s3://src"), CREDENTIALS, region="us-east-1"),
    Side(parse_url("obs://dst"), CREDENTIALS, region="cn-north-4"),
)
COUNT = st.integers(0, 10**12)


@st.composite
def counters(draw):
    """Counters whose balance holds."""
    ends = [draw(COUNT) for _ in range(4)]
    sizes = [draw(COUNT) for _ in range(3)]
    return Counters(sum(ends), *ends, sum(sizes), *sizes)


RESULTS = st.builds(
    Result,
    state=st.sampled_from([TaskState.SUCCEEDED, TaskState.FAILED, TaskState.PAUSED]),
    counters=counters(),
    seconds=st.floats(0, 1e6),
    error_code=st.sampled_from([None, "TRF.0062", "TRF.0151"]),
    error_message=st.sampled_from([None, "it failed"]),
    reasons=st.dictionaries(st.text(min_size=1, max_size=20), COUNT, max_size=3),
)


@pytest.mark.parametrize(
    ("state", "failed", "code", "expected"),
    [
        (TaskState.SUCCEEDED, 0, None, ExitCode.DONE),
        (TaskState.SUCCEEDED, 2, None, ExitCode.OBJECTS_FAILED),
        (TaskState.FAILED, 2, "TRF.0062", ExitCode.OBJECTS_FAILED),
        (TaskState.FAILED, 2, "TRF.0151", ExitCode.TASK_FAILED),
        (TaskState.FAILED, 0, "TRF.0155", ExitCode.TASK_FAILED),
        (TaskState.PAUSED, 2, None, ExitCode.INTERRUPTED),
    ],
)
def test_the_exit_code_tells_the_four_ends_apart(state, failed, code, expected):
    """0 done, 1 objects failed, 3 the task failed, 130 paused."""
    counted = Counters(listed=failed, failed=failed)
    assert exit_code(Result(state, counted, 1.0, error_code=code)) is expected


@given(RESULTS)
def test_the_task_response_is_json_and_its_sums_are_omss(result):
    """One line of JSON for any result; skipped bytes count as processed, real_size leaves them out."""
    line = json.dumps(task_response(result, PLAN))
    assert "\n" not in line
    assert "sksk-secret" not in line
    body = json.loads(line)
    counted = result.counters
    assert body["total_num"] == counted.listed
    assert body["successful_num"] + body["skipped_num"] + body["failed_num"] + counted.waiting == body["total_num"]
    assert body["real_size"] == body["total_size"] - counted.skipped_bytes
    assert body["complete_size"] <= body["total_size"]
    assert 0 <= body["progress"] <= 1
    assert (body["status"] == 5) == (exit_code(result) is ExitCode.DONE)
    assert (body["error_reason"] is None) == (exit_code(result) in {ExitCode.DONE, ExitCode.INTERRUPTED})


def test_the_task_response_has_the_fields_of_the_reference():
    """The names of API reference table 5-27 and of newer pages, none missing."""
    names = {
        "bandwidth_policy", "complete_size", "description", "dst_node", "enable_failed_object_recording", "enable_kms",
        "enable_metadata_migration", "enable_restore", "error_reason", "failed_num", "failed_object_record", "group_id",
        "id", "is_query_over", "left_time", "migrate_since", "migrate_speed", "name", "progress", "real_size",
        "skipped_num", "src_node", "start_time", "status", "successful_num", "task_type", "group_type", "total_num",
        "total_size", "total_time", "smn_info", "source_cdn", "success_record_error_reason",
        "skip_record_error_reason", "object_overwrite_mode", "dst_storage_policy", "consistency_check",
        "enable_requester_pays", "task_priority", "obs_system",
    }  # fmt: skip
    body = task_response(Result(TaskState.SUCCEEDED, Counters(), 1.0), PLAN)
    assert set(body) == names | {"openoms"}


@given(RESULTS)
def test_the_balance_is_printed_for_any_result(result):
    """Every count and every reason of the result stands in the text."""
    text = "\n".join(balance_lines(result, PLAN))
    for count in (result.counters.listed, result.counters.migrated, result.counters.skipped, result.counters.failed):
        assert f"{count:,}" in text
    assert all(reason in text for reason in result.reasons)


def test_lists_and_the_next_step_are_named():
    """Where the lists lie, that one could not be written, and how to retry."""
    result = Result(
        TaskState.FAILED,
        Counters(listed=3, migrated=2, failed=1),
        2.0,
        records={"success": "oms/task/x/success_object_lists/"},
        record_errors={"failed": "OMS.0307"},
        error_code="TRF.0062",
    )
    text = "\n".join(balance_lines(result, PLAN))
    assert "obs://dst/oms/task/x/success_object_lists/" in text
    assert "OMS.0307" in text
    assert "--retry-failed" in text
    assert "--restore" not in text


def test_archived_objects_that_failed_bring_the_option_that_moves_them():
    """Retrying alone would fail the same way."""
    reasons = {"failed: MIGRATE_SRC_ARCHIVE_OBJ_FAILURE": 1}
    result = Result(TaskState.FAILED, Counters(listed=1, failed=1), 2.0, reasons=reasons, error_code="TRF.0062")
    assert "with --restore." in "\n".join(balance_lines(result, PLAN))


def test_a_broken_balance_is_never_passed_over():
    """Counters that do not add up are said aloud."""
    result = Result(TaskState.SUCCEEDED, Counters(listed=3, migrated=1), 1.0)
    assert "DOES NOT HOLD" in "\n".join(balance_lines(result, PLAN))


@given(
    st.builds(
        Progress,
        state=st.just(TaskState.RUNNING),
        counters=counters(),
        listing_done=st.booleans(),
        transferred_bytes=COUNT,
        bytes_per_second=st.floats(0, 1e12),
        objects_per_second=st.floats(0, 1e9),
        seconds=st.floats(0, 1e9),
    )
)
def test_progress_is_one_line_and_time_left_is_said_only_when_it_can_be_known(progress):
    """No estimate before the listing is done or while nothing moves; never a negative one."""
    assert "\n" not in progress_line(progress, PLAN.spec)
    left = seconds_left(progress)
    if not progress.listing_done or not (progress.bytes_per_second or progress.objects_per_second):
        assert left is None
    assert left is None or left >= 0


@pytest.mark.parametrize(
    ("aborted", "told"), [(0, "0 uploads in flight were"), (1, "1 upload in flight was"), (2, "2 uploads")]
)
def test_a_discard_counts_its_uploads(aborted, told):
    """One is one."""
    [line] = discarded_lines(Discarded(Path("x.sqlite"), found=True, aborted=aborted))
    assert told in line
