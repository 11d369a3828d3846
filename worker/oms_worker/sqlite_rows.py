"""Rows of the SQLite ledger to values and back. Keys are BLOBs; other text is made storable, never refused."""

from __future__ import annotations

import json

from oms_engine.ledger import Failure, Parked, ParkKind, Segment, SegmentState, Upload
from oms_engine.ledger_rules import COUNTER_NAMES
from oms_engine.model import WrittenPart, key_bytes
from oms_engine.task import Counters
from oms_worker.sqlite_database import Row

COUNTERS = ", ".join(COUNTER_NAMES)
SEGMENT = f"id, prefix, lo, hi, list_offset, marker, epoch, state, reasons, {COUNTERS}"
PARKED = "key, kind, size, etag, last_modified, storage_class, due, attempts"
FAILURE = "key, size, code, message, at"
UPLOAD = "key, upload_id, source_etag, size, part_size"
PART = "number, etag, size, md5, crc64"


def key_text(data: bytes) -> str:
    """Return the key of these bytes; the reverse of ``key_bytes``."""
    return data.decode("utf-8", "surrogateescape")


def storable(text: str) -> str:
    """Return text SQLite can hold: lone surrogates, which a message may quote from a key, are written as escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def parse_segment(row: Row) -> Segment:
    """Read the columns of ``SEGMENT``."""
    number, prefix, lo, hi, list_offset, marker, epoch, state, reasons, *counters = row
    return Segment(
        id=number,
        prefix=key_text(prefix),
        lo=key_text(lo),
        hi=None if hi is None else key_text(hi),
        list_offset=list_offset,
        marker=key_text(marker),
        epoch=epoch,
        state=SegmentState(state),
        counters=Counters(*counters),
        reasons=json.loads(reasons),
    )


def parse_parked(row: Row) -> Parked:
    """Read the columns of ``PARKED``."""
    key, kind, *rest = row
    return Parked(key_text(key), ParkKind(kind), *rest)


def render_parked(parked: Parked) -> Row:
    """Write the columns of ``PARKED``."""
    key, kind, size, etag, last_modified, storage_class, due, attempts = parked
    return (key_bytes(key), kind, size, storable(etag), last_modified, storable(storage_class), due, attempts)


def parse_failure(row: Row) -> Failure:
    """Read the columns of ``FAILURE``."""
    return Failure(key_text(row[0]), *row[1:])


def render_failure(failure: Failure) -> Row:
    """Write the columns of ``FAILURE``."""
    return (key_bytes(failure.key), failure.size, storable(failure.code), storable(failure.message), failure.at)


def parse_upload(row: Row) -> Upload:
    """Read the columns of ``UPLOAD``."""
    return Upload(key_text(row[0]), *row[1:])


def parse_part(row: Row) -> WrittenPart:
    """Read the columns of ``PART``. A CRC-64 is a BLOB: SQLite's integers are signed."""
    number, etag, size, md5, crc64 = row
    return WrittenPart(number, etag, size, md5, None if crc64 is None else int.from_bytes(crc64, "big"))


def render_part(part: WrittenPart) -> Row:
    """Write the columns of ``PART``."""
    crc64 = None if part.crc64 is None else part.crc64.to_bytes(8, "big")
    return (part.number, storable(part.etag), part.size, part.md5, crc64)


def render_reasons(reasons: dict[str, int]) -> str:
    """Write reasons as JSON."""
    return json.dumps(reasons, separators=(",", ":"))


def add_reasons(total: dict[str, int], text: str) -> None:
    """Add reasons written as JSON to a total."""
    for reason, objects in json.loads(text).items():
        total[reason] = total.get(reason, 0) + objects
