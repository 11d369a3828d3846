"""The ledgers of a service on PostgreSQL: every process finds those of all tasks, and the ends they came to."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from oms_engine.errors import ConfigError
from oms_engine.frozen import dataclass
from oms_engine.ledger import Ledger
from oms_engine.model import Secret
from oms_engine.task import Result
from oms_worker.ledgers import parse_result, succeeded
from oms_worker.postgres_ledger import PostgresLedger
from oms_worker.postgres_link import Link
from oms_worker.sql_database import LedgerLost


@dataclass(frozen=True, slots=True)
class PostgresLedgers:
    """Ledgers in the database at ``url``; ``folder`` holds copies of lists while they are uploaded."""

    url: Secret
    folder: Path

    def check(self) -> None:
        """See that the database can be reached as ledgers reach it.

        Raises:
            ConfigError: it cannot.
        """
        link = Link(self.url)
        try:
            with link.explained() as connection:
                connection.execute("SELECT 1 FROM ledger_task LIMIT 1")
        except LedgerLost as error:
            raise ConfigError(f"{error} See that psycopg understands the URL of the database.") from error
        finally:
            link.close()

    def open(self, task_id: int, generation: int) -> PostgresLedger:
        """Open the ledger of a task."""
        return PostgresLedger(self.url, task_id, generation=generation, folder=self.folder)

    def conclude(self, ledger: Ledger, task_id: int, run: int, result: Result) -> None:
        """Write the end down and close the run, in one transaction."""
        del task_id
        _ours(ledger).conclude(run, json.dumps(asdict(result)), succeeded=succeeded(result))

    def end_of(self, ledger: Ledger, task_id: int, run: int) -> Result | None:
        """Read the end."""
        del task_id
        known = _ours(ledger).known_end(run)
        return None if known is None else parse_result(json.loads(known))


def _ours(ledger: Ledger) -> PostgresLedger:
    if not isinstance(ledger, PostgresLedger):
        raise TypeError(f"{type(ledger).__name__} is no ledger of a database")
    return ledger
