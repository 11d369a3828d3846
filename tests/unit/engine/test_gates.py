"""What bounds the work under way: limits that are never passed, and jobs that are never lost, whatever changes."""

import asyncio

from hypothesis import given, settings
from hypothesis import strategies as st

from oms_engine.gates import Gate, Movers

LIMITS = st.lists(st.integers(1, 6), min_size=1, max_size=12)


@given(
    limits=LIMITS,
    wants=st.lists(st.tuples(st.integers(0, 9), st.integers(0, 4), st.booleans()), max_size=30),
)
@settings(max_examples=200, deadline=None)
def test_a_gate_keeps_its_limit_and_loses_nobody(limits, wants):
    """Amounts in use stay under the limit (or are one request alone); cancelled waiters hold nobody up."""

    async def run():
        limit = limits[0]
        gate = Gate(lambda: limit)
        inside = []

        async def one(amount, turns):
            await gate.acquire(amount)
            inside.append(amount)
            # Zero-sized requests take no room: one that is larger than the limit may be alone beside them.
            assert gate.used <= limit_now() or sum(1 for held in inside if held) <= 1
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
            finally:
                inside.remove(amount)
                gate.release(amount)

        def limit_now():
            return max(limits)

        tasks = []
        for number, (amount, turns, cancel) in enumerate(wants):
            limit = limits[number % len(limits)]
            task = asyncio.ensure_future(one(amount, turns))
            tasks.append(task)
            if number % 3 == 0:
                await asyncio.sleep(0)
            if cancel:
                task.cancel()
        done = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 5)
        assert all(end is None or isinstance(end, asyncio.CancelledError) for end in done)
        assert gate.used == 0

    asyncio.run(run())


@given(
    jobs=st.lists(st.integers(0, 3), max_size=60),
    limits=LIMITS,
    burst=st.integers(1, 10),
    drop_at=st.none() | st.integers(0, 60),
)
@settings(max_examples=300, deadline=None)
def test_movers_do_every_job_once_within_the_limit(jobs, limits, burst, drop_at):
    """Every job is done once or handed back; no more run at once than the greatest limit of the moment they began."""

    async def run():
        turn, done, active = 0, [], 0

        def limit():
            return limits[turn % len(limits)]

        async def work(job):
            nonlocal turn, active
            number, turns = job
            active += 1
            assert active <= max(limits)
            for _ in range(turns):
                await asyncio.sleep(0)
            turn += 1
            active -= 1
            done.append(number)

        movers = Movers(work, limit)
        back = []
        for number, turns in enumerate(jobs):
            movers.submit((number, turns))
            if number % burst == 0:
                await asyncio.wait_for(movers.room(), 5)
            if number == drop_at:
                back += [dropped for dropped, _ in movers.drop_queue()]
        await asyncio.wait_for(movers.drain(), 5)
        assert sorted(done + back) == list(range(len(jobs)))
        assert movers.active == 0
        await movers.close()

    asyncio.run(run())


def test_a_limit_that_falls_holds_idle_movers_back():
    """After the limit fell no more jobs run at once than it says, however many movers there were."""

    async def run():
        limit, active, most = 50, 0, 0

        async def work(_job):
            nonlocal active, most
            active += 1
            most = max(most, active)
            await asyncio.sleep(0)
            active -= 1

        movers = Movers(work, lambda: limit)
        for number in range(200):
            movers.submit(number)
        await movers.drain()
        assert most > 20
        limit, most = 2, 0
        for number in range(50):
            movers.submit(number)
        await asyncio.wait_for(movers.drain(), 5)
        await movers.close()
        return most

    assert asyncio.run(run()) <= 2


def test_movers_that_end_together_leave_nobody_waiting():
    """A limit that falls while many jobs end in the same turn stalls neither the queue nor who waits for room."""

    async def run():
        limit, done = 8, 0
        gate = asyncio.Event()

        async def work(_job):
            nonlocal done
            await gate.wait()
            done += 1

        movers = Movers(work, lambda: limit)
        for number in range(40):
            movers.submit(number)
        await asyncio.sleep(0)
        limit = 1
        gate.set()
        await asyncio.wait_for(movers.room(), 5)
        await asyncio.wait_for(movers.drain(), 5)
        await movers.close()
        return done

    assert asyncio.run(run()) == 40


def test_who_waits_for_room_is_woken_when_the_queue_is_dropped():
    """A pause that takes the queue back wakes who waits to submit."""

    async def run():
        movers = Movers(lambda _job: asyncio.sleep(3600), lambda: 1)
        for number in range(10):
            movers.submit(number)
        await asyncio.sleep(0)
        waiting = asyncio.ensure_future(movers.room())
        await asyncio.sleep(0)
        movers.drop_queue()
        await asyncio.wait_for(waiting, 1)
        await movers.close()

    asyncio.run(run())
