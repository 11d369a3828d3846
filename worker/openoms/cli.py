"""The ``openoms`` command: options in, one of the five exit codes out. Everything heavy is imported when it is used.

Exit codes: 0 all done, 1 some objects failed or differ, 2 usage or configuration, 3 the task failed as a whole,
130 interrupted and resumable.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from oms_engine.errors import ConfigError, ConnectionBroken, OmsError, TimedOut
from openoms import options, service_commands
from openoms.command import Command, first_words
from openoms.terminal import complain, flush_results, open_streams, say
from openoms.words import unknown

if TYPE_CHECKING:
    from openoms.plan import Plan
    from openoms.settings import Settings


def _declare_migrate(parser: options.Parser) -> None:
    options.add_places(parser, alone=True)
    options.add_cdn(parser)
    options.add_what(parser)
    options.add_rules(parser)
    options.add_look(parser)
    options.add_pace(parser)
    options.add_run(parser)


def _migrate(said: Namespace) -> int:
    from openoms.plan import build_plan  # noqa: PLC0415
    from openoms.settings import load_settings  # noqa: PLC0415

    settings = load_settings(said.config)
    plan = build_plan(*options.places(said), settings, options.migrate_options(said))
    _warn_about_profiles(plan, said.source_profile, said.destination_profile)
    _warn_about_regions(plan)
    return _run_plan(plan, settings, as_json=said.as_json, quiet=said.quiet)


def _run_plan(plan: Plan, settings: Settings, *, as_json: bool, quiet: bool) -> int:
    from openoms.running import run_plan  # noqa: PLC0415 - only when there is something to run

    return run_plan(plan, settings, as_json=as_json, quiet=quiet)


def _warn_about_profiles(plan: Plan, source_profile: str | None, destination_profile: str | None) -> None:
    """Say when variables win over a profile that was named: the wrong account is a costly surprise."""
    for side, profile in ((plan.source, source_profile), (plan.destination, destination_profile)):
        if profile and side.origin.isupper():
            complain(
                f"note: {side.url.label} uses the credentials of {side.origin}, which win over profile {profile!r}."
            )


def _warn_about_regions(plan: Plan) -> None:
    """Say which region the shipped tables do not know: a mistyped one ends in a host that cannot be found."""
    from openoms.preflight import unknown_region_or_none  # noqa: PLC0415 - loads adapters, as the run will

    for side in (plan.source, plan.destination):
        if note := unknown_region_or_none(side):
            complain(f"note: {note}")


def _declare_run(parser: options.Parser) -> None:
    parser.add_argument("task", metavar="TASK", help="a JSON file, or - for standard input")
    options.add_allow_private(parser)
    options.add_pace(parser, bandwidth=False)
    options.add_run(parser)


def _run(said: Namespace) -> int:
    from openoms.plan import build_run  # noqa: PLC0415
    from openoms.settings import load_settings  # noqa: PLC0415
    from openoms.taskjson import parse_task  # noqa: PLC0415

    settings = load_settings(said.config)
    plan = parse_task(_read_task(said.task), settings, build_run(settings, options.migrate_options(said)))
    return _run_plan(plan, settings, as_json=said.as_json, quiet=said.quiet)


def _read_task(name: str) -> str:
    try:
        raw = sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
        return raw.decode("utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(f"the task file {name} does not exist.") from None
    except UnicodeDecodeError:
        raise ConfigError(f"the task file {name} is not UTF-8 text.", code="OMS.0067") from None
    except OSError as error:
        raise ConfigError(f"the task file {name} cannot be read: {error.strerror}.") from None


def _declare_check(parser: options.Parser) -> None:
    options.add_places(parser)
    options.add_comparison(parser)
    options.add_run(parser, state=False)


def _check(said: Namespace) -> int:
    from openoms.checking import build_request, run_check  # noqa: PLC0415
    from openoms.settings import load_settings  # noqa: PLC0415

    return run_check(build_request(said), load_settings(said.config), options.migrate_options(said))


def _declare_check_store(parser: options.Parser) -> None:
    parser.add_argument("store", metavar="URL", help="the bucket, or the folder in it, that is to be migrated")
    parser.add_argument(
        "--write-prefix", metavar="PREFIX",
        help="try it as a destination: write in a new folder under it, removed again; about 100 MB",
    )  # fmt: skip
    options.add_side(parser, "source")
    options.add_run(parser, state=False)


def _check_store(said: Namespace) -> int:
    from openoms.checkstore import StoreRequest, run_check_store  # noqa: PLC0415
    from openoms.settings import load_settings  # noqa: PLC0415

    request = StoreRequest(said.store, said.write_prefix, as_json=said.as_json, quiet=said.quiet)
    return run_check_store(request, load_settings(said.config), options.migrate_options(said))


def _declare_discard(parser: options.Parser) -> None:
    options.add_places(parser, alone=True)
    options.add_scope(parser)
    options.add_save_prefix(parser)
    options.add_run(parser)


def _discard(said: Namespace) -> int:
    from openoms.discarding import discard, discarded_lines  # noqa: PLC0415
    from openoms.plan import build_plan  # noqa: PLC0415
    from openoms.settings import load_settings  # noqa: PLC0415

    settings = load_settings(said.config)
    done = discard(build_plan(*options.places(said), settings, options.migrate_options(said)), settings)
    if said.as_json:
        import json  # noqa: PLC0415 - most runs need none

        say(json.dumps({"found": done.found, "aborted": done.aborted, "errors": [str(error) for error in done.errors]}))
    elif done.errors:
        complain(discarded_lines(done)[0])
    elif not said.quiet:
        say("\n".join(discarded_lines(done)))
    return 1 if done.errors else 0


def _demo(_said: Namespace) -> int:
    from openoms.demo import run_demo  # noqa: PLC0415

    return run_demo()


def _version(_said: Namespace) -> int:
    from openoms import __version__  # noqa: PLC0415

    say(f"openoms {__version__}")
    return 0


class _Client(Mapping[str, Command]):
    """The actions of a command that talks to the service, loaded when one is looked for."""

    def __init__(self, noun: str) -> None:
        self._noun = noun

    def _actions(self) -> Mapping[str, Command]:
        from openoms.client_commands import ACTIONS  # noqa: PLC0415

        return ACTIONS[self._noun]

    def __getitem__(self, name: str) -> Command:
        return self._actions()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._actions())

    def __len__(self) -> int:
        return len(self._actions())


COMMANDS = {
    "migrate": Command(
        "Copy the contents of SRC into DST. Run it again to go on after an interruption, to catch up, or to be sure.",
        _declare_migrate, _migrate, "SRC DST [options]  or  --url-list URL DST [options]", options.CREDENTIALS_HELP,
    ),
    "check": Command(
        "Compare SRC and DST without copying; exit code 1 on any difference, and on what nothing proves. Marks: = "
        "equal, + missing at the destination, - missing at the source, * different, ! could not be compared, ~ same "
        "size and nothing proves more.",
        _declare_check, _check, "SRC DST [options]", options.CREDENTIALS_HELP,
    ),
    "check-store": Command(
        "Ask a bucket what it can do, and name each permission that is missing; exit code 1 when a migration from it "
        "(with --write-prefix: to it) would go wrong. Credentials and options are those of migrate's source.",
        _declare_check_store, _check_store, "URL [options]", options.CREDENTIALS_HELP,
    ),
    "run": Command(
        "Run the body of OMS's Create-a-migration-task call (v2) as a one-off job. Endpoints of a private cloud's "
        "regions come from the table endpoints.HuaweiCloud of the configuration file.",
        _declare_run, _run, "TASK [options]",
    ),
    "serve": Command(
        "Serve OMS's API and run its tasks. Settings come from --config, OPENOMS_* variables and options.",
        service_commands.declare_serve, service_commands.run_service, "[options]",
    ),
    "task": Command(
        "Tasks of the service: create, list, show, watch, stop, start, delete, bandwidth.", actions=_Client("task")
    ),
    "group": Command(
        "Task groups of the service: create, list, show, watch, stop, start, retry, update, delete.",
        actions=_Client("group"),
    ),
    "sync": Command(
        "Sync tasks of the service: create, list, show, watch, stop, start, delete, events, statistics.",
        actions=_Client("sync"),
    ),
    "user": Command(
        "Manage the users of the service: add NAME, list, disable NAME, enable NAME. A new user's keys are shown once.",
        service_commands.declare_user, service_commands.manage_users, "add|list|disable|enable [NAME] [options]",
    ),
    "keys": Command(
        "Manage the keys that seal credentials: rotate.",
        service_commands.declare_keys, service_commands.manage_keys, "rotate [options]",
    ),
    "config": Command(
        "Show every setting of the service, secrets masked; with --explain what each means, its default, and where its "
        "value comes from: option, variable, file or default. The command line's tables of the same file follow.",
        service_commands.declare_config, service_commands.show_settings, "[options]",
    ),
    "discard": Command(
        "Forget the migration of SRC into DST: abort its uploads in flight and remove its state. Name it as it was "
        "named to migrate: same places, endpoints, objects or prefixes. What was migrated stays.",
        _declare_discard, _discard, "SRC DST [options]  or  --url-list URL DST [options]", options.CREDENTIALS_HELP,
    ),
    "demo": Command(
        "Start two loopback clouds, migrate a few thousand objects between them, and check the result.",
        run=_demo,
    ),
    "version": Command("Say which version this is.", run=_version),
}  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its code."""
    sys.exit(run(sys.argv[1:] if arguments is None else arguments))


