"""Bytes of large objects that have no end yet, for eyes only: parts that arrived, and what flows now.

An attempt that fails takes its bytes back, so what is stated here can still arrive. Small objects never stand here:
they move whole, within moments.
"""

from __future__ import annotations


class Flow:
    """What one stream has passed on; one thread adds to it."""

    __slots__ = ("passed",)

    def __init__(self) -> None:
        self.passed = 0

    def restart(self) -> None:
        """Begin another attempt."""
        self.passed = 0


class _Object:
    __slots__ = ("flows", "kept", "size")

    def __init__(self, size: int) -> None:
        self.size = size
        self.kept = 0
        self.flows: list[Flow] = []

    @property
    def moved(self) -> int:
        moved = self.kept + sum(flow.passed for flow in self.flows)
        return min(moved, self.size) if self.size >= 0 else moved


class UnderWay:
    """The large objects of one process that move now, by their source keys."""

    __slots__ = ("objects",)

    def __init__(self) -> None:
        self.objects: dict[str, _Object] = {}

    def begin(self, key: str, size: int) -> None:
        """Begin an object, or begin it anew; ``size`` is negative where nobody states it."""
        self.objects[key] = _Object(size)

    def end(self, key: str) -> None:
        """Forget an object that has its end."""
        self.objects.pop(key, None)

    def keep(self, key: str, size: int) -> None:
        """Count bytes that need not be sent again as long as the object moves."""
        if key in self.objects:
            self.objects[key].kept += size

    def open(self, key: str) -> Flow:
        """Begin a stream of an object."""
        flow = Flow()
        if key in self.objects:
            self.objects[key].flows.append(flow)
        return flow

    def close(self, key: str, flow: Flow) -> None:
        """Take the bytes of a stream back: it failed, or what it sent is kept."""
        if key in self.objects and flow in self.objects[key].flows:
            self.objects[key].flows.remove(flow)

    @property
    def moved(self) -> int:
        """Bytes of objects under way that have moved."""
        return sum(item.moved for item in self.objects.values())

    @property
    def size(self) -> int:
        """Bytes of all objects under way, moved or not."""
        return sum(max(item.size, item.moved) for item in self.objects.values())
