"""Listings that start at a key and go on by tokens: whatever the pages are, every key after the start comes once."""

from bisect import bisect_left

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_adapters.dialects.paging import make_page
from oms_engine.errors import UnexpectedReply
from oms_engine.model import ListedObject, key_before, key_bytes

keys = st.text("ab/\x01é\uff5e😀", min_size=1, max_size=4)


def listed(key):
    """Return an object of that key."""
    return ListedObject(key, 1, 0.0, "e", "")


class Service:
    """A store whose listings start at a key and whose tokens are its own."""

    def __init__(self, names, *, holes):
        self.names = sorted(names, key=key_bytes)
        self.holes = holes

    def page(self, start, token, limit):
        """Return what one request is answered: objects and token; sometimes a page of nothing but a token."""
        first = bisect_left([key_bytes(name) for name in self.names], key_bytes(start)) if start else 0
        first = int(token.strip("<>")) if token else first
        if self.holes and not token:
            return [], f"<{first}>"
        last = first + limit
        return [listed(name) for name in self.names[first:last]], f"<{last}>" if last < len(self.names) else ""


@given(st.sets(keys, max_size=12), keys | st.just(""), st.integers(1, 5), st.booleans())
def test_every_key_after_the_start_comes_once(names, start, limit, holes):
    """Listing from any start, in pages of any length, over empty pages too, misses nothing and repeats nothing."""
    service, found, following, token, seen = Service(names, holes=holes), [], start, None, 0
    while following is not None:
        asked = limit + 1 if following and token is None else limit
        objects, marker = service.page(following, token, asked)
        if holes and token and start and objects and objects[0].key == start:
            objects = objects[1:]
        page = make_page(objects, following, prefix="", limit=limit, token=marker)
        assert len(page.objects) <= limit
        found += [entry.key for entry in page.objects]
        following, token, seen = page.next_start, page.token, seen + 1
        assert seen < 200
    assert found == [name for name in service.names if key_before(start, name)]


def test_keys_outside_the_prefix_are_refused():
    """A store that ignores the prefix is not believed."""
    with pytest.raises(UnexpectedReply, match="outside the prefix"):
        make_page([listed("b")], "", prefix="a", limit=9, token="")
