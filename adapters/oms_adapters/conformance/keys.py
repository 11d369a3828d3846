"""Keys are byte-exact: whatever a key holds, it is stored, listed, read and deleted under exactly that name."""

from __future__ import annotations

from functools import partial

from oms_adapters.conformance.case import CASES, Case, case
from oms_adapters.conformance.harness import Harness
from oms_engine.errors import InvalidRequest, NotFound
from oms_engine.model import key_bytes

ODD_KEYS: dict[str, str] = {
    "dots": "a/../b",
    "one-dot-inside": "a/./b",
    "two-slashes": "a//b",
    "leading-slash": "/a",
    "leading-slashes": "//a",
    "dot": ".",
    "dot-dot": "..",
    "folder-marker": "dir/",
    "spaces": " a  b ",
    "percent": "%41",
    "percent-broken": "100%",
    "encoded-slash": "a%2Fb",
    "plus": "a+b",
    "newline": "a\nb",
    "control": "a\x10b",
    "tab": "a\tb",
    "emoji": "😀",
    "above-bmp-order": "\uffee",
    "longest": "k" * 1024,
    "longest-segments": "/".join(["s" * 200] * 5) + "/" + "s" * 19,
    "query": "a&=?#;b",
    "quotes": "\"'<>`",
    "backslash": "a\\b",
    "tilde-star": "~*!()",
    "reserved": ":@$,[]{}|^",
    "chinese": "中文/文件",
}


def check_odd_key(odd: str, harness: Harness) -> None:
    """An odd key is stored, stated, listed, read and deleted under exactly its bytes."""
    key = harness.prefix + odd
    room = harness.store.capabilities.max_key_bytes
    key = key_bytes(key)[: max(room, 0)].decode("utf-8", "ignore")
    body = b"body of " + key_bytes(key)[:50]
    harness.put(key, body)
    assert harness.head(key).size == len(body), "HEAD states another object"
    for prefix in (key, harness.prefix):  # one that leads straight to the key hides how it is listed
        listed = harness.keys(prefix)
        assert key in listed, f"the listing of {prefix!r} holds {near(key, listed)!r} instead"
    assert harness.body(key) == body, "GET gives another object"
    harness.perform(harness.store.delete(key))
    try:
        harness.head(key)
    except NotFound:
        return
    raise AssertionError("the object is still there after it was deleted")


for _name, _odd in ODD_KEYS.items():
    CASES.append(Case(f"odd_key[{_name}]", f"the key {_odd[:20]!r} is byte-exact.", partial(check_odd_key, _odd)))


def near(key: str, listed: list[str]) -> list[str]:
    """Return the listed keys that may be meant by a key that is not listed, at most a few."""
    letters = set(key) - set("/.\\% ")
    return [found for found in listed if letters <= set(found)][:3] or listed[:3]


PAIRS: dict[str, tuple[str, str]] = {
    "two-slashes": ("d/x", "d//x"),
    "slash-at-the-end": ("a", "a/"),
    "slash-at-the-front": ("lead", "/lead"),
    "letter-case": ("Key", "key"),
    "accents": ("caf\u00e9", "cafe\u0301"),
    "dot-segment": ("p/x", "p/./x"),
    "dot-dot-segment": ("q/x", "q/r/../x"),
    "encoded-blank": ("a b", "a%20b"),
    "plus-and-blank": ("c d", "c+d"),
    "blank-at-the-end": ("t", "t "),
    "dot-at-the-end": ("u", "u."),
    "backslash": ("b/c", "b\\c"),
    "object-and-folder": ("f", "f/x"),
    "long-names": ("n" * 260 + "1", "n" * 260 + "2"),
}
"""Two keys each that a store may take for one: file-backed stores clean paths, fold case, cut names."""


def check_pair_apart(pair: tuple[str, str], name: str, harness: Harness) -> None:
    """Two keys that are alike are two objects: both are listed, under a prefix of neither, and each has its bytes."""
    folder = f"{harness.prefix}pairs/"
    keys = [f"{folder}{name}/{key}" for key in pair]
    for key in keys:
        harness.put(key, b"bytes of " + key_bytes(key))
    listed = harness.keys(folder)
    assert sorted(listed, key=key_bytes) == sorted(keys, key=key_bytes), f"{pair!r} are listed as {listed!r}"
    for key, other in zip(keys, reversed(keys), strict=True):
        expected = b"bytes of " + key_bytes(key)
        assert harness.body(key) == expected, f"{key!r} has the bytes of {other!r}, or of neither"


for _name, _pair in PAIRS.items():
    _says = f"{_pair[0][:20]!r} and {_pair[1][:20]!r} are two objects."
    CASES.append(Case(f"pair_apart[{_name}]", _says, partial(check_pair_apart, _pair, _name)))


@case()
def check_twins_stay_apart(harness: Harness) -> None:
    """Keys that only normalisation would merge (NFC and NFD, case, trailing slash) are different objects."""
    root = f"{harness.prefix}twins/"
    twins = ["caf\u00e9", "cafe\u0301", "Key", "key", "dir", "dir/", "a+b", "a b", "a%20b"]
    for twin in twins:
        harness.put(root + twin, twin.encode())
    assert harness.keys(root) == sorted((root + twin for twin in twins), key=key_bytes)
    for twin in twins:
        assert harness.body(root + twin) == twin.encode(), f"{twin!r} was replaced by its twin"


@case()
def check_key_too_long(harness: Harness) -> None:
    """A key longer than the store's limit is refused, not cut."""
    key = harness.prefix + "k" * (harness.store.capabilities.max_key_bytes + 1)
    try:
        harness.put(key, b"x")
    except InvalidRequest:
        return
    raise AssertionError("the key was accepted")
