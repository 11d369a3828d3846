"""Where a large object is cut so that its ETag can prove it: as the source cut it. Pure.

The ETag of an object stored in parts is the MD5 of its parts' MD5s and their number. Cut alike, the copy has the same
ETag, which proves both what was read and what is stored; cut otherwise, nothing relates the two.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/checking-object-integrity.html
"""

from __future__ import annotations

import re

from oms_engine.plan import PartPlan
from oms_engine.store import MIB, Capabilities

_OF_PARTS = re.compile(r"[0-9a-fA-F]{32}-([0-9]{1,5})", re.ASCII)

USUAL = tuple(mib * MIB for mib in (8, 5, 16, 15, 64, 50, 10, 32, 100, 128, 20, 25, 256, 512))
"""Part sizes of the usual tools, the commonest first: AWS's own, rclone, mc and ours, s3cmd, s5cmd, ..."""


def cut_as_source(plan: PartPlan, etag: str, source: Capabilities, destination: Capabilities) -> PartPlan:
    """Return a plan with the source's part size, where its ETag allows to know it; else the plan as it is.

    ==========================================================  ===============
    the source's ETag                                           part size
    ==========================================================  ===============
    of no parts, of one, or a store's whose ETags are opaque    the plan's
    of N parts, and a usual size cuts the object into N         that size
    of N parts, and whole MiB cut it into N                     the fewest MiB
    of N parts otherwise                                        the plan's
    ==========================================================  ===============

    A size that the destination does not take is the plan's too. A size that was guessed wrong costs nothing: the copy
    then is not proved, as it would not be with the plan's own.
    """
    found = _OF_PARTS.fullmatch(etag)
    if plan.size is None or plan.single or found is None or not source.etag_is_md5:
        return plan
    parts = int(found[1])
    size = part_size_or_none(plan.size, parts)
    fits = size is not None and destination.min_part_size <= size <= destination.max_part_size
    if size is None or not fits or parts > destination.max_parts:
        return plan
    return PartPlan(plan.size, size, parts, min(plan.parallel, parts))


def part_size_or_none(size: int, parts: int) -> int | None:
    """Return the likeliest part size of an object in so many parts; None when no whole MiB makes so many."""
    if parts < 2:
        return None
    low, high = -(-size // parts), (size - 1) // (parts - 1)
    usual = next((each for each in USUAL if low <= each <= high), None)
    whole = -(-low // MIB) * MIB
    return usual or (whole if whole <= high else None)
