"""What notifications say: thirteen variables, templates and plain texts in two languages; which topics are taken."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.errors import ConfigError
from oms_worker import messages
from oms_worker.db.tasks import TaskRow
from oms_worker.messages import VARIABLES, human, render, variables_of_task
from oms_worker.notify import check_topic, topic_name
from oms_worker.states import Task

NOW = 1_790_000_000.0
VALUES = {name: f"value of {name}" for name in VARIABLES}
SMN = {"topic_urn": "urn:smn:local:p:ops", "trigger_conditions": ["SUCCESS"]}


def ended(**fields):
    """A task that has ended."""
    request = {
        "src_node": {"bucket": "from", "list_file": {"obs_bucket": "lists", "list_file_key": "l.txt"}},
        "dst_node": {"bucket": "to"},
    }
    records = {name: f"oms/task/t/{name}_object_lists/" for name in ("success", "skip", "failed")}
    words = {"id": 1, "project_id": "p", "name": "t", "request": request, "created_at": NOW, "queued_at": NOW}
    return TaskRow(**words, started_at=NOW, spent_ms=3_723_000, real_size=5 << 20, records=records, **fields)


@pytest.mark.parametrize(
    ("status", "language", "word"),
    [
        (Task.SUCCEEDED, "en-us", "Succeeded"),
        (Task.FAILED, "en-us", "Failed"),
        (Task.SUCCEEDED, "zh-cn", "成功"),
        (Task.FAILED, "zh-cn", "失败"),
    ],
)
def test_the_thirteen_variables(status, language, word):
    """All thirteen, in the language asked for; times in the service's zone, sizes and speeds for people."""
    found = variables_of_task(ended(status=int(status)), NOW, language, "Asia/Shanghai")
    assert set(found) == set(VARIABLES)
    assert len(VARIABLES) == 13
    assert found == {
        "Task_Status": word,
        "Task_Name": "t",
        "Start_Time": found["Start_Time"],
        "Total_Time_Used": "01:02:03",
        "Transferred_Data": "5.0 MiB",
        "Average_Speed": "1.4 KiB/s",
        "Source_Bucket": "from",
        "Destination_Bucket": "to",
        "List_File_Bucket": "lists",
        "List_File_Key": "l.txt",
        "Success_object_list_path": "oms/task/t/success_object_lists/",
        "Skip_object_list_path": "oms/task/t/skip_object_lists/",
        "Failed_object_list_path": "oms/task/t/failed_object_lists/",
    }
    assert "22:13:20" in found["Start_Time"]  # 14:13:20 UTC


@pytest.mark.parametrize("language", ["en-us", "zh-cn"])
def test_the_plain_text_names_every_variable_that_is_set(language):
    """One line per variable with its label in the language; those without a value have none."""
    subject, text = render({**VALUES, "List_File_Key": ""}, language)
    lines = text.splitlines()
    assert len(lines) == 12
    assert [line.split(": ", 1)[1] for line in lines] == [VALUES[name] for name in VARIABLES if name != "List_File_Key"]
    assert VALUES["Task_Name"] in subject
    chinese = [label for line in lines if not (label := line.split(": ", 1)[0]).isascii()]
    assert len(chinese) == (12 if language == "zh-cn" else 0)


@given(st.lists(st.one_of(st.sampled_from([f"{{{name}}}" for name in VARIABLES]), st.text()), max_size=8))
def test_a_template_fills_in_variables_and_nothing_else(parts):
    """Every variable is replaced once by its value; all other text, braces included, stays as it is."""
    known = {f"{{{name}}}": VALUES[name] for name in VARIABLES}
    if any(part not in known and ("{" in part or "}" in part) for part in parts):
        return  # a brace of ours beside a brace of theirs may make a name
    _, text = render(VALUES, "en-us", "".join(parts))
    assert text == "".join(known.get(part, part) for part in parts)


def test_values_are_not_templates():
    """A value that looks like a variable is told as it is: nothing is filled in twice."""
    _, text = render({**VALUES, "Task_Name": "{Source_Bucket}"}, "en-us", "{Task_Name} {nothing} {0} {{")
    assert text == "{Source_Bucket} {nothing} {0} {{"


def test_a_template_of_one_language_serves_for_the_other():
    """A template is taken in the language asked for, else in the one it has."""
    both = {"zh-cn": "甲 {Task_Name}", "en-us": "A {Task_Name}"}
    assert render(VALUES, "zh-cn", both)[1].startswith("甲")
    assert render(VALUES, "en-us", both)[1].startswith("A")
    assert render(VALUES, "en-us", {"zh-cn": "甲"})[1] == "甲"


@given(st.integers(0, 1 << 60))
def test_sizes_for_people_are_near_the_truth(size):
    """What is written for people is within a twentieth of the number."""
    value, unit = human(size).split(" ")
    assert float(value) * 1024 ** messages._UNITS.index(unit) == pytest.approx(size, rel=0.05)


def test_topics_name_channels_of_this_service():
    """The last part of a URN is the channel; unknown ones, other regions and unknown templates are refused."""
    assert topic_name("urn:smn:eu-1:p:ops") == "ops"
    service = SimpleNamespace(channels={"ops": object()}, region="eu-1", templates={"short": "x"})
    check_topic(service, None)
    check_topic(service, {**SMN, "topic_urn": "urn:smn:eu-1:p:ops", "message_template_name": "short"})
    for words, code in (
        ({"topic_urn": "urn:smn:eu-1:p:nobody"}, "OMS.0169"),
        ({"topic_urn": "urn:smn:eu-2:p:ops"}, "OMS.0168"),
        ({"topic_urn": "urn:smn:eu-1:p:ops", "message_template_name": "long"}, "OMS.1003"),
    ):
        with pytest.raises(ConfigError) as refused:
            check_topic(service, {**SMN, **words})
        assert refused.value.code == code
