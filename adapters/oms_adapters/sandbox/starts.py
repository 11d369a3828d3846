"""Listings that start at a name, not after it: what sorts just before the name."""

from __future__ import annotations

LONGEST = 1024  # bytes, of any cloud's names


def just_before(start: bytes) -> bytes:
    """Return the greatest bytes that sort before ``start``, as far as names of ``LONGEST`` bytes go."""
    if not start:
        return b""
    if start[-1] == 0:
        return start[:-1]
    return start[:-1] + bytes([start[-1] - 1]) + b"\xff" * LONGEST
