"""Objects far from each other, out of a listing in memory."""

import asyncio
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from oms_engine.elsewhere import FOLDERS, behind, spread
from oms_engine.model import ListedObject, ListPage

KEYS = st.sets(st.text("ab/", min_size=1, max_size=6), max_size=40)


class Bucket:
    """Answers listings of one key."""

    capabilities = SimpleNamespace(lists=True, list_start_anywhere=True)

    def __init__(self, keys) -> None:
        self.keys = sorted(keys)
        self.asked = 0

    def list_page(self, prefix, *, start_after="", limit=1000):
        """Describe a listing."""
        found = [key for key in self.keys if key.startswith(prefix) and key > start_after][:limit]
        return ListPage([ListedObject(key, 1, 0.0, "", "") for key in found], None)

    async def call(self, page, *, final=None):
        """Perform it."""
        self.asked += 1
        return page


def sample(keys, prefix=""):
    """Return the keys that are looked at."""

    async def collect():
        bucket = Bucket(keys)
        session = SimpleNamespace(source=bucket, wire=bucket)
        return [entry.key async for entry in spread(session, prefix)], bucket.asked

    return asyncio.run(collect())


@given(KEYS)
def test_each_sample_is_a_key_of_the_listing(keys):
    """What is looked at is there, some of it whenever anything is, within a bounded number of requests."""
    found, asked = sample(keys)
    assert set(found) <= keys
    assert bool(found) == bool(keys)
    assert asked <= FOLDERS + 1 + 3 * 40


def test_a_large_folder_is_stepped_over():
    """The objects of one folder, however many, cost one look; the next folder is another."""
    keys = {f"AWSLogs/{number:05}" for number in range(5000)} | {"data/1", "data/2", "x"}
    found, _ = sample(keys)
    assert found[:3] == ["AWSLogs/00000", "data/1", "x"]


def test_a_flat_listing_is_cut():
    """Where there are no folders, objects halfway are looked at."""
    keys = {f"k{number:05}" for number in range(5000)}
    found, _ = sample(keys)
    assert max(found) > "k02500"


@given(st.text("ab/", max_size=6), st.text("ab/", min_size=1, max_size=6))
def test_behind_a_folder_comes_nothing_of_it(prefix, rest):
    """The position behind a key is behind all that share its folder, and before what follows."""
    key = prefix + rest
    at = behind(key, prefix)
    assert at >= key
    folder, slash, _ = rest.partition("/")
    if slash:
        assert at > f"{prefix}{folder}/\U0010fffe"
        assert at < f"{prefix}{folder}0"
