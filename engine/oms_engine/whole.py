"""The MD5 of a whole object whose parts are read side by side, by several threads.

An MD5 needs the bytes in their order. So what comes before its turn is kept, and hashed beside the next bytes of who
comes then: two streams in one vector cost little more than one (:mod:`oms_engine.md5`). How much may be kept is up to
who begins parts: in order, and no further than :attr:`WholeMd5.reached` allows.
"""

from __future__ import annotations

import threading

from oms_engine.md5 import Md5, shared_md5, update_both

Data = bytes | bytearray | memoryview


class WholeMd5:
    """The MD5 of bytes that are given in pieces, each with its place. From any thread."""

    def __init__(self) -> None:
        self.md5 = shared_md5()
        """Of the bytes up to :attr:`reached`."""
        self._lock = threading.Lock()
        self._busy = False
        """A thread hashes what comes next."""
        self._kept: dict[int, bytes] = {}
        self.reached = 0
        """Bytes that were hashed, or are just now."""

    def update(self, own: Md5, at: int, data: Data) -> None:
        """Take in the piece at a place, and have a part's own MD5 take it in as well."""
        with self._lock:
            piece = self._claim(at, data)
        if piece is None:
            own.update(data)
            return
        try:
            update_both(own, data, self.md5, piece)
        finally:
            with self._lock:
                self._busy = False

    def _claim(self, at: int, data: Data) -> Data | None:
        """Return what is to be hashed now; a piece whose turn has not come is kept."""
        end, piece = at + len(data), None
        if not self._busy and at <= self.reached < end:
            piece = memoryview(data)[self.reached - at :]
        elif end > self.reached:
            self._kept[at] = bytes(data)
        return self._begin(piece) if piece is not None else self._next_kept()

    def _next_kept(self) -> Data | None:
        if self._busy:
            return None
        for at, data in self._kept.items():
            if at <= self.reached < at + len(data):
                del self._kept[at]
                return self._begin(memoryview(data)[self.reached - at :])
        return None

    def _begin(self, piece: memoryview) -> memoryview:
        self._busy = True
        self.reached += len(piece)
        return piece

    def forget(self, first: int, end: int) -> None:
        """Drop what is kept of a part that is read anew."""
        with self._lock:
            for at in [at for at in self._kept if first <= at < end]:
                del self._kept[at]

    @property
    def behind(self) -> bool:
        """Whether something kept could be hashed, and nobody does."""
        return not self._busy and any(at <= self.reached < at + len(data) for at, data in list(self._kept.items()))

    def catch_up(self) -> None:
        """Hash what is kept and whose turn has come."""
        while True:
            with self._lock:
                piece = self._next_kept()
            if piece is None:
                return
            try:
                self.md5.update(piece)
            finally:
                with self._lock:
                    self._busy = False


class PartMd5:
    """The MD5 of one part that passes its bytes on to that of the whole. One thread at a time may use it."""

    def __init__(self, whole: WholeMd5, first: int, end: int) -> None:
        whole.forget(first, end)
        self._whole = whole
        self._own = shared_md5()
        self._at = first

    def update(self, data: Data, /) -> None:
        """Take in the next bytes."""
        self._whole.update(self._own, self._at, data)
        self._at += len(data)

    def digest(self) -> bytes:
        """Return the MD5 of the part's bytes so far."""
        return self._own.digest()
