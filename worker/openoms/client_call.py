"""What the client's commands share: the three nouns of the service, and a command under way."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from oms_engine.frozen import dataclass
from openoms.client_access import add_access, find_access
from openoms.options import Parser
from openoms.terminal import complain, say_bytes

if TYPE_CHECKING:
    from openoms.client import Reply, Service
    from openoms.settings import Settings

Run = Callable[["Call"], int]


@dataclass(frozen=True, slots=True)
class Noun:
    """What the commands of one word are about."""

    word: str
    title: str
    path: str
    """Under ``/v2/{project}/``."""
    items: str
    """Field of a list's entries."""
    id: str
    """Field of the id."""
    verb: str
    """HTTP method of *start* and *stop*."""


TASK = Noun("task", "task", "tasks", "tasks", "id", "POST")
GROUP = Noun("group", "task group", "taskgroups", "taskgroups", "group_id", "PUT")
SYNC = Noun("sync", "sync task", "sync-tasks", "tasks", "sync_task_id", "POST")


@dataclass(frozen=True, slots=True)
class Call:
    """One command under way."""

    noun: Noun
    said: Namespace
    settings: Settings
    service: Service

    def ask(self, method: str, *path: str, **given: Any) -> Reply:
        """Call the service about this noun."""
        return self.service.call(method, self.noun.path, *path, **given)

    def say_json(self, reply: Reply | Mapping[str, Any]) -> None:
        """Print a reply as it came, or what was made of several."""
        content = json.dumps(reply).encode() if isinstance(reply, Mapping) else reply.content.strip() or b"{}"
        say_bytes(content)


@contextmanager
def open_call(noun: Noun, said: Namespace) -> Iterator[Call]:
    """Open the service for one command."""
    from openoms.client import Service  # noqa: PLC0415 - usage errors do not wait for it
    from openoms.settings import load_settings  # noqa: PLC0415

    settings = load_settings(said.config)
    with Service(find_access(said, settings)) as service:
        yield Call(noun, said, settings, service)


def running(noun: Noun, run: Run) -> Callable[[Namespace], int]:
    """Return a command as the command line calls it."""

    def go(said: Namespace) -> int:
        with open_call(noun, said) as call:
            return run(call)

    return go


def warn_of_plain_http(service: Service) -> None:
    """Say that keys can be read on the way, where they can."""
    if service.exposes_secrets:
        complain(f"note: {service.url} is not encrypted; the keys of the buckets can be read on the way.")


def declare_id(parser: Parser) -> None:
    """Add the id that a command is about."""
    parser.add_argument("id", metavar="ID", help="its id, as create and list tell it")
    add_access(parser)


def declare_ids(parser: Parser) -> None:
    """Add the ids that a command is about."""
    parser.add_argument("ids", metavar="ID", nargs="+", help="the ids; each is tried, whatever becomes of the others")
    add_access(parser)
