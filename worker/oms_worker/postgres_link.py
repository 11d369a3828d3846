"""One connection of a process to PostgreSQL, shared by the ledgers of all tasks that run in it.

A task host may run dozens of tasks and the service hundreds; a connection each would be more than PostgreSQL takes.
The ledger's calls are synchronous and quick, so they follow one another anyway. Statements of a transaction that need
no answer travel together with its COMMIT (https://www.psycopg.org/psycopg3/docs/advanced/pipeline.html).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import Connection, Pipeline, errors
from psycopg.types.numeric import Int8Dumper
from sqlalchemy.engine import make_url

from oms_engine.errors import RepositoryError
from oms_engine.model import Secret
from oms_worker.sql_database import LedgerLost
from oms_worker.sqlite_file import LedgerInUse

CONNECT_SECONDS = 5
SILENT_SECONDS = 20
"""A connection whose packets nobody acknowledges for this long is dead."""
IDLE_SECONDS = 10
"""PostgreSQL ends a session that stands still inside a transaction this long: its process was frozen or cut off, and
the task's next process waits for its lock."""
LOCK_SECONDS = 5

_LIBPQ = ("passfile", "target_session_attrs", "krbsrvname")
"""Words of the URL that mean the same to both drivers: https://www.postgresql.org/docs/15/libpq-connect.html"""


def connection_words(url: str) -> dict[str, Any]:
    """Return libpq's words for the URL of the service's database, which is written for asyncpg."""
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    _, words = parsed.get_dialect()().create_connect_args(parsed)
    several = {name: ",".join(map(str, words[name])) for name in ("host", "port") if isinstance(words.get(name), list)}
    known = {name: words[name] for name in ("host", "port", "user", "password", *_LIBPQ) if words.get(name)}
    ssl = {"sslmode": words["ssl"]} if words.get("ssl") else {}
    return {**known, **several, **ssl, "dbname": words.get("database", "")}


class Link:
    """A connection that is made when it is needed and made anew when it broke."""

    def __init__(self, url: Secret) -> None:
        self._words = connection_words(url.reveal())
        self._lock = threading.RLock()
        self._connection: Connection[Any] | None = None

    def _connected(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            made = psycopg.connect(
                **self._words,
                autocommit=True,
                connect_timeout=CONNECT_SECONDS,
                keepalives_idle=SILENT_SECONDS,
                tcp_user_timeout=SILENT_SECONDS * 1000,
                application_name="openoms ledger",
            )
            made.adapters.register_dumper(int, Int8Dumper)  # one type for all numbers: statements stay prepared
            made.execute(
                f"SET lock_timeout = '{LOCK_SECONDS}s'; SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'"
            )
            self._connection = made
        return self._connection

    @contextmanager
    def explained(self) -> Iterator[Connection[Any]]:
        """Use the connection, alone in this process, outside a transaction.

        Raises:
            LedgerInUse: another session holds a lock for long.
            LedgerLost: the database does not answer.
            RepositoryError: it refuses a statement.
        """
        with self._lock:
            try:
                yield self._connected()
            except psycopg.Error as error:
                raise self._explain(error) from error

    @contextmanager
    def transaction(self) -> Iterator[tuple[Connection[Any], Pipeline]]:
        """Commit what the block does, or nothing of it; statements are sent together where no answer is asked for.

        Raises:
            LedgerInUse: another session holds a lock for long.
            LedgerLost: the database does not answer.
            RepositoryError: it refuses a statement.
        """
        with self.explained() as connection:
            try:
                with connection.pipeline() as pipeline:
                    connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")  # the fence looks again after a wait
                    yield connection, pipeline
                    connection.execute("COMMIT")
            except BaseException:
                with suppress(psycopg.Error):
                    connection.execute("ROLLBACK")
                raise

    def mend(self) -> None:
        """See whether the connection still stands; one that broke while it was not used is made anew.

        Raises:
            LedgerLost: the database does not answer.
        """
        with self._lock:
            try:
                self._connected().execute("SELECT 1")
            except psycopg.Error:
                self.close()
        with self.explained():
            pass

    def _explain(self, error: psycopg.Error) -> RepositoryError | LedgerInUse:
        why = error.diag.message_primary or str(error).partition("\n")[0] or type(error).__name__
        if isinstance(error, errors.LockNotAvailable):
            return LedgerInUse("another process is just writing the ledger of this task.")
        gone = self._connection is None or self._connection.closed
        if gone or (isinstance(error, psycopg.OperationalError) and not isinstance(error, errors.ProgramLimitExceeded)):
            self.close()
            return LedgerLost(f"the ledger's database does not answer ({why}).")
        return RepositoryError(f"the ledger's database refuses a statement ({why}).")

    def close(self) -> None:
        """Close the connection; the next use makes another."""
        if self._connection is not None:
            with suppress(psycopg.Error):
                self._connection.close()
            self._connection = None


_links: dict[Secret, tuple[Link, int]] = {}
_links_lock = threading.Lock()


def take_link(url: Secret) -> Link:
    """Return this process's connection to a database; give it back with :func:`drop_link`."""
    with _links_lock:
        link, users = _links.get(url) or (Link(url), 0)
        _links[url] = (link, users + 1)
        return link


def drop_link(url: Secret) -> None:
    """Give a connection back; the last one closes it."""
    with _links_lock:
        link, users = _links.pop(url)
        if users > 1:
            _links[url] = (link, users - 1)
        else:
            link.close()
