"""What a migration needs of a bucket, as its source and as its destination; the rest is of use, and said why."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class Role(StrEnum):
    """What a bucket is in a migration."""

    SOURCE = "source"
    DESTINATION = "destination"


NEEDED: Mapping[Role, frozenset[str]] = {
    Role.SOURCE: frozenset({"list_page", "head", "read"}),
    Role.DESTINATION: frozenset({"list_page", "head", "write", "start_upload", "write_part", "complete_upload"}),
}
"""Operations of the store protocol without which a migration goes wrong."""

USEFUL: Mapping[Role, Mapping[str, str]] = {
    Role.SOURCE: {"restore": "archived objects cannot be restored"},
    Role.DESTINATION: {
        "delete": "a copy that arrived damaged stays until it is written again",
        "abort_upload": "parts of uploads that were given up stay, and cost money",
        "list_parts": "a large object whose upload was interrupted begins anew",
        "list_uploads": "uploads that a lost run left behind are not found",
        "read": "`openoms check` reads neither the success lists nor, with --content, the objects",
    },
}
"""Further operations -> what is without them."""

OPTIONAL_CASES: Mapping[str, str] = {
    **dict.fromkeys(
        ("list_order", "list_pages", "list_start_anywhere", "list_many_order", "list_many_from_anywhere"),
        "such a listing is read whole and sorted",
    ),
    "kms": "matters with --kms",
    "storage_classes": "matters with --storage-class",
    "attributes_round_trip": "matters with --metadata",
    "user_metadata_round_trip": "matters with --metadata",
    "metadata_bytes": "matters with --metadata",
    "absent_content_type": "matters for objects without a Content-Type",
    "crc64": "matters with --check crc64",
    "multipart_crc64": "matters with --check crc64",
    "resume": "an interrupted large object begins anew",
    "abort": "parts of uploads that were given up may stay, and cost money",
    "key_too_long": "no such key fits any other store",
    "small_part": "parts of a migration are larger",
    "gaps_between_parts": "a migration leaves no gaps",
    "if_match": "matters for a source",
    "read_ranges": "matters for a source",
    "range_outside": "a migration asks for no such range",
    "delete_missing": "a migration deletes only what it wrote",
}
"""Cases of the suite that a plain migration passes without -> when they matter."""


def without(role: Role, operation: str) -> str:
    """Return what is without an operation's permission; empty where a migration does not work without it."""
    if operation in NEEDED[role]:
        return ""
    return USEFUL[role].get(operation, "a migration asks for it in no case")
