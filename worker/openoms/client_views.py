"""What lists and ``show`` tell of tasks, groups and sync tasks: rows and fields, made from the service's JSON. Pure.

https://support.huaweicloud.com/intl/en-us/api-oms/ShowTask.html and its neighbours say what each field means.
"""

from __future__ import annotations

from collections.abc import Mapping

from openoms.client_looks import (
    Look,
    Told,
    group_look,
    items_of,
    look_line,
    number,
    objects_of,
    part,
    place,
    route,
    sizes_of,
    state_cell,
    sync_look,
    task_look,
    why,
    word,
)
from openoms.client_tables import Cell, Column, Row, render_instant, render_percent
from openoms.units import render_bytes, render_count, render_duration, render_rate

Fields = list[tuple[str, Cell | str]]

_PROGRESS = (
    Column("state"), Column("done", right=True), Column("objects", right=True), Column("failed", right=True),
    Column("size", right=True), Column("speed", right=True),
)  # fmt: skip

TASK_COLUMNS = (
    Column("id"), *_PROGRESS, Column("left", right=True), Column("from"), Column("to"),
)  # fmt: skip
GROUP_COLUMNS = (Column("id"), *_PROGRESS, Column("from"), Column("to"))
SYNC_COLUMNS = (
    Column("id"), Column("state"), Column("last start"), Column("from"), Column("to"),
)  # fmt: skip


def task_row(told: Told) -> Row:
    """Return a task's line of a list."""
    look = task_look(told)
    left = render_duration(look.seconds_left) if look.seconds_left is not None else ""
    return [word(told, "id"), *_progress(look), left, *route(told)]


def group_row(told: Told) -> Row:
    """Return a task group's line of a list."""
    return [word(told, "group_id"), *_progress(group_look(told)), *route(told)]


def sync_row(told: Told) -> Row:
    """Return a sync task's line of a list."""
    return [
        word(told, "sync_task_id"),
        state_cell(sync_look(told).state),
        render_instant(number(told, "last_start_time")),
        place(word(told, "src_cloud_type"), word(told, "src_bucket")),
        place("HuaweiCloud", word(told, "dst_bucket")),
    ]


def _progress(look: Look) -> list[Cell | str]:
    return [
        state_cell(look.state),
        "" if look.fraction is None else render_percent(look.fraction),
        f"{render_count(look.done)}/{render_count(look.total)}{'' if look.listed else '+'}",
        Cell(render_count(look.failed), "red" if look.failed else ""),
        render_bytes(look.total_size),
        render_rate(look.speed) if look.speed else "",
    ]


def task_fields(told: Told) -> Fields:
    """Return everything of a task that a person asks for."""
    look = task_look(told)
    return [
        ("id", word(told, "id")),
        ("name", word(told, "name")),
        *_state(look),
        *_places(told),
        ("group", word(told, "group_id")),
        ("priority", word(told, "task_priority").lower()),
        *_course(told, look),
        *_rules(told),
        *_lists(told),
        ("notification", _notification(part(told, "smn_info"))),
        ("description", word(told, "description")),
    ]


def group_fields(told: Told) -> Fields:
    """Return everything of a task group that a person asks for."""
    look = group_look(told)
    return [
        ("id", word(told, "group_id")),
        *_state(look),
        *_places(told),
        *_course(told, look),
        *_rules(told),
        *_lists(told),
        ("notification", _notification(part(told, "smn_config"))),
        ("description", word(told, "description")),
    ]


def sync_fields(told: Told) -> Fields:
    """Return everything of a sync task that a person asks for."""
    look = sync_look(told)
    return [
        ("id", word(told, "sync_task_id")),
        ("state", state_cell(look.state)),
        ("from", place(word(told, "src_cloud_type"), word(told, "src_bucket"))),
        ("to", place("HuaweiCloud", word(told, "dst_bucket"))),
        ("regions", f"{word(told, 'src_region')} to {word(told, 'dst_region')}"),
        ("created", render_instant(number(told, "create_time"))),
        ("last start", render_instant(number(told, "last_start_time"))),
        ("this month", f"{objects_of(look)}, {sizes_of(look)}"),
        *_rules(told),
        ("description", word(told, "description")),
    ]  # fmt: skip


