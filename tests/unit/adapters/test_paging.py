"""Listings that start at a key and go on by markers: whatever the pages are, every key after the start comes once."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.dialects.paging import Position, make_page, parse_position, render_position
from oms_engine.errors import UnexpectedReply
from oms_engine.model import ListedObject, key_before, key_bytes

keys = st.text("ab/\x01é\uff5e😀", min_size=1, max_size=4)


def listed(key):
    """Return an object of that key."""
    return ListedObject(key, 1, 0.0, "e", "")


class Service:
    """A store whose listings start at a key (or, an older one, at the beginning) and whose markers are its own."""

    def __init__(self, names, *, starts, holes):
        self.names = sorted(names, key=key_bytes)
        self.starts = starts
        self.holes = holes

    def page(self, position, limit):
        """Return what one request is answered: objects and marker; sometimes a page of nothing but a marker."""
        first = 0
        if position.marker:
            first = int(position.marker.strip("<>"))
        elif self.starts and position.key:
            first = bisect_left([key_bytes(name) for name in self.names], key_bytes(position.key))
        if self.holes and not position.marker:
            return [], f"<{first}>"
        last = first + limit
        return [listed(name) for name in self.names[first:last]], f"<{last}>" if last < len(self.names) else ""


@given(st.sets(keys, max_size=12), keys | st.just(""), st.integers(1, 5), st.booleans(), st.booleans(), st.booleans())
def test_every_key_after_the_start_comes_once(names, start, limit, starts, holes, by_key):
    """Listing from any start, in pages of any length, by keys or markers, over empty pages too, misses nothing."""
    if not starts and by_key:
        by_key = False  # an older service cannot go on from a key
    service, found, following, seen = Service(names, starts=starts, holes=holes), [], start, 0
    while following is not None:
        position = parse_position(following)
        objects, marker = service.page(position, limit + 1)
        page = make_page(objects, position, prefix="", limit=limit, marker=marker, by_key=by_key)
        assert len(page.objects) <= limit
        found += [entry.key for entry in page.objects]
        assert page.next_start is None or key_before(following, page.next_start), "positions stand still"
        if page.objects and page.next_start is not None:
            assert not key_before(page.next_start, page.objects[-1].key), "a position sorts before its key"
        following, seen = page.next_start, seen + 1
        assert seen < 200
    assert found == [name for name in service.names if key_before(start, name)]


@given(keys, keys)
def test_a_position_sorts_directly_behind_its_key(key, other):
    """A position compares with every other key as its own key does, so that ranges are clipped right."""
    position = render_position(Position(key, "marker", 3, "x"))
    if other != key:
        assert key_before(position, other) == key_before(key, other)
    assert key_before(key, position)


@given(keys | st.just(""), st.text(min_size=1, max_size=20), st.integers(0, 99_999_999), keys | st.just(""))
def test_positions_are_read_back(key, marker, step, last):
    """Markers of any text survive."""
    position = Position(key, marker, step, last)
    if "\0\0" not in marker and not marker.startswith("\0"):
        assert parse_position(render_position(position)) == position


def test_a_plain_key_is_a_position():
    """A key, also one with a NUL inside, needs no marker."""
    assert parse_position("a\0b") == Position("a\0b")


@pytest.mark.parametrize(
    ("names", "position"),
    [
        (["b", "a"], Position("")),
        (["a", "a"], Position("")),
        (["😀", "\uff5e"], Position("")),  # UTF-16's order
        (["a"], Position("b", "<1>")),
        (["a"], Position("z", "<1>", 2, "b")),
    ],
)
def test_another_order_is_refused(names, position):
    """Keys that do not ascend by UTF-8 bytes, within a page or from the page before, are an error, never dropped."""
    with pytest.raises(UnexpectedReply, match="do not ascend"):
        make_page([listed(name) for name in names], position, prefix="", limit=9, marker="", by_key=False)


def test_keys_outside_the_prefix_are_refused():
    """A store that ignores the prefix is not believed."""
    with pytest.raises(UnexpectedReply, match="outside the prefix"):
        make_page([listed("b")], Position(""), prefix="a", limit=9, marker="", by_key=False)
