"""Bytes of an object as the pieces they arrived in: joined by reference, read by range, never copied as a whole."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import accumulate

import fastcrc

CHUNK = 1 << 20


class Blob:
    """An immutable sequence of byte pieces."""

    __slots__ = ("_ends", "_md5", "pieces", "size")

    def __init__(self, pieces: Iterable[bytes] = (), *, md5: bytes | None = None) -> None:
        self._md5 = md5
        self.pieces = tuple(piece for piece in pieces if piece)
        self._ends = tuple(accumulate(map(len, self.pieces)))
        self.size = self._ends[-1] if self._ends else 0

    @classmethod
    def joined(cls, blobs: Iterable[Blob]) -> Blob:
        """Return one blob of several, sharing their pieces."""
        return cls(piece for blob in blobs for piece in blob.pieces)

    def read(self, first: int = 0, size: int | None = None) -> Iterator[memoryview]:
        """Yield ``size`` bytes from offset ``first`` as views of at most one MiB."""
        left = self.size - first if size is None else min(size, self.size - first)
        index = bisect_right(self._ends, first)
        offset = first - (self._ends[index - 1] if index else 0)
        while left > 0:
            view = memoryview(self.pieces[index])
            take = min(len(view) - offset, left, CHUNK)
            yield view[offset : offset + take]
            left -= take
            offset += take
            if offset == len(view):
                index, offset = index + 1, 0

    def whole(self) -> bytes:
        """Return the whole content as one value."""
        return self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces)

    def md5(self) -> bytes:
        """Return the MD5 of the content."""
        if self._md5 is None:
            digest = hashlib.md5(usedforsecurity=False)
            for piece in self.pieces:
                digest.update(piece)
            self._md5 = digest.digest()
        return self._md5

    def crc64(self) -> int:
        """Return the CRC-64/XZ (ECMA-182 polynomial, reflected) of the content."""
        crc = 0
        for piece in self.pieces:
            crc = fastcrc.crc64.xz(piece, crc)
        return crc

    def flipped(self, offset: int) -> Blob:
        """Return a copy with the lowest bit of the byte at ``offset`` (modulo the size) inverted."""
        if not self.size:
            return self
        data = bytearray(self.whole())
        data[offset % self.size] ^= 1
        return Blob([bytes(data)])
