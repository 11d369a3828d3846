"""Keys that come one by one: each once, in order, and from any point on."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine.keysource import FailedKeys, NamedKeys
from oms_engine.ledger import Failure
from oms_engine.memory_ledger import MemoryLedger


def take(source, after):
    """Return (marker, keys) of all batches after some entries."""

    async def run():
        return [batch async for batch in source.batches(after=after)]

    return asyncio.run(run())


@given(keys=st.lists(st.text(min_size=1, max_size=3), max_size=40), after=st.integers(0, 45))
@settings(deadline=None)
def test_named_keys_come_once_and_go_on_anywhere(keys, after):
    """Named keys come once, in the order given; a resumed source gives those after its marker."""
    source = NamedKeys(tuple(keys))
    unique = list(dict.fromkeys(keys))
    assert source.duplicates == len(keys) - len(unique)
    given_keys = [key for _, names in take(source, after) for key in names]
    assert given_keys == unique[after:]


def test_markers_count_the_entries_given():
    """A marker says how many entries lie behind it, across batches too."""
    source = NamedKeys(tuple(f"{number:05}" for number in range(2500)))
    assert [(marker, len(names)) for marker, names in take(source, 0)] == [(1000, 1000), (2000, 1000), (2500, 500)]
    assert [(marker, len(names)) for marker, names in take(source, 1700)] == [(2500, 800)]


class _Failed(MemoryLedger):
    """A ledger whose last run failed at the given keys."""

    def __init__(self, keys):
        super().__init__()
        self._failed = sorted(keys)

    def retry_source(self, *, after="", limit=1000):
        return [Failure(key, 0, "X", "", 0.0) for key in self._failed if key > after][:limit]


@given(count=st.integers(0, 3200), after=st.integers(0, 3300))
@settings(max_examples=40, deadline=None)
def test_failed_keys_go_on_anywhere(count, after):
    """The failures of the last run come by key; markers count them, wherever a resumed run begins."""
    keys = [f"{number:05}" for number in range(count)]
    batches = take(FailedKeys(_Failed(keys)), after)
    assert [key for _, names in batches for key in names] == keys[after:]
    assert all(marker == int(names[-1]) + 1 for marker, names in batches)
