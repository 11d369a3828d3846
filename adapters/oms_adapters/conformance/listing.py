"""Listings: order, paging, prefixes, and what they state of each object."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from oms_adapters.conformance.case import case
from oms_adapters.conformance.harness import Harness
from oms_engine.model import key_bytes
from oms_engine.store import Capabilities

NAMES = ["!", "A", "B", "_", "a", "a!", "a/", "a/b", "a/b/c", "a0", "b", "é", "ü/x", "中", "\uff5e", "😀", "~"]
"""Their order by bytes differs from the order by letters, by UTF-16 units and by path segments."""


def _fill(harness: Harness, folder: str) -> tuple[str, list[str]]:
    root = f"{harness.prefix}{folder}/"
    for name in NAMES:
        harness.put(root + name, name.encode())
    return root, sorted((root + name for name in NAMES), key=harness.rank)


def _starts_anywhere(capabilities: Capabilities) -> bool:
    return capabilities.list_start_anywhere


@case()
def check_list_order(harness: Harness) -> None:
    """Keys ascend by their UTF-8 bytes, or as the store is declared to list, without delimiter or folding."""
    root, expected = _fill(harness, "order")
    assert harness.keys(root) == expected


@case()
def check_list_pages(harness: Harness) -> None:
    """Pages of any length hold every key once, in order, and the last one says that nothing follows."""
    root, expected = _fill(harness, "pages")
    for limit in (1, 3, len(NAMES) - 1, len(NAMES), len(NAMES) + 1):
        assert harness.keys(root, limit=limit) == expected, f"pages of {limit} differ"


@case(_starts_anywhere)
def check_list_start_anywhere(harness: Harness) -> None:
    """A listing starts after any key, one that exists or not, so that it can be split and resumed."""
    root, expected = _fill(harness, "anywhere")
    odd = ["a+", "a b", "a%2F", "\x01", "a/\n", "zz", "&", "%"]
    for start in [*expected, *(root + name for name in odd)]:
        after = [key for key in expected if harness.rank(key) > harness.rank(start)]
        assert harness.keys(root, start_after=start, limit=5) == after, f"after {start!r}"


def many_names() -> list[str]:
    """Return 300 names; none is a folder of another, so that stores on file systems take them all.

    The order of their bytes differs from that of folders (``pkg.conda`` before ``pkg/a.txt``, ``pkg-1/`` before both)
    and from that of UTF-16 units (U+E000 before U+1F600).
    """
    names = [f"pkg{n}{end}" for n in range(42) for end in ("/a.txt", ".conda", "-1/b.txt", "+c/d", " e", "0f")]
    return names + [f"{first}{n}" for n in range(16) for first in ("\U0001f600", "\ue000", "\uff5e")]


def _fill_many(harness: Harness, folder: str) -> tuple[str, list[str]]:
    root = f"{harness.prefix}{folder}/"
    keys = sorted((root + name for name in many_names()), key=harness.rank)
    harness.put_all(dict.fromkeys(keys, b""))
    return root, keys


@case()
def check_list_many(harness: Harness) -> None:
    """Of 300 keys every one is listed once, whatever the length of the pages and of the prefix."""
    root, expected = _fill_many(harness, "many")
    for prefix, limit in ((root, 1000), (root, 100), (root, 17), (harness.prefix, 100)):
        listed = [key for key in harness.keys(prefix, limit=limit) if key.startswith(root)]
        lost, twice = set(expected) - set(listed), len(listed) - len(set(listed))
        assert not lost, f"pages of {limit} lack {len(lost)} keys, such as {min(lost)!r}"
        assert not twice, f"pages of {limit} hold {twice} keys twice"
        assert len(listed) == len(expected), f"pages of {limit} hold other keys"


@case()
def check_list_many_order(harness: Harness) -> None:
    """300 keys ascend by their UTF-8 bytes, or as the store is declared to list, within pages and across them."""
    root, _ = _fill_many(harness, "many-order")
    for limit in (1000, 100, 17):
        fault = disorder(harness.keys(root, limit=limit), harness.rank)
        assert not fault, f"in pages of {limit} {fault}"


@case(_starts_anywhere)
def check_list_many_from_anywhere(harness: Harness) -> None:
    """A listing of 300 keys that starts in its middle holds exactly the keys behind."""
    root, expected = _fill_many(harness, "many-anywhere")
    for at in (99, 150, 251):
        for start in (expected[at], f"{expected[at]}\x01"):
            found = harness.keys(root, start_after=start, limit=50)
            assert set(found) == set(expected[at + 1 :]), f"after {start!r} other keys follow"


def disorder(keys: list[str], rank: Callable[[str], Any] = key_bytes) -> str:
    """Return where keys do not ascend, empty when they do."""
    for before, after in pairwise(keys):
        if rank(before) >= rank(after):
            return f"{after!r} follows {before!r}"
    return ""


@case()
def check_list_prefix(harness: Harness) -> None:
    """A prefix is compared byte by byte and may hold any character."""
    root = f"{harness.prefix}prefix/"
    names = ["a b+c%/x", "a b+c%x", "a b", "a+b", "aa"]
    for name in names:
        harness.put(root + name)
    assert harness.keys(f"{root}a b+c%") == [f"{root}a b+c%/x", f"{root}a b+c%x"]
    assert harness.keys(f"{root}a+") == [f"{root}a+b"]
    assert harness.keys(f"{root}nothing") == []


@case()
def check_list_states(harness: Harness) -> None:
    """A listing states the size, ETag and time that HEAD states, and the storage class."""
    key = f"{harness.prefix}states/object"
    written = harness.put(key, b"12345")
    (listed,) = harness.perform(harness.store.list_page(key)).objects
    head = harness.head(key)
    assert (listed.size, listed.etag) == (5, written.etag), f"listed as {listed}"
    assert listed.etag == head.etag
    assert int(listed.last_modified) == int(head.last_modified), "the listing states another time than HEAD"
    classes = harness.store.capabilities
    assert classes.class_of(listed.storage_class) == classes.class_of(head.storage_class)
