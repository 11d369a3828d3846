"""Record lists on local disk until they are in the destination bucket: append-only files beside the state file.

The spool keeps no lengths of its own. The ledger's row says how many bytes of a file are committed; whatever stands
beyond them was written by a transaction that never committed, and is overwritten or cut off.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from zlib import crc32

from oms_engine.errors import RepositoryError
from oms_engine.model import Outcome


class Spool:
    """A directory of record lists, made at the first line and removed when it is empty."""

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self._open: dict[str, int] = {}

    def path(self, run: int, outcome: Outcome | str, name: str) -> str:
        """Return where a list lies; the run leads its name, so that lists of earlier runs can be told apart."""
        return f"{self.directory}/{run}-{outcome}-{name}.txt"

    def write(self, path: str, offset: int, data: bytes) -> None:
        """Write ``data`` at ``offset``, the committed length of the file.

        Raises:
            OSError: the disk is full or the directory not writable.
        """
        descriptor = self._descriptor(path)
        rest = memoryview(data)
        while rest:
            written = os.pwrite(descriptor, rest, offset)
            offset += written
            rest = rest[written:]

    def sync(self) -> None:
        """Bring what was written to the disk, so that a power failure seldom finds a list behind its row."""
        for descriptor in self._open.values():
            os.fsync(descriptor)

    def seal(self, path: str, size: int) -> None:
        """Cut a file to its committed length and close it; nothing is written to it again."""
        descriptor = self._descriptor(path)
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)
        os.close(self._open.pop(path))

    def recover(self, committed: Mapping[str, Sequence[int | None]], run: int) -> None:
        """Make the files of a run what the ledger committed (path -> length, CRC-32 or None); others go.

        Raises:
            RepositoryError: a list is missing, shorter than committed or damaged.
        """
        self._close_files()
        for path, (size, crc) in committed.items():
            _cut(path, size or 0)
            _check(path, crc)
        for path in self._files():
            if path not in committed and os.path.basename(path).startswith(f"{run}-"):  # noqa: PTH119 - import time
                os.unlink(path)  # noqa: PTH108 - import time

    def remove(self, path: str) -> None:
        """Delete one list; a missing one is no error."""
        if path in self._open:
            os.close(self._open.pop(path))
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - import time

    def remove_except(self, keep: set[str]) -> None:
        """Delete every list but these."""
        for path in self._files():
            if path not in keep:
                self.remove(path)

    def close(self) -> None:
        """Close the files; remove the directory when nothing is left in it."""
        self._close_files()
        with suppress(OSError):
            os.rmdir(self.directory)  # noqa: PTH106 - import time

    def _close_files(self) -> None:
        for descriptor in self._open.values():
            os.close(descriptor)
        self._open.clear()

    def _descriptor(self, path: str) -> int:
        if path not in self._open:
            with suppress(FileExistsError):
                os.mkdir(self.directory, 0o700)  # noqa: PTH102 - import time
            self._open[path] = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return self._open[path]

    def _files(self) -> list[str]:
        with suppress(FileNotFoundError):
            return [f"{self.directory}/{name}" for name in os.listdir(self.directory)]  # noqa: PTH208 - import time
        return []


def _cut(path: str, size: int) -> None:
    try:
        there = os.stat(path).st_size  # noqa: PTH116 - import time
    except FileNotFoundError:
        there = 0
    if there < size:
        raise RepositoryError(
            f"The record list {path} has lost {size - there} of {size} bytes (a power failure, or it was removed), so"
            " the lists of this run would be incomplete: remove the state file to begin anew; what is at the"
            " destination already is skipped."
        )
    if there > size:
        os.truncate(path, size)


def _check(path: str, crc: int | None) -> None:
    if crc is None:
        return
    with open(path, "rb") as file:  # noqa: PTH123 - import time
        if crc32(file.read()) != crc:
            raise RepositoryError(
                f"The record list {path} is damaged (its bytes differ from their check value): move the state file and"
                " its .records folder away and run the same again; all objects are then compared anew, and what is at"
                " the destination already is skipped."
            )
