"""Where to cut a key range in two, found with a few LISTs of one key. Works in any flat prefix and any alphabet.

The rest of a range is ``(head, hi]`` under a prefix. All its keys share some longest beginning; at the first character
where they part, the cut goes halfway between the smallest and the greatest character that occurs. Halves are rough;
whoever runs dry asks for the next cut.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from oms_engine.model import key_before

Probe = Callable[[str], Awaitable[str | None]]
"""The first key that sorts after the given one, within the range; None when there is none."""

GREATEST = "\U0010ffff"
_ASCII_LAST = 0x7E
_SURROGATES = range(0xD800, 0xE000)


async def find_split(probe: Probe, head: str, prefix: str) -> str | None:
    """Return a key ``at`` with ``head < at`` and at least one key beyond it, or None when the rest is not worth a cut.

    ``at`` need not exist, and names no folder of keys. About fifteen probes.
    """
    first = await probe(head)
    if first is None:
        return None
    shared = await _shared(probe, first, prefix)
    if len(shared) >= len(first):
        # The first key is itself the beginning of all others: cut behind it, or rather look further from there.
        second = await probe(first)
        return first if second is not None and key_before(head, first) else None
    low = ord(first[len(shared)])
    high = await _greatest(probe, shared, low)
    if high == low:
        return None
    # Never at a bare beginning: a store of files that is asked to start after `a/b` leaves the folder `a/b/` out.
    at = shared + chr(_valid(low + (high - low) // 2)) + GREATEST
    # Where bytes that are not UTF-8 occur, characters do not sort as bytes do: then the cut may lie outside.
    if not key_before(head, at) or key_before(at, first) or await probe(at) is None:
        return None
    return at


async def _shared(probe: Probe, first: str, prefix: str) -> str:
    """Return the longest beginning of ``first`` that all keys from it on have."""
    known, ahead = len(prefix), len(first)
    while known < ahead:
        middle = (known + ahead + 1) // 2
        if await probe(first[:middle] + GREATEST) is None:
            known = middle
        else:
            ahead = middle - 1
    return first[:known]


async def _greatest(probe: Probe, shared: str, low: int) -> int:
    """Return the greatest character that follows ``shared`` in a key, by bisection."""
    bottom, top = low, _ASCII_LAST
    if await probe(shared + chr(_ASCII_LAST) + GREATEST) is not None:
        bottom, top = max(low, _ASCII_LAST), ord(GREATEST)
    while bottom < top:
        middle = _valid((bottom + top) // 2)
        if middle >= top:
            break
        if await probe(shared + chr(middle) + GREATEST) is None:
            top = middle
        else:
            bottom = middle + 1
    return bottom


def _valid(code: int) -> int:
    """Step over what no key can hold: surrogates."""
    return _SURROGATES.stop if code in _SURROGATES else code
