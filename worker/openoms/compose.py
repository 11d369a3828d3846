"""The only wiring: a plan becomes stores, a wire, a ledger and a migration. Nothing else imports all the layers."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from oms_adapters.config import StoreConfig, parse_endpoint
from oms_adapters.registry import open_store
from oms_engine.errors import ConfigError
from oms_engine.migration import Migration
from oms_engine.session import EngineSettings, StoreOpener
from oms_engine.slots import SlotSource
from oms_engine.task import Progress
from oms_engine.wire import WireSettings
from oms_worker.openfiles import fitting_connections
from oms_worker.sqlite_ledger import SqliteLedger
from openoms.plan import Plan, RunOptions
from openoms.preflight import judge
from openoms.settings import Proxies, Settings, Side

if TYPE_CHECKING:
    from oms_engine.memory_ledger import MemoryLedger
    from oms_worker.forked import Nursery

ProgressCallback = Callable[[Progress], None]


@contextmanager
def open_migration(
    plan: Plan,
    settings: Settings,
    on_progress: ProgressCallback | None = None,
    *,
    children: Nursery | None = None,
) -> Iterator[tuple[Migration, Path | None]]:
    """Open the ledger and wire everything up; yields the migration and where its state lies.

    A dry run remembers nothing: it leaves no file, and cannot disturb the state of the migration it tries out.

    Raises:
        ConfigError: a store cannot be opened as configured, or the ledger is of another task.
        RepositoryError: the state file cannot be used.
    """
    judge(plan)  # a wrong configuration is said before anything is created
    source, destination, listing = openers(plan)
    chosen = engine_settings(plan, settings)
    state = None if plan.spec.dry_run else state_path(plan, settings)
    ledger = _open_ledger(state)
    try:
        yield (
            Migration(
                plan.spec,
                source=source,
                destination=destination,
                ledger=ledger,
                list_store=listing,
                settings=chosen,
                helpers=helpers_for(chosen, children),
                on_progress=on_progress,
            ),
            state,
        )
    finally:
        ledger.close()


def _open_ledger(state: Path | None) -> SqliteLedger | MemoryLedger:
    if state is None:
        from oms_engine.memory_ledger import MemoryLedger  # noqa: PLC0415 - dry runs only

        return MemoryLedger(lists=False)
    _make_folder(state.parent)
    return SqliteLedger(state)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise ConfigError(
            f"the folder {folder} of the state file cannot be made ({error.strerror}); "
            "name a file elsewhere with --state."
        ) from None


def openers(plan: Plan) -> tuple[StoreOpener, StoreOpener, StoreOpener | None]:
    """Return what opens the source, the destination and the bucket of the list file, in any process."""
    source = store_config(plan.source, requester_pays=plan.requester_pays)
    destination = store_config(plan.destination)
    listing = None
    if plan.list_bucket is not None:
        listing = partial(open_store, replace(destination, bucket=plan.list_bucket))
    return partial(open_store, source), partial(open_store, destination), listing


def store_config(side: Side, *, requester_pays: bool = False) -> StoreConfig:
    """Return the adapter's configuration of one side."""
    return side.store_config(requester_pays=requester_pays)


def helpers_for(settings: EngineSettings, children: Nursery | None = None) -> SlotSource | None:
    """Return what makes the other processes, where more than one is wanted; only then is multiprocessing loaded."""
    if settings.processes == 1:
        return None
    from oms_worker.processes import ProcessSlots  # noqa: PLC0415

    return ProcessSlots(children.start if children else None)


def engine_settings(plan: Plan, settings: Settings) -> EngineSettings:
    """Return the engine's settings; what the plan leaves open keeps the engine's default."""
    chosen = EngineSettings(wire=wire_settings(plan.run, [plan.source, plan.destination], settings.proxies()))
    if plan.run.processes is not None:
        chosen = replace(chosen, processes=plan.run.processes)
    if plan.run.patience is not None:
        chosen = replace(chosen, patience=float(plan.run.patience))
    wanted = plan.run.connections if plan.run.connections is not None else chosen.connections
    return replace(chosen, connections=fitting_connections(wanted), closing_look=plan.run.closing_look)


def wire_settings(run: RunOptions, sides: list[Side], proxies: Proxies) -> WireSettings:
    """Return the wire's settings: trust, proxy, connections."""
    proxy, direct = choose_proxy(sides, proxies)
    wire = WireSettings(ca_file=run.ca_file, verify=run.verify_tls, proxy=proxy, no_proxy=direct)
    if run.min_rate is not None:
        wire = replace(wire, min_rate=float(run.min_rate))
    wanted = run.connections if run.connections is not None else wire.max_connections
    return replace(wire, max_connections=fitting_connections(wanted))


def choose_proxy(sides: list[Side], proxies: Proxies) -> tuple[str | None, tuple[str, ...]]:
    """Return the one proxy the wire uses and the hosts it reaches directly.

    The variables name a proxy per scheme, the wire has one: a side whose scheme has none goes directly.

    Raises:
        ConfigError: the two sides would need two different proxies.
    """
    direct = tuple(part for entry in proxies.no_proxy.split(",") if (part := entry.strip()))
    wanted = {side: _proxy_of(side, proxies) for side in sides}
    found = {proxy for proxy in wanted.values() if proxy}
    if len(found) > 1:
        raise ConfigError(
            "HTTP_PROXY and HTTPS_PROXY differ and this migration needs both; name one proxy for both sides."
        )
    if not found:
        return None, ()
    alone = tuple(parse_endpoint(side.endpoint).host for side, proxy in wanted.items() if not proxy and side.endpoint)
    return found.pop(), (*direct, *alone)


def _proxy_of(side: Side, proxies: Proxies) -> str | None:
    return proxies.http if side.endpoint and side.endpoint.startswith("http://") else proxies.https


def state_path(plan: Plan, settings: Settings) -> Path:
    """Return the state file: the one that was named, else one that belongs to this migration alone."""
    if plan.run.state is not None:
        if plan.run.state.is_dir():
            raise ConfigError(f"the state {plan.run.state} is a folder; name a file in it.")
        return plan.run.state
    return settings.state_dir() / f"{_slug(plan)}-{_fingerprint(plan)}.sqlite"


def _slug(plan: Plan) -> str:
    text = f"{plan.source.url.bucket}-{plan.destination.url.bucket}"
    return re.sub(r"[^A-Za-z0-9._-]", "_", text)[:80]


def _account(side: Side) -> list[str]:
    """Return whose bucket it is, where the URL does not tell: Tencent's APPID, Azure's storage account."""
    found = [value for name, value in side.extra if name == "app_id" and isinstance(value, str)]
    if side.url.cloud_type == "Azure":
        string = re.search(r"(?i)AccountName=([^;]*)|BlobEndpoint=([^;]*)", side.credentials.secret_key.reveal())
        found.append(side.credentials.access_key or (string.group(1) or string.group(2) if string else ""))
    return found


def _fingerprint(plan: Plan) -> str:
    """Digest of what makes two commands the same migration: places and scope, not rules, pace or credentials."""
    spec = plan.spec
    parts = (
        plan.source.url.label,
        plan.source.endpoint or plan.source.region or "",
        *_account(plan.source),
        plan.destination.url.label,
        plan.destination.endpoint or plan.destination.region or "",
        spec.scope.task_type.value,
        repr(spec.scope.keys),
        repr((plan.list_bucket, spec.scope.list_key)),
        spec.strip_prefix,
        spec.save_prefix,
    )
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:12]
