"""Groups: bodies, what is told of one, which keys a start needs, what an empty part means; the pure parts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError
from oms_engine.model import Secret, TaskType
from oms_engine.task import Counters, KeyRange, ListSlice, MigrationSpec, Result, Scope, TaskState
from oms_worker.db.groups import GroupCounters, GroupRow
from oms_worker.host_process import end_of_part
from oms_worker.shapes.base import judge
from oms_worker.shapes.create import check_create
from oms_worker.shapes.credentials import Keys, check_secrets, secrets_of
from oms_worker.shapes.group import CREATE_EXAMPLE, CreateGroup, GroupShape, group_response, stored_part
from oms_worker.shapes.task import CreateTask

ROW = GroupRow("g", "p", 6, stored_part(judge(CreateGroup, CREATE_EXAMPLE)), 100.0, started_at=110.0, ended_at=130.5)
FOUR = ("src_node.ak", "src_node.sk", "dst_node.ak", "dst_node.sk")


def refusal(call):
    """Return the code with which a body is refused."""
    with pytest.raises(ConfigError) as refused:
        call()
    return refused.value.code


@pytest.mark.parametrize(("change", "code"), [
    ({"task_type": "object"}, "OMS.1003"), ({"task_type": "LIST"}, "OMS.1004"), ({"task_type": "URL_LIST"}, "OMS.0057"),
    ({"task_priority": "HIGH"}, "OMS.0074"), ({"object_overwrite_mode": "CRC64_COMPARISON_OVERWRITE"}, "OMS.1003"),
    ({"consistency_check": "no_check"}, "OMS.1003"), ({"dst_node": {**CREATE_EXAMPLE["dst_node"], "cloud_type": "Azure"}}, "OMS.0058"),
    ({"src_node": {**CREATE_EXAMPLE["src_node"], "object_key": []}}, "OMS.1004"),
    ({"src_node": {**CREATE_EXAMPLE["src_node"], "crypto_type": "KMS"}}, "OMS.0057"),
])  # fmt: skip
def test_bodies_that_do_not_fit_together_are_refused(change, code):
    """Each with OMS's code; single objects and a priority are for tasks alone."""
    assert refusal(lambda: check_create(judge(CreateGroup, {**CREATE_EXAMPLE, **change}))) == code


def test_groups_and_tasks_have_the_same_fields_but_for_the_priority():
    """One base states what both take, so that neither can come to differ unseen."""
    assert set(CreateTask.model_fields) - set(CreateGroup.model_fields) == {"task_priority"}
    assert set(CreateGroup.model_fields) <= set(CreateTask.model_fields)


def test_what_is_stored_has_no_secret():
    """A group's request is in its sub-tasks' spelling, and its keys stand apart."""
    body = judge(CreateGroup, {**CREATE_EXAMPLE, "dst_node": {**CREATE_EXAMPLE["dst_node"], "cloud_type": "HEC"}})
    stored = stored_part(body)
    assert (stored["task_type"], stored["dst_node"]) == ("prefix", {"region": "cn-north-4", "bucket": "photos-copy"})
    assert set(secrets_of(body)) == set(FOUR)
    assert not [value for value in secrets_of(body).values() if value.reveal() in repr(stored)]


@given(st.sets(st.sampled_from([*FOUR, "src_node.json_auth_file", "src_node.connection_string"])),
       st.sampled_from(["AWS", "Google", "Azure", "URLSource"]))  # fmt: skip
def test_a_start_needs_the_keys_of_its_clouds(given_, cloud):
    """The destination's two always; the source's two, unless one text opens it or it is the web."""
    alone = {"Google": "src_node.json_auth_file", "Azure": "src_node.connection_string"}.get(cloud)
    source_opens = cloud == "URLSource" or alone in given_ or {"src_node.ak", "src_node.sk"} <= given_
    enough = source_opens and {"dst_node.ak", "dst_node.sk"} <= given_
    secrets = {name: Secret("x") for name in given_}
    request = {"src_node": {"cloud_type": cloud}}
    if enough:
        check_secrets(secrets, request)
    else:
        assert refusal(lambda: check_secrets(secrets, request)) == "OMS.1004"


def test_an_empty_key_is_none():
    """An empty text opens nothing: it is left out of what is sealed."""
    assert judge(Keys, {"src_ak": "", "dst_ak": "x"}).secrets() == {"dst_node.ak": Secret("x")}


def test_a_group_is_told_with_its_sums():
    """Numbers of objects, bytes and tasks are those of the sums; cloud and kind are in upper case, times in ms."""
    sums = GroupCounters(
        tasks=6, total_num=9, successful_num=5, failed_num=1, skipped_num=3, total_size=90, complete_size=80,
        waiting_tasks=1, running_tasks=2, paused_tasks=0, failed_tasks=1, succeeded_tasks=2, migrate_speed=7,
    )  # fmt: skip
    told = group_response(ROW, sums, 200.0)
    GroupShape.model_validate(told)
    assert (told["total_num"], told["success_num"], told["fail_num"], told["skip_num"]) == (9, 5, 1, 3)
    assert (told["total_size"], told["complete_size"], told["migrate_speed"]) == (90, 80, 7)
    names = ("total", "create", "waiting", "executing", "paused", "failed", "complete")
    assert [told[f"{name}_task_num"] for name in names] == [6, 6, 1, 2, 0, 1, 2]
    assert (told["start_time"], told["total_time"]) == (110_000, 20_500)
    assert (told["src_node"]["cloud_type"], told["task_type"]) == ("AWS", "PREFIX")
    assert told["failed_object_record"]["list_file_key"] == "oms/task_group/g/failed_object_lists/"


RANGES = Scope(TaskType.PREFIX, ranges=(KeyRange("", "a", "b"),))
SLICE = Scope(TaskType.LIST, ("",), list_key="l.txt", list_slice=ListSlice(1, 0, 9))


@pytest.mark.parametrize(("scope", "complete", "code", "state"), [
    (RANGES, True, "TRF.0012", TaskState.SUCCEEDED), (SLICE, True, "TRF.0012", TaskState.SUCCEEDED),
    (Scope(TaskType.PREFIX, ("a",)), True, "TRF.0012", TaskState.FAILED), (RANGES, False, "TRF.0012", TaskState.FAILED),
    (RANGES, True, "TRF.0062", TaskState.FAILED),
])  # fmt: skip
def test_an_empty_part_has_succeeded_and_an_empty_task_has_not(scope, complete, code, state):
    """Only a part of a group, at its complete end, may have met no object; every other failure stays one."""
    end = Result(TaskState.FAILED, Counters(), 1.0, complete=complete, error_code=code, error_message="why")
    found = end_of_part(MigrationSpec("s3://a", "obs://b", scope=scope), end)
    assert (found.state, found.error_code) == (state, None if state is TaskState.SUCCEEDED else code)
    assert found.counters == end.counters
