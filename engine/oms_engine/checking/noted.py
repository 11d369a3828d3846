"""What the success lists at the destination note of the objects that nothing else proves.

The lists are read once, in pieces; only the lines of the keys asked for are kept.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from datetime import datetime

from oms_engine.checking.proof import Note
from oms_engine.listing import follow
from oms_engine.model import Outcome
from oms_engine.records import encode_key, escape_text, record_word
from oms_engine.store import Store
from oms_engine.wire import Wire

RECORD_FOLDERS = ("oms/task/", "oms/task_group/", "oms/sync_task/")
"""Where OMS and OpenOMS put their lists in a destination bucket: no part of what was migrated."""

_WORD = record_word(Outcome.MIGRATED)
_FOLDER = f"/{_WORD}_object_lists/"
_FILE = f".{_WORD}_list.txt"
_COLUMNS = 8
_LONGEST_LINE = 65_535


async def read_notes(wire: Wire, store: Store, keys: Iterable[str]) -> dict[str, list[Note]]:
    """Return what the success lists of a bucket say about some source keys.

    Raises:
        StoreError: the lists cannot be listed or read.
    """
    wanted = {encode_key(key).encode(): key for key in keys}
    notes: dict[str, list[Note]] = {}
    async for name in _list_names(wire, store):
        async with wire.stream(store.read(name)) as (_, chunks):
            async for lines in _lines(chunks):
                for key, note in _notes(lines, wanted):
                    notes.setdefault(key, []).append(note)
    return notes


async def _list_names(wire: Wire, store: Store) -> AsyncIterator[str]:
    for folder in RECORD_FOLDERS:
        async for page in follow(wire, store, folder):  # in whatever order the store lists them
            for entry in page.objects:
                if _FOLDER in entry.key and entry.key.endswith(_FILE) and entry.size:
                    yield entry.key


async def _lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[list[bytes]]:
    """Yield whole lines; what follows the last line feed of a list is no line."""
    rest = b""
    async for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield lines
        if len(rest) > _LONGEST_LINE:
            rest = b""  # no list of ours


def _notes(lines: list[bytes], wanted: dict[bytes, str]) -> Iterator[tuple[str, Note]]:
    for line in lines:
        columns = line.split(b"\t")
        if len(columns) == _COLUMNS and (key := wanted.get(columns[1])) is not None and (note := _note(columns)):
            yield key, note


def _note(columns: list[bytes]) -> Note | None:
    """Return a line as a note; None when it is no line of ours."""
    try:
        at, _, size, source, destination, _, method, result = (column.decode() for column in columns)
        return Note(
            datetime.fromisoformat(at).timestamp(),
            int(size),
            source,
            destination,
            method,
            result.partition(";")[0] == "equal",
        )
    except ValueError:
        return None


def as_noted(etag: str) -> str:
    """Return an ETag as the lists write it."""
    return escape_text(etag)
