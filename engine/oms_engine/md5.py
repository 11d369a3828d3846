"""MD5 for threads that move parts side by side: their bytes are hashed together, several streams at the price of one.

MD5 is what most S3-compatible stores prove a part by, and it is the most expensive thing that happens to a large
object: one core does 0.8 GB/s, less than it moves. Threads that have bytes to hash meet here: while one hashes for all
who wait, the next come together. Nobody waits for company; a stream alone is hashed alone.

``md5_lanes`` is compiled where a C compiler is (tools/native.py). Where it is not, this is hashlib's MD5.
"""

from __future__ import annotations

import hashlib
import struct
import threading
from typing import Protocol

try:
    from oms_engine import md5_lanes
except ImportError:  # not compiled
    md5_lanes = None  # type: ignore[assignment]

_BLOCK = 64
_START = struct.pack("=4I", 0x67452301, 0xEFCDAB89, 0x98BADCFE, 0x10325476)
"""The state before the first block: https://www.rfc-editor.org/rfc/rfc1321#section-3.3"""


class Md5(Protocol):
    """What computes an MD5: hashlib's or ours."""

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take in the next bytes."""
        ...

    def digest(self) -> bytes:
        """Return the MD5 of the bytes so far (16 bytes)."""
        ...


def shared_md5() -> Md5:
    """Return an MD5 for one of several threads."""
    return hashlib.md5(usedforsecurity=False) if md5_lanes is None else LaneMd5()


class LaneMd5:
    """An MD5 whose blocks are hashed beside those of other threads. One thread at a time may use it."""

    __slots__ = ("_size", "_state", "_tail")

    def __init__(self) -> None:
        self._state = bytearray(_START)
        self._tail = b""
        self._size = 0

    def update(self, data: bytes | bytearray | memoryview, /) -> None:
        """Take in the next bytes."""
        if lanes := self.begin(data):
            _meeting.hash(_Wait(lanes))

    def begin(self, data: bytes | bytearray | memoryview) -> list[_Lane]:
        """Take in the next bytes, but for the blocks that are returned: these are to be hashed next."""
        view = memoryview(data).cast("B")
        self._size += len(view)
        if self._tail:
            missing = _BLOCK - len(self._tail)
            self._tail += view[:missing]
            view = view[missing:]
            if len(self._tail) < _BLOCK:
                return []
            md5_lanes.update([(self._state, self._tail)])
        whole = len(view) - len(view) % _BLOCK
        self._tail = bytes(view[whole:])
        return [(self._state, view[:whole])] if whole else []

    def digest(self) -> bytes:
        """Return the MD5 of the bytes so far (16 bytes)."""
        state = bytearray(self._state)
        zeros = bytes((55 - self._size) % _BLOCK)
        md5_lanes.update([(state, self._tail + b"\x80" + zeros + struct.pack("<Q", 8 * self._size & (1 << 64) - 1))])
        # A state is four words of this machine, a digest four little-endian ones.
        return struct.pack("<4I", *struct.unpack("=4I", state))


def update_both(
    one: Md5, data: bytes | bytearray | memoryview, other: Md5, more: bytes | bytearray | memoryview
) -> None:
    """Have two MD5s take in bytes, side by side where they can."""
    if isinstance(one, LaneMd5) and isinstance(other, LaneMd5):
        if lanes := one.begin(data) + other.begin(more):
            _meeting.hash(_Wait(lanes))
    else:
        one.update(data)
        other.update(more)


_Lane = tuple[bytearray, memoryview]
"""The state of an MD5, and the blocks it takes in."""


class _Wait:
    """A thread's bytes, and how it is woken: when they are hashed, or to hash for all who came after."""

    __slots__ = ("done", "lanes", "turn")

    def __init__(self, lanes: list[_Lane]) -> None:
        self.lanes = lanes
        self.done = False
        self.turn = threading.Lock()


class _Meeting:
    """Where threads meet that have bytes to hash."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._hashing = False
        self._waiting: list[_Wait] = []
        """Those who came while somebody hashes. Who leaves it non-empty hands the hashing on."""

    def hash(self, own: _Wait) -> None:
        """Return when the bytes are hashed: by this thread, with those of all who wait, or by such a one."""
        with self._lock:
            first = not self._hashing
            self._hashing = True
            if not first:
                own.turn.acquire()
                self._waiting.append(own)
        if not first:
            own.turn.acquire()
            if own.done:
                return
        with self._lock:
            batch, lanes = [own], list(own.lanes)
            while self._waiting and len(lanes) + len(self._waiting[0].lanes) <= md5_lanes.LANES:
                batch.append(self._waiting.pop(0))
                lanes += batch[-1].lanes
        try:
            md5_lanes.update(lanes)
        finally:
            with self._lock:
                following = self._waiting.pop(0) if self._waiting else None
                self._hashing = following is not None
            for it in batch[1:]:
                it.done = True
                it.turn.release()
            if following is not None:
                following.turn.release()


_meeting = _Meeting()
