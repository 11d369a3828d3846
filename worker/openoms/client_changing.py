"""The client's commands that change something: ``create``, ``stop``, ``start``, ``retry``, ``delete``, bandwidth."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from oms_engine.errors import ConfigError, OmsError
from openoms.client_access import add_access
from openoms.client_call import SYNC, TASK, Call, Noun, Run, declare_ids, warn_of_plain_http
from openoms.client_tables import visible
from openoms.options import Parser
from openoms.terminal import complain, say


def declare_create(noun: Noun) -> Callable[[Parser], None]:
    """Return what adds the options of ``create``."""

    def declare(parser: Parser) -> None:
        from openoms.client_places import add_create, add_profiles  # noqa: PLC0415

        add_create(parser, kind=noun.word)
        add_profiles(parser)
        add_access(parser)

    return declare


def run_create(call: Call) -> int:
    """Create one and tell its id."""
    from openoms.client import not_oms  # noqa: PLC0415
    from openoms.client_places import create_body  # noqa: PLC0415

    body = create_body(call.said, call.settings, kind=call.noun.word)
    warn_of_plain_http(call.service)
    reply = call.ask("POST", body=body)
    if call.noun.id not in reply.told:
        raise not_oms(call.service.url, 200)
    if call.said.as_json:
        call.say_json(reply)
        return 0
    number, word = visible(str(reply.told[call.noun.id])), call.noun.word
    say(f"{call.noun.title} {number} is created; `openoms {word} watch {number}` shows how it goes.")
    return 0


def declare_start(noun: Noun) -> Callable[[Parser], None]:
    """Return what adds the options of ``start``."""

    def declare(parser: Parser) -> None:
        from openoms.client_places import add_profiles  # noqa: PLC0415

        declare_ids(parser)
        if noun is TASK:
            parser.add_argument("--retry-failed", action="store_true", help="only the objects that failed")
        add_profiles(parser)

    return declare


def declare_retry(parser: Parser) -> None:
    """Add the options of ``retry``."""
    from openoms.client_places import add_profiles  # noqa: PLC0415

    declare_ids(parser)
    parser.add_argument("--retry-failed", action="store_true", help="only the objects that failed")
    parser.add_argument(
        "--new-keys", action="store_true",
        help="hand over the keys of the environment; without it, only when the service has none any more",
    )  # fmt: skip
    add_profiles(parser)


def each(past: str, act: Callable[[Call, str], None]) -> Run:
    """Return a command that does something with each id; the worst exit code is that of all."""

    def run(call: Call) -> int:
        told, code = [], 0
        for number in call.said.ids:
            failed = _attempt(call, number, past, act)
            code = max(code, _code_of(failed))
            told.append({"id": number, **_as_json(failed)})
        if call.said.as_json:
            call.say_json({"results": told})
        return code

    return run


def _attempt(call: Call, number: str, past: str, act: Callable[[Call, str], None]) -> OmsError | None:
    subject = f"{call.noun.title} {visible(number)}"
    try:
        act(call, number)
    except OmsError as error:
        complain(f"{subject}: {error}", getattr(error, "code", None))
        return error
    if not call.said.as_json:
        say(f"{subject} {past}.")
    return None


def _code_of(error: OmsError | None) -> int:
    return 0 if error is None else 2 if isinstance(error, ConfigError) else 3


def _as_json(error: OmsError | None) -> dict[str, Any]:
    return {} if error is None else {"error_code": getattr(error, "code", None), "error_msg": str(error)}


def stop(call: Call, number: str) -> None:
    """Have one pause, or stop."""
    call.ask(call.noun.verb, number, "stop", body={})


def delete(call: Call, number: str) -> None:
    """Delete one."""
    call.ask("DELETE", number)


def start(call: Call, number: str) -> None:
    """Let one go on, with keys of the environment."""
    body = _keys_for(call, number)
    if getattr(call.said, "retry_failed", False):
        body["migrate_failed_object"] = True
    call.ask(call.noun.verb, number, "start", body=body)


def _keys_for(call: Call, number: str) -> dict[str, Any]:
    """Return the credentials of the buckets, which the service does not keep of what stands still."""
    from openoms import client_bodies as bodies  # noqa: PLC0415

    told = call.ask("GET", number).told
    warn_of_plain_http(call.service)
    find = bodies.sync_keys if call.noun is SYNC else bodies.task_keys
    return find(told, bodies.Keys(call.settings, call.said))


def retry(call: Call, number: str) -> None:
    """Run what failed again, with the keys that the service has, or else those of the environment."""
    from openoms.client import ServiceRefused  # noqa: PLC0415

    body: dict[str, Any] = {"migrate_failed_object": True} if call.said.retry_failed else {}
    if not call.said.new_keys:
        try:
            call.ask("PUT", number, "retry", body=body)
        except ServiceRefused as error:
            if error.code not in NO_KEYS:
                raise
        else:
            return
    call.ask("PUT", number, "retry", body={**body, **_keys_for(call, number)})


NO_KEYS = frozenset({"OMS.1004", "OMS.1032"})
"""The service misses keys: those of a bucket, or that of a CDN."""


def declare_bandwidth(parser: Parser) -> None:
    """Add the windows."""
    parser.add_argument("id", metavar="ID", help="its id, as create and list tell it")
    parser.add_argument(
        "windows", metavar="WINDOW", nargs="+", help="like 08:00-18:00=50M, up to five; none: no limit any more"
    )
    add_access(parser)


def run_bandwidth(call: Call) -> int:
    """Set the windows, the whole set anew."""
    from openoms.client_places import bandwidth_rules  # noqa: PLC0415

    said = call.said
    rules = [] if said.windows == ["none"] else bandwidth_rules(said.windows)
    path = (said.id, "bandwidth-policy") if call.noun is TASK else (said.id, "update")
    reply = call.ask("PUT", *path, body={"bandwidth_policy": rules})
    if said.as_json:
        call.say_json(reply)
    else:
        say(f"{call.noun.title} {said.id} has {len(rules) or 'no'} bandwidth window{'s'[: len(rules) != 1]}.")
    return 0
