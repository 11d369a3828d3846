"""``openoms check``: runs the comparison and prints its marks."""

from __future__ import annotations

import json
from argparse import Namespace
from typing import Any

from oms_engine.compare import CheckRules, CheckSummary, Compared, Mark, Side, compare
from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from oms_engine.model import StoragePolicy
from openoms.plan import STORAGE_ALIASES, MigrateOptions, build_run, side_options
from openoms.settings import Settings
from openoms.settings import Side as SettledSide
from openoms.terminal import say
from openoms.units import render_count
from openoms.urls import parse_url
from openoms.words import parse_choice

LEGEND = {
    Mark.SAME: "equal",
    Mark.ONLY_SOURCE: "missing at the destination",
    Mark.ONLY_DESTINATION: "missing at the source",
    Mark.DIFFERENT: "different",
    Mark.ERROR: "could not be compared",
    Mark.UNPROVED: "same size, and nothing proves more",
}
REMEDY = "~ passes with --size-only; --content reads both objects and settles it."


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to compare and how to say it."""

    source: str
    destination: str
    rules: CheckRules = CheckRules()
    show_all: bool = False
    as_json: bool = False
    quiet: bool = False


def build_request(said: Namespace) -> CheckRequest:
    """Return what the command line asked for.

    Raises:
        ConfigError: an unknown storage class, or options that exclude each other.
    """
    if said.content and said.size_only:
        raise ConfigError("--content reads what --size-only leaves unread; choose one of them.")
    if said.storage_class and not said.attributes:
        raise ConfigError("--storage-class is compared with --attributes; add that, or leave it out.")
    storage = (
        parse_choice("storage class", said.storage_class, StoragePolicy, STORAGE_ALIASES)
        if said.storage_class
        else None
    )
    rules = CheckRules(
        attributes=said.attributes,
        one_way=said.one_way,
        content=said.content,
        size_only=said.size_only,
        storage=storage,
    )
    return CheckRequest(
        said.source, said.destination, rules, show_all=said.show_all, as_json=said.as_json, quiet=said.quiet
    )


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
            request.rules,
        ):
            if not request.as_json and not request.quiet and (compared.mark is not Mark.SAME or request.show_all):
                say(render_compared(compared))
    return summary


def render_compared(compared: Compared) -> str:
    """Return ``* key  (differences)`` as one line: control characters of the key are shown as escapes."""
    key = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in compared.key)
    phrases = compared.differences
    if compared.mark is Mark.UNPROVED:
        phrases = ("size only", *phrases)
    why = f"  ({'; '.join(phrases)})" if compared.mark in {Mark.DIFFERENT, Mark.ERROR, Mark.UNPROVED} else ""
    return f"{compared.mark.value} {key}{why}"


def summary_lines(summary: CheckSummary, request: CheckRequest) -> list[str]:
    """Return the legend with its counts, and what equality rests on."""
    lines = [f"{mark.value} {render_count(summary.marks[mark]):>10}  {text}" for mark, text in LEGEND.items()]
    methods = ", ".join(
        f"{render_count(count)} by {method.value}" for method, count in summary.methods.items() if count
    )
    if methods:
        lines.append(f"compared: {methods}{' and attributes' if request.rules.attributes else ''}")
    if summary.lists_error:
        lines.append(f"the success lists at the destination could not be read: {summary.lists_error}")
    if summary.records:
        lines.append(
            f"left out: {render_count(summary.records)} objects of the destination's record folders under oms/"
        )
    if summary.marks[Mark.UNPROVED]:
        lines.append(REMEDY)
    return lines


def summary_json(summary: CheckSummary, request: CheckRequest) -> dict[str, Any]:
    """Return the summary as one JSON object."""
    names = {
        Mark.SAME: "equal",
        Mark.ONLY_SOURCE: "missing_at_destination",
        Mark.ONLY_DESTINATION: "missing_at_source",
        Mark.UNPROVED: "size_only",
    }
    return {
        **{names.get(mark, mark.name.lower()): count for mark, count in summary.marks.items()},
        "compared_by": {method.value.replace(" ", "_"): count for method, count in summary.methods.items() if count},
        "attributes": request.rules.attributes,
        "one_way": request.rules.one_way,
        "content": request.rules.content,
        "records_left_out": summary.records,
        "lists_error": summary.lists_error or None,
    }
