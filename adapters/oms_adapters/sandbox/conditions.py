"""HTTP's conditions and ranges, as object stores read them (RFC 9110, sections 13 and 14)."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime
from typing import NamedTuple

from oms_adapters.sandbox.core import Object
from oms_adapters.sandbox.refusal import Refusal


class Range(NamedTuple):
    """A satisfiable range."""

    first: int
    size: int


def check_read(headers: dict[str, str], item: Object) -> None:
    """Hold a read's conditions against an object.

    Raises:
        Refusal: PreconditionFailed, NotModified.
    """
    match, none_match = headers.get("if-match"), headers.get("if-none-match")
    modified = int(item.mtime)
    if match is not None:
        if not _names(match, item.etag):
            raise Refusal("PreconditionFailed")
    elif (since := _time(headers.get("if-unmodified-since"))) is not None and modified > since:
        raise Refusal("PreconditionFailed")
    tag = (("etag", f'"{item.etag}"'),)
    if none_match is not None:
        if _names(none_match, item.etag):
            raise Refusal("NotModified", headers=tag)
    elif (since := _time(headers.get("if-modified-since"))) is not None and modified <= since:
        raise Refusal("NotModified", headers=tag)


def check_write(headers: dict[str, str], item: Object | None) -> None:
    """Hold a write's conditions against what is there.

    https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html

    Raises:
        Refusal: PreconditionFailed; NoSuchKey for If-Match on a missing object.
    """
    if headers.get("if-none-match") == "*" and item is not None:
        raise Refusal("PreconditionFailed")
    match = headers.get("if-match")
    if match is None:
        return
    if item is None:
        raise Refusal("NoSuchKey")
    if not _names(match, item.etag):
        raise Refusal("PreconditionFailed")


def parse_range(header: str | None, size: int) -> Range | None:
    """Return the range to send, None for the whole object (also for several ranges and nonsense).

    Raises:
        Refusal: InvalidRange.
    """
    found = re.fullmatch(r"bytes=(\d*)-(\d*)", (header or "").strip())
    if found is None or not (found[1] or found[2]):
        return None
    if found[1]:
        first = int(found[1])
        last = min(int(found[2]), size - 1) if found[2] else size - 1
        if found[2] and int(found[2]) < first:
            return None
    else:
        first, last = max(size - int(found[2]), 0), size - 1
    if first >= size or (not found[1] and found[2].strip("0") == ""):
        raise Refusal("InvalidRange", headers=(("content-range", f"bytes */{size}"),))
    return Range(first, last - first + 1)


def _names(header: str, etag: str) -> bool:
    return header.strip() == "*" or etag in {word.strip().removeprefix("W/").strip('"') for word in header.split(",")}


def _time(text: str | None) -> float | None:
    try:
        return parsedate_to_datetime(text).timestamp() if text else None
    except ValueError:
        return None