def run(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; all output is on its way."""
    open_streams()
    code = invoke(arguments)
    flush_results()
    return code


def invoke(arguments: Sequence[str]) -> int:
    """Run the command line and return its exit code; every error is one sentence on standard error."""
    try:
        return _dispatch(list(arguments))
    except SystemExit as end:  # argparse's --help
        return int(end.code or 0)
    except KeyboardInterrupt:
        complain("stopped; run the same command again to go on.")
        return 130
    except Exception as error:
        if os.environ.get("OPENOMS_DEBUG", "") not in {"", "0"}:
            raise
        code = explain(error)
        if "--json" in arguments:
            import json  # noqa: PLC0415

            with suppress(OSError):  # it may be standard output that failed
                say(json.dumps({"error_code": getattr(error, "code", None), "error_msg": str(error)}))
        return code


def _dispatch(arguments: list[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in {"-h", "--help", "help"}:
        say(overview())
        return 0 if arguments else 2
    if name in {"-V", "--version"}:
        name = "version"
    command, rest = _chosen(COMMANDS, name, "command"), arguments[1:]
    if command.actions:
        if not rest or rest[0] in {"-h", "--help", "help"}:
            say(actions_overview(name, command))
            return 0 if rest else 2
        command, name, rest = _chosen(command.actions, rest[0], f"{name} command"), f"{name} {rest[0]}", rest[1:]
    parser = options.command_parser(f"openoms {name}", command.arguments, command.summary, command.details)
    command.declare(parser)
    parser.refuse_unknown(rest)
    said = parser.parse_args(rest)
    try:
        return command.run(said)
    except ModuleNotFoundError as error:
        from openoms.extras import lacking_or_none  # noqa: PLC0415 - only where something lacks

        raise lacking_or_none(error) or error from None


def _chosen(commands: Mapping[str, Command], name: str, kind: str) -> Command:
    if name not in commands:
        raise unknown(kind, name, commands)
    return commands[name]


def overview() -> str:
    """Return the help of the command as a whole."""
    return "\n".join(
        [
            "usage: openoms COMMAND [options]",
            "",
            "Migrate buckets into Huawei Cloud OBS, or any S3-compatible store: every object accounted for.",
            "",
            *(f"  {name:<13}{first_words(command)}" for name, command in COMMANDS.items()),
            "",
            "openoms COMMAND --help tells its options.",
        ]
    )


def actions_overview(name: str, command: Command) -> str:
    """Return the help of a command that has several actions."""
    return "\n".join(
        [
            f"usage: openoms {name} COMMAND [options]",
            "",
            command.summary,
            "",
            *(f"  {action:<13}{first_words(one)}" for action, one in command.actions.items()),
            "",
            f"openoms {name} COMMAND --help tells its options.",
        ]
    )


def explain(error: Exception) -> int:
    """Say an error as one sentence and return its exit code."""
    if isinstance(error, ConfigError):
        complain(str(error), error.code)
        return 2
    if isinstance(error, OmsError):
        lost = isinstance(error, (ConnectionBroken, TimedOut))
        remedy = "; check the endpoint, the network and the proxy." if lost else ""
        complain(f"{error}{remedy}", getattr(error, "code", None))
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
