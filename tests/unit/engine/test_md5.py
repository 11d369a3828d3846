"""MD5 of several threads at once, held against hashlib; where nothing is compiled it is hashlib."""

import hashlib
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oms_engine import md5

COMPILED = md5.md5_lanes is not None
pieces = st.lists(st.one_of(st.binary(max_size=200), st.sampled_from([bytes(64), bytes(640), b"x" * 63])), max_size=12)


def of(data):
    """What hashlib says."""
    return hashlib.md5(data, usedforsecurity=False).digest()


def test_what_it_is():
    """Compiled lanes are used where they are, else hashlib: nobody has to compile anything."""
    assert isinstance(md5.shared_md5(), md5.LaneMd5) is COMPILED


@given(pieces)
def test_pieces(given):
    """Any cut gives hashlib's digest, after every piece; asking for one changes nothing."""
    ours, all_of_it = md5.shared_md5(), b""
    for piece in given:
        ours.update(memoryview(piece))
        all_of_it += piece
        assert ours.digest() == of(all_of_it)
    assert ours.digest() == of(all_of_it)


@given(st.lists(st.binary(max_size=500), min_size=2, max_size=12))
def test_threads(given):
    """Streams of different lengths, hashed by threads at the same time, each get their own digest."""
    start = threading.Barrier(len(given))

    def hashed(data):
        ours = md5.shared_md5()
        start.wait(20)
        for at in range(0, len(data), 96):
            ours.update(data[at : at + 96])
        return ours.digest()

    with ThreadPoolExecutor(len(given)) as threads:
        assert list(threads.map(hashed, given)) == [of(data) for data in given]


def test_many_large():
    """Forty threads with megabytes of different lengths: every digest is right, none waits for ever."""
    given = [os.urandom(300_000 + 12_345 * number) for number in range(40)]

    def hashed(data):
        ours = md5.shared_md5()
        for at in range(0, len(data), 65_000):
            ours.update(memoryview(data)[at : at + 65_000])
        return ours.digest()

    with ThreadPoolExecutor(40) as threads:
        assert list(threads.map(hashed, given)) == [of(data) for data in given]


def come_together(monkeypatch, count, update):
    """Let ``count`` threads hash 640 bytes each, all but the first while the first is held up; return their outcomes."""
    meeting = md5._Meeting()
    go_on, batches = threading.Event(), []

    def watched(streams):
        batches.append(len(streams))
        if len(batches) == 1:
            assert go_on.wait(20)
        update(streams)

    monkeypatch.setattr(md5, "md5_lanes", SimpleNamespace(LANES=8, update=watched))
    waits = [md5._Wait([(bytearray(md5._START), memoryview(bytes([number]) * 640))]) for number in range(count)]
    with ThreadPoolExecutor(count) as threads:
        done = [threads.submit(meeting.hash, waits[0])]
        until(lambda: batches)
        done += [threads.submit(meeting.hash, wait) for wait in waits[1:]]
        until(lambda: len(meeting._waiting) == count - 1)
        go_on.set()
        outcomes = [it.exception(20) for it in done]
    assert not meeting._hashing
    assert not meeting._waiting
    return waits, batches, outcomes


def until(true):
    """Wait for something that other threads bring about."""
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.001)


LANES = md5.md5_lanes


def hash_alone(streams):
    """Hash each stream by what is there: the lanes one by one, or hashlib's digest in place of a state."""
    for state, data in streams:
        if COMPILED:
            LANES.update([(state, data)])
        else:
            state[:] = of(data)


def test_those_who_wait_are_hashed_together(monkeypatch):
    """Of twelve, one hashes alone; then eight at once, as many as there are lanes, and the rest."""
    waits, batches, outcomes = come_together(monkeypatch, 12, hash_alone)
    assert batches == [1, 8, 3]
    assert outcomes == [None] * 12
    assert len({bytes(wait.lanes[0][0]) for wait in waits}) == 12


def test_a_failure_leaves_nobody_waiting(monkeypatch):
    """One who fails while hashing for others wakes them and hands on: a wrong MD5 is found later, a hang is not."""

    def update(streams):
        if len(streams) == 8:
            raise MemoryError

    _waits, batches, outcomes = come_together(monkeypatch, 12, update)
    assert batches == [1, 8, 3]
    assert sum(isinstance(outcome, MemoryError) for outcome in outcomes) == 1


@pytest.mark.parametrize(
    "streams",
    [
        [(bytearray(15), bytes(64))],
        [(bytearray(16), bytes(63))],
        [(bytes(16), bytes(64))],
        [(bytearray(16), bytes(64))] * 9,
        [(bytearray(16),)],
        [7],
        7,
    ],
)
def test_what_the_lanes_refuse(streams):
    """A wrong state, half a block, a ninth stream: an exception, never memory that is not theirs."""
    if not COMPILED:
        with pytest.raises(ImportError):
            from oms_engine import md5_lanes  # noqa: F401
        return
    with pytest.raises((TypeError, ValueError)):
        LANES.update(streams)
