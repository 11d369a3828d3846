"""Rows of a ledger in SQL to values and back. Keys are bytes; other text is made storable, never refused."""

from __future__ import annotations

import json
from typing import Any

from oms_engine.ledger import Failure, Orphan, Parked, ParkKind, Segment, SegmentState, Upload
from oms_engine.ledger_rules import COUNTER_NAMES
from oms_engine.model import WrittenPart, key_bytes
from oms_engine.task import Counters
from oms_worker.sql_database import Row

COUNTERS = ", ".join(COUNTER_NAMES)
SET_COUNTERS = ", ".join(f"{name} = :{name}" for name in COUNTER_NAMES)
ADD_COUNTERS = ", ".join(f"{name} = {name} + :{name}" for name in COUNTER_NAMES)
SUM_COUNTERS = ", ".join(f"CAST(COALESCE(SUM({name}), 0) AS BIGINT)" for name in COUNTER_NAMES)
SEGMENT = f"id, prefix, lo, hi, list_offset, marker, epoch, state, reasons, {COUNTERS}"
PARKED = "key, kind, size, etag, last_modified, storage_class, due, attempts"
FAILURE = "key, size, code, message, at"
UPLOAD = "key, upload_id, source_etag, size, part_size"
DOUBT = "key, etag"
ORPHAN = "key, upload_id, since, known"
PART = "number, etag, size, md5, crc64"


def named(columns: str) -> str:
    """Return the named values of these columns, for ``INSERT``: ``a, b`` becomes ``:a, :b``."""
    return ", ".join(f":{name}" for name in columns.split(", "))


def key_text(data: bytes) -> str:
    """Return the key of these bytes; the reverse of ``key_bytes``."""
    return data.decode("utf-8", "surrogateescape")


def storable(text: str) -> str:
    """Return text a database can hold: lone surrogates and NUL, which a message may quote, are written as escapes.

    PostgreSQL refuses NUL in text: https://www.postgresql.org/docs/15/datatype-character.html
    """
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    return text.replace("\x00", "\\x00")


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


def render_new_segment(segment: Segment) -> dict[str, Any]:
    """Write what is taken of a segment that is added; the rest has its defaults."""
    return {
        "prefix": key_bytes(segment.prefix),
        "lo": key_bytes(segment.lo),
        "hi": None if segment.hi is None else key_bytes(segment.hi),
        "list_offset": segment.list_offset,
        "marker": key_bytes(segment.marker),
    }


def parse_parked(row: Row) -> Parked:
    """Read the columns of ``PARKED``."""
    key, kind, *rest = row
    return Parked(key_text(key), ParkKind(kind), *rest)


def render_parked(parked: Parked) -> dict[str, Any]:
    """Write the columns of ``PARKED``."""
    etag, storage_class = storable(parked.etag), storable(parked.storage_class)
    texts = {"kind": parked.kind.value, "etag": etag, "storage_class": storage_class}
    return {**parked._asdict(), "key": key_bytes(parked.key), **texts}


def parse_failure(row: Row) -> Failure:
    """Read the columns of ``FAILURE``."""
    return Failure(key_text(row[0]), *row[1:])


def render_failure(failure: Failure) -> dict[str, Any]:
    """Write the columns of ``FAILURE``."""
    code, message = storable(failure.code), storable(failure.message)
    return {"key": key_bytes(failure.key), "size": failure.size, "code": code, "message": message, "at": failure.at}


def parse_upload(row: Row) -> Upload:
    """Read the columns of ``UPLOAD``."""
    return Upload(key_text(row[0]), *row[1:])


def render_upload(upload: Upload) -> dict[str, Any]:
    """Write the columns of ``UPLOAD``."""
    upload_id, source_etag = storable(upload.upload_id), storable(upload.source_etag)
    return {**upload._asdict(), "key": key_bytes(upload.key), "upload_id": upload_id, "source_etag": source_etag}


def parse_orphan(row: Row) -> Orphan:
    """Read the columns of ``ORPHAN``."""
    return Orphan(key_text(row[0]), *row[1:])


def render_orphan(orphan: Orphan) -> dict[str, Any]:
    """Write the columns of ``ORPHAN``."""
    upload_id, known = storable(orphan.upload_id), storable(orphan.known)
    return {**orphan._asdict(), "key": key_bytes(orphan.key), "upload_id": upload_id, "known": known}


def parse_part(row: Row) -> WrittenPart:
    """Read the columns of ``PART``. A CRC-64 is kept as bytes: the integers of SQL are signed."""
    number, etag, size, md5, crc64 = row
    return WrittenPart(number, etag, size, md5, None if crc64 is None else int.from_bytes(crc64, "big"))


def render_part(part: WrittenPart) -> dict[str, Any]:
    """Write the columns of ``PART``."""
    crc64 = None if part.crc64 is None else part.crc64.to_bytes(8, "big")
    return {**part._asdict(), "etag": storable(part.etag), "crc64": crc64}


def render_reasons(reasons: dict[str, int]) -> str:
    """Write reasons as JSON."""
    return json.dumps(reasons, separators=(",", ":"))


def add_reasons(total: dict[str, int], text: str) -> None:
    """Add reasons written as JSON to a total."""
    for reason, objects in json.loads(text).items():
        total[reason] = total.get(reason, 0) + objects
