"""Errands for threads: every outcome arrives, no more threads than allowed, nothing outlives its cancellation."""

import asyncio
import threading
import time

import pytest

from oms_engine.wire.threads import Errand, Threads


@pytest.fixture
def threads():
    """Three threads at most; they end with the test."""
    made = Threads(3, "test-errand")
    yield made
    made.close()


def running():
    """How many of our threads there are."""
    return sum(thread.name.startswith("test-errand") for thread in threading.enumerate())


async def test_outcomes(threads):
    """What each returns or raises arrives where it is waited for, though many more are given than there are threads."""

    def work(number):
        if number % 3 == 0:
            raise ValueError(number)
        return number

    errands = [Errand(lambda number=number: work(number)) for number in range(200)]
    for errand in errands:
        threads.submit(errand)
    told = await asyncio.gather(*(errand.outcome for errand in errands), return_exceptions=True)
    assert [one.args[0] if isinstance(one, ValueError) else one for one in told] == list(range(200))
    assert [number for number, one in enumerate(told) if isinstance(one, ValueError)] == list(range(0, 200, 3))


async def test_no_more_threads_than_needed_or_allowed(threads):
    """One errand after another needs one thread; many at once get three, and all three work at the same time."""
    for _ in range(10):
        errand = Errand(int)
        threads.submit(errand)
        await errand.outcome
        while not threads.idle:
            await asyncio.sleep(0.001)
    assert running() == 1
    together = threading.Barrier(3)
    errands = [Errand(lambda: together.wait(20)) for _ in range(9)]
    for errand in errands:
        threads.submit(errand)
    await asyncio.gather(*(errand.outcome for errand in errands))
    assert running() == 3


async def test_fewer_at_once_when_told_so_and_more_again(threads):
    """``at_once`` holds from the next errand on: threads too many end when they are done, and come back when wanted."""
    lock = threading.Lock()

    async def together(at_once, expected):
        """Run errands that end only when ``expected`` are under way at once; return how many ever were."""
        barrier, working, most = threading.Barrier(expected), 0, 0

        def work():
            nonlocal working, most
            with lock:
                working += 1
                most = max(most, working)
            barrier.wait(20)
            with lock:
                working -= 1

        errands = [Errand(work) for _ in range(4 * expected)]
        for errand in errands:
            threads.submit(errand, at_once=at_once)
        await asyncio.gather(*(errand.outcome for errand in errands))
        return most

    for at_once, expected in ((3, 3), (1, 1), (2, 2), (0, 1), (99, 3)):
        async with asyncio.timeout(20):
            while running() > expected:  # whoever is too many ends with its next errand
                rest = Errand(lambda: time.sleep(0.001))
                threads.submit(rest, at_once=at_once)
                await rest.outcome
                await asyncio.sleep(0.001)
        assert await together(at_once, expected) == expected


async def test_cancelled_before_it_began(threads):
    """An errand that no thread has begun when it is cancelled is never begun, and nobody waits for it."""
    go_on, begun = threading.Event(), []
    held = [Errand(lambda: go_on.wait(20)) for _ in range(3)]
    late = Errand(lambda: begun.append(True))
    for errand in [*held, late]:
        threads.submit(errand)
    late.outcome.cancel()
    await asyncio.wait_for(late.ended(), 5)
    go_on.set()
    await asyncio.gather(*(errand.outcome for errand in held))
    after = Errand(int)
    threads.submit(after)
    await after.outcome
    assert not begun


@pytest.mark.parametrize("fails", [False, True])
async def test_cancelled_under_way(threads, fails):
    """Who cancels an errand that is under way waits until its thread has let go, however it ends."""
    begun, go_on, done = threading.Event(), threading.Event(), []

    def work():
        begun.set()
        go_on.wait(20)
        time.sleep(0.05)
        done.append(True)
        if fails:
            raise ValueError

    errand = Errand(work)
    threads.submit(errand)
    while not begun.is_set():
        await asyncio.sleep(0.001)
    errand.outcome.cancel()
    go_on.set()
    await errand.ended()
    assert done
    await errand.ended()  # once more is no wait


async def test_closing_waits_for_what_is_under_way():
    """What was submitted is done before the threads end; nothing is taken after that, and no thread is left."""
    threads, done = Threads(2, "test-errand"), []
    errands = [Errand(lambda: (time.sleep(0.02), done.append(True))) for _ in range(6)]
    for errand in errands:
        threads.submit(errand)
    assert not threads.idle
    await asyncio.to_thread(threads.close)
    assert (len(done), running(), threads.idle) == (6, 0, True)
    with pytest.raises(RuntimeError):
        threads.submit(errands[0])


async def test_a_system_without_more_threads(threads, monkeypatch):
    """Where no further thread can be started those there are do everything; without any the caller is told, at once."""
    start, allowed = threading.Thread.start, [0]

    def limited(thread):
        if thread.name.startswith("test-errand"):
            if not allowed[0]:
                raise RuntimeError("can't start new thread")
            allowed[0] -= 1
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    refused, done = Errand(lambda: done.append(0)), []
    with pytest.raises(RuntimeError, match="no thread"):
        threads.submit(refused)
    allowed[0] = 1
    errands = [Errand(lambda number=number: done.append(number)) for number in range(1, 20)]
    for errand in errands:
        threads.submit(errand)
    await asyncio.wait_for(asyncio.gather(*(errand.outcome for errand in errands)), 20)
    assert (done, running()) == (list(range(1, 20)), 1)


def test_a_loop_that_has_ended():
    """A thread whose errand nobody waits for any more, as the loop is gone, goes on without a word."""
    threads, go_on = Threads(1, "test-errand"), threading.Event()

    async def leave():
        threads.submit(Errand(lambda: go_on.wait(20)))

    asyncio.run(leave())
    go_on.set()
    threads.close()
    assert running() == 0
