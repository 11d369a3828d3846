"""What the client reads from the service's JSON: states in words, balance, time left, exit code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_worker.shapes.group import GroupShape
from oms_worker.shapes.sync import SyncDetailShape
from oms_worker.shapes.task_response import TaskShape
from oms_worker.states import Group, Sync, Task
from openoms.client_looks import (
    GROUP_WORDS,
    STYLES,
    SYNC_WORDS,
    TASK_WORDS,
    group_look,
    look_line,
    place,
    sync_look,
    task_look,
)
from openoms.client_views import (
    GROUP_COLUMNS,
    SYNC_COLUMNS,
    TASK_COLUMNS,
    group_fields,
    group_row,
    statistics_table,
    sync_fields,
    sync_row,
    task_fields,
    task_row,
)
from openoms.report import ExitCode

ODD = [
    None,
    True,
    float("nan"),
    float("inf"),
    -1,
    0,
    7,
    2.5,
    10**18,
    "",
    "7",
    "\x1b[2J",
    [],
    [None, {"a": 1}],
    {},
    {"bucket": 3, "cloud_type": None},
]
JSON = st.sampled_from(ODD) | st.dictionaries(st.sampled_from(["data", "data_type", "x"]), st.sampled_from(ODD))

TOLD = [
    (TaskShape, task_look, task_row, task_fields, TASK_COLUMNS),
    (GroupShape, group_look, group_row, group_fields, GROUP_COLUMNS),
    (SyncDetailShape, sync_look, sync_row, sync_fields, SYNC_COLUMNS),
]


@pytest.mark.parametrize(("shape", "look", "row", "fields", "columns"), TOLD)
@given(st.data())
def test_a_service_that_tells_otherwise_is_no_error(shape, look, row, fields, columns, data):
    """Missing fields, other types, unknown states: a row as wide as the table, fields, a line; never an error."""
    told = data.draw(st.dictionaries(st.sampled_from(list(shape.model_fields)), st.sampled_from(ODD)))
    assert len(row(told)) == len(columns)
    assert fields(told)[0][0] == "id"
    assert look_line(look(told)).startswith(look(told).state)


@given(st.lists(JSON, max_size=3) | JSON)
def test_statistics_of_any_form_are_a_table(series):
    """Every row is as wide as the columns."""
    columns, rows = statistics_table({"statistic_datas": series})
    assert all(len(row) == len(columns) for row in rows)


def test_every_state_has_a_word_and_moving_ones_a_colour():
    """The tables of states and of words are of one mind."""
    assert set(TASK_WORDS) == {*map(int, Task), 6}
    assert set(GROUP_WORDS) == set(map(int, Group))
    assert set(SYNC_WORDS) == {state.value for state in Sync}
    words = {*TASK_WORDS.values(), *GROUP_WORDS.values(), *SYNC_WORDS.values()}
    assert words - set(STYLES) == {"waiting", "to delete", "deleting"}


ENDS = [
    (task_look, {"status": 5}, ExitCode.DONE),
    (task_look, {"status": 5, "failed_num": 1}, ExitCode.OBJECTS_FAILED),
    (task_look, {"status": 4, "failed_num": 1, "error_reason": {"error_code": "TRF.0062"}}, ExitCode.OBJECTS_FAILED),
    (task_look, {"status": 4, "failed_num": 1, "error_reason": {"error_code": "TRF.0051"}}, ExitCode.TASK_FAILED),
    (task_look, {"status": 4, "failed_num": 0, "error_reason": {"error_code": "TRF.0012"}}, ExitCode.TASK_FAILED),
    (task_look, {"status": 3, "failed_num": 1}, ExitCode.INTERRUPTED),
    (group_look, {"status": 6}, ExitCode.DONE),
    (group_look, {"status": 6, "fail_num": 2}, ExitCode.OBJECTS_FAILED),
    (group_look, {"status": 5, "fail_num": 2, "error_reason": {"error_code": "TRF.0062"}}, ExitCode.OBJECTS_FAILED),
    (group_look, {"status": 4, "error_reason": {"error_code": "TRF.0012"}}, ExitCode.TASK_FAILED),
    (group_look, {"status": 3}, ExitCode.INTERRUPTED),
    (sync_look, {"status": "STOPPED", "monthly_failure_object": 3}, ExitCode.DONE),
]


@pytest.mark.parametrize(("read", "json", "code"), ENDS)
def test_ends_and_their_exit_codes(read, json, code):
    """As ``openoms migrate`` ends."""
    look = read(json)
    assert (look.ended, look.exit_code) == (True, code)


@pytest.mark.parametrize("status", [1, 2, 6, 7, 8])
def test_a_task_that_moves_has_not_ended(status):
    """Nor has one in a state that only a later service knows."""
    assert not task_look({"status": status}).ended


def test_a_running_task_as_a_line():
    """State, percent, balance, bytes, rate and time left, in the units of people."""
    task = {
        "id": 7, "status": 2, "progress": 0.429, "is_query_over": False, "total_num": 3000, "successful_num": 1200,
        "skipped_num": 30, "failed_num": 4, "total_size": 3 * 1024**3, "complete_size": 1288490189,
        "migrate_speed": 12897485, "left_time": 130_000, "total_time": 61_000,
    }  # fmt: skip
    assert look_line(task_look(task)) == (
        "migrating 42 %, 3,000+ objects: migrated 1,200 skipped 30 failed 4, 1.20 GiB of 3.00 GiB, 12.3 MiB/s, "
        "2 min 10 s left"
    )
    ended = look_line(task_look({**task, "status": 5, "progress": 1, "is_query_over": True}))
    assert ended.startswith("succeeded 100 %, 3,000 objects: ")
    assert ended.endswith(", in 1 min 01 s")


def test_the_time_left_of_a_group_needs_all_its_tasks():
    """While tasks are still being made the sum is not known, and nothing is foretold."""
    group = {"status": 2, "total_size": 100, "complete_size": 50, "migrate_speed": 10, "total_num": 2, "success_num": 1}
    assert group_look(group).seconds_left == 5
    assert group_look({**group, "status": 1}).seconds_left is None
    assert group_look({**group, "status": 6}).seconds_left is None
    assert group_look(group).fraction == 0.5


@pytest.mark.parametrize(
    ("cloud", "name"),
    [("AWS", "s3://b"), ("TENCENT", "cos://b"), ("HuaweiCloud", "obs://b"), ("URLSource", "urlsource://b")],
)
def test_places_are_named_as_on_the_command_line(cloud, name):
    """In any case of letters, as groups shout."""
    assert place(cloud, "b") == name
