"""The client's commands that change nothing: ``list``, ``show`` and ``watch``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from oms_engine.errors import ConfigError
from openoms.client_access import add_access
from openoms.client_call import GROUP, SYNC, TASK, Call, Noun, declare_id
from openoms.options import Parser
from openoms.terminal import complain
from openoms.words import fold, unknown

if TYPE_CHECKING:
    from openoms.client import Reply
    from openoms.client_looks import Look

PAGE = 100
"""Entries that the service tells at once, at most."""
DEFAULT_LIMIT = 20


def declare_list(noun: Noun) -> Callable[[Parser], None]:
    """Return what adds the filters of ``list``."""

    def declare(parser: Parser) -> None:
        parser.add_argument(
            "--status", metavar="STATE", help=f"only in this state: {', '.join(_states(noun).values())}"
        )
        if noun is TASK:
            parser.add_argument("--group", metavar="ID", help="only those of this task group")
            parser.add_argument("--name", metavar="PART", help="only those whose name holds this, in any case")
        parser.add_argument(
            "--limit", metavar="N", type=int, default=DEFAULT_LIMIT, help="at most so many (default 20)"
        )
        parser.add_argument("--offset", metavar="N", type=int, default=0, help="leave out so many, newest first")
        parser.add_argument("--all", dest="every", action="store_true", help="all there are")
        add_access(parser)

    return declare


def _states(noun: Noun) -> Mapping[Any, str]:
    from openoms import client_looks as looks  # noqa: PLC0415

    words: dict[Noun, Mapping[Any, str]] = {
        TASK: looks.TASK_WORDS,
        GROUP: looks.GROUP_WORDS,
        SYNC: looks.SYNC_WORDS,
    }
    return words[noun]


def run_list(call: Call) -> int:
    """List what there is."""
    from openoms.client_looks import items_of, number  # noqa: PLC0415

    found = _pages(call)
    if call.said.as_json:
        call.say_json(found)
        return 0
    told = found if isinstance(found, Mapping) else found.told
    items, count = items_of(told, call.noun.items), number(told, "count")
    _say_list(call.noun, items)
    rest = count - call.said.offset - len(items)
    if rest > 0:
        complain(
            f"{len(items)} of {count} are shown; --offset {call.said.offset + len(items)} goes on, --all shows all."
        )
    return 0


def _say_list(noun: Noun, items: Sequence[Mapping[str, Any]]) -> None:
    from openoms import client_views as views  # noqa: PLC0415
    from openoms.client_tables import say_table  # noqa: PLC0415

    columns, row = {
        TASK: (views.TASK_COLUMNS, views.task_row),
        GROUP: (views.GROUP_COLUMNS, views.group_row),
        SYNC: (views.SYNC_COLUMNS, views.sync_row),
    }[noun]
    say_table(columns, [row(item) for item in items])


def _pages(call: Call) -> Reply | dict[str, Any]:
    """Return a page as it came, or several as one; what moved to another page meanwhile is told once."""
    from openoms.client_looks import items_of, number  # noqa: PLC0415

    said, noun, query = call.said, call.noun, _filter(call)
    if not said.every and said.limit < 1:
        raise ConfigError(f"--limit {said.limit} must be 1 or more.")
    if not said.every and said.limit <= PAGE:
        return call.ask("GET", query={**query, "limit": said.limit, "offset": said.offset})
    merged: dict[Any, Any] = {}
    offset, count = said.offset, 0
    while said.every or len(merged) < said.limit:
        told = call.ask("GET", query={**query, "limit": PAGE, "offset": offset}).told
        page, count = items_of(told, noun.items), number(told, "count")
        merged.update((item.get(noun.id), item) for item in page)
        offset += PAGE
        if len(page) < PAGE:
            break
    items = list(merged.values())
    return {noun.items: items if said.every else items[: said.limit], "count": count}


def _filter(call: Call) -> dict[str, Any]:
    said = call.said
    return {
        "status": _status(call.noun, said.status),
        "group_id": getattr(said, "group", None),
        "task_name": getattr(said, "name", None),
    }


def _status(noun: Noun, word: str | None) -> Any:
    """Return a state, given in words or as the service's own number.

    Raises:
        ConfigError: nobody knows it.
    """
    if word is None:
        return None
    states = _states(noun)
    table = {fold(text).replace(" ", "-"): status for status, text in states.items()}
    found = table.get(fold(word).replace(" ", "-"), int(word) if word.isdecimal() and int(word) in states else None)
    if found is None:
        raise unknown("state", word, states.values())
    return found


def run_show(call: Call) -> int:
    """Show one."""
    from openoms import client_views as views  # noqa: PLC0415
    from openoms.client_tables import say_fields  # noqa: PLC0415

    reply = call.ask("GET", call.said.id)
    if call.said.as_json:
        call.say_json(reply)
        return 0
    say_fields({TASK: views.task_fields, GROUP: views.group_fields, SYNC: views.sync_fields}[call.noun](reply.told))
    return 0


def declare_watch(parser: Parser) -> None:
    """Add the options of ``watch``."""
    parser.add_argument(
        "--every", metavar="SECONDS", type=float, default=5.0,
        help="time between two lines where no terminal draws them (default 5); another state is told at once",
    )  # fmt: skip
    declare_id(parser)


def run_watch(call: Call) -> int:
    """Watch one until it ends; the exit code is that of ``openoms migrate``."""
    from openoms.client_watch import open_display, watch  # noqa: PLC0415

    try:
        display = open_display(quiet=call.said.as_json, every=call.said.every)
        reply, look = watch(lambda: call.ask("GET", call.said.id), _reader(call.noun), display)
    except KeyboardInterrupt:
        word, number = call.noun.word, call.said.id
        complain(f"no longer watched; the {call.noun.title} goes on. `openoms {word} stop {number}` stops it.")
        return 130
    if call.said.as_json:
        call.say_json(reply)
    return _ended(call.noun, look)


def _reader(noun: Noun) -> Callable[[Reply], Look]:
    from openoms import client_looks as looks  # noqa: PLC0415

    read = {TASK: looks.task_look, GROUP: looks.group_look, SYNC: looks.sync_look}[noun]
    return lambda reply: read(reply.told)


def _ended(noun: Noun, look: Look) -> int:
    from openoms.client_looks import why  # noqa: PLC0415
    from openoms.report import ExitCode  # noqa: PLC0415

    if look.exit_code is ExitCode.INTERRUPTED:
        complain(f"{look.title} is paused; `openoms {noun.word} start` lets it go on.")
    elif look.exit_code is ExitCode.OBJECTS_FAILED:
        complain(f"{look.failed} objects failed; the failed list names each with its reason.", look.error_code)
    elif look.exit_code is not ExitCode.DONE:
        complain(why(look) or f"{look.title} failed.", look.error_code)
    return int(look.exit_code)
