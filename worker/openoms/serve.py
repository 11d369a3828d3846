"""``openoms serve``: database, services, API and scheduler wired up in one process. The only wiring of the service."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace

import uvicorn
from sqlalchemy import text
from starlette.types import ASGIApp

from oms_engine.errors import ConfigError, OmsError
from oms_engine.model import Secret
from oms_engine.records import visible
from oms_worker.api.app import create_app
from oms_worker.api.context import Context
from oms_worker.api.http11 import MAX_HEAD, limited_http
from oms_worker.api.metrics import Metrics
from oms_worker.api.trail import Trail
from oms_worker.companions import Companions
from oms_worker.db.engine import Database
from oms_worker.db.subtasks import Note
from oms_worker.ledgers import FileLedgers, Ledgers
from oms_worker.node import take_identity
from oms_worker.openfiles import raise_open_files
from oms_worker.planning import Planner
from oms_worker.runner import Runner
from oms_worker.services.attempts import Attempts
from oms_worker.services.buckets import BucketService, open_buckets
from oms_worker.services.tasks import TaskService
from oms_worker.services.users import UserService
from oms_worker.settings import KEY_RING_VARIABLE, ServiceSettings, is_loopback
from oms_worker.shared import Shared
from openoms.foundations import Foundations, open_foundations
from openoms.terminal import complain

HEADER_SECONDS = 30
"""Idle connections are closed after this long."""
READY_SECONDS = 2.0
"""A database that does not answer within this is not ready."""


def run_serve(settings: ServiceSettings) -> int:
    """Serve until SIGTERM or SIGINT; what is under way is finished or parked, and goes on at the next start."""
    _log_to_stderr(settings.log_level)
    leave_no_core_dumps()
    os.environ.pop(KEY_RING_VARIABLE, None)  # task hosts inherit the environment, and need no keys
    raise_open_files()  # before task hosts inherit the limit
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        runner.run(_serve(settings))
    return 0


def leave_no_core_dumps() -> None:
    """Have this process and its children leave no memory image behind: it would hold credentials."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    import uvloop  # noqa: PLC0415 - only serve needs it

    return uvloop.Loop


async def _serve(settings: ServiceSettings) -> None:
    async with open_foundations(settings, patience=settings.database_wait_seconds) as found:
        users = UserService(found.database, found.keys)
        await refuse_open_door(settings, users)
        if not is_loopback(settings.host) and settings.tls_certificate is None:
            complain(
                f"warning: {settings.host} is served over plain HTTP: whoever is on the way reads tokens and the keys "
                "of buckets. Give --tls-certificate and --tls-key, or keep a proxy with TLS in front."
            )
        with bound_socket(settings.host, settings.port) as listener:
            async with running(found, settings) as (runner, companions), open_buckets(settings) as buckets:
                metrics = Metrics(found.database)
                extras = {**companions.extras, "metrics": metrics}
                context = replace(
                    context_of(found, settings, runner, users, buckets, companions.leftovers.note), extras=extras
                )
                async with noting(found.database, metrics, settings) as trail:
                    await _listen(settings, create_app(context, trail), listener)


@asynccontextmanager
async def running(found: Foundations, settings: ServiceSettings) -> AsyncIterator[tuple[Runner, Companions]]:
    """Run the tasks of the database beside the API, with groups, sync tasks and notifications.

    At the end they are finished or parked.

    Raises:
        ConfigError: another process serves on this data directory.
    """
    identity = take_identity(settings.data_dir, alone=found.database.on_sqlite)
    ledgers = open_ledgers(settings)
    beside = Companions(found.database, found.keys, settings, Planner(settings), node_id=identity.id)
    runner = Runner(
        found.database,
        found.keys,
        settings,
        beside.planner,
        node_id=identity.id,
        ledgers=ledgers,
        hooks=beside.hooks,
        watch=found.key_place.complaint,
    )
    try:
        await runner.start()
        beside.start(runner.wake)
        try:
            yield runner, beside
        finally:
            await runner.stop()
            await beside.stop()
    finally:
        identity.close()


@asynccontextmanager
async def noting(database: Database, metrics: Metrics, settings: ServiceSettings) -> AsyncIterator[Trail]:
    """Keep the audit trail while the API is served."""
    trail = Trail(database, metrics, days=settings.audit_days)
    trail.start()
    try:
        yield trail
    finally:
        await trail.stop()


