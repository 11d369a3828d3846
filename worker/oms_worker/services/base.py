"""What every service of the API stands on."""

from __future__ import annotations

import time
from collections.abc import Callable

from oms_worker.db.engine import Database
from oms_worker.secrets import KeyRing
from oms_worker.settings import Quotas


def _nothing() -> None:
    """Wake nobody."""


class Service:
    """Use cases of one kind on a database. Each method sees what belongs to the project of its caller."""

    def __init__(
        self,
        database: Database,
        keys: KeyRing,
        *,
        quotas: Quotas | None = None,
        zone: str = "UTC",
        clock: Callable[[], float] = time.time,
        wake: Callable[[], None] = _nothing,
    ) -> None:
        self._database = database
        self._keys = keys
        self._quotas = quotas or Quotas()
        self._zone = zone
        self._clock = clock
        self._wake = wake
        """Has what carries changes out look at the database."""
