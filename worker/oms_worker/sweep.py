"""Deletes what tasks that are gone have left on this node's disk: ledgers, lists, ends."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from oms_worker.db.engine import Database
from oms_worker.db.tasks import existing_ids

BATCH = 500


async def sweep(database: Database, folder: Path, *, spare: Collection[int]) -> list[int]:
    """Delete the files of tasks that the database does not know, but for those to spare; return the tasks."""
    files: dict[int, list[str]] = {}
    for name in await asyncio.to_thread(os.listdir, folder):
        stem = name.partition(".")[0]
        if stem.isdigit():
            files.setdefault(int(stem), []).append(name)
    gone: list[int] = []
    numbers = list(files)
    for start in range(0, len(numbers), BATCH):
        some = numbers[start : start + BATCH]
        async with database.read() as connection:
            kept = await existing_ids(connection, some)
        gone += set(some) - kept - set(spare)
    for number in gone:
        await asyncio.to_thread(_remove, folder, files[number])
    return gone


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        path = folder / name
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
