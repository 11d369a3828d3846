"""What one process has learned of a task's two stores while it moves objects: what their statements mean."""

from __future__ import annotations

import asyncio

from oms_engine.gates import Gate
from oms_engine.store import MIB

HELD_BYTES = 256 * MIB
"""Of parts held in memory at once; one that is larger is held alone."""


class Learned:
    """Mutable, owned by one event loop."""

    def __init__(self, *, holds_parts: bool, kept_unseen: bool = False) -> None:
        self.kept_unseen = kept_unseen
        """Metadata or classes are written, and no copy was seen yet that came back with them; see ``keeping.py``."""
        self.holds_parts = holds_parts
        """Parts are held, and their MD5 sent along: the replies prove nothing, or the store demands one."""
        self.joins_unannounced = False
        """The destination joins parts, but not with the CRC-64 of the whole."""
        self.held = Gate(lambda: HELD_BYTES)
        """Bytes of parts that are held in memory between their two connections."""
        self.chained = Gate(lambda: HELD_BYTES)
        """Bytes of parts that may wait in memory for their turn in the MD5 of the whole."""
        self.odd_wholes = False
        """What looks like the MD5 of a large source object is none: two reads gave the same other one."""
        self.sound_wholes = False
        """It is: that of another object proved what was read."""
        self.read_before: dict[str, str] = {}
        """Source keys whose composite ETag was not that of the bytes read -> the ETag these would have."""
        self.odd_composites = False
        """Composite ETags of the source are not made from MD5s."""
        self.sound_composites = False
        """They are: those of other objects proved what was read."""
        self.composites_turn = asyncio.Lock()
        """Who finds out which of the two: the others wait."""
        self.joined_again: set[str] = set()
        """Keys whose copy had another ETag than its parts make together."""
        self.odd_joins = False
        """ETags of joined uploads at the destination are not made from MD5s."""
        self.sound_joins = False
        """They are: those of other objects proved what was stored."""
