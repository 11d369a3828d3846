"""Ledger files of tasks that have ended: they go, and what a retry needs is kept compressed in the database.

Of a task that has succeeded nothing is needed. That of one that has failed becomes a row of ``kept_ledger``, and a file
again when the task is started anew. Whatever is killed when: the row is committed before the file goes, and a file that
is there wins over the row, since it is as new or newer.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

LARGEST = 4 << 20
"""Compressed bytes of a ledger that is kept in the database; a larger one stays a file."""
LEFT = "left"
"""In the file of an end: whether something of the ledger is needed after a success."""


def needs_nothing(folder: Path, task_id: int) -> bool:
    """Whether the ledger of a task that has succeeded holds nothing that anybody needs."""
    try:
        known = json.loads((folder / f"{task_id}.end").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return known.get(LEFT) is False


def remove(folder: Path, task_id: int) -> None:
    """Delete the files of a task; that of its end goes last, so that a killed process is followed up."""
    for suffix in (".db", ".db-wal", ".db-shm", ".db.new", ".db.lock", ".end-new"):
        with suppress(OSError):
            (folder / f"{task_id}{suffix}").unlink()
    shutil.rmtree(folder / f"{task_id}.db.records", ignore_errors=True)
    with suppress(OSError):
        (folder / f"{task_id}.end").unlink()


def packed(folder: Path, task_id: int) -> bytes | None:
    """Return the ledger of a task as it is kept; None when it must stay a file: it is large, damaged or has lists."""
    path = folder / f"{task_id}.db"
    if (folder / f"{task_id}.db.records").exists() or not path.exists():
        return None
    try:
        with closing(sqlite3.connect(path, timeout=1.0)) as ledger:
            ledger.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if path.with_name(f"{path.name}-wal").exists():
            return None
        content = zlib.compress(path.read_bytes())
    except (sqlite3.Error, OSError):
        return None
    return content if len(content) <= LARGEST else None


def restore(folder: Path, task_id: int, content: bytes) -> None:
    """Make the ledger a file again, whole and durably, unless it is one.

    Raises:
        OSError: there is no room for it.
    """
    path = folder / f"{task_id}.db"
    if path.exists():
        return
    for suffix in (".db-wal", ".db-shm"):
        with suppress(OSError):
            (folder / f"{task_id}{suffix}").unlink()
    fresh = folder / f"{task_id}.db.new"
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600), "wb") as file:
        file.write(zlib.decompress(content))
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)


@contextmanager
def unpacked(contents: dict[int, bytes]) -> Iterator[Path]:
    """Make kept ledgers files in a folder of their own for a while."""
    with tempfile.TemporaryDirectory(prefix="openoms-") as name:
        for task_id, content in contents.items():
            restore(Path(name), task_id, content)
        yield Path(name)
