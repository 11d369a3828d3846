"""Deletes what tasks that are gone have left on this node's disk: ledgers, lists, ends."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path

from oms_worker import kept_ledgers
from oms_worker.db import kept
from oms_worker.db.engine import Database
from oms_worker.db.tasks import existing_ids
from oms_worker.states import Task

BATCH = 500


async def sweep(database: Database, folder: Path, *, spare: Collection[int]) -> list[int]:
    """Delete the files of tasks that the database does not know, but for those to spare; return the tasks.

    Those of tasks that have ended shrink (``kept_ledgers.py``). No task may be claimed meanwhile.
    """
    files: dict[int, list[str]] = {}
    for name in await asyncio.to_thread(os.listdir, folder):
        stem = name.partition(".")[0]
        if stem.isdigit():
            files.setdefault(int(stem), []).append(name)
    gone: list[int] = []
    numbers = [number for number in files if number not in spare]
    for start in range(0, len(numbers), BATCH):
        some = numbers[start : start + BATCH]
        async with database.read() as connection:
            known = await existing_ids(connection, some)
            ended = await kept.ended_among(connection, some)
        gone += set(some) - known
        if database.on_sqlite:
            for number, status in ended.items():
                await shrink(database, folder, number, succeeded=status == Task.SUCCEEDED)
    for number in gone:
        await asyncio.to_thread(_remove, folder, files[number])
    return gone


async def shrink(database: Database, folder: Path, number: int, *, succeeded: bool) -> None:
    """Delete the ledger file of a task that has ended, once what is needed of it is kept."""
    if succeeded:
        if kept_ledgers.needs_nothing(folder, number):
            kept_ledgers.remove(folder, number)
        return
    if not (folder / f"{number}.db").exists():  # it is kept, or never was
        kept_ledgers.remove(folder, number)
        return
    content = await asyncio.to_thread(kept_ledgers.packed, folder, number)
    if content is not None:
        async with database.write() as connection:
            done = await kept.keep(connection, number, content)
        if done:
            kept_ledgers.remove(folder, number)


def _remove(folder: Path, names: list[str]) -> None:
    for name in names:
        path = folder / name
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
