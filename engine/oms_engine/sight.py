"""What one process has learned of looking at the destination: which questions it answers."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from oms_engine.batch import Stored

MISSING = "CHECK_DST_OBJ_MISSING_FAILURE"
CHANGED = "CHECK_DST_OBJ_CHANGED_FAILURE"
"""Codes of objects that are not at the destination as they were written."""

HEADS_AT_ONCE = 32
"""Objects that closing looks ask for one by one at once."""

RECENT = 32
"""Batches that are kept in mind."""


class Sight:
    """Mutable, owned by one event loop."""

    def __init__(self) -> None:
        self.may_list = True
        self.may_head = False
        """A HEAD was answered: from then on a denied one means that the object is not at the destination."""
        self.blind = False
        """Neither is permitted."""
        self.folds: dict[str, bool] = {}
        """Kind of odd key -> whether the destination takes such keys for others; see ``folding.py``."""
        self.varies = False
        """It takes keys for one that differ in case or Unicode form; see ``aliases.py``."""
        self.asked: set[str] = set()
        """Of which of the two it was asked."""
        self.late = False
        """Its listing lacks objects that it holds under their own names."""
        self.recent: deque[Sequence[Stored]] = deque(maxlen=RECENT)
        """What the last looks found as it was written: a key taken for another may be written over it."""
        self.heads = asyncio.Semaphore(HEADS_AT_ONCE)