def _state(look: Look) -> Fields:
    line = look_line(look)
    told: Fields = [("state", state_cell(look.state)), ("progress", line)]
    if look.error_code:
        told.append(("reason", Cell(f"{look.error_code}: {why(look)}", "red")))
    return told


def _places(told: Told) -> Fields:
    begin, end = route(told)
    source, destination = part(told, "src_node"), part(told, "dst_node")
    listing = part(source, "list_file")
    keys = source.get("object_key")
    chosen = keys if isinstance(keys, list) else []
    told_keys = ", ".join("everything" if key == "" else str(key) for key in chosen[:MOST_KEYS])
    more = f", and {len(chosen) - MOST_KEYS} more" if len(chosen) > MOST_KEYS else ""
    return [
        ("from", begin),
        ("to", end),
        ("regions", f"{word(source, 'region')} to {word(destination, 'region')}"),
        ("type", word(told, "task_type").lower()),
        ("objects", told_keys + more if chosen else place("HuaweiCloud", word(listing, "obs_bucket"),
                                                          word(listing, "list_file_key")) if listing else ""),
    ]  # fmt: skip


MOST_KEYS = 5
"""Keys or prefixes that are named; a task may have 500."""


def _course(told: Told, look: Look) -> Fields:
    return [("started", render_instant(number(told, "start_time"))), ("took", render_duration(look.seconds))]


def _rules(told: Told) -> Fields:
    flags = {
        "metadata": "enable_metadata_migration",
        "restore": "enable_restore",
        "kms": "enable_kms",
        "requester pays": "enable_requester_pays",
    }
    cdn = part(told, "source_cdn")
    since = number(told, "migrate_since")
    return [
        ("overwrite", word(told, "object_overwrite_mode")),
        ("check", word(told, "consistency_check")),
        ("storage class", word(told, "dst_storage_policy")),
        ("also", ", ".join(name for name, field in flags.items() if told.get(field))),
        *([("since", render_instant(since * 1000))] if since else []),
        *([("cdn", f"{word(cdn, 'protocol').lower()}://{word(cdn, 'domain')}")] if cdn else []),
        *_bandwidth(told),
    ]


def _bandwidth(told: Told) -> Fields:
    rules = told.get("bandwidth_policy")
    if not isinstance(rules, list):
        return []
    windows = [f"{word(rule, 'start')}-{word(rule, 'end')} {render_rate(number(rule, 'max_bandwidth'))}"
               for rule in rules if isinstance(rule, Mapping)]  # fmt: skip
    return [("bandwidth", ", ".join(windows) or "unlimited")]


def _lists(told: Told) -> Fields:
    record = part(told, "failed_object_record")
    if record.get("error_code"):
        return [("failed list", f"could not be written ({record['error_code']})")]
    folder = word(record, "list_file_key")
    node = part(told, "dst_node")
    cloud = word(node, "cloud_type") or "HuaweiCloud"
    return [("failed list", place(cloud, word(node, "bucket"), folder))] if folder else []


def _notification(told: Told) -> str:
    if not told or told.get("notify_result") is None:
        return ""
    return "sent" if told["notify_result"] else f"not sent: {word(told, 'notify_error_message')}"


STATISTICS = {
    "REQUEST": "requested", "SUCCESS": "migrated", "SKIP": "skipped", "FAILURE": "failed", "SIZE": "size",
}  # fmt: skip
"""``data_type`` -> its column: https://support.huaweicloud.com/intl/en-us/api-oms/ListSyncTaskStatistic.html"""


def statistics_table(told: Told) -> tuple[list[Column], list[Row]]:
    """Return the statistics of a sync task with a row for each interval in which something happened."""
    series = {word(one, "data_type"): _points(one) for one in items_of(told, "statistic_datas")}
    names = [name for name in STATISTICS if name in series]
    instants = sorted({at for points in series.values() for at in points})
    columns = [Column("interval from"), *(Column(STATISTICS[name], right=True) for name in names)]
    rows: list[Row] = [
        [render_instant(at), *(_value(name, series[name].get(at, 0)) for name in names)] for at in instants
    ]
    return columns, rows


def _points(series: Told) -> dict[int, int]:
    return {number(point, "time_stamp"): number(point, "statistic_num") for point in items_of(series, "data")}


def _value(name: str, value: int) -> str:
    return render_bytes(value) if name == "SIZE" else render_count(value)
