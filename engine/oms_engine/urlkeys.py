"""Entries of a URL list as source keys: the destination's name and the URL, in one string.

The engine knows an object by its source key, in its queues, its failures and its parked rows. For a URL list that key
is the destination's name, a TAB, and the URL. So whatever is remembered of an object is enough to fetch it again, in
another process and after a restart too; lists and messages show the name alone. A URL holds no TAB, a name may.
"""

from __future__ import annotations

from typing import Final

_TAB: Final = "\t"
_CONFLICT: Final = "!"
"""Stands before the URL of a line whose name an earlier line gave to another URL; no URL begins with it."""


def render_entry(key: str, url: str, *, conflict: bool = False) -> str:
    """Return the source key of one line of a URL list."""
    return f"{key}{_TAB}{_CONFLICT if conflict else ''}{url}"


def parse_entry(entry: str) -> tuple[str, str, bool]:
    """Return name, URL, and whether the name was another line's."""
    key, _, url = entry.rpartition(_TAB)
    return key, url.removeprefix(_CONFLICT), url.startswith(_CONFLICT)


def entry_name(entry: str) -> str:
    """Return the destination's name of an entry."""
    return entry.rpartition(_TAB)[0]
