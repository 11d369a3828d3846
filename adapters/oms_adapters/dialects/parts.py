"""The parts of an upload: as a store lists them, and what they make together."""

from __future__ import annotations

from collections.abc import Callable

from oms_adapters.dialects.xml import find_text, parse_xml
from oms_engine.digest import combine_crc64
from oms_engine.model import PartsPage, WrittenPart, strong_etag
from oms_engine.store import Reply


def parse_parts(reply: Reply, part: Callable[[int, int, dict[str, str]], WrittenPart]) -> PartsPage:
    """Return one page of the parts that a store lists; ``part`` makes one of its number, size and headers.

    Raises:
        ValueError: a number or a size is none.
    """
    root = parse_xml(reply.body)
    parts = []
    for element in root.findall("Part"):
        etag = strong_etag(find_text(element, "ETag"))
        size = int(find_text(element, "Size"))
        parts.append(part(int(find_text(element, "PartNumber")), size, {"etag": etag}))
    parts.sort(key=lambda part: part.number)
    truncated = find_text(root, "IsTruncated").strip() == "true"
    return PartsPage(parts, parts[-1].number if truncated and parts else None)


def joined_crc64(parts: list[WrittenPart]) -> int | None:
    """Return the CRC-64/XZ of the joined parts, None unless each part's is known."""
    joined = 0
    for part in parts:
        if part.crc64 is None:
            return None
        joined = combine_crc64(joined, part.crc64, part.size)
    return joined if parts else None
