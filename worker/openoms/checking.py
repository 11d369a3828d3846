"""``openoms check``: runs the comparison and prints its marks."""

from __future__ import annotations

import json
from typing import Any

from oms_engine.compare import CheckSummary, Compared, Mark, Side, compare
from oms_engine.frozen import dataclass
from openoms.plan import MigrateOptions, build_run, side_options
from openoms.settings import Settings
from openoms.settings import Side as SettledSide
from openoms.terminal import say
from openoms.units import render_count
from openoms.urls import parse_url

LEGEND = {
    Mark.SAME: "equal",
    Mark.ONLY_SOURCE: "missing at the destination",
    Mark.ONLY_DESTINATION: "missing at the source",
    Mark.DIFFERENT: "different",
    Mark.ERROR: "could not be compared",
}


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to compare and how to say it."""

    source: str
    destination: str
    attributes: bool = False
    one_way: bool = False
    show_all: bool = False
    as_json: bool = False
    quiet: bool = False


def run_check(request: CheckRequest, settings: Settings, options: MigrateOptions) -> int:
    """Compare two places and print the differences.

    Returns: 0 when nothing differs, else 1.

    Raises:
        ConfigError: the arguments. StoreError: a bucket cannot be listed.
    """
    import uvloop  # noqa: PLC0415

    source = settings.side("source", parse_url(request.source), side_options("source", options))
    destination = settings.side("destination", parse_url(request.destination), side_options("destination", options))
    summary = uvloop.run(_check(request, settings, options, source, destination))
    if request.as_json:
        say(json.dumps(summary_json(summary, request)))
    elif not request.quiet:
        say("\n".join(summary_lines(summary, request)))
    return 0 if summary.equal else 1


async def _check(
    request: CheckRequest, settings: Settings, options: MigrateOptions, source: SettledSide, destination: SettledSide
) -> CheckSummary:
    from oms_adapters.registry import open_store  # noqa: PLC0415
    from oms_engine.wire import Wire  # noqa: PLC0415
    from openoms.compose import store_config, wire_settings  # noqa: PLC0415

    run = build_run(settings, options)
    ours = open_store(store_config(source, requester_pays=options.get("requester_pays", False)))
    theirs = open_store(store_config(destination))
    summary = CheckSummary()
    async with Wire(wire_settings(run, [source, destination], settings.proxies())) as wire:
        async for compared in compare(
            wire,
            Side(ours, source.url.prefix),
            Side(theirs, destination.url.prefix + options.get("save_prefix", "")),
            summary,
            attributes=request.attributes,
            one_way=request.one_way,
        ):
            if not request.as_json and not request.quiet and (compared.mark is not Mark.SAME or request.show_all):
                say(render_compared(compared))
    return summary


def render_compared(compared: Compared) -> str:
    """Return ``* key  (differences)`` as one line: control characters of the key are shown as escapes."""
    key = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in compared.key)
    why = f"  ({'; '.join(compared.differences)})" if compared.mark in {Mark.DIFFERENT, Mark.ERROR} else ""
    return f"{compared.mark.value} {key}{why}"


def summary_lines(summary: CheckSummary, request: CheckRequest) -> list[str]:
    """Return the legend with its counts, and what equality rests on."""
    lines = [f"{mark.value} {render_count(summary.marks[mark]):>10}  {text}" for mark, text in LEGEND.items()]
    methods = ", ".join(
        f"{render_count(count)} by {method.value}" for method, count in summary.methods.items() if count
    )
    if methods:
        lines.append(f"compared: {methods}{' and attributes' if request.attributes else ''}")
    if summary.records:
        lines.append(f"left out: {render_count(summary.records)} objects of the destination's record folder oms/task/")
    return lines


def summary_json(summary: CheckSummary, request: CheckRequest) -> dict[str, Any]:
    """Return the summary as one JSON object."""
    names = {Mark.SAME: "equal", Mark.ONLY_SOURCE: "missing_at_destination", Mark.ONLY_DESTINATION: "missing_at_source"}
    return {
        **{names.get(mark, mark.name.lower()): count for mark, count in summary.marks.items()},
        "compared_by": {method.value.replace(" ", "_"): count for method, count in summary.methods.items() if count},
        "attributes": request.attributes,
        "one_way": request.one_way,
        "records_left_out": summary.records,
    }
