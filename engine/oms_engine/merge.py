"""Two sorted listings side by side: each source object with what lies under its key, and what only the destination has.

Pages go in as they come, decided entries come out; nothing is kept beyond the pages not yet decided.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from operator import attrgetter, lt
from typing import NamedTuple

from oms_engine.errors import UnexpectedReply
from oms_engine.model import ListedObject, key_before, key_bytes


class Merged(NamedTuple):
    """What is decided now, both lists in key order."""

    pairs: list[tuple[ListedObject, ListedObject | None]]
    """Source objects, each with the destination's object of its key."""
    extras: list[ListedObject]
    """Objects only the destination has. Empty unless asked for."""


_key = attrgetter("key")


@dataclass(slots=True)
class _Side:
    """One listing: what has come of it and is not decided."""

    label: str
    cut: int = 0
    """Characters taken off the front of its keys…"""
    prefix: str = ""
    """… and put there instead, to have the destination's keys."""
    waiting: list[ListedObject] = field(default_factory=list)
    reached: str | None = None
    """The greatest key seen."""
    ended: bool = False

    def add(self, page: list[ListedObject]) -> None:
        if not page:
            return
        keys = list(map(_key, page))
        if not _ascend(keys) or (self.reached is not None and not key_before(self.reached, keys[0])):
            message = "the listing is not in ascending order of key bytes: the store cannot be compared page by page"
            raise UnexpectedReply(message, store=self.label, operation="list_page")
        self.waiting += page
        self.reached = keys[-1]

    def mapped(self, key: str) -> str:
        """Return the destination's key."""
        return self.prefix + key[self.cut :] if self.prefix or self.cut else key

    def up_to(self, key: str | None) -> int:
        """Return how many waiting objects have destination keys up to ``key``; None is before all keys."""
        if key is None:
            return 0
        # By bytes: code points order the same only where no undecodable byte came in.
        return bisect_right(self.waiting, key_bytes(key), key=lambda entry: key_bytes(self.mapped(entry.key)))

    def take(self, count: int) -> list[ListedObject]:
        taken = self.waiting[:count]
        del self.waiting[:count]
        return taken


def _ascend(keys: list[str]) -> bool:
    if len(keys) < 2:
        return True
    if "".join(keys).isascii():
        return all(map(lt, keys, keys[1:]))
    ordered = [key_bytes(key) for key in keys]
    return all(map(lt, ordered, ordered[1:]))


class PairMerge:
    """Merge pages of a source listing and a destination listing, which both ascend by UTF-8 bytes.

    Feed the side that :attr:`needs_source` or :attr:`needs_destination` names, then :meth:`take`. Source keys are
    mapped as :func:`oms_engine.plan.destination_key` maps them; the destination is listed under the mapped prefix.
    """

    def __init__(
        self, *, strip_prefix: str = "", save_prefix: str = "", extras: bool = False, labels: tuple[str, str] = ("", "")
    ) -> None:
        self._extras = extras
        self._source = _Side(labels[0], cut=len(strip_prefix), prefix=save_prefix)
        self._there = _Side(labels[1])

    @property
    def needs_source(self) -> bool:
        """Whether nothing more can be decided before the source's next page, or its end."""
        return not (self._source.ended or self._source.waiting)

    @property
    def needs_destination(self) -> bool:
        """Whether nothing more can be decided before the destination's next page, or its end."""
        if self._there.ended:
            return False
        if self._source.waiting:
            reached = self._there.reached
            return reached is None or key_before(reached, self._source.mapped(self._source.waiting[0].key))
        return self._source.ended and self._extras and not self._there.waiting

    @property
    def done(self) -> bool:
        """Whether everything has come out."""
        source_done = self._source.ended and not self._source.waiting
        return source_done and (not self._extras or (self._there.ended and not self._there.waiting))

    def add_source(self, page: list[ListedObject]) -> None:
        """Take the source's next page.

        Raises:
            UnexpectedReply: keys do not ascend.
        """
        self._source.add(page)

    def add_destination(self, page: list[ListedObject]) -> None:
        """Take the destination's next page.

        Raises:
            UnexpectedReply: keys do not ascend.
        """
        self._there.add(page)

    def end_source(self) -> None:
        """Say that no more source pages follow."""
        self._source.ended = True

    def end_destination(self) -> None:
        """Say that no more destination pages follow."""
        self._there.ended = True

    def take(self) -> Merged:
        """Return everything that is decided and was not returned before."""
        source, there = self._source, self._there
        decided = len(source.waiting) if there.ended else source.up_to(there.reached)
        passed = None if source.reached is None else source.mapped(source.reached)
        settled = len(there.waiting) if source.ended else there.up_to(passed)
        found = {entry.key: entry for entry in there.take(settled)}
        pairs = self._pair(source.take(decided), found)
        return Merged(pairs, self._only(found, pairs) if self._extras else [])

    def _pair(
        self, objects: list[ListedObject], found: dict[str, ListedObject]
    ) -> list[tuple[ListedObject, ListedObject | None]]:
        get = found.get
        prefix, cut = self._source.prefix, self._source.cut
        if not (prefix or cut):
            return [(entry, get(entry.key)) for entry in objects]
        return [(entry, get(prefix + entry.key[cut:])) for entry in objects]

    def _only(
        self, found: dict[str, ListedObject], pairs: list[tuple[ListedObject, ListedObject | None]]
    ) -> list[ListedObject]:
        for _, there in pairs:
            if there is not None:
                del found[there.key]
        return list(found.values())


def merge_pages(
    source: Iterable[list[ListedObject]],
    destination: Iterable[list[ListedObject]],
    *,
    strip_prefix: str = "",
    save_prefix: str = "",
    extras: bool = False,
) -> Iterator[Merged]:
    """Merge two iterables of pages, reading each only as far as needed.

    Raises:
        UnexpectedReply: keys of either side do not ascend.
    """
    merge = PairMerge(strip_prefix=strip_prefix, save_prefix=save_prefix, extras=extras)
    ours, theirs = iter(source), iter(destination)
    while not merge.done:
        if merge.needs_source:
            page = next(ours, None)
            merge.end_source() if page is None else merge.add_source(page)
        elif merge.needs_destination:
            page = next(theirs, None)
            merge.end_destination() if page is None else merge.add_destination(page)
        else:
            yield merge.take()
