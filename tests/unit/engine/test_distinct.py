"""First occurrences told from repeated keys."""

from hypothesis import given
from hypothesis import strategies as st

import oms_engine.distinct as distinct_module
from oms_engine.distinct import DistinctKeys

keys = st.binary(max_size=6).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@given(st.lists(keys, max_size=200))
def test_it_answers_as_a_set_does(some_keys):
    """Each key is new exactly once."""
    seen = set()
    with DistinctKeys() as distinct:
        for key in some_keys:
            assert distinct.add(key) == (key not in seen)
            seen.add(key)
        assert (len(distinct), distinct.duplicates) == (len(seen), len(some_keys) - len(seen))


def test_it_answers_as_a_set_does_across_growth_and_disk():
    """Through many growths, and with keys long flushed to disk, nothing is lost and nothing is new twice."""
    some_keys = [f"folder/{n % 7}/{n}é" + "x" * (n % 50) for n in range(60_000)]
    with DistinctKeys() as distinct:
        assert all(map(distinct.add, some_keys))
        assert distinct._flushed > 1 << 20
        assert not any(map(distinct.add, some_keys))
        assert (len(distinct), distinct.duplicates) == (60_000, 60_000)


def test_colliding_hashes_lose_no_key(monkeypatch):
    """When every hash is the same, keys are still told apart, because they are compared, not believed."""
    monkeypatch.setattr(distinct_module, "hash", lambda _raw: 7, raising=False)
    with DistinctKeys() as distinct:
        assert all(distinct.add(str(n)) for n in range(300))
        assert not any(distinct.add(str(n)) for n in range(300))
