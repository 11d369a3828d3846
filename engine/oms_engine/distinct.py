"""Tell first occurrences of keys from repeated ones, exactly, for millions of keys in little memory.

A hash table holds for each key an 8-bit fingerprint and where the key stands in a temporary file: five bytes a slot. A
fingerprint that matches is never believed: the key is read back and compared, so a collision costs one read and never
an object. When the table grows it is built anew from the file, so there are never two.
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterator
from typing import IO, Final, Self

from oms_engine.model import key_bytes

_LENGTH: Final = 4
_UNIT: Final = 4
"""Keys stand at multiples of this in the file, so 32 bits reach 16 GiB."""
_FIRST_SLOTS: Final = 1 << 12
_BUFFER: Final = 1 << 20


class DistinctKeys:
    """The set of keys seen. Must be closed; owned by one thread.

    10 million keys take about 85 MB of memory, and their own length and at most 7 bytes each of temporary disk. With
    ``note_bytes`` a note of that length is kept beside each key, on the disk too.
    """

    def __init__(self, directory: str | None = None, *, note_bytes: int = 0) -> None:
        self._note = note_bytes
        self._file: IO[bytes] = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115  (see close)
        self._tail = bytearray()
        self._flushed = 0
        self._count = 0
        self.duplicates = 0
        """Keys that were seen before."""
        self._make(_FIRST_SLOTS)

    def __len__(self) -> int:
        return self._count

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Drop the table and its file."""
        self._file.close()

    def add(self, key: str) -> bool:
        """Remember a key; return whether it was not seen before.

        Raises:
            OSError: the temporary file cannot be written.
        """
        return self.note_of(key, bytes(self._note)) is None

    def note_of(self, key: str, note: bytes) -> bytes | None:
        """Return the note a key was remembered with; remember it with this one and return None where it is new.

        Raises:
            OSError: the temporary file cannot be written.
        """
        if self._count * 4 > self._mask * 3:
            self._grow()  # here, where no name holds on to the old table
        raw = key_bytes(key)
        hashed = hash(raw)
        mark = (hashed >> 56) & 0xFF
        marks, places, mask = self._marks, self._places, self._mask
        slot = hashed & mask
        while place := places[slot]:
            if marks[slot] == mark and (record := self._at(place, len(raw))) is not None and record.startswith(raw):
                self.duplicates += 1
                return record[len(raw) :]
            slot = (slot + 1) & mask
        marks[slot] = mark
        places[slot] = self._append(raw, note)
        self._count += 1
        return None

    def _append(self, raw: bytes, note: bytes) -> int:
        """Write a key and its note; return its place, counted in units from 1."""
        offset = self._flushed + len(self._tail)
        pad = -(_LENGTH + len(raw) + len(note)) % _UNIT
        self._tail += len(raw).to_bytes(_LENGTH, "little") + raw + note + bytes(pad)
        if len(self._tail) >= _BUFFER:
            self._flush()
        return offset // _UNIT + 1

    def _flush(self) -> None:
        view = memoryview(self._tail)
        while view:
            view = view[self._file.write(view) :]
        self._flushed += len(self._tail)
        self._tail = bytearray()

    def _at(self, place: int, size: int) -> bytes | None:
        """Return the key at a place, and its note behind it, when the key has ``size`` bytes."""
        offset = (place - 1) * _UNIT
        whole = _LENGTH + size + self._note
        if offset >= self._flushed:
            start = offset - self._flushed
            record = bytes(self._tail[start : start + whole])
        else:
            record = os.pread(self._file.fileno(), whole, offset)
        return record[_LENGTH:] if int.from_bytes(record[:_LENGTH], "little") == size else None

    def _make(self, slots: int) -> None:
        self._mask = slots - 1
        self._marks = array("B", [0]) * slots
        self._places = array("I", [0]) * slots

    def _grow(self) -> None:
        slots = (self._mask + 1) * 2
        self._marks, self._places = array("B"), array("I")  # freed before the larger ones are made
        self._make(slots)
        marks, places, mask = self._marks, self._places, self._mask
        for place, raw in self._stored():
            hashed = hash(raw)
            slot = hashed & mask
            while places[slot]:
                slot = (slot + 1) & mask
            marks[slot] = (hashed >> 56) & 0xFF
            places[slot] = place

    def _stored(self) -> Iterator[tuple[int, bytes]]:
        """Yield every key with its place, in the order they came."""
        self._flush()
        self._file.seek(0)
        block = b""
        begin = 0
        while chunk := self._file.read(_BUFFER):
            block += chunk
            start = 0
            while len(block) - start >= _LENGTH:
                size = int.from_bytes(block[start : start + _LENGTH], "little")
                end = start + _LENGTH + size
                after = end + self._note
                after += -after % _UNIT
                if after > len(block):
                    break
                yield (begin + start) // _UNIT + 1, block[start + _LENGTH : end]
                start = after
            begin += start
            block = block[start:]
