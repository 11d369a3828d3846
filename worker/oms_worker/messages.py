"""What a notification says: the thirteen variables of OMS's templates, and the plain texts in both languages. Pure.

Names: ``smn_config`` of https://support.huaweicloud.com/intl/en-us/api-oms/CreateTask.html. A template is a text with
variables in braces, as SMN has them (https://support.huaweicloud.com/intl/en-us/usermanual-smn/smn_ug_0018.html);
braces around anything else stand for themselves.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from oms_engine.records import render_time
from oms_worker.db.groups import GroupCounters, GroupRow
from oms_worker.db.tasks import TaskRow
from oms_worker.states import Group, Task

VARIABLES: Final = (
    "Task_Status", "Task_Name", "Start_Time", "Total_Time_Used", "Transferred_Data", "Average_Speed", "Source_Bucket",
    "Destination_Bucket", "List_File_Bucket", "List_File_Key", "Success_object_list_path", "Skip_object_list_path",
    "Failed_object_list_path",
)  # fmt: skip

_SUCCEEDED: Final = {"en-us": "Succeeded", "zh-cn": "成功"}
_FAILED: Final = {"en-us": "Failed", "zh-cn": "失败"}
_SUBJECT: Final = {
    "en-us": "Migration {Task_Status}: {Task_Name}",
    "zh-cn": "迁移{Task_Status}: {Task_Name}",
}
_LABELS: Final = {
    "en-us": (
        "Task status", "Task name", "Start time", "Total time used", "Transferred data", "Average speed",
        "Source bucket", "Destination bucket", "List file bucket", "List file", "List of migrated objects",
        "List of skipped objects", "List of failed objects",
    ),
    "zh-cn": (
        "任务状态", "任务名称", "开始时间", "总耗时", "迁移数据量", "平均速度", "源桶", "目的桶", "列表文件桶",
        "列表文件", "成功对象列表路径", "跳过对象列表路径", "失败对象列表路径",
    ),
}  # fmt: skip
_UNITS: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
_PLACE = re.compile(r"\{(\w+)\}")


def variables_of_task(task: TaskRow, now: float, language: str, zone: str) -> dict[str, str]:
    """Return the variables of a task that has ended."""
    total = task.total_time_ms(now)
    return {
        **_common(task.request, task.status == Task.SUCCEEDED, language),
        "Task_Name": task.name,
        **_figures(task.started_at, total, task.real_size, zone),
        **_paths(dict(task.records or {})),
    }


def variables_of_group(group: GroupRow, sums: GroupCounters, now: float, language: str, zone: str) -> dict[str, str]:
    """Return the variables of a group that has ended; its name is its id."""
    ended = group.ended_at if group.ended_at is not None else now
    total = 0 if group.started_at is None else max(0, round((ended - group.started_at) * 1000))
    counts = {"success": sums.successful_num, "skip": sums.skipped_num, "failed": sums.failed_num}
    root = f"oms/task_group/{group.id}"
    return {
        **_common(group.request, group.status == Group.COMPLETED, language),
        "Task_Name": group.id,
        **_figures(group.started_at, total, sums.real_size, zone),
        **_paths({word: f"{root}/{word}_object_lists/" for word, count in counts.items() if count}),
    }


def _common(request: Mapping[str, Any], succeeded: bool, language: str) -> dict[str, str]:
    lists = request["src_node"].get("list_file") or {}
    return {
        "Task_Status": (_SUCCEEDED if succeeded else _FAILED)[language],
        "Source_Bucket": request["src_node"].get("bucket") or "",
        "Destination_Bucket": request["dst_node"].get("bucket") or "",
        "List_File_Bucket": lists.get("obs_bucket", ""),
        "List_File_Key": lists.get("list_file_key", ""),
    }


def _figures(started_at: float | None, total_ms: int, moved: int, zone: str) -> dict[str, str]:
    seconds = total_ms // 1000
    return {
        "Start_Time": "" if started_at is None else render_time(started_at, zone),
        "Total_Time_Used": f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}",
        "Transferred_Data": human(moved),
        "Average_Speed": f"{human(moved * 1000 // total_ms if total_ms else 0)}/s",
    }


def _paths(folders: Mapping[str, str]) -> dict[str, str]:
    return {
        "Success_object_list_path": folders.get("success", ""),
        "Skip_object_list_path": folders.get("skip", ""),
        "Failed_object_list_path": folders.get("failed", ""),
    }


def human(size: int) -> str:
    """Write a number of bytes for people: ``1.5 MiB``."""
    value, unit = float(size), 0
    while value >= 1024 and unit < len(_UNITS) - 1:
        value, unit = value / 1024, unit + 1
    return f"{size} B" if unit == 0 else f"{value:.1f} {_UNITS[unit]}"


def render(
    variables: Mapping[str, str], language: str, template: str | Mapping[Any, str] | None = None
) -> tuple[str, str]:
    """Return subject and text; without a template the plain text of the language: a line per variable that is set."""
    subject = _filled(_SUBJECT[language], variables)
    if isinstance(template, Mapping):
        template = template.get(language) or next(iter(template.values()), None)
    if template is not None:
        return subject, _filled(template, variables)
    labels = zip(_LABELS[language], VARIABLES, strict=True)
    return subject, "\n".join(f"{label}: {variables[name]}" for label, name in labels if variables.get(name)) + "\n"


def _filled(text: str, variables: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: variables[found[1]] if found[1] in VARIABLES else found[0], text)
