"""The client's commands of sync tasks alone: ``events`` and ``statistics``.

https://support.huaweicloud.com/intl/en-us/api-oms/CreateSyncEvents.html: keys go out URL-encoded as forms are, in calls
of at most 100. A key is bytes: what is read from standard input or the command line arrives as it is.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import BinaryIO, TypeVar
from urllib.parse import quote_plus

from oms_engine.errors import ConfigError, OmsError
from openoms.client_call import Call, declare_id
from openoms.options import Parser
from openoms.terminal import complain, say

T = TypeVar("T")

MOST_KEYS = 100
"""Of one call."""
READ_BYTES = 1 << 16
DAY_SECONDS = 86_400


def declare_events(parser: Parser) -> None:
    """Add the keys."""
    declare_id(parser)
    parser.add_argument("keys", metavar="KEY", nargs="*", help="keys of objects, as they are in the bucket")
    parser.add_argument(
        "-0", "--null", action="store_true", help="keys on standard input end with NUL, not a line feed"
    )
    parser.add_argument("--encoded", action="store_true", help="the keys are URL-encoded already, as in list files")


def run_events(call: Call) -> int:
    """Send the keys in calls of a hundred; when one fails, how many were accepted before is told."""
    said, sent = call.said, 0
    given: Iterable[bytes] = map(os.fsencode, said.keys) if said.keys else read_keys(sys.stdin.buffer, null=said.null)
    try:
        for keys in batches(given, MOST_KEYS):
            _send(call, [_encoded(key, already=said.encoded) for key in keys])
            sent += len(keys)
    except (OmsError, KeyboardInterrupt):
        complain(f"{sent} keys were accepted before this.")
        raise
    if not sent:
        raise ConfigError("no keys are given; name them after ID, or one per line on standard input.")
    if said.as_json:
        call.say_json({"accepted": sent})
    else:
        say(f"{sent} key{'s'[: sent != 1]} accepted; `openoms sync show {said.id}` counts what became of them.")
    return 0


def _send(call: Call, keys: list[str]) -> None:
    from openoms.client_watch import BUSY, patiently  # noqa: PLC0415

    patiently(lambda: call.ask("POST", call.said.id, "events", body={"object_keys": keys}), over=BUSY)


def _encoded(key: bytes, *, already: bool) -> str:
    """Return a key as the call takes it.

    Raises:
        ConfigError: it is said to be URL-encoded, and is not even ASCII.
    """
    if not already:
        return quote_plus(key)
    try:
        return key.decode("ascii")
    except UnicodeDecodeError:
        raise ConfigError(f"{key[:60]!r} is not URL-encoded; leave --encoded out.") from None


def read_keys(stream: BinaryIO, *, null: bool) -> Iterator[bytes]:
    """Yield the keys of a stream, each as soon as it is there; empty lines are none."""
    end, rest = b"\0" if null else b"\n", b""
    while block := stream.read1(READ_BYTES) if hasattr(stream, "read1") else stream.read(READ_BYTES):
        *whole, rest = (rest + block).split(end)
        yield from filter(None, whole)
    if rest:
        yield rest


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Yield lists of at most ``size`` items, none of them empty."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def declare_statistics(parser: Parser) -> None:
    """Add the interval and what is counted."""
    declare_id(parser)
    for name, default in (("since", "a day before --until"), ("until", "now")):
        parser.add_argument(
            f"--{name}", metavar="TIME", help=f"seconds since 1970, or 2026-01-31T08:00Z; default: {default}"
        )
    parser.add_argument(
        "--type", dest="types", metavar="WORD", action="append",
        help="REQUEST, SUCCESS, SKIP, FAILURE or SIZE; may be repeated; default: all",
    )  # fmt: skip


def run_statistics(call: Call) -> int:
    """Tell what happened per interval: five minutes, or an hour when more than a day is asked for."""
    from openoms.client_tables import say_table  # noqa: PLC0415
    from openoms.client_views import STATISTICS, statistics_table  # noqa: PLC0415

    end = _instant(call.said.until, time.time(), "--until")
    begin = _instant(call.said.since, end - DAY_SECONDS, "--since")
    query = {
        "data_type": ",".join(call.said.types or STATISTICS),
        "start_time": int(begin * 1000),
        "end_time": int(end * 1000),
    }
    reply = call.ask("GET", call.said.id, "statistics", query=query)
    if call.said.as_json:
        call.say_json(reply)
        return 0
    columns, rows = statistics_table(reply.told)
    if rows:
        say_table(columns, rows)
    else:
        complain("nothing happened in this time.")
    return 0


def _instant(text: str | None, default: float, option: str) -> float:
    from openoms.instants import parse_since  # noqa: PLC0415

    try:
        found = parse_since(text)
    except ConfigError as error:
        raise ConfigError(str(error).replace("--since", option)) from None
    return default if found is None else found
