"""Runs migrations of URL lists that lie in the sandbox's destination bucket."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

import uvloop

from oms_adapters.config import StoreConfig
from oms_adapters.registry import open_store
from oms_adapters.sandbox import put_item
from oms_engine.ledger import Failure
from oms_engine.model import TaskType
from oms_engine.task import Result, Scope
from oms_worker.sqlite_ledger import SqliteLedger
from support.migrations import Ran, World

LIST = "lists/urls.txt"
TEXT = {"content-type": "text/plain"}


def open_urls(*, private: bool = True) -> Any:
    """Return what opens the web, in any process."""
    extra = {"allow_private": True} if private else {}
    return functools.partial(open_store, StoreConfig("URLSource", "", extra=extra))


def put_list(world: World, lines: Iterable[tuple[str, str]], key: str = LIST) -> None:
    """Store a URL list: (URL, destination's name)."""
    text = "".join(f"{url}\t{quote(name)}\n" for url, name in lines)
    world.destination.put_many([put_item(key, text.encode(), headers=TEXT)])


def run_urls(
    world: World, lines: Iterable[tuple[str, str]] | None, *, key: str = LIST, private: bool = True, **fields: Any
) -> Ran:
    """Store a list, where one is given, and migrate it; counters and lists are held against each other."""
    if lines is not None:
        put_list(world, lines, key)
    scope = Scope(TaskType.URL_LIST, ("",), list_key=key)
    parts = {"source": open_urls(private=private), "list_store": world.open_destination, **fields}
    ran = world.run(books=False, scope=scope, **parts)
    result = ran.result
    assert result.counters.balanced
    if result.complete and not fields.get("dry_run"):
        listed, migrated, skipped, failed = ran.counts
        assert listed == migrated + skipped + failed
        assert (len(ran.lists["success"]), len(ran.lists["skip"]), len(ran.lists["failed"])) == (
            migrated,
            skipped,
            failed,
        )
        assert ran.uploads == 0
        assert world.destination.uploads() == []
    return ran


def run_bare(world: World, lines: Iterable[tuple[str, str]]) -> tuple[Result, list[Failure]]:
    """Migrate a list of which one name has two ends: the lists are not read."""
    put_list(world, lines)
    ledger = SqliteLedger(world.state)
    try:
        scope = Scope(TaskType.URL_LIST, ("",), list_key=LIST)
        migration = world.migration(ledger, scope=scope, source=open_urls(), list_store=world.open_destination)
        result = uvloop.run(migration.run())
        return result, ledger.failures(limit=1000)
    finally:
        ledger.close()


def arrived(world: World) -> dict[str, bytes]:
    """Return what came to the destination, lists apart."""
    return {key: world.destination.get(key) for key in world.arrived() if not key.startswith("lists/")}
