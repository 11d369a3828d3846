"""What one process has learned of looking at the destination: which questions it answers."""

from __future__ import annotations

import asyncio

HEADS_AT_ONCE = 32
"""Objects that closing looks ask for one by one at once."""


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
        self.heads = asyncio.Semaphore(HEADS_AT_ONCE)
