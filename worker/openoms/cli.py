"""The ``openoms`` command: options in, one of the five exit codes out. Everything heavy is imported when it is used.

Exit codes: 0 all done, 1 some objects failed or differ, 2 usage or configuration, 3 the task failed as a whole,
130 interrupted and resumable.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from openoms.options import (
    Addressing,
    Bandwidth,
    BandwidthZone,
    CaFile,
    Config,
    Connections,
    Json,
    NoVerifyTls,
    Processes,
    Profile,
    Quiet,
    Region,
    State,
    Url,
    side_option,
)
from openoms.terminal import complain, say

if TYPE_CHECKING:
    from oms_engine.task import Progress, Result
    from openoms.plan import MigrateOptions, Plan
    from openoms.report import ExitCode
    from openoms.settings import Settings

app = typer.Typer(
    name="openoms",
    help="Migrate buckets into Huawei Cloud OBS, or any S3-compatible store: every object accounted for.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

SOURCE_HELP = "s3://bucket/path or obs://bucket/path; the path may be missing"


@app.command()
def migrate(
    source: Annotated[str, typer.Argument(metavar="SRC", help=SOURCE_HELP)],
    destination: Annotated[str, typer.Argument(metavar="DST", help=SOURCE_HELP)],
    *,
    source_endpoint: Annotated[Url, side_option("source", "endpoint")] = None,
    source_region: Annotated[Region, side_option("source", "region")] = None,
    source_addressing: Annotated[Addressing, side_option("source", "addressing")] = None,
    source_profile: Annotated[Profile, side_option("source", "profile")] = None,
    destination_endpoint: Annotated[Url, side_option("destination", "endpoint")] = None,
    destination_region: Annotated[Region, side_option("destination", "region")] = None,
    destination_addressing: Annotated[Addressing, side_option("destination", "addressing")] = None,
    destination_profile: Annotated[Profile, side_option("destination", "profile")] = None,
    overwrite: Annotated[
        str,
        typer.Option(
            metavar="MODE",
            help="When an object that is already there is written again: newer (other size or newer source), never, "
            "crc64, always; OMS's own words are accepted too.",
            rich_help_panel="Rules",
        ),
    ] = "newer",
    check: Annotated[
        str,
        typer.Option(
            metavar="METHOD",
            help="How each copy is held against its source: size_last_modified, crc64, no_check. "
            "The bytes are hashed on the way in any case.",
            rich_help_panel="Rules",
        ),
    ] = "size_last_modified",
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only objects modified after this: seconds since 1970 or 2026-01-31T08:00Z.",
            rich_help_panel="What",
        ),
    ] = None,
    objects: Annotated[
        list[str] | None,
        typer.Option(
            "--object",
            metavar="KEY",
            help="Only this key (a trailing / means the folder); repeatable.",
            rich_help_panel="What",
        ),
    ] = None,
    prefixes: Annotated[
        list[str] | None,
        typer.Option(
            "--prefix",
            metavar="PREFIX",
            help="Only keys that start with this, byte for byte; repeatable.",
            rich_help_panel="What",
        ),
    ] = None,
    list_file: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Only the keys in this list, obs://bucket/list.txt, one URL-encoded key per line; "
            "read with the destination's credentials.",
            rich_help_panel="What",
        ),
    ] = None,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Only what failed in the last run.", rich_help_panel="What")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be done; write nothing.", rich_help_panel="What")
    ] = False,
    metadata: Annotated[
        bool,
        typer.Option(
            "--metadata",
            help="Carry Cache-Control, Content-Disposition, Content-Language, Expires and user metadata too "
            "(Content-Type and Content-Encoding always travel).",
            rich_help_panel="Rules",
        ),
    ] = False,
    restore: Annotated[
        bool, typer.Option("--restore", help="Restore archived objects, then copy them.", rich_help_panel="Rules")
    ] = False,
    restore_days: Annotated[
        int, typer.Option(metavar="DAYS", help="How long they stay restored.", rich_help_panel="Rules")
    ] = 7,
    restore_tier: Annotated[
        str,
        typer.Option(metavar="TIER", help="expedited, standard or bulk.", rich_help_panel="Rules"),
    ] = "standard",
    restore_poll: Annotated[
        float,
        typer.Option(metavar="SECONDS", help="Time between two looks at a restoring object.", rich_help_panel="Rules"),
    ] = 60.0,
    kms: Annotated[
        bool, typer.Option("--kms", help="Encrypt with KMS at the destination, and verify it.", rich_help_panel="Rules")
    ] = False,
    storage_class: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="STANDARD, IA, ARCHIVE, DEEP_ARCHIVE or SRC_STORAGE_MAPPING (source); default: the bucket's own.",
            rich_help_panel="Rules",
        ),
    ] = None,
    requester_pays: Annotated[
        bool, typer.Option("--requester-pays", help="Pay for reading the source.", rich_help_panel="Rules")
    ] = False,
    save_prefix: Annotated[
        str, typer.Option(metavar="PREFIX", help="Put this, as it stands, before every key.", rich_help_panel="Rules")
    ] = "",
    bandwidth: Bandwidth = None,
    bandwidth_zone: BandwidthZone = None,
    processes: Processes = None,
    connections: Connections = None,
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Names the folder of the lists: oms/task/NAME/.", rich_help_panel="Run")
    ] = "",
    state: State = None,
    config: Config = None,
    ca_file: CaFile = None,
    no_verify_tls: NoVerifyTls = False,
    json_output: Json = False,
    quiet: Quiet = False,
) -> int:
    """Copy the contents of SRC into DST; run it again to go on, to catch up, or to be sure.

    Credentials come from OPENOMS_SOURCE_AK / _SK / _TOKEN and OPENOMS_DESTINATION_…, else from AWS_ACCESS_KEY_ID … or
    OBS_ACCESS_KEY_ID …, else from a profile of the configuration file; never from options.
    """
    from openoms.plan import build_plan  # noqa: PLC0415
    from openoms.settings import load_settings  # noqa: PLC0415

    settings = load_settings(config)
    options: MigrateOptions = {
        "source_endpoint": source_endpoint,
        "source_region": source_region,
        "source_addressing": source_addressing,
        "source_profile": source_profile,
        "destination_endpoint": destination_endpoint,
        "destination_region": destination_region,
        "destination_addressing": destination_addressing,
        "destination_profile": destination_profile,
        "overwrite": overwrite,
        "check": check,
        "since": since,
        "bandwidth": bandwidth or (),
        "bandwidth_zone": bandwidth_zone,
        "metadata": metadata,
        "restore": restore,
        "restore_days": restore_days,
        "restore_tier": restore_tier,
        "restore_poll": restore_poll,
        "kms": kms,
        "storage_class": storage_class,
        "requester_pays": requester_pays,
        "save_prefix": save_prefix,
        "list_file": list_file,
        "objects": objects or (),
        "prefixes": prefixes or (),
        "retry_failed": retry_failed,
        "dry_run": dry_run,
        "name": name,
        "state": state,
        "processes": processes,
        "connections": connections,
        "ca_file": ca_file,
        "verify_tls": not no_verify_tls,
    }
    plan = build_plan(source, destination, settings, options)
    _warn_about_profiles(plan, source_profile, destination_profile)
    return run_plan(plan, settings, as_json=json_output, quiet=quiet)


@app.command()
def run(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A JSON file, or - for standard input.")],
    *,
    state: State = None,
    config: Config = None,
    processes: Processes = None,
    connections: Connections = None,
    ca_file: CaFile = None,
    no_verify_tls: NoVerifyTls = False,
    json_output: Json = False,
    quiet: Quiet = False,
) -> int:
    """Run the body of OMS's "Create a migration task" (v2) as a one-off job.

    Endpoints of a private cloud's regions come from the table endpoints.HuaweiCloud of the configuration file.
    """
    from openoms.plan import build_run  # noqa: PLC0415
    from openoms.settings import load_settings  # noqa: PLC0415
    from openoms.taskjson import parse_task  # noqa: PLC0415

    settings = load_settings(config)
    options: MigrateOptions = {
        "state": state,
        "processes": processes,
        "connections": connections,
        "ca_file": ca_file,
        "verify_tls": not no_verify_tls,
    }
    plan = parse_task(_read_task(task), settings, build_run(settings, options))
    return run_plan(plan, settings, as_json=json_output, quiet=quiet)


@app.command()
def check(
    source: Annotated[str, typer.Argument(metavar="SRC", help=SOURCE_HELP)],
    destination: Annotated[str, typer.Argument(metavar="DST", help=SOURCE_HELP)],
    *,
    attributes: Annotated[
        bool,
        typer.Option("--attributes", help="Compare Content-Type, the other headers, metadata and storage class too."),
    ] = False,
    one_way: Annotated[
        bool, typer.Option("--one-way", help="Objects only the destination has are no difference.")
    ] = False,
    source_endpoint: Annotated[Url, side_option("source", "endpoint")] = None,
    source_region: Annotated[Region, side_option("source", "region")] = None,
    source_addressing: Annotated[Addressing, side_option("source", "addressing")] = None,
    source_profile: Annotated[Profile, side_option("source", "profile")] = None,
    destination_endpoint: Annotated[Url, side_option("destination", "endpoint")] = None,
    destination_region: Annotated[Region, side_option("destination", "region")] = None,
    destination_addressing: Annotated[Addressing, side_option("destination", "addressing")] = None,
    destination_profile: Annotated[Profile, side_option("destination", "profile")] = None,
    requester_pays: Annotated[bool, typer.Option("--requester-pays", help="Pay for reading the source.")] = False,
    show_all: Annotated[bool, typer.Option("--all", help="Name the objects that are equal too.")] = False,
    config: Config = None,
    ca_file: CaFile = None,
    no_verify_tls: NoVerifyTls = False,
    json_output: Json = False,
    quiet: Quiet = False,
) -> int:
    """Compare SRC and DST without copying; exit code 1 on any difference.

    Marks: = equal, + missing at the destination, - missing at the source, * different, ! could not be compared.
    """
    from openoms.checking import CheckRequest, run_check  # noqa: PLC0415
    from openoms.settings import load_settings  # noqa: PLC0415

    options: MigrateOptions = {
        "source_endpoint": source_endpoint,
        "source_region": source_region,
        "source_addressing": source_addressing,
        "source_profile": source_profile,
        "destination_endpoint": destination_endpoint,
        "destination_region": destination_region,
        "destination_addressing": destination_addressing,
        "destination_profile": destination_profile,
        "requester_pays": requester_pays,
        "ca_file": ca_file,
        "verify_tls": not no_verify_tls,
    }
    request = CheckRequest(
        source, destination, attributes=attributes, one_way=one_way, show_all=show_all, as_json=json_output, quiet=quiet
    )
    return run_check(request, load_settings(config), options)


@app.command()
def demo() -> int:
    """Start two loopback clouds, migrate a few thousand objects between them, and check the result."""
    from openoms.demo import run_demo  # noqa: PLC0415

    return int(run_demo())


@app.command()
def version() -> int:
    """Say which version this is."""
    from openoms import __version__  # noqa: PLC0415

    say(f"openoms {__version__}")
    return 0


def run_plan(plan: Plan, settings: Settings, *, as_json: bool, quiet: bool) -> int:
    """Run a plan with its display; print the balance, or the task response as one JSON line."""
    from openoms.display import open_display  # noqa: PLC0415
    from openoms.report import balance_lines, exit_code, task_response  # noqa: PLC0415
    from openoms.runner import run_here  # noqa: PLC0415

    title = f"{plan.source.url} -> {plan.destination.url}"
    with open_display(sys.stderr, plan.spec, title, quiet=quiet or as_json) as display:

        def show(progress: Progress) -> None:
            display.show(progress)

        def interrupted(count: int) -> None:
            if count == 1:
                display.say("pausing: finishing what is in flight (Ctrl-C again stops at once)")

        result = run_here(plan, settings, on_progress=show, on_interrupt=interrupted)
    if as_json:
        say(json.dumps(task_response(result, plan)))
    elif not quiet:
        say("\n".join(balance_lines(result, plan)))
    code = exit_code(result)
    _say_why(result, code, visible=not as_json and not quiet)
    return int(code)


def _say_why(result: Result, code: ExitCode, *, visible: bool) -> None:
    """Say on standard error why the exit code is not 0, unless the balance has just said it."""
    if visible or code == 0:
        return
    if result.error_message:
        complain(result.error_message, result.error_code)
    elif code == 130:
        complain("paused; run the same command again to go on.")
    else:
        complain(f"{result.counters.failed} objects failed; --retry-failed tries them again.")


def _warn_about_profiles(plan: Plan, source_profile: str | None, destination_profile: str | None) -> None:
    """Say when variables win over a profile that was named: the wrong account is a costly surprise."""
    for side, profile in ((plan.source, source_profile), (plan.destination, destination_profile)):
        if profile and side.origin.isupper():
            complain(
                f"note: {side.url.label} uses the credentials of {side.origin}, which win over profile {profile!r}."
            )


def _read_task(name: str) -> str:
    from oms_engine.errors import ConfigError  # noqa: PLC0415

    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"the task file {name} does not exist.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the task file {name} is not UTF-8 text.", code="OMS.0067") from None
    except OSError as error:
        raise ConfigError(f"the task file {name} cannot be read: {error.strerror}.") from None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(invoke(arguments))


def invoke(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every error is one sentence on standard error."""
    try:
        code: Any = app(args=list(arguments) if arguments is not None else None, standalone_mode=False)
    except KeyboardInterrupt:
        complain("stopped; run the same command again to go on.")
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if os.environ.get("OPENOMS_DEBUG", "") not in {"", "0"}:
            raise
        return explain(error)
    return int(code or 0)


def explain(error: Exception) -> int:
    """Say an error as one sentence and return its exit code."""
    from oms_engine.errors import ConfigError, OmsError  # noqa: PLC0415

    if hasattr(error, "format_message"):  # Typer's usage errors, whichever Click it carries
        complain(f"{error.format_message().rstrip('.')}; --help lists what is known.")
        return 2
    if isinstance(error, ConfigError):
        complain(str(error), error.code)
        return 2
    if isinstance(error, OmsError):
        complain(str(error), getattr(error, "code", None))
        return 3
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        complain(f"{error.strerror or error}{where}; mend that and run the same command again.")
        return 3
    kind = type(error).__name__
    complain(f"an internal error happened ({kind}: {error}); OPENOMS_DEBUG=1 shows where. Please report it.")
    return 3


if __name__ == "__main__":
    main()
