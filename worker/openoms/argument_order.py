"""Options before, between and behind places: argparse takes places only where they stand together. Pure.

https://github.com/python/cpython/issues/59317: an optional place that an option separates from the first is left over.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Takes = Mapping[str, int | str | None]
"""Option -> how many words follow it: a number, ``+`` for all up to the next option, None for one."""

_PLACE = re.compile(r"[a-z0-9]+://[^/]")


def places_first(arguments: Sequence[str], takes: Takes, places: int) -> list[str]:
    """Return the same arguments with all that belong to no option in front, in their order.

    An option that takes all that follows gives back what looks like a place at its end, while places are missing:
    ``s3://a --object key obs://b``.
    """
    loose: dict[int, str] = {}
    greedy: list[range] = []
    at, end = 0, len(arguments)
    while at < end:
        word = arguments[at]
        if word == "--":
            loose.update((index, arguments[index]) for index in range(at + 1, end))
            end = at
        elif not word.startswith("-") or word == "-":
            loose[at] = word
            at += 1
        else:
            follow = _following(arguments, at, takes)
            if len(follow) and takes.get(word) in {"+", "*"}:
                greedy.append(follow)
            at += 1 + len(follow)
    for follow in reversed(greedy):
        for index in reversed(follow[1:]):
            if len(loose) >= places or not _PLACE.match(arguments[index]):
                break
            loose[index] = arguments[index]
    rest = [word for index, word in enumerate(arguments[:end]) if index not in loose]
    front = [loose[index] for index in sorted(loose)]
    if any(word.startswith("-") and word != "-" for word in front):
        return [*rest, "--", *front]
    return [*front, *rest]


def _following(arguments: Sequence[str], at: int, takes: Takes) -> range:
    """Return the positions of the words that belong to the option at ``at``; one with ``=`` holds its own."""
    count = takes.get(arguments[at], 0)
    start, end = at + 1, len(arguments)
    if isinstance(count, str):
        stop = start
        while stop < end and (not arguments[stop].startswith("-") or arguments[stop] == "-"):
            stop += 1
        return range(start, stop)
    return range(start, min(end, start + (1 if count is None else count)))