def open_ledgers(settings: ServiceSettings) -> Ledgers:
    """Return where the tasks' ledgers are: in PostgreSQL beside the tasks, or in files where SQLite is the database.

    Raises:
        ConfigError: the database cannot be reached as ledgers reach it.
    """
    if settings.on_sqlite:
        return FileLedgers(settings.ledger_dir)
    try:
        from oms_worker.postgres_ledgers import PostgresLedgers  # noqa: PLC0415 - its driver is an extra
    except ImportError as error:
        raise ConfigError(f"PostgreSQL needs psycopg ({error}): pip install 'openoms[postgres]'.") from error
    ledgers = PostgresLedgers(Secret(settings.database_url), settings.ledger_dir)
    ledgers.check()
    return ledgers


def context_of(
    found: Foundations,
    settings: ServiceSettings,
    runner: Runner,
    users: UserService,
    buckets: BucketService,
    note: Note,
) -> Context:
    """Return what the API needs."""
    asked = Shared(lambda: answers(found.database))

    async def ready() -> bool:
        return runner.healthy and not runner.complaint and await asked()

    tasks = TaskService(
        found.database, found.keys, note=note, quotas=settings.quotas, zone=settings.zone, wake=runner.wake
    )
    attempts = Attempts(settings.limits.login_failures)
    return Context(settings, tasks, users, Planner(settings), buckets, time.time, ready, attempts)


async def answers(database: Database) -> bool:
    """Whether the database answers within two seconds."""
    try:
        async with asyncio.timeout(READY_SECONDS), database.read() as connection:
            await connection.execute(text("SELECT 1"))
    except (OmsError, TimeoutError):
        return False
    return True


async def refuse_open_door(settings: ServiceSettings, users: UserService) -> None:
    """Refuse to listen beyond this machine while there is nobody who could be recognised.

    Raises:
        ConfigError: the address is not a loopback one and no user exists.
    """
    if not is_loopback(settings.host) and not await users.users():
        raise ConfigError(
            f"refusing to listen on {settings.host}, which others can reach, before there is a user; "
            "make one with: openoms user add NAME"
        )


@contextmanager
def bound_socket(host: str, port: int) -> Iterator[socket.socket]:
    """Listen on an address; port 0 takes a free one.

    Raises:
        ConfigError: it is taken, or is no address of this machine.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(
            host.strip("[]"), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
    except OSError as error:
        raise ConfigError(f"cannot listen on {host}:{port} ({error.strerror}); choose --host and --port.") from None
    with listener:
        yield listener


async def _listen(settings: ServiceSettings, app: ASGIApp, listener: socket.socket) -> None:
    server = _Server(_uvicorn_config(settings, app), _url(settings, listener))
    with server.until_signalled():
        await server.serve(sockets=[listener])


def _url(settings: ServiceSettings, listener: socket.socket) -> str:
    host = f"[{settings.host}]" if ":" in settings.host else settings.host
    return f"{'https' if settings.tls_certificate else 'http'}://{host}:{listener.getsockname()[1]}"


def _uvicorn_config(settings: ServiceSettings, app: ASGIApp) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=limited_http(settings.limits),
        h11_max_incomplete_event_size=MAX_HEAD,
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=HEADER_SECONDS,
        timeout_graceful_shutdown=max(1, int(settings.shutdown_seconds)),
        ssl_certfile=settings.tls_certificate,
        ssl_keyfile=settings.tls_key,
    )
    try:
        config.load()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"the TLS certificate and key cannot be used: {error.strerror or error}.") from None
    if config.ssl is not None:
        config.ssl.minimum_version = ssl.TLSVersion.TLSv1_2
    return config


class _Server(uvicorn.Server):
    """Says when it listens; ends at a signal, which it does not raise again."""

    def __init__(self, config: uvicorn.Config, url: str) -> None:
        super().__init__(config)
        self._url = url

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen, and say so."""
        await super().startup(sockets=sockets)
        complain(f"serving OMS's API on {self._url}")

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave signals to :meth:`until_signalled`."""
        yield

    @contextmanager
    def until_signalled(self) -> Iterator[None]:
        """Shut down at SIGTERM and SIGINT; a second one is not waited for."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT):
                loop.remove_signal_handler(number)

    def _end(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True


class _OneLine(logging.Formatter):
    """Keeps a message on its line, whatever a client or a store has put into it; tracebacks stay below."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        """Return the line."""
        return visible(super().formatMessage(record))


def _log_to_stderr(level: str) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=level.upper())
    if level == "debug":
        # Libraries print requests, headers and SQL with its values at this level: credentials among them.
        logging.getLogger().setLevel(logging.INFO)
        for name in ("openoms", "oms_worker", "oms_engine"):
            logging.getLogger(name).setLevel(logging.DEBUG)
    for name in ("alembic", "uvicorn"):  # what they say of each start concerns nobody
        logging.getLogger(name).setLevel(max(logging.WARNING, logging.getLogger().level))
