"""Whether bytes move fast enough. A body that trickles never meets a timeout between two bytes, and never ends."""

from __future__ import annotations


class Watch:
    """At least ``rate`` bytes a second, over each ``window`` seconds that were spent waiting for bytes.

    ==========================  ===========================================
    waited in all               verdict
    ==========================  ===========================================
    less than the window        fast enough
    the window or more          too slow below ``rate`` times what was waited;
                                then a new window begins
    ==========================  ===========================================

    Only the time of waiting for the other end counts: what the own bandwidth limit or the other store holds back is
    not this one's slowness. A rate of 0 switches it off.
    """

    __slots__ = ("_moved", "_rate", "_waited", "_window")

    def __init__(self, rate: float, window: float) -> None:
        self._rate = rate
        self._window = window
        self._waited = 0.0
        self._moved = 0

    def too_slow(self, seconds: float, size: int) -> bool:
        """Count ``seconds`` of waiting that brought ``size`` bytes; return whether that is too slow by now."""
        self._waited += seconds
        self._moved += size
        if self._waited < self._window:
            return False
        slow = self._moved < self._rate * self._waited
        self.reset()
        return slow

    def reset(self) -> None:
        """Begin a new window."""
        self._waited = 0.0
        self._moved = 0
