"""The nouns of a comparison: marks, methods, rules, one compared key, the counts."""

from __future__ import annotations

from dataclasses import field
from enum import StrEnum
from typing import NamedTuple

from oms_engine.frozen import dataclass
from oms_engine.model import StoragePolicy
from oms_engine.store import Store


class Mark(StrEnum):
    """rclone's marks (``rclone check --combined``, https://rclone.org/commands/rclone_check/), and ``~``."""

    SAME = "="
    ONLY_DESTINATION = "-"
    ONLY_SOURCE = "+"
    DIFFERENT = "*"
    ERROR = "!"
    UNPROVED = "~"
    """The sizes are equal, and nothing that the stores state proves more."""


class Method(StrEnum):
    """What two objects of one size were compared by."""

    MD5 = "md5"
    ETAG = "etag"
    """Of objects stored in parts: equal as they stand, or the MD5 of the one is the only part of the other."""
    CRC64 = "crc64"
    NOTED = "noted etags"
    """Both ETags still are those that the success list of a migration notes, and the migration proved that copy."""
    CONTENT = "content"
    EMPTY = "being empty"
    SIZE = "size only"


class Compared(NamedTuple):
    """One key and how its two objects stand to each other."""

    mark: Mark
    key: str
    """Relative to the two folders."""
    differences: tuple[str, ...] = ()
    """One phrase per difference, source first; for ``UNPROVED`` why nothing proves more, where it is known."""
    method: Method | None = None


@dataclass(frozen=True, slots=True)
class Side:
    """A folder of a bucket: keys are compared behind ``prefix``."""

    store: Store
    prefix: str = ""


@dataclass(frozen=True, slots=True)
class CheckRules:
    """What is compared, and what counts as proved."""

    attributes: bool = False
    """Headers, metadata and, with ``storage``, the class too."""
    one_way: bool = False
    """Objects that only the destination has are no difference."""
    content: bool = False
    """Read both objects; nothing else proves them equal then."""
    size_only: bool = False
    """Two objects of one size are equal where nothing states more."""
    storage: StoragePolicy | None = None
    """The policy of the migration; None leaves the class to the destination, so any class is right."""


@dataclass(slots=True)
class CheckSummary:
    """How many keys had which end."""

    marks: dict[Mark, int] = field(default_factory=lambda: dict.fromkeys(Mark, 0))
    methods: dict[Method, int] = field(default_factory=lambda: dict.fromkeys(Method, 0))
    records: int = 0
    """Objects of the destination's record folders, left out."""
    lists_error: str = ""
    """Why the success lists at the destination could not be read; empty when they were, or were not needed."""

    def add(self, compared: Compared) -> None:
        """Count one key."""
        self.marks[compared.mark] += 1
        if compared.method is not None:
            self.methods[compared.method] += 1

    @property
    def equal(self) -> bool:
        """Whether nothing differs, nothing went wrong and nothing stayed unproved."""
        return self.marks[Mark.SAME] == sum(self.marks.values())
