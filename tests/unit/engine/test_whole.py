"""The MD5 of an object whose parts come side by side is that of its bytes."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine.whole import PartMd5, WholeMd5


def cuts(size, places):
    """Cut a range at some places."""
    ends = sorted({place % (size + 1) for place in places} | {0, size})
    return list(pairwise(ends))


@given(
    body=st.binary(max_size=700),
    parts=st.lists(st.integers(0, 700), max_size=4),
    pieces=st.lists(st.integers(0, 700), max_size=8),
    seed=st.integers(0, 99),
    again=st.booleans(),
)
def test_pieces_of_parts_in_any_order_give_the_md5(body, parts, pieces, seed, again):
    """However parts are cut, interleaved, and begun anew half way, the MD5s of each and of the whole are hashlib's."""
    whole, dice = WholeMd5(), random.Random(seed)
    streams = []
    for first, end in cuts(len(body), parts):
        bounds = cuts(end - first, pieces)
        attempts = [bounds[: len(bounds) // 2], bounds] if again else [bounds]
        streams.append([(first, end, number, a, b) for number, tries in enumerate(attempts) for a, b in tries])
    digests = {}
    while streams:
        stream = dice.choice(streams)
        first, end, attempt, a, b = stream.pop(0)
        if (first, attempt) not in digests:
            digests[first, attempt] = PartMd5(whole, first, end)
        digests[first, attempt].update(body[first + a : first + b])
        if not stream:
            streams.remove(stream)
            assert digests[first, attempt].digest() == hashlib.md5(body[first:end]).digest()
    whole.catch_up()
    assert whole.reached == len(body)
    assert whole.md5.digest() == hashlib.md5(body).digest()


@pytest.mark.parametrize("threads", [1, 3, 8])
def test_threads_hash_parts_and_the_whole_at_once(threads):
    """Threads that read parts side by side lose no byte and hash none twice."""
    body, size, step = random.Random(threads).randbytes(3_000_017), 250_007, 30_011

    def carry(first):
        part = PartMd5(whole, first, first + size)
        for at in range(first, min(first + size, len(body)), step):
            part.update(memoryview(body)[at : min(at + step, first + size, len(body))])
        return part.digest()

    for _ in range(5):
        whole = WholeMd5()
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(carry, range(0, len(body), size)))
        whole.catch_up()
        assert found == [hashlib.md5(body[at : at + size]).digest() for at in range(0, len(body), size)]
        assert whole.md5.digest() == hashlib.md5(body).digest()
